//! Verifying that a client holds the key it names.

use ed25519_dalek::{Signature, VerifyingKey};
use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion, SignedFields};
use tidegate_protocol::refusal::DeviceProofError;
use tidegate_protocol::{ConnectParams, DeviceId, PublicKey, SignatureBytes, UnixMillis, limits};

/// A device that proved its key on this connection. Only [`verify`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedDevice {
    key: PublicKey,
    id: DeviceId,
    payload: PayloadVersion,
}

impl VerifiedDevice {
    /// The device's id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The device's key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Which text the device signed.
    #[must_use]
    pub fn payload(&self) -> PayloadVersion {
        self.payload
    }
}

/// Verifies a device's claim against this connection's nonce.
///
/// # Errors
/// The first problem, in the protocol's order: key, id, time, nonce, signature.
pub fn verify(
    claim: &DeviceClaim,
    params: &ConnectParams,
    nonce: &Nonce,
    now: UnixMillis,
) -> Result<VerifiedDevice, DeviceProofError> {
    let key = PublicKey::parse(&claim.public_key).map_err(|_| DeviceProofError::PublicKeyInvalid)?;
    let id = key.device_id();
    if id.to_string() != claim.id {
        return Err(DeviceProofError::IdMismatch);
    }
    if UnixMillis(claim.signed_at).distance(now) > limits::SIGNATURE_SKEW {
        return Err(DeviceProofError::SignatureStale);
    }
    let claimed_nonce = claim.nonce.trim();
    if claimed_nonce.is_empty() {
        return Err(DeviceProofError::NonceMissing);
    }
    if claimed_nonce != nonce.as_str() {
        return Err(DeviceProofError::NonceMismatch);
    }
    let signature =
        SignatureBytes::parse(&claim.signature).map_err(|_| DeviceProofError::SignatureInvalid)?;
    let verifying =
        VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| DeviceProofError::PublicKeyInvalid)?;
    let fields = SignedFields {
        device: id,
        client: &params.client,
        role: params.role(),
        scopes: &params.scopes,
        signed_at: claim.signed_at,
        token: params.signed_token(),
        nonce: nonce.as_str(),
    };
    let signature = Signature::from_bytes(&signature.0);
    [PayloadVersion::V3, PayloadVersion::V2]
        .into_iter()
        // Strict: a key of small order would accept a signature over anything.
        .find(|&version| verifying.verify_strict(fields.payload(version).as_bytes(), &signature).is_ok())
        .map(|payload| VerifiedDevice { key, id, payload })
        .ok_or(DeviceProofError::SignatureInvalid)
}
