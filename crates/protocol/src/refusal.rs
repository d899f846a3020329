//! How a handshake is refused: codes, details and close codes.

use serde_json::{Map, Value, json};

use crate::close::{CloseCode, CloseFrame};
use crate::device::DeviceId;
use crate::dialect::Dialect;
use crate::error::{ErrorCode, ErrorShape};
use crate::scope::Scope;

/// Enumerations with what each value is called in answers: a row of texts.
macro_rules! named_reasons {
    ($($(#[$meta:meta])* $name:ident [$columns:literal] {
        $($(#[$value_meta:meta])* $value:ident = $($text:literal),+;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_meta])* $value,)*
        }

        impl $name {
            fn row(self) -> [&'static str; $columns] {
                match self { $(Self::$value => [$($text),+],)* }
            }
        }
    )*};
}

named_reasons! {
    /// What is wrong with a device's proof, in the order in which it is checked. Message, code and reason.
    DeviceProofError [3] {
        PublicKeyInvalid = "device public key invalid", "DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key";
        IdMismatch = "device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch";
        SignatureStale = "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale";
        NonceMissing = "device nonce required", "DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing";
        NonceMismatch = "device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch";
        SignatureInvalid = "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID", "device-signature";
    }
    /// What is wrong with a credential. Code, name, message, and the step that helps.
    AuthReason [4] {
        /// None was given.
        TokenMissing = "AUTH_TOKEN_MISSING", "token_missing",
            "gateway token missing (pass the token that `tidegate token` shows)", "update_auth_configuration";
        /// It is not one of ours.
        TokenMismatch = "AUTH_TOKEN_MISMATCH", "token_mismatch",
            "gateway token mismatch (pass the token that `tidegate token` shows)", "update_auth_credentials";
        /// A device token was given explicitly, and it is not this device's.
        DeviceTokenMismatch = "AUTH_DEVICE_TOKEN_MISMATCH", "device_token_mismatch",
            "device token mismatch (connect with the gateway's token to get a new one)", "update_auth_credentials";
        /// The key or token is blocked.
        Blocked = "AUTH_UNAUTHORIZED", "blocked",
            "this device or token is blocked", "review_auth_configuration";
        /// The peer was started by our own agent.
        Tool = "AUTH_UNAUTHORIZED", "agent_tool",
            "programs that the agent started cannot connect to the gateway", "review_auth_configuration";
        /// Our own key, seen where it cannot be.
        OwnKeyElsewhere = "AUTH_UNAUTHORIZED", "own_key_elsewhere",
            "this key belongs to the gateway itself", "review_auth_configuration";
        /// The same computer, but something about the peer could not be established.
        PeerUnknown = "AUTH_UNAUTHORIZED", "peer_unknown",
            "the connecting program could not be identified", "review_auth_configuration";
    }
}

words! {
    /// Why a device must be paired.
    PairingReason {
        /// The key is not known.
        NotPaired = "not-paired",
        /// The key is known, the role is new.
        RoleUpgrade = "role-upgrade",
        /// A scope was never decided for the key.
        ScopeUpgrade = "scope-upgrade",
        /// The platform or device family changed.
        MetadataUpgrade = "metadata-upgrade",
        /// The key is known, the program that uses it could not be identified, and a command of an agent
        /// runs that may have read it.
        Unidentified = "unidentified",
    }
}

impl PairingReason {
    /// The reason's name in OpenClaw's protocol.
    #[must_use]
    pub fn public_name(self) -> &'static str {
        match self {
            // The protocol has no name for it, and clients act on this one as it needs.
            Self::Unidentified => Self::NotPaired.name(),
            named => named.name(),
        }
    }

    fn requirement(self) -> &'static str {
        match self {
            Self::NotPaired => "device is not approved yet",
            Self::RoleUpgrade => "device asks for another role",
            Self::ScopeUpgrade => "device asks for more scopes than were decided",
            Self::MetadataUpgrade => "device changed its platform or family",
            Self::Unidentified => {
                "the connecting program could not be identified while an agent's command runs that is not contained"
            }
        }
    }
}

