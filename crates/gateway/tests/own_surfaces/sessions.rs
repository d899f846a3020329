//! Sessions as clients list, change and delete them.

use serde_json::{Value, json};
use tidegate_testkit::identity::DeviceIdentity;

use crate::clients::refused;
use crate::support::World;

const KEY: &str = "agent:main:scratch";

fn keys(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_session_that_changed_since_it_was_seen_is_not_deleted() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin"]).await;
    client.request("sessions.patch", json!({ "key": KEY, "label": "Scratch" })).await.unwrap();
    let seen = client.request("sessions.list", json!({ "archived": "all" })).await.unwrap();
    let seen = seen["sessions"].as_array().unwrap().iter().find(|row| row["key"] == KEY).unwrap().clone();
    client.request("sessions.reset", json!({ "key": KEY })).await.unwrap();

    let earlier = seen["updatedAt"].as_u64().unwrap() - 1;
    for guard in [
        json!({ "expectedSessionId": seen["sessionId"] }),
        json!({ "expectedSessionUpdatedAt": earlier }),
        json!({ "archivedOnly": true }),
    ] {
        let mut params = json!({ "key": KEY });
        params.as_object_mut().unwrap().extend(guard.as_object().unwrap().clone());
        let error = refused(client.request("sessions.delete", params).await);
        assert!(message(&error).contains("has changed"), "{guard}: {error}");
    }

    let now = client.request("sessions.describe", json!({ "key": KEY })).await.unwrap();
    let id = &now["session"]["sessionId"];
    let deleted =
        client.request("sessions.delete", json!({ "key": KEY, "expectedSessionId": id })).await.unwrap();
    assert_eq!(deleted["deleted"], true);
}

#[tokio::test]
async fn an_archived_session_is_hidden_from_clients_and_never_from_the_person() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin"]).await;

    let patch = json!({ "key": KEY, "archived": true, "pinned": true, "category": "Old", "icon": "box" });
    let patched = client.request("sessions.patch", patch).await.unwrap();

    assert_eq!(patched["entry"]["archived"], true);
    assert_eq!((&patched["entry"]["category"], &patched["entry"]["pinned"]), (&json!("Old"), &json!(true)));
    for (params, is_listed) in [
        (json!({}), false),
        (json!({ "archived": false }), false),
        (json!({ "archived": true }), true),
        (json!({ "archived": "all" }), true),
        (json!({ "archived": "all", "creatorId": "someone" }), false),
    ] {
        let list = client.request("sessions.list", params.clone()).await.unwrap();
        assert_eq!(keys(&list).contains(&KEY), is_listed, "{params}: {list}");
    }
    let list = world.window().await.call("sessions.list", json!({})).await.unwrap();
    assert!(keys(&list).contains(&KEY), "{list}");
    let restored = client.request("sessions.patch", json!({ "key": KEY, "archived": false })).await.unwrap();
    assert_eq!(restored["entry"].get("archived"), None);
}

#[tokio::test]
async fn sessions_are_listed_in_pages_that_lead_on() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin"]).await;
    for number in 0..5 {
        let key = format!("agent:main:page-{number}");
        client.request("sessions.patch", json!({ "key": key, "label": "page" })).await.unwrap();
    }

    let mut seen = Vec::new();
    let mut offset = 0;
    loop {
        let page = json!({ "limit": 2, "offset": offset, "search": "page-" });
        let page = client.request("sessions.list", page).await.unwrap();
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(next) = page["nextOffset"].as_u64() else { break };
        assert!(next > offset, "{page}");
        offset = next;
    }

    seen.sort();
    assert_eq!(seen, (0..5).map(|number| format!("agent:main:page-{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn parameters_that_would_change_trust_are_refused_with_their_reason() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin", "operator.approvals", "operator.pairing"]).await;
    let device = DeviceIdentity::numbered(1).device_id();
    for (method, params, place) in [
        ("sessions.patch", json!({ "key": KEY, "elevatedLevel": "full" }), "/elevatedLevel"),
        ("sessions.patch", json!({ "key": KEY, "execSecurity": "full" }), "/execSecurity"),
        ("sessions.patch", json!({ "key": KEY, "execAsk": "off" }), "/execAsk"),
        ("sessions.patch", json!({ "key": KEY, "permissionMode": "full" }), "/permissionMode"),
        ("sessions.patch", json!({ "key": KEY, "inheritedToolAllow": [] }), "/inheritedToolAllow"),
        ("agent", json!({ "message": "x", "idempotencyKey": "1", "cwd": "/" }), "/cwd"),
        ("exec.approval.request", json!({ "command": "ls", "ask": "off" }), "/ask"),
        ("exec.approval.request", json!({ "command": "ls", "security": "deny" }), "/security"),
        (
            "exec.approval.request",
            json!({ "command": "ls", "approvalReviewerDeviceIds": [] }),
            "/approvalReviewerDeviceIds",
        ),
        (
            "exec.approval.resolve",
            json!({ "id": "some-command", "decision": "deny", "grantExpiresInDays": 9 }),
            "/grantExpiresInDays",
        ),
        (
            "exec.approval.resolve",
            json!({ "id": "some-command", "decision": "deny", "reviewer": { "channel": "x" } }),
            "/reviewer",
        ),
        ("device.token.rotate", json!({ "deviceId": device, "role": "operator", "scopes": [] }), "/scopes"),
    ] {
        let error = refused(client.request(method, params).await);
        let expected = format!("invalid {method} params: at {place}: ");
        assert!(message(&error).starts_with(&expected), "{error}");
        assert!(message(&error).len() > expected.len() + 20, "no reason: {error}");
    }
    assert!(world.desktop().commands().is_empty());
}

