//! Files outside the workspace: a person is asked, sees everything, and nothing else is done.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{AllowAll, Answer, Fixture, SECRET, Silence, Swapper};
use serde_json::{Value, json};
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, FilePlan};
use tidegate_agent::tool::ToolOutput;
use tidegate_trust::approval::FileAccess;

/// How often a swap is raced.
const RACES: usize = 400;

type Asked = Arc<Mutex<Vec<FilePlan>>>;

/// Notes the files that are asked for, does something in between, and answers.
fn noting(
    asked: &Asked,
    answer: impl Fn(&ApprovalQuestion) -> ApprovalAnswer + Send + Sync + 'static,
) -> impl ApprovalGate + 'static {
    let asked = Arc::clone(asked);
    Answer(move |question: ApprovalQuestion| {
        let ApprovalPlan::File(plan) = &question.plan else { panic!("{question:?}") };
        asked.lock().expect("unpoisoned").push(plan.clone());
        answer(&question)
    })
}

fn allowed(question: &ApprovalQuestion) -> ApprovalAnswer {
    ApprovalAnswer::Allowed { digest: question.plan.digest() }
}

fn denied() -> ApprovalAnswer {
    ApprovalAnswer::Denied { reason: "not today".to_owned() }
}

/// What a call answers, and what was asked for it, when the person allows everything.
async fn allowing(fixture: &Fixture, tool: &str, arguments: Value) -> (ToolOutput, Vec<FilePlan>) {
    let asked = Asked::default();
    let output = fixture.call_in(fixture.context(noting(&asked, allowed)), tool, arguments).await;
    let asked = asked.lock().expect("unpoisoned").clone();
    (output, asked)
}

fn plan(path: PathBuf, exists: bool, access: FileAccess) -> FilePlan {
    FilePlan { path, exists, trigger: false, access }
}

#[tokio::test]
async fn a_file_outside_is_read_when_a_person_allows_it_and_each_time_again() {
    let fixture = Fixture::new();
    let secret = fixture.root.join("outside/secret");
    symlink("../outside", fixture.workspace().join("link")).expect("linked");
    let shown = [plan(secret.clone(), true, FileAccess::Read)];

    for path in ["../outside/secret", "link/secret", &secret.display().to_string()] {
        let (output, asked) = allowing(&fixture, "read", json!({"path": path})).await;
        assert_eq!((output.text.as_str(), output.is_error), (SECRET, false), "{path}");
        assert_eq!(asked, shown, "{path}: shown without its links");
    }
}

#[tokio::test]
async fn what_would_be_written_outside_is_shown_whole_and_then_written() {
    let fixture = Fixture::new();
    let content = "line one  \n\u{202e}line two\n\n".to_owned();
    let (new, old) = (fixture.root.join("outside/new"), fixture.root.join("outside/secret"));
    let write = |path: &Path| json!({"path": path, "content": content});
    let access = FileAccess::Write { content: content.clone() };

    let (made, asked_new) = allowing(&fixture, "write", write(&new)).await;
    let (replaced, asked_old) = allowing(&fixture, "write", write(&old)).await;

    assert!(!made.is_error && !replaced.is_error, "{} {}", made.text, replaced.text);
    assert_eq!(asked_new, [plan(new, false, access.clone())]);
    assert_eq!(asked_old, [plan(old, true, access)]);
    assert_eq!(fixture.text("outside/new"), Some(content.clone()));
    assert_eq!(fixture.text("outside/secret"), Some(content));
}

#[tokio::test]
async fn an_edit_outside_is_shown_with_both_texts_and_must_match_once() {
    let fixture = Fixture::new();
    let path = fixture.file("outside/notes", "one two one");
    let edit = |old: &str| json!({"path": path, "oldText": old, "newText": "2"});
    let access = |old: &str| FileAccess::Edit { old_text: old.to_owned(), new_text: "2".to_owned() };

    let (many, asked_many) = allowing(&fixture, "edit", edit("one")).await;
    let (once, asked_once) = allowing(&fixture, "edit", edit("two")).await;

    assert!(many.is_error && many.text.contains("occurs 2 times"), "{}", many.text);
    assert!(!once.is_error, "{}", once.text);
    assert_eq!(asked_many, [plan(path.clone(), true, access("one"))]);
    assert_eq!(asked_once, [plan(path, true, access("two"))]);
    assert_eq!(fixture.text("outside/notes").as_deref(), Some("one 2 one"));
}

