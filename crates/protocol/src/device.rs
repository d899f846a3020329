//! Device identity: keys, ids, and the text that a device signs.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::client::{ClientInfo, normalised};

/// Decodes both base64 alphabets, with and without padding, as OpenClaw's servers do.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD_ALPHABET,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text.trim().replace('-', "+").replace('_', "/")).ok()
}

/// Why a text is no key, id or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceTextError(&'static str);

/// An ed25519 public key: 32 bytes. Whether they are a point of the curve is decided when a
/// signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PublicKey([u8; 32]);

/// What stands before the 32 bytes in the DER form of an ed25519 key (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses base64url or base64 of the 32 bytes, or a PEM.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, DeviceTextError> {
        const ERROR: DeviceTextError = DeviceTextError("not an ed25519 public key");
        if text.len() > 512 {
            return Err(ERROR);
        }
        // With the space, which base64 never has: a key's own letters can spell `BEGIN`.
        if !text.contains("BEGIN ") {
            return decode_base64(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(ERROR);
        }
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = decode_base64(&body).ok_or(ERROR)?;
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or(ERROR)?;
        key.try_into().map(Self).map_err(|_| ERROR)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the device that holds this key.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        DeviceId(Sha256::digest(self.0).into())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({self})")
    }
}

string_form!(PublicKey, DeviceTextError);

/// A device's id: SHA-256 of its public key, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct DeviceId([u8; 32]);

impl DeviceId {
    /// Parses 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, DeviceTextError> {
        const ERROR: DeviceTextError = DeviceTextError("a device id has 64 lower-case hexadecimal digits");
        let mut bytes = [0; 32];
        // The library also takes capital letters.
        let is_lower_case = !text.contains(|digit: char| digit.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if is_lower_case => Ok(Self(bytes)),
            _ => Err(ERROR),
        }
    }

    /// The start of the id, for people to compare: four groups of four digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = self.to_string();
        [&text[0..4], &text[4..8], &text[8..12], &text[12..16]].join(" ")
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DeviceId({self})")
    }
}

string_form!(DeviceId, DeviceTextError);

/// The 64 bytes of a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes(pub [u8; 64]);

impl SignatureBytes {
    /// Parses base64url or base64.
    ///
    /// # Errors
    /// When the text is not 64 bytes.
    pub fn parse(text: &str) -> Result<Self, DeviceTextError> {
        const ERROR: DeviceTextError = DeviceTextError("not an ed25519 signature");
        if text.len() > 256 {
            return Err(ERROR);
        }
        decode_base64(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(ERROR)
    }

    /// The signature's text on the wire.
    #[must_use]
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for SignatureBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignatureBytes(..)")
    }
}

/// The nonce of one connection's challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A nonce from 128 random bits, as UUIDs are written.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        let hex: String = entropy.iter().map(|byte| format!("{byte:02x}")).collect();
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }

    /// The signature as the client sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `connect.params.device`, as sent. Nothing in it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceClaim {
    /// The claimed device id.
    pub id: String,
    /// The claimed public key.
    pub public_key: String,
    pub signature: String,
    /// When it was made, by the device's clock.
    pub signed_at: u64,
    /// The nonce that it is for.
    pub nonce: String,
}

/// Versions of the text that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadVersion {
    /// With platform and device family.
    V3,
    /// Without platform and device family.
    V2,
}

/// What the signature of a device is over.
#[derive(Debug, Clone, Copy)]
pub struct SignedFields<'a> {
    /// The device's id.
    pub device: DeviceId,
    /// What the client says of itself.
    pub client: &'a ClientInfo,
    /// The role it wants.
    pub role: &'a str,
    /// The scopes it wants, exactly as sent.
    pub scopes: &'a [String],
    /// When it signed.
    pub signed_at: u64,
    /// The token it sent, or an empty text.
    pub token: &'a str,
    /// The nonce of the connection.
    pub nonce: &'a str,
}

impl SignedFields<'_> {
    /// The text that is signed: fields joined by `|`, nothing escaped.
    #[must_use]
    pub fn payload(&self, version: PayloadVersion) -> String {
        let tag = match version {
            PayloadVersion::V3 => "v3",
            PayloadVersion::V2 => "v2",
        };
        let mut text = format!(
            "{tag}|{}|{}|{}|{}|{}|{}|{}|{}",
            self.device,
            self.client.id.name(),
            self.client.mode.name(),
            self.role,
            self.scopes.join(","),
            self.signed_at,
            self.token,
            self.nonce
        );
        if version == PayloadVersion::V3 {
            let family = self.client.device_family.as_deref().map(normalised).unwrap_or_default();
            text.push_str(&format!("|{}|{family}", normalised(&self.client.platform)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "fwD_c5r85uoIoFOAVIVdu5txBnyNLMQYgFYQ_sqb1M4";
    const ID: &str = "ed6098d8b3bcc9b33e8f9546ced9572ed0623a17a254a972180e11ffa10f9624";

    #[test]
    fn a_recorded_key_has_the_recorded_id() {
        let key = PublicKey::parse(KEY).expect("valid");
        assert_eq!(key.device_id().to_string(), ID);
        assert_eq!(key.to_string(), KEY);
    }

    #[test]
    fn a_key_is_read_from_all_three_forms() {
        let key = PublicKey::parse(KEY).expect("base64url");
        let standard = format!("{}=", KEY.replace('-', "+").replace('_', "/"));
        assert_eq!(PublicKey::parse(&standard), Ok(key));
        let der: Vec<u8> = SPKI_PREFIX.iter().chain(key.as_bytes()).copied().collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64::prelude::BASE64_STANDARD.encode(der)
        );
        assert_eq!(PublicKey::parse(&pem), Ok(key));
        for wrong in ["", "AAAA", "-----BEGIN PUBLIC KEY-----", &"A".repeat(44)] {
            assert!(PublicKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn device_ids_have_one_spelling() {
        assert!(DeviceId::parse(ID).is_ok());
        assert!(DeviceId::parse(&ID.to_uppercase()).is_err());
        assert!(DeviceId::parse(&ID[1..]).is_err());
        assert_eq!(DeviceId::parse(ID).expect("valid").fingerprint(), "ed60 98d8 b3bc c9b3");
    }
}
