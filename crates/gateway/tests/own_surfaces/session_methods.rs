//! What chat clients ask beside turns: making and finding sessions, starting a chat, receipts.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_testkit::client::{ClientError, GatewayClient};

use crate::support::{NEVER_ANSWERED, World};

async fn ask(client: &mut GatewayClient, method: &str, params: Value) -> Value {
    client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

#[track_caller]
fn sentence(answer: Result<Value, ClientError>) -> String {
    match answer {
        Err(ClientError::Answer(error)) => error["message"].as_str().unwrap().to_owned(),
        other => panic!("not refused but {other:?}"),
    }
}

async fn turn(client: &mut GatewayClient, key: &str, run: &str) {
    let params = json!({ "sessionKey": key, "message": format!("from {run}"), "idempotencyKey": run });
    ask(client, "chat.send", params).await;
    ask(client, "agent.wait", json!({ "runId": run, "timeoutMs": 20_000 })).await;
}

#[tokio::test]
async fn a_session_is_made_with_its_first_turn() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;

    let made = ask(
        &mut client,
        "sessions.create",
        json!({ "label": "Plans", "message": "hello", "thinkingLevel": "low", "emitCommandHooks": false }),
    )
    .await;

    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("agent:main:dashboard:"), "{key}");
    assert_eq!((&made["ok"], &made["runStarted"]), (&json!(true), &json!(true)));
    assert_eq!((&made["entry"]["label"], &made["entry"]["thinkingLevel"]), (&json!("Plans"), &json!("low")));
    let wait = json!({ "runId": made["runId"], "timeoutMs": 20_000 });
    assert_eq!(ask(&mut client, "agent.wait", wait).await["status"], "ok");
    let history = ask(&mut client, "chat.history", json!({ "sessionKey": key })).await;
    assert_eq!((&history["sessionId"], &history["totalMessages"]), (&made["sessionId"], &json!(2)));
}

#[tokio::test]
async fn a_session_that_exists_is_kept_as_it_is() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    let first = ask(&mut client, "sessions.create", json!({ "key": "tui-1" })).await;
    assert_eq!((&first["key"], &first["runStarted"]), (&json!("agent:main:tui-1"), &json!(false)));

    let again =
        ask(&mut client, "sessions.create", json!({ "key": "tui-1", "parentSessionKey": "tui-1" })).await;

    assert_eq!(again["sessionId"], first["sessionId"]);
    let renaming = json!({ "key": "tui-1", "label": "Mine", "thinkingLevel": "high" });
    let renamed = ask(&mut client, "sessions.create", renaming).await;
    assert_eq!(renamed["entry"], first["entry"], "changing a session needs operator.admin");
}

#[tokio::test]
async fn a_repeated_idempotency_key_gives_the_same_session_and_turn() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    let mut other = world.let_in(2, &["operator.write"]).await;
    let params = json!({ "idempotencyKey": "once", "message": "hello", "category": "Work" });
    let made = ask(&mut client, "sessions.create", params.clone()).await;
    let wait = json!({ "runId": made["runId"], "timeoutMs": 20_000 });
    assert_eq!(ask(&mut client, "agent.wait", wait).await["status"], "ok");

    let again = ask(&mut client, "sessions.create", params.clone()).await;
    let of_another_client = ask(&mut other, "sessions.create", params).await;

    for name in ["key", "sessionId", "runId", "runStarted"] {
        assert_eq!(again[name], made[name], "{name}");
    }
    assert_eq!(again["entry"]["category"], "Work");
    let history = ask(&mut client, "chat.history", json!({ "sessionKey": made["key"] })).await;
    assert_eq!(history["totalMessages"], 2, "one message and one answer");
    assert_ne!(of_another_client["key"], made["key"]);
    assert_ne!(of_another_client["runId"], made["runId"]);
}

#[tokio::test]
async fn what_would_widen_a_new_session_is_refused_by_name() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    for (params, place) in [
        (json!({ "cwd": "/etc" }), "at /cwd:"),
        (json!({ "execNode": "n" }), "at /execNode:"),
        (json!({ "permissionMode": "full" }), "at /permissionMode:"),
        (json!({ "toolOverrides": { "mcpServers": {} } }), "at /toolOverrides:"),
        (json!({ "spawnDepth": 1 }), "at /spawnDepth:"),
        (json!({ "worktree": true }), "at /worktree:"),
        (json!({ "incognito": true }), "at /incognito:"),
        (json!({ "label": "x".repeat(513) }), "at /label: is too long"),
        (json!({ "thinkingLevel": "x".repeat(257) }), "at /thinkingLevel: is too long"),
        (json!({ "fastMode": 1 }), "at /fastMode: must be true, false or \"auto\""),
        (json!({ "model": "test/other" }), "not authorized"),
        (json!({ "agentId": "other" }), "unknown agent id"),
        (json!({ "key": "agent:other:x" }), "unknown agent id"),
        (json!({ "parentSessionKey": "nobody" }), "session not found"),
        (json!({ "wild": 1 }), "unexpected property 'wild'"),
    ] {
        let refused = sentence(client.request("sessions.create", params.clone()).await);
        assert!(refused.contains(place), "{params}: {refused}");
    }
    assert_eq!(ask(&mut client, "sessions.list", json!({})).await["count"], 0);
}

