//! `audit`.

use serde::Deserialize;
use serde_json::json;
use tidegate_protocol::{Method, UnixMillis};

use super::Context;
use crate::arguments::AuditArguments;
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::Table;
use crate::moments;

#[derive(Debug, Deserialize)]
struct Audit {
    #[serde(default)]
    events: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    at: UnixMillis,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    weight: String,
    #[serde(default)]
    line: String,
}

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &AuditArguments,
) -> Result<(), Failure> {
    let method = Method::TidegateAudit;
    let answer = context.client.call(method, json!({ "limit": arguments.limit })).await?;
    let zone = context.surroundings.zone;
    context.show(&answer, || {
        let zone = zone();
        Ok(render(&read(method.name(), answer.clone())?, |at| moments::wall(at, &zone)))
    })
}

fn render(audit: &Audit, wall: impl Fn(UnixMillis) -> String) -> String {
    if audit.events.is_empty() {
        return "The audit log is empty.\n".to_owned();
    }
    let mut table = Table::new(&["AT", "WEIGHT", "EVENT", "LINE"]);
    for entry in &audit.events {
        table.row([&wall(entry.at), &entry.weight, &entry.kind, &entry.line]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_the_log_one_a_line() {
        let answer = json!({ "events": [
            { "at": 0, "kind": "pairing.approved", "weight": "info", "subject": "x", "line": "device pairing approved" },
            { "at": 1, "kind": "own-key.elsewhere", "weight": "alarm", "subject": "x", "line": "a\nb" },
        ]});

        let text = render(&serde_json::from_value(answer).unwrap(), |at| at.0.to_string());

        assert_eq!(
            text,
            "AT  WEIGHT  EVENT              LINE\n\
             0   info    pairing.approved   device pairing approved\n\
             1   alarm   own-key.elsewhere  a\\u{a}b\n"
        );
    }
}
