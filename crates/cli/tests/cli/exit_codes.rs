//! What scripts see.

use serde_json::{Value, json};
use tidegate_protocol::payload::devices::DevicePairListResult;
use tidegate_protocol::payload::events::RefusedEvent;
use tidegate_protocol::payload::surfaces::{
    CheckLevel, DoctorCheck, DoctorResult, SelfTestResult, SelfTestStep, SharedTokenResult,
};
use tidegate_protocol::{ErrorShape, rpc};

use crate::support::answers::{no_devices, paired, shared_token};
use crate::support::{Reply, Stage, event, to};

#[tokio::test]
async fn a_gateway_that_does_not_run_is_3_with_how_to_start_it() {
    let outcome = Stage::answering([]).not_running().run(&["status"]).await;

    assert_eq!(outcome.code, 3);
    assert!(outcome.err.contains("Tidegate is not running") && outcome.err.contains("tidegate serve"));
    assert!(outcome.out.is_empty());
}

#[tokio::test]
async fn a_caller_that_is_refused_gets_4_and_the_reason_cleaned() {
    let reason = "programs that the agent started\u{1b}[2J cannot".to_owned();
    let refused = event("tidegate.refused", RefusedEvent { reason });

    let outcome = Stage::answering([]).greeting(vec![refused]).run(&["status"]).await;

    assert_eq!(outcome.code, 4);
    assert_eq!(
        outcome.err,
        "tidegate: Tidegate refused this command: programs that the agent started\\u{1b}[2J cannot.\n"
    );
}

#[tokio::test]
async fn an_error_answer_is_1_and_its_sentence() {
    let stage =
        Stage::scripted(|_, _, id| Reply::error(id, &ErrorShape::unavailable("Tidegate is starting")));

    let outcome = stage.run(&["pause"]).await;

    assert_eq!((outcome.code, outcome.err.as_str()), (1, "tidegate: Tidegate is starting.\n"));
}

#[tokio::test]
async fn a_connection_that_ends_early_is_1() {
    let before = Stage::answering([]).greeting(vec![]).run(&["status"]).await;
    let between = Stage::scripted(|_, _, _| Reply::HangUp).run(&["status"]).await;

    for outcome in [before, between] {
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("closed the connection"), "{}", outcome.err);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_given_up() {
    for (command, seconds) in [("status", 30), ("doctor", 180)] {
        let stage = Stage::scripted(|_, _, _| Reply::Frames(vec![]));

        let outcome = stage.run(&[command]).await;

        assert_eq!(outcome.code, 1);
        let sentence = format!("did not answer within {seconds} seconds");
        assert!(outcome.err.contains(&sentence), "{}", outcome.err);
    }
}

#[tokio::test]
async fn something_that_is_no_gateway_is_not_believed() {
    let outcome = Stage::answering([]).greeting(vec![event("hello", json!({}))]).run(&["status"]).await;

    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("no greeting"), "{}", outcome.err);
}

#[tokio::test]
async fn an_answer_of_another_version_names_the_place() {
    let outcome = Stage::answering([("tidegate.status", json!({ "version": 7 }))]).run(&["status"]).await;

    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("tidegate.status") && outcome.err.contains("at version"), "{}", outcome.err);
}

#[tokio::test]
async fn failed_checks_are_1_and_named_after_they_were_printed() {
    let store = DoctorCheck {
        name: "store".to_owned(),
        ok: false,
        level: CheckLevel::Fail,
        sentence: "The disk is full.".to_owned(),
        todo: Some("Free some space.".to_owned()),
    };
    let keyring = DoctorCheck {
        name: "keyring".to_owned(),
        ok: true,
        level: CheckLevel::Warn,
        sentence: "It is locked.".to_owned(),
        todo: None,
    };
    let checks = DoctorResult { checks: vec![store, keyring] };
    let step = SelfTestStep { name: "spawn".to_owned(), ok: false, ms: 3, sentence: "no".to_owned() };
    let test = SelfTestResult { ok: false, steps: vec![step] };

    let doctor = Stage::answering([to::<rpc::TidegateDoctor>(checks)]).run(&["doctor"]).await;
    let selftest = Stage::answering([to::<rpc::TidegateSelfTest>(test)]).run(&["selftest"]).await;

    assert_eq!(doctor.code, 1);
    assert!(doctor.out.contains("The disk is full.") && doctor.out.contains("-> Free some space."));
    assert_eq!(doctor.err, "tidegate: Not everything works: store.\n");
    assert_eq!(selftest.code, 1);
    assert!(selftest.out.contains("fail  spawn"), "{}", selftest.out);
}

#[tokio::test]
async fn a_token_that_cannot_be_shown_is_1_and_says_what_to_do() {
    let sentence = "Only its hash is kept. `tidegate token rotate` makes a new one.".to_owned();
    let told = SharedTokenResult { sentence: Some(sentence), ..shared_token(None) };

    let told = Stage::answering([to::<rpc::TidegateTokenShow>(told)]).run(&["token"]).await;
    let silent = Stage::answering([to::<rpc::TidegateTokenShow>(shared_token(None))]).run(&["token"]).await;

    for outcome in [told, silent] {
        assert_eq!(outcome.code, 1);
        assert!(
            outcome.err.contains("hash is kept") && outcome.err.contains("tidegate token rotate"),
            "{}",
            outcome.err
        );
        assert!(outcome.out.is_empty());
    }
}

#[tokio::test]
async fn json_is_the_answer_itself_and_harmless_in_a_terminal() {
    let list = DevicePairListResult { paired: vec![paired("x\u{202e}\u{9b}")], ..no_devices() };

    let stage = Stage::answering([to::<rpc::DevicePairList>(list.clone())]);
    let outcome = stage.run(&["devices", "list", "--json"]).await;

    assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap(), json!(list));
    assert!(outcome.out.is_ascii());
}
