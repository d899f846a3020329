//! Trigger files: files by which text turns into a person's own commands later, because a prompt, git,
//! an editor or another agent reads them.
//!
//! A command that an agent runs may write its workspace. What it must not leave there is something
//! that then runs as the person, outside of any sandbox. This crate knows which files those are
//! ([`list`]), which repositories are ordinary ([`config`], [`decide`]), and watches over a workspace
//! while commands use it ([`Guard`]): what a command plants is set aside or restored, and ordinary
//! work goes on. What is set aside has a record ([`records`]). Whom to ask, and whether something that
//! was set aside comes back, is decided elsewhere. The same walk tells which files other folders hold as
//! well ([`links`]).
//!
//! Milliseconds lie between writing and setting aside: this is won by speed, it is no proof.
//!
//! ```no_run
//! # use std::{fs::File, path::Path, sync::Arc};
//! # use tidegate_triggers::{Guard, Notice};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let workspace = Path::new("/home/ada/project");
//! let aside = File::open("/home/ada/.local/state/aside")?;
//! let notify = Arc::new(|notice: Notice| drop(notice));
//! let guard = Guard::start(File::open(workspace)?, workspace, aside, notify)?;
//! let command = guard.begin("run-1", Vec::new())?;
//! // The command runs and ends.
//! let report = guard.finish(command)?;
//! for finding in &report.findings {
//!     let line = finding.to_string();
//! }
//! # Ok(())
//! # }
//! ```

pub mod config;
pub mod decide;
mod finding;
pub mod links;
pub mod list;
pub mod name;
pub mod object;
pub mod pointer;
mod tally;

#[cfg(unix)]
mod behind;
#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod handle;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod missing;
#[cfg(unix)]
pub mod records;
#[cfg(unix)]
mod repository;
#[cfg(unix)]
mod respond;
#[cfg(unix)]
mod session;
#[cfg(unix)]
mod target;
#[cfg(unix)]
mod walk;

pub use finding::{Action, Aside, AsideKind, Finding, Place};
#[cfg(unix)]
pub use guard::{Guard, GuardError};
pub use list::{Class, Trigger, kind_of};
#[cfg(unix)]
pub use respond::{KeepError, keep};
#[cfg(unix)]
pub use session::{CommandId, Degraded, Notice, Notify, Report};
pub use tally::{EndReason, MAX_ASIDE, Tally};
#[cfg(unix)]
pub use target::trigger_at;
#[cfg(unix)]
pub use walk::Incomplete;
