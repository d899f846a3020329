//! `exec`: approval, plan, environment, confinement, output.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{AllowAll, Answer, Fixture, SECRET, Silence, tool_host};
use serde_json::{Value, json};
use tidegate_agent::approval::{ApprovalAnswer, ApprovalPlan, ApprovalQuestion, ExecPlan};

fn allow(question: &ApprovalQuestion) -> ApprovalAnswer {
    ApprovalAnswer::Allowed { digest: question.plan.digest() }
}

fn is_unconfined(text: &str) -> bool {
    let unconfined = text.contains("confined by this system") || text.contains("confined only in part");
    if unconfined {
        println!("skipped: this kernel cannot confine commands fully");
    }
    unconfined
}

#[tokio::test]
async fn an_allowed_command_runs_with_its_output_in_order() {
    let fixture = Fixture::new();
    let output = fixture.call("exec", json!({"command": "echo a; echo b >&2; echo c; pwd"})).await;
    assert!(!output.is_error);
    let expected = format!("a\nb\nc\n{}\n[exit code 0", fixture.workspace().display());
    assert!(output.text.starts_with(&expected), "{}", output.text);
}

#[tokio::test]
async fn a_failing_command_names_its_exit_code_or_signal() {
    let fixture = Fixture::new();
    let output = fixture.call("exec", json!({"command": "printf oops; exit 7"})).await;
    assert!(output.is_error && output.text.starts_with("oops\n[exit code 7"), "{}", output.text);
    let output = fixture.call("exec", json!({"command": "kill -SEGV $$"})).await;
    assert!(output.is_error && output.text.starts_with("[ended by signal SIGSEGV"), "{}", output.text);
}

