//! What the host and `run-tool` say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidegate_agent::approval::ExecPlan;
use tidegate_sandbox::bubblewrap::Bubblewrap;
use tidegate_sandbox::spec::{Spec, User};
use tidegate_sandbox::{Enforcement, ExpectedIdentity, Layers};

use super::network::Network;
use crate::identity::Identity;

/// The version of these messages. Both ends come from the same build unless the program's file was
/// replaced while it ran.
pub(crate) const VERSION: u32 = 4;
/// Bytes that the plan's line may have.
pub(crate) const MAX_PLAN: u64 = 2 * 1024 * 1024;
/// The byte on the lifeline by which the host asks for the end.
pub(crate) const STOP: u8 = b'.';
/// The byte by which it interrupts the command, as Ctrl-C does.
pub(crate) const INTERRUPT: u8 = b'c';

/// What `run-tool` is to do: one line of JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    pub(crate) work: Work,
    /// The whole environment of the command.
    pub(crate) environment: Vec<(String, String)>,
    /// How it is confined.
    pub(crate) boundary: Boundary,
}

/// What `run-tool` starts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Work {
    /// A command that was approved.
    Command {
        /// The plan that a person saw.
        exec: Box<ExecPlan>,
        /// What the plan's directory was then.
        directory: Identity,
        /// What the plan's program was then.
        program: Identity,
    },
    /// The probe: it tries what a sandbox must prevent, against `targets` (JSON).
    Probe { targets: String },
}

/// What lies between the command and the person.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "boundary")]
pub(crate) enum Boundary {
    Sandbox {
        /// What makes it.
        bubblewrap: Bubblewrap,
        /// What it holds. Its `temporary` directory is made and removed by `run-tool`.
        spec: Box<Spec>,
        /// Who the command seems to run as.
        user: User,
        /// Where the command may connect, and where it may be connected to.
        network: Network,
        /// Bytes of memory that its processes may use together.
        memory: u64,
        /// What read-only places in it were when they were looked for.
        expected: Vec<ExpectedIdentity>,
    },
    /// The system call filter and Landlock.
    Partial {
        /// Directories in which the command may write.
        writable: Vec<PathBuf>,
        /// Paths inside them in which it may not.
        protected: Vec<PathBuf>,
        /// Paths that it may not even read.
        hidden: Vec<PathBuf>,
    },
    /// The command is not confined.
    None,
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
        /// The command's process, or the sandbox's.
        process: i32,
        /// What confines it.
        applied: Applied,
    },
    /// The command ended, and everything that it started is gone.
    Ended {
        /// Its exit code, unless a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Whether it was ended because the disk was nearly full.
        disk_full: bool,
        /// The limit of memory that it was ended for.
        memory: Option<u64>,
        /// What became of connections that were refused or failed, in sentences.
        network: Vec<String>,
    },
}

/// What confines a command that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub(crate) enum Applied {
    /// A sandbox, with what its first program told.
    Sandbox {
        /// What is in force.
        layers: Layers,
        /// Whether the system refused the capability by which inotify is limited.
        capability_refused: bool,
    },
    /// The system call filter, and Landlock this far.
    Partial { file_rules: Enforcement },
    /// It is not confined.
    None,
}
