//! `commands`: commands of agents that run now.

use serde::Deserialize;
use serde_json::json;
use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::{Method, RunId, UnixMillis};

use super::{Context, nothing};
use crate::arguments::CommandsCommand;
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::Table;
use crate::moments;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &CommandsCommand,
) -> Result<(), Failure> {
    match command {
        CommandsCommand::List => list(context).await,
        CommandsCommand::Interrupt { id, run } => interrupt(context, id, run.as_ref()).await,
    }
}

#[derive(Debug, Deserialize)]
struct Running {
    #[serde(default)]
    commands: Vec<Command>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Command {
    tool_call_id: String,
    run_id: String,
    session_key: String,
    command: String,
    class: CommandClass,
    since_ms: UnixMillis,
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateCommandsList;
    let answer = context.client.call(method, nothing()).await?;
    let now = context.now();
    context.show(&answer, || Ok(render(&read(method.name(), answer.clone())?, now)))
}

fn render(running: &Running, now: UnixMillis) -> String {
    if running.commands.is_empty() {
        return "No command runs now.\n".to_owned();
    }
    let mut table = Table::new(&["STARTED", "CLASS", "ID", "RUN", "SESSION", "COMMAND"]);
    for command in &running.commands {
        let class = match command.class {
            CommandClass::Contained => "contained",
            CommandClass::Partial => "in part",
            CommandClass::Unconfined => "unconfined",
        };
        let since = moments::ago(now, command.since_ms);
        let Command { tool_call_id, run_id, session_key, command, .. } = command;
        table.row([&since, class, tool_call_id, run_id, session_key, command]);
    }
    table.render()
}

async fn interrupt<W: Wire>(
    context: &mut Context<'_, W>,
    id: &str,
    run: Option<&RunId>,
) -> Result<(), Failure> {
    let mut params = json!({ "toolCallId": id });
    if let (Some(params), Some(run)) = (params.as_object_mut(), run) {
        params.insert("runId".to_owned(), json!(run));
    }
    let answer = context.client.call(Method::TidegateCommandsInterrupt, params).await?;
    context.done(&answer, "Sent Ctrl-C. The agent goes on, and reads that you did.")
}
