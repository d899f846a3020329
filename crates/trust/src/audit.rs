//! What is written to the audit log, and its lines.

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;

/// How much an audit event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// What should happen.
    Info,
    /// What a person may want to look at.
    Warn,
    /// What a person must look at.
    Alarm,
}

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
