//! What is done from time to time, and never when there is nothing to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_access::TrustService;
use tidegate_agent::Runtime;
use tidegate_clock as now;
use tidegate_protocol::UnixMillis;
use tidegate_store::{Store, StoreError};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::private_files::{Repairs, repair_all};

/// How often what was only touched is saved: what a `kill -9` may lose.
const ROUND: Duration = Duration::from_mins(5);
/// When old runs are looked for first after a start, and how often afterwards.
const FIRST_RETENTION: Duration = Duration::from_mins(10);
const RETENTION: Duration = Duration::from_hours(24);
/// Runs that are looked at, and forgotten, in one go: other writes wait for no more than that.
const BATCH: u32 = 64;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(200);

/// What maintenance works on.
pub(crate) struct Maintenance {
    pub(crate) trust: TrustService,
    pub(crate) runtime: Runtime,
    pub(crate) store: Store,
    /// How long ended runs are kept.
    pub(crate) keep_runs: Duration,
    pub(crate) state_dir: PathBuf,
    pub(crate) repairs: Arc<Repairs>,
}

impl Maintenance {
    /// Works until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut rounds = interval_at(Instant::now() + ROUND, ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retention_due = Instant::now() + FIRST_RETENTION;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => {}
            }
            self.trust.save_touched().await;
            self.look_at_modes().await;
            if Instant::now() >= retention_due {
                let done = tokio::select! {
                    () = stop.cancelled() => return,
                    done = self.forget_old_runs() => done,
                };
                if done {
                    retention_due = Instant::now() + RETENTION;
                }
            }
        }
    }

    /// Puts the modes of our files right, before a command line is refused or another user reads them.
    async fn look_at_modes(&self) {
        let state_dir = self.state_dir.clone();
        if let Ok(found) = tokio::task::spawn_blocking(move || repair_all(&state_dir)).await {
            self.repairs.note(&found);
        }
    }

    /// Whether that is done for now; otherwise something runs, and it is tried in the next round.
    async fn forget_old_runs(&self) -> bool {
        match forget_old_runs(&self.store, &self.runtime, now::wall(), self.keep_runs).await {
            Ok(Forgotten { runs, is_done }) => {
                if runs > 0 {
                    tracing::info!(runs, "runs that ended long ago were forgotten");
                }
                is_done
            }
            Err(error) => {
                tracing::warn!(%error, "old runs could not be forgotten");
                true
            }
        }
    }
}

/// What became of looking for old runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Forgotten {
    runs: u64,
    /// Whether all were looked at.
    is_done: bool,
}

/// Forgets what ended more than `keep` ago, in small batches, as long as nothing runs.
async fn forget_old_runs(
    store: &Store,
    runtime: &Runtime,
    now: UnixMillis,
    keep: Duration,
) -> Result<Forgotten, StoreError> {
    let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let ended_before = UnixMillis(now.0.saturating_sub(keep));
    let mut runs = 0;
    let mut next = Some(0);
    while let Some(after) = next {
        if !runtime.active().is_empty() {
            return Ok(Forgotten { runs, is_done: false });
        }
        let old = store.old_runs(after, ended_before, BATCH).await?;
        next = old.next;
        if !old.runs.is_empty() {
            runs += store.forget_runs(old.runs).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Forgotten { runs, is_done: true })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage};
    use tidegate_secrets::SecretStore;
    use tidegate_store::{NewRun, Outcome, Settlement, Usage};

    use super::*;
    use crate::ServeOptions;

    async fn ended(store: &Store, name: &str, at: u64) -> RunId {
        let id = RunId::parse(name).expect("a run");
        let new = NewRun {
            id: id.clone(),
            session: SessionKey::parse("agent:main:main").expect("a session"),
            new_session_id: SessionId::parse(name).expect("a session id"),
            parent: None,
            label: None,
            input: Some(TranscriptMessage::user(name, UnixMillis(at))),
            spec: json!({}),
            boot: "earlier".to_owned(),
            at: UnixMillis(at),
        };
        store.begin_run(new).await.expect("begun");
        store.start_run(id.clone(), UnixMillis(at)).await.expect("started");
        let settlement = Settlement {
            run: id.clone(),
            outcome: Outcome::Ok,
            error: None,
            result: None,
            model: None,
            usage: Usage::default(),
            entries: Vec::new(),
            at: UnixMillis(at),
        };
        store.settle_run(settlement).await.expect("settled");
        id
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn runs_older_than_what_is_kept_are_forgotten_and_an_idle_store_is_not_written() {
        const DAY: u64 = 86_400_000;
        let root = tempfile::tempdir().expect("a directory");
        let options = ServeOptions {
            state_dir: Some(root.path().join("state")),
            port: Some(0),
            quiet: true,
            secrets: Some(SecretStore::memory()),
            local_models: Some(Vec::new()),
            ..ServeOptions::default()
        };
        let host = crate::start(options).await.expect("it starts");
        let (store, runtime) = (host.store(), host.runtime());
        let mut runs = Vec::new();
        // More than one batch.
        for number in 0..u64::from(BATCH) + 6 {
            runs.push(ended(store, &format!("old-{number}"), DAY + number).await);
        }
        let recent = ended(store, "recent", 29 * DAY).await;
        ended(store, "last", 30 * DAY).await;
        let (now, keep) = (UnixMillis(31 * DAY + DAY), Duration::from_hours(24 * 30));

        let forgotten = forget_old_runs(store, runtime, now, keep).await;

        assert_eq!(forgotten, Ok(Forgotten { runs: runs.len() as u64, is_done: true }));
        assert_eq!(store.run(runs[0].clone()).await, Ok(None));
        assert!(store.run(recent).await.expect("read").is_some());
        let commits = store.stats().commits;
        let again = forget_old_runs(store, runtime, now, keep).await;
        assert_eq!(again, Ok(Forgotten { runs: 0, is_done: true }));
        assert_eq!(store.stats().commits, commits);
        host.stop().await;
    }
}
