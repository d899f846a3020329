//! Host-neutral desktop logic, and the words that every surface uses for the same thing.
//!
//! [`controller::Controller`] decides what a desktop shows and does; a shell tells it what happens
//! and obeys. Nothing here does I/O, reads a clock, or draws randomness.

pub mod approvals;
pub mod controller;
pub mod dialog;
mod host_state;
pub mod placement;
pub mod press;
pub mod review;
pub mod scope_words;
pub mod shell;
pub mod tray_menu;
