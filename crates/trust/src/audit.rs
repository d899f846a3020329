//! What is written to the audit log.

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
pub use tidegate_protocol::audit::{AuditKind, Severity};

/// One entry of the audit log, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: UnixMillis,
    pub kind: AuditKind,
    /// How much it matters. Earlier versions wrote it as `weight`.
    #[serde(alias = "weight")]
    pub severity: Severity,
    /// Whom it is about: a device id, a program, a token's name.
    pub subject: String,
    /// The line for the log, in the protocol's wording where it has one.
    /// Everything from outside in it is cleaned and bounded.
    pub line: String,
}

impl AuditEvent {
    /// An event that matters as much as its kind does.
    #[must_use]
    pub fn new(at: UnixMillis, kind: AuditKind, subject: impl Into<String>, line: impl Into<String>) -> Self {
        Self { at, severity: kind.severity(), kind, subject: subject.into(), line: line.into() }
    }

    /// The same, mattering at least so much.
    #[must_use]
    pub fn at_least(self, severity: Severity) -> Self {
        Self { severity: self.severity.max(severity), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_earlier_versions_are_read() {
        let stored = r#"{"at":7,"kind":"pairing.expired","weight":"warn","subject":"x","line":"y"}"#;

        let event: AuditEvent = serde_json::from_str(stored).unwrap();

        assert_eq!((event.kind.name(), event.severity), ("pairing.expired", Severity::Warn));
        assert_eq!(event.kind.sentence(), "Pairing expired");
    }

    #[test]
    fn an_event_matters_as_much_as_its_kind_or_more() {
        let event = |kind| AuditEvent::new(UnixMillis(0), kind, "", "");

        assert_eq!(event(AuditKind::PairingApproved).at_least(Severity::Warn).severity, Severity::Warn);
        assert_eq!(event(AuditKind::OwnKeyElsewhere).at_least(Severity::Warn).severity, Severity::Alarm);
    }
}
