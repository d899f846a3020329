//! Tidegate's agent runtime: sessions, runs, the turn loop, subagents and their limits.
//!
//! Models, tools, approvals and the gateway are ports; what is durable goes through the store.

mod answer;
mod arguments;
mod ask;
mod deadline;
mod drive;
mod finish;
mod handoff;
mod history;
mod inbox;
mod invoke;
mod lanes;
mod own_tools;
mod prompt;
mod retry;
mod run;
mod runtime;
mod spec;
mod start;
mod turn;

pub mod approval;
pub mod authority;
pub mod clock;
pub mod command;
pub mod event;
pub mod limits;
pub mod message;
pub mod model;
pub mod subagent;
pub mod tool;
pub mod transcript;
pub mod untrusted;

pub use answer::CommandTurn;
pub use arguments::{ArgumentError, Arguments};
pub use clock::{Clock, SystemClock};
pub use handoff::{HandoffId, PreparedStart};
pub use inbox::inbox_message;
pub use limits::Limits;
pub use run::{ActiveRun, Activity};
pub use runtime::{AbortOutcome, CancelReport, RecoveryReport, Runtime, RuntimeParts, WaitOutcome};
pub use start::{Accepted, StartError, Turn};
pub use transcript::conversation;