#[tokio::test]
async fn a_subscription_with_approvals_needs_the_right_to_see_them() {
    let world = World::with_desktop().await;
    let mut reader = world.let_in(1, &["operator.read"]).await;
    let mut decider = world.let_in(2, &["operator.read", "operator.approvals"]).await;
    let params = json!({ "key": "main", "includeApprovals": true });

    let error = refused(reader.request("sessions.messages.subscribe", params.clone()).await);
    assert_eq!(error["details"]["missingScope"], "operator.approvals", "{error}");
    assert!(decider.request("sessions.messages.subscribe", params).await.is_ok());
}

#[tokio::test]
async fn a_turn_for_another_transcript_than_the_one_seen_is_refused() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin"]).await;
    let patched = client.request("sessions.patch", json!({ "key": KEY, "label": "x" })).await.unwrap();
    let seen = patched["entry"]["sessionId"].clone();
    client.request("sessions.reset", json!({ "key": KEY })).await.unwrap();

    for (run, guard) in
        [("1", json!({ "sessionId": seen })), ("2", json!({ "expectedLeafEntryId": "an entry of before" }))]
    {
        let mut params = json!({ "sessionKey": KEY, "message": "hello", "idempotencyKey": run });
        params.as_object_mut().unwrap().extend(guard.as_object().unwrap().clone());
        refused(client.request("chat.send", params).await);
    }
    let first = json!({
        "sessionKey": KEY, "message": "hello", "idempotencyKey": "3", "expectedLeafEntryId": null,
    });
    assert!(client.request("chat.send", first).await.is_ok(), "the transcript is empty");
}

#[tokio::test]
async fn a_writer_names_and_archives_but_sets_nothing_of_the_owners() {
    let world = World::with_desktop().await;
    let mut writer = world.let_in(1, &["operator.write"]).await;

    for patch in [
        json!({ "label": "Scratch", "category": "Old", "icon": "box", "color": "red" }),
        json!({ "archived": false, "pinned": true }),
        json!({ "thinkingLevel": "low", "fastMode": true }),
    ] {
        let patched = writer.request("sessions.patch", of_scratch(&patch)).await;
        assert!(patched.is_ok(), "{patch}: {patched:?}");
    }
    for patch in [
        json!({ "model": "test/instant" }),
        json!({ "model": null }),
        json!({ "label": "x", "verboseLevel": "full" }),
        json!({ "traceLevel": "on" }),
        json!({ "reasoningLevel": "on" }),
        json!({ "responseUsage": "full" }),
    ] {
        let error = refused(writer.request("sessions.patch", of_scratch(&patch)).await);
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{patch}: {error}");
    }
    let row = writer.request("sessions.describe", json!({ "key": KEY })).await.unwrap();
    assert_eq!(row["session"]["label"], "Scratch");
}

#[tokio::test]
async fn a_writer_deletes_nothing_not_even_what_it_archived() {
    let world = World::with_desktop().await;
    let mut writer = world.let_in(1, &["operator.write"]).await;
    writer.request("sessions.patch", json!({ "key": KEY, "archived": true })).await.unwrap();

    for params in [json!({ "key": KEY }), json!({ "key": KEY, "archivedOnly": true })] {
        let error = refused(writer.request("sessions.delete", params).await);
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{error}");
    }
    assert!(writer.request("sessions.describe", json!({ "key": KEY })).await.unwrap()["session"].is_object());
}

#[tokio::test]
async fn an_owner_that_asks_for_less_deletes_what_is_archived() {
    let world = World::with_desktop().await;
    drop(world.let_in(1, &["operator.admin"]).await);
    let mut client = world.connect(&world.device(1, &["operator.write"])).await.unwrap();
    client.request("sessions.patch", json!({ "key": KEY, "label": "x" })).await.unwrap();
    let archived_only = json!({ "key": KEY, "archivedOnly": true });

    for params in [json!({ "key": KEY }), json!({ "key": KEY, "archivedOnly": false })] {
        let error = refused(client.request("sessions.delete", params).await);
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{error}");
    }
    let error = refused(client.request("sessions.delete", archived_only.clone()).await);
    assert!(message(&error).contains("it is not archived"), "{error}");

    client.request("sessions.patch", json!({ "key": KEY, "archived": true })).await.unwrap();
    assert_eq!(client.request("sessions.delete", archived_only).await.unwrap()["deleted"], true);
}

#[tokio::test]
async fn an_archived_session_says_since_when_it_is() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin"]).await;

    let archived = client.request("sessions.patch", json!({ "key": KEY, "archived": true })).await.unwrap();
    let since = archived["entry"]["archivedAt"].clone();
    let renamed = client.request("sessions.patch", json!({ "key": KEY, "label": "x" })).await.unwrap();
    let restored = client.request("sessions.patch", json!({ "key": KEY, "archived": false })).await.unwrap();

    assert!(since.as_u64().is_some_and(|since| since > 0), "{archived}");
    assert_eq!(renamed["entry"]["archivedAt"], since);
    assert_eq!(restored["entry"].get("archivedAt"), None);
}

/// A patch of the session of these tests.
fn of_scratch(patch: &Value) -> Value {
    let mut params = json!({ "key": KEY });
    params.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    params
}
