//! `audit`.

use tidegate_protocol::payload::surface_params::Audit;
use tidegate_protocol::payload::surfaces::AuditResult;
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::AuditArguments;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::times;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &AuditArguments,
) -> Result<(), Failure> {
    let params = Audit { limit: Some(arguments.limit) };
    let zone = context.surroundings.zone;
    let render = |audit: &AuditResult, _| {
        let zone = zone();
        render(audit, |at| times::wall(at, &zone))
    };
    context.ask_and_show::<rpc::TidegateAudit>(&params, render).await
}

fn render(audit: &AuditResult, wall: impl Fn(UnixMillis) -> String) -> String {
    if audit.events.is_empty() {
        return "The audit log is empty.\n".to_owned();
    }
    let mut table = Table::new(&["AT", "SEVERITY", "EVENT", "LINE"]);
    for entry in &audit.events {
        table.row([&wall(entry.at), entry.severity.name(), entry.kind.name(), &entry.line]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::audit::AuditKind;
    use tidegate_protocol::payload::surfaces::AuditEntry;

    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_the_log_one_a_line() {
        let entry = |at, kind: AuditKind, line: &str| AuditEntry {
            at: UnixMillis(at),
            severity: kind.severity(),
            sentence: kind.sentence().into_owned(),
            kind,
            subject: "x".to_owned(),
            line: line.to_owned(),
        };
        let events = vec![
            entry(0, AuditKind::PairingApproved, "device pairing approved"),
            entry(1, AuditKind::OwnKeyElsewhere, "a\nb"),
        ];

        let text = render(&AuditResult { events }, |at| at.0.to_string());

        assert_eq!(
            text,
            "AT  SEVERITY  EVENT              LINE\n\
             0   info      pairing.approved   device pairing approved\n\
             1   alarm     own-key.elsewhere  a\\u{a}b\n"
        );
    }
}
