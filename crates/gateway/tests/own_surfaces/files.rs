//! A run wants to use a file outside its workspace: what clients see, who decides, what is written down.

use std::path::PathBuf;

use serde_json::json;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalPlan, FilePlan};
use tidegate_gateway::desktop_authority::ClientDecisions;
use tidegate_trust::approval::{FileAccess, Operation};

use crate::support::{ALLOW_ONCE, DENY, World};

fn plan() -> ApprovalPlan {
    let access = FileAccess::Edit { old_text: "old\n".to_owned(), new_text: "new".to_owned() };
    ApprovalPlan::File(FilePlan {
        path: PathBuf::from("/home/someone/notes"),
        exists: true,
        trigger: false,
        access,
    })
}

/// The line of the newest entry of this kind in the audit log.
async fn audit_line(world: &World, kind: &str) -> String {
    let mut command_line = world.command_line().await;
    let audit = command_line.call("tidegate.audit", json!({})).await.unwrap();
    let events = audit["events"].as_array().unwrap();
    let event = events.iter().find(|event| event["kind"] == kind);
    event.unwrap_or_else(|| panic!("no {kind} in {audit}"))["line"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn clients_see_the_whole_of_it_as_a_command_and_by_its_parts() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals", "operator.read"]).await;
    let _asked = world.ask_for_a_run_about(plan()).await;

    let requested = client.event("exec.approval.requested").await.unwrap();
    let list = client.request("exec.approval.list", json!({})).await.unwrap();

    let request = &requested["request"];
    assert_eq!(request["command"], "edit /home/someone/notes\nold\n\nnew");
    assert_eq!(request["commandArgv"], json!(["edit", "/home/someone/notes", "old\n", "new"]));
    assert_eq!(request["cwd"], "/home/someone");
    let file = json!({
        "action": "edit", "path": "/home/someone/notes", "exists": true, "trigger": false,
        "oldText": "old\n", "newText": "new",
    });
    assert_eq!(request["file"], file);
    assert_eq!(list[0]["request"], *request);
}

#[tokio::test]
async fn a_person_allows_exactly_what_was_drawn_and_the_audit_log_says_so() {
    let world = World::with_desktop().await;
    let asked = world.ask_for_a_run_about(plan()).await;
    let drawn = world.desktop().commands().pop().unwrap();
    assert!(
        matches!(&drawn.command.operation, Operation::File { path, .. } if path == "/home/someone/notes")
    );

    let changed = world.desktop().decide_approval(&drawn.id, "another digest", &ALLOW_ONCE).await;
    world.desktop().decide_approval(&drawn.id, &plan().digest(), &ALLOW_ONCE).await.unwrap();

    assert!(changed.is_err());
    assert_eq!(asked.await.unwrap(), ApprovalAnswer::Allowed { digest: plan().digest() });
    let line = audit_line(&world, "file.allowed").await;
    assert!(line.contains("file=edit /home/someone/notes"), "{line}");
    assert!(!line.contains("old"), "what is in the file is not written down: {line}");
}

#[tokio::test]
async fn a_refusal_and_too_much_that_waits_are_sentences_for_the_model() {
    let world = World::with_desktop().await;
    let asked = world.ask_for_a_run_about(plan()).await;
    let drawn = world.desktop().commands().pop().unwrap();

    world.desktop().decide_approval(&drawn.id, &drawn.command.digest, &DENY).await.unwrap();

    assert_eq!(asked.await.unwrap(), ApprovalAnswer::Denied { reason: "a person refused it".to_owned() });
    audit_line(&world, "file.denied").await;
}

#[tokio::test]
async fn of_a_command_the_audit_log_has_the_program_and_the_digest_alone() {
    let world = World::with_desktop().await;
    let asked = world.ask_for_a_run().await;
    let drawn = world.desktop().commands().pop().unwrap();

    world.desktop().decide_approval(&drawn.id, &drawn.command.digest, &DENY).await.unwrap();

    assert!(matches!(asked.await.unwrap(), ApprovalAnswer::Denied { .. }));
    let line = audit_line(&world, "command.denied").await;
    assert!(line.ends_with("command=rm") && line.contains(&drawn.command.digest), "{line}");
}

#[tokio::test]
async fn only_a_clients_decision_for_an_agent_is_counted() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals", "operator.read"]).await;
    let mut asking = world.let_in(2, &["operator.approvals"]).await;
    let mut decisions = world.desktop().client_decisions();
    decisions.mark_unchanged();

    // The person and the person's surfaces, and a client about what another client asked.
    let by_person = world.ask_for_a_run_about(plan()).await;
    let drawn = world.desktop().commands().pop().unwrap();
    world.desktop().decide_approval(&drawn.id, &drawn.command.digest, &ALLOW_ONCE).await.unwrap();
    by_person.await.unwrap();
    let by_window = world.ask_for_a_run_about(plan()).await;
    let deny = json!({ "id": world.desktop().commands()[0].id, "decision": "deny" });
    world.window().await.call("exec.approval.resolve", deny).await.unwrap();
    by_window.await.unwrap();
    let id = world.ask_command(&mut asking, std::time::Duration::from_secs(60)).await;
    client.request("exec.approval.resolve", json!({ "id": id, "decision": "allow-once" })).await.unwrap();
    assert!(!decisions.has_changed().unwrap(), "{:?}", *decisions.borrow());

    for decision in ["allow-once", "deny"] {
        let asked = world.ask_for_a_run_about(plan()).await;
        let id = world.desktop().commands()[0].id.clone();
        client.request("exec.approval.resolve", json!({ "id": id, "decision": decision })).await.unwrap();
        client.request("exec.approval.resolve", json!({ "id": id, "decision": decision })).await.unwrap_err();
        asked.await.unwrap();
    }

    let expected = ClientDecisions { approved: 1, denied: 1, ..ClientDecisions::default() };
    assert_eq!(*decisions.borrow_and_update(), expected);
}

#[tokio::test]
async fn a_programs_press_is_recorded_as_allowed_or_refused() {
    let world = World::with_desktop().await;

    world.desktop().audit_synthetic_press("command-1\n\u{202e}", "xtest", false);
    world.desktop().audit_synthetic_press("command-1", "accessibility", true);

    let refused = audit_line(&world, "dialog.press-refused").await;
    assert!(refused.ends_with(" by=xtest") && !refused.contains('\n'), "{refused}");
    let allowed = audit_line(&world, "dialog.pressed-by-program").await;
    assert_eq!(allowed, "dialog.pressed-by-program about=command-1 by=accessibility");
}
