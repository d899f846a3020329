//! Recorded handshakes of real clients, replayed against an authority with the recorded nonce and
//! time: their signatures verify, and who was refused is refused with the same codes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use support::{World, local, program, records};
use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion};
use tidegate_protocol::refusal::{DeviceProofError, Refusal};
use tidegate_protocol::{ConnectParams, ConnectionId, Dialect, UnixMillis};
use tidegate_trust::admission::{Admission, Attempt};
use tidegate_trust::identity;
use tidegate_trust::records::SharedToken;
use tidegate_trust::token::Token;
use tidegate_trust::{Timestamp, TrustRecords};

struct Recorded {
    case: String,
    params: ConnectParams,
    nonce: Nonce,
    at: UnixMillis,
    was_let_in: bool,
}

fn lines(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says it"))
        .join("../protocol/tests/frames")
        .join(file);
    let text = std::fs::read_to_string(path).expect("the recorded frames are here");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// A nonce of this text: they are UUIDs, so the bytes give the text back.
fn nonce(text: &str) -> Nonce {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).expect("hexadecimal");
    }
    let nonce = Nonce::from_entropy(bytes);
    assert_eq!(nonce.as_str(), text);
    nonce
}

fn connects() -> Vec<Recorded> {
    lines("connects.jsonl")
        .into_iter()
        .map(|line| Recorded {
            case: line["case"].as_str().expect("a case").to_owned(),
            params: serde_json::from_value(line["params"].clone()).expect("connect"),
            nonce: nonce(line["nonce"].as_str().expect("a nonce")),
            at: UnixMillis(line["ts"].as_u64().expect("a time")),
            was_let_in: line["ok"].as_bool().expect("an outcome"),
        })
        .collect()
}

fn claim(recorded: &Recorded) -> Option<&DeviceClaim> {
    recorded.params.device.as_ref()
}

#[test]
fn recorded_signatures_verify_and_the_forged_ones_do_not() {
    let connects = connects();
    let mut verified = 0;
    for recorded in &connects {
        let Some(claim) = claim(recorded) else { continue };
        let result = identity::verify(claim, &recorded.params, &recorded.nonce, recorded.at);
        if recorded.case.starts_with("neg-bad-sig") {
            assert_eq!(result, Err(DeviceProofError::SignatureInvalid), "{}", recorded.case);
            continue;
        }
        let device = result.unwrap_or_else(|error| panic!("{}: {error:?}", recorded.case));
        assert_eq!(device.id().to_string(), claim.id);
        assert_eq!(device.payload(), PayloadVersion::V3);
        verified += 1;
    }
    assert!(verified > 20, "{verified}");
}

