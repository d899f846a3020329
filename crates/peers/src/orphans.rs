//! Commands of an earlier Tidegate that outlived it: found by what they are marked with, and ended.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::platform;

/// A process that an earlier Tidegate left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    pub pid: u32,
    /// Its command line, cleaned.
    pub command: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Those that are gone now.
    pub ended: Vec<Orphan>,
    /// Those that are not.
    pub left: Vec<Orphan>,
}

/// Ends what an earlier Tidegate left that had the same state directory, and waits for it as long as
/// `patience` says. Found are processes that supervise a command for that directory and everything
/// below them, and commands that still have the mark ([`crate::commands::MARK`]). The caller must be
/// the only Tidegate with this directory. Blocks.
///
/// # Errors
/// When the processes cannot be listed, so that some may be left.
pub fn end(state_dir: &Path, patience: Duration) -> io::Result<Orphans> {
    platform::end_orphans(state_dir, patience)
}
