//! `config`: a value of the configuration counts only as it was shown.

use serde_json::json;
use tidegate_protocol::payload::surfaces::{
    ConfigListResult, RefusedValue, SettingDecidedResult, SettingEntry,
};
use tidegate_protocol::rpc;

use crate::support::answers::ago;
use crate::support::{Reply, Stage, desktop_decides, to};

const KEY: &str = "gateway.controlUi.allowedOrigins";

fn configuration() -> ConfigListResult {
    let origins = ["http://127.0.0.1:5173", "https://ui.example"];
    ConfigListResult {
        path: "/home/a/.local/share/tidegate/openclaw.json".to_owned(),
        settings: vec![SettingEntry {
            id: "0123456789abcdef".to_owned(),
            key: KEY.to_owned(),
            state: "waiting".to_owned(),
            value: origins.map(str::to_owned).to_vec(),
            present: vec![],
            opens: "Web pages of these addresses may connect.".to_owned(),
            digest: "d1gest".to_owned(),
            since_ms: ago(60_000),
        }],
        refused: vec![RefusedValue {
            key: "gateway.bind".to_owned(),
            reason: "Tidegate serves loopback only.".to_owned(),
        }],
    }
}

fn decided(state: &str, note: Option<&str>) -> SettingDecidedResult {
    SettingDecidedResult { key: KEY.to_owned(), state: state.to_owned(), note: note.map(str::to_owned) }
}

fn stage() -> Stage {
    Stage::answering([
        to::<rpc::TidegateConfigList>(configuration()),
        to::<rpc::TidegateConfigConfirm>(decided("confirmed", None)),
        to::<rpc::TidegateConfigReject>(decided("rejected", Some("This holds until restart."))),
    ])
}

#[tokio::test]
async fn the_list_shows_what_waits_and_what_never_counts() {
    let outcome = stage().run(&["config", "list"]).await;

    assert_eq!(
        outcome.out,
        "STATE    KEY                               VALUE\n\
         waiting  gateway.controlUi.allowedOrigins  http://127.0.0.1:5173, https://ui.example\n\
         \n`tidegate config confirm KEY` shows it in full, and asks.\n\
         \nNEVER APPLIED  WHY\n\
         gateway.bind   Tidegate serves loopback only.\n\
         \nThe file: /home/a/.local/share/tidegate/openclaw.json\n"
    );
}

#[tokio::test]
async fn confirming_shows_it_asks_and_names_what_was_shown() {
    let outcome = stage().person(true).run(&["config", "confirm", KEY]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(
        outcome.out.contains("Would be       http://127.0.0.1:5173, https://ui.example"),
        "{}",
        outcome.out
    );
    assert!(outcome.out.contains("Now            none"), "{}", outcome.out);
    assert_eq!(outcome.sent("tidegate.config.confirm"), &json!({ "key": KEY, "digest": "d1gest" }));
}

#[tokio::test]
async fn without_a_yes_nothing_is_confirmed() {
    for (stage, code) in [(stage().person(false), 1), (stage(), 2)] {
        let outcome = stage.run(&["config", "confirm", KEY]).await;
        assert_eq!(outcome.code, code, "{}", outcome.err);
        assert!(!outcome.was_called("tidegate.config.confirm"));
    }
}

#[tokio::test]
async fn what_tidegate_does_not_have_cannot_be_confirmed_and_the_sentence_says_why() {
    let outcome = stage().run(&["config", "confirm", "gateway.bind", "--yes"]).await;

    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("Tidegate serves loopback only."), "{}", outcome.err);
    assert!(!outcome.was_called("tidegate.config.confirm"));
}

#[tokio::test]
async fn beside_a_desktop_its_dialog_is_opened_instead() {
    let stage = Stage::scripted(|method, _, id| match method {
        "tidegate.config.list" => Reply::ok(id, configuration()),
        _ => desktop_decides(id),
    });

    let outcome = stage.with_desktop().run(&["config", "confirm", KEY, "--yes"]).await;

    assert_eq!(outcome.code, 5, "{}", outcome.err);
}

#[tokio::test]
async fn rejecting_says_when_it_holds_only_until_restart() {
    let outcome = stage().run(&["config", "reject", KEY]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.contains("This holds until restart."), "{}", outcome.out);
    assert_eq!(outcome.sent("tidegate.config.reject"), &json!({ "key": KEY }));
}
