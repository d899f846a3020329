//! What a command may use up, and what the system may refuse the sandbox.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{Fixture, person};
use serde_json::json;
use tidegate_tools::{SandboxOptions, Sandboxes};

const MEBIBYTE: u64 = 1 << 20;

fn with_options(options: SandboxOptions) -> Fixture {
    let mut fixture = Fixture::new();
    let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), person(&fixture.root));
    fixture.sandboxes = Arc::new(sandboxes.with_options(options));
    fixture
}

fn with_memory(mebibytes: u64) -> Fixture {
    with_options(SandboxOptions { memory: Some(mebibytes * MEBIBYTE), ..SandboxOptions::default() })
}

const HOLD: &str = "import sys, time
held = bytearray(int(sys.argv[1]) << 20)
for at in range(0, len(held), 4096): held[at] = 1
print('holds', flush=True)
time.sleep(100)";

#[tokio::test]
async fn many_processes_together_do_not_exceed_the_memory_of_a_command() {
    let fixture = with_memory(256);
    fixture.file("workspace/hold.py", HOLD);
    // Each alone is far below the limit, and one left its session.
    let command = "for i in 1 2 3 4 5 6; do setsid python3 hold.py 60 & done; wait; echo survived";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.is_error && !output.text.contains("survived"), "{}", output.text);
    assert!(output.text.contains("together used more than 256 MiB of memory"), "{}", output.text);
    assert!(output.text.contains("tools.exec.memoryMiB"), "{}", output.text);
}

#[tokio::test]
async fn memory_that_processes_share_counts_once() {
    let fixture = with_memory(256);
    // Twelve times 64 MiB in the cheap accounts, and looked at more than once.
    let command = "python3 -c '
import os, time
held = bytearray(64 << 20)
for at in range(0, len(held), 4096): held[at] = 1
for _ in range(12):
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)
for _ in range(12): os.wait()
print(\"done\")'";
    let output = fixture.call("exec", json!({"command": command})).await;
    assert!(output.text.starts_with("done\n[exit code 0"), "{}", output.text);
}

