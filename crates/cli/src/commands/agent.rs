//! `agent`: a message, and the answer as it comes.

use serde_json::Value;
use tidegate_protocol::params::{Agent, ChatAbort};
use tidegate_protocol::payload::approvals::WaitingApproval;
use tidegate_protocol::payload::chat::AgentResult;
use tidegate_protocol::payload::events::AgentEvent;
use tidegate_protocol::rpc::{self, Rpc as _};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{Event, RunId};
use uuid::Uuid;

use super::{Context, sessions};
use crate::arguments::AgentArguments;
use crate::client::{Incoming, Wire, read};
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &AgentArguments,
) -> Result<(), Failure> {
    if let Some(folder) = &arguments.workspace {
        sessions::choose_workspace_first(context, &arguments.session, folder, arguments.yes).await?;
    }
    // The key of the request is the id of its run, by which its events are known.
    let run = RunId::parse(Uuid::new_v4().to_string()).map_err(|error| Failure::Failed(error.to_string()))?;
    let params = Agent {
        session_key: Some(arguments.session.clone()),
        model: arguments.model.clone(),
        ..Agent::new(arguments.message.clone(), run.clone())
    };
    let request = context.client.request::<rpc::Agent>(&params).await?;
    let interrupt = context.surroundings.interrupt.clone();
    let mut answer = Answer::default();
    let mut is_stopping = false;
    loop {
        tokio::select! {
            incoming = context.client.next() => match incoming? {
                Incoming::Answer { id, result } if id == request => {
                    let result = result.map_err(Failure::Answered);
                    if let Ok(payload) = &result
                        && payload.get("status").and_then(Value::as_str) == Some("accepted")
                    {
                        continue;
                    }
                    return finish(context, &answer, result, is_stopping);
                }
                Incoming::Answer { .. } => {}
                Incoming::Event { name, payload } => on_event(context, &run, &name, payload, &mut answer)?,
            },
            () = interrupt.notified() => {
                if is_stopping {
                    return Err(Failure::Interrupted);
                }
                is_stopping = true;
                let params = ChatAbort {
                    session_key: arguments.session.clone(),
                    run_id: Some(run.clone()),
                    agent_id: None,
                    preserve_side_runs: None,
                };
                context.client.request::<rpc::ChatAbort>(&params).await?;
            }
        }
    }
}

/// What of the answer is printed already.
#[derive(Debug, Default)]
struct Answer {
    shown: String,
}

impl Answer {
    /// What has to be printed so that `text` is shown. Each event carries the whole text so far, so
    /// that one that was lost costs nothing; a run may begin a new text after a tool call.
    fn advance(&mut self, text: &str) -> String {
        let piece = match text.strip_prefix(self.shown.as_str()) {
            Some(rest) => rest.to_owned(),
            None => format!("\n\n{text}"),
        };
        text.clone_into(&mut self.shown);
        piece
    }
}

fn on_event<W: Wire>(
    context: &mut Context<'_, W>,
    run: &RunId,
    name: &str,
    payload: Value,
    answer: &mut Answer,
) -> Result<(), Failure> {
    // Events are for many kinds of clients; what is not for this command is skipped.
    if name == Event::Agent.name()
        && let Ok(event) = serde_json::from_value::<AgentEvent>(payload.clone())
        && &event.run_id == run
        && event.stream == "assistant"
        && let Some(text) = event.data.text
    {
        let piece = answer.advance(&text);
        if !context.is_json() {
            context.output().prose(&piece)?;
        }
    }
    if name == Event::ExecApprovalRequested.name()
        && let Ok(event) = serde_json::from_value::<WaitingApproval>(payload)
    {
        let mut asking = event.request.run_id.iter().chain(&event.request.ancestors);
        let is_ours = asking.any(|asking| asking == run.as_str());
        if is_ours {
            let place = match context.client.greeting().desktop {
                true => "look at the desktop".to_owned(),
                false => format!("`tidegate approvals allow {}`", one_line(&event.id, 64)),
            };
            // In a terminal both outputs share the screen, and the answer may stand in the middle of a line.
            let break_line = if answer.shown.is_empty() || answer.shown.ends_with('\n') { "" } else { "\n" };
            let note = format!("{break_line}The agent waits for your decision: {place}");
            context.output().note(&note)?;
        }
    }
    Ok(())
}

fn finish<W: Wire>(
    context: &mut Context<'_, W>,
    answer: &Answer,
    result: Result<Value, Failure>,
    is_stopping: bool,
) -> Result<(), Failure> {
    let has_text = !answer.shown.is_empty();
    if !context.is_json() && has_text && !answer.shown.ends_with('\n') && (result.is_err() || is_stopping) {
        context.output().prose("\n")?;
    }
    let result: AgentResult = match result {
        Ok(payload) => read(rpc::Agent::METHOD.name(), payload)?,
        Err(_) if is_stopping => return Err(Failure::Interrupted),
        Err(error) => return Err(error),
    };
    if context.is_json() {
        return Ok(context.output().json(&result)?);
    }
    // Streaming may have been slower than the answer, or left out its end.
    let mut rest = Answer { shown: answer.shown.clone() };
    let last = result.result.as_ref().and_then(|output| output.payloads.last());
    let last = last.and_then(|payload| payload.text.as_deref());
    let mut piece = rest.advance(last.unwrap_or(&answer.shown));
    if !rest.shown.ends_with('\n') {
        piece.push('\n');
    }
    Ok(context.output().prose(&piece)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_text_of_the_same_run_stands_apart() {
        let mut answer = Answer::default();

        let pieces = ["Let me", "Let me look.", "Done", "Done."].map(|text| answer.advance(text));

        assert_eq!(pieces.concat(), "Let me look.\n\nDone.");
    }

    proptest! {
        #[test]
        fn whatever_events_are_lost_the_whole_text_is_printed(text in "\\PC{0,80}", cuts in prop::collection::btree_set(0..80usize, 0..8)) {
            let mut answer = Answer::default();
            let mut printed = String::new();
            for cut in cuts {
                let so_far: String = text.chars().take(cut).collect();
                printed.push_str(&answer.advance(&so_far));
            }
            printed.push_str(&answer.advance(&text));
            prop_assert_eq!(printed, text);
        }
    }
}