/// What a client receives when a person has to decide first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingRequired {
    pub reason: PairingReason,
    /// The waiting request, unless none could be made (silenced after a rejection, or too many).
    pub request_id: Option<String>,
    /// The device, unless the client has none.
    pub device: Option<DeviceId>,
    /// The role asked for.
    pub role: String,
    /// The scopes asked for.
    pub scopes: Vec<Scope>,
    /// The scopes granted so far; only told to the holder of the known key.
    pub approved: Option<Vec<Scope>>,
    /// Whether asking again can help: false for a while after a rejection.
    pub expect_decision: bool,
}

/// Of what there are as many connections as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyConnections {
    /// Of all clients together.
    #[error("the gateway has as many connections as it can serve; close one, then try again")]
    InAll,
    /// Of this device, program or token.
    #[error("this client has {limit} connections already; close one, then try again")]
    OfClient {
        /// How many it may have.
        limit: usize,
    },
    /// Of clients without a device and without scopes.
    #[error("too many connections without a scope are open; close one, or ask for a scope")]
    OfVisitors,
}

/// A refused handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The protocol versions do not meet.
    ProtocolMismatch {
        /// The client's oldest version.
        client_min: u32,
        /// The client's newest version.
        client_max: u32,
    },
    /// The first frame was not a valid `connect`; the message says how.
    InvalidHandshake(String),
    /// The role is not served.
    InvalidRole,
    /// The credential is missing or wrong.
    Unauthorized {
        reason: AuthReason,
        /// Whether the client could try its device token.
        can_retry_with_device_token: bool,
    },
    /// The device did not prove its key.
    DeviceProof(DeviceProofError),
    /// A device identity is needed, and none was sent.
    DeviceIdentityRequired,
    /// A person has to decide.
    PairingRequired(Box<PairingRequired>),
    /// The gateway does not serve yet, or not any more. Trying again in a moment helps.
    NotReady,
    /// There is no room for another connection.
    TooManyConnections(TooManyConnections),
}

impl Refusal {
    /// The error answer and the close frame, in a dialect. Before negotiation use
    /// [`Dialect::NEWEST`].
    #[must_use]
    pub fn answer(&self, dialect: Dialect) -> (ErrorShape, CloseFrame) {
        match self {
            Self::ProtocolMismatch { client_min, client_max } => {
                let message = "protocol mismatch";
                let error = ErrorShape::invalid(message).with_details(json!({
                    "code": "PROTOCOL_MISMATCH",
                    "clientMinProtocol": client_min,
                    "clientMaxProtocol": client_max,
                    "expectedProtocol": Dialect::NEWEST.number(),
                    "minimumProbeProtocol": Dialect::OLDEST.number(),
                }));
                (error, CloseFrame::new(CloseCode::Protocol, message))
            }
            Self::InvalidHandshake(message) => policy(ErrorShape::invalid(message.clone())),
            Self::InvalidRole => policy(ErrorShape::invalid("invalid role")),
            Self::Unauthorized { reason, can_retry_with_device_token } => {
                policy(unauthorized(*reason, *can_retry_with_device_token))
            }
            Self::DeviceProof(problem) => policy(device_proof(*problem)),
            Self::DeviceIdentityRequired => {
                let error = ErrorShape::new(ErrorCode::NotPaired, "device identity required");
                policy(error.with_details(json!({ "code": "DEVICE_IDENTITY_REQUIRED" })))
            }
            Self::PairingRequired(required) => required.answer(dialect),
            Self::NotReady => {
                let error = ErrorShape::unavailable("the gateway is starting; try again in a moment");
                (error, CloseFrame::new(CloseCode::TryLater, "gateway starting"))
            }
            Self::TooManyConnections(which) => {
                let error = ErrorShape::unavailable(which.to_string())
                    .with_details(json!({ "code": "TOO_MANY_CONNECTIONS" }));
                (error, CloseFrame::new(CloseCode::TryLater, "too many connections"))
            }
        }
    }
}

fn policy(error: ErrorShape) -> (ErrorShape, CloseFrame) {
    let close = CloseFrame::new(CloseCode::Policy, &error.message);
    (error, close)
}

