//! Work of an agent by commands: what works with which needs.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::common::{Fixture, Remember};

/// A time limit that no ordinary work reaches, in seconds.
const PATIENT: u32 = 300;

/// A fixture in which commands find what a project has.
pub(crate) fn project() -> Fixture {
    let fixture = Fixture::new();
    fixture.file("workspace/greeting.txt", "hello\n");
    fixture
}

/// What the person does in the workspace, outside of any sandbox.
pub(crate) fn person(fixture: &Fixture, script: &str) {
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(fixture.workspace())
        .env("HOME", fixture.root.join("home"))
        .output()
        .expect("sh");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn arguments(needs: &[&str], command: &str) -> serde_json::Value {
    let mut arguments = json!({"command": command, "timeoutSeconds": PATIENT});
    if !needs.is_empty() {
        arguments["needs"] = json!(needs);
        arguments["reason"] = json!("the work needs it");
    }
    arguments
}

/// Runs `command` with `needs`: it must succeed, end with the line `done`, and have nothing set aside.
pub(crate) async fn works(fixture: &Fixture, needs: &[&str], command: &str) {
    let script = format!("set -e\n{command}\necho done");
    let remember = Remember::default();

    let output = fixture.call_in(fixture.context(remember.clone()), "exec", arguments(needs, &script)).await;

    assert!(has_succeeded(&output.text), "{command}: {}", output.text);
    assert!(!output.text.contains("set aside"), "{command}: {}", output.text);
    let class = format!("{:?}", remember.only_command().confinement.class);
    let expected = if needs.contains(&"unconfined") { "Unconfined" } else { "Contained" };
    assert!(class.starts_with(expected), "{command}: {class}");
}

/// Runs `command` with `needs`: it must fail. Gives what the model reads.
pub(crate) async fn fails(fixture: &Fixture, needs: &[&str], command: &str) -> String {
    let script = format!("set -e\n{command}\necho done");
    let output = fixture.call("exec", arguments(needs, &script)).await;
    assert!(!has_succeeded(&output.text), "it works: {command}: {}", output.text);
    output.text
}

/// Notes on what was refused may come between.
fn has_succeeded(text: &str) -> bool {
    text.contains("done\n[") && text.contains("[exit code 0")
}

/// Whether a program is among the system's, which every sandbox has. Says so where it is not.
pub(crate) fn installed(program: &str) -> bool {
    let is_there =
        ["/usr/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
    if !is_there {
        println!("skipped: {program} is not installed");
    }
    is_there
}
