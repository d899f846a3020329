//! Every parser takes any text: it never panics, says what is wrong, and accepts what it prints.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use serde_json::Value;
use tidegate_protocol::client::{normalised, platform_family};
use tidegate_protocol::connect::ConnectParams;
use tidegate_protocol::device::{DeviceId, Nonce};
use tidegate_protocol::frame::{RequestFrame, id_of_broken_frame};
use tidegate_protocol::params::{Agent, ChatSend, SessionsList, SessionsPatch};
use tidegate_protocol::text::{is_invisible, one_line, truncate_bytes};
use tidegate_protocol::{
    AgentId, CloseCode, CloseFrame, ConnectionId, Dialect, Event, Method, PublicKey, RequestId, RunId, Scope,
    SessionId, SessionKey, SignatureBytes, UnixMillis, json,
};

/// Texts that look a little like what a parser wants, and others.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,64}",
        "[a-z0-9:._-]{0,600}",
        "(agent:)?[a-z0-9_-]{0,70}(:[a-zA-Z:]{0,20})?",
        "(operator\\.)?[a-z.]{0,70}",
        "[A-Za-z0-9+/=_-]{0,90}",
        "[0-9a-fA-F]{60,66}",
        "-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=]{0,80}\n-----END PUBLIC KEY-----",
    ]
}

