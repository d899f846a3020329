//! The methods of `chat.*` and `agent.*` that start a turn or wait for a run.

use std::time::Duration;

use serde_json::json;
use tidegate_agent::{HandoffId, PreparedStart, Turn, WaitOutcome};
use tidegate_protocol::chat_command::ChatCommand;
use tidegate_protocol::field::Change;
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::{Agent, AgentWait, ChatAbort, ChatSend};
use tidegate_protocol::payload::chat::{
    AgentAccepted, AgentMeta, AgentModelMeta, AgentOutput, AgentPayload, AgentResult, AgentUsage,
    AgentWaitResult, ChatAbortResult, ChatSendResult,
};
use tidegate_protocol::{AgentId, ErrorCode, ErrorShape, SessionKey, rpc, text};
use tidegate_store::{Outcome, RunRow, RunState};
use tidegate_trust::Principal;

use super::chat_commands::{self, Next};
use super::session_patch::expect_session;
use super::turns::{
    Said, authority, clean_message, forbidden, invalid, known_model, session_row, start_error, start_turn,
    stop_if_revoked, wait_for_run,
};
use crate::dispatch::{Caller, Handler, Reply, parse};

/// How long `agent.wait` waits when it is not told.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// The longest that one look for a run's end takes; `agent` looks again.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A turn, answered by `chat` events.
impl Handler for rpc::ChatSend {
    async fn handle(caller: &Caller, params: ChatSend) -> Result<ChatSendResult, ErrorShape> {
        if caller.session.principal() == &Principal::SubagentClient {
            return Err(forbidden("Tidegate's own subagent client starts runs only with a handoff"));
        }
        let message = clean_message("chat.send", &params.message)?;
        expect_transcript(caller, &params).await?;
        let said = Said {
            run: params.idempotency_key,
            session: params.session_key,
            message,
            // 0 is no limit.
            timeout: params.timeout_ms.filter(|&limit| limit > 0).map(Duration::from_millis),
        };
        match params.suppress_command_interpretation {
            Some(true) => start_turn(caller, said).await,
            _ => chat_commands::run_or_start(caller, said).await,
        }
    }
}

/// Holds a session to what the client saw of it: its transcript, and the newest entry in that.
async fn expect_transcript(caller: &Caller, params: &ChatSend) -> Result<(), ErrorShape> {
    let (id, leaf) = (params.session_id.as_deref(), &params.expected_leaf_entry_id);
    if id.is_none() && leaf.is_absent() {
        return Ok(());
    }
    let row = session_row(caller, &params.session_key).await?;
    expect_session(&params.session_key, row.as_ref(), id)?;
    // A transcript only grows: what is in it stays on the path to its newest entry.
    if id.is_some() || leaf.is_absent() {
        return Ok(());
    }
    let newest = match row {
        Some(row) => caller.store().transcript(row.session_id, None, 1).await?.pop().map(|entry| entry.id),
        None => None,
    };
    let is_expected = match leaf {
        Change::Set(expected) => newest.as_ref() == Some(expected),
        _ => newest.is_none(),
    };
    if is_expected {
        return Ok(());
    }
    Err(ErrorShape::invalid("the conversation has gone on since; read chat.history again")
        .with_details(json!({ "reason": "active-leaf-changed" })))
}

/// A run, with two answers.
impl Handler for rpc::Agent {
    async fn handle(caller: &Caller, params: Agent) -> Result<AgentResult, ErrorShape> {
        let run = start_agent(caller, params).await?;
        caller.answer(caller.ok(&AgentAccepted {
            run_id: run.id.clone(),
            agent_id: run.session.agent(),
            session_key: run.session,
            status: "accepted".to_owned(),
            accepted_at: run.created_at,
        }));
        loop {
            // The run goes on without the connection; nobody else gets its answer.
            let wait = wait_for_run(&caller.gateway, run.id.clone(), LONGEST_WAIT);
            let Some(outcome) = caller.outbox.until_revoked(wait).await else {
                return Err(ErrorShape::unavailable("the connection was closed"));
            };
            match outcome? {
                WaitOutcome::Ended(run) => return Ok(final_answer(run)),
                WaitOutcome::StillRunning => {}
                WaitOutcome::Unknown => return Err(ErrorShape::unavailable("the run is gone")),
            }
        }
    }

    /// A run that failed is an error that carries its result.
    async fn answer(caller: &Caller, request: &RequestFrame) -> Reply {
        let ended = match parse::<Self>(request) {
            Ok(params) => Self::handle(caller, params).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(result) if result.result.is_none() => {
                let summary = result.summary.clone().unwrap_or_default();
                caller.failed(&ErrorShape::new(ErrorCode::Unavailable, summary), &result)
            }
            Ok(result) => caller.ok(&result),
            Err(error) => caller.error(&error),
        }
    }
}

fn final_answer(run: RunRow) -> AgentResult {
    if run.state != RunState::Terminal(Outcome::Ok) {
        let summary = run.error.unwrap_or_else(|| "the run did not finish".to_owned());
        return AgentResult {
            run_id: run.id,
            status: "error".to_owned(),
            summary: Some(summary),
            result: None,
        };
    }
    let (provider, model) = run.model.as_deref().and_then(|model| model.split_once('/')).unzip();
    let duration = run.ended_at.unwrap_or_default().since(run.started_at.unwrap_or(run.created_at));
    AgentResult {
        run_id: run.id,
        status: "ok".to_owned(),
        summary: Some("completed".to_owned()),
        result: Some(AgentOutput {
            payloads: vec![AgentPayload { text: run.result, media_url: None }],
            meta: AgentMeta {
                duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                agent_meta: AgentModelMeta {
                    session_id: run.session_id,
                    provider: provider.map(str::to_owned),
                    model: model.map(str::to_owned),
                    usage: AgentUsage {
                        input: run.usage.input,
                        output: run.usage.output,
                        cache_read: 0,
                        cache_write: 0,
                        total: run.usage.input + run.usage.output,
                    },
                },
            },
        }),
    }
}

