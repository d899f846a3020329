//! Chat commands, which the gateway answers before any model sees them. They are the words of a
//! client's person: what a model, a tool or a subagent writes never comes here.

use std::fmt::Write as _;

use serde_json::Value;
use tidegate_agent::{Accepted, Activity, CommandTurn, StartError};
use tidegate_protocol::chat_command::{COMMANDS, ChatCommand};
use tidegate_protocol::payload::chat::ChatSendResult;
use tidegate_protocol::payload::lists::{CommandArgument, CommandEntry};
use tidegate_protocol::{ErrorCode, ErrorShape, SessionKey, text};
use tidegate_store::{SessionPatch, SessionRow};
use tidegate_trust::principal::Denied;

use super::turns::{Said, authority, known_model, send_status, session_row, start_error, start_turn};
use super::{require_scope, session_patch, session_workspace, sessions, store_error};
use crate::dispatch::Caller;

/// The provider of the built-in demo, which has commands of its own.
const DEMO_PROVIDER: &str = "offline";
/// The most models that `/model` names.
const MODELS_SHOWN: usize = 20;
/// The most characters of a name in an answer.
const NAME_CHARACTERS: usize = 160;

/// All commands, as `commands.list` shows them. All are texts, and none is what a channel offers beside them.
pub(crate) fn entries() -> Vec<CommandEntry> {
    let entry = |described: &tidegate_protocol::chat_command::CommandDescription| CommandEntry {
        name: described.name.to_owned(),
        text_aliases: std::iter::once(&described.name)
            .chain(described.aliases)
            .map(|name| format!("/{name}"))
            .collect(),
        description: described.description.to_owned(),
        category: described.category.to_owned(),
        source: "native".to_owned(),
        scope: "text".to_owned(),
        accepts_args: described.argument.is_some(),
        args: described.argument.map(|(name, description)| {
            vec![CommandArgument {
                name: name.to_owned(),
                description: description.to_owned(),
                kind: "string".to_owned(),
            }]
        }),
    };
    COMMANDS.iter().map(entry).collect()
}

/// Answers a message: as a command if it is one, else with a turn.
pub(crate) async fn run_or_start(caller: &Caller, said: Said) -> Result<ChatSendResult, ErrorShape> {
    let Some(command) = ChatCommand::parse(&said.message) else { return start_turn(caller, said).await };
    if command == ChatCommand::Stop {
        allowed(caller, &command)?;
        return stop(caller, &said.session).await;
    }
    match take(caller, said, command).await? {
        Next::Turn(said) => start_turn(caller, said).await,
        Next::Answered(answered) => Ok(send_status(caller, answered.run, answered.duplicate)),
    }
}

/// What follows a command.
#[allow(clippy::large_enum_variant, reason = "it is looked at once and not kept")]
pub(crate) enum Next {
    /// It is answered: a run that has ended.
    Answered(Accepted),
    /// The message behind it is to be answered with a turn.
    Turn(Said),
}

/// Does what a command says, for a session that may call the method that does the same.
pub(crate) async fn take(caller: &Caller, said: Said, command: ChatCommand) -> Result<Next, ErrorShape> {
    allowed(caller, &command)?;
    let store = &caller.gateway.inner().store;
    if let Some(run) = store.run(said.run.clone()).await.map_err(|error| store_error(&error))? {
        if run.session != said.session {
            return Err(start_error(&StartError::RunIdTaken));
        }
        return Ok(Next::Answered(Accepted { run, duplicate: true }));
    }
    let name = command.name();
    let answer = match command {
        ChatCommand::New(first) | ChatCommand::Reset(first) => {
            // What cannot be answered resets nothing.
            if let Some(message) = &first {
                caller.gateway.runtime()?.check_message(message).map_err(|error| start_error(&error))?;
            }
            // A session that does not exist yet is as new as it can be.
            sessions::reset(caller, &said.session, name).await?;
            if let Some(message) = first {
                return Ok(Next::Turn(Said { message, ..said }));
            }
            "A new conversation begins here. Earlier messages stay stored, but the agent does not see them."
                .to_owned()
        }
        ChatCommand::Status => status(caller, &said.session).await?,
        ChatCommand::Stop => {
            caller.gateway.runtime()?.abort(&said.session, None).await;
            "Everything in this session was stopped.".to_owned()
        }
        ChatCommand::Model(None) => models(caller, &said.session).await?,
        ChatCommand::Model(Some(model)) => choose_model(caller, &said.session, &model).await?,
        ChatCommand::Workspace(None) => workspace(caller, &said.session).await?,
        ChatCommand::Workspace(Some(folder)) => {
            session_workspace::request(caller, &said.session, &folder).await?
        }
        ChatCommand::Compact => {
            "Tidegate cannot summarise a conversation yet. When one no longer fits the model, the model \
             is sent the newest messages only. `/new` begins a new conversation."
                .to_owned()
        }
        ChatCommand::Help => help(caller, &said.session).await?,
    };
    let turn = CommandTurn {
        run: said.run,
        session: said.session,
        message: said.message,
        command: name,
        answer,
        authority: authority(caller)?,
    };
    let recorded = caller.gateway.runtime()?.record_command(turn).await;
    recorded.map(Next::Answered).map_err(|error| start_error(&error))
}

