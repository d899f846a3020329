//! What a command leaves behind: nothing, whoever ends first.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{AllowAll, DEADLINE, Fixture, is_alive, process_in, tool_host, until};
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
        processes.push(process_in(&fixture.workspace().join(name)).await);
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
        (processes, Instant::now())
    };
    let (output, (processes, since)) = tokio::join!(call, cancel);
    assert!(output.is_error && output.text.contains("[cancelled and ended"), "{}", output.text);
    assert!(!output.text.contains("could not be ended"), "{}", output.text);
    for (name, process) in MEMBERS.iter().zip(processes) {
        assert!(!is_alive(process), "{name} is still there");
    }
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
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
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
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
        setsid sh -c 'setsid sh -c \"echo \\$\\$ > detached; exec sleep 600\" &'
        until [ -s detached ]; do :; done; echo end; exit 4";
    let started = Instant::now();
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("end\n[exit code 4"), "{}", output.text);
    assert!(started.elapsed() < DEADLINE, "it must not wait for the background");
    for name in ["child", "detached"] {
        assert!(!is_alive(process_in(&fixture.workspace().join(name)).await), "{name} is still there");
    }
}

#[tokio::test]
async fn processes_that_start_others_when_asked_to_end_are_all_ended() {
    let fixture = Fixture::new();
    let command = "for i in 1 2 3; do
            setsid sh -c 'trap \"for j in 1 2 3; do setsid sleep 600 & echo \\$! >> late; done\" TERM
                          echo $$ >> ready; while :; do sleep 0.01; done' &
        done; wait";
    let context = fixture.context(AllowAll);
    let cancelled = context.cancelled.clone();
    let ready = fixture.workspace().join("ready");
    let lines = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>()
    };
    let call = fixture.call_in(context, "exec", json!({"command": command}));
    let cancel = async {
        until("three processes are ready", || lines(&ready).len() == 3).await;
        cancelled.cancel();
    };
    let (output, ()) = tokio::join!(call, cancel);
    assert!(output.text.contains("[cancelled and ended"), "{}", output.text);
    let late = lines(&fixture.workspace().join("late"));
    assert!(!late.is_empty(), "the attack did not happen");
    for process in lines(&ready).into_iter().chain(late) {
        assert!(!is_alive(process), "{process} is still there");
    }
}

#[tokio::test]
async fn a_command_cannot_end_its_supervisor() {
    let fixture = Fixture::new();
    let command = "echo $PPID > supervisor; kill -9 $PPID; kill -9 -$PPID; echo survived";
    let output = fixture.call("exec", json!({"command": command})).await;
    if output.text.contains("confined by this system") || output.text.contains("confined only in part") {
        println!("skipped: this kernel does not scope signals");
        return;
    }
    assert!(output.text.contains("survived\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_killed_supervisor_is_reported_and_its_session_ended() {
    let fixture = Fixture::new();
    let command = "echo $PPID > supervisor; (sleep 600 & echo $! > child); echo $$ > shell; exec sleep 600";
    let call = fixture.call("exec", json!({"command": command}));
    let kill = async {
        let shell = process_in(&fixture.workspace().join("shell")).await;
        let child = process_in(&fixture.workspace().join("child")).await;
        let supervisor = process_in(&fixture.workspace().join("supervisor")).await;
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
        let process = process_in(&fixture.workspace().join("long")).await;
        let output = fixture.call("exec", json!({"command": "echo short"})).await;
        assert!(output.text.starts_with("short"), "{}", output.text);
        assert!(is_alive(process), "one command's end must not touch another");
        cancelled.cancel();
    };
    let (output, ()) = tokio::join!(long, short);
    assert!(output.text.contains("[cancelled"), "{}", output.text);
}
