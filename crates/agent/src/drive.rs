//! The way of one run through the runtime: in line, in its place, through the turn loop, to its end.

use std::sync::Arc;

use tidegate_protocol::{RunId, TranscriptMessage};
use tidegate_store::{Outcome, TranscriptEntry, Usage};

use crate::event::RunEventKind;
use crate::finish::Ending;
use crate::inbox::source_run;
use crate::prompt::{PromptFacts, system_prompt};
use crate::run::{RunHandle, StopCause};
use crate::runtime::Inner;
use crate::tool::ToolDescription;
use crate::turn::TurnLoop;

impl Inner {
    /// Brings a run from its place in line to its end. Never fails: every failure is an ending.
    pub(crate) async fn drive(self: &Arc<Self>, handle: &Arc<RunHandle>) -> Ending {
        if !self.wait_in_line(handle).await {
            return self.never_started(handle);
        }
        // Whatever is delivered from here on is noticed again; everything before is read now.
        self.schedule().lanes.read_inbox(handle.session());
        let started = match self.store.start_run(handle.id().clone(), self.now()).await {
            Ok(Some(started)) => started,
            Ok(None) => return self.never_started(handle),
            Err(error) => return ended(Outcome::Error, Some(error.to_string()), handle.row.input.clone()),
        };
        handle.emit(self.now(), RunEventKind::Started);
        self.tell_appended(handle, &started.appended);
        if started.appended.is_empty() {
            // A wake whose results another run has read has nothing to say.
            return ended(Outcome::Ok, None, None);
        }
        handle.deadline.start();
        let mut turn = TurnLoop {
            inner: self,
            handle,
            transcript: started.run.session_id,
            entries: started.appended,
            tools: self.tools_of(handle),
            system: self.system_of(handle),
            usage: Usage::default(),
            last_text: None,
        };
        let end = {
            let run = turn.run();
            tokio::pin!(run);
            tokio::select! {
                end = &mut run => end,
                () = handle.deadline.passed() => {
                    handle.stop(StopCause::DeadlinePassed);
                    run.await
                }
            }
        };
        turn.ending(end)
    }

    async fn wait_in_line(&self, handle: &RunHandle) -> bool {
        tokio::select! {
            biased;
            () = handle.token().cancelled() => return false,
            () = handle.turn.notified() => {}
        }
        self.while_not_paused(handle).await && self.take_place(handle).await
    }

    /// The end of a run that was stopped before it began. What was said to it is kept.
    fn never_started(&self, handle: &RunHandle) -> Ending {
        let (outcome, error) = handle.stopped_outcome();
        ended(outcome, Some(format!("{error} before it began")), handle.row.input.clone())
    }

    fn tools_of(&self, handle: &RunHandle) -> Vec<ToolDescription> {
        self.catalog().into_iter().filter(|tool| handle.spec.authority.may_use(tool.name)).collect()
    }

    fn system_of(&self, handle: &RunHandle) -> String {
        let authority = &handle.spec.authority;
        system_prompt(&PromptFacts {
            workspace: authority.workspace(),
            depth: handle.depth,
            may_spawn: authority.may_use("sessions_spawn"),
            is_subagent: handle.is_subagent(),
            label: handle.row.label.as_deref(),
            extra: handle.spec.extra_system_prompt.as_deref(),
        })
    }

    /// Tells listeners what was committed, and deletes the sessions that are not needed any more.
    pub(crate) fn tell_appended(self: &Arc<Self>, handle: &RunHandle, entries: &[TranscriptEntry]) {
        for entry in entries {
            handle.emit(self.now(), RunEventKind::Appended(entry.clone()));
        }
        let read: Vec<RunId> =
            entries.iter().filter_map(|entry| source_run(&entry.message)).cloned().collect();
        if !read.is_empty() {
            self.clean_up(read);
        }
    }
}

fn ended(outcome: Outcome, error: Option<String>, said: Option<TranscriptMessage>) -> Ending {
    Ending { outcome, error, result: None, usage: Usage::default(), entries: said.into_iter().collect() }
}