fn unauthorized(reason: AuthReason, can_retry: bool) -> ErrorShape {
    let [code, name, message, step] = reason.row();
    let is_worth_a_retry = can_retry && reason == AuthReason::TokenMismatch;
    ErrorShape::invalid(format!("unauthorized: {message}")).with_details(json!({
        "code": code,
        "authReason": name,
        "canRetryWithDeviceToken": can_retry,
        "recommendedNextStep": if is_worth_a_retry { "retry_with_device_token" } else { step },
    }))
}

fn device_proof(problem: DeviceProofError) -> ErrorShape {
    let [message, code, reason] = problem.row();
    ErrorShape::invalid(message).with_details(json!({ "code": code, "reason": reason }))
}

impl PairingRequired {
    fn answer(&self, dialect: Dialect) -> (ErrorShape, CloseFrame) {
        let mut details = Map::new();
        details.insert("code".to_owned(), json!("PAIRING_REQUIRED"));
        details.insert("reason".to_owned(), json!(self.reason.public_name()));
        if let Some(id) = &self.request_id {
            details.insert("requestId".to_owned(), json!(id));
        }
        if dialect == Dialect::V3 {
            let error = ErrorShape::new(ErrorCode::NotPaired, "pairing required");
            let close = CloseFrame::new(CloseCode::Policy, "pairing required");
            return (error.with_details(Value::Object(details)), close);
        }
        details.insert("remediationHint".to_owned(), json!(self.hint()));
        if let Some(device) = &self.device {
            details.insert("deviceId".to_owned(), json!(device));
        }
        details.insert("requestedRole".to_owned(), json!(self.role));
        details.insert("requestedScopes".to_owned(), json!(self.scopes));
        if let Some(approved) = &self.approved {
            details.insert("approvedScopes".to_owned(), json!(approved));
        }
        if self.expect_decision {
            details.insert("recommendedNextStep".to_owned(), json!("wait_then_retry"));
            details.insert("retryable".to_owned(), json!(true));
            details.insert("pauseReconnect".to_owned(), json!(false));
        }
        let message = format!("pairing required: {}", self.reason.requirement());
        let reason = match &self.request_id {
            Some(id) => format!("{message} (requestId: {id})"),
            None => message.clone(),
        };
        let error = ErrorShape::new(ErrorCode::NotPaired, message).with_details(Value::Object(details));
        (error, CloseFrame::new(CloseCode::Policy, &reason))
    }

    fn hint(&self) -> &'static str {
        match (&self.request_id, self.expect_decision) {
            (Some(_), _) => "Approve the waiting request in Tidegate, or with `tidegate devices approve`.",
            (None, true) => "Too many requests wait; decide them in Tidegate, then try again.",
            (None, false) => "A person refused this a short while ago; ask them before you try again.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required() -> Refusal {
        Refusal::PairingRequired(Box::new(PairingRequired {
            reason: PairingReason::NotPaired,
            request_id: Some("030e251a-3d5f-4e96-8b7d-f5cd144ee719".to_owned()),
            device: None,
            role: "operator".to_owned(),
            scopes: vec![Scope::Read],
            approved: None,
            expect_decision: true,
        }))
    }

    #[test]
    fn too_many_connections_may_be_tried_again() {
        for which in [
            TooManyConnections::InAll,
            TooManyConnections::OfClient { limit: 2 },
            TooManyConnections::OfVisitors,
        ] {
            let (error, close) = Refusal::TooManyConnections(which).answer(Dialect::V4);
            assert_eq!(
                (error.code, error.retryable, close.code),
                (ErrorCode::Unavailable, Some(true), CloseCode::TryLater)
            );
        }
    }

    #[test]
    fn close_reasons_fit_into_a_control_frame() {
        for dialect in [Dialect::V3, Dialect::V4] {
            let (_, close) = required().answer(dialect);
            assert_eq!(close.code, CloseCode::Policy);
            assert!(close.reason.len() <= 123, "{}", close.reason);
        }
    }

    #[test]
    fn version_4_tells_the_request_id_twice() {
        let (error, close) = required().answer(Dialect::V4);
        assert!(close.reason.contains("030e251a-3d5f-4e96-8b7d-f5cd144ee719"));
        assert_eq!(error.details.expect("details")["requestId"], "030e251a-3d5f-4e96-8b7d-f5cd144ee719");
    }
}
