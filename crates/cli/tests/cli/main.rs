//! The command line as a person and a script use it: what is typed, what a gateway in memory is
//! asked, what is printed, and the exit code.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod approve;
mod commands;
mod configuration;
mod exit_codes;
mod files;
mod grammar;
mod inline;
mod permissions;
mod streaming;
mod support;
mod workspaces;