/// What a program may ask for beyond them is refused: the limits are hard ones.
#[tokio::test]
async fn the_kernel_limits_each_process_of_a_command() {
    let fixture = Fixture::new();
    let command = "python3 -c '
import resource as r
for name in (\"NPROC\", \"NOFILE\", \"FSIZE\", \"CORE\", \"DATA\", \"MSGQUEUE\"):
    print(name, *r.getrlimit(getattr(r, \"RLIMIT_\" + name, 12)))' 2>&1";
    let output = fixture.call("exec", json!({"command": command})).await;
    let limit = |name: &str| -> (u64, u64) {
        let line = output.text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
        (numbers.next().unwrap_or(u64::MAX), numbers.next().unwrap_or(u64::MAX))
    };
    assert_eq!(limit("CORE "), (1, 1), "{}", output.text);
    for (name, most) in [
        ("NPROC ", 2048),
        ("NOFILE ", 4096),
        ("FSIZE ", 16 << 30),
        ("DATA ", 16 << 30),
        ("MSGQUEUE ", 819_200),
    ] {
        let (now, hard) = limit(name);
        assert!(now <= most && hard <= most, "{name}: {}", output.text);
    }
}

#[tokio::test]
async fn a_scope_that_cannot_be_made_is_a_sentence() {
    let options = SandboxOptions { memory_scope: true, ..SandboxOptions::default() };
    let fixture = with_options(options);
    let refused = fixture.refused("exec", json!({"command": "touch ran"})).await;
    assert!(refused.contains("tools.exec.memoryScope is set"), "{refused}");
    assert!(!fixture.workspace().join("ran").exists());
}

/// Only a program that belongs to root is taken for the system's.
mod as_root {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use tidegate_peers::commands::SCOPE_PREFIX;
    use tidegate_sandbox::report::Layer;
    use tidegate_tools::Launcher;

    use super::*;

    /// A bubblewrap that refuses what some systems refuse, and otherwise is the system's.
    fn refusing(fixture: &Fixture) -> PathBuf {
        let script = "#!/bin/sh
[ \"$1\" = --version ] && { echo bubblewrap 0.8.0; exit; }
echo start >> \"$(dirname \"$0\")/starts\"
if grep -qa CAP_SYS_RESOURCE \"/proc/self/fd/$2\"; then
        echo 'bwrap: capset failed: Operation not permitted' >&2
        exit 1
    fi
    exec /usr/bin/bwrap \"$@\"
    ";
        let path = fixture.file("outside/bwrap", script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("changed");
        path
    }

    /// A service manager that takes note of what it is asked, and does it without a control group.
    fn service_manager(fixture: &Fixture) -> (PathBuf, UnixListener) {
        let script = "#!/bin/sh
printf '%s\\n' \"$XDG_RUNTIME_DIR\" \"$@\" > \"$(dirname \"$0\")/asked\"
while [ \"$1\" != -- ]; do shift; done
shift
exec \"$@\"
";
        let path = fixture.file("outside/systemd-run", script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("changed");
        std::fs::create_dir_all(fixture.root.join("outside/runtime/systemd")).expect("made");
        let listener =
            UnixListener::bind(fixture.root.join("outside/runtime/systemd/private")).expect("bound");
        (path, listener)
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_sandbox_begins_in_a_scope_where_the_person_wants_one() {
        let mut fixture = Fixture::new();
        let (systemd_run, _listener) = service_manager(&fixture);
        let runtime = fixture.root.join("outside/runtime");
        fixture.variables = vec![("XDG_RUNTIME_DIR".into(), runtime.clone().into())];
        let options = SandboxOptions {
            memory_scope: true,
            memory: Some(512 * MEBIBYTE),
            systemd_run: Some(systemd_run),
            ..SandboxOptions::default()
        };
        let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), person(&fixture.root));
        fixture.sandboxes = Arc::new(sandboxes.with_options(options));

        let command = "echo $XDG_RUNTIME_DIR; sleep 60 & exit 3";
        let output = fixture.call("exec", json!({"command": command})).await;

        assert!(output.text.starts_with("\n[exit code 3"), "{}", output.text);
        let asked = fixture.text("outside/asked").expect("it was asked");
        for line in [&*runtime.to_string_lossy(), "--user", "--scope", "--property=MemoryMax=536870912", "-i"]
        {
            assert!(asked.lines().any(|asked| asked == line), "{line}: {asked}");
        }
        // By this name what is in it is known as a command's.
        let unit = asked.lines().find_map(|line| line.strip_prefix("--unit="));
        assert!(unit.is_some_and(|unit| unit.starts_with(SCOPE_PREFIX)), "{asked}");
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_capability_that_is_refused_is_done_without_and_not_asked_again() {
        let mut fixture = Fixture::new();
        let bubblewrap = refusing(&fixture);
        let options = SandboxOptions { bubblewrap: Some(bubblewrap), ..SandboxOptions::default() };
        let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), person(&fixture.root));
        fixture.sandboxes = Arc::new(sandboxes.with_options(options));

        let report = fixture.sandboxes.report(&Launcher::new(common::tool_host())).await;
        let after_the_trial = fixture.text("outside/starts").unwrap_or_default().lines().count();
        let output = fixture.call("exec", json!({"command": "echo ran"})).await;
        let after_a_command = fixture.text("outside/starts").unwrap_or_default().lines().count();

        assert!(report.is_contained() && !report.holds(Layer::Inotify), "{report:?}");
        let losses = report.losses();
        assert!(
            losses.len() == 1 && losses[0].contains("does not let bubblewrap give the capability"),
            "{losses:?}"
        );
        assert!(output.text.starts_with("ran\n[exit code 0"), "{}", output.text);
        assert_eq!((after_the_trial, after_a_command), (2, 3));
    }
}
