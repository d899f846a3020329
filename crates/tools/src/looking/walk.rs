//! Goes through the directories below a start, in order of the names, by handles and one name at a
//! time. No link is followed; what is opened is inside the workspace, whatever happens meanwhile.
//!
//! Memory, descriptors and steps are bounded. A walk that stops early says where, and another one can
//! go on from there, also when files have come or gone.

use std::ffi::{OsStr, OsString};
use std::vec;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::LookError;
use super::names::{self, Kind, Name, Position, Unread};
use super::secret::is_secret;
use super::skipped::Skipped;
use super::start::{Start, View};

/// Directories below the start that are entered, each inside the one before.
pub(super) const MAX_DEPTH: usize = 64;
/// Bytes that a path may have, so that a tool can be given it.
const MAX_PATH: usize = 4096;
/// What one walk does: entries that are looked at, and what takes as long.
const MAX_STEPS: u64 = 1_000_000;
/// Entries that are read from a directory in one step.
const READ_PER_STEP: u64 = 8;
/// Entries of a directory that are held at once, and how many while many are held already.
const ROOM: usize = 4096;
const NARROW_ROOM: usize = 256;
const MANY: usize = 32_768;
/// What version control keeps for itself.
const VERSION_CONTROL: &[&str] = &[".git", ".hg", ".jj", ".svn"];

/// An entry on the way.
pub(super) struct Entry<'a> {
    pub(super) directory: &'a Dir,
    pub(super) name: &'a OsStr,
    /// Below the workspace.
    pub(super) path: &'a str,
    pub(super) kind: Kind,
    /// Whether an earlier walk stopped exactly here.
    pub(super) resumed: bool,
}

/// Who looks at entries.
pub(super) trait Visitor {
    /// Whether an entry is of interest.
    fn wants(&self, path: &str, kind: Kind) -> bool;

    /// Looks at a file, link or directory; the content of a directory comes next.
    fn visit(&mut self, entry: &Entry<'_>, skipped: &mut Skipped) -> Result<Next, LookError>;
}

/// How a walk goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// The entry was not looked at: another walk has to begin with it.
    StopBefore,
    /// The visitor knows itself where another walk has to go on.
    Stop,
}

/// How a walk ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    /// Early; `after` is the last entry that was looked at.
    Early {
        after: Option<String>,
    },
}

/// What a walk covers.
pub(super) struct Reach<'a> {
    /// The path below the workspace after which it begins.
    pub(super) after: Option<&'a str>,
    /// Directories below the start that are entered, each inside the one before.
    pub(super) depth: usize,
}

struct Frame {
    directory: Dir,
    /// The bytes of its path, with the slash.
    prefix: usize,
    names: vec::IntoIter<Name>,
    /// The last one in `names`, and whether others follow.
    last: Option<OsString>,
    more: bool,
    /// Whether the path after which the walk begins leads through it.
    on_the_way: bool,
}

