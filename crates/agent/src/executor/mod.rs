//! Runs at work: in line, in their place, through the turn loop, to their end.

mod drive;
mod history;
mod model_call;
mod prompt;
mod retry;
mod tool_call;
mod toolbox;
mod transcript;
mod turn;

use std::sync::Arc;

use tidegate_store::{Store, TranscriptEntry};

pub(crate) use self::history::AcceptedSizes;
pub(crate) use self::tool_call::ToolCalls;
pub(crate) use self::toolbox::Toolbox;
use crate::clock::Clock;
use crate::completion::SessionCleanup;
use crate::event::RunEventKind;
use crate::folders::ChosenFolders;
use crate::limits::Limits;
use crate::model::ModelDirectory;
use crate::queue::{Places, Schedule};
use crate::run::RunHandle;
use crate::tool::ToolDescription;

/// Drives runs from their place in line to their end, and settles none.
pub(crate) struct Executor {
    pub(crate) store: Store,
    pub(crate) models: Arc<dyn ModelDirectory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) places: Arc<Places>,
    pub(crate) tool_calls: ToolCalls,
    pub(crate) cleanup: SessionCleanup,
    pub(crate) folders: Arc<dyn ChosenFolders>,
    pub(crate) accepted_sizes: AcceptedSizes,
}

impl Executor {
    /// All tools: the given ones, then the runtime's own.
    pub(crate) fn catalog(&self) -> Vec<ToolDescription> {
        self.tool_calls.tools.catalog()
    }

    /// Tells listeners what was committed, and deletes the sessions that are not needed any more.
    fn appended(&self, handle: &RunHandle, entries: &[TranscriptEntry]) {
        for entry in entries {
            handle.emit(self.clock.now(), RunEventKind::Appended(entry.clone()));
        }
        self.cleanup.after(entries);
    }
}
