//! One run: from a message to an answer, or to a clear failure.
#![allow(clippy::expect_used, reason = "a test may not go on without what it expects")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Log, Step, call, main_session, model_name, raw_call, run, shown, text, world, world_with};
use serde_json::json;
use tidegate_agent::event::RunEventKind;
use tidegate_agent::message::Message;
use tidegate_agent::model::{ModelError, StopReason, StreamEvent};
use tidegate_agent::{Limits, StartError};
use tidegate_store::{Outcome, RunRow, RunState, Usage};

#[tokio::test(start_paused = true)]
async fn an_answer_streams_and_is_stored_with_the_end_of_the_run() {
    let usage = StreamEvent::Usage(Usage { input: 7, output: 2 });
    let mut world = world(move |_| vec![text("Hel"), text("lo"), Step::Event(usage.clone())]);
    let row = world.say("r1", "hi").await;
    assert_eq!(row.state, RunState::Terminal(Outcome::Ok));
    assert_eq!((row.result.as_deref(), row.model.as_deref()), (Some("Hello"), Some("test/usual")));
    assert_eq!(row.usage, Usage { input: 7, output: 2 });
    world.until_ended(&main_session()).await;
    let seqs: Vec<u64> = world.seen.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let texts: Vec<_> = world
        .seen
        .iter()
        .filter_map(
            |e| if let RunEventKind::Text { text, .. } = &e.kind { Some(text.to_string()) } else { None },
        )
        .collect();
    assert_eq!(texts, ["Hel", "Hello"]);
    let entries = world.transcript(&main_session()).await;
    assert_eq!(world.roles(&main_session()).await, ["user", "assistant"]);
    let answer = shown(&entries[1]);
    assert_eq!(answer.stop_reason.as_deref(), Some("stop"));
    assert_eq!(answer.usage.map(|usage| usage.total_tokens), Some(9));
}

