//! `commands`: commands of agents that run now.

use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::InterruptCommand;
use tidegate_protocol::payload::surfaces::RunningCommandsResult;
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::CommandsCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::times;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &CommandsCommand,
) -> Result<(), Failure> {
    match command {
        CommandsCommand::List => context.ask_and_show::<rpc::TidegateCommandsList>(&Empty {}, render).await,
        CommandsCommand::Interrupt { id, run } => {
            let params = InterruptCommand { tool_call_id: id.clone(), run_id: run.clone() };
            let sentence = "Sent Ctrl-C. The agent goes on, and reads that you did.";
            context.ask_and_say::<rpc::TidegateCommandsInterrupt>(&params, sentence).await
        }
    }
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
        let since = times::ago(now, command.since_ms);
        let (run, session) = (command.run_id.as_str(), command.session_key.as_str());
        table.row([&since, class, &command.tool_call_id, run, session, &command.command]);
    }
    table.render()
}
