//! What a person allowed for more than one time: who gives it, what it covers, and what ends it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod coverage;
mod denials;
mod giving;
mod person;
mod revoking;
mod rules;
#[path = "../support/mod.rs"]
mod support;
