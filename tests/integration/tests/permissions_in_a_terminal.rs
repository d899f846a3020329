//! A person decides in the terminal where the agent's answer is printed, where no desktop runs: once, or for
//! more than one time. What they allowed is not asked about again until they take it back.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use serde_json::Value;
use tidegate_integration_tests::serving::Serving;
use tidegate_integration_tests::terminal::Terminal;

/// What the person was shown, and what the agent said after they answered.
async fn answered(serving: &Serving, message: &str, keys: &str, line: &str) -> (String, String) {
    let mut terminal = Terminal::run(serving, &["agent", "--message", message]);
    let shown = terminal.until(&format!("Your decision [{keys}]:")).await;
    terminal.types(line);
    (shown, terminal.end().await)
}

async fn unasked(serving: &Serving) -> Value {
    serving.cli_json(&["permissions", "list"]).await["unaskedCount"].take()
}

/// Revokes the only permission.
async fn revoke(serving: &Serving) -> String {
    let list = serving.cli_json(&["permissions", "list"]).await;
    assert_eq!(list["permissions"].as_array().map(Vec::len), Some(1), "{list}");
    serving.cli(&["permissions", "revoke", list["permissions"][0]["id"].as_str().unwrap()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_allowed_is_not_asked_about_until_revoked() {
    let serving = Serving::start().await;
    let made = |name: &str| serving.workspace().join(name).exists();

    let (shown, _) = answered(&serving, "/run touch one", "y/f/r/n/s", "f").await;
    assert!(shown.contains("| touch one"), "{shown}");
    assert!(shown.contains("[f] Run this, and let agents run contained commands in "), "{shown}");
    assert!(made("one"));

    serving.cli(&["agent", "--message", "/run touch two"]).await;
    assert!(made("two"));
    assert_eq!(unasked(&serving).await, 1);

    serving.cli(&["permissions", "ask-everything"]).await;
    let (shown, _) = answered(&serving, "/run touch three", "y/n/s", "n").await;
    assert!(shown.contains("Why you are asked"), "{shown}");
    assert!(!made("three"));
    serving.cli(&["permissions", "use", "--yes"]).await;
    serving.cli(&["agent", "--message", "/run touch four"]).await;
    assert!(made("four"));

    assert!(revoke(&serving).await.starts_with("Revoked."));
    let (_, said) = answered(&serving, "/run touch five", "y/f/r/n/s", "n Leave it at four.").await;
    assert!(said.contains("and says: Leave it at four."), "{said}");
    assert!(!made("five"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_below_a_folder_is_allowed_for_a_session() {
    let serving = Serving::start().await;
    let notes = serving.place.outside().canonicalize().unwrap().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("one.txt"), "the tide turns at nine").unwrap();
    fs::write(notes.join("two.txt"), "and again at three").unwrap();
    let read = |name: &str| format!("/read {}", notes.join(name).display());

    let (_, first) = answered(&serving, &read("one.txt"), "y/b/n/s", "b").await;
    let second = serving.cli(&["agent", "--message", &read("two.txt")]).await;
    let other = ["agent", "--session", "other", "--message", &read("two.txt")];
    let mut other = Terminal::run(&serving, &other);
    other.until("Your decision [y/b/n/s]:").await;
    other.types("n");

    assert!(first.contains("the tide turns at nine"), "{first}");
    assert!(second.contains("and again at three"), "{second}");
    let refused = other.end().await;
    assert!(!refused.contains("and again"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_before_the_question_answers_nothing() {
    let serving = Serving::start().await;

    let mut terminal = Terminal::run(&serving, &["agent", "--message", "/run touch early"]);
    terminal.types("f");
    terminal.until("Your decision [y/f/r/n/s]:").await;
    terminal.types("n");
    terminal.end().await;

    assert!(!serving.workspace().join("early").exists());
    let list = serving.cli_json(&["permissions", "list"]).await;
    assert_eq!(list["permissions"], Value::Array(Vec::new()), "{list}");
}
