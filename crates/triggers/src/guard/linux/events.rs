//! What is done about each event, and about files that are held open.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, ReadFlags};
use rustix::io::{Errno, pread};

use super::watch::{Held, Watch};
use super::watches::{FILE, Watched, add_watch};
use crate::decide::RepositoryForm;
use crate::handle::{Kind, open_file, open_parent};
use crate::list::{Class, Folder, Shape, Trigger};
use crate::name::fold;
use crate::object::KEPT;
use crate::session::Degraded;
use crate::walk::FoundFile;

/// Files that are held open.
const MAX_HELD: usize = 128;
/// Events that are read before they are dealt with.
const BATCH: usize = 4096;
/// What in a repository's folder is looked at when it appears.
const SETTINGS: &[&[u8]] = &[
    b"config",
    b"config.worktree",
    b"commondir",
    b"gitdir",
    b"HEAD",
    b"index",
    b"objects",
    b"refs",
    b"hooks",
    b"info",
    b"modules",
    b"worktrees",
];

struct Event {
    watch: i32,
    flags: ReadFlags,
    name: Option<Vec<u8>>,
}

impl Watch {
    /// Reads and deals with events that are there.
    pub(super) fn drain(&mut self, batches: usize) {
        for _ in 0..batches {
            let events = self.read_events();
            if events.is_empty() {
                return;
            }
            for event in events {
                self.event(&event);
            }
        }
    }

    fn read_events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(inotify) = &self.inotify else { return events };
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        // What has been read is not left behind in the buffer.
        while events.len() < BATCH || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => events.push(Event {
                    watch: event.wd(),
                    flags: event.events(),
                    name: event.file_name().map(|name| name.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        events
    }

    fn event(&mut self, event: &Event) {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.is_stale = true;
            self.shared = None;
            self.moves += 1;
            if self.session.is_active() {
                self.session.degraded(Degraded::Overflow);
                self.check_all();
            }
            return;
        }
        let folder = match self.watched.by_number.get(&event.watch) {
            Some(Watched::Folder { path, .. }) => path.clone(),
            Some(Watched::File(path)) => {
                let path = path.clone();
                if event.flags.contains(ReadFlags::IGNORED) {
                    self.watched.remove(event.watch);
                } else {
                    self.file_changed(&path);
                }
                return;
            }
            None => return,
        };
        if event.flags.contains(ReadFlags::IGNORED) {
            self.watched.remove(event.watch);
            return;
        }
        let Some(name) = &event.name else { return };
        self.shared = None;
        let is_move = event.flags.intersects(ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO);
        self.moves += u64::from(is_move && event.flags.contains(ReadFlags::ISDIR));
        if event.flags.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE) {
            self.is_stale |= event.flags.contains(ReadFlags::ISDIR) || self.matters(&folder, name);
            return;
        }
        self.appeared(&folder, name, event.flags.contains(ReadFlags::ISDIR));
    }

    /// Whether a name in a folder may be a trigger's.
    fn matters(&self, folder: &Path, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let folded = fold(&name);
        let (kind, _) = self.session.engine.place_of(folder);
        // In any folder there may be a repository, which makes it a top.
        let kind = if kind == Folder::Ordinary { Folder::Top } else { kind };
        Shape::is_part(&folded) || kind.entry(&folded, false).is_some()
    }

    fn appeared(&mut self, folder: &Path, name: &[u8], is_folder: bool) {
        let path = folder.join(OsStr::from_bytes(name));
        let (kind, form) = self.session.engine.place_of(folder);
        let lossy = String::from_utf8_lossy(name);
        let folded = fold(&lossy).into_owned();
        for repository in self.repositories_of(folder, name) {
            self.check_repository(&repository);
        }
        let may_complete =
            Shape::is_part(&folded) && kind != Folder::Repository && kind != Folder::ObjectStore;
        if may_complete && self.session.engine.shape_of(folder).is_repository() {
            self.session.engine.repositories.insert(folder.to_owned(), form);
            self.check_repository(folder);
        }
        if is_folder {
            if folded == ".git" {
                // First what git would read next.
                self.session.engine.repositories.insert(path.clone(), RepositoryForm::DotGit);
                self.check_repository(&path);
            }
            let found = self.walk_below(&path);
            self.take(&found);
            // What came into it after the first look and before it was watched, such as a hook.
            for repository in self.repositories_of(folder, name) {
                self.check_repository(&repository);
            }
            return;
        }
        let trigger = kind.entry_left(&folded, false, folder.as_os_str().is_empty());
        let trigger = trigger.filter(|trigger| *trigger != Trigger::RepositoryFile);
        let Some(trigger) = trigger.or_else(|| self.session.engine.behind.trigger(&path)) else {
            self.is_stale |= self.matters(folder, name);
            return;
        };
        self.is_stale = true;
        if self.session.is_active() && trigger.class() == Class::Looking {
            self.check_file(&path, trigger);
        }
    }

