//! A walk over the names of a workspace: finds trigger files and folders that git would take for
//! repositories. Nothing is read but names and their kinds, and, where that is asked for, how many names
//! each file has.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::decide::RepositoryForm;
use rustix::fs::fstat;

use crate::handle::{Kind, identity, list, open_listable_in};
use crate::links::Links;
use crate::list::{Folder, Shape, Trigger};
use crate::name::fold;

/// Folders in each other that are entered. Each takes a descriptor.
const MAX_DEPTH: usize = 256;
/// Trigger files and repositories of one workspace.
const MAX_FOUND: usize = 20_000;
/// Interpreters among them. Anyone may make more, which must not hide anything else.
const MAX_INTERPRETERS: usize = 1_000;

/// A trigger file.
#[derive(Debug, Clone)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) trigger: Trigger,
    pub(crate) kind: Kind,
    /// The inode of the top folder in which it counts.
    pub(crate) top: u64,
}

/// A folder that git takes for a repository.
#[derive(Debug, Clone)]
pub(crate) struct FoundRepository {
    pub(crate) path: PathBuf,
    pub(crate) form: RepositoryForm,
    pub(crate) inode: u64,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FoundFile>,
    pub(crate) repositories: Vec<FoundRepository>,
    /// The inodes of all folders outside of repositories.
    pub(crate) folders: Vec<u64>,
    interpreters: usize,
    pub(crate) entries: u64,
    /// Why something was not looked at.
    pub(crate) incomplete: Option<Incomplete>,
}

/// Why a look at a workspace is not the whole truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// Folders lie too deep in each other.
    #[error("folders lie more than {MAX_DEPTH} deep in each other, and what is below was not looked at")]
    Depth,
    /// There are too many trigger files.
    #[error("there are more than {MAX_FOUND} trigger files, and the rest was not looked at")]
    Number,
    /// A folder cannot be read.
    #[error("a folder cannot be read, and what is in it was not looked at")]
    Unreadable,
}

struct Frame {
    /// The folder that holds it, kept open while others in it wait.
    above: Rc<OwnedFd>,
    name: OsString,
    path: PathBuf,
    inode: u64,
    kind: Folder,
    /// What it is if it is a repository's folder.
    form: RepositoryForm,
    top: u64,
    depth: usize,
}

/// Walks. `opened` is called for each folder, with its inode and path, before its names are read, so that it can be watched first.
/// Files with several names are noted in `links`, where it is given.
pub(crate) fn walk(
    folder: OwnedFd,
    path: &Path,
    (kind, form): (Folder, RepositoryForm),
    mut links: Option<&mut Links>,
    mut opened: impl FnMut(BorrowedFd<'_>, u64, &Path),
) -> Found {
    let mut found = Found::default();
    let mut buffer = Vec::new();
    let mut names = Names::default();
    let inode = fstat(&folder).map_or(0, |status| identity(&status).inode);
    let (name, path, top) = (OsString::from("."), path.to_owned(), inode);
    let first = Frame { above: Rc::new(folder), name, path, inode, kind, form, top, depth: 0 };
    let mut waiting = vec![first];
    while let Some(frame) = waiting.pop() {
        let folder = match open_listable_in(&frame.above, frame.name.as_os_str()) {
            Ok(folder) => folder,
            // Gone, or replaced by something else.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(_) => {
                found.incomplete = Some(Incomplete::Unreadable);
                links.iter_mut().for_each(|links| links.unknown(&frame.path));
                continue;
            }
        };
        let is_object_store = frame.kind == Folder::ObjectStore;
        if !is_object_store {
            opened(folder.as_fd(), frame.inode, &frame.path);
        }
        names.clear();
        let listed = list(&folder, &mut buffer, |name, kind, inode| names.add(name, kind, inode));
        if listed.is_err() {
            found.incomplete = Some(Incomplete::Unreadable);
        }
        if let Some(links) = &mut links {
            if listed.is_err() {
                links.unknown(&frame.path);
            }
            let files = names.other.iter().filter(|name| name.kind == Kind::Other);
            links.note(folder.as_fd(), &frame.path, files.map(|name| names.bytes(name)));
        }
        visit(&frame, folder, &names, &mut waiting, &mut found, links.as_deref_mut());
    }
    found
}

