//! `audit`.

use tidegate_protocol::payload::surface_params::Audit;
use tidegate_protocol::payload::surfaces::{AuditResult, AuditWeight};
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::AuditArguments;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::moments;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &AuditArguments,
) -> Result<(), Failure> {
    let params = Audit { limit: Some(arguments.limit) };
    let audit = context.client.ask::<rpc::TidegateAudit>(&params).await?;
    let zone = context.surroundings.zone;
    context.show(&audit, || {
        let zone = zone();
        render(&audit, |at| moments::wall(at, &zone))
    })
}

fn render(audit: &AuditResult, wall: impl Fn(UnixMillis) -> String) -> String {
    if audit.events.is_empty() {
        return "The audit log is empty.\n".to_owned();
    }
    let mut table = Table::new(&["AT", "WEIGHT", "EVENT", "LINE"]);
    for entry in &audit.events {
        let weight = match entry.weight {
            AuditWeight::Info => "info",
            AuditWeight::Warn => "warn",
            AuditWeight::Alarm => "alarm",
        };
        table.row([&wall(entry.at), weight, &entry.kind, &entry.line]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::payload::surfaces::AuditEntry;

    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_the_log_one_a_line() {
        let entry = |at, kind: &str, weight, line: &str| AuditEntry {
            at: UnixMillis(at),
            kind: kind.to_owned(),
            weight,
            subject: "x".to_owned(),
            line: line.to_owned(),
        };
        let events = vec![
            entry(0, "pairing.approved", AuditWeight::Info, "device pairing approved"),
            entry(1, "own-key.elsewhere", AuditWeight::Alarm, "a\nb"),
        ];

        let text = render(&AuditResult { events }, |at| at.0.to_string());

        assert_eq!(
            text,
            "AT  WEIGHT  EVENT              LINE\n\
             0   info    pairing.approved   device pairing approved\n\
             1   alarm   own-key.elsewhere  a\\u{a}b\n"
        );
    }
}
