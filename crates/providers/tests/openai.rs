//! The adapter for OpenAI-compatible servers against a scripted one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::model::{ModelError, ModelRequest, ModelStream, StopReason, StreamEvent};
use tidegate_agent::tool::ToolDescription;
use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::http::{Endpoint, Http};
use tidegate_providers::key::{BoundKey, KeyError};
use tidegate_providers::openai::{self, EVENT_BYTES};
use tidegate_store::Usage;
use tidegate_testkit::model_server::{Answer, Rule, Script, ScriptedModel, Step, When};
use tokio::time::Instant;

const KEY: &str = "sk-0123456789abcdef";

/// A model of a server at this endpoint.
struct OpenAiModel(Endpoint, Http);

impl OpenAiModel {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        openai::ask(&self.1, &self.0, "vendor/m", &request).await
    }
}

fn model(server: &ScriptedModel) -> OpenAiModel {
    let base = BaseUrl::parse(&server.base_url()).unwrap();
    let key = BoundKey::new(base, KEY).unwrap();
    OpenAiModel(Endpoint::keyed(key, false).unwrap(), Http::default())
}

fn question(text: &str) -> ModelRequest {
    let tool = ToolDescription {
        name: "read",
        label: "Read",
        description: "reads a file",
        group: "fs",
        parameters: json!({"type": "object"}),
    };
    ModelRequest { messages: vec![Message::User(text.to_owned())], tools: vec![tool] }
}

async fn ask(model: &OpenAiModel) -> (Vec<StreamEvent>, Option<ModelError>) {
    let mut stream = match model.stream(question("hello")).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            // Signs of life depend on how the answer is cut.
            Ok(StreamEvent::Piece | StreamEvent::Alive) => {}
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

async fn answered(answer: Answer) -> (Vec<StreamEvent>, Option<ModelError>) {
    let server = ScriptedModel::start(Script::always(answer)).await.unwrap();
    ask(&model(&server)).await
}

async fn failed(answer: Answer) -> ModelError {
    let (events, error) = answered(answer).await;
    assert!(!events.iter().any(|event| matches!(event, StreamEvent::Stop(_))), "{events:?}");
    let error = error.expect("an error");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY), "the key is in {shown}");
    error
}

