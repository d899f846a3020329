//! Rules for plain commands: beginnings of commands that a person allows in a folder until they take that
//! back.
//!
//! A rule is only as good as the reading of the command, so three things keep both together. A command
//! that is not plain ([`PlainCommand`]) is never matched. What runs is what was read, quoted again and
//! with each program as the absolute path of the file that was looked at ([`ResolvedCommand::text`]), and
//! not the text that the agent wrote. And every segment of a command needs a rule of its own ([`covers`]).
//!
//! A rule does not say that a program is harmless: its later words, and files in the folder, can make
//! many programs run others. It says that a person need not be asked, while the sandbox stays as it is,
//! with no more than the needs that the rule carries.

mod coverage;
mod plain;
mod prefix;
mod program_file;
mod quoting;
mod unsuited;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::Need;

use crate::folder::Folder;

pub use coverage::{CoveredBy, PlainRequest, WhyNot, covers};
pub use plain::{MAX_BYTES, MAX_SEGMENTS, MAX_WORDS, NotPlain, Operator, PlainCommand, Segment};
pub use prefix::{InvalidPrefix, NotOffered, RulePrefix};
pub use program_file::{FileTime, ProgramFile, ResolvedCommand, WrongProgram};

/// By what a rule is called where it is shown, used and revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub String);

/// Commands that a person allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub id: RuleId,
    /// The workspace in which it holds.
    pub folder: Folder,
    /// How the commands begin.
    pub prefix: RulePrefix,
    /// The program that they run, as it was when the rule was made.
    pub program: ProgramFile,
    /// What they may use beyond the sandbox. `unconfined` has no effect here.
    pub needs: BTreeSet<Need>,
    pub created_at: UnixMillis,
}