#[tokio::test]
async fn what_a_person_refuses_is_neither_done_nor_told() {
    let fixture = Fixture::new();
    let calls = [
        ("read", json!({"path": "../outside/secret"})),
        ("read", json!({"path": "../outside/absent"})),
        ("read", json!({"path": "../absent/absent"})),
        ("write", json!({"path": "../outside/new", "content": "x"})),
        ("write", json!({"path": "../outside/secret", "content": "x"})),
        ("edit", json!({"path": "../outside/secret", "oldText": "secret", "newText": "x"})),
        ("edit", json!({"path": "../outside/secret", "oldText": "no such text", "newText": "x"})),
    ];

    for (tool, arguments) in calls {
        let asked = Asked::default();
        let context = fixture.context(noting(&asked, |_| denied()));
        let output = fixture.call_in(context, tool, arguments.clone()).await;

        let path = arguments["path"].as_str().expect("a path");
        let expected = format!(
            "{tool} failed: {path} is outside the workspace, so a person was asked: it was not allowed: not today"
        );
        assert_eq!((output.text, output.is_error), (expected, true), "whether it is there is not told");
        assert_eq!(asked.lock().expect("unpoisoned").len(), 1, "{arguments}");
    }
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET));
    assert_eq!(std::fs::read_dir(fixture.root.join("outside")).expect("listed").count(), 1);
}

#[tokio::test]
async fn an_answer_for_something_else_does_nothing() {
    let fixture = Fixture::new();
    let other = |question: &ApprovalQuestion| {
        let ApprovalPlan::File(plan) = &question.plan else { panic!("{question:?}") };
        let other = FilePlan { access: FileAccess::Read, ..plan.clone() };
        ApprovalAnswer::Allowed { digest: other.digest() }
    };
    let context = fixture.context(noting(&Asked::default(), other));

    let output =
        fixture.call_in(context, "write", json!({"path": "../outside/secret", "content": "x"})).await;

    assert!(output.is_error && output.text.contains("for something else"), "{}", output.text);
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET));
}

#[tokio::test]
async fn what_changed_after_it_was_shown_is_not_touched() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("another file", |place| {
            std::fs::write(place.with_extension("other"), "other").expect("written");
            std::fs::rename(place.with_extension("other"), place).expect("renamed");
        }),
        ("a link", |place| {
            std::fs::remove_file(place).expect("removed");
            symlink("../other/secret", place).expect("linked");
        }),
        ("a hard link", |place| {
            std::fs::remove_file(place).expect("removed");
            std::fs::hard_link(place.with_file_name("secret"), place).expect("linked");
        }),
        ("nothing", |place| std::fs::remove_file(place).expect("removed")),
        ("another directory", |place| {
            let above = place.parent().expect("a directory");
            std::fs::rename(above, above.with_extension("moved")).expect("renamed");
            std::fs::create_dir(above).expect("made");
            std::fs::hard_link(above.with_extension("moved").join("place"), place).expect("linked");
        }),
    ];
    for (what, change) in changes {
        for (tool, more) in [
            ("read", json!({})),
            ("write", json!({"content": "x"})),
            ("edit", json!({"oldText": "inside", "newText": "x"})),
        ] {
            let fixture = Fixture::new();
            let place = fixture.file("outside/place", "inside");
            fixture.file("other/secret", SECRET);
            let mut arguments = json!({"path": place});
            arguments.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("one"));
            let gate = noting(&Asked::default(), move |question| {
                change(&place);
                allowed(question)
            });

            let output = fixture.call_in(fixture.context(gate), tool, arguments).await;

            assert!(
                output.is_error && output.text.contains("changed after it was shown"),
                "{what}: {}",
                output.text
            );
            assert_eq!(fixture.text("other/secret").as_deref(), Some(SECRET), "{what}");
            assert_eq!(
                fixture.text("outside/secret").or(fixture.text("outside.moved/secret")).as_deref(),
                Some(SECRET)
            );
        }
    }
}

#[tokio::test]
async fn keys_and_our_own_files_are_refused_without_a_question() {
    let fixture = Fixture::new();
    fixture.file("home/.ssh/id_ed25519", SECRET);
    symlink(fixture.root.join("home/.ssh"), fixture.workspace().join("keys")).expect("linked");
    symlink(fixture.root.join("state"), fixture.root.join("outside/state")).expect("linked");
    let paths = [
        "../home/.ssh/id_ed25519",
        "../home/.ssh/new",
        "../home/.bashrc",
        "../home/.config/autostart/new.desktop",
        "../absent/../home/.config/autostart/new.desktop",
        "keys/id_ed25519",
        "../state/store.sqlite",
        "../state/absent/absent",
        "../outside/state/store.sqlite",
        "../config.json",
        "/proc/self/environ",
        "/proc/self/maps",
        "/sys/kernel/uevent_helper",
        "/dev/null",
        "/dev/absent/absent",
    ];

    for path in paths {
        for (tool, arguments) in [
            ("read", json!({"path": path})),
            ("write", json!({"path": path, "content": "x"})),
            ("edit", json!({"path": path, "oldText": "secret", "newText": "x"})),
        ] {
            let (output, asked) = allowing(&fixture, tool, arguments).await;
            assert!(output.is_error && output.text.contains("is refused"), "{path}: {}", output.text);
            assert!(asked.is_empty(), "{path}: {asked:?}");
        }
    }
    assert_eq!(fixture.text("home/.ssh/id_ed25519").as_deref(), Some(SECRET));
    assert_eq!(fixture.text("state/store.sqlite").as_deref(), Some(SECRET));
    assert_eq!(fixture.text("config.json").as_deref(), Some(SECRET));
    assert!(fixture.text("home/.bashrc").is_none());
}

