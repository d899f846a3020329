//! `logs`.

use std::time::Duration;

use tidegate_protocol::params::LogsTail;
use tidegate_protocol::rpc;

use super::Context;
use crate::arguments::LogsArguments;
use crate::client::Wire;
use crate::failure::Failure;

/// How often the log is looked at while it is followed.
const POLL: Duration = Duration::from_millis(500);
/// The most lines of one look.
const MAX_LINES: u32 = 5000;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &LogsArguments,
) -> Result<(), Failure> {
    let mut params = LogsTail { limit: Some(arguments.limit), ..LogsTail::default() };
    loop {
        let slice = context.client.ask::<rpc::LogsTail>(&params).await?;
        if context.is_json() {
            context.output().json_line(&slice)?;
        } else {
            if slice.reset {
                context.output().note("(A new log was begun, or lines were written too fast to follow.)")?;
            }
            for line in &slice.lines {
                context.output().text(&line.replace('\n', "\\u{a}"))?;
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        context.client.pause(POLL).await?;
        params = LogsTail { cursor: Some(slice.cursor), limit: Some(MAX_LINES), max_bytes: None };
    }
}
