//! What methods that start turns and wait for runs have in common.

use std::time::Duration;

use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::model::ModelName;
use tidegate_agent::{StartError, Turn, WaitOutcome};
use tidegate_protocol::payload::chat::ChatSendResult;
use tidegate_protocol::{ErrorCode, ErrorShape, RunId, SessionKey, text};
use tidegate_store::{Outcome, RunRow, RunState, SessionRow};

use crate::dispatch::Caller;
use crate::state::Gateway;

/// A message of a client's person to a session.
pub(crate) struct Said {
    pub(crate) run: RunId,
    pub(crate) session: SessionKey,
    /// The message, cleaned and bounded.
    pub(crate) message: String,
    pub(crate) timeout: Option<Duration>,
}

/// Starts the turn that answers a message.
pub(crate) async fn start_turn(caller: &Caller, said: Said) -> Result<ChatSendResult, ErrorShape> {
    let turn = Turn {
        run: said.run,
        session: said.session,
        message: said.message,
        authority: authority(caller)?,
        model: None,
        label: None,
        timeout: said.timeout,
        extra_system_prompt: None,
    };
    let accepted = caller.gateway.runtime()?.start_turn(turn).await.map_err(|error| start_error(&error))?;
    stop_if_revoked(caller, &accepted.run).await?;
    Ok(send_status(caller, accepted.run, accepted.duplicate))
}

/// The acknowledgement of a message.
pub(crate) fn send_status(caller: &Caller, run: RunRow, duplicate: bool) -> ChatSendResult {
    let status = match (duplicate, run.state) {
        (false, _) => "started",
        (true, RunState::Terminal(Outcome::Ok)) => "ok",
        (true, RunState::Terminal(_)) => "error",
        (true, _) => caller.session.dialect().repeated_send_status(),
    };
    ChatSendResult {
        run_id: Some(run.id),
        status: Some(status.to_owned()),
        summary: run.error.filter(|_| status == "error"),
        ..ChatSendResult::default()
    }
}

/// Waits until a run has ended, at most for `timeout`, and until every connection that gets its last
/// events has them in its outbox: an answer comes after them.
pub(crate) async fn wait_for_run(
    gateway: &Gateway,
    run: RunId,
    timeout: Duration,
) -> Result<WaitOutcome, ErrorShape> {
    let inner = gateway.inner();
    let ended = async {
        let outcome = gateway.runtime()?.wait(run.clone(), timeout).await?;
        if let (WaitOutcome::Ended(_), Some(run_ends)) = (&outcome, inner.run_ends.get()) {
            run_ends.sent(run).await;
        }
        Ok(outcome)
    };
    tokio::select! {
        () = inner.stop.cancelled() => Err(ErrorShape::unavailable("the gateway is stopping")),
        ended = ended => ended,
    }
}

/// A client from which everything was taken while its run was accepted gets no run: what it had in
/// line was dropped before this one came.
pub(crate) async fn stop_if_revoked(caller: &Caller, run: &RunRow) -> Result<(), ErrorShape> {
    if caller.outbox.was_taken_away() {
        caller.gateway.runtime()?.abort(&run.session, Some(&run.id)).await;
    }
    Ok(())
}

/// A model by its name, `provider/model`.
pub(crate) async fn known_model(caller: &Caller, name: &str) -> Result<ModelName, ErrorShape> {
    let models = caller
        .gateway
        .inner()
        .models
        .get()
        .ok_or_else(|| ErrorShape::unavailable("the gateway is starting"))?;
    let shown = text::one_line(name, 128);
    let parsed = ModelName::parse(name).ok_or_else(|| {
        ErrorShape::invalid(format!("\"{shown}\" is not a model name; write provider/model"))
    })?;
    match models.model(&parsed).await {
        Some(_) => Ok(parsed),
        None => Err(ErrorShape::invalid(format!(
            "there is no model \"{shown}\"; `tidegate models list` shows them"
        ))),
    }
}

/// What a run of this caller may do.
pub(crate) fn authority(caller: &Caller) -> Result<RunAuthority, ErrorShape> {
    let runtime = caller.gateway.runtime()?;
    let name = caller.session.principal().name();
    let owner = if caller.session.is_owner() { Owner::Owner { name } } else { Owner::Guest { name } };
    let tools = runtime.catalog().iter().map(|tool| tool.name.to_owned()).collect();
    Ok(RunAuthority::root(owner, runtime.workspace(), tools))
}

pub(crate) async fn session_row(caller: &Caller, key: &SessionKey) -> Result<Option<SessionRow>, ErrorShape> {
    Ok(caller.store().session(key.clone()).await?)
}

/// A message without control characters that only a terminal would obey.
pub(crate) fn clean_message(method: &str, message: &str) -> Result<String, ErrorShape> {
    if message.contains('\0') {
        return Err(ErrorShape::invalid("message must not contain null bytes"));
    }
    let clean: String =
        message.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')).collect();
    if clean.trim().is_empty() {
        return Err(invalid(method, "/message", "must not be empty"));
    }
    Ok(clean)
}

pub(crate) fn start_error(error: &StartError) -> ErrorShape {
    match error {
        StartError::Store(error) => error.clone().into(),
        StartError::Stopping | StartError::QueueFull { .. } | StartError::Internal => {
            ErrorShape::unavailable(error.to_string())
        }
        _ => ErrorShape::invalid(error.to_string()),
    }
}

/// The answer to a request that this caller may never make.
pub(crate) fn forbidden(message: &str) -> ErrorShape {
    ErrorShape::new(ErrorCode::Forbidden, message)
}

/// The answer to a parameter that is wrong, with where it stands.
pub(crate) fn invalid(method: &str, place: &str, problem: &str) -> ErrorShape {
    ErrorShape::invalid(format!("invalid {method} params: at {place}: {problem}"))
}
