//! What a command leaves behind: nothing, whichever process ends first.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{AllowAll, DEADLINE, Fixture, host_process_in, is_alive, parent, tool_host, until};
use serde_json::json;

/// Starts a child, a grandchild, one in its own session whose parent is gone, and one that ignores
/// the polite signal; writes their numbers into files.
const FAMILY: &str = "sleep 600 & echo $! > child
    sh -c 'sleep 600 & echo $! > grandchild; wait' &
    setsid sh -c 'setsid sh -c \"echo \\$\\$ > detached; exec sleep 600\" &'
    sh -c 'trap \"\" TERM; echo $$ > stubborn; while :; do sleep 600; done' &
    echo $$ > shell; wait";

const MEMBERS: [&str; 5] = ["child", "grandchild", "detached", "stubborn", "shell"];

async fn family(fixture: &Fixture) -> Vec<i32> {
    let mut processes = Vec::new();
    for name in MEMBERS {
        processes.push(host_process_in(&fixture.workspace(), name).await);
    }
    assert!(processes.iter().all(|&process| is_alive(process)), "all of them must run first");
    processes
}

#[tokio::test]
async fn cancelling_ends_every_process_before_the_call_returns() {
    let fixture = Fixture::new();
    let context = fixture.context(AllowAll);
    let cancelled = context.cancelled.clone();
    let call = fixture.call_in(context, "exec", json!({"command": FAMILY}));
    let cancel = async {
        let processes = family(&fixture).await;
        cancelled.cancel();
        processes
    };
    let (output, processes) = tokio::join!(call, cancel);
    assert!(output.is_error && output.text.contains("[cancelled and ended"), "{}", output.text);
    // Said after four seconds.
    assert!(!output.text.contains("could not be ended"), "{}", output.text);
    for (name, process) in MEMBERS.iter().zip(processes) {
        assert!(!is_alive(process), "{name} is still there");
    }
}

#[tokio::test]
async fn dropping_the_call_ends_every_process() {
    let fixture = Fixture::new();
    let context = fixture.context(AllowAll);
    let processes = {
        let call = fixture.call_in(context, "exec", json!({"command": FAMILY}));
        tokio::select! {
            output = call => panic!("it ended by itself: {}", output.text),
            processes = family(&fixture) => processes,
        }
    };
    until("all processes are gone", || !processes.iter().any(|&process| is_alive(process))).await;
}

#[tokio::test]
async fn killing_the_host_ends_every_process_within_a_second() {
    // A machine that was too busy with other things to see it has another try.
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        let fixture = Fixture::new();
        let arguments = json!({"command": FAMILY}).to_string();
        let mut host = Command::new(tool_host())
            .args([fixture.root.as_os_str(), "exec".as_ref(), arguments.as_ref()])
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let processes = family(&fixture).await;
        host.kill().expect("killed with SIGKILL");
        let since = Instant::now();
        host.wait().expect("collected");
        until("all processes are gone", || !processes.iter().any(|&process| is_alive(process))).await;
        shortest = shortest.min(since.elapsed());
        if shortest < Duration::from_secs(1) {
            return;
        }
    }
    panic!("it took {shortest:?} at least");
}

#[tokio::test]
async fn a_timeout_ends_every_process_and_is_named() {
    let fixture = Fixture::new();
    let call = fixture.call("exec", json!({"command": FAMILY, "timeoutSeconds": 1}));
    let (output, processes) = tokio::join!(call, family(&fixture));
    assert!(output.is_error && output.text.contains("[timed out after 1 s"), "{}", output.text);
    assert!(!processes.iter().any(|&process| is_alive(process)));
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_ends_with_it() {
    let fixture = Fixture::new();
    let command = "sleep 600 & echo $! > child
        setsid sh -c 'setsid sh -c \"echo \\$\\$ > detached; exec sleep 600\"' &
        until [ -s detached ]; do :; done; until [ -e seen ]; do sleep 0.01; done; echo end; exit 4";
    let started = Instant::now();
    let look = async {
        let workspace = fixture.workspace();
        let processes =
            [host_process_in(&workspace, "child").await, host_process_in(&workspace, "detached").await];
        fixture.file("workspace/seen", "");
        processes
    };
    let (output, processes) = tokio::join!(fixture.call("exec", json!({"command": command})), look);
    assert!(output.text.starts_with("end\n[exit code 4"), "{}", output.text);
    assert!(started.elapsed() < DEADLINE, "it must not wait for the background");
    for process in processes {
        assert!(!is_alive(process), "{process} is still there");
    }
}

#[tokio::test]
async fn a_command_cannot_end_its_supervisor() {
    let fixture = Fixture::new();
    let command = "kill -9 $PPID; kill -9 -$PPID; kill -9 1; echo survived";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.contains("survived\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_killed_supervisor_is_reported_and_its_command_ends() {
    let fixture = Fixture::new();
    let command = "(sleep 600 & echo $! > child); echo $$ > shell; exec sleep 600";
    let call = fixture.call("exec", json!({"command": command}));
    let kill = async {
        let shell = host_process_in(&fixture.workspace(), "shell").await;
        let child = host_process_in(&fixture.workspace(), "child").await;
        // Above the command are the sandbox's first process, the one that holds it, and run-tool.
        let supervisor = parent(parent(parent(shell)));
        let supervisor = rustix::process::Pid::from_raw(supervisor).expect("a process");
        rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).expect("killed");
        [shell, child]
    };
    let (output, processes) = tokio::join!(call, kill);
    assert!(output.is_error && output.text.contains("supervisor was killed"), "{}", output.text);
    until("both are gone", || !processes.iter().any(|&process| is_alive(process))).await;
}

#[tokio::test]
async fn commands_run_beside_each_other_and_end_apart() {
    let fixture = Fixture::new();
    let long = fixture.context(AllowAll);
    let cancelled = long.cancelled.clone();
    let long = fixture.call_in(long, "exec", json!({"command": "echo $$ > long; exec sleep 600"}));
    let short = async {
        let process = host_process_in(&fixture.workspace(), "long").await;
        let output = fixture.call("exec", json!({"command": "echo short"})).await;
        assert!(output.text.starts_with("short"), "{}", output.text);
        assert!(is_alive(process), "one command's end must not touch another");
        cancelled.cancel();
    };
    let (output, ()) = tokio::join!(long, short);
    assert!(output.text.contains("[cancelled"), "{}", output.text);
}
