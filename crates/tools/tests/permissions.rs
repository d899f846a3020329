//! Commands and files by what a person allowed before: real folders, real sandboxes, and those who try to get more.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Answer, Fixture, host_process_in, is_alive, until};
use futures_util::future::BoxFuture;
use serde_json::json;
use tidegate_agent::approval::{
    ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, UsedPermission,
};
use tidegate_agent::tool::{ToolContext, ToolOutput};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer};
use tidegate_trust::approval::{ApprovalQueue, ApprovalRequest, Operation, Question, Requester};
use tidegate_trust::authority::Entropy;
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::{Authority, Timestamp, TrustRecords};
use tokio_util::sync::CancellationToken;

/// What is done between an answer and what follows it.
type Then = Box<dyn Fn() + Send + Sync>;

/// Answers by what a person allowed before, and refuses the rest with why they would be asked.
#[derive(Clone)]
struct Permitting(Arc<Inner>);

struct Inner {
    authority: Mutex<Authority>,
    questions: Mutex<Vec<ApprovalQuestion>>,
    revoked: CancellationToken,
    then: Option<Then>,
}

impl Permitting {
    fn new(then: Option<Then>) -> Self {
        let authority = Mutex::new(Authority::new(TrustRecords::default()).0);
        let (questions, revoked) = (Mutex::default(), CancellationToken::new());
        Self(Arc::new(Inner { authority, questions, revoked, then }))
    }

    /// Nothing is allowed.
    fn nothing() -> Self {
        Self::new(None)
    }

    /// A person allows what a question offers.
    fn giving(question: &ApprovalQuestion, offer: &PermissionOffer, then: Option<Then>) -> Self {
        let permitting = Self::new(then);
        {
            let mut authority = permitting.0.authority.lock().expect("unpoisoned");
            let key = authority.take_desktop_key(Desktop::Running).expect("a desktop runs");
            let (request, now) = (request(question), now());
            let mut queue = ApprovalQueue::default();
            let (asked, half_an_hour) = (Question::default(), Duration::from_mins(30));
            let waits = queue.ask("1".to_owned(), request.clone(), Requester::Run, asked, half_an_hour, now);
            let digest = waits.expect("there is room").command.digest;
            let person = Decider::person_at_desktop(&key);
            let (clearance, _) = queue.clear_shown(&person, "1", &digest, now).expect("it waits");
            let entropy = Entropy { id: [1; 16], token: [1; 32] };
            let given = authority.give_permission(&clearance, &request, offer, &entropy, now);
            authority.apply(given.expect("it offers that"), now).value.expect("nothing overtook it");
        }
        permitting
    }

    fn answer(&self, question: &ApprovalQuestion) -> ApprovalAnswer {
        self.0.questions.lock().expect("unpoisoned").push(question.clone());
        let mut authority = self.0.authority.lock().expect("unpoisoned");
        match authority.permitted(&request(question), now()) {
            Err(why) => {
                ApprovalAnswer::Denied { reason: why.map_or("asked".to_owned(), |why| why.to_string()) }
            }
            Ok(_) => ApprovalAnswer::Permitted {
                digest: question.plan.digest(),
                permission: UsedPermission {
                    was_asked: false,
                    kind: PermissionName::Contained,
                    revoked: self.0.revoked.clone(),
                    held: Arc::new(()),
                },
            },
        }
    }

    fn first_question(&self) -> Option<ApprovalQuestion> {
        self.0.questions.lock().expect("unpoisoned").first().cloned()
    }
}

fn now() -> Timestamp {
    Timestamp { wall: UnixMillis(2), monotonic: Duration::ZERO }
}

impl ApprovalGate for Permitting {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        let answer = self.answer(&question);
        if let Some(then) = &self.0.then {
            then();
        }
        Box::pin(async move { answer })
    }
}

fn request(question: &ApprovalQuestion) -> ApprovalRequest {
    let operation = match &question.plan {
        ApprovalPlan::Exec(plan) => Operation::Exec {
            command: plan.command.clone(),
            command_argv: plan.arguments.clone(),
            cwd: plan.directory.display().to_string(),
            env: plan.environment.clone(),
            confinement: Some(plan.confinement.clone()),
        },
        ApprovalPlan::File(plan) => Operation::File {
            path: plan.path.display().to_string(),
            exists: plan.exists,
            trigger: plan.trigger,
            access: plan.access.clone(),
        },
    };
    ApprovalRequest {
        operation,
        session_key: question.session.to_string(),
        run_id: Some(question.run.to_string()),
        ancestors: Vec::new(),
        digest: question.plan.digest(),
        context: Some(question.context.clone()),
    }
}

