//! How much is kept: the oldest goes first.

use std::time::Duration;

use tidegate_protocol::UnixMillis;

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
        let mut bytes: u64 = self.all.values().map(|entry| entry.bytes).sum();
        let mut count = self.all.len();
        let mut discarded = Vec::new();
        for record in self.list() {
            let size = self.all.get(&record.id).map_or(0, |entry| entry.bytes);
            if now.since(record.at) < MAX_AGE && count <= MAX_RECORDS && bytes <= MAX_BYTES {
                break;
            }
            // What cannot be removed is not counted as gone.
            if let Ok(record) = self.discard(&record.id) {
                bytes = bytes.saturating_sub(size);
                count -= 1;
                discarded.push(record);
            }
        }
        discarded
    }
}
