//! What is written to the audit log, and its lines.

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
pub use tidegate_protocol::payload::surfaces::AuditWeight as Weight;

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at: UnixMillis,
    /// A fixed name, `subject.verb`.
    pub kind: String,
    /// How much it matters.
    pub weight: Weight,
    /// Whom it is about: a device id, a program, a token's name.
    pub subject: String,
    /// The line for the log, in the protocol's wording where it has one (protocol section 6.6).
    /// Everything from outside in it is cleaned and bounded.
    pub line: String,
}

impl AuditEvent {
    /// An event.
    #[must_use]
    pub fn new(
        at: UnixMillis,
        weight: Weight,
        kind: &str,
        subject: impl Into<String>,
        line: impl Into<String>,
    ) -> Self {
        Self { at, kind: kind.to_owned(), weight, subject: subject.into(), line: line.into() }
    }
}
