//! Tidegate's command line: the grammar, the client of the local socket, and one module a command.
//!
//! Commands print through [`output::Output`] and ask through [`person::Person`], so that nothing
//! from outside reaches a terminal raw, and tests see everything.

pub mod arguments;
pub mod client;
mod commands;
pub mod failure;
mod layout;
pub mod output;
pub mod person;
mod times;

pub use arguments::{Arguments, Command, ControlCommand};
pub use commands::{Surroundings, run};
pub use failure::{Failure, report};
