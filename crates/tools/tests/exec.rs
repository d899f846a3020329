//! `exec`: approval, plan, environment, confinement, output.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{AllowAll, Answer, Fixture, Remember, SECRET, Silence, tool_host};
use serde_json::{Value, json};
use tidegate_agent::approval::{ApprovalAnswer, ApprovalPlan, ApprovalQuestion};
use tidegate_protocol::confinement::{CommandClass, Need};

fn allow(question: &ApprovalQuestion) -> ApprovalAnswer {
    ApprovalAnswer::Allowed { digest: question.plan.digest() }
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
    assert!(
        output.is_error && output.text.starts_with("[exit code 139, as after signal SIGSEGV"),
        "{}",
        output.text
    );
}

#[tokio::test]
async fn the_person_sees_the_exact_bytes_directory_environment_and_program() {
    let fixture = Fixture::new();
    fixture.file("workspace/sub/file", "");
    symlink("sub", fixture.workspace().join("link")).expect("linked");
    let gate = Remember::default();
    let command = "printf '%s' \"$B\"  \n#\u{202e}trailing \n ";
    let arguments = json!({"command": command, "workdir": "link", "env": {"B": "2", "A": "1"}});
    let output = fixture.call_in(fixture.context(gate.clone()), "exec", arguments).await;
    assert!(output.text.starts_with("2\n[exit code 0"), "{}", output.text);
    let plan = gate.only_command();
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
        "version": 4,
        "work": {
            "kind": "command",
            "exec": {
                "command": "touch marker", "program": shell, "arguments": ["-c", "touch marker"],
                "directory": directory, "environment": [],
                "confinement": {
                    "class": "partial", "needs": [], "reason": null, "pty": false, "timeoutSeconds": 1800,
                },
            },
            "directory": {"device": device, "inode": inode},
            "program": {"device": program.dev(), "inode": program.ino()},
        },
        "environment": [["PATH", "/usr/bin:/bin"]],
        "boundary": {"boundary": "partial", "writable": [directory], "protected": [], "hidden": []},
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
fn without_a_sandbox_a_command_makes_no_sockets_and_writes_only_in_its_places() {
    let fixture = Fixture::new();
    let inode = fixture.workspace().metadata().expect("exists").ino();
    let mut attack = plan(&fixture, inode);
    let command = format!(
        "python3 -c \"import socket; socket.socket()\" || python3 -c \"import socket; socket.socket(1)\" ||
         echo x > {}/outside/new || touch marker",
        fixture.root.display()
    );
    attack["work"]["exec"]["arguments"] = json!(["-c", command]);
    let status = run_tool(&format!("{attack}\n"));
    assert!(status.contains(r#""by":"partial""#) && status.contains(r#""code":0"#), "{status}");
    assert!(fixture.workspace().join("marker").exists() && !fixture.root.join("outside/new").exists());
}

#[test]
fn run_tool_refuses_what_is_not_a_whole_plan() {
    let fixture = Fixture::new();
    let inode = fixture.workspace().metadata().expect("exists").ino();
    let whole = plan(&fixture, inode);
    let mut newer = whole.clone();
    newer["version"] = json!(5);
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
    symlink(fixture.root.join("outside"), fixture.workspace().join("link")).expect("linked");
    let never = || Answer(|_| panic!("nobody may be asked"));
    for workdir in ["..", "link", "/", "/proc/self/root", "missing", "~"] {
        let arguments = json!({"command": "true", "workdir": workdir});
        let output = fixture.call_in(fixture.context(never()), "exec", arguments).await;
        assert!(output.is_error && output.text.contains("workdir"), "{workdir}: {}", output.text);
    }
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
    // The shell itself sets PWD and, depending on the shell, some more; the others name the proxy.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_", "JAVA_TOOL_OPTIONS"].contains(name));
    names.retain(|name| !name.to_ascii_lowercase().contains("_proxy"));
    assert_eq!(
        names,
        ["ADDED", "HOME", "LANG", "LC_TIME", "LOGNAME", "PATH", "TERM", "TMPDIR", "TZ", "USER"],
        "{text}"
    );
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
async fn a_command_writes_only_in_its_own_places() {
    let fixture = Fixture::new();
    symlink(fixture.root.join("outside"), fixture.workspace().join("link")).expect("linked");
    fixture.file("home/.bashrc", "mine");
    let root = fixture.root.display();
    let command = format!(
        "echo x > inside; mkdir d; mv inside d/moved; echo x > \"$TMPDIR/temporary\" && echo tmp
         echo x > ~/.bashrc && echo home; echo x > /dev/null && echo null
         echo x > {root}/outside/new; echo x > link/new; echo x >> {root}/outside/secret; rm {root}/outside/secret
         ln {root}/outside/secret hard; mv {root}/outside/secret stolen; chmod 600 d/moved; ln -s a b; echo done"
    );
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.contains("tmp\nhome\nnull\n") && output.text.contains("done\n"), "{}", output.text);
    assert_eq!(fixture.text("workspace/d/moved").as_deref(), Some("x\n"));
    assert_eq!(fixture.text("home/.bashrc").as_deref(), Some("mine"), "{}", output.text);
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET), "{}", output.text);
    assert!(!fixture.root.join("outside/new").exists());
    assert!(!fixture.workspace().join("hard").exists() && !fixture.workspace().join("stolen").exists());
    let left = std::fs::read_dir(fixture.root.join("state/sandbox/tmp")).expect("there").count();
    assert_eq!(left, 0, "temporary files end with the command");
}

#[tokio::test]
async fn what_a_command_keeps_in_its_home_is_there_for_the_next_one() {
    let fixture = Fixture::new();
    fixture
        .call("exec", json!({"command": "mkdir -p ~/.cache/tool && echo kept > ~/.cache/tool/file"}))
        .await;
    let output = fixture.call("exec", json!({"command": "cat ~/.cache/tool/file; ls /tmp"})).await;
    assert!(output.text.starts_with("kept\n[exit code 0"), "{}", output.text);
    assert!(!fixture.root.join("home/.cache").exists());
}

#[tokio::test]
async fn a_command_reads_neither_state_nor_files_of_the_person() {
    let fixture = Fixture::new();
    let root = fixture.root.display();
    fixture.file("home/.ssh/id_ed25519", SECRET);
    symlink(fixture.root.join("state"), fixture.workspace().join("link")).expect("linked");
    let command = format!(
        "cat /etc/passwd >/dev/null && echo etc; cat ~/.ssh/id_ed25519 {root}/home/.ssh/id_ed25519 {root}/outside/secret
         cat {root}/state/store.sqlite {root}/config.json link/store.sqlite /proc/self/root{root}/config.json
         cat /proc/1/environ /proc/1/root{root}/config.json /etc/machine-id; find / -name store.sqlite 2>/dev/null
         echo done"
    );
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("etc\n") && output.text.contains("\ndone\n"), "{}", output.text);
    assert!(!output.text.contains(SECRET), "{}", output.text);
}

