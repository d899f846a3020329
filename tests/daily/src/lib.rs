//! Ordinary days with Tidegate: a model that works by a script, and a person who answers what they are asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

pub mod afternoon;
pub mod attacks;
pub mod person;
pub mod scripted;
pub mod snapshot;
pub mod task;