fn visit(
    frame: &Frame,
    folder: OwnedFd,
    names: &Names,
    waiting: &mut Vec<Frame>,
    found: &mut Found,
    mut links: Option<&mut Links>,
) {
    if frame.kind == Folder::ObjectStore {
        enter_folders(frame, folder, names, waiting, found, links, (Folder::ObjectStore, false, frame.top));
        return;
    }
    found.entries += names.entries;
    let mut kind = frame.kind;
    // Below `.git` the names decide, anywhere else the shape does.
    let is_shaped = names.shape.is_repository() && !matches!(kind, Folder::Repository | Folder::ObjectStore);
    if kind == Folder::Repository || is_shaped {
        let is_entry = frame.path.file_name().is_some_and(|name| fold(&name.to_string_lossy()) == ".git");
        let form = if is_entry { RepositoryForm::DotGit } else { frame.form };
        found.repositories.push(FoundRepository { path: frame.path.clone(), form, inode: frame.inode });
    }
    if !kind.is_inside_repository() {
        found.folders.push(frame.inode);
    }
    let mut top = frame.top;
    if names.has_git && !matches!(kind, Folder::Repository | Folder::ObjectStore | Folder::Dependencies) {
        top = frame.inode;
        if kind == Folder::Ordinary || kind.is_inside_repository() {
            kind = Folder::Top;
        }
    }
    let counts_only_everywhere = matches!(kind, Folder::Ordinary | Folder::Dependencies);
    for name in &names.other {
        let bytes = names.bytes(name);
        if counts_only_everywhere && !may_count_everywhere(bytes) {
            continue;
        }
        let is_top = frame.path.as_os_str().is_empty();
        let trigger = with_folded(bytes, |folded| kind.entry_left(folded, name.kind == Kind::Folder, is_top));
        if let Some(trigger) = trigger {
            if trigger == Trigger::RepositoryFile {
                continue;
            }
            if trigger == Trigger::Interpreter {
                found.interpreters += 1;
                if found.interpreters > MAX_INTERPRETERS {
                    found.incomplete = Some(Incomplete::Number);
                    continue;
                }
            }
            let path = frame.path.join(OsStr::from_bytes(bytes));
            found.files.push(FoundFile { path, trigger, kind: name.kind, top });
        }
    }
    if found.files.len() + found.repositories.len() > MAX_FOUND {
        found.incomplete = Some(Incomplete::Number);
        links.iter_mut().for_each(|links| links.everything_is_unknown());
        waiting.clear();
        return;
    }
    enter_folders(frame, folder, names, waiting, found, links, (kind, is_shaped, top));
}

/// Has the folders in a folder of this kind looked at next.
fn enter_folders(
    frame: &Frame,
    folder: OwnedFd,
    names: &Names,
    waiting: &mut Vec<Frame>,
    found: &mut Found,
    mut links: Option<&mut Links>,
    (kind, is_shaped, top): (Folder, bool, u64),
) {
    let folder = Rc::new(folder);
    let mut first = Vec::new();
    for name in names.other.iter().filter(|name| name.kind == Kind::Folder) {
        let bytes = names.bytes(name);
        let inner = with_folded(bytes, |folded| enter(kind, is_shaped, folded));
        // What is in them runs nowhere, but may be shared.
        if inner == Folder::ObjectStore && links.is_none() {
            continue;
        }
        if frame.depth >= MAX_DEPTH {
            found.incomplete = Some(Incomplete::Depth);
            links.iter_mut().for_each(|links| links.unknown(&frame.path));
            break;
        }
        let inner_frame = Frame {
            above: Rc::clone(&folder),
            name: OsStr::from_bytes(bytes).to_owned(),
            path: frame.path.join(OsStr::from_bytes(bytes)),
            inode: name.inode,
            kind: inner,
            form: inner_form(kind, is_shaped, frame.form, bytes),
            top,
            depth: frame.depth + 1,
        };
        // What counts here is looked at before all that may lie deeper.
        let is_ordinary = matches!(
            inner,
            Folder::Ordinary
                | Folder::Dependencies
                | Folder::Environment
                | Folder::EnvironmentPrograms
                | Folder::ObjectStore
        );
        if is_ordinary { waiting.push(inner_frame) } else { first.push(inner_frame) }
    }
    waiting.append(&mut first);
}

