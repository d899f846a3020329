//! The desktop's logic, through what a shell tells it and what it tells a shell to do.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod approval_dialogs;
mod approvals;
mod dialog_requests;
mod hostile_input;
mod invariants;
mod messages;
mod notifications;
mod presses;
mod review_dialogs;
mod reviews;
mod settings;
mod support;
mod tray_menu;
mod window_words;
mod workspaces;
