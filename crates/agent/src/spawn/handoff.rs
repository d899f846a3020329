//! Subagent starts that the runtime has prepared and that its own client brings back once.
//!
//! The authority of a subagent stays here, in memory. What travels through the gateway is an
//! unguessable id that can be used one time, with exactly the run, session and message it was made
//! for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::RunRow;
use uuid::Uuid;

use crate::queue::{Candidate, StartError};
use crate::run::{RunHandle, RunSpec};
use crate::sync::lock;

/// Names one prepared start: 128 random bits, as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandoffId(Uuid);

impl HandoffId {
    fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Parses the id as it travels.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The id's text, for the parameters of the one call that brings it back.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for HandoffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HandoffId(secret)")
    }
}

/// What comes back with a handoff. All of it must be as it was prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedStart {
    /// The run to start: the call's idempotency key.
    pub run: RunId,
    pub session: SessionKey,
    pub message: String,
}

/// A start that waits to be brought back.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) start: PreparedStart,
    pub(crate) parent: RunId,
    pub(crate) label: Option<String>,
    pub(crate) spec: RunSpec,
    /// What came of it, for the tool that waits: the answer on the way back may be lost.
    pub(crate) outcome: OnceLock<Result<RunRow, StartError>>,
}

impl Prepared {
    /// The run to start, below its parent.
    pub(crate) fn candidate(&self, parent: Arc<RunHandle>) -> Candidate {
        let PreparedStart { run, session, message } = self.start.clone();
        let (label, spec) = (self.label.clone(), self.spec.clone());
        Candidate { run, session, message: Some(message), label, spec, parent: Some(parent) }
    }
}

/// All prepared starts.
#[derive(Debug, Default)]
pub(crate) struct Handoffs(Mutex<HashMap<HandoffId, Arc<Prepared>>>);

/// Takes back a prepared start when the tool that made it goes away.
pub(crate) struct Offer<'a> {
    handoffs: &'a Handoffs,
    pub(crate) id: HandoffId,
    pub(crate) prepared: Arc<Prepared>,
}

impl Handoffs {
    pub(crate) fn offer(&self, prepared: Prepared) -> Offer<'_> {
        let (id, prepared) = (HandoffId::random(), Arc::new(prepared));
        lock(&self.0).insert(id, Arc::clone(&prepared));
        Offer { handoffs: self, id, prepared }
    }

    /// Takes a prepared start, which is gone after that whether it matches or not.
    pub(crate) fn take(&self, id: HandoffId, start: &PreparedStart) -> Result<Arc<Prepared>, StartError> {
        let prepared = lock(&self.0).remove(&id).ok_or(StartError::UnknownHandoff)?;
        if prepared.start == *start { Ok(prepared) } else { Err(StartError::HandoffMismatch) }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        lock(&self.handoffs.0).remove(&self.id);
    }
}