/// The folder named `name` (folded) in a folder of `kind`.
pub(crate) fn enter(kind: Folder, is_shaped: bool, name: &str) -> Folder {
    if is_shaped { kind.enter_shaped(name) } else { kind.enter(name) }
}

/// What a folder named `name` in a folder of `kind` is if it is a repository's.
pub(crate) fn inner_form(kind: Folder, is_shaped: bool, form: RepositoryForm, name: &[u8]) -> RepositoryForm {
    let is_repository = is_shaped || kind == Folder::Repository;
    match kind {
        Folder::Worktrees => RepositoryForm::Worktree,
        _ if is_repository && name.eq_ignore_ascii_case(b"modules") => RepositoryForm::Module,
        Folder::RepositoryPart => form,
        _ => RepositoryForm::Shaped,
    }
}

/// Calls with the folded name; ASCII in lower case costs nothing.
fn with_folded<T>(name: &[u8], call: impl FnOnce(&str) -> T) -> T {
    match std::str::from_utf8(name) {
        Ok(name) => call(&fold(name)),
        Err(_) => call(&fold(&String::from_utf8_lossy(name))),
    }
}

/// Whether a name can be one of those that count in every folder; most names cannot. `g` is for the
/// short name of `.git`.
fn may_count_everywhere(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'.' | b'_' | b'm' | b'M' | b'g' | b'G')) || !name.is_ascii()
}

/// Whether a name can be `.git` or a part of a repository's shape.
fn may_be_of_a_shape(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'.' | b'h' | b'H' | b'o' | b'O' | b'r' | b'R' | b'c' | b'C' | b'g' | b'G'))
        || !name.is_ascii()
}

/// The names of a folder that matter: folders, and files whose name may be a trigger's.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    other: Vec<Name>,
    shape: Shape,
    has_git: bool,
    entries: u64,
}

struct Name {
    from: usize,
    to: usize,
    kind: Kind,
    inode: u64,
}

impl Names {
    fn clear(&mut self) {
        self.bytes.clear();
        self.other.clear();
        self.shape = Shape::default();
        self.has_git = false;
        self.entries = 0;
    }

    fn bytes(&self, name: &Name) -> &[u8] {
        &self.bytes[name.from..name.to]
    }

    fn add(&mut self, name: &[u8], kind: Kind, inode: u64) {
        self.entries += 1;
        if may_be_of_a_shape(name) {
            with_folded(name, |folded| {
                self.shape.note(folded);
                self.has_git |= folded == ".git";
            });
        }
        let from = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.other.push(Name { from, to: self.bytes.len(), kind, inode });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_name_that_counts_is_passed_over(
            name in "[._mMgGhorcaHORC\u{ff0e}\u{212a}][a-zA-Z.~1]{0,9}|\\.[a-z]{3,8}|HEAD|objects|mise\\.toml|GIT~1",
            is_directory in any::<bool>(),
        ) {
            let folded = fold(&name);
            let mut shape = Shape::default();
            shape.note(&folded);
            if shape != Shape::default() || folded == ".git" {
                prop_assert!(may_be_of_a_shape(name.as_bytes()), "{name:?}");
            }
            for kind in [Folder::Ordinary, Folder::Dependencies] {
                if kind.entry(&folded, is_directory).is_some() {
                    prop_assert!(may_count_everywhere(name.as_bytes()), "{name:?}");
                }
            }
        }
    }
}