#[tokio::test]
async fn a_hard_link_to_a_protected_file_is_refused_though_a_person_allows_it() {
    let fixture = Fixture::new();
    fixture.file("home/.ssh/id_ed25519", SECRET);
    let name = fixture.root.join("outside/innocent");
    std::fs::hard_link(fixture.root.join("home/.ssh/id_ed25519"), &name).expect("linked");

    for (tool, arguments) in
        [("read", json!({"path": name})), ("write", json!({"path": name, "content": "x"}))]
    {
        let output = fixture.call_in(fixture.context(AllowAll), tool, arguments).await;
        assert!(output.is_error && output.text.contains("is refused"), "{}", output.text);
    }
    assert_eq!(fixture.text("home/.ssh/id_ed25519").as_deref(), Some(SECRET));
}

#[tokio::test]
async fn what_nobody_could_read_whole_is_refused_without_a_question() {
    let fixture = Fixture::new();
    let long = "x".repeat(32 * 1024 + 1);
    let half = "x".repeat(16 * 1024 + 1);
    for (tool, arguments) in [
        ("write", json!({"path": "../outside/new", "content": long})),
        ("edit", json!({"path": "../outside/secret", "oldText": half, "newText": half.to_uppercase()})),
    ] {
        let (output, asked) = allowing(&fixture, tool, arguments).await;
        assert!(output.is_error && output.text.contains("at most 32768 are allowed"), "{}", output.text);
        assert!(asked.is_empty());
    }
}

#[tokio::test]
async fn what_does_not_exist_outside_is_reported_once_a_person_allowed_it() {
    let fixture = Fixture::new();
    let absent = fixture.root.join("outside/absent");
    let deep = fixture.root.join("absent/absent");

    let (file, asked_file) = allowing(&fixture, "read", json!({"path": absent})).await;
    let (directory, asked_directory) =
        allowing(&fixture, "write", json!({"path": deep, "content": "x"})).await;

    assert!(file.is_error && file.text.contains("does not exist"), "{}", file.text);
    assert!(directory.is_error && directory.text.contains("the directory of"), "{}", directory.text);
    assert_eq!(asked_file, [plan(absent, false, FileAccess::Read)]);
    assert_eq!(asked_directory, [plan(deep, false, FileAccess::Write { content: "x".to_owned() })]);
    assert!(!fixture.root.join("absent").exists(), "no directory is made outside");
}

#[tokio::test]
async fn a_way_through_outside_into_the_workspace_is_named_and_asks_nobody() {
    let fixture = Fixture::new();
    fixture.file("workspace/file", "inside");
    symlink(fixture.workspace(), fixture.root.join("outside/back")).expect("linked");

    for path in ["../workspace/file", "../outside/back/file"] {
        let (output, asked) = allowing(&fixture, "read", json!({"path": path})).await;
        assert!(output.is_error && output.text.contains("relative to the workspace"), "{}", output.text);
        assert!(asked.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn no_decision_about_a_file_within_half_an_hour_is_a_refusal() {
    let fixture = Fixture::new();
    let before = tokio::time::Instant::now();
    let output =
        fixture.call_in(fixture.context(Silence), "read", json!({"path": "../outside/secret"})).await;
    assert!(output.is_error && output.text.contains("nobody decided within 30 minutes"), "{}", output.text);
    assert!(before.elapsed() >= Duration::from_mins(30));
}

#[tokio::test]
async fn a_run_that_is_cancelled_is_not_asked_about_any_longer() {
    let fixture = Fixture::new();
    let context = fixture.context(Silence);
    context.cancelled.cancel();
    let output = fixture.call_in(context, "read", json!({"path": "../outside/secret"})).await;
    assert!(output.is_error && output.text.contains("was cancelled"), "{}", output.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_swapped_for_a_link_all_the_time_is_read_only_as_it_was_shown() {
    let fixture = Fixture::new();
    let place = fixture.file("outside/place", "inside");
    let link = fixture.root.join("outside/link");
    symlink("secret", &link).expect("linked");
    let swapper = Swapper::start(place.clone(), link);
    let mut read = 0;
    for _ in 0..RACES {
        let place = place.clone();
        let only_this = move |question: &ApprovalQuestion| match &question.plan {
            ApprovalPlan::File(plan) if plan.path == place => allowed(question),
            _ => denied(),
        };
        let gate = noting(&Asked::default(), only_this);
        let output =
            fixture.call_in(fixture.context(gate), "read", json!({"path": "../outside/place"})).await;
        assert!(!output.text.contains(SECRET), "the secret was read");
        read += usize::from(output.text == "inside");
    }
    swapper.stop();
    assert!(read > 0, "no read met the file");
}
