//! The person's own surfaces over the real gateway: the authority of the dialog, windows, and the command
//! line beside a desktop; and clients that were let in with less than everything.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure in a test's own helper fails the test"
)]

mod answers;
mod attacks;
mod chat_commands;
mod clients;
mod command_lines;
mod configuration;
mod desktop_authority;
mod dialog_requests;
mod events;
mod files;
mod history;
mod peers;
mod permissions;
mod refusals;
mod restarts;
mod session_methods;
mod session_workspaces;
mod sessions;
mod stub_host;
mod support;
