//! The way of one run: in line, in its place, through the turn loop, to its end.

use std::sync::Arc;

use tidegate_store::{Outcome, Usage};

use super::Executor;
use super::prompt::{PromptFacts, system_prompt};
use super::turn::TurnLoop;
use crate::completion::Ending;
use crate::event::RunEventKind;
use crate::run::{RunHandle, RunTrigger, StopCause};
use crate::tool::ToolDescription;

impl Executor {
    /// Brings a run from its place in line to its end. Never fails: every failure is an ending.
    pub(crate) async fn drive(&self, handle: &Arc<RunHandle>) -> Ending {
        if !self.wait_in_line(handle).await {
            return never_started(handle);
        }
        // What is delivered from here on is noticed again; everything before is read now.
        self.schedule.read_inbox(handle.session());
        if let Err(reason) = self.find_workspace(handle).await {
            return unanswered(handle, Outcome::Error, reason);
        }
        let started = match self.store.start_run(handle.id().clone(), self.clock.now()).await {
            Ok(Some(started)) => started,
            Ok(None) => return never_started(handle),
            Err(error) => return unanswered(handle, Outcome::Error, error.to_string()),
        };
        handle.emit(self.clock.now(), RunEventKind::Started);
        self.appended(handle, &started.appended);
        if started.appended.is_empty() {
            // A wake whose results another run has read has nothing to say.
            return Ending::silent(Outcome::Ok, None);
        }
        handle.deadline.start();
        let mut turn = TurnLoop {
            executor: self,
            handle,
            transcript: started.run.session_id,
            entries: started.appended,
            tools: self.tools_of(handle),
            system: system_of(handle),
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
        self.places.while_not_paused(handle).await && self.places.take(handle).await
    }

    /// Has the run work in the folder that its session has now, or that its parent works in, if that is
    /// still what a person chose. It never works in another one instead.
    async fn find_workspace(&self, handle: &RunHandle) -> Result<(), String> {
        let authority = &handle.spec.authority;
        let inherited = authority.folder().cloned();
        let is_inherited = inherited.is_some() || handle.spec.trigger == RunTrigger::Spawn;
        let chosen = match is_inherited {
            true => inherited,
            false => {
                let row = self.store.session(handle.session().clone()).await;
                row.map_err(|error| error.to_string())?.and_then(|row| row.workspace)
            }
        };
        let Some(folder) = chosen else { return Ok(()) };
        self.folders.check(&folder).await.map_err(|lost| lost.to_string())?;
        if !is_inherited {
            handle.work_in(folder);
        }
        Ok(())
    }

    fn tools_of(&self, handle: &RunHandle) -> Vec<ToolDescription> {
        self.catalog().into_iter().filter(|tool| handle.authority().may_use(tool.name)).collect()
    }
}

fn system_of(handle: &RunHandle) -> String {
    let authority = handle.authority();
    system_prompt(&PromptFacts {
        workspace: authority.workspace(),
        depth: handle.depth,
        may_spawn: authority.may_use("sessions_spawn"),
        is_subagent: handle.is_subagent(),
        label: handle.row.label.as_deref(),
        extra: handle.spec.extra_system_prompt.as_deref(),
    })
}

/// The end of a run that was stopped before it began.
fn never_started(handle: &RunHandle) -> Ending {
    let (outcome, error) = handle.stopped_outcome();
    unanswered(handle, outcome, format!("{error} before it began"))
}

/// The end of a run that asked no model. What was said to it is kept.
fn unanswered(handle: &RunHandle, outcome: Outcome, error: String) -> Ending {
    // The store itself keeps what was said to a run that did not begin, but for one that was stopped.
    let input = handle.row.input.clone().filter(|_| outcome == Outcome::Cancelled);
    let entries = input.into_iter().collect();
    Ending { entries, ..Ending::silent(outcome, Some(error)) }
}
