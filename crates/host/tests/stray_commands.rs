//! Processes that outlived their command count as commands.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use std::process::Command;

use support::{Tokens, ready};
use tidegate_host::supervise;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_outlived_its_command_counts_until_it_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let supervised = supervise(Tokens::default().options(&place.path().join("state")));
    ready(&supervised, 1).await;
    let host = supervised.host().unwrap();
    // What is looked into at the start has ended.
    while host.has_commands_beyond_contained() {
        tokio::task::yield_now().await;
    }
    let mut stray = Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
    while session(stray.id()) != stray.id() {
        tokio::task::yield_now().await;
    }

    assert!(host.has_commands_beyond_contained());

    stray.kill().unwrap();
    stray.wait().unwrap();
    assert!(!host.has_commands_beyond_contained());
    supervised.stop().await;
}

/// The session of a process; 0 where that began outside of our PID namespace.
fn session(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().parse().unwrap()
}