/// The question about a command in a workspace.
async fn question_in(fixture: &Fixture, workspace: &Path) -> ApprovalQuestion {
    let asked = Permitting::nothing();
    run(fixture, fixture.context_in(workspace, asked.clone()), "true").await;
    asked.first_question().expect("it asks")
}

async fn run(fixture: &Fixture, context: ToolContext, command: &str) -> ToolOutput {
    fixture.call_in(context, "exec", json!({ "command": command })).await
}

/// A person allowed contained commands in the workspace.
async fn allowed(fixture: &Fixture) -> Permitting {
    let question = question_in(fixture, &fixture.workspace()).await;
    Permitting::giving(&question, &PermissionOffer::Contained, None)
}

fn asks(output: &ToolOutput, why: &str) {
    let is_asked = output.text == format!("exec did not run the command: it was not allowed: {why}");
    assert!(output.is_error && is_asked, "{}", output.text);
}

#[tokio::test]
async fn a_question_names_the_real_workspace_and_the_folders_above_it() {
    let fixture = Fixture::new();
    let folders = question_in(&fixture, &fixture.workspace()).await.context.folders;

    let paths: Vec<_> = folders.iter().map(|folder| folder.path.clone()).collect();
    let expected: Vec<_> = fixture.workspace().ancestors().map(Path::to_owned).collect();
    assert_eq!(paths, expected);
    assert_ne!(folders[0].identity, folders[1].identity);
}

#[tokio::test]
async fn a_plain_command_whose_program_is_not_found_is_known_as_one_for_no_rule() {
    let fixture = Fixture::new();
    let gate = Permitting::nothing();

    run(&fixture, fixture.context(gate.clone()), "no-such-program word").await;

    let context = gate.first_question().expect("it asked").context;
    assert_eq!(context.plain, None);
    let words = context.not_found.map(|command| command.segments()[0].words().to_vec());
    assert_eq!(words, Some(vec!["no-such-program".to_owned(), "word".to_owned()]));
}

#[tokio::test]
async fn commands_run_unasked_in_an_allowed_folder_and_below() {
    let fixture = Fixture::new();
    fixture.file("workspace/docs/file", "");
    let permitting = allowed(&fixture).await;

    let here = run(&fixture, fixture.context(permitting.clone()), "echo here").await;
    let below = fixture.context_in(&fixture.workspace().join("docs"), permitting.clone());
    let below = run(&fixture, below, "echo below").await;

    for (output, text) in [(&here, "here\n[exit code 0"), (&below, "below\n[exit code 0")] {
        assert!(output.text.starts_with(text), "{}", output.text);
    }
}

#[tokio::test]
async fn a_child_with_a_workspace_elsewhere_asks() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    fixture.file("workspace2/file", "");

    for workspace in ["outside", "workspace2"] {
        let context = fixture.context_in(&fixture.root.join(workspace), permitting.clone());
        asks(&run(&fixture, context, "touch marker").await, "asked");
        assert!(!fixture.root.join(workspace).join("marker").exists());
    }
}

#[tokio::test]
async fn a_hidden_need_asks_whatever_the_command_calls_itself() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    let arguments = json!({
        "command": "true # contained, no needs", "needs": ["network:evil.example"], "reason": "none",
    });

    let output = fixture.call_in(fixture.context(permitting), "exec", arguments).await;

    asks(&output, "asked");
}

/// Whatever it does with variables or splits over calls: it is in the same sandbox as one that was asked.
#[tokio::test]
async fn an_unasked_command_is_confined_as_any_other() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    let outside = fixture.root.join("outside");
    let first = format!(
        "printf '#!/bin/sh\\necho owned > {}/owned\\n' > sh; chmod +x sh; ln -s {0} out",
        outside.display()
    );

    run(&fixture, fixture.context(permitting.clone()), &first).await;
    let environment = json!({
        "command": "sh; ./sh; echo owned > out/owned; cat out/secret",
        "env": { "ENV": "./sh", "BASH_ENV": "./sh" },
    });
    let output = fixture.call_in(fixture.context(permitting), "exec", environment).await;

    assert!(!outside.join("owned").exists(), "{}", output.text);
    assert!(!output.text.contains(common::SECRET), "{}", output.text);
}