fn text(events: &[StreamEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let StreamEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

fn usage() -> StreamEvent {
    StreamEvent::Usage(Usage { input: 10, output: 5 })
}

fn address(server: &ScriptedModel) -> String {
    format!("http://{}", server.address())
}

#[tokio::test]
async fn a_streamed_answer_arrives_in_order_with_tokens_and_stop() {
    let thinking = Step::Thinking { text: "hm".to_owned() };
    let steps = [thinking, Step::text("Hello "), Step::text("w\u{f6}rld")];
    let (events, error) =
        answered(Answer::stream(steps.into_iter().chain(Step::ending("stop")).collect())).await;
    assert_eq!(
        (events, error),
        (
            vec![
                StreamEvent::Thinking("hm".to_owned()),
                StreamEvent::Text("Hello ".to_owned()),
                StreamEvent::Text("w\u{f6}rld".to_owned()),
                usage(),
                StreamEvent::Stop(StopReason::Stop),
            ],
            None
        )
    );
}

#[tokio::test]
async fn an_answer_may_be_cut_between_any_two_bytes() {
    let steps = || {
        let said = [
            Step::text("\u{20ac} "),
            Step::text("\u{1f600}"),
            Step::tool_call("a", "read", json!({"path": "\u{f6}"})),
        ];
        said.into_iter().chain(Step::ending("tool_calls")).collect::<Vec<_>>()
    };
    let whole = answered(Answer::stream(steps())).await;
    assert_eq!((text(&whole.0), whole.0.len()), ("\u{20ac} \u{1f600}".to_owned(), 5));
    // The answer is shorter than this.
    let size = 1_600;
    let rules = (0..size)
        .map(|at| Rule::new(When::default(), Answer::Stream { steps: steps(), split_at: Some(at) }).times(1));
    let server = ScriptedModel::start(Script::new(rules)).await.unwrap();
    let model = model(&server);
    for at in 0..size {
        assert_eq!(ask(&model).await, whole, "cut at byte {at}");
    }
}

#[tokio::test]
async fn tool_calls_in_pieces_are_put_together() {
    let call = |id: &str, pieces| Step::ToolCall {
        id: Some(id.to_owned()),
        name: "read".to_owned(),
        arguments: json!({"path": "a/b/c"}),
        pieces,
    };
    let (events, error) =
        answered(Answer::tool_calls(vec![call("a", 1), call("b", 5), call("c", 100)])).await;
    let expected = |id: &str| {
        let arguments = "{\"path\":\"a/b/c\"}".to_owned();
        StreamEvent::ToolCall(ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments })
    };
    let stop = StreamEvent::Stop(StopReason::ToolUse);
    assert_eq!((events, error), (vec![expected("a"), expected("b"), expected("c"), usage(), stop], None));
}

#[tokio::test]
async fn calls_without_an_id_get_one_that_no_other_answer_has() {
    let call = Step::ToolCall { id: None, name: "read".to_owned(), arguments: json!({}), pieces: 1 };
    let server = ScriptedModel::start(Script::always(Answer::tool_calls(vec![call]))).await.unwrap();
    let model = model(&server);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (events, _) = ask(&model).await;
        let [StreamEvent::ToolCall(call), ..] = &events[..] else { panic!("{events:?}") };
        ids.push(call.id.clone());
    }
    assert!(!ids[0].is_empty());
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let steps = [Step::text("hi"), Step::tool_call("a", "read", json!({"path": "x"}))];
    let (events, error) =
        answered(Answer::Plain { steps: steps.into_iter().chain(Step::ending("tool_calls")).collect() })
            .await;
    let call =
        ToolCall { id: "a".to_owned(), name: "read".to_owned(), arguments: "{\"path\":\"x\"}".to_owned() };
    let expected = vec![
        StreamEvent::Text("hi".to_owned()),
        StreamEvent::ToolCall(call),
        usage(),
        StreamEvent::Stop(StopReason::ToolUse),
    ];
    assert_eq!((events, error), (expected, None));
}

#[tokio::test]
async fn the_request_carries_the_key_the_model_and_the_tools() {
    let server = ScriptedModel::start(Script::always(Answer::text("ok"))).await.unwrap();
    ask(&model(&server)).await;
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.path, "/v1/chat/completions");
    assert_eq!(request.authorization, Some(format!("Bearer {KEY}")));
    assert_eq!(request.body["model"], "vendor/m");
    assert_eq!(request.body["stream"], true);
    assert_eq!(request.body["tools"][0]["function"]["name"], "read");
}