/// Walks through what is below `start`.
pub(super) fn walk(
    view: &View,
    start: Start<'_>,
    reach: &Reach<'_>,
    visitor: &mut impl Visitor,
    skipped: &mut Skipped,
) -> Result<Ended, LookError> {
    let Start { directory, mut path, mut rules, .. } = start;
    let after = way(reach.after, &path)?;
    let (mut steps, mut last) = (0, None::<String>);
    let mut stack = Vec::new();
    let mut frame = Frame::new(directory, path.len(), !after.is_empty());
    let first = after.first().map_or(Position::Start, |name| Position::At(OsStr::new(name)));
    frame.load(first, ROOM, view, &mut steps).map_err(|unread| unread.into_error(view, &path))?;
    stack.push(frame);
    loop {
        let depth = stack.len();
        let held: usize = stack.iter().map(|frame| frame.names.len()).sum();
        let Some(frame) = stack.last_mut() else { return Ok(Ended::Whole) };
        path.truncate(frame.prefix);
        let room = if held > MANY { NARROW_ROOM } else { ROOM };
        let Some(name) = frame.next(room, view, &mut steps, skipped)? else {
            stack.pop();
            if depth > 1 {
                rules.leave();
            }
            continue;
        };
        if view.cancelled.is_cancelled() {
            return Err(LookError::Cancelled);
        }
        let Some(text) = name.name.to_str() else {
            skipped.not_utf8 += 1;
            continue;
        };
        if VERSION_CONTROL.contains(&text) {
            continue;
        }
        path.push_str(text);
        let is_directory = name.kind == Kind::Directory;
        let is_wanted = visitor.wants(&path, name.kind);
        if is_secret(text, is_directory) {
            skipped.secret += u64::from(is_wanted || is_directory);
            continue;
        }
        steps += rules.steps();
        if steps > MAX_STEPS && last.is_some() {
            return Ok(Ended::Early { after: last });
        }
        let is_next = frame.on_the_way && after.get(depth - 1).is_some_and(|next| *next == text);
        let resumed = is_next && after.len() == depth;
        let is_left_out = (is_wanted || is_directory) && rules.is_ignored(&path, is_directory);
        skipped.ignored += u64::from(is_left_out);
        let is_nameable = path.len() < MAX_PATH;
        if is_wanted && !is_nameable {
            skipped.deep += 1;
        } else if is_wanted && !is_left_out {
            let (directory, kind) = (&frame.directory, name.kind);
            let entry = Entry { directory, name: &name.name, path: &path, kind, resumed };
            match visitor.visit(&entry, skipped)? {
                Next::Continue => {}
                Next::StopBefore => return Ok(Ended::Early { after: last }),
                Next::Stop => return Ok(Ended::Early { after: None }),
            }
        }
        if !resumed {
            last.get_or_insert_with(String::new).clone_from(&path);
        }
        if is_left_out || !is_directory || depth > reach.depth {
            continue;
        }
        if depth > MAX_DEPTH || !is_nameable {
            skipped.deep += 1;
            continue;
        }
        let Some(directory) = open(view, &frame.directory, &name.name, skipped) else { continue };
        path.push('/');
        let mut below = Frame::new(directory, path.len(), is_next);
        let first = match after.get(depth) {
            Some(next) if is_next => Position::At(OsStr::new(next)),
            _ => Position::Start,
        };
        match below.load(first, room, view, &mut steps) {
            Ok(()) => {
                rules.enter(&below.directory, &path, skipped);
                stack.push(below);
            }
            Err(unread) => unread.count(skipped)?,
        }
    }
}

/// Opens a directory on the way, unless it is none any more or protected.
fn open(view: &View, above: &Dir, name: &OsStr, skipped: &mut Skipped) -> Option<Dir> {
    let Ok(directory) = above.open_dir_nofollow(name) else {
        skipped.unreadable += 1;
        return None;
    };
    if view.check(&directory).is_err() {
        skipped.protected += 1;
        return None;
    }
    Some(directory)
}

/// The names from the start to the entry after which a walk begins.
fn way<'a>(after: Option<&'a str>, start: &str) -> Result<Vec<&'a str>, LookError> {
    let Some(after) = after else { return Ok(Vec::new()) };
    match after.strip_prefix(start) {
        Some(below) => Ok(below.split('/').filter(|name| !name.is_empty()).collect()),
        None => Err(LookError::After),
    }
}

impl Frame {
    fn new(directory: Dir, prefix: usize, on_the_way: bool) -> Self {
        Self { directory, prefix, names: Vec::new().into_iter(), last: None, more: false, on_the_way }
    }

    fn load(&mut self, from: Position<'_>, room: usize, view: &View, steps: &mut u64) -> Result<(), Unread> {
        let batch = names::read(&self.directory, from, room, &view.cancelled)?;
        *steps += batch.read / READ_PER_STEP + 1;
        self.more = batch.more;
        self.last = batch.names.last().map(|last| last.name.clone());
        self.names = batch.names.into_iter();
        Ok(())
    }

    fn next(
        &mut self,
        room: usize,
        view: &View,
        steps: &mut u64,
        skipped: &mut Skipped,
    ) -> Result<Option<Name>, LookError> {
        if let Some(name) = self.names.next() {
            return Ok(Some(name));
        }
        let last = self.last.take();
        let (true, Some(last)) = (self.more, last) else { return Ok(None) };
        match self.load(Position::After(&last), room, view, steps) {
            Ok(()) => Ok(self.names.next()),
            Err(unread) => {
                self.more = false;
                unread.count(skipped).map(|()| None)
            }
        }
    }
}

impl Unread {
    /// Counts it, unless it ends the walk.
    fn count(self, skipped: &mut Skipped) -> Result<(), LookError> {
        match self {
            Self::Io(_) => skipped.unreadable += 1,
            Self::TooLarge => skipped.large += 1,
            Self::Cancelled => return Err(LookError::Cancelled),
        }
        Ok(())
    }
}