#[tokio::test]
async fn a_session_is_found_by_key_id_label_and_short_id() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    let made = ask(&mut client, "sessions.create", json!({ "label": "Plans" })).await;
    let key = made["key"].as_str().unwrap();
    let short: String = key.rsplit(':').next().unwrap().chars().take(8).collect();
    let found = json!({ "ok": true, "key": key, "agentId": "main", "displayName": "Plans" });

    for by in [
        json!({ "key": key }),
        json!({ "sessionId": made["sessionId"] }),
        json!({ "label": "Plans", "agentId": "main" }),
        json!({ "shortId": short }),
        json!({ "reference": { "key": key, "slug": "plans" } }),
    ] {
        assert_eq!(ask(&mut client, "sessions.resolve", by.clone()).await, found, "{by}");
    }
    let missing = json!({ "key": "nobody", "allowMissing": true });
    assert_eq!(ask(&mut client, "sessions.resolve", missing).await, json!({ "ok": false }));
    for (params, expected) in [
        (json!({ "key": "nobody" }), "No session found: agent:main:nobody"),
        (json!({ "label": "Plans", "spawnedBy": "main" }), "No session found: Plans"),
        (
            json!({}),
            "invalid sessions.resolve params: exactly one of key, sessionId, label, shortId and reference is needed",
        ),
        (json!({ "shortId": "xyz" }), "shortId must be 8-32 hexadecimal characters"),
    ] {
        assert_eq!(sentence(client.request("sessions.resolve", params).await), expected);
    }
    let started = ask(&mut client, "chat.startup", json!({ "shortId": short })).await;
    assert_eq!((&started["sessionKey"], &started["resolution"]["key"]), (&json!(key), &json!(key)));
    let unknown = ask(&mut client, "chat.startup", json!({ "shortId": "00000000" })).await;
    assert_eq!(unknown, json!({ "resolution": { "ok": false } }));
}

#[tokio::test]
async fn a_label_of_two_sessions_resolves_to_neither() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    for _ in 0..2 {
        ask(&mut client, "sessions.create", json!({ "label": "Plans" })).await;
    }

    let refused = sentence(client.request("sessions.resolve", json!({ "label": "Plans" })).await);

    assert_eq!(refused, "Multiple sessions found: Plans; name one by its key");
}

#[tokio::test]
async fn a_chat_starts_with_its_transcript_and_what_it_offers() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    turn(&mut client, "main", "one").await;

    let started = ask(&mut client, "chat.startup", json!({ "sessionKey": "main", "limit": 1 })).await;

    let history = ask(&mut client, "chat.history", json!({ "sessionKey": "main", "limit": 1 })).await;
    assert_eq!((&started["messages"], &started["hasMore"]), (&history["messages"], &json!(true)));
    assert_eq!(started["metadata"]["commands"][0]["name"], "new");
    assert_eq!(started["metadata"], ask(&mut client, "chat.metadata", json!({})).await);
    let messages = ask(&mut client, "sessions.get", json!({ "key": "main" })).await;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 2);
    let both = json!({ "sessionKey": "main", "shortId": "00000000" });
    assert!(sentence(client.request("chat.startup", both).await).contains("exactly one of"));
}

#[tokio::test]
async fn a_message_is_got_by_its_id_from_its_own_session_only() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    turn(&mut client, "main", "one").await;
    turn(&mut client, "other", "two").await;
    let history = ask(&mut client, "chat.history", json!({ "sessionKey": "main" })).await;
    let id = &history["messages"][0]["__openclaw"]["id"];

    let got = ask(&mut client, "chat.message.get", json!({ "sessionKey": "main", "messageId": id })).await;

    assert_eq!(got, json!({ "ok": true, "message": history["messages"][0] }));
    let absent = json!({ "ok": false, "unavailableReason": "not_found" });
    for params in [
        json!({ "sessionKey": "other", "messageId": id }),
        json!({ "sessionKey": "main", "messageId": "nothing" }),
        json!({ "sessionKey": "nobody", "messageId": id }),
    ] {
        assert_eq!(ask(&mut client, "chat.message.get", params).await, absent);
    }
}

#[tokio::test]
async fn receipts_tell_which_messages_stand_in_the_transcript() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    turn(&mut client, "main", "one").await;
    turn(&mut client, "other", "elsewhere").await;
    for (run, message) in [("endless", NEVER_ANSWERED), ("waits", "hello")] {
        let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
        ask(&mut client, "chat.send", params).await;
    }
    world.until_models_are_asked(1).await;

    let asked = json!(["one", "endless", "waits", "elsewhere", "nobody"]);
    let page = ask(&mut client, "chat.history", json!({ "sessionKey": "main", "inputRunIds": asked })).await;

    let id = |index: usize| page["messages"][index]["__openclaw"]["id"].clone();
    let consumed = |run: &str, id: &Value| json!({ "runId": run, "consumedByEventId": id });
    assert_eq!(
        page["inputReceipts"],
        json!([
            { "runId": "one", "state": "consumed", "consumedByEventId": id(0) },
            { "runId": "endless", "state": "consumed", "consumedByEventId": id(2) },
            { "runId": "waits", "state": "pending" },
        ])
    );
    assert_eq!(page["inputConsumptions"], json!([consumed("one", &id(0)), consumed("endless", &id(2))]));
    let unasked = ask(&mut client, "chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(unasked.get("inputReceipts"), None);
}

