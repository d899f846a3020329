//! How runs are accepted and which of them works: one at a time in each session, and as many in all as
//! there are places.

mod command_turn;
mod intake;
mod lanes;
mod places;
mod schedule;
mod start;

pub use self::command_turn::CommandTurn;
pub use self::schedule::{AbortOutcome, CancelReport};
pub use self::start::{Accepted, StartError, Turn};

pub(crate) use self::intake::{Candidate, Intake, check_message};
pub(crate) use self::places::Places;
pub(crate) use self::schedule::Schedule;
