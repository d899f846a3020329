//! The protocol's texts: frames, parameters, identifiers, what is signed, what is shown.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_protocol::client::{normalised, platform_family};
use tidegate_protocol::device::{DeviceId, PayloadVersion, SignedFields};
use tidegate_protocol::frame::{RequestFrame, id_of_broken_frame};
use tidegate_protocol::json::{self, ParseError};
use tidegate_protocol::text::{is_invisible, one_line, truncate_bytes};
use tidegate_protocol::{
    AgentId, CloseCode, CloseFrame, ConnectParams, ConnectionId, PublicKey, RequestId, RunId, Scope,
    SessionId, SessionKey, SignatureBytes, params,
};
use tidegate_trust::ScopeSet;

/// A refusal is one bounded line that names a place.
fn check_refusal(error: &ParseError) {
    let shown = error.to_string();
    assert!(shown.starts_with("at "), "{shown:?}");
    assert!(!shown.chars().any(char::is_control), "a refusal is one line: {shown:?}");
}

/// A request frame, and what is done to answer a broken one.
pub fn frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match RequestFrame::parse(text) {
        Ok(frame) => {
            assert!((1..=128).contains(&frame.method.len()));
            assert_eq!(id_of_broken_frame(text).as_ref(), Some(&frame.id), "the answer names the request");
            if let Err(error) = frame.params::<serde_json::Value>() {
                check_refusal(&error);
            }
            if let Err(error) = frame.params::<ConnectParams>() {
                check_refusal(&error);
            }
        }
        Err(error) => {
            check_refusal(&error);
            let _ = id_of_broken_frame(text);
        }
    }
}

/// What is accepted is written so that it is accepted again and means the same.
fn read_and_write_again<T: DeserializeOwned + Serialize>(text: &str) -> Option<T> {
    match json::parse::<T>(text) {
        Ok(value) => {
            let written = serde_json::to_string(&value).expect("parameters are JSON");
            let again: T = json::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(serde_json::to_string(&again).expect("JSON"), written);
            Some(value)
        }
        Err(error) => {
            check_refusal(&error);
            None
        }
    }
}

/// The parameters of `connect`.
pub fn connect(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(params) = read_and_write_again::<ConnectParams>(text) else { return };
    let secrets = params.auth.clone().unwrap_or_default();
    let shown = format!("{params:?}");
    for secret in [secrets.token, secrets.password, secrets.device_token].into_iter().flatten() {
        // A short one can stand in another field by chance.
        assert!(secret.len() < 24 || text.matches(&secret).count() > 1 || !shown.contains(&secret));
    }
    match params.check() {
        Ok(()) => {
            let asked = params.requested_scopes();
            assert_eq!(asked.len(), params.scopes.len(), "no scope is dropped");
            assert!(asked.iter().zip(&params.scopes).all(|(scope, text)| scope.name() == text));
            assert!(!params.role().is_empty() && params.min_protocol > 0);
        }
        Err(error) => check_refusal(&error),
    }
}

