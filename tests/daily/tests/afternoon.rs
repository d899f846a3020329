//! Ten ordinary tasks cost a person two decisions, and change nothing outside their folder.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::json;
use tidegate_daily_tests::afternoon::{self, PORT, TASKS};
use tidegate_daily_tests::person::{DecidesAt, Habit, Person};
use tidegate_daily_tests::scripted::{serve, work_on};
use tidegate_daily_tests::snapshot;
use tidegate_integration_tests::control::Control;
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::Program;
use tidegate_integration_tests::serving::{BINARY, Serving};
use tidegate_testkit::client::GatewayClient;
use tidegate_testkit::model_server::ScriptedModel;
use tokio::net::TcpListener;

/// A program that serves with the scripted model, and a folder as the tasks find it.
async fn begin() -> (Serving, ScriptedModel) {
    let (serving, model) = serve(afternoon::script()).await;
    fs::write(serving.workspace().join("big.txt"), afternoon::big_file()).unwrap();
    fs::write(serving.workspace().join("greetings.txt"), afternoon::GREETINGS).unwrap();
    git(&serving, &["init", "-q", "-b", "main"]);
    for (name, value) in [("user.name", "A Person"), ("user.email", "person@example.org")] {
        git(&serving, &["config", "--global", name, value]);
    }
    (serving, model)
}

/// What git says to the person about their folder.
fn git(serving: &Serving, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    command.arg("-C").arg(serving.workspace()).args(arguments);
    let output = command.env("HOME", serving.place.outside().join("home")).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn whole_afternoon(client: &mut GatewayClient) {
    for (number, task) in TASKS.iter().enumerate() {
        work_on(client, number, task).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_ordinary_tasks_cost_two_decisions() {
    let (serving, _model) = begin().await;
    let mut client = serving.connect(&[]).await.unwrap();
    let control = Control::open_at(&serving.place.state_dir()).await;
    let mut person = Person::new(DecidesAt::CommandLine(control), Habit::AllowsTheFolder);
    // Commands that reached the ports of this computer would reach this one.
    let bait = TcpListener::bind(("127.0.0.1", PORT)).await.unwrap();
    let (workspace, state) = (serving.workspace(), serving.place.state_dir());
    let outside = || snapshot::of(serving.place.outside(), &[&workspace, &state]);
    let before = outside();

    person.answers_while(whole_afternoon(&mut client)).await;

    let asked = person.asked();
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert!(asked[0].starts_with("tr ' '") && asked[0].ends_with(" []"), "the folder: {asked:#?}");
    assert!(asked[1].ends_with(" [git]"), "{asked:#?}");
    let after = outside();
    let changed: BTreeSet<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.iter().all(|path| path.ends_with("stderr.log")), "{changed:?}");
    let reached = tokio::time::timeout(Duration::ZERO, bait.accept()).await;
    assert!(reached.is_err(), "a command reached a port of this computer");
    assert_eq!(fs::read_to_string(workspace.join("runs.txt")).unwrap(), "run\nrun\n");
    assert!(fs::read_to_string(workspace.join("greetings.txt")).unwrap().contains("good evening again"));
    assert_eq!(git(&serving, &["log", "--format=%s"]), "What changed\n");

    let mut control = Control::open_at(&state).await;
    let listed = control.call("tidegate.permissions.list", json!({})).await.unwrap();
    assert_eq!(listed["permissions"].as_array().map(Vec::len), Some(1), "{listed}");
    let commands: usize = TASKS.iter().map(|task| task.commands).sum();
    // The first was asked about, and so was the commit.
    assert_eq!(listed["unaskedCount"], json!(commands - 2), "{listed}");
    let audit = serving.cli(&["audit"]).await;
    assert!(audit.contains("command.unasked") && audit.contains("permission.given"), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sandbox_each_command_is_asked_about() {
    let (serving, model) = begin().await;
    let Serving { place, program, .. } = serving;
    program.terminate(Duration::from_secs(60)).await.unwrap();
    let serving = start_without_bubblewrap(place).await;
    let mut client = serving.connect(&[]).await.unwrap();
    let approver = serving.connect(&[]).await.unwrap();
    let mut person = Person::new(DecidesAt::Client(Box::new(approver)), Habit::AllowsOnce);

    let work = async {
        // A commit needs a sandbox that holds, and is refused.
        for (number, task) in TASKS.iter().enumerate().filter(|(_, task)| !task.message.contains("Commit")) {
            work_on(&mut client, number, task).await;
        }
    };
    person.answers_while(work).await;

    let commands: usize = TASKS.iter().map(|task| task.commands).sum();
    assert_eq!(person.asked().len(), commands - 1, "{:#?}", person.asked());
    drop(model);
}

/// Where bubblewrap lies, there is a device instead.
async fn start_without_bubblewrap(place: Place) -> Serving {
    let hide =
        ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--ro-bind", "/dev/null", "/usr/bin/bwrap"];
    let mut program = Program::start_under(&hide, BINARY, &place);
    let ready = program.ready().await;
    Serving { place, program, ready }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_and_a_write_outside_cost_one_each() {
    let download = json!({
        "command": "true", "needs": ["network:example.org"], "reason": "The data is there.",
    });
    let reports = tempfile::tempdir().unwrap();
    let outside = reports.path().canonicalize().unwrap();
    let write = json!({
        "command": format!("echo done > {}/report.txt", outside.display()),
        "needs": [format!("write:{}", outside.display())],
        "reason": "Reports lie there.",
    });
    let (serving, _model) = serve(afternoon::two_needs(&download, &write)).await;
    let mut client = serving.connect(&[]).await.unwrap();
    let control = Control::open_at(&serving.place.state_dir()).await;
    let mut person = Person::new(DecidesAt::CommandLine(control), Habit::AllowsTheFolder);

    person.answers_while(work_on(&mut client, 0, &afternoon::NEEDS)).await;

    let asked = person.asked();
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert_eq!(fs::read_to_string(outside.join("report.txt")).unwrap(), "done\n");
    eventually("the end of both commands", || async {
        let listed = serving.cli_json(&["commands", "list"]).await;
        (listed["commands"] == json!([])).then_some(())
    })
    .await;
}