#[tokio::test]
async fn a_linked_workspace_is_the_folder_that_it_leads_to() {
    let fixture = Fixture::new();
    let link = fixture.root.join("link");
    symlink(fixture.workspace(), &link).expect("linked");
    let permitting = allowed(&fixture).await;
    let in_link = run(&fixture, fixture.context_in(&link, permitting.clone()), "echo here").await;

    fs::remove_file(&link).expect("removed");
    symlink(fixture.root.join("outside"), &link).expect("linked");
    let elsewhere = run(&fixture, fixture.context_in(&link, permitting), "cat secret").await;

    // Either it is refused, or it is the same folder.
    assert!(in_link.is_error || in_link.text.starts_with("here"), "{}", in_link.text);
    assert!(elsewhere.is_error && !elsewhere.text.contains(common::SECRET), "{}", elsewhere.text);
}

#[tokio::test]
async fn a_replaced_folder_asks_and_says_why() {
    let fixture = Fixture::new();
    let permitting = allowed(&fixture).await;
    fs::rename(fixture.workspace(), fixture.root.join("old")).expect("moved");
    fs::create_dir(fixture.workspace()).expect("made");

    let output = run(&fixture, fixture.context(permitting.clone()), "touch marker").await;

    assert!(output.is_error && output.text.contains("another folder now"), "{}", output.text);
    let moved = fixture.context_in(&fixture.root.join("old"), permitting);
    asks(&run(&fixture, moved, "touch marker").await, "asked");
}

#[tokio::test]
async fn a_folder_swapped_between_answer_and_start_runs_nothing() {
    let fixture = Fixture::new();
    fixture.file("other/file", "");
    let (workspace, other) = (fixture.workspace(), fixture.root.join("other"));
    let question = question_in(&fixture, &fixture.workspace()).await;
    let then = move || {
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        let here = rustix::fs::CWD;
        rustix::fs::renameat_with(here, &workspace, here, &other, exchange).expect("exchanged");
    };
    let gate = Permitting::giving(&question, &PermissionOffer::Contained, Some(Box::new(then)));

    let output = run(&fixture, fixture.context(gate), "touch marker").await;

    assert!(output.is_error && output.text.contains("the directory changed"), "{}", output.text);
    assert!(!fixture.workspace().join("marker").exists() && !fixture.root.join("other/marker").exists());
}

#[tokio::test]
async fn a_folder_above_that_is_swapped_after_the_answer_runs_nothing() {
    let fixture = Fixture::new();
    fixture.file("workspace/a/docs/file", "");
    fixture.file("workspace/b/file", "");
    let deep = fixture.workspace().join("a/docs");
    let above = question_in(&fixture, &fixture.workspace().join("a")).await;
    let workspace = fixture.workspace();
    let then = move || {
        // The workspace itself stays what it is, in a folder that nobody allowed.
        fs::rename(workspace.join("a/docs"), workspace.join("b/docs")).expect("moved");
        fs::rename(workspace.join("a"), workspace.join("c")).expect("moved");
        fs::rename(workspace.join("b"), workspace.join("a")).expect("moved");
    };
    let gate = Permitting::giving(&above, &PermissionOffer::Contained, Some(Box::new(then)));

    let output = run(&fixture, fixture.context_in(&deep, gate), "touch marker").await;

    assert!(output.is_error && output.text.contains("changed"), "{}", output.text);
    assert!(!deep.join("marker").exists());
}

#[tokio::test]
async fn a_revoked_permission_ends_its_command_and_the_result_says_so() {
    let fixture = Arc::new(Fixture::new());
    let permitting = allowed(&fixture).await;
    let (calling, gate) = (Arc::clone(&fixture), permitting.clone());
    let command = "echo started; echo $$ > first; sleep 600 & echo $! > second; wait";
    let call = tokio::spawn(async move { run(&calling, calling.context(gate), command).await });
    let processes = [
        host_process_in(&fixture.workspace(), "first").await,
        host_process_in(&fixture.workspace(), "second").await,
    ];

    permitting.0.revoked.cancel();

    let output = call.await.expect("it ended");
    assert!(output.is_error && output.text.starts_with("started\n"), "{}", output.text);
    let why = "ended, because the person revoked the permission by which it ran";
    assert!(output.text.contains(why), "{}", output.text);
    for process in processes {
        until("the process ended", || !is_alive(process)).await;
    }
}

