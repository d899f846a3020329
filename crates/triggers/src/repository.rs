//! The files of a repository's folder that run something or send git elsewhere.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::handle::{list, look, open_folder_in};
use crate::object::Object;

/// Hooks of one repository that are looked at.
const MAX_HOOKS: usize = 256;
/// Files that count by being there.
const FILES: &[&str] = &["config.worktree", "commondir", "gitdir"];
const IN_INFO: &[&str] = &["attributes", "grafts"];
const IN_OBJECTS_INFO: &[&str] = &["alternates", "http-alternates"];
/// What must not be a link: folders, and files that git reads.
const NOT_LINKS: &[&str] = &["HEAD", "index", "objects", "refs", "hooks", "info", "modules", "worktrees"];

/// Reads what matters of a repository's folder. Paths are relative to it.
pub(crate) fn read(repository: &OwnedFd) -> io::Result<Vec<(PathBuf, Object)>> {
    let mut read = read_config(repository)?;
    read.extend(read_others(repository)?);
    Ok(read)
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
        list(&hooks, &mut Vec::new(), |name, _, _| {
            if !name.ends_with(b".sample") && names.len() < MAX_HOOKS {
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
    match open_folder_in(folder, name) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is no folder of that name: nothing, a file or a link.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    let link = io::Error::from(rustix::io::Errno::LOOP).kind();
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || error.kind() == link
}
