//! Programs that want to be taken for others: they hide sockets, park them with other programs, die
//! so that their numbers go on, and imitate.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod local_socket;
mod orphans;
mod port;
mod sessions;
mod support;
mod tcp;
