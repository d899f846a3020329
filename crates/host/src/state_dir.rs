//! The private directory that holds everything, and its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::boot::BootError;
use crate::{environment, regular_file};

/// The name of the lock in the state directory.
pub(crate) const LOCK: &str = "lock";
/// The most bytes of a Unix socket's path.
const MAX_SOCKET_PATH: usize = 104;

/// The state directory: the given one, or the default of this system.
///
/// # Errors
/// When none is given and there is no home directory.
pub fn state_dir(explicit: Option<PathBuf>) -> Result<PathBuf, BootError> {
    let chosen = explicit.or_else(environment::default_state_dir).ok_or(BootError::NoStateDir)?;
    let chosen = environment::below_home(chosen);
    std::path::absolute(&chosen)
        .map_err(|error| BootError::StateDir { path: chosen, reason: error.to_string() })
}

/// Why there is no place for the local socket.
#[derive(Debug, thiserror::Error)]
pub enum NoSocketPlace {
    /// The state directory's path is too long, and nothing else is the person's alone.
    #[error(
        "the path of the state directory is too long for a local socket ({length} bytes with its name; \
         {MAX_SOCKET_PATH} are possible), and there is no runtime directory for it (XDG_RUNTIME_DIR); choose a \
         state directory with a shorter path"
    )]
    NoRuntimeDirectory {
        /// The bytes of the socket's path in the state directory.
        length: usize,
    },
    /// The runtime directory cannot be trusted with it.
    #[error(
        "the path of the state directory is too long for a local socket, and the runtime directory {} is not used \
         for it: {reason}; choose a state directory with a shorter path",
        path.display()
    )]
    RuntimeDirectory {
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where the local socket is: in the state directory, or, where no socket can have a path so long, in a
/// directory of its own in the person's runtime directory. Never where others may write.
///
/// # Errors
/// When there is no such place.
pub fn control_socket(state_dir: &Path) -> Result<PathBuf, NoSocketPlace> {
    socket_place(state_dir, environment::absolute("XDG_RUNTIME_DIR"))
}

fn socket_place(state_dir: &Path, runtime: Option<PathBuf>) -> Result<PathBuf, NoSocketPlace> {
    let socket = state_dir.join("control.sock");
    let length = socket.as_os_str().len();
    if length <= MAX_SOCKET_PATH {
        return Ok(socket);
    }
    let runtime = runtime.ok_or(NoSocketPlace::NoRuntimeDirectory { length })?;
    let unusable = |reason: String| NoSocketPlace::RuntimeDirectory { path: runtime.clone(), reason };
    check_own(&runtime).map_err(unusable)?;
    let name = socket.display().to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let socket = runtime.join(format!("tidegate-{name:016x}")).join("control.sock");
    match socket.as_os_str().len() <= MAX_SOCKET_PATH {
        true => Ok(socket),
        false => Err(unusable("its path is too long, too".to_owned())),
    }
}

/// Whether a directory is no link, and this user's alone.
#[cfg(unix)]
pub(crate) fn check_own(directory: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err("it is no directory (symbolic links are not followed)".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    match found.mode() & 0o077 {
        0 => Ok(()),
        _ => Err(format!("other users may enter it (it has mode {:04o})", found.mode() & 0o7777)),
    }
}

#[cfg(not(unix))]
pub(crate) fn check_own(_directory: &Path) -> Result<(), String> {
    Ok(())
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
        let path = state_dir.join(LOCK);
        let failed = |reason: String| BootError::StateDir { path: path.clone(), reason };
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = regular_file::open(&path, &mut options).map_err(|error| failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(BootError::AlreadyRunning { state_dir: state_dir.to_owned() })
            }
            Err(TryLockError::Error(error)) => Err(failed(error.to_string())),
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn long(root: &Path) -> PathBuf {
        root.join("x".repeat(MAX_SOCKET_PATH))
    }

    #[test]
    fn a_tilde_at_the_beginning_is_the_home_directory() {
        let home = environment::home().expect("a home directory");
        let chosen = |text: &str| state_dir(Some(text.into())).expect("a directory");
        assert_eq!(chosen("~/tidegate"), home.join("tidegate"));
        assert_eq!(chosen("/srv/~/tidegate"), Path::new("/srv/~/tidegate"));
        assert!(chosen("~other/tidegate").ends_with("~other/tidegate"), "nobody's home is guessed");
    }

    #[test]
    fn a_socket_with_a_long_path_goes_to_a_directory_of_the_persons_own() {
        let place = tempfile::tempdir().expect("a directory");
        let runtime = place.path().join("r");
        std::fs::create_dir(&runtime).expect("made");
        let private = |mode| {
            std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(mode)).expect("set");
        };
        private(0o700);
        let of = |state_dir: &Path| socket_place(state_dir, Some(runtime.clone()));

        assert_eq!(of(Path::new("/s")).expect("short"), Path::new("/s/control.sock"));
        let socket = of(&long(Path::new("/s"))).expect("there is a place");
        assert!(socket.starts_with(&runtime) && socket.ends_with("control.sock"), "{}", socket.display());
        assert_ne!(of(&long(Path::new("/other"))).expect("there is a place"), socket, "each has its own");

        private(0o755);
        assert!(of(&long(Path::new("/s"))).is_err_and(|error| error.to_string().contains("0755")));
        private(0o700);
        let link = place.path().join("link");
        symlink(&runtime, &link).expect("linked");
        for directory in [None, Some(link), Some(place.path().join("none")), Some(long(place.path()))] {
            let none = socket_place(&long(Path::new("/s")), directory.clone());
            assert!(none.is_err_and(|error| error.to_string().contains("shorter path")), "{directory:?}");
        }
    }
}
