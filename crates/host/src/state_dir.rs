//! The private directory that holds everything, and its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::boot::BootError;
use crate::environment;

/// The most bytes of a Unix socket's path.
const MAX_SOCKET_PATH: usize = 104;

/// The state directory: the given one, or the default of this system.
///
/// # Errors
/// When none is given and there is no home directory.
pub fn state_dir(explicit: Option<PathBuf>) -> Result<PathBuf, BootError> {
    let chosen = explicit.or_else(environment::default_state_dir).ok_or(BootError::NoStateDir)?;
    std::path::absolute(&chosen)
        .map_err(|error| BootError::StateDir { path: chosen, reason: error.to_string() })
}

/// Where the local socket is. A path that no socket can have gives a short one in the directory for
/// temporary files; it is private, too.
#[must_use]
pub fn control_socket(state_dir: &Path) -> PathBuf {
    let socket = state_dir.join("control.sock");
    if socket.as_os_str().len() <= MAX_SOCKET_PATH {
        return socket;
    }
    let name = socket.display().to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    std::env::temp_dir().join(format!("tidegate-{name:016x}")).join("control.sock")
}

/// Makes a directory that only we can enter, or checks that it is one.
pub(crate) fn make_private(path: &Path) -> Result<(), BootError> {
    let failed = |reason: String| BootError::StateDir { path: path.to_owned(), reason };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(error.to_string()))?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        let metadata = std::fs::symlink_metadata(path).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(failed("it is not a directory (symbolic links are not followed)".to_owned()));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(failed("it belongs to another user".to_owned()));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(path, private).map_err(|error| failed(error.to_string()))?;
        }
    }
    #[cfg(not(unix))]
    std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// The lock of a state directory. Two processes never share one. Given up when it is dropped.
pub(crate) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock.
    pub(crate) fn take(state_dir: &Path) -> Result<Self, BootError> {
        let path = state_dir.join("lock");
        let failed =
            |error: std::io::Error| BootError::StateDir { path: path.clone(), reason: error.to_string() };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(BootError::AlreadyRunning { state_dir: state_dir.to_owned() })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
