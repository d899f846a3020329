//! Processes that outlived their command count as commands.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

mod support;

use std::process::{Child, Command};
use std::time::Duration;

use support::{Tokens, ready};
use tidegate_host::supervise;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_outlived_its_command_counts_until_it_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let supervised = supervise(Tokens::default().options(&place.path().join("state")));
    ready(&supervised, 1).await;
    let host = supervised.host().unwrap();
    // What is looked into at the start has ended.
    until("nothing runs", || !host.has_commands_beyond_contained()).await;

    let stray = Stray(Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap());
    // Only soon: as long as another command is being started, this one could be its process.
    until("the stray counts", || host.has_commands_beyond_contained()).await;

    drop(stray);
    until("it counts no more", || !host.has_commands_beyond_contained()).await;
    supervised.stop().await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = timeout(Duration::from_mins(1), async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Ended with this value.
struct Stray(Child);

impl Drop for Stray {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
