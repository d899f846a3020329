//! Which of our credentials a client holds.

use tidegate_protocol::ConnectParams;
use tidegate_protocol::refusal::{AuthReason, Refusal};

use crate::authority::Authority;
use crate::identity::VerifiedDevice;
use crate::token::TokenHash;

pub(super) enum Credential {
    Shared,
    ProgramToken { index: usize, id: String },
    DeviceToken,
}

impl Credential {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Shared | Self::ProgramToken { .. } => "token",
            Self::DeviceToken => "device-token",
        }
    }

    pub(super) fn program_token(&self) -> Option<String> {
        match self {
            Self::ProgramToken { id, .. } => Some(id.clone()),
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
            if self.is_shared_token(&hash) {
                return Ok(Credential::Shared);
            }
            if let Some(index) = self.tokens.iter().position(|token| token.hash.matches(&hash)) {
                return Ok(Credential::ProgramToken { index, id: self.tokens[index].id.clone() });
            }
        }
        let stored = device
            .and_then(|device| self.devices.get(&device.id()))
            .and_then(|held| held.record.token.as_ref())
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

    fn is_shared_token(&self, hash: &TokenHash) -> bool {
        match (&self.override_token, &self.shared_token) {
            (Some(expected), _) => expected.matches(hash),
            (None, Some(shared)) => shared.hash.matches(hash),
            (None, None) => false,
        }
    }
}
