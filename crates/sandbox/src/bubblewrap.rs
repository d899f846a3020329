//! The bubblewrap that the system has.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// Where it is looked for: never where a person or an agent may write.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];
/// The oldest version that has every option without which there is no sandbox.
const OLDEST: Version = Version(0, 5, 0);
/// The first that bounds file systems in memory, and that forbids further user namespaces.
const BOUNDS_MEMORY: Version = Version(0, 7, 0);
const FORBIDS_NAMESPACES: Version = Version(0, 8, 0);
const SET_USER_ID: u32 = 0o4000;

/// A version number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u16, pub u16, pub u16);

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A bubblewrap that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bubblewrap {
    pub path: PathBuf,
    pub version: Version,
    /// Whether it is asked to give the first program inside the capability by which inotify is limited. A
    /// system may refuse that (AppArmor), and is not asked again.
    pub gives_capability: bool,
}

/// Why none can be used. Sentences for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BubblewrapError {
    /// It is not installed.
    #[error("bubblewrap is not installed (Debian, Ubuntu, Fedora, Arch: package `bubblewrap`)")]
    Missing,
    /// It would run with the rights of root, and then cannot forbid namespaces inside.
    #[error("{} is a set-user-ID program, which Tidegate does not use; reinstall the package `bubblewrap`", .0.display())]
    SetUserId(PathBuf),
    /// Somebody else than root could exchange it.
    #[error("{} does not belong to root, so Tidegate does not use it", .0.display())]
    NotOfRoot(PathBuf),
    /// It lacks options.
    #[error("{} has version {found}; Tidegate needs {OLDEST} or later", .path.display())]
    Old { path: PathBuf, found: Version },
    /// It did not tell its version.
    #[error("{} does not tell its version: {reason}", .path.display())]
    Broken {
        path: PathBuf,
        /// What it said instead.
        reason: String,
    },
}

impl Bubblewrap {
    /// The first usable one in the places of the system. Starts it once, to ask for its version.
    ///
    /// # Errors
    /// The reason for which the last that was found cannot be used.
    pub fn find() -> Result<Self, BubblewrapError> {
        Self::find_in(PLACES.iter().map(Path::new))
    }

    /// The same in other places.
    ///
    /// # Errors
    /// The same.
    pub fn find_in<'a>(places: impl IntoIterator<Item = &'a Path>) -> Result<Self, BubblewrapError> {
        let mut problem = BubblewrapError::Missing;
        for path in places {
            match Self::at(path) {
                Ok(found) => return Ok(found),
                Err(BubblewrapError::Missing) => {}
                Err(other) => problem = other,
            }
        }
        Err(problem)
    }

    fn at(path: &Path) -> Result<Self, BubblewrapError> {
        check_file(path)?;
        let broken = |reason: String| BubblewrapError::Broken { path: path.to_owned(), reason };
        let output = Command::new(path)
            .arg("--version")
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| broken(error.to_string()))?;
        let said: String = String::from_utf8_lossy(&output.stdout).chars().take(100).collect();
        let found = parse_version(&said).ok_or_else(|| broken(format!("{:?}", said.trim())))?;
        if found < OLDEST {
            return Err(BubblewrapError::Old { path: path.to_owned(), found });
        }
        Ok(Self { path: path.to_owned(), version: found, gives_capability: true })
    }

    /// Looks once more whether it may be used: it may have been exchanged since it was found.
    ///
    /// # Errors
    /// When it is gone, or is one that is not used.
    pub fn check(&self) -> Result<(), BubblewrapError> {
        check_file(&self.path)
    }

    /// Whether it can bound the size of file systems in memory.
    #[must_use]
    pub fn bounds_memory(&self) -> bool {
        self.version >= BOUNDS_MEMORY
    }

    /// Whether it can forbid further user namespaces inside; the system call filter does, too.
    #[must_use]
    pub fn forbids_namespaces(&self) -> bool {
        self.version >= FORBIDS_NAMESPACES
    }
}

fn check_file(path: &Path) -> Result<(), BubblewrapError> {
    let Ok(metadata) = std::fs::metadata(path) else { return Err(BubblewrapError::Missing) };
    if metadata.mode() & SET_USER_ID != 0 {
        return Err(BubblewrapError::SetUserId(path.to_owned()));
    }
    // Inside somebody's container the system's files may belong to nobody that is known there.
    let overflow = 65534;
    if metadata.uid() != 0 && metadata.uid() != overflow {
        return Err(BubblewrapError::NotOfRoot(path.to_owned()));
    }
    Ok(())
}

/// Reads `bubblewrap 0.8.0`.
fn parse_version(said: &str) -> Option<Version> {
    let number = said.trim().strip_prefix("bubblewrap ")?;
    let mut parts = number.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    Some(Version(parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn fake(directory: &Path, says: &str, mode: u32) -> PathBuf {
        let path = directory.join("bwrap");
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
        path
    }

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        assert_eq!(parse_version("bubblewrap 0.8.0\n"), Some(Version(0, 8, 0)));
        assert_eq!(parse_version("bubblewrap 0.11-rc1"), Some(Version(0, 11, 0)));
        assert_eq!(parse_version("bubblewrap"), None);
        assert_eq!(parse_version("bwrap: 0.8.0"), None);
    }

    #[test]
    fn a_missing_one_is_named_with_its_package() {
        let found = Bubblewrap::find_in([Path::new("/nonexistent/bwrap")]);
        assert_eq!(found, Err(BubblewrapError::Missing));
        assert!(BubblewrapError::Missing.to_string().contains("package `bubblewrap`"));
    }

    #[test]
    fn a_set_user_id_one_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = fake(directory.path(), "bubblewrap 0.8.0", 0o4755);
        let found = Bubblewrap::find_in([path.as_path()]);
        assert_eq!(found, Err(BubblewrapError::SetUserId(path)));
    }

    #[test]
    fn only_one_that_belongs_to_root_is_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = fake(directory.path(), "bubblewrap 0.8.0", 0o755);
        let found = Bubblewrap::find_in([path.as_path()]);
        let is_root = std::fs::metadata(&path).expect("there").uid() == 0;
        match found {
            Ok(found) => assert!(is_root && found.version == Version(0, 8, 0)),
            Err(error) => assert_eq!((is_root, error), (false, BubblewrapError::NotOfRoot(path))),
        }
    }
}
