//! The schemas in `schemas/` are those of the types, and what was recorded and what we send fits
//! them. `UPDATE_SCHEMAS=1` writes them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::{Value, json};
use tidegate_protocol::frame::{self, EventNumbers, EventText, ResponseFrame, StateVersion};
use tidegate_protocol::hello::{Auth, Features, HelloOk, Policy, Server, SessionDefaults, Snapshot};
use tidegate_protocol::payload::events::{ConnectChallengeEvent, TickEvent};
use tidegate_protocol::refusal::{AuthReason, DeviceProofError, Refusal};
use tidegate_protocol::{Dialect, Event, Method, Scope, UnixMillis, event, schema};

fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it").into()
}

fn root() -> PathBuf {
    package().join("../..")
}

fn lines(file: &str) -> Vec<Value> {
    let path = package().join("tests/frames").join(file);
    let text = std::fs::read_to_string(path).expect("the recorded frames are here");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// A validator of a part of the document.
fn validator(part: &Value) -> Validator {
    let document = schema::document();
    let mut whole = json!({ "$schema": document["$schema"], "$defs": document["$defs"] });
    for (name, value) in part.as_object().expect("a schema") {
        whole[name] = value.clone();
    }
    jsonschema::draft202012::new(&whole).expect("a schema")
}

fn definition(name: &str) -> Validator {
    validator(&json!({ "$ref": format!("#/$defs/{name}") }))
}

fn check(validator: &Validator, value: &Value) {
    let problems: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{value}: {problems:#?}");
}

#[test]
fn the_committed_schemas_are_current() {
    let path = root().join("schemas/protocol.json");
    let current = schema::document();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, format!("{current:#}\n")).expect("the schemas are written");
    }

    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    // As values: the order of fields depends on what else is compiled.
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();

    assert!(committed == current, "{} is old: UPDATE_SCHEMAS=1 writes it", path.display());
}

#[test]
fn the_table_of_parameters_is_current() {
    const BEGIN: &str = "<!-- generated: parameters -->\n";
    const END: &str = "<!-- end of the generated table -->";
    let path = root().join("docs/protocol.md");
    let text = std::fs::read_to_string(&path).expect("the document is here");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (table, after) = rest.split_once(END).expect("the table ends");
    let current = tidegate_protocol::parameters::table();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{current}{END}{after}")).expect("the table is written");
        return;
    }

    assert!(table == current, "{} is old: UPDATE_SCHEMAS=1 writes it", path.display());
}

#[test]
fn the_document_is_a_schema_and_every_reference_in_it_leads_somewhere() {
    let document = schema::document();

    assert!(jsonschema::draft202012::meta::is_valid(&document));
    for part in ["methods", "events"] {
        for (name, entry) in document[part].as_object().expect("an object") {
            let text = entry.to_string();
            for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
                let target = reference.split('"').next().expect("an end");
                assert!(document["$defs"][target].is_object(), "{part} {name}: {target}");
            }
        }
    }
}

#[test]
fn every_method_of_openclaws_protocol_and_every_event_has_a_schema() {
    let document = schema::document();
    for method in Method::ALL.iter().filter(|method| method.is_advertised()) {
        let entry = &document["methods"][method.name()];
        assert!(entry["params"].is_object(), "{} has no schema of its parameters", method.name());
        assert!(entry["result"].is_object(), "{} has no schema of its answer", method.name());
    }
    for event in Event::ALL {
        assert!(document["events"][event.name()].is_object(), "{} has no schema", event.name());
    }
}

#[test]
fn recorded_requests_fit_and_their_parameters_fit_unless_they_were_refused() {
    let document = schema::document();
    let frames = definition("ClientFrame");
    for line in lines("requests.jsonl") {
        let frame = &line["frame"];
        check(&frames, frame);
        let schema = &document["methods"][frame["method"].as_str().expect("a method")]["params"];
        if line["error"].is_null() && schema.is_object() && frame["method"] != "health" {
            check(&validator(schema), frame.get("params").unwrap_or(&json!({})));
        }
    }
}

#[test]
fn recorded_connects_fit() {
    let connect = definition("ConnectParams");
    lines("connects.jsonl").iter().for_each(|line| check(&connect, &line["params"]));
}

#[test]
fn our_frames_fit() {
    let frames = definition("GatewayFrame");
    let value = |frame: &dyn Fn() -> serde_json::Result<Value>| frame().expect("a frame is JSON");
    check(&frames, &value(&|| serde_json::to_value(ResponseFrame::ok("1", json!({})))));
    check(&frames, &value(&|| serde_json::to_value(ResponseFrame::ok("1", Value::Null))));
    let versions = StateVersion { presence: 1, health: 2 };
    let tick = TickEvent { ts: UnixMillis(1) };
    let event = EventText::new::<event::Tick>(&tick, Some(&versions)).expect("an event is JSON");
    check(&frames, &value(&|| serde_json::from_slice(&event.numbered(EventNumbers::default().take()))));
    let challenge = ConnectChallengeEvent { nonce: "n".to_owned(), ts: 1 };
    let opening = frame::opening::<event::ConnectChallenge>(&challenge);
    check(&frames, &value(&|| serde_json::to_value(&opening)));
    let error = tidegate_protocol::ErrorShape::unavailable("later").with_details(json!({ "code": "X" }));
    check(&frames, &value(&|| serde_json::to_value(ResponseFrame::error("1", &error))));
    check(&frames, &value(&|| serde_json::to_value(ResponseFrame::failed("1", &error, json!({})))));
}

#[test]
fn our_refusals_fit() {
    let errors = definition("ErrorShape");
    let refusals = [
        Refusal::ProtocolMismatch { client_min: 1, client_max: 2 },
        Refusal::InvalidHandshake("invalid handshake".to_owned()),
        Refusal::InvalidRole,
        Refusal::Unauthorized { reason: AuthReason::TokenMissing, can_retry_with_device_token: false },
        Refusal::DeviceProof(DeviceProofError::SignatureInvalid),
        Refusal::DeviceIdentityRequired,
        Refusal::NotReady,
    ];
    for refusal in refusals {
        for dialect in [Dialect::V3, Dialect::V4] {
            check(&errors, &serde_json::to_value(refusal.answer(dialect).0).expect("JSON"));
        }
    }
    lines("refusals.jsonl").iter().for_each(|line| check(&errors, &line["error"]));
}

#[test]
fn our_hello_fits() {
    let hello = HelloOk {
        kind: "hello-ok",
        protocol: 4,
        server: Server { version: "1", boot_id: "b".to_owned(), conn_id: "c".to_owned() },
        features: Features::all(),
        snapshot: Snapshot {
            presence: Vec::new(),
            health: serde_json::from_str("{}").expect("JSON"),
            state_version: StateVersion { presence: 1, health: 1 },
            uptime_ms: 1,
            session_defaults: SessionDefaults::default(),
            config_path: None,
            state_dir: None,
            auth_mode: Some("token"),
        },
        auth: Auth {
            method: "token",
            role: "operator",
            scopes: vec![Scope::Read],
            device_token: None,
            issued_at_ms: Some(UnixMillis(1)),
        },
        policy: Policy::with_max_payload(1024),
    };
    check(&definition("HelloOk"), &serde_json::to_value(hello).expect("JSON"));
}
