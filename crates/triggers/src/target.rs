//! What a single path would be, for tools that are about to write it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use crate::handle::open_folder_in;
use crate::list::{Shape, Trigger, kind_of};
use crate::name::fold;
use crate::repository::unless_absent;

/// What a file at `path` in a workspace would be once it is written, existing or new. Besides the
/// names on the path this looks at the folders on it: writing the last piece of a repository's
/// shape makes one, and every file in a folder that has the shape belongs to it.
///
/// `path` is relative and has no links: it is the path that a tool has resolved.
///
/// # Errors
/// When a folder on the way cannot be looked at.
pub fn trigger_at(workspace: impl AsFd, path: &Path) -> io::Result<Option<Trigger>> {
    if let Some(trigger) = kind_of(path.iter(), false, true) {
        return Ok(Some(trigger));
    }
    let mut folder = Some(open_folder_in(workspace.as_fd(), ".")?);
    for component in path.components() {
        let Component::Normal(name) = component else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let Some(here) = folder else { break };
        let mut shape = shape_by_name(here.as_fd())?;
        shape.note(&fold(&name.to_string_lossy()));
        if shape.is_repository() {
            return Ok(Some(Trigger::RepositoryFile));
        }
        folder = unless_absent(open_folder_in(&here, name))?;
    }
    Ok(None)
}

fn shape_by_name(folder: BorrowedFd<'_>) -> io::Result<Shape> {
    let mut shape = Shape::default();
    for name in ["HEAD", "objects", "refs", "commondir"] {
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => shape.note(&fold(name)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(shape)
}
