//! Watching over the trigger files of workspaces while commands use them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tidegate_triggers::records::CommandOrigin;
use tidegate_triggers::{CommandId, Guard, GuardError, Notice, Report};
use tokio_util::sync::CancellationToken;

use super::sandboxes::make_private;
use super::set_aside::{Recorder, SetAsideFiles};
use super::shared_files::{self, SharedError, SharedInFolder, WritableFolder};
use crate::identity::Identity;

/// Why a command cannot be watched over, so that it does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("the folder for what is set aside could not be made: {0}")]
    Aside(std::io::Error),
    #[error("the workspace could not be opened: {0}")]
    Workspace(std::io::Error),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Shared(#[from] SharedError),
    #[error("the person is unsharing files in {}; try again when that has ended", .0.display())]
    Unsharing(PathBuf),
    #[error("the watch over the workspace stopped unexpectedly")]
    Broken(#[from] tokio::task::JoinError),
}

/// The guards of workspaces in which commands run or are asked about, one for each.
#[derive(Default)]
pub(super) struct Guards(Mutex<State>);

#[derive(Default)]
struct State {
    guards: HashMap<PathBuf, Weak<Watched>>,
    /// Folders whose files are copied for the person.
    unsharing: Vec<PathBuf>,
}

/// A workspace that is watched over, and the commands there that can be ended.
struct Watched {
    guard: Guard,
    /// Which folder it is: another may come to its path.
    identity: Identity,
    running: Running,
    recorder: Recorder,
}

/// The commands that run in a workspace, and what ends each.
type Running = Arc<Mutex<Vec<(CommandOrigin, CancellationToken)>>>;

/// Folders that are watched while a person is asked about a command there.
pub(super) struct Prepared {
    _guards: Vec<Arc<Watched>>,
    /// What in them other folders hold as well.
    pub(super) shared: Vec<SharedInFolder>,
}

/// A command that is watched over.
pub(super) struct Watch {
    places: Vec<(Arc<Watched>, CommandId)>,
    /// What of its folders other folders hold as well, as it is now.
    pub(super) shared: Vec<SharedInFolder>,
    /// Cancelled when the command planted too much.
    pub(super) end: CancellationToken,
}

impl Guards {
    /// Begins to watch folders before a person is asked about a command that writes there.
    pub(super) async fn prepare(
        files: &Arc<SetAsideFiles>,
        folders: Vec<WritableFolder>,
    ) -> Result<Prepared, WatchError> {
        let files = Arc::clone(files);
        let prepare = move || {
            let mut prepared = Prepared { _guards: Vec::new(), shared: Vec::new() };
            for folder in &folders {
                let watched = files.guards().watched(&files, &folder.path, |_| {})?;
                prepared.shared.push(shared_files::find(&watched.guard, folder)?);
                prepared._guards.push(watched);
            }
            Ok(prepared)
        };
        tokio::task::spawn_blocking(prepare).await?
    }

    /// Begins to watch over a command, before anything of it is started: over its workspace, and what else
    /// it may write. What it plants comes to `files`.
    pub(super) async fn begin(
        files: &Arc<SetAsideFiles>,
        folders: Vec<WritableFolder>,
        origin: CommandOrigin,
    ) -> Result<Watch, WatchError> {
        let files = Arc::clone(files);
        let begin = move || files.guards().begin_blocking(&files, &folders, &origin);
        tokio::task::spawn_blocking(begin).await?
    }

    fn begin_blocking(
        &self,
        files: &SetAsideFiles,
        folders: &[WritableFolder],
        origin: &CommandOrigin,
    ) -> Result<Watch, WatchError> {
        let mut watch = Watch { places: Vec::new(), shared: Vec::new(), end: CancellationToken::new() };
        for folder in folders {
            let runs = |watched: &Watched| held(&watched.running).push((origin.clone(), watch.end.clone()));
            let begun = self.watched(files, &folder.path, runs).and_then(|watched| {
                let command = watched.guard.begin(&origin.run, Vec::new())?;
                let shared = shared_files::find(&watched.guard, folder);
                Ok((watched, command, shared))
            });
            let found = begun.and_then(|(watched, command, shared)| {
                watch.places.push((watched, command));
                Ok(shared?)
            });
            match found {
                Ok(shared) => watch.shared.push(shared),
                Err(error) => {
                    let _ = watch.finish_blocking();
                    return Err(error);
                }
            }
        }
        Ok(watch)
    }

    /// Does something while no command runs in a workspace, above it or below it, and none begins. `None`
    /// when one runs.
    pub(super) fn while_unused<T>(&self, workspace: &Path, act: impl FnOnce() -> T) -> Option<T> {
        let state = held(&self.0);
        (!state.is_used(workspace)).then(act)
    }

    /// The same for something that takes long: meanwhile commands there are refused.
    pub(super) fn while_unsharing<T>(&self, folder: &Path, act: impl FnOnce() -> T) -> Option<T> {
        let mut state = held(&self.0);
        if state.is_used(folder) {
            return None;
        }
        state.unsharing.push(folder.to_owned());
        drop(state);
        let _unsharing = Unsharing { guards: self, folder };
        Some(act())
    }

    /// The guard of a workspace, of which `note` takes note before anyone can ask whether it is used.
    fn watched(
        &self,
        files: &SetAsideFiles,
        workspace: &Path,
        note: impl FnOnce(&Watched),
    ) -> Result<Arc<Watched>, WatchError> {
        let mut state = held(&self.0);
        if let Some(folder) = state.unsharing.iter().find(|folder| overlaps(folder, workspace)) {
            return Err(WatchError::Unsharing(folder.clone()));
        }
        let all = &mut state.guards;
        all.retain(|_, watched| watched.strong_count() > 0);
        let folder = File::open(workspace).map_err(WatchError::Workspace)?;
        let status = rustix::fs::fstat(&folder).map_err(|error| WatchError::Workspace(error.into()))?;
        let identity = Identity::of_status(&status);
        let known = all.get(workspace).and_then(Weak::upgrade).filter(|known| known.identity == identity);
        if let Some(watched) = known {
            note(&watched);
            return Ok(watched);
        }
        make_private(files.folder()).map_err(WatchError::Aside)?;
        let aside = File::open(files.folder()).map_err(WatchError::Aside)?;
        let recorder = files.recorder().map_err(WatchError::Aside)?;
        let running = Running::default();
        let (noticed, records, place) = (Arc::clone(&running), recorder.clone(), workspace.to_owned());
        let notify = Arc::new(move |notice: Notice| self::note(&noticed, &records, &place, notice));
        let guard = Guard::start(folder, workspace, aside, notify)?;
        let watched = Arc::new(Watched { guard, identity, running, recorder });
        note(&watched);
        all.insert(workspace.to_owned(), Arc::downgrade(&watched));
        Ok(watched)
    }
}

/// Commands are refused in a folder while this lives, also when what is done there panics.
struct Unsharing<'a> {
    guards: &'a Guards,
    folder: &'a Path,
}