/// Any JSON, with the names that the protocol uses.
fn values() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "type",
        "id",
        "method",
        "params",
        "minProtocol",
        "maxProtocol",
        "client",
        "scopes",
        "device",
        "auth",
        "key",
        "sessionKey",
        "message",
        "idempotencyKey",
        "limit",
        "__proto__",
        "\u{202e}",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
        Just(Value::from("req")),
        Just(Value::from("connect")),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::from(members.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// Checks one parser of an identifier.
fn round_trips<T: PartialEq + std::fmt::Debug, E: std::fmt::Display>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    print: impl Fn(&T) -> String,
) {
    match parse(text) {
        Ok(value) => {
            let printed = print(&value);
            match parse(&printed) {
                Ok(again) => assert_eq!(again, value, "{text:?} printed as {printed:?}"),
                Err(error) => panic!("{text:?} is printed as {printed:?}, which is refused: {error}"),
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn reads_anything(text: &str) {
    let results = [
        json::parse::<ConnectParams>(text).and_then(|params| params.check()).err(),
        json::parse::<SessionsList>(text).err(),
        json::parse::<SessionsPatch>(text).err(),
        json::parse::<ChatSend>(text).err(),
        json::parse::<Agent>(text).err(),
        RequestFrame::parse(text)
            .and_then(|frame| {
                frame
                    .params::<ConnectParams>()
                    .map(|params| drop((params.signed_token(), params.requested_scopes())))
            })
            .err(),
    ];
    for error in results.into_iter().flatten() {
        let shown = error.to_string();
        assert!(shown.starts_with("at "), "{shown}");
        assert!(!shown.contains('\n'), "one line: {shown:?}");
    }
    let _ = id_of_broken_frame(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn identifiers_accept_what_they_print(text in texts()) {
        round_trips(&text, |text| RequestId::parse(text), ToString::to_string);
        round_trips(&text, |text| ConnectionId::parse(text), ToString::to_string);
        round_trips(&text, |text| RunId::parse(text), ToString::to_string);
        round_trips(&text, |text| SessionId::parse(text), ToString::to_string);
        round_trips(&text, |text| AgentId::parse(text), ToString::to_string);
        round_trips(&text, SessionKey::parse, ToString::to_string);
        round_trips(&text, Scope::parse, ToString::to_string);
        round_trips(&text, DeviceId::parse, ToString::to_string);
        round_trips(&text, PublicKey::parse, ToString::to_string);
        round_trips(&text, SignatureBytes::parse, SignatureBytes::encode);
    }

    #[test]
    fn a_session_key_knows_an_agent_whose_id_is_valid(text in texts()) {
        if let Ok(key) = SessionKey::parse(&text) {
            prop_assert!(AgentId::parse(key.agent().as_str()).is_ok());
            prop_assert!(key.as_str().starts_with("agent:"));
            prop_assert!(key.as_str().chars().count() <= SessionKey::MAX_LENGTH);
            prop_assert!(!(key.is_main() && key.is_subagent()));
        }
    }

    #[test]
    fn every_key_and_signature_is_read_as_it_is_printed(bytes in any::<[u8; 32]>(), half in any::<[u8; 32]>()) {
        let key = PublicKey::from_bytes(bytes);
        prop_assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
        prop_assert_eq!(DeviceId::parse(&key.device_id().to_string()), Ok(key.device_id()));
        let stored = serde_json::to_string(&key).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<PublicKey>(&stored).expect("what was stored"), key);
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&bytes);
        signature[32..].copy_from_slice(&half);
        let signature = SignatureBytes(signature);
        prop_assert_eq!(SignatureBytes::parse(&signature.encode()), Ok(signature));
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in any::<String>()) {
        reads_anything(&text);
    }

    #[test]
    fn any_json_is_read_or_refused_with_a_place(value in values()) {
        reads_anything(&value.to_string());
    }

    #[test]
    fn a_frame_cut_or_changed_anywhere_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        const FRAME: &str = r#"{"type":"req","id":"1","method":"connect","params":{"minProtocol":3,"maxProtocol":4,"client":{"id":"cli","version":"1","platform":"linux","mode":"cli"},"scopes":["operator.read"],"auth":{"token":"t"}}}"#;
        prop_assert!(RequestFrame::parse(FRAME).expect("valid").params::<ConnectParams>().is_ok());
        let at = at.index(FRAME.len());
        reads_anything(&FRAME[..at]);
        let mut changed = FRAME.as_bytes().to_vec();
        changed[at] = byte;
        if let Ok(changed) = String::from_utf8(changed) {
            reads_anything(&changed);
        }
    }

    #[test]
    fn what_is_shown_is_one_bounded_line(text in any::<String>(), limit in 0_usize..200) {
        let line = one_line(&text, limit);
        prop_assert!(line.chars().count() <= limit + 1);
        prop_assert!(!line.chars().any(|character| character.is_control() || is_invisible(character)));
        if line.chars().count() <= limit {
            prop_assert_eq!(one_line(&line, limit), line, "cleaning twice changes nothing");
        }
    }

    #[test]
    fn a_cut_text_is_a_beginning_within_its_bytes(text in any::<String>(), limit in 0_usize..64) {
        let cut = truncate_bytes(&text, limit);
        prop_assert!(cut.len() <= limit && text.starts_with(cut));
        let close = CloseFrame::new(CloseCode::Policy, &text);
        prop_assert!(close.reason.len() <= 123, "RFC 6455 section 5.5");
    }

    #[test]
    fn a_platform_is_compared_the_same_each_time(text in any::<String>()) {
        prop_assert_eq!(normalised(&normalised(&text)), normalised(&text));
        prop_assert_eq!(platform_family(&platform_family(&text)), platform_family(&text));
    }

    #[test]
    fn a_version_is_agreed_on_exactly_when_both_speak_it(client_min in 0_u32..8, client_max in 0_u32..8) {
        let common = (3..=4).rev().find(|version| (client_min..=client_max).contains(version));
        prop_assert_eq!(Dialect::negotiate(client_min, client_max).map(Dialect::number), common);
    }

    #[test]
    fn times_neither_wrap_nor_go_below_nothing(first in any::<u64>(), second in any::<u64>(), length in any::<u64>()) {
        let (first, second) = (UnixMillis(first), UnixMillis(second));
        prop_assert_eq!(first.distance(second), second.distance(first));
        prop_assert_eq!(first.since(second).max(second.since(first)), first.distance(second));
        prop_assert!(first.plus(std::time::Duration::from_millis(length)) >= first);
    }

    #[test]
    fn names_that_are_not_ours_are_no_methods(name in texts()) {
        if let Some(method) = Method::parse(&name) {
            prop_assert_eq!(method.name(), name);
        }
    }
}

#[test]
fn a_key_whose_letters_spell_begin_is_a_key() {
    // Some keys do, in base64url: they are no PEM.
    let text = "BEGINBEGINBEGINBEGINBEGINBEGINBEGINBEGIN-_0";
    let key = PublicKey::parse(text).expect("32 bytes");
    assert_eq!(key.to_string(), text);
}

#[test]
fn a_short_session_key_that_grows_too_long_is_refused() {
    let longest = SessionKey::MAX_LENGTH - "agent:main:".len();
    let key = SessionKey::parse(&"x".repeat(longest)).expect("it fits");
    assert_eq!(SessionKey::parse(key.as_str()), Ok(key));
    assert!(SessionKey::parse(&"x".repeat(longest + 1)).is_err(), "it could be stored and not read again");
}

#[test]
fn hostile_json_is_refused_with_its_place() {
    for (text, place) in [
        (r#"{"type":"req","id":"1","method":"a","method":"b"}"#, "method"),
        (r#"{"type":"req","id":"1","id":"2","method":"a"}"#, "id"),
        (r#"{"type":"event","event":"tick","payload":{}}"#, ""),
        (r#"{"type":"res","id":"1","ok":true}"#, "/type"),
        (r#"{"type":"req","id":"1","method":"a","params":{}} {}"#, "root"),
        ("\u{feff}{}", "root"),
        ("[]", "root"),
        ("1e400", "root"),
        ("\"\\ud800\"", "root"),
    ] {
        let error = RequestFrame::parse(text).expect_err(text).to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    let many = format!(
        r#"{{"type":"req","id":"1","method":"a",{}}}"#,
        r#""x":1,"#.repeat(10_000).trim_end_matches(',')
    );
    assert!(RequestFrame::parse(&many).is_err());
    let long = format!(r#"{{"type":"req","id":"{}","method":"a"}}"#, "x".repeat(129));
    assert!(RequestFrame::parse(&long).is_err());
    assert!(id_of_broken_frame(&long).is_none());
}

#[test]
fn nonces_of_different_entropy_differ_and_look_like_uuids() {
    let (first, second) = (Nonce::from_entropy([1; 16]), Nonce::from_entropy([2; 16]));
    assert_ne!(first, second);
    assert_eq!(first.as_str().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
}

#[test]
fn every_scoped_event_and_method_names_a_known_scope() {
    for &event in Event::ALL {
        assert!(event.guard().is_none_or(|scope| Scope::known().contains(&scope)), "{event:?}");
    }
    for &method in Method::ALL {
        if let tidegate_protocol::method::Access::Scope(scope) = method.access() {
            assert!(Scope::known().contains(&scope), "{method:?}");
        }
    }
}
