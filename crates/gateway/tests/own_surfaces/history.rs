//! Reading a long conversation in pages.

use serde_json::{Value, json};

use crate::support::{Surface, World};

const LONG: &str = "agent:main:chat-long";

/// A conversation of `turns` turns, each of a question and an answer, and a window that reads it.
async fn conversation(world: &World, turns: usize) -> Surface {
    let mut window = world.window().await;
    for turn in 1..=turns {
        say(&mut window, &format!("turn-{turn}"), &format!("question {turn}")).await;
    }
    window
}

async fn say(window: &mut Surface, run: &str, message: &str) {
    let params = json!({ "sessionKey": LONG, "message": message, "idempotencyKey": run });
    window.call("chat.send", params).await.unwrap();
    window.call("agent.wait", json!({ "runId": run, "timeoutMs": 20_000 })).await.unwrap();
}

async fn page(window: &mut Surface, more: Value) -> Value {
    let mut params = json!({ "sessionKey": LONG });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    window.call("chat.history", params).await.unwrap()
}

fn positions(page: &Value) -> Vec<u64> {
    let messages = page["messages"].as_array().unwrap();
    messages.iter().map(|message| message["__openclaw"]["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_long_conversation_is_read_page_by_page_to_its_beginning() {
    let world = World::with_desktop().await;
    let mut window = conversation(&world, 6).await;

    let newest = page(&mut window, json!({ "limit": 5 })).await;

    assert_eq!(positions(&newest), [8, 9, 10, 11, 12]);
    assert_eq!((&newest["hasMore"], &newest["nextOffset"]), (&json!(true), &json!(5)));
    assert_eq!((&newest["totalMessages"], newest.get("offset")), (&json!(12), None));
    let before = page(&mut window, json!({ "limit": 5, "offset": newest["nextOffset"] })).await;
    assert_eq!(positions(&before), [3, 4, 5, 6, 7]);
    assert_eq!((&before["offset"], &before["nextOffset"]), (&json!(5), &json!(10)));
    let first = page(&mut window, json!({ "limit": 5, "offset": before["nextOffset"] })).await;
    assert_eq!(positions(&first), [1, 2]);
    assert_eq!((&first["hasMore"], first.get("nextOffset")), (&json!(false), None));
    assert_eq!(first["sessionId"], newest["sessionId"]);
}

#[tokio::test]
async fn an_offset_beyond_the_beginning_and_an_unknown_session_have_an_empty_last_page() {
    let world = World::with_desktop().await;
    let mut window = conversation(&world, 1).await;
    for (more, total) in [
        (json!({ "offset": 2 }), 2),
        (json!({ "offset": u32::MAX }), 2),
        (json!({ "sessionKey": "agent:main:nobody", "offset": 7 }), 0),
    ] {
        let answer = page(&mut window, more.clone()).await;

        assert_eq!(answer["messages"], json!([]), "{more}");
        assert_eq!((&answer["hasMore"], answer.get("nextOffset")), (&json!(false), None), "{more}");
        assert_eq!((&answer["offset"], &answer["totalMessages"]), (&more["offset"], &json!(total)), "{more}");
    }
}

#[tokio::test]
async fn what_does_not_fit_into_a_page_is_on_the_next() {
    let world = World::with_desktop().await;
    let mut window = conversation(&world, 6).await;
    let mut read = Vec::new();
    let mut offset = json!(0);

    while !offset.is_null() {
        let page = page(&mut window, json!({ "maxBytes": 1024, "offset": offset })).await;
        let positions = positions(&page);
        assert!((1..12).contains(&positions.len()), "{positions:?}");
        read.splice(0..0, positions);
        offset = page["nextOffset"].clone();
    }

    assert_eq!(read, (1..=12).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_message_that_is_too_large_is_left_out_by_name_and_stops_nobody() {
    let world = World::with_desktop().await;
    let mut window = conversation(&world, 1).await;
    say(&mut window, "large", &"long ".repeat(40_000)).await;

    let answer = page(&mut window, json!({ "maxChars": 500_000 })).await;

    assert_eq!(positions(&answer), [1, 2, 3, 4]);
    let large = &answer["messages"][2];
    assert_eq!(large["role"], "user");
    assert_eq!(large["content"][0]["text"], "[chat.history omitted: message too large]");
    assert_eq!(
        (&large["__openclaw"]["truncated"], &large["__openclaw"]["reason"]),
        (&json!(true), &json!("oversized"))
    );
    let cut = page(&mut window, json!({ "maxChars": 100 })).await;
    let text = cut["messages"][2]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("long long") && text.ends_with(" [...]"), "{text}");
}

#[tokio::test]
async fn another_gateways_cursor_is_answered_with_a_reset_and_contradictions_are_named() {
    let world = World::with_desktop().await;
    let mut window = conversation(&world, 1).await;

    assert_eq!(
        page(&mut window, json!({ "cursor": "eyJ2ZXJzaW9uIjoxfQ" })).await,
        json!({ "kind": "reset" })
    );
    for (more, sentence) in [
        (json!({ "offset": 1, "messageId": "m" }), "offset and messageId cannot be used together"),
        (json!({ "cursor": "c", "offset": 1 }), "cursor cannot be used with offset or messageId"),
        (json!({ "sessionId": "s" }), "sessionId requires messageId"),
    ] {
        let mut params = json!({ "sessionKey": LONG });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = window.call("chat.history", params).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!("INVALID_REQUEST"), &json!(sentence)));
    }
}