fn allowed(caller: &Caller, command: &ChatCommand) -> Result<(), ErrorShape> {
    let method = command.stands_for();
    match caller.session.authorize(method, caller.gateway.inner().trust.desktop()) {
        Ok(()) => command.scope().map_or(Ok(()), |scope| require_scope(caller, &scope)),
        Err(denied @ Denied::MissingScope(_)) => Err(denied.answer(caller.session.dialect(), method.name())),
        Err(_) => {
            let message = format!(
                "/{} is not available in Tidegate's window; use it in a terminal, with `tidegate` or another client",
                command.name()
            );
            Err(ErrorShape::new(ErrorCode::Forbidden, message))
        }
    }
}

async fn stop(caller: &Caller, session: &SessionKey) -> Result<ChatSendResult, ErrorShape> {
    let aborted = caller.gateway.runtime()?.abort(session, None).await;
    Ok(ChatSendResult {
        run_id: None,
        status: None,
        summary: None,
        ok: Some(true),
        aborted: Some(!aborted.runs.is_empty()),
        run_ids: Some(aborted.runs),
    })
}

/// The model that the session's next turn uses, as `provider/model`.
async fn model_of(caller: &Caller, row: Option<&SessionRow>) -> Result<String, ErrorShape> {
    if let Some(chosen) = row.and_then(|row| row.settings.get("model")).and_then(Value::as_str) {
        return Ok(shown(chosen));
    }
    let models = caller.gateway.inner().models.get();
    let models = models.ok_or_else(|| ErrorShape::unavailable("the gateway is starting"))?;
    Ok(shown(&models.default_model().await.name().to_string()))
}

/// A name in an answer, which clients draw as Markdown.
fn shown(name: &str) -> String {
    text::one_line(name, NAME_CHARACTERS).replace('`', "'")
}

async fn status(caller: &Caller, session: &SessionKey) -> Result<String, ErrorShape> {
    let runtime = caller.gateway.runtime()?;
    let row = session_row(caller, session).await?;
    let model = model_of(caller, row.as_ref()).await?;
    let usage = row.as_ref().map(|row| row.usage).unwrap_or_default();
    let active = runtime.active();
    let own = |run: &&tidegate_agent::ActiveRun| run.session == *session;
    let queued = active.iter().filter(own).filter(|run| run.activity == Activity::Queued).count();
    let running = active.iter().filter(own).count() - queued;
    let subagents = active.iter().filter(|run| run.parent.is_some()).count();
    let mut answer = format!("Tidegate {}\n", caller.gateway.inner().version);
    for (name, value) in [
        ("Session", shown(session.as_str())),
        ("Model", model),
        ("Workspace", shown(&session_workspace::of_session(&caller.gateway, row.as_ref())?)),
    ] {
        let _ = writeln!(answer, "- {name}: `{value}`");
    }
    let _ = writeln!(answer, "- Tokens: {} in, {} out", usage.input, usage.output);
    let _ = write!(
        answer,
        "- In this session: {running} running, {queued} queued. Subagents in all sessions: {subagents}"
    );
    if runtime.is_paused() {
        answer.push_str("\n- Tidegate is paused: no model is asked and no tool starts");
    }
    Ok(answer)
}

async fn models(caller: &Caller, session: &SessionKey) -> Result<String, ErrorShape> {
    let row = session_row(caller, session).await?;
    let mut answer = format!("This session uses `{}`.", model_of(caller, row.as_ref()).await?);
    let listed = caller.gateway.inner().host.models().await?.models;
    let usable: Vec<_> = listed.iter().filter(|model| model.available).collect();
    for model in usable.iter().take(MODELS_SHOWN) {
        let _ = write!(answer, "\n- `{}`", shown(&format!("{}/{}", model.provider, model.id)));
    }
    if usable.len() > MODELS_SHOWN {
        let _ =
            write!(answer, "\n- and {} more; `tidegate models list` shows all", usable.len() - MODELS_SHOWN);
    }
    answer.push_str("\n\n`/model NAME` chooses another for this session.");
    Ok(answer)
}

async fn choose_model(caller: &Caller, session: &SessionKey, name: &str) -> Result<String, ErrorShape> {
    let model = known_model(caller, name).await?.to_string();
    let mut patch = SessionPatch::default();
    patch.settings.insert("model".to_owned(), Value::String(model.clone()));
    session_patch::patch(caller, session, patch).await?;
    Ok(format!("This session uses `{}` from now on.", shown(&model)))
}

async fn workspace(caller: &Caller, session: &SessionKey) -> Result<String, ErrorShape> {
    let row = session_row(caller, session).await?;
    let folder = session_workspace::of_session(&caller.gateway, row.as_ref())?;
    Ok(format!(
        "This session works in `{}`.\n\n`/workspace FOLDER` asks for another; a person chooses it.",
        shown(&folder)
    ))
}

async fn help(caller: &Caller, session: &SessionKey) -> Result<String, ErrorShape> {
    let mut answer = String::from("Commands:");
    for described in COMMANDS {
        let argument = described.argument.map(|(name, _)| format!(" [{name}]")).unwrap_or_default();
        let _ = write!(answer, "\n- `/{}{argument}`: {}", described.name, described.description);
    }
    answer.push_str("\n\nAny other message goes to the model.");
    let model = model_of(caller, session_row(caller, session).await?.as_ref()).await?;
    if model.split('/').next() == Some(DEMO_PROVIDER) {
        answer.push_str(" The built-in demo has commands of its own: `/demo` lists them.");
    }
    Ok(answer)
}