async fn start_agent(caller: &Caller, params: Agent) -> Result<RunRow, ErrorShape> {
    let runtime = caller.gateway.runtime()?;
    let session = params.session_key.clone().unwrap_or_else(|| {
        let agent = params.agent_id.clone().unwrap_or_else(AgentId::default_agent);
        SessionKey::main(&agent)
    });
    if session.agent().as_str() != DEFAULT_AGENT {
        return Err(ErrorShape::invalid(format!("unknown agent id \"{}\"", session.agent())));
    }
    if params.session_id.is_some() || params.expected_existing_session_id.is_some() {
        let row = session_row(caller, &session).await?;
        for expected in [&params.session_id, &params.expected_existing_session_id] {
            expect_session(&session, row.as_ref(), expected.as_deref())?;
        }
    }
    let is_own = caller.session.principal() == &Principal::SubagentClient;
    let accepted = match (is_own, params.internal_runtime_handoff_id) {
        (true, Some(handoff)) => {
            let handoff = HandoffId::parse(&handoff).ok_or_else(|| {
                invalid("agent", "/internalRuntimeHandoffId", "must be a handoff of this runtime")
            })?;
            // Exactly what was prepared, so nothing is cleaned here.
            let start = PreparedStart { run: params.idempotency_key, session, message: params.message };
            runtime.start_prepared(handoff, &start).await
        }
        (true, None) => {
            return Err(forbidden("Tidegate's own subagent client starts runs only with a handoff"));
        }
        // A handoff is worth nothing in other hands, and an attempt is worth a line.
        (false, Some(_)) => {
            tracing::warn!(who = %caller.session.principal().name(), "a client presented a runtime handoff");
            return Err(forbidden("internalRuntimeHandoffId is not accepted from clients"));
        }
        (false, None) => {
            let model = match (&params.provider, &params.model) {
                (None, None) => None,
                _ if !caller.session.is_owner() => {
                    return Err(forbidden("provider/model overrides are not authorized for this caller."));
                }
                (Some(provider), Some(model)) => {
                    Some(known_model(caller, &format!("{provider}/{model}")).await?)
                }
                (None, Some(model)) => Some(known_model(caller, model).await?),
                (Some(_), None) => return Err(invalid("agent", "/provider", "needs a model beside it")),
            };
            let mut said = Said {
                run: params.idempotency_key,
                session,
                message: clean_message("agent", &params.message)?,
                timeout: params.timeout.filter(|&seconds| seconds > 0).map(Duration::from_secs),
            };
            // Of the commands, OpenClaw's gateways know these two here.
            if let Some(command @ (ChatCommand::New(_) | ChatCommand::Reset(_))) =
                ChatCommand::parse(&said.message)
            {
                match chat_commands::take(caller, said, command).await? {
                    Next::Answered(answered) => return Ok(answered.run),
                    Next::Turn(rest) => said = rest,
                }
            }
            let turn = Turn {
                run: said.run,
                session: said.session,
                message: said.message,
                authority: authority(caller)?,
                model,
                label: params.label.map(|label| text::one_line(&label, 128)),
                timeout: said.timeout,
                extra_system_prompt: params.extra_system_prompt.filter(|_| caller.session.is_owner()),
            };
            runtime.start_turn(turn).await
        }
    };
    let run = accepted.map(|accepted| accepted.run).map_err(|error| start_error(&error))?;
    stop_if_revoked(caller, &run).await?;
    Ok(run)
}

/// Looks on; never stops anything.
impl Handler for rpc::AgentWait {
    async fn handle(caller: &Caller, params: AgentWait) -> Result<AgentWaitResult, ErrorShape> {
        let timeout = params.timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(LONGEST_WAIT);
        let outcome = wait_for_run(&caller.gateway, params.run_id.clone(), timeout).await?;
        let WaitOutcome::Ended(run) = outcome else {
            return Ok(AgentWaitResult {
                run_id: params.run_id,
                status: "timeout".to_owned(),
                started_at: None,
                ended_at: None,
                error: None,
            });
        };
        let status = match run.state {
            RunState::Terminal(Outcome::Ok) => "ok",
            RunState::Terminal(Outcome::TimedOut) => "timeout",
            _ => "error",
        };
        Ok(AgentWaitResult {
            run_id: run.id,
            status: status.to_owned(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            error: run.error,
        })
    }
}

/// This session's runs, and everything below them.
impl Handler for rpc::ChatAbort {
    async fn handle(caller: &Caller, params: ChatAbort) -> Result<ChatAbortResult, ErrorShape> {
        let runtime = caller.gateway.runtime()?;
        if let Some(run) = &params.run_id {
            let row = caller.store().run(run.clone()).await?;
            if row.is_some_and(|row| row.session != params.session_key) {
                return Err(ErrorShape::invalid("runId does not match sessionKey"));
            }
        }
        let aborted = runtime.abort(&params.session_key, params.run_id.as_ref()).await;
        Ok(ChatAbortResult { ok: true, aborted: !aborted.runs.is_empty(), run_ids: aborted.runs })
    }
}