impl Drop for Unsharing<'_> {
    fn drop(&mut self) {
        let mut state = held(&self.guards.0);
        if let Some(at) = state.unsharing.iter().position(|unsharing| unsharing == self.folder) {
            state.unsharing.swap_remove(at);
        }
    }
}

impl State {
    /// Whether a command runs in a folder, above it or below it, or its files are being copied.
    fn is_used(&self, folder: &Path) -> bool {
        let runs = |watched: &Weak<Watched>| {
            watched.upgrade().is_some_and(|watched| !held(&watched.running).is_empty())
        };
        let is_used = self.guards.iter().any(|(used, watched)| overlaps(used, folder) && runs(watched));
        is_used || self.unsharing.iter().any(|unsharing| overlaps(unsharing, folder))
    }
}

fn overlaps(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

impl Watch {
    /// The last look, when nothing of the command is left, and what it and others planted meanwhile.
    pub(super) async fn finish(self) -> Result<Report, WatchError> {
        tokio::task::spawn_blocking(move || self.finish_blocking()).await?
    }

    fn finish_blocking(self) -> Result<Report, WatchError> {
        // It needs no end any more.
        self.end.cancel();
        let mut all = Ok(Report::default());
        for (watched, command) in self.places {
            let report = watched.guard.finish(command);
            held(&watched.running).retain(|(_, end)| !end.is_cancelled());
            watched.recorder.settle();
            // Also where one failed: each is to be finished.
            all = all.and_then(|all| Ok(joined(all, report?)));
        }
        all
    }
}

fn joined(mut all: Report, report: Report) -> Report {
    all.findings.extend(report.findings);
    all.incomplete = all.incomplete.or(report.incomplete);
    all.degraded = all.degraded.or(report.degraded);
    all.end = all.end.or(report.end);
    all
}

fn note(running: &Running, recorder: &Recorder, workspace: &Path, notice: Notice) {
    match notice {
        Notice::Finding(finding) => {
            tracing::warn!(%finding, "a command touched a trigger file");
            let commands = held(running).iter().map(|(origin, _)| origin.clone()).collect();
            recorder.record(finding, workspace.to_owned(), commands);
        }
        Notice::Degraded(why) => tracing::warn!(%why, "a workspace is not watched as it should be"),
        Notice::EndCommands { runs, reason } => {
            tracing::warn!(%reason, "commands that plant trigger files are ended");
            let running = held(running);
            let ended = running.iter().filter(|(origin, _)| runs.contains(&origin.run));
            ended.for_each(|(_, end)| end.cancel());
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
