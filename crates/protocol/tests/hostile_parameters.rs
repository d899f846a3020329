//! Parameters that are made to exhaust or confuse their reader.
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use serde::de::DeserializeOwned;
use tidegate_protocol::RequestFrame;
use tidegate_protocol::params::{DeviceRename, ExecApprovalRequest, ModelsList, SessionsCreate, TokenRotate};

fn read<T: DeserializeOwned>(params: &str) -> Result<T, String> {
    let frame = format!(r#"{{"type":"req","id":"1","method":"m","params":{params}}}"#);
    let frame = RequestFrame::parse(&frame).map_err(|error| error.to_string())?;
    frame.params::<T>().map_err(|error| error.to_string())
}

/// A list in a list, and so on.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn a_value_nested_a_million_times_is_ignored_or_refused() {
    let deep = nested(1_000_000);
    assert!(read::<ModelsList>(&format!(r#"{{"refresh":{deep}}}"#)).is_ok());
    assert!(read::<TokenRotate>(&format!(r#"{{"deviceId":"x","role":"r","scopes":{deep}}}"#)).is_err());
    for field in ["attachments", "fastMode", "agentRuntime"] {
        assert!(read::<SessionsCreate>(&format!(r#"{{"{field}":{deep}}}"#)).is_err(), "{field}");
    }
    for field in ["mentions", "titleSource"] {
        assert!(read::<SessionsCreate>(&format!(r#"{{"{field}":{deep}}}"#)).is_ok(), "{field}");
    }
    let objects = format!("{}1{}", r#"{"a":"#.repeat(1_000_000), "}".repeat(1_000_000));
    assert!(read::<ModelsList>(&format!(r#"{{"refresh":{objects}}}"#)).is_ok());
    assert!(read::<ExecApprovalRequest>(&format!(r#"{{"command":"x","scope":{objects}}}"#)).is_err());
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    for params in [
        r#"{"refresh":1,"refresh":2}"#,
        r#"{"refresh":null,"refresh":true}"#,
        r#"{"view":"all","view":"default"}"#,
    ] {
        let error = read::<ModelsList>(params).expect_err(params);
        assert!(error.contains("twice"), "{params}: {error}");
    }
    for params in [
        r#"{"command":"ls","ask":"always","ask":"off"}"#,
        r#"{"command":"ls","command":"rm"}"#,
        r#"{"command":"ls","ask":null,"ask":"off"}"#,
        r#"{"command":"ls","\u0061sk":"always","ask":"always"}"#,
    ] {
        assert!(read::<ExecApprovalRequest>(params).is_err(), "{params}");
    }
    assert!(read::<DeviceRename>(r#"{"deviceId":"x","label":"a","label":"b"}"#).is_err());
}

#[test]
fn what_would_change_who_decides_is_refused() {
    for field in [
        r#""ask":"off""#,
        r#""security":"deny""#,
        r#""approvalReviewerDeviceIds":[]"#,
        r#""approvalReviewerDeviceIds":["x"]"#,
        r#""warningText":"harmless""#,
        r#""scope":{"kind":"x"}"#,
        r#""host":"node""#,
    ] {
        let params = format!(r#"{{"command":"ls",{field}}}"#);
        assert!(read::<ExecApprovalRequest>(&params).is_err(), "{params}");
    }
}

#[test]
fn a_request_cannot_take_away_what_a_person_decides() {
    let ask = |unavailable: &str| {
        read::<ExecApprovalRequest>(&format!(r#"{{"command":"ls","unavailableDecisions":{unavailable}}}"#))
    };
    assert!(ask(r#"["allow-always"]"#).is_ok());
    for unavailable in [r#"["allow-once"]"#, r#"["allow-always","deny"]"#, r#""allow-always""#] {
        let error = ask(unavailable).expect_err(unavailable);
        assert!(error.contains("unavailableDecisions"), "{unavailable}: {error}");
    }
}
