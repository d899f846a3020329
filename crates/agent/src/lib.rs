//! Tidegate's agent runtime: sessions, runs, the turn loop, subagents and their limits.
//!
//! Models, tools, approvals and the gateway are ports; what is durable goes through the store. A run is
//! accepted and put in line by `queue`, brought to its end by `executor`, and settled by `completion`;
//! `spawn` starts its subagents, for `session_tools`. [`Runtime`] puts these together.

mod arguments;
mod completion;
mod executor;
mod queue;
mod run;
mod runtime;
mod session_tools;
mod sessions;
mod spawn;
mod sync;

pub mod approval;
pub mod authority;
pub mod clock;
pub mod command;
pub mod event;
pub mod folders;
pub mod limits;
pub mod message;
pub mod model;
pub mod subagent;
pub mod tool;
pub mod untrusted;

pub use arguments::{ArgumentError, Arguments};
pub use clock::{Clock, SystemClock};
pub use completion::inbox_message;
pub use limits::Limits;
pub use queue::{AbortOutcome, Accepted, CancelReport, CommandTurn, StartError, Turn};
pub use run::{ActiveRun, Activity};
pub use runtime::{RecoveryReport, Runtime, RuntimeParts, WaitOutcome};
pub use spawn::{HandoffId, PreparedStart};