#[tokio::test]
async fn sessions_abort_leaves_what_waits_unless_it_is_asked() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    for (run, message) in [("endless", NEVER_ANSWERED), ("waits", NEVER_ANSWERED)] {
        let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
        ask(&mut client, "chat.send", params).await;
    }
    world.until_models_are_asked(1).await;

    let stopped = ask(&mut client, "sessions.abort", json!({ "key": "main" })).await;

    assert_eq!(stopped, json!({ "ok": true, "abortedRunId": "endless", "status": "aborted" }));
    world.until_models_are_asked(1).await;
    let wrong = json!({ "key": "other", "runId": "waits" });
    assert_eq!(sentence(client.request("sessions.abort", wrong).await), "runId does not match session");
    let by_run = ask(&mut client, "sessions.abort", json!({ "runId": "waits" })).await;
    assert_eq!(by_run["abortedRunId"], "waits");
    ask(&mut client, "agent.wait", json!({ "runId": "waits", "timeoutMs": 20_000 })).await;
    let nothing = json!({ "ok": true, "abortedRunId": null, "status": "no-active-run" });
    assert_eq!(
        ask(&mut client, "sessions.abort", json!({ "key": "main", "clearQueued": true })).await,
        nothing
    );
    assert!(sentence(client.request("sessions.abort", json!({})).await).contains("key or runId is needed"));
}

#[tokio::test]
async fn the_policy_for_commands_is_reported_as_it_is() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin", "operator.approvals"]).await;

    let told = ask(&mut client, "exec.approvals.get", json!({})).await;

    let policy =
        json!({ "security": "allowlist", "ask": "on-miss", "askFallback": "deny", "autoAllowSkills": false });
    assert_eq!(told["file"], json!({ "version": 1, "defaults": policy, "agents": {} }));
    assert_eq!((&told["exists"], &told["resolvedDefaults"]), (&json!(false), &policy));
    assert_eq!(told["hash"].as_str().map(str::len), Some(64));
    assert_eq!(ask(&mut client, "openclaw.approval.list", json!({})).await, json!([]));
}

#[tokio::test]
async fn a_key_with_wide_characters_breaks_no_short_id() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    // 36 bytes from its end is the middle of a character.
    let key = format!("deadbeef{}x", "\u{e9}".repeat(18));
    ask(&mut client, "sessions.create", json!({ "key": key })).await;

    let by_id = json!({ "shortId": "deadbeef", "allowMissing": true });
    assert_eq!(ask(&mut client, "sessions.resolve", by_id).await, json!({ "ok": false }));

    let started = ask(&mut client, "chat.startup", json!({ "shortId": "deadbeef" })).await;
    assert_eq!(started, json!({ "resolution": { "ok": false } }));
}

#[tokio::test]
async fn adopting_a_session_changes_nothing_without_admin() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    let made = ask(&mut client, "sessions.create", json!({ "key": "plans", "label": "Plans" })).await;

    for change in [
        json!({ "key": "plans", "label": "Seized" }),
        json!({ "key": "plans", "displayName": "Seized" }),
        json!({ "key": "plans", "thinkingLevel": "high" }),
        json!({ "key": "plans", "fastMode": true }),
    ] {
        let adopted = ask(&mut client, "sessions.create", change.clone()).await;
        assert_eq!(adopted["entry"], made["entry"], "{change}");
    }
}

#[tokio::test]
async fn nothing_waits_for_a_connection_that_has_ended() {
    let world = World::with_desktop().await;
    let scopes = &["operator.write", "operator.approvals"];
    let mut client = world.let_in(1, scopes).await;
    let params = json!({ "sessionKey": "main", "message": NEVER_ANSWERED, "idempotencyKey": "endless" });
    ask(&mut client, "chat.send", params.clone()).await;
    world.until_models_are_asked(1).await;
    let command = world.ask_command(&mut client, Duration::from_mins(20)).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();

    let mut waiting = world.connect(&world.device(1, scopes)).await.unwrap();
    for _ in 0..20 {
        let wait = json!({ "runId": "endless", "timeoutMs": 3_600_000 });
        waiting.send_request("agent.wait", wait).await.unwrap();
        waiting.send_request("agent", params.clone()).await.unwrap();
        waiting.send_request("exec.approval.waitDecision", json!({ "id": command })).await.unwrap();
    }
    ask(&mut waiting, "health", json!({})).await;
    assert!(tasks() >= before + 60, "{before} tasks before, {} now", tasks());
    drop(waiting);

    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let ended = async {
        while tasks() > before {
            looks.tick().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
    assert!(ended.is_ok(), "{before} tasks before, {} now", tasks());
}
