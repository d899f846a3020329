//! Fuzz targets: every parser and state machine that reads bytes from outside, as functions of
//! arbitrary bytes that panic when a property does not hold.
//!
//! The same functions are driven by libFuzzer (`fuzz/`), by the mutating driver of this package,
//! and, with the committed corpus, by an ordinary test.

#![allow(clippy::expect_used, clippy::panic, reason = "a property that does not hold ends the program")]

use std::path::Path;
use std::{fs, io};

pub mod admission;
pub mod command_approvals;
pub mod model;
pub mod mutation;
pub mod network;
pub mod settings;
pub mod transport;
pub mod triggers;
pub mod wire;

/// A target: panics when a property does not hold.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("admission", admission::admission),
    ("base_url", settings::base_url),
    ("client_hello", network::client_hello),
    ("command_approvals", command_approvals::command_approvals),
    ("command_line", settings::command_line),
    ("config", settings::config),
    ("connect", wire::connect),
    ("frame", wire::frame),
    ("git_config", triggers::git_config),
    ("identifiers", wire::identifiers),
    ("lines", transport::lines),
    ("method_params", wire::method_params),
    ("network_grant", network::network_grant),
    ("offline_model", model::offline_model),
    ("openai_answer", model::openai_answer),
    ("proxy_request", network::proxy_request),
    ("scopes", wire::scopes),
    ("signed_payload", wire::signed_payload),
    ("text", wire::text),
    ("trigger_paths", triggers::trigger_paths),
    ("upgrade", transport::upgrade),
    ("websocket", transport::websocket),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Runs the target of a name.
///
/// # Panics
/// When there is none, and when a property does not hold.
pub fn run(name: &str, data: &[u8]) {
    target(name).unwrap_or_else(|| panic!("there is no target {name}"))(data);
}

/// The inputs in a directory, in the order of their names; none when there is no such directory.
///
/// # Errors
/// When it cannot be read.
pub fn corpus(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}
