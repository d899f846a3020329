//! The composition root: configuration, building the parts, supervising them, and stopping in
//! order. Used by the command line and by the desktop shell.

mod boot;
pub mod config;
mod control;
mod doctor;
pub mod environment;
mod log;
mod models;
pub mod process;
mod selftest;
mod serve;
mod state_dir;
pub mod supervise;

pub use boot::{Bind, BootError, RunningHost, ServeOptions, start};
pub use serve::{Announcement, ExitReason, serve};
pub use state_dir::{control_socket, state_dir};

/// The client side of the local socket, for the command line.
#[cfg(unix)]
pub mod local_socket {
    pub use tidegate_gateway::lines::{LineReceived, LinesClient};
    pub use tidegate_gateway::local_socket::{LocalSocketError, connect};
    pub use tokio::net::UnixStream;
}
