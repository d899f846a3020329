//! The last health snapshots, as JSON text: clients ask for them more than for anything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

/// How old a snapshot may be; OpenClaw's gateways refresh theirs as often.
const HEALTH_AGE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct HealthCache {
    /// Without sessions, and with them.
    snapshots: Mutex<[Option<Snapshot>; 2]>,
}

type Snapshot = (Instant, Arc<RawValue>);

impl HealthCache {
    /// The last snapshot, unless it is too old.
    pub(crate) fn fresh(&self, with_sessions: bool) -> Option<Arc<RawValue>> {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, snapshot) = snapshots[usize::from(with_sessions)].as_ref()?;
        (at.elapsed() < HEALTH_AGE).then(|| snapshot.clone())
    }

    pub(crate) fn keep(&self, with_sessions: bool, snapshot: Arc<RawValue>) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots[usize::from(with_sessions)] = Some((Instant::now(), snapshot));
    }
}
