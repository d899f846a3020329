//! What a file or directory is, whatever it is called.

use std::path::Path;

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::Metadata;
use serde::{Deserialize, Serialize};
use tidegate_trust::FileIdentity;

impl From<Identity> for FileIdentity {
    fn from(Identity { device, inode }: Identity) -> Self {
        Self { device, inode }
    }
}

/// Device and inode: equal for two names of one file, different for two files with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity in `metadata`.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The identity of what `path` leads to, through symbolic links.
    pub(crate) fn of_path(path: &Path) -> std::io::Result<Self> {
        Ok(Self::of(&Metadata::from_just_metadata(std::fs::metadata(path)?)))
    }

    /// The identity that a file status has.
    #[cfg(unix)]
    pub(crate) fn of_status(status: &rustix::fs::Stat) -> Self {
        // The fields' types differ between systems.
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion, clippy::cast_sign_loss)]
        Self { device: status.st_dev as u64, inode: status.st_ino as u64 }
    }

    /// The same as what must be found at `path` in a sandbox.
    #[cfg(unix)]
    pub(crate) fn expected_at(self, path: &Path) -> tidegate_sandbox::ExpectedIdentity {
        let Self { device, inode } = self;
        tidegate_sandbox::ExpectedIdentity { path: path.to_owned(), device, inode, read_only: false }
    }

    /// Whether both lie on the same file system.
    pub(crate) fn same_device(self, other: Self) -> bool {
        self.device == other.device
    }
}