/// A change of a recorded `connect`, and its name.
type Change = (&'static str, fn(&mut ConnectParams));

#[test]
fn a_recorded_signature_covers_everything_that_a_person_is_shown_of_it() {
    let changes: [Change; 8] = [
        ("scopes", |params| params.scopes.push("operator.talk.secrets".to_owned())),
        ("role", |params| params.role = Some("another".to_owned())),
        ("client id", |params| params.client.id = tidegate_protocol::ClientId::OpenclawIos),
        ("mode", |params| params.client.mode = tidegate_protocol::ClientMode::Test),
        ("platform", |params| params.client.platform = "darwin".to_owned()),
        ("family", |params| params.client.device_family = Some("iPhone".to_owned())),
        ("token", |params| {
            params.auth.get_or_insert_default().token = Some("another".to_owned());
        }),
        ("time", |params| params.device.as_mut().expect("a device").signed_at += 1),
    ];
    for recorded in connects().iter().filter(|recorded| recorded.was_let_in && claim(recorded).is_some()) {
        for (what, change) in changes {
            let mut params = recorded.params.clone();
            change(&mut params);
            let claim = params.device.clone().expect("a device");
            let result = identity::verify(&claim, &params, &recorded.nonce, recorded.at);
            assert_eq!(
                result,
                Err(DeviceProofError::SignatureInvalid),
                "{} with another {what}",
                recorded.case
            );
        }
    }
}

/// An authority whose shared token is the recorded one, at the recorded time.
fn world(recorded: &Recorded) -> World {
    let token = match recorded.case.contains("wrong-token") || recorded.case.contains("no-token") {
        true => "the right one",
        false => recorded.params.auth.as_ref().and_then(|auth| auth.token.as_deref()).expect("a token"),
    };
    let shared_token =
        SharedToken { hash: Token::from_text(token).hash(), generation: 1, created_at: UnixMillis(1) };
    let mut world = World::new(TrustRecords { shared_token: Some(shared_token), ..records() });
    world.now = Timestamp { wall: recorded.at, ..world.now };
    world
}

fn replay(world: &mut World, recorded: &Recorded) -> Admission {
    let origin = local(program("/usr/bin/node", Some("/opt/openclaw.mjs"), None));
    let connection = ConnectionId::parse("replayed").expect("valid");
    let attempt = Attempt::new(connection, origin, &recorded.params, &recorded.nonce, world.now.wall);
    let entropy = world.entropy();
    world.authority.admit(&attempt, &entropy, world.now)
}

#[test]
fn who_was_refused_is_refused_with_the_recorded_codes() {
    let refusals = lines("refusals.jsonl");
    let mut compared = 0;
    for recorded in connects().iter().filter(|recorded| !recorded.was_let_in) {
        let (refusal, dialect) = match replay(&mut world(recorded), recorded) {
            Admission::Refused { refusal, dialect, .. } => (refusal, dialect),
            other => panic!("{}: {other:?}", recorded.case),
        };
        let expected = refusals.iter().find(|line| line["case"] == *recorded.case).expect("recorded");
        let (error, close) = refusal.answer(dialect);
        let error = serde_json::to_value(error).expect("JSON");
        assert_eq!(error["code"], expected["error"]["code"], "{}", recorded.case);
        assert_eq!(u64::from(close.code as u16), expected["close"][0].as_u64().expect("a code"));
        let code = &expected["error"]["details"]["code"];
        assert!(code.is_null() || &error["details"]["code"] == code, "{}: {error}", recorded.case);
        compared += 1;
    }
    assert_eq!(compared, 11);
}

#[test]
fn whom_openclaw_let_in_silently_asks_a_person_here() {
    for recorded in connects().iter().filter(|recorded| recorded.was_let_in) {
        let mut world = world(recorded);
        let refusal = match replay(&mut world, recorded) {
            Admission::Refused { refusal, dialect, .. } => {
                let expected = if recorded.case.ends_with("4.1") { Dialect::V3 } else { Dialect::V4 };
                assert_eq!(dialect, expected, "{}", recorded.case);
                refusal
            }
            other => panic!("{}: {other:?}", recorded.case),
        };
        match recorded.params.role() {
            "operator" => {
                assert!(matches!(refusal, Refusal::PairingRequired(_)), "{}: {refusal:?}", recorded.case)
            }
            _ => assert_eq!(refusal, Refusal::InvalidRole, "{}", recorded.case),
        }
    }
}

#[test]
fn a_recorded_handshake_replayed_on_another_connection_proves_nothing() {
    for recorded in connects().iter_mut().filter(|recorded| claim(recorded).is_some()) {
        recorded.nonce = Nonce::from_entropy([3; 16]);
        let claim = claim(recorded).expect("a device");
        let result = identity::verify(claim, &recorded.params, &recorded.nonce, recorded.at);
        assert_eq!(result, Err(DeviceProofError::NonceMismatch), "{}", recorded.case);
    }
}

#[test]
fn the_original_bug_does_not_happen_with_the_recorded_steps() {
    // Our own client in the steps of the recorded failure: read by `sessions_list`, then admin by
    // `sessions_spawn`, each on a connection of its own.
    use tidegate_protocol::Scope;
    let mut world = World::new(records());
    let own = support::key(1);
    world.authority.set_own_key(support::public(&own));
    for scope in [Scope::Read, Scope::Admin, Scope::Write, Scope::Admin] {
        let origin = world.in_process.origin();
        let client = support::Client::new(&own).no_token().asks([&scope]);
        assert!(world.admitted(&origin, &client).session.scopes().covers(&scope));
    }
    assert!(world.authority.waiting().is_empty());
}
