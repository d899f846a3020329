//! How much is kept: the oldest goes first.

use std::time::Duration;

use tidegate_protocol::UnixMillis;

use super::stored::bytes;
use super::{Record, Records};

/// Files that are kept.
pub const MAX_RECORDS: usize = 200;
/// Bytes of all of them.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// How long one is kept.
pub const MAX_AGE: Duration = Duration::from_hours(30 * 24);

impl Records {
    /// Discards what is too old or too much, the oldest first; gives what it discarded.
    pub fn enforce_limits(&mut self, now: UnixMillis) -> Vec<Record> {
        let sizes = self.list().into_iter().map(|record| (bytes(&self.path, &record.aside.stored), record));
        let sizes: Vec<_> = sizes.collect();
        let mut room: u64 = sizes.iter().map(|(size, _)| size).sum();
        let mut count = sizes.len();
        let mut discarded = Vec::new();
        for (size, record) in sizes {
            if now.since(record.at) < MAX_AGE && count <= MAX_RECORDS && room <= MAX_BYTES {
                break;
            }
            // What cannot be removed is not counted as gone.
            if let Ok(record) = self.discard(&record.id) {
                room = room.saturating_sub(size);
                count -= 1;
                discarded.push(record);
            }
        }
        discarded
    }
}
