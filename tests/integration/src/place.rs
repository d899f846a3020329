//! State directories, on disks of each kind.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A state directory and what lies beside it. Gone with this value.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
    mounted: bool,
}

impl Place {
    /// An ordinary place. The state directory does not exist yet.
    ///
    /// # Panics
    /// When there is no directory for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self { root: TempDir::with_prefix("tidegate-test-").unwrap(), mounted: false }
    }

    /// A place whose state directory is a small disk of its own. Only root may mount.
    ///
    /// # Panics
    /// When it cannot be mounted, or there is no directory for temporary files.
    #[must_use]
    pub fn small_disk(kib: u32) -> Self {
        let mut place = Self::new();
        fs::create_dir(place.state_dir()).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "tmpfs"], &place.state_dir());
        place.mounted = true;
        place
    }

    /// Makes the small disk read-only.
    ///
    /// # Panics
    /// When `mount` refuses.
    pub fn make_read_only(&self) {
        mount(&["-o", "remount,ro"], &self.state_dir());
    }

    /// Fills the small disk up to its last byte.
    ///
    /// # Panics
    /// When it does not get full.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.state_dir().join("ballast")).unwrap();
        let block = [0_u8; 4096];
        while ballast.write_all(&block).is_ok() {}
        assert!(ballast.write_all(&[0]).is_err(), "the disk still has room");
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// The store's file.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.state_dir().join(tidegate_store::FILE_NAME)
    }

    /// The directory above, for files that are no state.
    #[must_use]
    pub fn outside(&self) -> &Path {
        self.root.path()
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: the log of this process may still have a file open there.
            let _ = Command::new("umount").arg("-l").arg(self.state_dir()).status();
        }
    }
}

fn mount(arguments: &[&str], target: &Path) {
    let run = Command::new("mount").args(arguments).arg(target).stdin(Stdio::null()).output().unwrap();
    assert!(run.status.success(), "mount: {}", String::from_utf8_lossy(&run.stderr).trim());
}
