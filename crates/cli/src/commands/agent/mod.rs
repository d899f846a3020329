//! `agent`: a message, and the answer as it comes, with what the agent asks for.

mod choices;
mod questions;

use serde_json::Value;
use tidegate_protocol::params::{Agent, ChatAbort};
use tidegate_protocol::payload::approvals::{ApprovalResolvedEvent, WaitingApproval};
use tidegate_protocol::payload::chat::AgentResult;
use tidegate_protocol::payload::events::AgentEvent;
use tidegate_protocol::rpc::{self, Rpc as _};
use tidegate_protocol::{Event, RunId};
use uuid::Uuid;

use self::questions::Questions;
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
    let mut questions = Questions::default();
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
                    release(context, &mut answer)?;
                    return finish(context, &answer, result, is_stopping);
                }
                Incoming::Answer { .. } => {}
                Incoming::Event { name, payload } => {
                    on_event(context, &run, &name, payload, &mut answer, &mut questions).await?;
                }
            },
            typed = questions.typed() => questions.answer(context, typed).await?,
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
        if !questions.is_open() {
            release(context, &mut answer)?;
        }
    }
}

/// What of the answer is printed already.
#[derive(Debug, Default)]
struct Answer {
    shown: String,
    /// What came while a question was open.
    held: Vec<String>,
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

    /// Keeps a text for later: an answer that goes on would push a question out of sight.
    fn hold(&mut self, text: String) {
        match self.held.last_mut() {
            Some(last) if text.starts_with(last.as_str()) => *last = text,
            _ => self.held.push(text),
        }
    }
}

/// Prints what was held back.
fn release<W: Wire>(context: &mut Context<'_, W>, answer: &mut Answer) -> Result<(), Failure> {
    for text in std::mem::take(&mut answer.held) {
        let piece = answer.advance(&text);
        if !context.is_json() {
            context.output().prose(&piece)?;
        }
    }
    Ok(())
}

/// Events are for many kinds of clients; what is not for this command is skipped.
async fn on_event<W: Wire>(
    context: &mut Context<'_, W>,
    run: &RunId,
    name: &str,
    payload: Value,
    answer: &mut Answer,
    questions: &mut Questions,
) -> Result<(), Failure> {
    if name == Event::Agent.name() {
        if let Ok(event) = serde_json::from_value::<AgentEvent>(payload)
            && &event.run_id == run
            && event.stream == "assistant"
            && let Some(text) = event.data.text
        {
            answer.hold(text);
        }
    } else if name == Event::ExecApprovalRequested.name() {
        let Ok(event) = serde_json::from_value::<WaitingApproval>(payload) else { return Ok(()) };
        let mut asking = event.request.run_id.iter().chain(&event.request.task_id);
        if asking.any(|asking| asking == run.as_str()) {
            // In a terminal both outputs share the screen, and the answer may stand in the middle of a line.
            if !questions.is_open() && !answer.shown.is_empty() && !answer.shown.ends_with('\n') {
                context.output().note("")?;
            }
            questions.add(context, event).await?;
        }
    } else if name == Event::ExecApprovalResolved.name()
        && let Ok(event) = serde_json::from_value::<ApprovalResolvedEvent>(payload)
    {
        questions.resolved(context, &event).await?;
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
    let mut rest = Answer { shown: answer.shown.clone(), held: Vec::new() };
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
