//! `commands`: commands of agents that run now.

use serde_json::json;
use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::payload::surfaces::RunningCommandsResult;
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

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateCommandsList;
    let answer = context.client.call(method, nothing()).await?;
    let now = context.now();
    context.show(&answer, || Ok(render(&read(method.name(), answer.clone())?, now)))
}

fn render(running: &RunningCommandsResult, now: UnixMillis) -> String {
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
        let (run, session) = (command.run_id.as_str(), command.session_key.as_str());
        table.row([&since, class, &command.tool_call_id, run, session, &command.command]);
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
