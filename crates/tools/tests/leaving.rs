//! Commands that want to outlive their end, again and again, and what many commands leave behind. The
//! long forms: TIDEGATE_ENDINGS and TIDEGATE_COMMANDS tell how many there are.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{AllowAll, Fixture, tool_host, until};
use rustix::process::{Pid, Signal};
use serde_json::json;

/// Ways to stay: chains of processes that replace themselves, forks of forks, sessions of their own,
/// and stopped processes.
const STAYING: [&str; 4] = [
    "import os, time
for chain in range(6):
    if os.fork() == 0:
        os.setsid()
        end = time.time() + 600
        while time.time() < end:
            if os.fork() != 0:
                os._exit(0)
",
    "import os, time
for _ in range(8):
    if os.fork() == 0 and os.fork() == 0:
        time.sleep(600)
",
    "import os, signal, time
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        time.sleep(600)
",
    "import os, signal, time
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
",
];

/// How many, unless a long form says otherwise.
fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// The processes that are at work in a directory.
fn processes_in(directory: &Path) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let within =
        all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory));
    within.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A command that stays in one of the ways, tells of it by a file, and then does as `then` says.
fn command(fixture: &Fixture, way: usize, then: &str) -> String {
    let script = format!("open('started', 'w').close()\n{}", STAYING[way % STAYING.len()]);
    fixture.file("workspace/stay.py", &script);
    let started = fixture.workspace().join("started");
    let _ = fs::remove_file(started);
    format!("python3 stay.py & until [ -e started ]; do sleep 0.01; done; {then}")
}

#[tokio::test]
async fn what_wants_to_stay_ends_with_its_command() {
    let fixture = Fixture::new();
    for way in 0..number("TIDEGATE_ENDINGS", 50) {
        // Stopped processes are to end, too.
        let stop = if way / STAYING.len() % 2 == 1 { "kill -STOP -1; " } else { "" };
        let command = command(&fixture, way, &format!("sleep 0.02; {stop}exit 4"));

        let output = fixture.call("exec", json!({"command": command, "timeoutSeconds": 120})).await;

        assert!(output.text.contains("[exit code 4"), "{}", output.text);
        assert_eq!(processes_in(&fixture.workspace()), [""; 0], "after the command's end, round {way}");
    }
}

#[tokio::test]
async fn what_wants_to_stay_ends_with_a_cancelled_command() {
    let fixture = Fixture::new();
    for way in 0..number("TIDEGATE_ENDINGS", 20) {
        let command = command(&fixture, way, "sleep 600");
        let context = fixture.context(AllowAll);
        let cancelled = context.cancelled.clone();
        let call = fixture.call_in(context, "exec", json!({"command": command}));
        let cancel = async {
            until("it stays", || fixture.workspace().join("started").exists()).await;
            cancelled.cancel();
        };

        let (output, ()) = tokio::join!(call, cancel);

        assert!(output.text.contains("[cancelled and ended"), "{}", output.text);
        assert_eq!(processes_in(&fixture.workspace()), [""; 0], "after it was cancelled, round {way}");
    }
}

#[tokio::test]
async fn what_wants_to_stay_ends_with_a_killed_host() {
    let fixture = Fixture::new();
    let mut longest = Duration::ZERO;
    for way in 0..number("TIDEGATE_ENDINGS", 30) {
        let arguments = json!({"command": command(&fixture, way, "sleep 600")}).to_string();
        let mut host = Command::new(tool_host())
            .args([fixture.root.as_os_str(), "exec".as_ref(), arguments.as_ref()])
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        until("it stays", || fixture.workspace().join("started").exists()).await;

        host.kill().expect("killed with SIGKILL");
        let since = Instant::now();
        host.wait().expect("collected");

        until("everything is gone", || processes_in(&fixture.workspace()).is_empty()).await;
        longest = longest.max(since.elapsed());
    }
    println!("after a killed host everything was gone within {longest:?}");
}