#[tokio::test]
async fn the_person_sees_the_exact_bytes_directory_environment_and_program() {
    let fixture = Fixture::new();
    fixture.file("workspace/sub/file", "");
    symlink("sub", fixture.workspace().join("link")).expect("linked");
    let seen: Arc<Mutex<Vec<ExecPlan>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let gate = Answer(move |question: ApprovalQuestion| {
        let answer = allow(&question);
        let ApprovalPlan::Exec(plan) = question.plan else { panic!("{question:?}") };
        sink.lock().expect("unpoisoned").push(plan);
        answer
    });
    let command = "printf '%s' \"$B\"  \n#\u{202e}trailing \n ";
    let arguments = json!({"command": command, "workdir": "link", "env": {"B": "2", "A": "1"}});
    let output = fixture.call_in(fixture.context(gate), "exec", arguments).await;
    assert!(output.text.starts_with("2\n[exit code 0"), "{}", output.text);
    let plans = seen.lock().expect("unpoisoned");
    let [plan] = plans.as_slice() else { panic!("one question, not {}", plans.len()) };
    assert_eq!(plan.command, command);
    assert_eq!(plan.program, std::fs::canonicalize("/bin/sh").expect("a shell"));
    assert_eq!(plan.arguments, ["-c", command]);
    assert_eq!(plan.directory, fixture.workspace().join("sub"));
    assert_eq!(plan.environment, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn a_refused_command_starts_no_process() {
    let fixture = Fixture::new();
    let gate = Answer(|_| ApprovalAnswer::Denied { reason: "not today".to_owned() });
    let output = fixture.call_in(fixture.context(gate), "exec", json!({"command": "touch marker"})).await;
    assert_eq!(output.text, "exec did not run the command: it was not allowed: not today");
    assert!(output.is_error && !fixture.workspace().join("marker").exists());
}

#[tokio::test]
async fn an_answer_for_another_plan_starts_no_process() {
    let fixture = Fixture::new();
    let digests: [fn(ApprovalQuestion) -> String; 3] = [
        |_| String::new(),
        |question| question.plan.digest().to_uppercase(),
        |mut question| {
            let ApprovalPlan::Exec(plan) = &mut question.plan else { panic!("{question:?}") };
            plan.command.push(' ');
            question.plan.digest()
        },
    ];
    for digest in digests {
        let gate = Answer(move |question| ApprovalAnswer::Allowed { digest: digest(question) });
        let output = fixture.call_in(fixture.context(gate), "exec", json!({"command": "touch marker"})).await;
        assert!(output.is_error && output.text.contains("for something else"), "{}", output.text);
    }
    assert!(!fixture.workspace().join("marker").exists());
}

#[tokio::test(start_paused = true)]
async fn no_decision_within_half_an_hour_is_a_refusal() {
    let fixture = Fixture::new();
    let before = tokio::time::Instant::now();
    let output = fixture.call_in(fixture.context(Silence), "exec", json!({"command": "touch marker"})).await;
    assert!(output.is_error && output.text.contains("nobody decided within 30 minutes"), "{}", output.text);
    assert!(before.elapsed() >= Duration::from_mins(30));
    assert!(!fixture.workspace().join("marker").exists());
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_asks_starts_no_process() {
    let fixture = Fixture::new();
    let context = fixture.context(Silence);
    context.cancelled.cancel();
    let output = fixture.call_in(context, "exec", json!({"command": "touch marker"})).await;
    assert!(output.is_error && output.text.contains("cancelled"), "{}", output.text);

    // Also when the answer arrives together with the cancellation.
    let mut context = fixture.context(AllowAll);
    let cancelled = context.cancelled.clone();
    context.approvals = Arc::new(Answer(move |question: ApprovalQuestion| {
        cancelled.cancel();
        allow(&question)
    }));
    let output = fixture.call_in(context, "exec", json!({"command": "touch marker"})).await;
    assert!(output.is_error && !fixture.workspace().join("marker").exists(), "{}", output.text);
}

#[tokio::test]
async fn a_directory_replaced_after_the_question_starts_no_process() {
    // Each puts something else where `sub` was: another directory, a link inside, a link outside.
    let swaps: [fn(&Path); 3] = [
        |workspace| std::fs::create_dir(workspace.join("sub")).expect("made"),
        |workspace| symlink(workspace.join("moved"), workspace.join("sub")).expect("linked"),
        |workspace| symlink("../outside", workspace.join("sub")).expect("linked"),
    ];
    for swap in swaps {
        let fixture = Fixture::new();
        fixture.file("workspace/sub/file", "");
        let workspace = fixture.workspace();
        let gate = Answer(move |question: ApprovalQuestion| {
            std::fs::rename(workspace.join("sub"), workspace.join("moved")).expect("moved");
            swap(&workspace);
            allow(&question)
        });
        let arguments = json!({"command": "touch marker", "workdir": "sub"});
        let output = fixture.call_in(fixture.context(gate), "exec", arguments).await;
        assert!(output.is_error, "{}", output.text);
        assert!(output.text.starts_with("exec did not run the command: "), "{}", output.text);
        for directory in ["workspace/sub", "workspace/moved", "outside"] {
            assert!(!fixture.root.join(directory).join("marker").exists(), "{directory}");
        }
    }
}

/// A plan as `run-tool` gets it, with the identity of its directory.
fn plan(fixture: &Fixture, inode: u64) -> Value {
    let (directory, shell) = (fixture.workspace(), std::fs::canonicalize("/bin/sh").expect("a shell"));
    let device = directory.metadata().expect("exists").dev();
    let program = shell.metadata().expect("exists");
    json!({
        "version": 1,
        "exec": {
            "command": "touch marker", "program": shell, "arguments": ["-c", "touch marker"],
            "directory": directory, "environment": [],
        },
        "directory": {"device": device, "inode": inode},
        "program": {"device": program.dev(), "inode": program.ino()},
        "environment": [["PATH", "/usr/bin:/bin"]],
        "writable": [directory], "protected": [], "hidden": [],
    })
}

/// What `run-tool` answers to a line on its standard input.
fn run_tool(line: &str) -> String {
    let mut child = Command::new(tool_host())
        .arg("run-tool")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lifeline = child.stdin.take().expect("piped");
    lifeline.write_all(line.as_bytes()).expect("written");
    if !line.ends_with('\n') {
        drop(lifeline);
        return String::from_utf8(child.wait_with_output().expect("ended").stdout).expect("text");
    }
    let output = child.wait_with_output().expect("ended");
    drop(lifeline);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn run_tool_checks_the_directory_again_at_the_last_moment() {
    let fixture = Fixture::new();
    let inode = fixture.workspace().metadata().expect("exists").ino();
    let status = run_tool(&format!("{}\n", plan(&fixture, inode + 1)));
    assert!(status.contains("refused") && status.contains("replaced after it was approved"), "{status}");
    assert!(!fixture.workspace().join("marker").exists());
    let status = run_tool(&format!("{}\n", plan(&fixture, inode)));
    assert!(status.contains(r#""status":"ended","code":0"#), "{status}");
    assert!(fixture.workspace().join("marker").exists());
}

#[test]
fn run_tool_refuses_what_is_not_a_whole_plan() {
    let fixture = Fixture::new();
    let inode = fixture.workspace().metadata().expect("exists").ino();
    let whole = plan(&fixture, inode);
    let mut newer = whole.clone();
    newer["version"] = json!(2);
    let lines = [String::new(), "\n".to_owned(), "{}\n".to_owned(), whole.to_string(), format!("{newer}\n")];
    for line in lines {
        let status = run_tool(&line);
        assert!(status.contains(r#""status":"refused""#), "{line:?}: {status}");
    }
    assert!(!fixture.workspace().join("marker").exists());
}

#[tokio::test]
async fn a_working_directory_outside_or_protected_is_refused_without_a_question() {
    let fixture = Fixture::new();
    fixture.file("home/.ssh/id", "");
    symlink(fixture.root.join("outside"), fixture.workspace().join("link")).expect("linked");
    let never = || Answer(|_| panic!("nobody may be asked"));
    for workdir in ["..", "link", "/", "/proc/self/root", "missing", "~"] {
        let arguments = json!({"command": "true", "workdir": workdir});
        let output = fixture.call_in(fixture.context(never()), "exec", arguments).await;
        assert!(output.is_error && output.text.contains("workdir"), "{workdir}: {}", output.text);
    }
    let home = fixture.context_in(&fixture.root.join("home"), never());
    let output = fixture.call_in(home, "exec", json!({"command": "true", "workdir": ".ssh"})).await;
    assert!(output.is_error && output.text.contains("tools never touch it"), "{}", output.text);
}

#[tokio::test]
async fn variables_that_load_code_are_refused_without_a_question() {
    let fixture = Fixture::new();
    for name in ["PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "TIDEGATE_TOKEN", "A=B"] {
        let context = fixture.context(Answer(|_| panic!("nobody may be asked")));
        let arguments = json!({"command": "true", "env": {name: "x"}});
        let output = fixture.call_in(context, "exec", arguments).await;
        assert!(output.is_error && output.text.contains("env"), "{name}: {}", output.text);
    }
}

/// A host of its own, with variables that no tool may see.
fn host_with_secrets(fixture: &Fixture, command: &str) -> String {
    let hostile = [
        "TIDEGATE_TOKEN",
        "OPENCLAW_GATEWAY_TOKEN",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "DBUS_SESSION_BUS_ADDRESS",
        "XDG_RUNTIME_DIR",
        "SSH_AUTH_SOCK",
        "GPG_AGENT_INFO",
        "AT_SPI_BUS_ADDRESS",
        "LD_LIBRARY_PATH",
        "BASH_ENV",
        "GTK_MODULES",
    ];
    let arguments = json!({"command": command, "env": {"ADDED": "by the call"}}).to_string();
    let output = Command::new(tool_host())
        .args([fixture.root.as_os_str(), "exec".as_ref(), arguments.as_ref()])
        .env_clear()
        .envs(hostile.map(|name| (name, SECRET)))
        .envs([("HOME", "/nowhere"), ("PATH", "/evil"), ("LANG", "C.UTF-8"), ("LC_TIME", "C"), ("TZ", "UTC")])
        .output()
        .expect("the host ran");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_command_sees_only_allowed_variables_of_its_host() {
    let fixture = Fixture::new();
    let text = host_with_secrets(&fixture, "env");
    assert!(!text.contains(SECRET), "{text}");
    let mut names: Vec<_> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    // The shell itself sets PWD and, depending on the shell, some more.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["ADDED", "HOME", "LANG", "LC_TIME", "PATH", "TERM", "TMPDIR", "TZ"], "{text}");
    assert!(!text.contains("/evil") && text.contains("TERM=dumb"), "{text}");
}

#[test]
fn a_command_cannot_read_its_hosts_variables_through_proc() {
    let fixture = Fixture::new();
    // Up the tree: the shell, run-tool, the host.
    let command = "up=$PPID; for i in 1 2; do cat /proc/$up/environ | tr '\\0' '\\n'; cat /proc/$up/mem | head -c 1; \
                   up=$(cut -d' ' -f4 /proc/$up/stat); done; echo looked";
    let text = host_with_secrets(&fixture, command);
    assert!(text.contains("looked"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn a_command_inherits_no_descriptors() {
    let fixture = Fixture::new();
    let leaked = std::fs::File::open(fixture.root.join("state/store.sqlite")).expect("opened");
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("made inheritable");
    let listing = "ls -l /proc/self/fd";
    let plain = Command::new("/bin/sh").args(["-c", listing]).output().expect("ran");
    assert!(String::from_utf8_lossy(&plain.stdout).contains("store.sqlite"), "the leak must be real");

    let output = fixture.call("exec", json!({"command": listing})).await;
    let mut open: Vec<_> = output
        .text
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        // The descriptor by which ls lists the directory is its own.
        .filter(|(_, target)| !target.starts_with("/proc/"))
        .filter_map(|(left, _)| left.rsplit(' ').next())
        .collect();
    open.sort_unstable();
    assert_eq!(open, ["0", "1", "2"], "{}", output.text);
    assert!(output.text.contains("0 -> /dev/null"), "{}", output.text);
}

#[tokio::test]
async fn a_command_cannot_speak_for_its_supervisor() {
    let fixture = Fixture::new();
    let command =
        r#"for fd in 0 1; do echo '{"status":"ended","code":0}' > /proc/$PPID/fd/$fd; done; exit 9"#;
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.is_error && output.text.contains("[exit code 9"), "{}", output.text);
    assert_eq!(output.text.matches("Permission denied").count(), 2, "{}", output.text);
}

#[tokio::test]
async fn a_command_has_no_terminal_and_no_input() {
    let fixture = Fixture::new();
    let command = "cat; if (: </dev/tty) 2>/dev/null; then echo terminal; else echo none; fi";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("none\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_command_writes_only_in_workspace_and_temporary_directory() {
    let fixture = Fixture::new();
    symlink(fixture.root.join("outside"), fixture.workspace().join("link")).expect("linked");
    let root = fixture.root.display();
    let command = format!(
        "echo x > inside; mkdir d; mv inside d/moved; echo x > \"$TMPDIR/temporary\"; echo x > /dev/null && echo null
         echo x > {root}/outside/new; echo x > link/new; echo x >> {root}/outside/secret; rm {root}/outside/secret
         ln {root}/outside/secret hard; mv {root}/outside/secret stolen; chmod 600 d/moved; ln -s a b; echo done"
    );
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.contains("null\n") && output.text.contains("done\n"), "{}", output.text);
    assert_eq!(fixture.text("workspace/d/moved").as_deref(), Some("x\n"));
    assert_eq!(fixture.text("temporary/temporary").as_deref(), Some("x\n"));
    if is_unconfined(&output.text) {
        return;
    }
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET), "{}", output.text);
    assert!(!fixture.root.join("outside/new").exists());
    assert!(!fixture.workspace().join("hard").exists() && !fixture.workspace().join("stolen").exists());
}

#[tokio::test]
async fn a_command_reads_everything_but_the_state_and_the_config() {
    let fixture = Fixture::new();
    let root = fixture.root.display();
    symlink(fixture.root.join("state"), fixture.workspace().join("link")).expect("linked");
    let command = format!(
        "cat {root}/outside/secret >/dev/null && echo readable; cat /etc/passwd >/dev/null && echo etc
         cat {root}/state/store.sqlite {root}/config.json link/store.sqlite /proc/self/root{root}/config.json"
    );
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.contains("readable\netc\n"), "{}", output.text);
    if !is_unconfined(&output.text) {
        assert!(!output.text.contains(SECRET), "{}", output.text);
    }
}

#[tokio::test]
async fn a_command_in_a_workspace_that_holds_protected_files_cannot_change_them() {
    let fixture = Fixture::new();
    fixture.file("home/.bashrc", "mine");
    fixture.file("home/.ssh/authorized_keys", "mine");
    fixture.file("home/project/file", "");
    let command =
        "echo evil >> .bashrc; echo evil > .zshenv; echo evil >> .ssh/authorized_keys; mv .bashrc project
                   ln .bashrc project/hard && echo evil >> project/hard; mkdir -p .config/autostart
                   echo x > project/file; echo done";
    let home = fixture.root.join("home");
    let output =
        fixture.call_in(fixture.context_in(&home, AllowAll), "exec", json!({"command": command})).await;
    assert!(output.text.contains("done"), "{}", output.text);
    if is_unconfined(&output.text) {
        return;
    }
    assert_eq!(fixture.text("home/.bashrc").as_deref(), Some("mine"), "{}", output.text);
    assert_eq!(fixture.text("home/.ssh/authorized_keys").as_deref(), Some("mine"));
    assert!(!home.join(".zshenv").exists() && !home.join(".config").exists());
    assert_eq!(fixture.text("home/project/file").as_deref(), Some("x\n"));
}

#[tokio::test]
async fn huge_output_is_cut_in_the_middle_and_says_so() {
    let fixture = Fixture::new();
    let command = "echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last >&2";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("first\nx") && output.text.contains("x\nlast\n[exit code 0"));
    let cut = 6 + 20_000_000 + 1 + 5 - 64 * 1024;
    assert!(output.text.contains(&format!("[... {cut} bytes cut ...]")));
    assert!(output.text.len() < 65 * 1024, "{}", output.text.len());
}

#[tokio::test]
async fn output_that_is_not_utf8_is_replaced() {
    let fixture = Fixture::new();
    let output = fixture.call("exec", json!({"command": "printf 'a\\377b'"})).await;
    assert!(output.text.starts_with("a\u{fffd}b\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let fixture = Fixture::new();
    let tools = tidegate_tools::standard_tools(tidegate_tools::ToolsConfig {
        launcher: tidegate_tools::Launcher::new("/nonexistent/tidegate".into()),
        protected: fixture.protected.clone(),
        temporary: fixture.root.join("temporary"),
        environment: tidegate_tools::ToolEnvironment::from_host([], &fixture.root),
    });
    let exec = tools.iter().find(|tool| tool.description().name == "exec").expect("there");
    let output = exec.call(fixture.context(AllowAll), json!({"command": "true"})).await;
    assert!(
        output.is_error && output.text.contains("/nonexistent/tidegate could not be started"),
        "{}",
        output.text
    );
}
