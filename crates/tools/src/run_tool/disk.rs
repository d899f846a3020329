//! Keeping a command from filling the person's disk.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::protocol::Boundary;

/// Bytes that stay free, at most.
const RESERVE: u64 = 1 << 30;
/// The part of a file system that stays free, at most: one of so many.
const PART: u64 = 20;
/// How often the free space is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// File systems that the command can fill, and what must stay free on each.
pub(super) struct DiskReserve(Vec<(PathBuf, u64)>);

impl DiskReserve {
    /// Those that a boundary lets the command write to.
    pub(super) fn of(boundary: &Boundary) -> Self {
        let places = match boundary {
            Boundary::Sandbox { spec, .. } => {
                let own = [&spec.workspace, &spec.temporary, &spec.private_home];
                own.into_iter().chain(&spec.writable).chain(&spec.repositories).cloned().collect()
            }
            Boundary::Partial { writable, .. } => writable.clone(),
            Boundary::None => Vec::new(),
        };
        Self(places.into_iter().filter_map(|place| reserve(&place).map(|bytes| (place, bytes))).collect())
    }

    /// Looks at them until one is too full or `tell` says that nobody wants to know any more.
    pub(super) fn watch(&self, tell: impl FnOnce() -> bool) {
        if self.0.is_empty() {
            return;
        }
        loop {
            thread::sleep(INTERVAL);
            let is_full =
                |(place, least): &(PathBuf, u64)| free(place).is_some_and(|(free, _)| free < *least);
            if self.0.iter().any(is_full) {
                tell();
                return;
            }
        }
    }
}

/// What must stay free: where the disk is nearly full already, the command may use half of the rest.
fn reserve(place: &PathBuf) -> Option<u64> {
    let (free, size) = free(place)?;
    Some(RESERVE.min(size / PART).min(free / 2))
}

/// Free bytes, and all.
fn free(place: &PathBuf) -> Option<(u64, u64)> {
    let status = rustix::fs::statvfs(place).ok()?;
    Some((status.f_bavail.saturating_mul(status.f_frsize), status.f_blocks.saturating_mul(status.f_frsize)))
}