#[tokio::test]
async fn a_command_in_a_workspace_that_holds_protected_files_is_refused() {
    let fixture = Fixture::new();
    fixture.file("home/.bashrc", "mine");
    for place in ["home", "", "state"] {
        let workspace = fixture.root.join(place);
        let context = fixture.context_in(&workspace, AllowAll);
        let output = fixture.call_in(context, "exec", json!({"command": "echo x > .bashrc"})).await;
        assert!(output.is_error && output.text.contains("the workspace"), "{}", output.text);
    }
    assert_eq!(fixture.text("home/.bashrc").as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_granted_folder_outside_can_be_written() {
    let fixture = Fixture::new();
    let outside = fixture.root.join("outside");
    let command = format!("echo x > {}/new && cat {}/secret", outside.display(), outside.display());
    let needs = json!([format!("write:{}", outside.display())]);
    let arguments = json!({"command": command, "needs": needs, "reason": "the report goes there"});
    let output = fixture.call("exec", arguments).await;
    assert!(output.text.starts_with(SECRET) && !output.is_error, "{}", output.text);
    assert_eq!(fixture.text("outside/new").as_deref(), Some("x\n"));
}

#[tokio::test]
async fn folders_that_hold_protected_files_cannot_be_granted() {
    let fixture = Fixture::new();
    symlink(fixture.root.join("outside"), fixture.root.join("alias")).expect("linked");
    for folder in [".config/nvim", ".oh-my-zsh", ".config/direnv", ".config/hypr"] {
        fixture.file(&format!("home/{folder}/x"), "");
    }
    for (place, says) in [
        ("home", "it holds keys"),
        ("home/.config/nvim", "it holds keys"),
        ("home/.oh-my-zsh", "it holds keys"),
        ("home/.config/direnv", "it holds keys"),
        ("home/.config/hypr", "it holds keys"),
        ("state", "it holds keys"),
        ("alias", "through a link"),
        ("outside/secret", "it is no directory"),
        ("nowhere", "No such file"),
    ] {
        let needs = json!([format!("write:{}", fixture.root.join(place).display())]);
        let refused =
            fixture.refused("exec", json!({"command": "true", "needs": needs, "reason": "because"})).await;
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn folders_of_which_other_programs_run_the_content_are_not_granted() {
    let mut fixture = Fixture::new();
    let moved = fixture.root.join("home/settings");
    fixture.protected = fixture.protected.and_in(".config", &moved);
    for folder in [
        ".cargo/bin",
        ".cargo/registry/src",
        "go/bin",
        "go",
        ".local/bin",
        ".local/lib/python3.12/site-packages",
        ".local/share/pnpm",
        ".nvm/versions/node/v22/bin",
        ".npm/_npx",
        ".cache/uv/archive-v0",
        ".vscode/extensions",
        ".cursor/extensions/x",
        ".config/Code/User",
        "settings/Code/User",
        ".mozilla/firefox",
        ".config/google-chrome/Default",
        ".claude",
        ".claude/commands",
        ".codex",
        ".config/autostart",
        ".config/systemd/user",
        ".config/JetBrains/IdeaIC2026.1",
        ".oh-my-zsh/plugins/git",
        ".config",
    ] {
        let place = fixture.root.join("home").join(folder);
        std::fs::create_dir_all(&place).expect("made");
        let needs = json!([format!("write:{}", place.display())]);
        let arguments = json!({"command": "true", "needs": needs, "reason": "because"});
        let refused = fixture.refused("exec", arguments).await;
        let says = ["other programs of the person run what is in it", "files that start programs"];
        assert!(says.iter().any(|says| refused.contains(says)), "{folder}: {refused}");
    }
    for folder in ["projects/go/bin", ".cache/mine", "go-projects", "vscode/extensions"] {
        let place = fixture.root.join("home").join(folder);
        std::fs::create_dir_all(&place).expect("made");
        let needs = json!([format!("write:{}", place.display())]);
        let command = format!("touch {}/made", place.display());
        let arguments = json!({"command": command, "needs": needs, "reason": "because"});
        let output = fixture.call("exec", arguments).await;
        assert!(place.join("made").exists(), "{folder}: {}", output.text);
    }
}

#[tokio::test]
async fn needs_are_shown_to_the_person_with_class_and_reason() {
    let fixture = Fixture::new();
    let gate = Remember::default();
    let arguments = json!({"command": "true", "needs": ["sockets", "sockets"], "reason": "tests serve one"});
    let output = fixture.call_in(fixture.context(gate.clone()), "exec", arguments).await;
    assert!(!output.is_error, "{}", output.text);
    let plan = gate.only_command();
    assert_eq!(plan.confinement.class, CommandClass::Contained);
    assert_eq!(plan.confinement.needs, [Need::Sockets]);
    assert_eq!(plan.confinement.reason.as_deref(), Some("tests serve one"));
    assert_eq!(plan.confinement.timeout_seconds, 1800);
}

#[tokio::test]
async fn needs_without_a_reason_or_that_are_none_are_refused() {
    let fixture = Fixture::new();
    for (arguments, says) in [
        (json!({"command": "true", "needs": ["sockets"]}), "reason is missing"),
        (json!({"command": "true", "needs": ["docker"], "reason": "x"}), "\"docker\" is not a need"),
        (json!({"command": "true", "needs": "write:relative", "reason": "x"}), "the path is not absolute"),
    ] {
        let refused = fixture.refused("exec", arguments).await;
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn local_sockets_are_made_only_by_who_needs_them() {
    let fixture = Fixture::new();
    let command =
        "python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.bind('s'); print('bound')\"";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.is_error && output.text.contains("not permitted"), "{}", output.text);
    let needs = json!({"command": command, "needs": ["sockets"], "reason": "the test serves one"});
    let output = fixture.call("exec", needs).await;
    assert!(output.text.starts_with("bound\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn sockets_are_not_granted_where_a_program_listens() {
    let fixture = Fixture::new();
    let outside = fixture.root.join("outside");
    let listener = std::os::unix::net::UnixListener::bind(outside.join("bus")).expect("bound");
    let needs = json!(["sockets", format!("write:{}", outside.display())]);
    let arguments = json!({"command": "true", "needs": needs, "reason": "the test serves one"});
    let refused = fixture.refused("exec", arguments.clone()).await;
    assert!(refused.contains("a program listens on") && refused.contains("outside/bus"), "{refused}");
    drop(listener);
    let output = fixture.call("exec", arguments).await;
    assert!(!output.is_error, "{}", output.text);
}

#[tokio::test]
async fn places_where_programs_meet_cannot_be_granted() {
    let fixture = Fixture::new();
    for place in ["/tmp", "/run", "/var", "/etc", "/home", "/tmp/.X11-unix", "/usr/local"] {
        if !Path::new(place).is_dir() {
            continue;
        }
        let needs = json!([format!("write:{place}")]);
        let refused =
            fixture.refused("exec", json!({"command": "true", "needs": needs, "reason": "because"})).await;
        assert!(
            refused.contains("programs of the person and of the system meet there"),
            "{place}: {refused}"
        );
    }
}

#[tokio::test]
async fn an_unconfined_command_runs_as_the_person() {
    let fixture = Fixture::new();
    let command = format!("cat {}/outside/secret; grep NoNewPrivs /proc/self/status", fixture.root.display());
    let arguments = json!({"command": command, "needs": ["unconfined"], "reason": "it needs everything"});
    let output = fixture.call("exec", arguments).await;
    assert!(output.text.contains(SECRET) && output.text.contains("NoNewPrivs:\t0"), "{}", output.text);
    assert!(output.text.ends_with("[exit code 0; not confined]"), "{}", output.text);
}

#[tokio::test]
async fn a_terminal_is_given_where_it_is_asked_for() {
    let fixture = Fixture::new();
    let command =
        "test -t 0 && test -t 1 && echo terminal; stty size; echo $TERM; (: < /dev/tty) && echo tty";
    let output = fixture.call("exec", json!({"command": command, "pty": true})).await;
    assert!(output.text.starts_with("terminal\r\n40 120\r\nxterm-256color\r\ntty\r\n"), "{}", output.text);
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
        sandboxes: Arc::clone(&fixture.sandboxes),
    });
    let exec = tools.iter().find(|tool| tool.description().name == "exec").expect("there");
    let output = exec.call(fixture.context(AllowAll), json!({"command": "true"})).await;
    assert!(
        output.is_error && output.text.contains("/nonexistent/tidegate could not be started"),
        "{}",
        output.text
    );
}