#[tokio::test]
async fn what_wants_to_stay_ends_when_run_tool_is_killed() {
    let fixture = Fixture::new();
    for way in 0..number("TIDEGATE_ENDINGS", 20) {
        let command = command(&fixture, way, "sleep 600");
        let call = fixture.call("exec", json!({"command": command}));
        let kill = async {
            until("it stays", || fixture.workspace().join("started").exists()).await;
            let [run_tool] = children()[..] else { panic!("not one child: {:?}", children()) };
            let run_tool = Pid::from_raw(run_tool).expect("a process");
            rustix::process::kill_process(run_tool, Signal::KILL).expect("killed");
        };

        let (output, ()) = tokio::join!(call, kill);

        assert!(!output.text.contains("could not be ended"), "{}", output.text);
        assert_eq!(processes_in(&fixture.workspace()), [""; 0], "after run-tool was killed, round {way}");
    }
}

/// Kills run-tool and what holds the sandbox, but nothing inside.
fn kill_outside(run_tool: i32, from_above: bool) {
    let holders = children_of(run_tool);
    let mut outside: Vec<_> = [run_tool].into_iter().chain(holders).collect();
    if !from_above {
        outside.reverse();
    }
    for process in outside.into_iter().filter_map(Pid::from_raw) {
        // It may have ended with the one before.
        let _ = rustix::process::kill_process(process, Signal::KILL);
    }
}

#[tokio::test]
async fn nothing_is_left_when_a_process_outside_is_killed() {
    let fixture = Fixture::new();
    // The first command of all waits for the trial of the sandbox, which is no process to kill.
    fixture.call("exec", json!({"command": "true"})).await;
    for way in 0..number("TIDEGATE_ENDINGS", 20) {
        let command = command(&fixture, way, "sleep 600");
        let call = fixture.call("exec", json!({"command": command, "timeoutSeconds": 120}));
        let kill = async {
            let mut run_tool = None;
            until("it runs", || {
                run_tool = children().first().copied();
                run_tool.is_some()
            })
            .await;
            if way % 5 == 4 {
                until("it stays", || fixture.workspace().join("started").exists()).await;
            } else {
                let delay = u64::try_from(way).expect("small") * 7 % 60;
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            kill_outside(run_tool.expect("a process"), way % 2 == 0);
        };

        let (output, ()) = tokio::join!(call, kill);

        let left = processes_in(&fixture.workspace());
        assert_eq!(left, [""; 0], "round {way}: {}", output.text);
    }
}

/// The processes that a process started.
fn children_of(process: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_ascii_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}

/// The processes that this one started.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_ascii_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}

/// What is counted before and after.
async fn belongings(fixture: &Fixture) -> BTreeMap<&'static str, usize> {
    // It closes its descriptors beside the command's result.
    until("the watcher has ended", || !threads().contains(&"trigger-files".to_owned())).await;
    let entries = |path: &Path| fs::read_dir(path).expect("a directory").count();
    BTreeMap::from([
        ("children", children().len()),
        ("processes in the workspace", processes_in(&fixture.workspace()).len()),
        ("descriptors", entries(Path::new("/proc/self/fd"))),
        ("mounts", fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines().count()),
        ("files in the workspace", files_below(&fixture.workspace())),
        ("temporary files", files_below(&fixture.root.join("temporary"))),
        ("files in the state directory", files_below(&fixture.root.join("state"))),
        ("control groups", control_groups()),
    ])
}

fn threads() -> Vec<String> {
    let all = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
    all.map(|thread| name(thread).trim_end().to_owned()).collect()
}

fn files_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => 1 + files_below(&entry.path()),
        _ => 1,
    };
    entries.map(below).sum()
}

/// Those below our own.
fn control_groups() -> usize {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let entries = fs::read_dir(Path::new("/sys/fs/cgroup").join(own)).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count()
}

#[tokio::test]
async fn many_commands_leave_nothing_behind() {
    let fixture = Fixture::new();
    // The first make what is kept: a home directory for the workspace, threads, a watcher.
    for _ in 0..2 {
        fixture.call("exec", json!({"command": "echo warm"})).await;
    }
    let before = belongings(&fixture).await;

    for round in 0..number("TIDEGATE_COMMANDS", 30) {
        let command = "echo $$ > /tmp/file; mkfifo /dev/shm/pipe; sleep 600 & true";
        let output = fixture.call("exec", json!({"command": command})).await;
        assert!(output.text.contains("[exit code 0"), "round {round}: {}", output.text);
    }

    assert_eq!(belongings(&fixture).await, before);
}
