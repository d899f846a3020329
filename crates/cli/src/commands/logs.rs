//! `logs`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tidegate_protocol::Method;

use super::Context;
use crate::arguments::LogsArguments;
use crate::client::{Wire, read};
use crate::failure::Failure;

/// How often the log is looked at while it is followed.
const POLL: Duration = Duration::from_millis(500);
/// The most lines of one look.
const MAX_LINES: u32 = 5000;

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    cursor: u64,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    reset: bool,
}

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &LogsArguments,
) -> Result<(), Failure> {
    let method = Method::LogsTail;
    let mut params = json!({ "limit": arguments.limit });
    loop {
        let answer = context.client.call(method, params).await?;
        let slice: Slice = read(method.name(), answer.clone())?;
        if context.is_json() {
            context.output().json_line(&answer)?;
        } else {
            if slice.reset {
                context
                    .output()
                    .note("(The log was begun anew, or lines were written too fast to follow.)")?;
            }
            for line in &slice.lines {
                context.output().text(&line.replace('\n', "\\u{a}"))?;
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        context.client.pause(POLL).await?;
        params = json!({ "cursor": slice.cursor, "limit": MAX_LINES });
    }
}
