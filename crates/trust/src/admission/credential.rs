//! Which of our credentials a client holds.

use tidegate_protocol::ConnectParams;
use tidegate_protocol::refusal::{AuthReason, Refusal};

use crate::authority::Authority;
use crate::identity::VerifiedDevice;
use crate::records::ProgramToken;
use crate::token::TokenHash;

/// One of our credentials.
pub(super) enum Credential {
    Shared,
    /// A program's own.
    ProgramToken(ProgramToken),
    DeviceToken,
}

impl Credential {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Shared | Self::ProgramToken(_) => "token",
            Self::DeviceToken => "device-token",
        }
    }

    /// The program's token, by id.
    pub(super) fn program_token(&self) -> Option<String> {
        match self {
            Self::ProgramToken(token) => Some(token.id.clone()),
            Self::Shared | Self::DeviceToken => None,
        }
    }
}

impl Authority {
    /// Which of our credentials the client holds.
    pub(super) fn credential(
        &self,
        params: &ConnectParams,
        device: Option<&VerifiedDevice>,
    ) -> Result<Credential, Refusal> {
        let auth = params.auth.as_ref();
        let text = |value: Option<&String>| {
            value.map(|text| text.trim()).filter(|text| !text.is_empty()).map(TokenHash::of)
        };
        let token = text(auth.and_then(|auth| auth.token.as_ref()));
        // The Control UI sends the token as the password, too.
        let password = text(auth.and_then(|auth| auth.password.as_ref()));
        let device_token = text(auth.and_then(|auth| auth.device_token.as_ref()));
        for hash in [token, password].into_iter().flatten() {
            if self.tokens.is_shared(&hash) {
                return Ok(Credential::Shared);
            }
            if let Some(token) = self.tokens.find(&hash) {
                return Ok(Credential::ProgramToken(token.clone()));
            }
        }
        let stored = device
            .and_then(|device| self.devices.get(device.id()))
            .and_then(|record| record.token.as_ref())
            .filter(|stored| stored.revoked_at.is_none());
        if let Some(stored) = stored
            && device_token
                .or(token)
                .zip(stored.hash.as_ref())
                .is_some_and(|(hash, stored)| stored.matches(&hash))
        {
            return Ok(Credential::DeviceToken);
        }
        let reason = match (token.or(password), device_token) {
            (None, None) => AuthReason::TokenMissing,
            (None, Some(_)) => AuthReason::DeviceTokenMismatch,
            (Some(_), _) => AuthReason::TokenMismatch,
        };
        Err(Refusal::Unauthorized {
            reason,
            can_retry_with_device_token: reason == AuthReason::TokenMismatch
                && params.device.is_some()
                && device_token.is_none(),
        })
    }
}
