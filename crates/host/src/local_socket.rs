//! The command line's way to the gateway: the local socket, and a look at who answers there before
//! anything is said. A key that a person types goes to the process that listens.

use std::path::{Path, PathBuf};

pub use tidegate_transport::lines::{LineReceived, LinesClient};
pub use tidegate_transport::local_socket::LocalSocketError;
use tidegate_transport::local_socket::connect_stream;
pub use tokio::net::UnixStream;

use crate::state_dir::{LOCK, NoSocketPlace, control_socket};

/// Why the command line does not talk to a gateway. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no place for the socket.
    #[error("there is no local socket: {0}")]
    NoPlace(#[from] NoSocketPlace),
    /// The socket cannot be reached.
    #[error(transparent)]
    Socket(#[from] LocalSocketError),
    /// A program of another user answers.
    #[error("a program of another user ({uid}) answers on {path:?}; nothing was sent to it")]
    OtherUser { path: PathBuf, uid: u32 },
    /// It is not the process that holds the state directory.
    #[error(
        "process {pid} answers on {path:?}, but process {holder} is the Tidegate that holds this state directory; \
         nothing was sent. Look at process {pid}, then restart Tidegate"
    )]
    NotTheHost {
        path: PathBuf,
        pid: u32,
        /// Who holds the lock of the state directory.
        holder: u32,
    },
}

/// Connects to the Tidegate of a state directory.
///
/// # Errors
/// When nothing listens, or somebody else does.
pub async fn connect(state_dir: &Path) -> Result<LinesClient<UnixStream>, ConnectError> {
    let path = control_socket(state_dir)?;
    if let Some(directory) = path.parent().filter(|directory| directory.is_symlink()) {
        let reason = "it is a symbolic link".to_owned();
        return Err(NoSocketPlace::RuntimeDirectory { path: directory.to_owned(), reason }.into());
    }
    let stream = connect_stream(&path).await?;
    let refused = |source| LocalSocketError::Refused { path: path.clone(), source };
    let peer = stream.peer_cred().map_err(refused)?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        return Err(ConnectError::OtherUser { path, uid: peer.uid() });
    }
    // Number 0 is a process that this system, or this container, does not name.
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid != 0);
    let holders = lock_holders(&state_dir.join(LOCK));
    match (pid, holders.first()) {
        (Some(pid), Some(&holder)) if !holders.contains(&pid) => {
            Err(ConnectError::NotTheHost { path, pid, holder })
        }
        _ => Ok(LinesClient::new(stream)),
    }
}

/// The processes that hold a lock of a file, as far as the kernel tells (proc_locks(5)).
#[cfg(target_os = "linux")]
fn lock_holders(file: &Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt as _;

    let (Ok(file), Ok(locks)) = (std::fs::metadata(file), std::fs::read_to_string("/proc/locks")) else {
        return Vec::new();
    };
    let device = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    holders_in(&locks, device, file.ino())
}

/// No other system is asked yet.
#[cfg(not(target_os = "linux"))]
fn lock_holders(_file: &Path) -> Vec<u32> {
    Vec::new()
}

/// Some file systems give files another device here than elsewhere: then nothing is found, and nothing is
/// concluded from that.
#[cfg(target_os = "linux")]
fn holders_in(locks: &str, device: (u32, u32), inode: u64) -> Vec<u32> {
    let holder = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        // A line with an arrow is of somebody who waits.
        if words.next()? != "FLOCK" {
            return None;
        }
        let pid = words.nth(2)?.parse().ok().filter(|&pid| pid != 0)?;
        let mut place = words.next()?.split(':');
        let major = u32::from_str_radix(place.next()?, 16).ok()?;
        let minor = u32::from_str_radix(place.next()?, 16).ok()?;
        let is_it = (major, minor) == device && place.next()?.parse::<u64>().ok()? == inode;
        is_it.then_some(pid)
    };
    locks.lines().filter_map(holder).collect()
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCKS: &str = "1: FLOCK  ADVISORY  WRITE 4711 08:01:42 0 EOF\n\
                         2: -> FLOCK  ADVISORY  WRITE 12 08:01:42 0 EOF\n\
                         3: POSIX  ADVISORY  WRITE 13 08:01:42 0 EOF\n\
                         4: FLOCK  ADVISORY  WRITE 14 fd:01:42 0 EOF\n\
                         5: FLOCK  ADVISORY  WRITE 0 08:01:42 0 EOF\n\
                         6: FLOCK  ADVISORY  READ  15 08:01:43 0 EOF\n";

    #[test]
    fn the_holder_of_a_lock_is_found_and_nobody_who_waits() {
        assert_eq!(holders_in(LOCKS, (8, 1), 42), [4711]);
        assert_eq!(holders_in(LOCKS, (0xfd, 1), 42), [14]);
        assert_eq!(holders_in(LOCKS, (8, 2), 42), Vec::<u32>::new());
    }

    #[test]
    fn our_own_lock_is_seen_where_the_kernel_tells() {
        let place = tempfile::tempdir().expect("a directory");
        let file = std::fs::File::create(place.path().join(LOCK)).expect("made");
        file.try_lock().expect("locked");

        let holders = lock_holders(&place.path().join(LOCK));

        assert!(holders.is_empty() || holders == [std::process::id()], "{holders:?}");
    }

    proptest! {
        #[test]
        fn no_text_of_the_kernel_is_too_strange(text in "[FLOCK0-9a-f:> \n-]{0,80}") {
            let holders = holders_in(&text, (8, 1), 42);
            prop_assert!(holders.len() <= text.lines().count());
        }
    }
}
