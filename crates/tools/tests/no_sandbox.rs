//! Computers on which there is no sandbox: it is said why and what to do, commands are confined in part, and
//! nothing runs without any confinement instead.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Fixture, Remember, SECRET, person, tool_host};
use serde_json::json;
use tidegate_protocol::confinement::CommandClass;
use tidegate_tools::{Launcher, SandboxOptions, Sandboxes};

/// A fixture in which this is bubblewrap.
fn with_bubblewrap(bubblewrap: impl FnOnce(&Fixture) -> PathBuf) -> Fixture {
    let mut fixture = Fixture::new();
    let options = SandboxOptions { bubblewrap: Some(bubblewrap(&fixture)), ..SandboxOptions::default() };
    let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), person(&fixture.root));
    fixture.sandboxes = Arc::new(sandboxes.with_options(options));
    fixture
}

fn program(fixture: &Fixture, script: &str, mode: u32) -> PathBuf {
    let path = fixture.file("outside/bwrap", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
    path
}

/// What a person reads names the problem and the remedy. Commands make no sockets, and write in the
/// workspace alone; what needs a sandbox is refused without a question.
async fn assert_confined_in_part(fixture: &Fixture, problem: &str, remedy: &str) {
    let report = fixture.sandboxes.report(&Launcher::new(tool_host())).await;
    let told = (report.problem().unwrap_or_default(), report.remedy().unwrap_or_default());
    assert!(!report.is_contained() && told.0.contains(problem) && told.1.contains(remedy), "{told:?}");

    let remember = Remember::default();
    let command = format!(
        "echo x > new; echo x > {}/new; cat {}/store.sqlite; python3 -c 'import socket; socket.socket()' || echo done",
        fixture.root.join("outside").display(),
        fixture.root.join("state").display(),
    );
    let context = fixture.context(remember.clone());
    let output = fixture.call_in(context, "exec", json!({ "command": command })).await;
    assert_eq!(remember.only_command().confinement.class, CommandClass::Partial);
    assert!(output.text.contains("done\n") && output.text.contains("confined in part"), "{}", output.text);
    assert!(fixture.workspace().join("new").exists() && !fixture.root.join("outside/new").exists());
    assert!(!output.text.contains(SECRET), "{}", output.text);

    for need in ["network:example.org", "git", "sockets", "listen:8080"] {
        let remember = Remember::default();
        let arguments = json!({"command": "touch ran", "needs": [need], "reason": "it needs it"});
        let refused = fixture.call_in(fixture.context(remember.clone()), "exec", arguments).await;
        assert!(refused.is_error && refused.text.contains("this system has no sandbox"), "{}", refused.text);
        assert!(refused.text.contains(problem), "{}", refused.text);
        assert!(!remember.was_asked() && !fixture.workspace().join("ran").exists());
    }
}

#[tokio::test]
async fn without_bubblewrap_commands_are_confined_in_part() {
    let fixture = with_bubblewrap(|_| Path::new("/nonexistent/bwrap").to_owned());
    assert_confined_in_part(&fixture, "is not installed", "Install the package `bubblewrap`").await;
}

#[tokio::test]
async fn with_a_set_user_id_bubblewrap_commands_are_confined_in_part() {
    let fixture = with_bubblewrap(|fixture| program(fixture, "echo bubblewrap 0.8.0", 0o4755));
    assert_confined_in_part(&fixture, "is a set-user-ID program", "reinstall the package `bubblewrap`").await;
}

/// Only root makes a program that is taken for the system's.
mod as_root {
    use super::*;

    /// A bubblewrap that tells this version, and then does this.
    fn version(fixture: &Fixture, version: &str, then: &str) -> PathBuf {
        let script = format!("[ \"$1\" = --version ] && {{ echo bubblewrap {version}; exit; }}\n{then}");
        program(fixture, &script, 0o755)
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn with_an_old_bubblewrap_commands_are_confined_in_part() {
        let fixture = with_bubblewrap(|fixture| version(fixture, "0.4.1", "exit 1"));
        let problem = "has version 0.4.1; Tidegate needs 0.5.0 or later";
        assert_confined_in_part(&fixture, problem, "Update the package `bubblewrap`").await;
    }

    /// As each of these systems says it.
    #[tokio::test]
    #[ignore = "needs root"]
    async fn where_the_system_refuses_namespaces_commands_are_confined_in_part() {
        for (said, remedy) in [
            ("loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor profile"),
            ("setting up uid map: Permission denied", "AppArmor profile"),
            ("No permissions to create new namespace", "kernel.unprivileged_userns_clone"),
            ("Creating new namespace failed: No space left on device", "user.max_user_namespaces"),
            ("Can't mount proc on /newroot/proc: Operation not permitted", "container"),
        ] {
            let fixture = with_bubblewrap(|fixture| {
                version(fixture, "0.8.0", &format!("echo \"bwrap: {said}\" >&2\nexit 1"))
            });
            assert_confined_in_part(&fixture, said, remedy).await;
        }
    }

    /// The trial is once; what is allowed afterwards was allowed for a sandbox.
    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_sandbox_that_is_refused_after_the_trial_runs_nothing() {
        let fixture = with_bubblewrap(|fixture| {
            let then = "[ -e \"$(dirname \"$0\")/refuses\" ] || exec /usr/bin/bwrap \"$@\"
                echo 'bwrap: No permissions to create new namespace' >&2; exit 1";
            version(fixture, "0.8.0", then)
        });
        let report = fixture.sandboxes.report(&Launcher::new(tool_host())).await;
        assert!(report.is_contained(), "{:?}", report.problem());
        fixture.file("outside/refuses", "");

        let refused = fixture.refused("exec", json!({"command": "touch ran"})).await;

        assert!(refused.contains("the sandbox could not be made: bwrap: No permissions"), "{refused}");
        assert!(!fixture.workspace().join("ran").exists());
    }
}
