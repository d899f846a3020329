//! What trigger files lead to that are symbolic links: a command that writes there changes them as well.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use crate::engine::Engine;
use crate::handle::{Kind, list, open_folder};
use crate::list::Trigger;
use crate::object::Object;
use crate::walk::FoundFile;

/// Links that are followed one after the other, as on Linux.
const MAX_LINKS: usize = 40;
/// Files of a folder that a link leads to. One with more holds other things as well, and is not followed.
const MAX_FILES: usize = 256;
/// Folders in each other.
const MAX_DEPTH: usize = 8;
/// What git obeys in a repository's folder. What else may be a link there, git itself writes.
const OBEYED: &[&str] = &[
    "config",
    "config.worktree",
    "commondir",
    "gitdir",
    "attributes",
    "grafts",
    "alternates",
    "http-alternates",
];

/// The places in the workspace to which links lead that were there before.
#[derive(Default)]
pub(crate) struct Behind {
    /// Files, and links on the way.
    files: BTreeMap<PathBuf, Trigger>,
    /// Folders of which every file counts.
    folders: BTreeMap<PathBuf, Trigger>,
}

impl Behind {
    /// What a place is as one to which a link leads.
    pub(crate) fn trigger(&self, path: &Path) -> Option<Trigger> {
        let of_folder = || path.ancestors().skip(1).find_map(|above| self.folders.get(above));
        self.files.get(path).or_else(of_folder).copied()
    }
}

/// Where a link leads within the workspace.
#[derive(Default)]
struct Way {
    /// Links on the way.
    links: Vec<PathBuf>,
    /// Its end, unless that is nothing or lies outside.
    end: Option<End>,
}

enum End {
    File(PathBuf),
    Folder(PathBuf),
}

/// Whether the end of a link counts. A repository behind one is found by its shape.
fn is_obeyed(link: &Path, trigger: Trigger, is_folder: bool) -> bool {
    let is = |path: Option<&Path>, name: &str| path.and_then(Path::file_name).is_some_and(|it| it == name);
    match trigger {
        Trigger::Local | Trigger::Opening => true,
        Trigger::RepositoryFile if is_folder => is(Some(link), "hooks"),
        Trigger::RepositoryFile => {
            is(link.parent(), "hooks") || OBEYED.iter().any(|name| is(Some(link), name))
        }
        Trigger::Repository => !is_folder,
        Trigger::Interpreter => false,
    }
}

impl Engine {
    /// Finds the places behind the links that are known, and learns what is there.
    pub(crate) fn learn_behind(&mut self, kept: &mut usize) {
        self.behind = Behind::default();
        let is_link = |object: &Object| matches!(object, Object::Link(_));
        let links: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| is_link(&known.object) && known.trigger != Trigger::Interpreter)
            .map(|(path, known)| (path.clone(), known.trigger))
            .collect();
        for (link, trigger) in links {
            let way = self.way_of(&link);
            let mut files: Vec<_> = way.links.into_iter().filter(|place| *place != link).collect();
            match way.end {
                Some(End::File(file)) if is_obeyed(&link, trigger, false) => files.push(file),
                // A folder around the link is no place of settings.
                Some(End::Folder(folder))
                    if is_obeyed(&link, trigger, true) && !link.starts_with(&folder) =>
                {
                    if let Some(all) = self.files_in(&folder) {
                        files.extend(all);
                        self.behind.folders.insert(folder, trigger);
                    }
                }
                _ => {}
            }
            for file in files {
                let Ok(Some(object)) = self.look(&file) else { continue };
                // What could not be put back stays as commands leave it.
                if self.known.contains_key(&file) || !object.is_kept() {
                    continue;
                }
                self.learn(file.clone(), trigger, object, kept);
                self.behind.files.insert(file, trigger);
            }
        }
    }

    /// The files at those places now, for a check.
    pub(crate) fn found_behind(&self) -> Vec<FoundFile> {
        let mut files = self.behind.files.clone();
        for (folder, trigger) in &self.behind.folders {
            let new = self.files_in(folder).into_iter().flatten();
            files.extend(new.filter(|path| !self.known.contains_key(path)).map(|path| (path, *trigger)));
        }
        let top = self.root_inode();
        files.into_iter().map(|(path, trigger)| FoundFile { path, trigger, kind: Kind::Other, top }).collect()
    }

    fn way_of(&self, link: &Path) -> Way {
        let mut way = Way::default();
        let mut at = link.parent().unwrap_or(Path::new("")).to_owned();
        let mut rest: VecDeque<OsString> = link.file_name().map(OsStr::to_owned).into_iter().collect();
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                if !at.pop() {
                    return way;
                }
                continue;
            }
            let place = at.join(&name);
            match self.look(&place) {
                Ok(Some(Object::Link(target))) => {
                    way.links.push(place);
                    let target = PathBuf::from(OsString::from_vec(target));
                    let Some(inside) = self.inside(&target, &mut at) else { return way };
                    if way.links.len() >= MAX_LINKS {
                        return way;
                    }
                    for name in inside.into_iter().rev() {
                        rest.push_front(name);
                    }
                }
                Ok(Some(Object::Directory(_))) => at = place,
                Ok(Some(Object::File(_))) if rest.is_empty() => {
                    way.end = Some(End::File(place));
                    return way;
                }
                _ => return way,
            }
        }
        way.end = Some(End::Folder(at));
        way
    }

    /// The names on the way to a link's target, from the folder `at` or, where it is absolute, from the
    /// workspace. `None` outside.
    fn inside(&self, target: &Path, at: &mut PathBuf) -> Option<Vec<OsString>> {
        let target = if target.is_absolute() {
            at.clear();
            target.strip_prefix(self.workspace()).ok()?
        } else {
            target
        };
        let name = |component: Component<'_>| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        };
        Some(target.components().filter_map(name).collect())
    }

    /// The files in a folder and below it, unless there are too many.
    fn files_in(&self, folder: &Path) -> Option<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut waiting = vec![(folder.to_owned(), 0)];
        while let Some((path, depth)) = waiting.pop() {
            let Ok(opened) = open_folder(self.root(), &path) else { continue };
            let _ = list(opened.as_fd(), &mut Vec::new(), |name, kind, _| {
                let inner = path.join(OsStr::from_bytes(name));
                match kind {
                    Kind::Folder => waiting.push((inner, depth + 1)),
                    _ => files.push(inner),
                }
            });
            if files.len() + waiting.len() > MAX_FILES || depth > MAX_DEPTH {
                return None;
            }
        }
        Some(files)
    }
}
