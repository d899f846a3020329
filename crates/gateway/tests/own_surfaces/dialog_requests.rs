//! Dialog requests, and what becomes of a decision that only the dialog takes.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::DialogRequest;
use tidegate_protocol::Method;
use tidegate_protocol::method::Power;
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_trust::Level;

use crate::session_workspaces::{asks_for_site, has_site};
use crate::support::{World, set_aside_file, shared_folder};

const READ: &[&str] = &["operator.read"];

#[tokio::test]
async fn windows_request_dialogs_with_clean_and_bounded_text() {
    let world = World::with_desktop().await;
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    assert!(world.desktop().dialog_requests().is_none(), "one listens");
    let mut window = world.window().await;

    let nothing = window.call("tidegate.dialog.open", json!({ "kind": "review" })).await.unwrap_err();
    let request = world.request_pairing(&world.device(1, READ)).await;
    let unknown =
        window.call("tidegate.dialog.open", json!({ "kind": "review", "id": "00000000" })).await.unwrap_err();
    let opened = json!({ "opened": true });
    assert_eq!(window.call("tidegate.dialog.open", json!({ "kind": "review" })).await.unwrap(), opened);
    let by_code = json!({ "kind": "review", "id": &request.id[..8] });
    assert_eq!(window.call("tidegate.dialog.open", by_code).await.unwrap(), opened);
    let token = json!({ "kind": "newToken", "name": "a\nb", "level": "write", "pairing": true });
    assert_eq!(window.call("tidegate.dialog.open", token).await.unwrap(), opened);
    let key = json!({ "kind": "modelKey", "id": "openai", "baseUrl": "https://x" });
    assert_eq!(window.call("tidegate.dialog.open", key).await.unwrap(), opened);

    assert_eq!(nothing["message"], "nothing waits");
    assert!(unknown["message"].as_str().unwrap().starts_with("nothing waits under this id"), "{unknown}");
    for expected in [
        DialogRequest::Review(None),
        DialogRequest::Review(Some(request.id.clone())),
        DialogRequest::NewToken { name: "a\\u{a}b".to_owned(), level: Level::Write, pairing: true },
        DialogRequest::ModelKey { id: "openai".to_owned(), base_url: "https://x".to_owned() },
    ] {
        assert_eq!(dialog_requests.try_recv().unwrap(), expected);
    }
    assert!(dialog_requests.try_recv().is_err());
}

#[tokio::test]
async fn a_page_that_requests_without_end_is_reported_that_the_dialog_is_busy() {
    let world = World::with_desktop().await;
    let _listener = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;

    let mut refused = Vec::new();
    for _ in 0..100 {
        refused.extend(window.call("tidegate.dialog.open", json!({ "kind": "newToken" })).await.err());
    }

    assert_eq!(refused.len(), 84);
    assert!(refused.iter().all(|error| error["message"].as_str().unwrap().contains("busy")), "{refused:?}");
}

fn is_the_dialogs(error: &Value) {
    assert_eq!(error["code"], "FORBIDDEN", "{error}");
    assert_eq!(error["message"], "Tidegate's dialog was opened; decide there");
    assert_eq!(error["details"], json!({ "reason": "DESKTOP_DECIDES", "opened": true }));
}

fn ollama(model: &str) -> DialogRequest {
    DialogRequest::TakeServer(FoundServer {
        model: model.to_owned(),
        owner: "/usr/bin/ollama\\u{a} (process 12, user 998)".to_owned(),
        user: "a system account".to_owned(),
        address: "127.0.0.1:11434".to_owned(),
    })
}

#[tokio::test]
async fn a_window_that_takes_a_model_server_into_use_opens_the_dialog() {
    let world = World::with_desktop().await;
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;

    let refused = window.call("tidegate.models.take", json!({ "model": "ollama/q" })).await.unwrap_err();

    is_the_dialogs(&refused);
    assert_eq!(dialog_requests.try_recv().unwrap(), ollama("ollama/q"));
    assert!(!world.host.called.lock().unwrap().contains(&Method::TidegateModelsTake));
    world.desktop().take_server("ollama/q", "ollama").await.unwrap();
    assert!(world.host.called.lock().unwrap().contains(&Method::TidegateModelsTake), "the dialog may");
}

