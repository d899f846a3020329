//! What models say, and what the built-in one makes of a person's words.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tidegate_agent::message::Message;
use tidegate_agent::model::{ModelError, ModelRequest, StreamEvent};
use tidegate_agent::tool::ToolDescription;
use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::http::Endpoint;
use tidegate_providers::offline;
use tidegate_providers::openai::{Chunks, read_answer};

use crate::transport::run;

type Outcome = (Vec<StreamEvent>, Option<ModelError>);

async fn read(data: &[u8], size: usize) -> Outcome {
    let base = BaseUrl::parse("http://127.0.0.1:1/v1").expect("a base URL");
    let pieces: Vec<_> = data.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let chunks: Chunks = Box::pin(stream::iter(pieces));
    let mut answer = read_answer(chunks, &Endpoint::open(base), "model", "call_".to_owned());
    let mut events = Vec::new();
    while let Some(event) = answer.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

/// Pieces of text that follow each other count as one.
fn merged(events: &[StreamEvent]) -> Vec<StreamEvent> {
    let mut merged: Vec<StreamEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(StreamEvent::Text(before)), StreamEvent::Text(more))
            | (Some(StreamEvent::Thinking(before)), StreamEvent::Thinking(more)) => before.push_str(more),
            _ => merged.push(event.clone()),
        }
    }
    merged
}

/// The body of a server's answer. It means the same however it is cut.
pub fn openai_answer(data: &[u8]) {
    let (whole, cut) =
        run(async { (read(data, data.len().max(1)).await, read(data, 1 + data.len() % 5).await) });
    let (events, error) = &whole;
    assert_eq!(merged(&cut.0), merged(events));
    assert_eq!(cut.1.is_some(), error.is_some(), "{:?} {error:?}", cut.1);
    if let Some(error) = error {
        let sentence = error.to_string();
        assert!(!sentence.chars().any(char::is_control), "a sentence for a person: {sentence:?}");
        assert!(sentence.chars().count() < 1_000, "{sentence}");
    }
    let stops = events.iter().filter(|event| matches!(event, StreamEvent::Stop(_))).count();
    match error {
        None => assert!(matches!(events.last(), Some(StreamEvent::Stop(_))) && stops == 1, "{events:?}"),
        Some(_) => assert_eq!(stops, 0, "what broke off is not whole: {events:?}"),
    }
    let mut ids = std::collections::BTreeSet::new();
    for event in events {
        if let StreamEvent::ToolCall(call) = event {
            assert!(ids.insert(call.id.clone()), "two calls with one id: {events:?}");
            assert!(error.is_none(), "a call of an answer that broke off could run");
        }
    }
}

/// A person's message to the built-in model.
pub fn offline_model(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let tool = |name| ToolDescription {
        name,
        label: name,
        description: "",
        group: "runtime",
        parameters: Value::Null,
    };
    let tools = vec![tool("exec"), tool("read"), tool("sessions_spawn")];
    let request = ModelRequest { messages: vec![Message::User(text.into_owned())], tools };
    let events = offline::reply(&request);
    assert!(matches!(events.last(), Some(StreamEvent::Stop(_))));
    let said: String = events
        .iter()
        .filter_map(|event| if let StreamEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect();
    assert!(said.starts_with(offline::PREFIX), "it always says what it is: {said}");
    for event in &events {
        if let StreamEvent::ToolCall(call) = event {
            assert!(request.tools.iter().any(|tool| tool.name == call.name), "{}", call.name);
            let arguments: Value = serde_json::from_str(&call.arguments).expect("its arguments are JSON");
            assert!(arguments.is_object());
        }
    }
}