#[tokio::test(start_paused = true)]
async fn tools_run_in_order_and_the_model_reads_framed_results() {
    let world = world(|ask| {
        if ask.last_is_result() {
            let results = ask.results();
            assert!(results[0].0.contains("one") && results[0].0.starts_with("<untrusted-data"));
            assert!(results[1].0.contains("two"));
            return vec![text("both")];
        }
        vec![
            call("a", "probe", &json!({"do": "say", "text": "one"})),
            call("b", "probe", &json!({"do": "say", "text": "two"})),
        ]
    });
    let row = world.say("r1", "go").await;
    assert_eq!(row.result.as_deref(), Some("both"));
    assert_eq!(
        world.roles(&main_session()).await,
        ["user", "assistant", "toolResult", "toolResult", "assistant"]
    );
    assert_eq!(world.tool_calls.lock().expect("lock").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_tells_comes_between_its_start_and_its_end() {
    let mut world = world(|ask| match ask.last_is_result() {
        true => vec![text("both")],
        false => vec![call("a", "probe", &json!({"do": "tell"}))],
    });
    world.say("r1", "go").await;
    world.until_ended(&main_session()).await;
    world.advance(Duration::from_secs(2)).await;
    world.say("r2", "again").await;
    world.until_ended(&main_session()).await;

    let step = |what: &RunEventKind| match what {
        RunEventKind::ToolStarted { call_id, .. } => Some(format!("{call_id} starts")),
        RunEventKind::ToolUpdated { call_id, name, text } => Some(format!("{call_id} {name}: {text}")),
        RunEventKind::ToolEnded { call_id, text, .. } => Some(format!("{call_id} ends: {text}")),
        _ => None,
    };
    let steps: Vec<_> = world.seen.iter().filter_map(|event| step(&event.kind)).collect();
    let once = ["a starts", "a probe: half", "a ends: whole"];
    assert_eq!(steps, [once, once].concat());
}

#[tokio::test(start_paused = true)]
async fn bad_calls_get_an_error_that_says_what_is_wrong() {
    let world = world(|ask| {
        if ask.last_is_result() {
            let results = ask.results();
            assert!(results.iter().all(|(_, is_error)| *is_error));
            assert!(results[0].0.contains("not valid JSON"), "{results:?}");
            assert!(results[1].0.contains("must be one JSON object, not a list"), "{results:?}");
            assert!(results[2].0.contains("may not use a tool \"rm\""), "{results:?}");
            assert!(results[3].0.contains("crashed"), "{results:?}");
            return vec![text("understood")];
        }
        vec![
            raw_call("a", "probe", "{\"do\":"),
            raw_call("a", "probe", "[1]"),
            call("c", "rm", &json!({})),
            call("d", "probe", &json!({"do": "panic"})),
        ]
    });
    assert_eq!(world.say("r1", "go").await.result.as_deref(), Some("understood"));
    assert_eq!(world.tool_calls.lock().expect("lock").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_called_under_the_other_names_that_it_has() {
    let mut world = world(|ask| {
        if ask.last_is_result() {
            assert!(ask.results().iter().all(|(_, is_error)| !is_error), "{:?}", ask.results());
            return vec![text("called")];
        }
        ["test_probe", "Probe", "TEST_PROBE"]
            .map(|name| call(name, name, &json!({"do": "say", "text": "x"})))
            .into()
    });
    assert_eq!(world.say("r1", "go").await.result.as_deref(), Some("called"));
    world.until_ended(&main_session()).await;
    let names = world.seen.iter().filter_map(|event| match &event.kind {
        RunEventKind::ToolStarted { name, .. } => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["probe"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_refused_where_the_tool_itself_is() {
    let world = world(|ask| {
        if ask.last_is_result() {
            assert!(ask.results()[0].0.contains("may not use a tool \"probe\""), "{:?}", ask.results());
            return vec![text("refused")];
        }
        vec![call("a", "test_probe", &json!({}))]
    });
    let mut turn = world.turn("r1", "go");
    turn.authority = turn.authority.narrow(None, None, &["probe"]).expect("narrower");
    world.runtime.start_turn(turn).await.expect("accepted");
    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("refused"));
    assert!(world.tool_calls.lock().expect("lock").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_in_an_answer_that_was_cut_by_length_never_runs() {
    let world = world(|ask| {
        if ask.last_is_result() {
            assert!(ask.results()[0].0.contains("length limit"));
            return vec![text("shorter")];
        }
        vec![call("a", "probe", &json!({})), Step::Event(StreamEvent::Stop(StopReason::Length))]
    });
    assert_eq!(world.say("r1", "go").await.result.as_deref(), Some("shorter"));
    assert!(world.tool_calls.lock().expect("lock").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_answers_ends_at_the_limit_of_rounds() {
    let limits = Limits { rounds: 3, ..Limits::default() };
    let world = world_with(limits, |_| vec![call("a", "probe", &json!({}))]);
    let row = world.say("r1", "go").await;
    assert_eq!(row.state, RunState::Terminal(Outcome::Error));
    assert!(row.error.expect("an error").contains("3 times"));
    assert_eq!(world.asks(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_tool_result_is_cut_in_its_middle() {
    let limits = Limits { tool_result_bytes: 1000, ..Limits::default() };
    let long = format!("start{}end", "x".repeat(50_000));
    let world = world_with(limits, move |ask| match ask.results().first() {
        Some((result, _)) => {
            assert!(result.len() < 1500 && result.contains("start") && result.contains("end"));
            assert!(result.contains("bytes left out"));
            vec![text("ok")]
        }
        None => vec![call("a", "probe", &json!({"do": "say", "text": long}))],
    });
    assert_eq!(world.say("r1", "go").await.result.as_deref(), Some("ok"));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_empty_or_too_long_are_refused_before_anything_is_stored() {
    let world = world_with(Limits { message_bytes: 10, ..Limits::default() }, |_| vec![text("ok")]);
    let empty = world.runtime.start_turn(world.turn("r1", " \n")).await;
    assert_eq!(empty, Err(StartError::EmptyMessage));
    let long = world.runtime.start_turn(world.turn("r1", "12345678901")).await;
    assert_eq!(long, Err(StartError::MessageTooLong { bytes: 11, limit: 10 }));
    assert_eq!(world.store.run(run("r1")).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_a_session_has_an_end() {
    let world = world_with(Limits { queued_per_session: 1, ..Limits::default() }, |_| {
        vec![Step::Gate(Default::default())]
    });
    for id in ["r1", "r2"] {
        world.runtime.start_turn(world.turn(id, "go")).await.expect("accepted");
    }
    let third = world.runtime.start_turn(world.turn("r3", "go")).await;
    assert_eq!(third, Err(StartError::QueueFull { waiting: 1 }));
}

#[tokio::test(start_paused = true)]
async fn the_same_id_again_starts_nothing_and_elsewhere_is_refused() {
    let world = world(|_| vec![text("once")]);
    world.say("r1", "go").await;
    let again = world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    assert!(again.duplicate);
    assert_eq!(again.run.result.as_deref(), Some("once"));
    let mut elsewhere = world.turn("r1", "go");
    elsewhere.session = common::key("agent:main:other");
    assert_eq!(world.runtime.start_turn(elsewhere).await, Err(StartError::RunIdTaken));
    assert_eq!(world.asks(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_an_owner_chooses_a_model_and_an_unknown_one_is_an_error() {
    let world = world(|ask| vec![text(&ask.model.to_string())]);
    let mut turn = world.turn("r1", "go");
    turn.model = Some(model_name("test/other"));
    world.runtime.start_turn(turn.clone()).await.expect("accepted");
    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("test/other"));
    turn.run = run("r2");
    turn.model = Some(model_name("test/missing"));
    assert_eq!(
        world.runtime.start_turn(turn.clone()).await,
        Err(StartError::UnknownModel { model: "test/missing".to_owned() })
    );
    let guest = tidegate_agent::authority::Owner::Guest { name: "guest".to_owned() };
    turn.authority = tidegate_agent::authority::RunAuthority::root(guest, "/w".into(), Default::default());
    assert_eq!(world.runtime.start_turn(turn).await, Err(StartError::ModelNotAllowed));
}

#[tokio::test(start_paused = true)]
async fn a_failing_model_ends_the_run_with_its_sentence_and_keeps_the_text() {
    let world = world(|_| vec![text("half"), Step::Fail(ModelError::CutOff { reason: "gone".to_owned() })]);
    let row = world.say("r1", "go").await;
    assert_eq!(row.state, RunState::Terminal(Outcome::Error));
    assert!(row.error.expect("an error").contains("broke off"));
    let entries = world.transcript(&main_session()).await;
    let half = shown(&entries[1]);
    assert_eq!((half.text().as_str(), half.stop_reason.as_deref()), ("half", Some("error")));
}

#[tokio::test(start_paused = true)]
async fn a_model_call_that_fails_is_logged_with_each_attempt() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let refused = || ModelError::Server { status: 500, message: "out of\nmemory".to_owned() };
    let world = world(move |_| vec![Step::Fail(refused())]);

    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    for (failures, pause) in [(1, 1), (2, 2)] {
        while log.lines("model call failed").len() < failures
            || world.runtime.active()[0].activity != tidegate_agent::Activity::Waiting
        {
            tokio::task::yield_now().await;
        }
        world.advance(Duration::from_secs(pause)).await;
    }
    world.ended(&run("r1")).await;

    let lines = log.lines("model call failed");
    assert_eq!(lines.len(), 3, "the call and two more attempts: {lines:?}");
    for (line, attempt) in lines.iter().zip(1..) {
        for part in ["WARN", "run=\"r1\"", &format!("attempt={attempt}"), "answered 500: out of\\u{a}memory"]
        {
            assert!(line.contains(part), "{part:?} in {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_mark_counts_as_cut_off() {
    let world = world(|_| vec![text("half"), Step::Break]);
    assert_eq!(world.say("r1", "go").await.state, RunState::Terminal(Outcome::Error));
}

/// What becomes of an answer of which an event comes every 100 seconds, and then text.
async fn slowly(event: StreamEvent, count: usize) -> RunRow {
    let world = world(move |_| {
        let piece = || [Step::Sleep(Duration::from_secs(100)), Step::Event(event.clone())];
        (0..count).flat_map(|_| piece()).chain([text("at last")]).collect()
    });
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    while world.asks() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..count {
        world.advance(Duration::from_secs(100)).await;
    }
    world.ended(&run("r1")).await
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_are_waited_for_and_not_for_ever() {
    let alive = slowly(StreamEvent::Alive, 5).await;
    let pieces = slowly(StreamEvent::Piece, 20).await;
    let endless = slowly(StreamEvent::Alive, 20).await;

    assert_eq!(alive.result.as_deref(), Some("at last"));
    assert_eq!(pieces.result.as_deref(), Some("at last"), "a long call is something");
    let error = "the model server kept the connection open and said nothing for 15 minutes";
    assert_eq!(endless.error.as_deref(), Some(error));
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_asked_for_once_more_and_then_an_error() {
    let empty = "the model's answer was empty; ask again, or use another model";
    let only_reasoned = "the model only reasoned, and gave no answer; ask again, or use another model";
    for (piece, said) in [
        (None, empty),
        (Some(StreamEvent::Text(" \n".to_owned())), empty),
        (Some(StreamEvent::Thinking("hm".to_owned())), only_reasoned),
    ] {
        let world = world(move |_| piece.clone().map(Step::Event).into_iter().collect());

        let row = world.say("r1", "go").await;

        assert_eq!((row.error.as_deref(), world.asks()), (Some(said), 2));
    }
    let silent_end = world(|ask| match ask.last_is_result() {
        true => vec![],
        false => vec![text("I look."), call("a", "probe", &json!({"do": "say", "text": "one"}))],
    });
    let row = silent_end.say("r1", "go").await;
    assert_eq!((row.error, silent_end.asks()), (None, 3), "it said before what it had to say");
    let asked = AtomicBool::new(false);
    let second =
        world(move |_| if asked.swap(true, Ordering::SeqCst) { vec![text("now")] } else { Vec::new() });
    assert_eq!(second.say("r1", "go").await.result.as_deref(), Some("now"));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_model_to_be_loaded_uses_up_no_other_try() {
    let asked = AtomicUsize::new(0);
    let world = world(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0..10 => vec![Step::Fail(ModelError::Loading)],
        10 | 11 => vec![Step::Fail(ModelError::Server { status: 502, message: "bad gateway".to_owned() })],
        _ => vec![text("loaded")],
    });
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    for asks in 1..13 {
        while world.asks() < asks {
            tokio::task::yield_now().await;
        }
        world.advance(Duration::from_secs(2)).await;
    }

    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("loaded"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_is_given_up() {
    let mut world = world(|_| vec![text("half"), Step::Sleep(common::LONG)]);
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.until(|event| matches!(event.kind, RunEventKind::Text { .. })).await;
    world.advance(Limits::default().model_idle).await;
    let row = world.ended(&run("r1")).await;
    assert_eq!(row.error.as_deref(), Some("the model server sent nothing for 120 s"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_model_is_asked_again_after_the_pause_that_it_wants() {
    let asked = std::sync::atomic::AtomicBool::new(false);
    let began = std::sync::Arc::new(tokio::sync::Notify::new());
    let asked_once = began.clone();
    let world = world(move |_| {
        if asked.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return vec![text("now")];
        }
        asked_once.notify_one();
        vec![Step::Fail(ModelError::RateLimited { retry_after_ms: Some(5_000) })]
    });
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    began.notified().await;
    while world.runtime.active()[0].activity != tidegate_agent::Activity::Waiting {
        tokio::task::yield_now().await;
    }
    world.advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.ended(&run("r1")).await.result.as_deref(), Some("now"));
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_too_long_is_shortened_and_asked_again() {
    let world = world(|ask| {
        if ask.said() == "fill" {
            return vec![text("filled")];
        }
        let length: usize = ask
            .request
            .messages
            .iter()
            .map(|m| if let Message::User(text) = m { text.len() } else { 0 })
            .sum();
        if length > 1000 { vec![Step::Fail(ModelError::ContextLength)] } else { vec![text("fits")] }
    });
    for (id, message) in [("r1", &*"x".repeat(150_000)), ("r2", "and now?")] {
        let row = world.say(id, message).await;
        assert_eq!(row.result.as_deref(), Some("fits"), "{id}");
    }
}

/// A model that takes so many bytes, with how often it refused.
fn narrow_model(bytes: usize) -> (common::World, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let world = world(move |ask| {
        let asked = format!("{:?}", ask.request.messages).len();
        if asked <= bytes {
            return vec![text(&"I answer at some length. ".repeat(20))];
        }
        counter.fetch_add(1, Ordering::Relaxed);
        vec![Step::Fail(ModelError::ContextLength)]
    });
    (world, refused)
}

#[tokio::test(start_paused = true)]
async fn a_long_conversation_goes_on_in_a_small_window_and_is_refused_once() {
    let (world, refused) = narrow_model(12_000);

    for turn in 0..100 {
        let row = world.say(&format!("r{turn}"), &format!("turn {turn}: {}", "words ".repeat(400))).await;
        assert_eq!(row.error, None, "turn {turn}");
    }

    assert_eq!(refused.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_forgotten_after_an_hour_because_the_window_may_be_larger_now() {
    let (world, refused) = narrow_model(12_000);
    let long = "words ".repeat(1_500);
    for id in ["r1", "r2", "r3"] {
        world.say(id, &long).await;
    }
    let before = refused.load(Ordering::Relaxed);

    world.advance(Duration::from_hours(1)).await;
    world.say("r4", &long).await;

    assert!(refused.load(Ordering::Relaxed) > before);
}

#[tokio::test(start_paused = true)]
async fn instructions_that_are_too_long_take_nothing_from_other_turns() {
    let (world, refused) = narrow_model(40_000);
    let mut instructed = world.turn("r1", "hello");
    instructed.extra_system_prompt = Some("rules ".repeat(10_000));
    world.runtime.start_turn(instructed).await.expect("accepted");
    let row = world.ended(&run("r1")).await;
    assert_eq!(row.error.as_deref(), Some("the conversation is longer than the model can read"));
    let before = refused.load(Ordering::Relaxed);

    for id in ["r2", "r3"] {
        assert_eq!(world.say(id, &"words ".repeat(2_000)).await.error, None, "{id}");
    }

    assert_eq!(refused.load(Ordering::Relaxed), before);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_takes_nothing_fails_with_a_sentence_and_the_session_goes_on() {
    let world = world(|ask| match ask.said() {
        "again" => vec![text("I am back.")],
        _ => vec![Step::Fail(ModelError::ContextLength)],
    });

    let row = world.say("r1", &"x".repeat(50_000)).await;

    assert_eq!(row.error.as_deref(), Some("the conversation is longer than the model can read"));
    assert_eq!(world.say("r2", "again").await.result.as_deref(), Some("I am back."));
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_session_take_turns_and_read_each_other() {
    let world = world(|ask| vec![text(&format!("{}:{}", ask.said(), ask.request.messages.len()))]);
    for id in ["r1", "r2", "r3"] {
        world.runtime.start_turn(world.turn(id, id)).await.expect("accepted");
    }
    assert_eq!(world.ended(&run("r3")).await.result.as_deref(), Some("r3:6"));
    assert_eq!(world.ended(&run("r2")).await.result.as_deref(), Some("r2:4"));
}