#[tokio::test]
async fn beside_a_desktop_what_the_command_line_may_not_decide_opens_the_dialog() {
    let world = World::with_desktop().await;
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut approver = world.let_in(1, &["operator.approvals"]).await;
    let command = world.ask_command(&mut approver, Duration::from_secs(60)).await;
    let mut command_line = world.command_line().await;
    assert_eq!(command_line.welcome["payload"]["desktop"], true);
    has_site(&world);
    let blocked = world.request_pairing(&world.device(3, READ)).await;
    let block = json!({ "requestId": blocked.id, "verdict": "block" });
    command_line.call("tidegate.devices.decide", block).await.unwrap();
    let list = command_line.call("device.pair.list", json!({})).await.unwrap();
    let block = list["blocked"][0]["id"].as_str().unwrap().to_owned();
    let request = world.request_pairing(&world.device(2, READ)).await.id;

    // The values of the configuration have a test of their own.
    let mut untried: Vec<&str> = Method::ALL
        .iter()
        .filter(|method| method.power() == Power::Widen && **method != Method::TidegateConfigConfirm)
        .map(|method| method.name())
        .collect();
    let review = || DialogRequest::Review(Some(request.clone()));
    for (method, params, request) in [
        ("device.pair.approve", json!({ "requestId": request }), review()),
        ("tidegate.devices.decide", json!({ "requestId": request, "verdict": "approve" }), review()),
        (
            "tidegate.devices.decide",
            json!({ "requestId": &request[..8], "verdict": "approve", "level": "read", "duration": "once" }),
            review(),
        ),
        (
            "exec.approval.resolve",
            json!({ "id": command, "decision": "allow-once" }),
            DialogRequest::Review(Some(command.clone())),
        ),
        (
            "tidegate.approvals.decide",
            json!({ "id": command, "verdict": { "decision": "permit", "offer": { "kind": "contained" } } }),
            DialogRequest::Review(Some(command.clone())),
        ),
        ("tidegate.permissions.use", json!({}), DialogRequest::UsePermissions),
        (
            "tidegate.token.new",
            json!({ "name": "ci", "level": "full" }),
            DialogRequest::NewToken { name: "ci".to_owned(), level: Level::Full, pairing: false },
        ),
        (
            "tidegate.devices.unblock",
            json!({ "id": block }),
            DialogRequest::Unblock { id: block.clone(), name: "Anna's phone".to_owned() },
        ),
        (
            "tidegate.files.keep",
            json!({ "id": "f-1", "digest": "abcd" }),
            DialogRequest::KeepFile(Box::new(set_aside_file("f-1"))),
        ),
        (
            "tidegate.files.unshare",
            json!({ "folder": "/home/ada/work", "apply": true }),
            DialogRequest::Unshare(shared_folder("/home/ada/work")),
        ),
        ("tidegate.permissions.use", json!({}), DialogRequest::UsePermissions),
        ("tidegate.models.take", json!({ "model": "ollama/\nq" }), ollama("ollama/\\u{a}q")),
        (
            "tidegate.sessions.workspace",
            json!({ "key": "notes", "folder": "/home/ada/site", "digest": "any" }),
            asks_for_site(&world, "notes"),
        ),
    ] {
        is_the_dialogs(&command_line.call(method, params).await.unwrap_err());
        assert_eq!(dialog_requests.try_recv().unwrap(), request, "{method}");
        untried.retain(|name| *name != method);
    }
    assert!(untried.is_empty(), "the dialog of each has to be tried: {untried:?}");
    assert_eq!(world.desktop().requests().len(), 1);
    assert_eq!(world.desktop().commands().len(), 1);

    let deny = json!({ "id": command, "decision": "deny" });
    command_line.call("exec.approval.resolve", deny).await.unwrap();
    let reject = json!({ "requestId": request, "verdict": "reject" });
    command_line.call("tidegate.devices.decide", reject).await.unwrap();
    assert!(world.desktop().requests().is_empty() && world.desktop().commands().is_empty());
    assert!(dialog_requests.try_recv().is_err(), "refusing needs no dialog");
}

#[tokio::test]
async fn a_window_that_keeps_a_file_opens_the_dialog_and_it_may_discard_one() {
    let world = World::with_desktop().await;
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;

    let refused = window.call("tidegate.files.keep", json!({ "id": "f-1" })).await.unwrap_err();
    let folder = window.call("tidegate.files.keep", json!({ "id": "folder" })).await.unwrap_err();
    window.call("tidegate.files.discard", json!({ "id": "f-2" })).await.unwrap();

    is_the_dialogs(&refused);
    assert_eq!(folder["message"], "only files and links can be kept");
    assert_eq!(dialog_requests.try_recv().unwrap(), DialogRequest::KeepFile(Box::new(set_aside_file("f-1"))));
    assert!(dialog_requests.try_recv().is_err());
    let called = || world.host.called.lock().unwrap().clone();
    assert!(
        !called().contains(&Method::TidegateFilesKeep) && called().contains(&Method::TidegateFilesDiscard)
    );
    world.desktop().keep_file("f-1", "abcd").await.unwrap();
    assert!(called().contains(&Method::TidegateFilesKeep), "the dialog may");
}

#[tokio::test]
async fn files_are_unshared_by_the_dialog_alone_and_audited() {
    let world = World::with_desktop().await;
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;
    let called = || world.host.called.lock().unwrap().clone();

    let asked =
        window.call("tidegate.files.unshare", json!({ "folder": "/home/ada/work", "apply": true })).await;
    let nothing = window.call("tidegate.files.unshare", json!({ "folder": "/home/ada/own" })).await;

    is_the_dialogs(&asked.unwrap_err());
    assert!(nothing.unwrap_err()["message"].as_str().unwrap().contains("no file in that folder is shared"));
    assert_eq!(dialog_requests.try_recv().unwrap(), DialogRequest::Unshare(shared_folder("/home/ada/work")));
    assert!(dialog_requests.try_recv().is_err() && !called().contains(&Method::TidegateFilesUnshare));
    let unshared = world.desktop().unshare("/home/ada/work").await.unwrap();
    assert!(unshared.unshared && called().contains(&Method::TidegateFilesUnshare));
    let audit = world.command_line().await.call("tidegate.audit", json!({})).await.unwrap().to_string();
    let line = "files.unshared folder=/home/ada/work files=1204 bytes=5000 left=0 by=tidegate-desktop";
    assert!(audit.contains(line), "{audit}");
}
