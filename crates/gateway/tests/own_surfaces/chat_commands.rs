//! Chat commands: answered by the gateway for clients that may do what they do, and for nobody else.

use serde_json::{Value, json};
use tidegate_agent::message::Message;
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_testkit::client::{ClientError, GatewayClient};

use crate::support::{NEVER_ANSWERED, SAY, World};

const ADMIN: &[&str] = &["operator.admin"];

async fn send(client: &mut GatewayClient, run: &str, message: &str) -> Result<Value, ClientError> {
    let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
    client.request("chat.send", params).await
}

/// Sends a message and waits for its end; the text of the answer.
async fn say(client: &mut GatewayClient, run: &str, message: &str) -> String {
    send(client, run, message).await.unwrap();
    let ended = client
        .wait("the end", |frame| {
            let payload = &frame["payload"];
            frame["event"] == "chat" && payload["runId"] == run && payload["state"] == "final"
        })
        .await
        .unwrap();
    ended["payload"]["message"]["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn history(client: &mut GatewayClient) -> Value {
    client.request("chat.history", json!({ "sessionKey": "main" })).await.unwrap()
}

fn texts(history: &Value) -> Vec<&str> {
    let messages = history["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"][0]["text"].as_str().unwrap()).collect()
}

#[track_caller]
fn refused(answer: Result<Value, ClientError>) -> Value {
    match answer {
        Err(ClientError::Answer(error)) => error,
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test]
async fn new_gives_an_empty_transcript_and_answers_once() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;
    let before = history(&mut client).await;

    let answer = say(&mut client, "fresh", "/new").await;

    assert!(answer.starts_with("A new conversation begins here."), "{answer}");
    let after = history(&mut client).await;
    assert_ne!(after["sessionId"], before["sessionId"]);
    assert_eq!(texts(&after), ["/new", answer.as_str()]);
    let again = send(&mut client, "fresh", "/new").await.unwrap();
    assert_eq!(again["status"], "ok");
    assert_eq!(history(&mut client).await["sessionId"], after["sessionId"], "a retry resets nothing");
}

#[tokio::test]
async fn what_stands_behind_new_begins_the_conversation() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;

    let answer = say(&mut client, "fresh", "/reset what is new?").await;

    assert_eq!(answer, "yes");
    assert_eq!(texts(&history(&mut client).await), ["what is new?", "yes"]);
    let asked = world.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!(asked.last(), Some(&Message::User("what is new?".to_owned())));
    assert!(!format!("{asked:?}").contains("hello"), "the model still sees what was before");
}

#[tokio::test]
async fn no_model_reads_commands_or_their_answers() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    for (number, command) in
        ["/status", "/help", "/model", "/compact", "/model test/other"].iter().enumerate()
    {
        let answer = say(&mut client, &format!("command-{number}"), command).await;
        assert!(!answer.is_empty(), "{command}");
    }
    assert_eq!(world.asked.lock().unwrap().len(), 0);

    say(&mut client, "turn", "hello").await;

    assert_eq!(history(&mut client).await["totalMessages"], 12);
    let asked = world.asked.lock().unwrap().last().cloned().unwrap();
    let said: Vec<_> = asked.iter().filter(|message| !matches!(message, Message::System(_))).collect();
    assert_eq!(said, [&Message::User("hello".to_owned())]);
}

#[tokio::test]
async fn a_chosen_model_is_the_sessions_and_status_names_it() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;

    let chosen = say(&mut client, "choose", "/model test/other").await;

    assert_eq!(chosen, "This session uses `test/other` from now on.");
    let status = say(&mut client, "status", "/status").await;
    assert!(status.contains("- Model: `test/other`"), "{status}");
    let error = refused(send(&mut client, "wrong", "/model nonsense").await);
    assert_eq!(error["message"], "\"nonsense\" is not a model name; write provider/model");
}

#[tokio::test]
async fn stop_ends_what_runs_and_status_counts_it() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    send(&mut client, "endless", NEVER_ANSWERED).await.unwrap();
    world.until_models_are_asked(1).await;

    let status = say(&mut client, "status", "/status").await;
    assert!(status.contains("- In this session: 1 running, 0 queued"), "{status}");
    let stopped = send(&mut client, "stop", " /STOP ").await.unwrap();

    assert_eq!(stopped, json!({ "ok": true, "aborted": true, "runIds": ["endless"] }));
    let wait = json!({ "runId": "endless", "timeoutMs": 20_000 });
    assert_eq!(client.request("agent.wait", wait).await.unwrap()["status"], "error");
}

#[tokio::test]
async fn a_limit_of_0_is_none() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;
    let params =
        json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "unlimited", "timeoutMs": 0 });

    client.request("chat.send", params).await.unwrap();

    let wait = json!({ "runId": "unlimited", "timeoutMs": 20_000 });
    assert_eq!(client.request("agent.wait", wait).await.unwrap()["status"], "ok");
}

