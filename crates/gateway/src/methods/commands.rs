//! The commands of agents that run now.

use serde_json::{Value, json};
use tidegate_agent::command::{ActiveCommand, InterruptError};
use tidegate_protocol::payload::surface_params::InterruptCommand;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{ErrorShape, text};

use crate::dispatch::Caller;

/// Characters of a command that the list shows.
const SHOWN: usize = 500;
/// Bytes of a tool call id that an answer repeats.
const MAX_ID: usize = 256;

/// `tidegate.commands.list`.
pub(crate) fn list(caller: &Caller) -> Result<Value, ErrorShape> {
    let commands = caller.gateway.runtime()?.commands().list();
    Ok(json!({ "commands": commands.iter().map(entry).collect::<Vec<_>>() }))
}

fn entry(command: &ActiveCommand) -> Value {
    let start = &command.start;
    json!({
        "runId": start.run,
        "sessionKey": start.session,
        "toolCallId": start.call_id,
        "command": one_line(&start.command, SHOWN),
        "class": start.class,
        "pty": start.pty,
        "sinceMs": command.since,
        "interrupts": command.interrupts,
    })
}

/// `tidegate.commands.interrupt`: Ctrl-C for the command of a tool call. The run goes on, and reads that a
/// person did this.
pub(crate) async fn interrupt(caller: &Caller, params: InterruptCommand) -> Result<Value, ErrorShape> {
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
    Ok(json!({
        "runId": command.start.run,
        "toolCallId": command.start.call_id,
        "interrupts": command.interrupts,
    }))
}
