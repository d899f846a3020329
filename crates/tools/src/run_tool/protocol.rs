//! What the host and `run-tool` say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidegate_agent::approval::ExecPlan;

use crate::identity::Identity;

/// The version of these messages. Both ends come from the same build unless the program's file was
/// replaced while it ran.
pub(crate) const VERSION: u32 = 1;
/// Bytes that the plan's line may have.
pub(crate) const MAX_PLAN: u64 = 2 * 1024 * 1024;
/// The byte on the lifeline by which the host asks for the end.
pub(crate) const STOP: u8 = b'.';

/// What `run-tool` is to do: one line of JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    /// What was approved.
    pub(crate) exec: ExecPlan,
    /// What the plan's directory was then.
    pub(crate) directory: Identity,
    /// What the plan's program was then.
    pub(crate) program: Identity,
    /// The whole environment of the command.
    pub(crate) environment: Vec<(String, String)>,
    /// Directories in which the command may write.
    pub(crate) writable: Vec<PathBuf>,
    /// Paths inside them in which it may not.
    pub(crate) protected: Vec<PathBuf>,
    /// Paths that it may not even read.
    pub(crate) hidden: Vec<PathBuf>,
}

/// What `run-tool` tells: lines of JSON on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "status")]
pub(crate) enum Status {
    /// The command was not started.
    Refused {
        /// A sentence for the model.
        reason: String,
    },
    /// The command runs.
    Started {
        /// The command's process.
        process: i32,
        /// How it is confined.
        sandbox: Sandbox,
    },
    /// The command ended, and everything that it started is gone.
    Ended {
        /// Its exit code, unless a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
}

/// How a command is confined to its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Sandbox {
    /// Fully.
    Enforced,
    /// As far as this older kernel can.
    Partial,
    /// Not at all: the system has no Landlock.
    Unavailable,
}
