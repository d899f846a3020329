//! The commands of agents that run now.

use tidegate_agent::command::{ActiveCommand, InterruptError};
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::InterruptCommand;
use tidegate_protocol::payload::surfaces::{InterruptedResult, RunningCommandEntry, RunningCommandsResult};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{ErrorShape, rpc, text};

use crate::dispatch::{Caller, Handler};

/// Characters of a command that the list shows.
const SHOWN: usize = 500;
/// Bytes of a tool call id that an answer repeats.
const MAX_ID: usize = 256;

impl Handler for rpc::TidegateCommandsList {
    async fn handle(caller: &Caller, _: Empty) -> Result<RunningCommandsResult, ErrorShape> {
        let commands = caller.gateway.runtime()?.commands().list();
        Ok(RunningCommandsResult { commands: commands.into_iter().map(entry).collect() })
    }
}

fn entry(command: ActiveCommand) -> RunningCommandEntry {
    let start = command.start;
    RunningCommandEntry {
        run_id: start.run,
        session_key: start.session,
        tool_call_id: start.call_id,
        command: one_line(&start.command, SHOWN),
        class: start.class,
        pty: start.pty,
        since_ms: command.since,
        interrupts: command.interrupts,
    }
}

/// Ctrl-C for the command of a tool call. The run goes on, and reads that a person did this.
impl Handler for rpc::TidegateCommandsInterrupt {
    async fn handle(caller: &Caller, params: InterruptCommand) -> Result<InterruptedResult, ErrorShape> {
        let runtime = caller.gateway.runtime()?;
        let interrupted = runtime.commands().interrupt(&params.tool_call_id, params.run_id.as_ref()).await;
        let command = interrupted.map_err(|error| match error {
            InterruptError::NotRunning | InterruptError::SeveralRuns | InterruptError::Ended => {
                let id = one_line(text::truncate_bytes(&params.tool_call_id, MAX_ID), MAX_ID);
                ErrorShape::invalid(format!("{id}: {error}; `tidegate commands list` shows what runs"))
            }
            InterruptError::Busy => ErrorShape::unavailable(error.to_string()),
        })?;
        tracing::info!(run = %command.start.run, who = %caller.session.principal().name(), "a command was interrupted");
        Ok(InterruptedResult {
            run_id: command.start.run,
            tool_call_id: command.start.call_id,
            interrupts: command.interrupts,
        })
    }
}
