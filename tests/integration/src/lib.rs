//! What the tests of the whole host share: starting one, the states that its store can be in, and
//! looking at what it left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

pub mod control;
pub mod device;
pub mod eventually;
pub mod host;
pub mod keyring;
pub mod ledger;
pub mod place;
pub mod program;
pub mod random;
pub mod serving;
#[cfg(target_os = "linux")]
pub mod terminal;
