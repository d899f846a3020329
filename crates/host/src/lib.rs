//! The composition root: configuration, building the parts, supervising them, and stopping in
//! order. Used by the command line and by the desktop shell.

mod boot;
mod bounded;
mod conditions;
pub mod config;
mod control;
mod doctor;
pub mod environment;
#[cfg(any(test, feature = "fault-injection"))]
pub mod fault;
#[cfg(unix)]
pub mod local_socket;
mod log;
mod log_tail;
mod maintenance;
mod model_key;
mod models;
mod options;
#[cfg(target_os = "linux")]
mod orphans;
mod parts;
mod private_files;
pub mod process;
mod process_context;
mod regular_file;
pub mod restart_policy;
mod running;
mod sandbox;
mod selftest;
mod serve;
mod server_owners;
mod services;
mod set_aside;
mod state_dir;
mod supervise;
mod survivors;
mod workspaces;

pub use boot::{BootError, start};
pub use log::file as log_file;
pub use options::{Announce, Announcement, ServeOptions};
pub use running::RunningHost;
pub use serve::{ExitReason, ServeError, serve};
pub use state_dir::{NoSocketPlace, control_socket, state_dir};
pub use supervise::{Supervised, SupervisedState, supervise};
