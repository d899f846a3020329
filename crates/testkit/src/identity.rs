//! Device keys for tests, and the text that devices sign, written independently of the gateway's.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

/// A device's key.
#[derive(Clone)]
pub struct DeviceIdentity {
    key: SigningKey,
}

impl std::fmt::Debug for DeviceIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DeviceIdentity").field("id", &self.device_id()).finish_non_exhaustive()
    }
}

impl DeviceIdentity {
    /// The identity of a seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// One of many identities that differ from each other.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self::from_seed(Sha256::digest(number.to_be_bytes()).into())
    }

    /// The device id: SHA-256 of the public key in lower-case hexadecimal digits.
    #[must_use]
    pub fn device_id(&self) -> String {
        hex::encode(Sha256::digest(self.key.verifying_key().as_bytes()))
    }

    /// The public key as base64url.
    #[must_use]
    pub fn public_key(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes())
    }

    /// The signature of a text as base64url.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()).to_bytes())
    }
}

/// The two forms of the text that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedText {
    /// Without platform and device family.
    V2,
    /// With platform and device family.
    V3,
}

/// What a device signs when it connects, as the words that are sent.
#[derive(Debug, Clone, Copy)]
pub struct SignedConnect<'a> {
    pub device_id: &'a str,
    pub client_id: &'a str,
    pub client_mode: &'a str,
    pub role: &'a str,
    pub scopes: &'a [String],
    pub signed_at: u64,
    pub token: &'a str,
    pub nonce: &'a str,
    pub platform: &'a str,
    pub device_family: &'a str,
}

impl SignedConnect<'_> {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self, form: SignedText) -> String {
        let scopes = self.scopes.join(",");
        let signed_at = self.signed_at.to_string();
        let mut fields = vec![
            match form {
                SignedText::V2 => "v2",
                SignedText::V3 => "v3",
            },
            self.device_id,
            self.client_id,
            self.client_mode,
            self.role,
            &scopes,
            &signed_at,
            self.token,
            self.nonce,
        ];
        let platform = self.platform.trim().to_ascii_lowercase();
        let family = self.device_family.trim().to_ascii_lowercase();
        if form == SignedText::V3 {
            fields.extend([platform.as_str(), family.as_str()]);
        }
        fields.join("|")
    }
}
