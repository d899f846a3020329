//! What is fixed about a run when it is made, as its row keeps it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::authority::RunAuthority;
use crate::model::ModelName;

/// Why there is a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunTrigger {
    /// A person or a client wrote.
    Turn,
    /// A run spawned it.
    Spawn,
    /// Results came to a session in which nothing ran.
    InboxWake,
}

/// What happens to a subagent's session once its parent has read the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Cleanup {
    #[default]
    Keep,
    Delete,
}

/// The immutable part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunSpec {
    /// Why it exists.
    pub(crate) trigger: RunTrigger,
    /// What it may do.
    pub(crate) authority: RunAuthority,
    /// The model it must use, when one was chosen.
    #[serde(default)]
    pub(crate) model: Option<ModelName>,
    /// How long it may run, in milliseconds.
    #[serde(default)]
    pub(crate) timeout_ms: Option<u64>,
    /// Instructions after those of the runtime.
    #[serde(default)]
    pub(crate) extra_system_prompt: Option<String>,
    /// What happens to its session afterwards.
    #[serde(default)]
    pub(crate) cleanup: Cleanup,
    /// Whether its end asks its parent for an answer.
    #[serde(default)]
    pub(crate) expects_completion: bool,
}

impl RunSpec {
    /// The spec of a run that a message starts, with nothing else asked for.
    pub(crate) fn turn(authority: RunAuthority) -> Self {
        Self {
            trigger: RunTrigger::Turn,
            authority,
            model: None,
            timeout_ms: None,
            extra_system_prompt: None,
            cleanup: Cleanup::Keep,
            expects_completion: false,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// The spec of the run that lets a session answer what its subagents delivered: as the run
    /// that spawned them, without its deadline.
    pub(crate) fn wake(self) -> Self {
        Self {
            trigger: RunTrigger::InboxWake,
            model: self.model,
            extra_system_prompt: self.extra_system_prompt,
            ..Self::turn(self.authority.unattended())
        }
    }
}
