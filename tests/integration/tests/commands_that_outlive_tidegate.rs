//! A command that is still there when Tidegate starts again: found, ended and named before anybody can
//! control anything.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::program;
use tidegate_integration_tests::serving::{BINARY, Serving, allow_next};

/// A process's parent and whether it is alive.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (!state.starts_with(['Z', 'X'])).then(|| fields.next()?.parse().ok())?
}

/// The process with this command line.
fn find(command_line: &str) -> Option<u32> {
    let wanted = format!("{}\0", command_line.replace(' ', "\0"));
    let is_it =
        |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it)
}

/// The process that supervises a command: above it, and below Tidegate.
fn supervisor(mut pid: u32, tidegate: u32) -> u32 {
    loop {
        let above = parent(pid).expect("it is there");
        if above == tidegate {
            return pid;
        }
        pid = above;
    }
}

/// The supervisor is stopped, so that it does not end with Tidegate as it should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_outlived_tidegate_is_ended_and_named_at_the_next_start() {
    let serving = Serving::start().await;
    let mut client = serving.connect(&[]).await.unwrap();
    // No other test has such a command.
    let command_line = format!("sleep 9{}", std::process::id());
    fs::write(serving.workspace().join("script.sh"), format!("exec {command_line}\n")).unwrap();
    let message = json!({
        "sessionKey": "agent:main:main", "message": "/run sh ./script.sh", "idempotencyKey": "run",
    });
    client.request("chat.send", message).await.unwrap();
    allow_next(&mut client).await;
    let command = eventually("the command", || async { find(&command_line) }).await;
    let supervisor = supervisor(command, serving.program.id());
    let stopped = Pid::from_raw(supervisor.cast_signed()).unwrap();
    kill_process(stopped, Signal::STOP).unwrap();
    let Serving { place, program, .. } = serving;
    program.kill().await;
    assert!(parent(supervisor).is_some() && parent(command).is_some(), "they outlived it");

    let serving = Serving::start_on(place).await;

    assert_eq!((parent(supervisor), parent(command)), (None, None));
    let audit = serving.cli_json(&["audit"]).await;
    let events = audit["events"].as_array().unwrap();
    let ended: Vec<&Value> = events.iter().filter(|event| event["kind"] == "orphans.ended").collect();
    assert_eq!(ended.len(), 1, "{audit}");
    assert!(ended[0].to_string().contains(&command_line), "{}", ended[0]);
    let doctor = program::run(BINARY, &serving.place, &["doctor"]).await;
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("still running from before the start") && told.contains(&command_line), "{told}");
    serving.program.kill().await;
}