/// The parameters of a method: the method's name, a line feed, and JSON.
pub fn method_params(data: &[u8]) {
    let Some((name, text)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    match name {
        "health" => drop(read_and_write_again::<params::Health>(text)),
        "device.pair.approve" => drop(read_and_write_again::<params::RequestId>(text)),
        "device.pair.remove" => drop(read_and_write_again::<params::Device>(text)),
        "device.pair.rename" => drop(read_and_write_again::<params::DeviceRename>(text)),
        "device.token.rotate" => drop(read_and_write_again::<params::TokenRotate>(text)),
        "device.token.revoke" => drop(read_and_write_again::<params::TokenRevoke>(text)),
        "sessions.list" => drop(read_and_write_again::<params::SessionsList>(text)),
        "sessions.describe" => drop(read_and_write_again::<params::SessionsDescribe>(text)),
        "sessions.preview" => drop(read_and_write_again::<params::SessionsPreview>(text)),
        "sessions.patch" => drop(read_and_write_again::<params::SessionsPatch>(text)),
        "sessions.reset" => drop(read_and_write_again::<params::SessionsReset>(text)),
        "sessions.delete" => drop(read_and_write_again::<params::SessionsDelete>(text)),
        "chat.send" => drop(read_and_write_again::<params::ChatSend>(text)),
        "chat.history" => drop(read_and_write_again::<params::ChatHistory>(text)),
        "chat.abort" => drop(read_and_write_again::<params::ChatAbort>(text)),
        "agent" => drop(read_and_write_again::<params::Agent>(text)),
        "agent.wait" => drop(read_and_write_again::<params::AgentWait>(text)),
        "agent.identity.get" => drop(read_and_write_again::<params::AgentIdentity>(text)),
        "models.list" => drop(read_and_write_again::<params::ModelsList>(text)),
        "sessions.create" => drop(read_and_write_again::<params::SessionsCreate>(text)),
        "sessions.resolve" => drop(read_and_write_again::<params::SessionsResolve>(text)),
        "commands.list" => drop(read_and_write_again::<params::CommandsList>(text)),
        "tasks.list" => drop(read_and_write_again::<params::TasksList>(text)),
        "logs.tail" => drop(read_and_write_again::<params::LogsTail>(text)),
        "exec.approval.request" => drop(read_and_write_again::<params::ExecApprovalRequest>(text)),
        "exec.approval.resolve" => drop(read_and_write_again::<params::ExecApprovalResolve>(text)),
        "exec.approval.waitDecision" => drop(read_and_write_again::<params::ExecApprovalWait>(text)),
        "system-event" => drop(read_and_write_again::<params::SystemEvent>(text)),
        _ => drop(read_and_write_again::<params::Empty>(text)),
    }
}

fn round_trip<T: PartialEq + std::fmt::Debug, E: std::fmt::Display>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    print: impl Fn(&T) -> String,
) -> Option<T> {
    match parse(text) {
        Ok(value) => {
            let printed = print(&value);
            match parse(&printed) {
                Ok(again) => assert_eq!(again, value, "{text:?} is printed as {printed:?}"),
                Err(error) => panic!("{text:?} is printed as {printed:?}, which is refused: {error}"),
            }
            Some(value)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// Every identifier, key and signature.
pub fn identifiers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    round_trip(text, |text| RequestId::parse(text), ToString::to_string);
    round_trip(text, |text| ConnectionId::parse(text), ToString::to_string);
    round_trip(text, |text| RunId::parse(text), ToString::to_string);
    round_trip(text, |text| SessionId::parse(text), ToString::to_string);
    round_trip(text, |text| AgentId::parse(text), ToString::to_string);
    round_trip(text, Scope::parse, ToString::to_string);
    round_trip(text, SignatureBytes::parse, SignatureBytes::encode);
    if let Some(key) = round_trip(text, SessionKey::parse, ToString::to_string) {
        assert!(key.as_str().starts_with("agent:"));
        assert!(key.as_str().chars().count() <= SessionKey::MAX_LENGTH);
        assert!(AgentId::parse(key.agent().as_str()).is_ok(), "{key}");
        assert!(!(key.is_main() && key.is_subagent()));
    }
    if let Some(id) = round_trip(text, DeviceId::parse, ToString::to_string) {
        assert_eq!(id.to_string(), text, "a device id has one spelling");
    }
    if let Some(key) = round_trip(text, PublicKey::parse, ToString::to_string) {
        assert_eq!(DeviceId::parse(&key.device_id().to_string()), Ok(key.device_id()));
    }
}

/// What a device signs: parameters of `connect` with a device.
pub fn signed_payload(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(params) = json::parse::<ConnectParams>(text) else { return };
    let Some(claim) = &params.device else { return };
    let key = PublicKey::parse(&claim.public_key).unwrap_or(PublicKey::from_bytes([7; 32]));
    let fields = SignedFields {
        device: key.device_id(),
        client: &params.client,
        role: params.role(),
        scopes: &params.scopes,
        signed_at: claim.signed_at,
        token: params.signed_token(),
        nonce: &claim.nonce,
    };
    let (v2, v3) = (fields.payload(PayloadVersion::V2), fields.payload(PayloadVersion::V3));
    assert!(v2.starts_with("v2|") && v3.starts_with("v3|"));
    assert!(v3[3..].starts_with(&v2[3..]), "version 3 signs more, not less");
    for signed in [&claim.nonce, &claim.signed_at.to_string(), &key.device_id().to_string()] {
        assert!(v2.contains(signed.as_str()), "{signed} is signed");
    }
    assert!(params.scopes.iter().all(|scope| v2.contains(scope.as_str())), "every scope is signed");
    let changed = SignedFields { nonce: &format!("{}x", claim.nonce), ..fields };
    assert_ne!(changed.payload(PayloadVersion::V2), v2);
    assert_ne!(changed.payload(PayloadVersion::V3), v3);
}

/// Texts that a person sees. The first byte is the limit.
pub fn text(data: &[u8]) {
    let Some((&limit, rest)) = data.split_first() else { return };
    let (limit, text) = (usize::from(limit), String::from_utf8_lossy(rest));
    let line = one_line(&text, limit);
    assert!(line.chars().count() <= limit + 1);
    assert!(!line.chars().any(|character| character.is_control() || is_invisible(character)), "{line:?}");
    if line.chars().count() <= limit {
        assert_eq!(one_line(&line, limit), line, "cleaning twice changes nothing");
    }
    let cut = truncate_bytes(&text, limit);
    assert!(cut.len() <= limit && text.starts_with(cut));
    assert!(cut.len() + 3 >= limit.min(text.len()), "no more is cut than one character");
    let close = CloseFrame::new(CloseCode::Policy, &text);
    assert!(close.reason.len() <= 123, "a control frame holds it");
    assert_eq!(normalised(&normalised(&text)), normalised(&text));
    assert_eq!(platform_family(&platform_family(&text)), platform_family(&text));
}

/// Lists of scopes: three lists, one scope a line, an empty line between them.
pub fn scopes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lists = text
        .split("\n\n")
        .map(|list| list.lines().take(12).filter_map(|line| Scope::parse(line).ok()).collect::<ScopeSet>());
    let mut next = || lists.next().unwrap_or_default();
    let (asked, granted, other) = (next(), next(), next());
    let met = asked.meet(&granted);
    let same = |left: &ScopeSet, right: &ScopeSet| left.covers_all(right) && right.covers_all(left);
    assert!(same(&met, &granted.meet(&asked)), "who asks first makes no difference");
    assert!(asked.covers_all(&met) && granted.covers_all(&met), "{met:?}");
    assert!(same(&met.meet(&granted), &met), "{met:?}");
    let both = asked.union(&other);
    assert!(both.covers_all(&asked) && both.covers_all(&other));
    assert!(asked.under_grant(&granted).iter().all(|scope| granted.covers(scope) && asked.covers(scope)));
    let beyond = asked.beyond(&granted);
    assert!(beyond.iter().all(|scope| !granted.covers(scope)), "{beyond:?}");
    assert_eq!(beyond.is_empty(), granted.covers_all(&asked));
    let empty = ScopeSet::none();
    assert!(empty.iter().next().is_none() && empty.meet(&asked).is_empty(), "an empty list grants nothing");
    assert!(!granted.names(&Scope::Admin) || Scope::known().iter().all(|scope| granted.covers(scope)));
}
