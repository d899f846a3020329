//! A person allows commands for more than one time, and is asked again when what they allowed is something
//! else.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_integration_tests::control::Control;
use tidegate_integration_tests::program;
use tidegate_integration_tests::serving::{BINARY, Serving};

/// A program that the person installed for themselves: every sandbox has it, and agents cannot change it.
fn install(serving: &Serving, says: &str) -> PathBuf {
    let programs = serving.place.outside().join("home/.cargo/bin");
    fs::create_dir_all(&programs).unwrap();
    let program = programs.join("counter");
    let new = programs.join("counter.new");
    fs::write(&new, format!("#!/bin/sh\necho {says}: \"$@\"\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, &program).unwrap();
    program
}

struct Person(Control);

impl Person {
    async fn of(serving: &Serving) -> Self {
        Self(Control::open_at(&serving.place.state_dir()).await)
    }

    /// What waits for them, as soon as something does.
    async fn waiting(&mut self) -> Value {
        loop {
            let waiting = self.0.call("exec.approval.list", json!({})).await.unwrap();
            if let Some(first) = waiting.get(0) {
                return first.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Answers what comes next with a verdict, and gives the question.
    async fn answers(&mut self, verdict: Value) -> Value {
        let asked = self.waiting().await;
        let decision = json!({ "id": asked["id"], "verdict": verdict });
        self.0.call("tidegate.approvals.decide", decision).await.unwrap();
        asked
    }

    async fn permissions(&mut self) -> Value {
        self.0.call("tidegate.permissions.list", json!({})).await.unwrap()
    }
}

/// What the demo model says of a command that nobody is asked about.
async fn unasked(serving: &Serving, message: &str) -> String {
    let output = program::run(BINARY, &serving.place, &["agent", "--message", message]).await;
    String::from_utf8(output.stdout).unwrap()
}

fn permit(offer: &Value) -> Value {
    json!({ "decision": "permit", "offer": offer })
}

fn once() -> Value {
    json!({ "decision": "allowOnce" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_holds_until_its_program_is_replaced() {
    let serving = Serving::start().await;
    install(&serving, "first");
    let mut person = Person::of(&serving).await;
    let rule = json!({ "kind": "rule", "words": 2 });

    let (said, asked) = serving.agent_says("/run counter add one", person.answers(permit(&rule))).await;
    let later = unasked(&serving, "/run counter add 'two  words'").await;
    let (other, _) = serving.agent_says("/run counter remove one", person.answers(once())).await;
    let (joined, _) = serving.agent_says("/run counter add one; id -u", person.answers(once())).await;

    let offered =
        asked["offers"].as_array().unwrap().iter().find(|offered| offered["offer"] == rule).unwrap();
    assert!(offered["sentence"].as_str().unwrap().contains("\"counter add\""), "{offered}");
    assert!(said.contains("first: add one"), "{said}");
    assert!(later.contains("first: add two  words"), "{later}");
    assert!(other.contains("first: remove one") && joined.contains("first: add one"), "{other}{joined}");

    install(&serving, "second");
    let (replaced, asked) = serving.agent_says("/run counter add three", person.answers(once())).await;
    let why = asked["whyAsked"].as_str().unwrap_or_default();
    assert!(why.contains("counter was replaced or changed"), "{asked}");
    assert!(replaced.contains("second: add three"), "{replaced}");
    assert_eq!(person.permissions().await["unaskedCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_outlives_a_restart_but_not_its_folder() {
    let serving = Serving::start().await;
    let mut person = Person::of(&serving).await;
    let contained = json!({ "kind": "contained" });
    serving.agent_says("/run echo one", person.answers(permit(&contained))).await;
    let Serving { place, program, .. } = serving;
    program.terminate(Duration::from_secs(60)).await.unwrap();
    let serving = Serving::start_on(place).await;
    let mut person = Person::of(&serving).await;

    let after = unasked(&serving, "/run echo two").await;
    assert!(after.contains("two"), "{after}");

    let (workspace, elsewhere) = (serving.workspace(), serving.place.outside().join("elsewhere"));
    fs::rename(&workspace, &elsewhere).unwrap();
    fs::create_dir(&workspace).unwrap();
    let (_, asked) = serving.agent_says("/run echo three", person.answers(once())).await;
    let why = asked["whyAsked"].as_str().unwrap_or_default();
    assert!(why.contains("that is another folder now"), "{asked}");

    fs::remove_dir_all(&workspace).unwrap();
    fs::rename(&elsewhere, &workspace).unwrap();
    assert!(unasked(&serving, "/run echo four").await.contains("four"));
    let listed = person.permissions().await;
    let id = listed["permissions"][0]["id"].clone();
    let revoked = person.0.call("tidegate.permissions.revoke", json!({ "id": id })).await.unwrap();
    assert_eq!((&revoked["saved"], &revoked["endedCommands"]), (&json!(true), &json!(0)));
    let (_, asked) = serving.agent_says("/run echo five", person.answers(once())).await;
    assert_eq!(asked["whyAsked"], Value::Null, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_ends_the_command_that_runs_by_it() {
    let serving = Serving::start().await;
    let mut person = Person::of(&serving).await;
    let contained = json!({ "kind": "contained" });
    serving.agent_says("/run echo one", person.answers(permit(&contained))).await;

    let revoke = async {
        while serving.cli_json(&["commands", "list"]).await["commands"] == json!([]) {}
        let id = person.permissions().await["permissions"][0]["id"].clone();
        person.0.call("tidegate.permissions.revoke", json!({ "id": id })).await.unwrap()
    };
    let (said, revoked) = serving.agent_says("/run sleep 600", revoke).await;

    assert_eq!(revoked["endedCommands"], 1, "{revoked}");
    assert!(said.contains("ended, because the person revoked the permission"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_about_everything_uses_no_permission() {
    let serving = Serving::start().await;
    let mut person = Person::of(&serving).await;
    let mut client = serving.connect(&[]).await.unwrap();
    let contained = json!({ "kind": "contained" });
    serving.agent_says("/run echo one", person.answers(permit(&contained))).await;

    person.0.call("tidegate.permissions.askEverything", json!({})).await.unwrap();
    let (_, asked) = serving.agent_says("/run echo two", person.answers(once())).await;
    assert_eq!(asked["whyAsked"], "You chose to be asked about everything.");
    assert_eq!(asked["offers"], json!([]));
    assert!(
        client.request("tidegate.permissions.use", json!({})).await.is_err(),
        "a client has no such method"
    );

    person.0.call("tidegate.permissions.use", json!({})).await.unwrap();
    assert!(unasked(&serving, "/run echo three").await.contains("three"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_tells_the_model_why() {
    let serving = Serving::start().await;
    let mut person = Person::of(&serving).await;
    let deny = json!({ "decision": "deny", "words": "Use the build server.", "stop": false });

    let (said, _) = serving.agent_says("/run echo one", person.answers(deny)).await;

    assert!(said.contains("and says: Use the build server."), "{said}");
}