#[tokio::test]
async fn a_command_needs_the_scope_of_what_it_does() {
    let world = World::with_desktop().await;
    let mut admin = world.let_in(1, ADMIN).await;
    say(&mut admin, "before", "hello").await;
    let before = history(&mut admin).await;
    let mut writer = world.let_in(2, &["operator.write"]).await;

    for (run, message) in [("w1", "/new"), ("w2", "/reset please"), ("w3", "/model test/other")] {
        let error = refused(send(&mut writer, run, message).await);
        assert_eq!(error["message"], "missing scope: operator.admin", "{message}");
        let params = json!({ "sessionKey": "main", "message": "/new", "idempotencyKey": run });
        let error = refused(writer.request("agent", params).await);
        assert_eq!(error["message"], "missing scope: operator.admin");
    }

    assert_eq!(history(&mut admin).await["messages"], before["messages"]);
    assert!(say(&mut writer, "w4", "/status").await.contains("- Model: `test/instant`"));
    let mut window = world.window().await;
    let params = json!({ "sessionKey": "main", "message": "/new", "idempotencyKey": "w5" });
    let error = window.call("chat.send", params).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().starts_with("/new is not available in Tidegate's window"));
}

#[tokio::test]
async fn what_models_and_subagents_write_is_no_command() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;
    let before = history(&mut client).await;

    for (run, command) in [("m1", "/new"), ("m2", "/reset"), ("m3", "/stop"), ("m4", "/model evil/model")] {
        assert_eq!(say(&mut client, run, &format!("{SAY}{command}")).await, command);
        let turn =
            json!({ "sessionKey": "main", "message": command, "idempotencyKey": format!("own-{run}") });
        for (method, params) in [
            ("chat.send", turn.clone()),
            ("agent", turn),
            ("sessions.create", json!({ "key": "main", "message": command })),
        ] {
            let error = world.subagents.call(method, params).await.expect_err(method).to_string();
            assert!(error.contains("only with a handoff"), "{method}: {error}");
        }
    }

    let after = history(&mut client).await;
    assert_eq!(after["sessionId"], before["sessionId"]);
    assert_eq!(after["totalMessages"], 10);
    assert!(say(&mut client, "status", "/status").await.contains("- Model: `test/instant`"));
}

#[tokio::test]
async fn other_words_with_a_slash_go_to_the_model() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.write"]).await;

    for (run, message) in [("t1", "/unknown"), ("t2", "/status of what?"), ("t3", "/etc/hosts has what?")] {
        assert_eq!(say(&mut client, run, message).await, "yes");
    }
    let params = json!({
        "sessionKey": "main", "message": "/help", "idempotencyKey": "t4", "suppressCommandInterpretation": true,
    });
    client.request("chat.send", params).await.unwrap();
    client.request("agent.wait", json!({ "runId": "t4", "timeoutMs": 20_000 })).await.unwrap();

    assert_eq!(texts(&history(&mut client).await)[6..], ["/help", "yes"]);
}

#[tokio::test]
async fn an_agent_call_takes_new_and_leaves_the_rest_to_the_model() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;

    for (run, message, answer) in [("a1", "/new", "A new conversation"), ("a2", "/status", "yes")] {
        let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
        let id = client.send_request("agent", params).await.unwrap();
        assert_eq!(client.answer(&id).await.unwrap()["status"], "accepted");
        let last = client.answer(&id).await.unwrap();
        let text = last["result"]["payloads"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(answer), "{message}: {text}");
    }

    let history = history(&mut client).await;
    assert_eq!(texts(&history)[0], "/new");
    assert_eq!(texts(&history)[2..], ["/status", "yes"]);
}

#[tokio::test]
async fn the_list_has_every_command_in_the_contracts_shape() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.read"]).await;

    let listed = client.request("commands.list", json!({ "includeArgs": true })).await.unwrap();

    let names: Vec<_> = listed["commands"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["new", "reset", "status", "stop", "model", "workspace", "compact", "help"]);
    assert_eq!(listed["commands"][3]["textAliases"], json!(["/stop", "/abort"]));
    assert_eq!(listed["commands"][4]["args"][0]["type"], "string");
    let names_only = client.request("commands.list", json!({ "includeArgs": false })).await.unwrap();
    assert!(names_only["commands"][4].get("args").is_none(), "{names_only}");
    let native = client.request("commands.list", json!({ "scope": "native" })).await.unwrap();
    assert_eq!(native["commands"], json!([]));
}

#[tokio::test]
async fn a_message_that_is_too_long_resets_nothing() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;
    let before = history(&mut client).await;
    let too_long = format!("/new {}", "x".repeat(tidegate_agent::Limits::default().message_bytes + 1));

    let error = refused(send(&mut client, "long", &too_long).await);

    assert!(error["message"].as_str().unwrap().contains("at most"), "{error}");
    assert_eq!(history(&mut client).await["sessionId"], before["sessionId"]);
}

#[tokio::test]
async fn a_retry_of_new_on_two_connections_resets_once() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, ADMIN).await;
    say(&mut client, "before", "hello").await;
    let mut other = world.connect(&world.device(1, ADMIN)).await.unwrap();

    let message = "/new are you there?";
    let (one, two) = tokio::join!(send(&mut client, "fresh", message), send(&mut other, "fresh", message));

    assert_eq!((one.is_ok(), two.is_ok()), (true, true), "{one:?} {two:?}");
    let wait = json!({ "runId": "fresh", "timeoutMs": 20_000 });
    assert_eq!(client.request("agent.wait", wait).await.unwrap()["status"], "ok");
    assert_eq!(texts(&history(&mut client).await), ["are you there?", "yes"]);
}
