//! Messages that the gateway answers itself, without a model: chat commands.

use std::sync::Arc;

use tidegate_protocol::transcript::{AnsweredCommand, AssistantAuthor, AssistantContent};
use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage, UnixMillis};
use tidegate_store::{Answered, NewAnswer, NewRun, Outcome};
use uuid::Uuid;

use crate::authority::RunAuthority;
use crate::event::{RunEventKind, RuntimeEvent};
use crate::runtime::Runtime;
use crate::spec::{Cleanup, RunSpec, RunTrigger};
use crate::start::{Accepted, StartError};

/// A chat command and what it answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandTurn {
    /// The run's id: the client's idempotency key.
    pub run: RunId,
    /// The session, which is made when it is missing.
    pub session: SessionKey,
    /// What was said.
    pub message: String,
    /// The command's name.
    pub command: &'static str,
    /// What it answered.
    pub answer: String,
    /// Who said it.
    pub authority: RunAuthority,
}

impl Runtime {
    /// Records a chat command with its answer: clients see both like a turn, and no model ever reads
    /// them. Nothing waits for it, and it waits for nothing. The same id again records nothing.
    ///
    /// # Errors
    /// When the id belongs to another session, or the store refuses.
    pub async fn record_command(&self, turn: CommandTurn) -> Result<Accepted, StartError> {
        let inner = self.inner();
        inner.check_message(&turn.message)?;
        let at = inner.now();
        let spec = RunSpec {
            trigger: RunTrigger::Turn,
            authority: turn.authority,
            model: None,
            timeout_ms: None,
            extra_system_prompt: None,
            cleanup: Cleanup::Keep,
            expects_completion: false,
        };
        let new = NewAnswer {
            run: NewRun {
                id: turn.run,
                session: turn.session,
                new_session_id: SessionId::parse(Uuid::new_v4().to_string())
                    .map_err(|_| StartError::Internal)?,
                parent: None,
                label: None,
                input: None,
                spec: serde_json::to_value(&spec).map_err(|_| StartError::Internal)?,
                boot: inner.boot.clone(),
                at,
            },
            entries: command_messages(turn.command, turn.message, turn.answer.clone(), at),
            result: turn.answer,
        };
        let (run, appended) = match inner.store.record_answer(new).await? {
            Answered::New { run, appended } => (run, appended),
            Answered::Existing(run) => return Ok(Accepted { run, duplicate: true }),
            Answered::TakenElsewhere => return Err(StartError::RunIdTaken),
        };
        let ended = RunEventKind::Ended { outcome: Outcome::Ok, run: Box::new(run.clone()) };
        let told = [RunEventKind::Accepted, RunEventKind::SessionChanged { reason: "send" }]
            .into_iter()
            .chain(appended.into_iter().map(RunEventKind::Appended))
            .chain([ended]);
        for (seq, kind) in (1..).zip(told) {
            let event = RuntimeEvent {
                run: run.id.clone(),
                session: run.session.clone(),
                session_id: run.session_id.clone(),
                spawned_by: None,
                at,
                seq,
                kind,
            };
            // Nobody may listen.
            let _ = inner.events.send(Arc::new(event));
        }
        Ok(Accepted { run, duplicate: false })
    }
}

/// A command and its answer as a transcript holds them.
fn command_messages(
    command: &str,
    message: String,
    answer: String,
    timestamp: UnixMillis,
) -> Vec<TranscriptMessage> {
    let command = AnsweredCommand { command: command.to_owned() };
    vec![
        TranscriptMessage::User { text: message, timestamp, command: Some(command.clone()) },
        TranscriptMessage::Assistant {
            content: AssistantContent { text: answer, calls: Vec::new() },
            timestamp,
            author: AssistantAuthor::Gateway { command },
        },
    ]
}
