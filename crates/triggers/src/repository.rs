//! The files of a repository's folder that run something or send git elsewhere.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::handle::{Kind, list, look, open_listable_in};
use crate::object::Object;

/// Files in the hooks of one repository that are looked at besides those that git runs.
const MAX_HOOKS: usize = 256;
/// What git runs in `hooks`, however many other files lie there.
const HOOKS: &[&[u8]] = &[
    b"applypatch-msg",
    b"commit-msg",
    b"fsmonitor-watchman",
    b"p4-changelist",
    b"p4-post-changelist",
    b"p4-pre-submit",
    b"p4-prepare-changelist",
    b"post-applypatch",
    b"post-checkout",
    b"post-commit",
    b"post-index-change",
    b"post-merge",
    b"post-receive",
    b"post-rewrite",
    b"post-update",
    b"pre-applypatch",
    b"pre-auto-gc",
    b"pre-commit",
    b"pre-merge-commit",
    b"pre-push",
    b"pre-rebase",
    b"pre-receive",
    b"prepare-commit-msg",
    b"proc-receive",
    b"push-to-checkout",
    b"reference-transaction",
    b"sendemail-validate",
    b"update",
];
/// Files that count by being there.
const FILES: &[&str] = &["config.worktree", "commondir", "gitdir"];
const IN_INFO: &[&str] = &["attributes", "grafts"];
const IN_OBJECTS_INFO: &[&str] = &["alternates", "http-alternates"];
/// What must not be a link: folders, and files that git reads.
const NOT_LINKS: &[&str] = &["HEAD", "index", "objects", "refs", "hooks", "info", "modules", "worktrees"];

/// Folders of the logs that are looked at, in each other and in all.
const MAX_LOG_DEPTH: usize = 32;
const MAX_LOG_FOLDERS: usize = 10_000;

/// Reads some of what matters of a repository's folder.
pub(crate) type Reader = fn(&OwnedFd) -> io::Result<Vec<(PathBuf, Object)>>;

/// Reads what matters of a repository's folder. Paths are relative to it.
pub(crate) fn read(repository: &OwnedFd) -> io::Result<Vec<(PathBuf, Object)>> {
    let mut read = read_config(repository)?;
    read.extend(read_others(repository)?);
    read.extend(read_written(repository)?);
    Ok(read)
}

/// Reads the links in place of files that git writes: messages in the repository's folder, and the logs of
/// references. Git would write to where they lead, what a command chose.
pub(crate) fn read_written(repository: &OwnedFd) -> io::Result<Vec<(PathBuf, Object)>> {
    let mut read = Vec::new();
    links_in(repository, Path::new(""), &mut read)?;
    read.retain(|(path, _)| !NOT_LINKS.iter().chain(FILES).any(|known| path == Path::new(known)));
    read.retain(|(path, _)| path != Path::new("config"));
    let mut waiting: Vec<_> =
        inner(repository, "logs")?.map(|logs| (PathBuf::from("logs"), logs, 1)).into_iter().collect();
    let mut left = MAX_LOG_FOLDERS;
    while let Some((path, folder, depth)) = waiting.pop() {
        left -= 1;
        for name in links_in(&folder, &path, &mut read)? {
            let is_within = depth < MAX_LOG_DEPTH && waiting.len() < left;
            if let Some(next) = is_within.then(|| open_listable_in(&folder, name.as_os_str()).ok()).flatten()
            {
                waiting.push((path.join(name), next, depth + 1));
            }
        }
    }
    Ok(read)
}

/// Adds the links in a folder; gives the names of the folders in it.
fn links_in(folder: &OwnedFd, at: &Path, read: &mut Vec<(PathBuf, Object)>) -> io::Result<Vec<OsString>> {
    let (mut links, mut folders) = (Vec::new(), Vec::new());
    list(folder, &mut Vec::new(), |name, kind, _| match kind {
        Kind::Link => links.push(OsStr::from_bytes(name).to_owned()),
        Kind::Folder => folders.push(OsStr::from_bytes(name).to_owned()),
        Kind::Other => {}
    })?;
    for name in links {
        if let Some(link @ Object::Link(_)) = look(folder, &name)? {
            read.push((at.join(name), link));
        }
    }
    Ok(folders)
}

/// Reads the configuration, which is what git obeys first.
pub(crate) fn read_config(repository: &OwnedFd) -> io::Result<Vec<(PathBuf, Object)>> {
    let mut read = Vec::new();
    add(repository, Path::new(""), &["config"], &mut read)?;
    Ok(read)
}

/// Reads what matters but for the configuration.
pub(crate) fn read_others(repository: &OwnedFd) -> io::Result<Vec<(PathBuf, Object)>> {
    let mut read = Vec::new();
    add(repository, Path::new(""), FILES, &mut read)?;
    for name in NOT_LINKS {
        if let Some(link @ Object::Link(_)) = look(repository, OsStr::new(name))? {
            read.push((PathBuf::from(name), link));
        }
    }
    if let Some(info) = inner(repository, "info")? {
        add(&info, Path::new("info"), IN_INFO, &mut read)?;
    }
    if let Some(objects) = inner(repository, "objects")? {
        match look(&objects, OsStr::new("info"))? {
            Some(link @ Object::Link(_)) => read.push((PathBuf::from("objects/info"), link)),
            Some(Object::Directory(_)) => {
                if let Some(info) = inner(&objects, "info")? {
                    add(&info, Path::new("objects/info"), IN_OBJECTS_INFO, &mut read)?;
                }
            }
            _ => {}
        }
    }
    if let Some(hooks) = inner(repository, "hooks")? {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut others = 0;
        list(&hooks, &mut Vec::new(), |name, _, _| {
            let is_run = HOOKS.iter().any(|hook| hook.eq_ignore_ascii_case(name));
            let is_other = !is_run && !name.ends_with(b".sample") && others < MAX_HOOKS;
            others += usize::from(is_other);
            if is_run || is_other {
                names.push(name.to_vec());
            }
        })?;
        for name in names {
            let name = OsStr::from_bytes(&name);
            if let Some(object) = look(&hooks, name)?.filter(|object| !matches!(object, Object::Directory(_)))
            {
                read.push((Path::new("hooks").join(name), object));
            }
        }
    }
    Ok(read)
}

fn add(folder: &OwnedFd, at: &Path, names: &[&str], read: &mut Vec<(PathBuf, Object)>) -> io::Result<()> {
    for name in names {
        if let Some(object) = look(folder, OsStr::new(name))? {
            read.push((at.join(name), object));
        }
    }
    Ok(())
}

fn inner(folder: &OwnedFd, name: &str) -> io::Result<Option<OwnedFd>> {
    unless_absent(open_listable_in(folder, name))
}

/// What was opened, if it was there.
pub(crate) fn unless_absent<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(error) if is_absent(&error) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether there is no folder of that name: nothing, a file or a link.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    let link = io::Error::from(rustix::io::Errno::LOOP).kind();
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || error.kind() == link
}
