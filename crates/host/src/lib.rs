//! The composition root: configuration, building the parts, supervising them, and stopping in
//! order. Used by the command line and by the desktop shell.

mod boot;
mod conditions;
pub mod config;
mod control;
mod doctor;
pub mod environment;
#[cfg(any(test, feature = "fault-injection"))]
pub mod fault;
mod foundation;
mod log;
mod maintenance;
mod model_key;
mod models;
mod options;
#[cfg(target_os = "linux")]
mod orphans;
mod parts;
pub mod process;
pub mod restart_policy;
mod running;
mod sandbox;
mod selftest;
mod serve;
mod server_owners;
mod state_dir;
mod supervise;

pub use boot::{BootError, start};
pub use log::file as log_file;
pub use options::{Announce, Announcement, Bind, ServeOptions};
pub use running::RunningHost;
pub use serve::{ExitReason, ServeError, serve};
pub use state_dir::{control_socket, state_dir};
pub use supervise::{Supervised, SupervisedState, supervise};

/// The client side of the local socket, for the command line.
#[cfg(unix)]
pub mod local_socket {
    pub use tidegate_gateway::lines::{LineReceived, LinesClient};
    pub use tidegate_gateway::local_socket::{LocalSocketError, connect};
    pub use tokio::net::UnixStream;
}
