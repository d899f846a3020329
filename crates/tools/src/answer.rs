//! What a call of a tool is answered with.

use std::fmt::Display;

use tidegate_agent::tool::{ToolContext, ToolOutput};

/// Does the `work` of a call, if the run may use the tool. `cancelled` is said of one that the run's end cut off.
pub(crate) async fn answer<E: Display>(
    name: &str,
    context: &ToolContext,
    cancelled: &str,
    work: impl Future<Output = Result<String, E>>,
) -> ToolOutput {
    if !context.authority.may_use(name) {
        return ToolOutput::error(format!("this run may not use {name}"));
    }
    tokio::select! {
        // A run that was cancelled before begins nothing.
        biased;
        // A file system that hangs must not hold up the end of the run.
        () = context.cancelled.cancelled() => ToolOutput::error(format!("{name} was {cancelled}")),
        done = work => match done {
            Ok(text) => ToolOutput::ok(text),
            Err(error) => ToolOutput::error(format!("{name} failed: {error}")),
        },
    }
}