    /// The repositories of which `name` in `folder` may be a setting. There can be several: a folder
    /// inside a repository's may have the shape of one, and must not hide the outer.
    fn repositories_of(&self, folder: &Path, name: &[u8]) -> Vec<PathBuf> {
        let is_setting = |repository: &&Path| {
            let within = folder.strip_prefix(repository).unwrap_or(Path::new(""));
            match within.to_str() {
                Some("") => SETTINGS.contains(&name),
                Some("hooks" | "info" | "objects/info") => true,
                Some("objects") => name == b"info",
                _ => false,
            }
        };
        let known = |above: &&Path| self.session.engine.repositories.contains_key(*above);
        // No setting lies deeper.
        folder.ancestors().take(3).filter(known).filter(is_setting).map(Path::to_owned).collect()
    }

    fn check_repository(&mut self, path: &Path) {
        if !self.session.is_active() {
            self.is_stale = true;
            return;
        }
        let form = self.session.engine.repositories.get(path).copied().unwrap_or(RepositoryForm::Shaped);
        let findings = self.session.engine.check_repository(path, form, false);
        self.session.add(findings);
        self.hold_seen();
    }

    fn check_file(&mut self, path: &Path, trigger: Trigger) {
        let file = FoundFile { path: path.to_owned(), trigger, kind: Kind::Other, top: 0 };
        let findings = self.session.engine.check_file(&file, false);
        self.session.add(findings.into_iter().collect());
        self.hold_seen();
    }

    /// A file that is watched itself has changed.
    fn file_changed(&mut self, path: &Path) {
        if !self.session.is_active() {
            return;
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or_default();
        for repository in self.repositories_of(folder, name.as_bytes()) {
            self.check_repository(&repository);
        }
        let (kind, _) = self.session.engine.place_of(folder);
        let trigger = kind.entry(&fold(&name.to_string_lossy()), false);
        let trigger = trigger.filter(|trigger| *trigger != Trigger::RepositoryFile);
        if let Some(trigger) = trigger.or_else(|| self.session.engine.behind.trigger(path)) {
            self.check_file(path, trigger);
        }
    }

    /// Keeps a file open and watches it, as it is now.
    pub(super) fn hold(&mut self, path: &Path) {
        let opened =
            open_parent(self.session.engine.root(), path).and_then(|(folder, name)| open_file(&folder, name));
        let Ok(Some((file, status))) = opened else {
            self.held.remove(path);
            return;
        };
        let identity = crate::handle::identity(&status);
        if self.held.get(path).is_some_and(|held| held.identity == identity) {
            return;
        }
        if let Some(inotify) = &self.inotify {
            match add_watch(inotify, file.as_fd(), FILE) {
                Ok(watch) => {
                    self.watched.by_number.insert(watch, Watched::File(path.to_owned()));
                }
                Err(_) => self.degrade(Some(Degraded::Limit)),
            }
        }
        if self.held.len() >= MAX_HELD && !self.held.contains_key(path) {
            return;
        }
        // What was read when it was checked may be older than this: the next reading compares to
        // nothing, so that it is checked once more.
        self.held.insert(path.to_owned(), Held { file, identity, content: Vec::new() });
    }

    /// Reads held files again, and checks those that are not as they were.
    pub(super) fn read_again(&mut self) {
        if !self.session.is_active() {
            return;
        }
        let mut changed = Vec::new();
        let mut block = vec![0; KEPT + 1];
        for (path, held) in &mut self.held {
            let Ok(read) = pread(&held.file, &mut block[..], 0) else { continue };
            if held.content != block[..read] {
                held.content = block[..read].to_vec();
                changed.push(path.clone());
            }
        }
        for path in changed {
            self.file_changed(&path);
        }
    }
}
