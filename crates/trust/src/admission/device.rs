//! Devices: known ones are let in, others ask a person.

use tidegate_protocol::DeviceId;
use tidegate_protocol::client::platform_family;
use tidegate_protocol::refusal::{AuthReason, PairingReason};

use super::asking::all_decided;
use super::credential::Credential;
use super::{AdmissionContext, Admitted, LookUp, Stop, Why, unauthorized};
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect};
use crate::identity::VerifiedDevice;
use crate::origin::Peer;
use crate::pairing::{PairingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Claims, DeviceRecord};
use crate::scopes::ScopeSet;
use crate::token::Token;
use crate::transaction::{PreparedTransaction, Step};

impl Authority {
    pub(super) fn admit_device(
        &mut self,
        context: &AdmissionContext<'_>,
        device: VerifiedDevice,
        credential: &Credential,
    ) -> Result<Admitted, Stop> {
        let (attempt, subject) = (context.attempt, Subject::Device(device.id()));
        if self.blocks.contains(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let granted = self.granted_to_device(context, device.id());
        let admitted =
            granted.and_then(|granted| self.admit_known_device(context, device.id(), credential, &granted));
        let reason = match admitted {
            Ok(admitted) => return Ok(admitted),
            Err(reason) => reason,
        };
        if let Some(Peer::NotLookedUp | Peer::NotATool) = context.peer() {
            return Err(Why::LookUpPeer(LookUp::Program).into());
        }
        let has =
            self.devices.get(device.id()).map(|record| record.grant.granted.clone()).unwrap_or_default();
        let ask = context.ask(subject, reason, has);
        let known_name = self.is_name_of_another(&ask.claims, device);
        let ask = PairingRequest {
            key: Some(device.key()),
            known_name,
            unidentified: attempt.may_be_a_command(),
            ..ask
        };
        Err(self.ask_a_person(context, ask))
    }

    /// What a device may at most, or why a person has to be asked. What a person vouched for is used up.
    fn granted_to_device(
        &mut self,
        context: &AdmissionContext<'_>,
        id: DeviceId,
    ) -> Result<ScopeSet, PairingReason> {
        let record = self.devices.get(id).ok_or(PairingReason::NotPaired)?;
        if platform_changed(record, &context.claims()) {
            return Err(PairingReason::MetadataUpgrade);
        }
        if !all_decided(&record.grant, &context.asked()) {
            return Err(PairingReason::ScopeUpgrade);
        }
        let granted = record.grant.granted.clone();
        match (self.devices.take_vouched(id), context.attempt.may_be_a_command()) {
            (Some(vouched), true) => Ok(granted.within(&vouched)),
            (None, true) => Err(PairingReason::Unidentified),
            (_, false) => Ok(granted),
        }
    }

    fn admit_known_device(
        &mut self,
        context: &AdmissionContext<'_>,
        id: DeviceId,
        credential: &Credential,
        granted: &ScopeSet,
    ) -> Result<Admitted, PairingReason> {
        let (claims, from) = (context.claims(), context.attempt.origin.describe());
        let record = self.devices.get(id).ok_or(PairingReason::NotPaired)?;
        let is_refreshed = record.claims != claims;
        self.devices.change(id, |record| {
            // A platform that was let in for a while is not pinned for longer.
            if !platform_changed(record, &claims) {
                record.claims = claims.clone();
            }
            record.last_seen_at = Some(context.now.wall);
            record.last_seen_from = Some(from.clone());
        });
        let scopes = context.asked().under_grant(granted);
        let mut admitted = context.admitted(Principal::Device(id), scopes, Some(credential));
        if is_refreshed {
            let line = format!("device metadata refreshed device={id} client={}", claims.client_id);
            let audit = Effect::audit(context.now, AuditKind::DeviceRefreshed, id.to_string(), line);
            admitted.effects.push(audit);
        }
        if self.devices.lacks_token(id) {
            let (token, at) = (Token::from_entropy(context.entropy.token), context.now.wall);
            let durable = self.devices.give_token(id, token.hash(), at).into_iter().collect();
            let step = Step::DeviceToken(id, token.hash());
            admitted.device_token = Some(PreparedTransaction::new((token, at), durable, Vec::new(), step));
        } else {
            self.devices.used(id);
        }
        Ok(admitted)
    }
}

/// Platform (without its version) and family are pinned; everything else a client says of itself
/// is only refreshed. Both are compared as they are kept, cleaned and bounded: else a client with
/// an odd one would have to ask each time.
fn platform_changed(record: &DeviceRecord, claims: &Claims) -> bool {
    let pinned = platform_family(&record.claims.platform);
    let family = |family: Option<&str>| family.map(tidegate_protocol::client::normalised).unwrap_or_default();
    let pinned_family = family(record.claims.device_family.as_deref());
    let claimed_family = family(claims.device_family.as_deref());
    (!pinned.is_empty() && pinned != platform_family(&claims.platform))
        || (!pinned_family.is_empty() && pinned_family != claimed_family)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::time::Duration;

    use ed25519_dalek::{Signer as _, SigningKey};
    use serde_json::json;
    use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion, SignedFields};
    use tidegate_protocol::{
        ConnectParams, ConnectionId, Dialect, PublicKey, Scope, SignatureBytes, UnixMillis,
    };

    use super::*;
    use crate::admission::Attempt;
    use crate::authority::Entropy;
    use crate::origin::Origin;
    use crate::records::TrustRecords;
    use crate::timestamp::Timestamp;

    /// What a device with a key of its own sends.
    fn connect(nonce: &Nonce, now: UnixMillis) -> ConnectParams {
        let mut params: ConnectParams = serde_json::from_value(json!({
            "minProtocol": 3, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
            "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
        }))
        .unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey::from_bytes(key.verifying_key().to_bytes());
        let fields = SignedFields {
            device: public.device_id(),
            client: &params.client,
            role: params.role(),
            scopes: &params.scopes,
            signed_at: now.0,
            token: params.signed_token(),
            nonce: nonce.as_str(),
        };
        let signature = key.sign(fields.payload(PayloadVersion::V3).as_bytes());
        params.device = Some(DeviceClaim {
            id: public.device_id().to_string(),
            public_key: public.to_string(),
            signature: SignatureBytes(signature.to_bytes()).encode(),
            signed_at: now.0,
            nonce: nonce.as_str().to_owned(),
        });
        params
    }

    #[test]
    fn a_device_whose_record_is_gone_has_to_pair() {
        let (mut authority, _) = Authority::new(TrustRecords::default());
        let nonce = Nonce::from_entropy([1; 16]);
        let now = Timestamp { wall: UnixMillis(1_795_000_000_000), monotonic: Duration::ZERO };
        let params = connect(&nonce, now.wall);
        let origin = Origin::Remote { address: [192, 0, 2, 1].into() };
        let connection = ConnectionId::parse("connection").unwrap();
        let attempt = Attempt::new(connection, origin, &params, &nonce, now.wall);
        let entropy = Entropy { id: [2; 16], token: [3; 32] };
        let context =
            AdmissionContext { attempt: &attempt, dialect: Dialect::NEWEST, entropy: &entropy, now };
        let id = attempt.device.unwrap().unwrap().id();
        let granted = ScopeSet::from([Scope::Read]);

        let admitted = authority.admit_known_device(&context, id, &Credential::Shared, &granted);

        assert_eq!(admitted.err(), Some(PairingReason::NotPaired), "nothing says what it may do");
    }
}
