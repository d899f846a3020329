//! Trigger files that commands planted: what is set aside is recorded, and waits for a person to look at
//! it, keep it or discard it.

mod payload;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tidegate_protocol::UnixMillis;
use tidegate_protocol::payload::files::{SetAsideFile, SetAsideFileDetails};
use tidegate_triggers::records::{CommandOrigin, RecordError, Records};
use tidegate_triggers::{Finding, Place};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::guards::Guards;
use super::sandboxes::make_private;

/// What happened to a file by itself.
#[derive(Debug, Clone)]
pub enum SetAsideEvent {
    /// It was set aside.
    SetAside(SetAsideFile),
    /// It was discarded, because it was too old or there were too many.
    Expired(SetAsideFile),
}

/// Why nothing was decided about a file that was set aside.
#[derive(Debug, thiserror::Error)]
pub enum SetAsideError {
    /// Commands could change the place meanwhile.
    #[error("a command of an agent is running in {0}; keep the file when it has ended, or end it first")]
    InUse(Place),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl SetAsideError {
    /// Whether it may go well later without anything being done about it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::InUse(_) | Self::Record(RecordError::System(_)))
    }
}

impl From<std::io::Error> for SetAsideError {
    fn from(error: std::io::Error) -> Self {
        Self::Record(error.into())
    }
}

/// The files that were set aside. All methods block on the file system.
pub struct SetAsideFiles {
    shelf: Arc<Shelf>,
    guards: Arc<Guards>,
    recorder: Mutex<Option<Recorder>>,
    events: Mutex<Option<UnboundedReceiver<SetAsideEvent>>>,
}

struct Shelf {
    folder: PathBuf,
    /// Read when they are first needed: there is no folder before something was set aside.
    records: Mutex<Option<Records>>,
    events: UnboundedSender<SetAsideEvent>,
}

/// Where findings go to be recorded. Never waits.
#[derive(Clone)]
pub(super) struct Recorder(Sender<Work>);

enum Work {
    Record {
        finding: Box<Finding>,
        workspace: PathBuf,
        commands: Vec<CommandOrigin>,
    },
    /// Answers when everything before was recorded.
    Settle(SyncSender<()>),
}

impl SetAsideFiles {
    pub(super) fn new(folder: PathBuf) -> Self {
        let (events, receiver) = unbounded_channel();
        Self {
            shelf: Arc::new(Shelf { folder, records: Mutex::default(), events }),
            guards: Arc::default(),
            recorder: Mutex::default(),
            events: Mutex::new(Some(receiver)),
        }
    }

    /// What happens by itself from now on. Given out once.
    #[must_use]
    pub fn take_events(&self) -> Option<UnboundedReceiver<SetAsideEvent>> {
        held(&self.events).take()
    }

    /// The files that wait for a person, oldest first.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn list(&self) -> std::io::Result<Vec<SetAsideFile>> {
        if held(&self.shelf.records).is_none() && !self.shelf.folder.exists() {
            return Ok(Vec::new());
        }
        self.shelf.with(|records| {
            self.shelf.enforce_limits(records);
            records.list().iter().map(payload::file).collect()
        })
    }

    /// A file in full.
    ///
    /// # Errors
    /// See [`SetAsideError`].
    pub fn show(&self, id: &str) -> Result<SetAsideFileDetails, SetAsideError> {
        let shown = self.shelf.with(|records| records.show(id))?;
        Ok(payload::details(&shown?))
    }

    /// Puts a file back where it was, if it is what was shown, by its digest. Only after a person decided
    /// so. No command begins in its workspace meanwhile.
    ///
    /// # Errors
    /// See [`SetAsideError`].
    pub fn keep(&self, id: &str, digest: &str) -> Result<SetAsideFile, SetAsideError> {
        let workspace = self.shelf.with(|records| records.workspace(id))?.ok_or(RecordError::Unknown)?;
        let keep = || self.shelf.with(|records| records.keep(id, digest));
        let kept = self.guards.while_unused(workspace.path(), keep);
        let kept = kept.ok_or(SetAsideError::InUse(workspace))??;
        Ok(payload::file(&kept?))
    }

    /// Removes a file for good.
    ///
    /// # Errors
    /// See [`SetAsideError`].
    pub fn discard(&self, id: &str) -> Result<SetAsideFile, SetAsideError> {
        let discarded = self.shelf.with(|records| records.discard(id))?;
        Ok(payload::file(&discarded?))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.shelf.folder
    }

    pub(super) fn guards(&self) -> &Arc<Guards> {
        &self.guards
    }

    /// The way to the thread that records, which ends with the last of these.
    pub(super) fn recorder(&self) -> std::io::Result<Recorder> {
        let mut recorder = held(&self.recorder);
        if let Some(recorder) = &*recorder {
            return Ok(recorder.clone());
        }
        let (sender, work) = channel();
        let shelf = Arc::clone(&self.shelf);
        std::thread::Builder::new().name("set-aside-files".to_owned()).spawn(move || shelf.record(&work))?;
        Ok(recorder.insert(Recorder(sender)).clone())
    }
}

impl std::fmt::Debug for SetAsideFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SetAsideFiles").field("folder", &self.shelf.folder).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Records what was set aside, soon.
    pub(super) fn record(&self, finding: Finding, workspace: PathBuf, commands: Vec<CommandOrigin>) {
        // Its thread lives as long as this.
        let _ = self.0.send(Work::Record { finding: Box::new(finding), workspace, commands });
    }

    /// Waits until everything was recorded.
    pub(super) fn settle(&self) {
        let (reply, settled) = sync_channel(1);
        if self.0.send(Work::Settle(reply)).is_ok() {
            let _ = settled.recv();
        }
    }
}

impl Shelf {
    fn with<T>(&self, act: impl FnOnce(&mut Records) -> T) -> std::io::Result<T> {
        let mut records = held(&self.records);
        if let Some(records) = &mut *records {
            return Ok(act(records));
        }
        make_private(&self.folder)?;
        Ok(act(records.insert(Records::open(&self.folder, now())?)))
    }

    fn record(&self, work: &Receiver<Work>) {
        for work in work {
            let (finding, workspace, commands) = match work {
                Work::Record { finding, workspace, commands } => (finding, workspace, commands),
                Work::Settle(reply) => {
                    // A command may have written on in what was set aside.
                    if let Some(records) = &mut *held(&self.records) {
                        self.enforce_limits(records);
                    }
                    let _ = reply.send(());
                    continue;
                }
            };
            let recorded = self.with(|records| {
                let added = records.add(&finding, &workspace, commands, now());
                self.enforce_limits(records);
                added
            });
            match recorded {
                Ok(Some((record, saved))) => {
                    if let Err(error) = saved {
                        tracing::error!(%error, "a file that was set aside is forgotten when Tidegate quits");
                    }
                    // Without a gateway nobody listens.
                    let _ = self.events.send(SetAsideEvent::SetAside(payload::file(&record)));
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a file that was set aside could not be recorded"),
            }
        }
    }

    fn enforce_limits(&self, records: &mut Records) {
        for record in records.enforce_limits(now()) {
            let _ = self.events.send(SetAsideEvent::Expired(payload::file(&record)));
        }
    }
}

fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis::default().plus(now)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
