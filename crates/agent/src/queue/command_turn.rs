//! Messages that the gateway answers itself, without a model: chat commands.

use std::sync::Arc;

use tidegate_protocol::transcript::{AnsweredCommand, AssistantAuthor, AssistantContent};
use tidegate_protocol::{RunId, SessionKey, TranscriptMessage, UnixMillis};
use tidegate_store::{Answered, NewAnswer, NewRun, Outcome};

use super::intake::{Intake, new_session_id};
use super::start::{Accepted, StartError};
use crate::authority::RunAuthority;
use crate::event::{RunEventKind, RuntimeEvent};
use crate::run::RunSpec;

/// A chat command and what it answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandTurn {
    /// The run's id: the client's idempotency key.
    pub run: RunId,
    /// The session, which is made when it is missing.
    pub session: SessionKey,
    pub message: String,
    /// The command's name.
    pub command: &'static str,
    pub answer: String,
    /// Who said it.
    pub authority: RunAuthority,
}

impl Intake {
    /// Does what [`crate::Runtime::record_command`] says.
    pub(crate) async fn record_command(&self, turn: CommandTurn) -> Result<Accepted, StartError> {
        self.check_message(&turn.message)?;
        let at = self.clock.now();
        let spec = RunSpec::turn(turn.authority);
        let new = NewAnswer {
            run: NewRun {
                id: turn.run,
                session: turn.session,
                new_session_id: new_session_id()?,
                parent: None,
                label: None,
                input: None,
                spec: serde_json::to_value(&spec).map_err(|_| StartError::Internal)?,
                boot: self.boot.clone(),
                at,
            },
            entries: command_messages(turn.command, turn.message, turn.answer.clone(), at),
            result: turn.answer,
        };
        let (run, appended) = match self.store.record_answer(new).await? {
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
            let _ = self.events.send(Arc::new(event));
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