#[tokio::test]
async fn a_permission_revoked_at_any_moment_of_the_start_ends_the_command() {
    let fixture = Arc::new(Fixture::new());
    for number in 0..8_u64 {
        let permitting = allowed(&fixture).await;
        let (calling, gate) = (Arc::clone(&fixture), permitting.clone());
        let call = tokio::spawn(async move { run(&calling, calling.context(gate), "sleep 600").await });
        until("it was permitted", || !permitting.0.questions.lock().expect("unpoisoned").is_empty()).await;
        // From before the sandbox is made until after it has started: what comes first is all the same.
        for _ in 0..number * 400 {
            tokio::task::yield_now().await;
        }

        permitting.0.revoked.cancel();

        let output = call.await.expect("it ended");
        assert!(output.is_error && output.text.contains("revoked"), "{number}: {}", output.text);
    }
}

#[tokio::test]
async fn what_asks_after_a_command_with_network_says_so() {
    let fixture = Fixture::new();
    let asked: Arc<Mutex<Vec<bool>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let gate = Answer(move |question: ApprovalQuestion| {
        let ApprovalPlan::Exec(plan) = &question.plan else { panic!("{question:?}") };
        seen.lock().expect("unpoisoned").push(plan.confinement.after_network);
        match plan.command.as_str() {
            "false" => ApprovalAnswer::Denied { reason: "no".to_owned() },
            _ => ApprovalAnswer::Allowed { digest: question.plan.digest() },
        }
    });
    let context = fixture.context(gate);
    for command in ["true", "false", "true", "true"] {
        let needs = if command == "false" || asked.lock().expect("unpoisoned").len() == 2 {
            vec!["network:a.example"]
        } else {
            vec![]
        };
        let arguments = json!({ "command": command, "needs": needs, "reason": "to look" });
        fixture.call_in(context.clone(), "exec", arguments).await;
    }

    assert_eq!(*asked.lock().expect("unpoisoned"), [false, false, false, true], "denied, it read nothing");
}

async fn read(fixture: &Fixture, path: &str, gate: &Permitting) -> ToolOutput {
    let path = fixture.root.join(path);
    fixture.call_in(fixture.context(gate.clone()), "read", json!({ "path": path })).await
}

#[tokio::test]
async fn files_are_read_unasked_below_their_folder_and_not_through_links() {
    let fixture = Fixture::new();
    fixture.file("outside/deep/note", "a note");
    fixture.file("private/key", "private text");
    symlink(fixture.root.join("private"), fixture.root.join("outside/link")).expect("linked");
    let asked = Permitting::nothing();
    read(&fixture, "outside/secret", &asked).await;
    let question = asked.first_question().expect("it asks");
    let permitting = Permitting::giving(&question, &PermissionOffer::ReadBelow, None);

    let below = read(&fixture, "outside/deep/note", &permitting).await;
    let through = read(&fixture, "outside/link/key", &permitting).await;
    let beside = read(&fixture, "private/key", &permitting).await;
    let path = fixture.root.join("outside/secret");
    let write = json!({ "path": path, "content": "changed" });
    let written = fixture.call_in(fixture.context(permitting), "write", write).await;

    assert!(!below.is_error && below.text.contains("a note"), "{}", below.text);
    for refused in [&through, &beside, &written] {
        assert!(refused.is_error && !refused.text.contains("private text"), "{}", refused.text);
    }
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(common::SECRET));
}

#[tokio::test]
async fn where_protected_files_lie_no_folder_is_offered_for_reading() {
    let fixture = Fixture::new();
    fixture.file("home/notes.txt", "a note");
    fixture.file("home/.ssh/id_ed25519", common::SECRET);
    fixture.file("home/papers/a", "a paper");
    let (home, keys, papers) = (Permitting::nothing(), Permitting::nothing(), Permitting::nothing());

    read(&fixture, "home/notes.txt", &home).await;
    read(&fixture, "home/.ssh/id_ed25519", &keys).await;
    read(&fixture, "home/papers/a", &papers).await;

    let folders = |asked: &Permitting| asked.first_question().map(|question| question.context.folders.len());
    assert_eq!(folders(&home), Some(0), "the home directory is never allowed as a whole");
    assert_eq!(folders(&keys), None, "nobody is even asked");
    assert!(folders(&papers).expect("it asks") > 0);
}
