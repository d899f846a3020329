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

/// Why a command cannot be watched over, so that it does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("the folder for what is set aside could not be made: {0}")]
    Aside(std::io::Error),
    #[error("the workspace could not be opened: {0}")]
    Workspace(std::io::Error),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("the watch over the workspace stopped unexpectedly")]
    Broken(#[from] tokio::task::JoinError),
}

/// The guards of workspaces in which commands run, one for each.
#[derive(Default)]
pub(super) struct Guards(Mutex<HashMap<PathBuf, Weak<Watched>>>);

/// A workspace that is watched over, and the commands there that can be ended.
struct Watched {
    guard: Guard,
    running: Running,
    recorder: Recorder,
}

/// The commands that run in a workspace, and what ends each.
type Running = Arc<Mutex<Vec<(CommandOrigin, CancellationToken)>>>;

/// A command that is watched over.
pub(super) struct Watch {
    places: Vec<(Arc<Watched>, CommandId)>,
    /// Cancelled when the command planted too much.
    pub(super) end: CancellationToken,
}

impl Guards {
    /// Begins to watch over a command, before anything of it is started: over its workspace, and what else
    /// `folders` names. What it plants comes to `files`.
    pub(super) async fn begin(
        files: &Arc<SetAsideFiles>,
        folders: impl FnOnce() -> Vec<PathBuf> + Send + 'static,
        origin: CommandOrigin,
    ) -> Result<Watch, WatchError> {
        let files = Arc::clone(files);
        let begin = move || files.guards().begin_blocking(&files, &folders(), &origin);
        tokio::task::spawn_blocking(begin).await?
    }

    fn begin_blocking(
        &self,
        files: &SetAsideFiles,
        folders: &[PathBuf],
        origin: &CommandOrigin,
    ) -> Result<Watch, WatchError> {
        let mut watch = Watch { places: Vec::new(), end: CancellationToken::new() };
        for folder in folders {
            let begun = self.watched(files, folder).and_then(|watched| {
                held(&watched.running).push((origin.clone(), watch.end.clone()));
                let command = watched.guard.begin(&origin.run, Vec::new())?;
                Ok((watched, command))
            });
            match begun {
                Ok(place) => watch.places.push(place),
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
        let all = held(&self.0);
        let overlaps = |used: &Path| used.starts_with(workspace) || workspace.starts_with(used);
        let is_used = all.iter().any(|(used, watched)| watched.strong_count() > 0 && overlaps(used));
        (!is_used).then(act)
    }

    fn watched(&self, files: &SetAsideFiles, workspace: &Path) -> Result<Arc<Watched>, WatchError> {
        let mut all = held(&self.0);
        all.retain(|_, watched| watched.strong_count() > 0);
        if let Some(watched) = all.get(workspace).and_then(Weak::upgrade) {
            return Ok(watched);
        }
        make_private(files.folder()).map_err(WatchError::Aside)?;
        let aside = File::open(files.folder()).map_err(WatchError::Aside)?;
        let recorder = files.recorder().map_err(WatchError::Aside)?;
        let folder = File::open(workspace).map_err(WatchError::Workspace)?;
        let running = Running::default();
        let (noticed, records, place) = (Arc::clone(&running), recorder.clone(), workspace.to_owned());
        let notify = Arc::new(move |notice: Notice| note(&noticed, &records, &place, notice));
        let guard = Guard::start(folder, workspace, aside, notify)?;
        let watched = Arc::new(Watched { guard, running, recorder });
        all.insert(workspace.to_owned(), Arc::downgrade(&watched));
        Ok(watched)
    }
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