#[tokio::test]
async fn each_kind_of_error_has_its_own_kind() {
    let echo = format!("your key {KEY} is wrong");
    assert!(matches!(failed(Answer::error(401, &echo)).await, ModelError::Unauthorized { .. }));
    let forbidden = failed(Answer::error(403, "your plan does not include this model")).await;
    assert!(forbidden.to_string().contains("your plan does not include this model"), "{forbidden}");
    let unknown = ModelError::UnknownModel { model: "vendor/m".to_owned() };
    assert_eq!(failed(Answer::error(404, "nothing here")).await, unknown);
    assert_eq!(failed(Answer::error(400, "model 'vendor/m' not found")).await, unknown);
    assert_eq!(failed(Answer::error(400, "maximum context length is 4096")).await, ModelError::ContextLength);
    let busy = Answer::http(429, &[("retry-after", "42")], "");
    assert_eq!(failed(busy).await, ModelError::RateLimited { retry_after_ms: Some(42_000) });
    let ModelError::Server { status: 400, message } = failed(Answer::error(400, &echo)).await else {
        panic!()
    };
    assert_eq!(message, "your key [key] is wrong");
    let long = format!("bad\u{202e}\n{}", "x".repeat(1_000));
    let ModelError::Server { status: 503, message } = failed(Answer::error(503, &long)).await else {
        panic!()
    };
    assert!(message.starts_with("bad\\u{202e} xxx") && message.chars().count() <= 301, "{message}");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_that_error() {
    let stream = |error: &str| {
        Answer::stream(vec![
            Step::text("begun"),
            Step::Raw { text: format!("data: {error}\n\n") },
            Step::Hang,
        ])
    };
    let limited = failed(stream("{\"error\":{\"code\":429,\"message\":\"slow down\"}}")).await;
    assert_eq!(limited, ModelError::RateLimited { retry_after_ms: None });
    let ModelError::Server { message, .. } = failed(stream(&format!("{{\"error\":\"no {KEY}\"}}"))).await
    else {
        panic!()
    };
    assert_eq!(message, "no [key]");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    for ending in [vec![], vec![Step::CutOff], vec![Step::Raw { text: "data: {\"choi".to_owned() }]] {
        let steps = [Step::text("begun")].into_iter().chain(ending).collect();
        assert!(matches!(failed(Answer::stream(steps)).await, ModelError::CutOff { .. }));
    }
}

#[tokio::test]
async fn an_answer_cut_off_in_a_tool_call_calls_nothing() {
    let steps = vec![Step::tool_call("a", "read", json!({"path": "x"})), Step::CutOff];
    let (events, error) = answered(Answer::stream(steps)).await;
    assert_eq!(events, []);
    assert!(matches!(error, Some(ModelError::CutOff { .. })));
}

#[tokio::test]
async fn garbage_and_web_pages_are_no_answers() {
    for body in ["<html>sign in</html>", "what?\n\n", "data: what\n\n", "{}", "{\"choices\": []}", "[1]"] {
        let error = failed(Answer::http(200, &[], &format!("{body}{KEY}"))).await;
        assert!(matches!(error, ModelError::Server { status: 200, .. }), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn an_oversized_event_ends_the_answer() {
    let steps = vec![Step::Raw { text: format!("data: {}", "x".repeat(EVENT_BYTES)) }, Step::Hang];
    let error = failed(Answer::stream(steps)).await;
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_its_limit() {
    for answer in [Answer::Hang, Answer::stream(vec![Step::text("begun"), Step::Hang])] {
        let server = ScriptedModel::start(Script::always(answer)).await.unwrap();
        let model = model(&server);
        // Time passes by itself once there is nothing but time to wait for.
        let pause = async {
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            tokio::time::pause();
            Instant::now()
        };
        let ((_, error), paused) = tokio::join!(ask(&model), pause);
        let took = paused.elapsed();
        tokio::time::resume();
        assert_eq!(error, Some(ModelError::Idle { seconds: 300 }));
        assert!(took > Duration::from_secs(240) && took < Duration::from_secs(302), "{took:?}");
    }
}

#[tokio::test]
async fn a_slow_server_that_keeps_sending_is_not_idle() {
    let wait = || Step::Wait { ms: 299_000 };
    let steps = [Step::text("a"), wait(), Step::text("b"), wait()].into_iter().chain(Step::ending("stop"));
    let server = ScriptedModel::start(Script::always(Answer::stream(steps.collect()))).await.unwrap();
    let mut stream = model(&server).stream(question("hello")).await.unwrap();
    // A paused clock moves by itself when nobody works here, though something is on its way: not beside such a thread.
    let (at_work, works) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || works.recv());
    tokio::time::pause();
    for said in ["a", "b"] {
        let mut next = stream.next().await;
        while next == Some(Ok(StreamEvent::Alive)) {
            next = stream.next().await;
        }
        assert_eq!(next, Some(Ok(StreamEvent::Text(said.to_owned()))));
        // The server begins to wait.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_millis(299_500)).await;
    }
    while let Some(event) = stream.next().await {
        event.unwrap();
    }
    drop(at_work);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_stays() {
    let elsewhere = ScriptedModel::start(Script::always(Answer::text("stolen"))).await.unwrap();
    let target = format!("{}/chat/completions", elsewhere.base_url());
    for status in [301, 302, 307, 308] {
        let error = failed(Answer::http(status, &[("location", &target)], "")).await;
        assert!(matches!(error, ModelError::Server { status: given, .. } if given == status), "{error:?}");
    }
    assert_eq!(elsewhere.requests(), []);
}

#[tokio::test]
async fn a_server_that_fails_is_asked_once() {
    for answer in [
        Answer::error(500, "broken"),
        Answer::http(429, &[("retry-after", "1")], ""),
        Answer::error(400, "bad"),
        Answer::error(401, "who?"),
        Answer::stream(vec![Step::text("begun"), Step::CutOff]),
    ] {
        let server = ScriptedModel::start(Script::always(answer.clone())).await.unwrap();
        let (_, error) = ask(&model(&server)).await;
        assert!(error.is_some());
        assert_eq!(server.requests().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_count_tokens_is_asked_without() {
    let refuses = Answer::error(400, "Unrecognized request argument supplied: stream_options");
    let rules =
        [Rule::new(When::default(), refuses).times(1), Rule::new(When::default(), Answer::text("ok"))];
    let server = ScriptedModel::start(Script::new(rules)).await.unwrap();
    let (events, error) = ask(&model(&server)).await;
    assert_eq!((text(&events), error), ("ok".to_owned(), None));
    let asked: Vec<bool> =
        server.requests().iter().map(|request| request.body.get("stream_options").is_some()).collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_unreachable() {
    let server = ScriptedModel::start(Script::always(Answer::Hang)).await.unwrap();
    let (model, expected) = (model(&server), address(&server));
    drop(server);
    tokio::task::yield_now().await;
    let (_, error) = ask(&model).await;
    let Some(ModelError::Unreachable { address, reason }) = error else { panic!("{error:?}") };
    assert_eq!(address, expected);
    assert!(reason.to_lowercase().contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_unreachable_over_https() {
    let server = ScriptedModel::start(Script::always(Answer::text("plain"))).await.unwrap();
    let base = BaseUrl::parse(&server.base_url().replace("http:", "https:")).unwrap();
    let model = OpenAiModel(Endpoint::open(base), Http::default());
    let (_, error) = ask(&model).await;
    assert!(matches!(error, Some(ModelError::Unreachable { .. })), "{error:?}");
    assert_eq!(server.requests(), []);
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    let server = ScriptedModel::start(Script::always(Answer::stream(vec![Step::text("begun"), Step::Hang])))
        .await
        .unwrap();
    let mut stream = model(&server).stream(question("hello")).await.unwrap();
    assert_eq!(stream.next().await, Some(Ok(StreamEvent::Text("begun".to_owned()))));
    drop(stream);
    tokio::time::timeout(Duration::from_mins(1), server.abandoned(1)).await.expect("the server notices");
}

#[tokio::test]
async fn dropping_the_question_before_an_answer_ends_the_request() {
    let server = ScriptedModel::start(Script::always(Answer::Hang)).await.unwrap();
    let asked = model(&server);
    tokio::select! {
        _ = asked.stream(question("hello")) => panic!("nobody answers"),
        () = async { while server.requests().is_empty() { tokio::task::yield_now().await } } => {}
    }
    tokio::time::timeout(Duration::from_mins(1), server.abandoned(1)).await.expect("the server notices");
}

#[test]
fn a_key_does_not_cross_the_network_unencrypted_unasked() {
    let key = |base: &str| BoundKey::new(BaseUrl::parse(base).unwrap(), KEY).unwrap();
    assert_eq!(Endpoint::keyed(key("http://10.0.0.1/v1"), false).unwrap_err(), KeyError::Unencrypted);
    for (base, key_over_http) in
        [("http://10.0.0.1/v1", true), ("http://[::1]:8080/v1", false), ("https://a.example/v1", false)]
    {
        let endpoint = Endpoint::keyed(key(base), key_over_http).unwrap();
        assert_eq!(endpoint.base().to_string(), base);
        assert!(!format!("{endpoint:?}").contains(KEY));
    }
}
