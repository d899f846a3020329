//! Sockets of other programs in the folders of a sandbox. A command that may use local sockets reaches
//! whatever lies there, so that it does not get them where a program listens.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Entries that are looked at. Beyond that nobody knows what lies there.
const MAX_ENTRIES: usize = 500_000;
/// Bytes of a socket's path that the system takes.
const MAX_PATH: usize = 107;

#[cfg(target_os = "linux")]
const FLAGS: SocketFlags = SocketFlags::CLOEXEC;
#[cfg(not(target_os = "linux"))]
const FLAGS: SocketFlags = SocketFlags::empty();

/// Why a command does not get local sockets.
#[derive(Debug, thiserror::Error)]
pub(super) enum InReach {
    #[error("a program listens on {}, which the command would reach", .0.display())]
    Socket(PathBuf),
    #[error("the folders hold more than {MAX_ENTRIES} entries, so that not all could be looked at")]
    TooMany,
    #[error("{} could not be looked at: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
}

/// Looks for sockets below folders, without following links. One that nobody listens on any more is a
/// file that a program has left. Blocks on the file system.
pub(super) fn check<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), InReach> {
    let mut waiting: Vec<PathBuf> = folders.into_iter().cloned().collect();
    let mut looked_at = 0;
    while let Some(folder) = waiting.pop() {
        let unreadable = |error| InReach::Unreadable { path: folder.clone(), error };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Gone, or a file: toolchains have some.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                continue;
            }
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            looked_at += 1;
            if looked_at > MAX_ENTRIES {
                return Err(InReach::TooMany);
            }
            let entry = entry.map_err(unreadable)?;
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(error)),
            };
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_socket() && may_be_served(&entry.path()) {
                return Err(InReach::Socket(entry.path()));
            }
        }
    }
    Ok(())
}

/// Whether somebody may listen there: only a refused connection says that nobody does. A program that
/// takes none of those that wait makes nobody wait here.
fn may_be_served(path: &Path) -> bool {
    let connected = || {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        ioctl_fionbio(&socket, true)?;
        connect(&socket, &SocketAddrUnix::new(path)?)
    };
    path.as_os_str().len() > MAX_PATH || connected() != Err(Errno::CONNREFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn a_socket_that_is_served_is_found_and_one_that_was_left_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let folders = [directory.path().to_owned()];
        std::fs::create_dir_all(directory.path().join("a/b")).expect("made");
        let stream = UnixListener::bind(directory.path().join("a/b/stream")).expect("bound");
        assert!(matches!(check(&folders), Err(InReach::Socket(path)) if path.ends_with("a/b/stream")));
        drop(stream);
        assert!(check(&folders).is_ok());

        let _datagrams = UnixDatagram::bind(directory.path().join("datagrams")).expect("bound");
        assert!(matches!(check(&folders), Err(InReach::Socket(_))));
    }

    #[test]
    fn a_program_that_accepts_nobody_holds_nothing_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("full");
        let new = || {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None).expect("made");
            ioctl_fionbio(&socket, true).expect("set");
            socket
        };
        let address = SocketAddrUnix::new(&path).expect("short");
        let listener = new();
        rustix::net::bind(&listener, &address).expect("bound");
        rustix::net::listen(&listener, 0).expect("listening");
        let waiting: Vec<_> = std::iter::repeat_with(|| {
            let socket = new();
            connect(&socket, &address).map(|()| socket)
        })
        .take(100)
        .take_while(Result::is_ok)
        .collect();
        assert!(waiting.len() < 100, "nobody else can wait");

        assert!(
            matches!(check(&[directory.path().to_owned()]), Err(InReach::Socket(found)) if found == path)
        );
    }

    #[test]
    fn links_are_not_followed_and_missing_folders_hold_nothing() {
        let (directory, outside) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let _socket = UnixListener::bind(outside.path().join("socket")).expect("bound");
        std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).expect("linked");
        assert!(check(&[directory.path().to_owned(), directory.path().join("missing")]).is_ok());
    }
}
