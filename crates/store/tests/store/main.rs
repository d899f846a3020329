//! Behaviour of the store through its public interface.

#![allow(clippy::expect_used, reason = "these are tests, helpers included")]

mod answers;
mod common;
mod concurrency;
mod damage;
mod kill;
mod model;
mod opening;
mod permissions;
mod recovery;
mod retention;
mod runs;
mod sessions;
mod trust;
