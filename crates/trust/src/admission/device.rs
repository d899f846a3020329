//! Devices: known ones are let in, others ask a person.

use tidegate_protocol::Dialect;
use tidegate_protocol::client::platform_family;
use tidegate_protocol::refusal::{AuthReason, PairingReason};

use super::asking::all_decided;
use super::credential::Credential;
use super::{Admitted, Attempt, LookUp, Stop, session, unauthorized};
use crate::audit::{AuditEvent, AuditKind};
use crate::authority::{Authority, Effect, Entropy, GrantExpiry, Held, Touched};
use crate::identity::VerifiedDevice;
use crate::origin::Peer;
use crate::pairing::{PairingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Change, Claims, DeviceRecord, DeviceToken};
use crate::scopes::ScopeSet;
use crate::timestamp::Timestamp;
use crate::token::Token;

impl Authority {
    #[expect(clippy::too_many_arguments, reason = "the whole attempt decides")]
    pub(super) fn admit_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        device: VerifiedDevice,
        credential: &Credential,
        entropy: &Entropy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let subject = Subject::Device(device.id());
        if self.is_blocked(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let params = attempt.params;
        let asked: ScopeSet = params.requested_scopes().into_iter().collect();
        let claims = Claims::of(&params.client);
        let record = self.devices.get(&device.id()).map(|held| &held.record);
        let may = match record {
            None => Err(PairingReason::NotPaired),
            Some(record) if platform_changed(record, &claims) => Err(PairingReason::MetadataUpgrade),
            Some(record) if !all_decided(&record.grant, &asked) => Err(PairingReason::ScopeUpgrade),
            Some(record) => match (self.vouched.remove(&device.id()), attempt.may_be_a_command()) {
                (Some(vouched), true) => Ok(record.grant.granted.within(&vouched.scopes)),
                (None, true) => Err(PairingReason::Unidentified),
                (_, false) => Ok(record.grant.granted.clone()),
            },
        };
        let has = record.map(|record| record.grant.granted.clone()).unwrap_or_default();
        let reason = match may {
            Ok(may) => {
                let scopes = asked.under_grant(&may);
                return self.admit_known_device(attempt, dialect, device, credential, scopes, entropy, now);
            }
            Err(reason) => reason,
        };
        if let Some(Peer::NotLookedUp | Peer::NotATool) = attempt.origin.peer() {
            return Err(Stop::LookUpPeer(LookUp::Program));
        }
        let approved = record.map(|record| record.grant.granted.to_vec());
        let known_name = self.is_name_of_another(&claims, device);
        let ask = PairingRequest {
            subject,
            key: Some(device.key()),
            reason,
            claims,
            role: params.role().to_owned(),
            added: asked.not_held_by(&has),
            asked,
            has,
            from: attempt.origin.describe(),
            source: attempt.origin.source(),
            user: attempt.origin.user(),
            known_name,
            unidentified: attempt.may_be_a_command(),
            ephemeral: None,
        };
        Err(self.ask_a_person(ask, attempt, approved, entropy, now, effects))
    }

    #[expect(clippy::too_many_arguments, reason = "the whole attempt decides")]
    fn admit_known_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        device: VerifiedDevice,
        credential: &Credential,
        scopes: ScopeSet,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Box<Admitted>, Stop> {
        let mut admitted = Admitted {
            session: session(attempt, Principal::Device(device.id()), dialect, scopes),
            method: credential.method(),
            uses_shared_token: matches!(credential, Credential::Shared),
            program_token: credential.program_token(),
            device_token: None,
            durable: Vec::new(),
            effects: Vec::new(),
        };
        let Some(held) = self.devices.get_mut(&device.id()) else {
            // Nothing says what it may do.
            return Err(unauthorized(AuthReason::DeviceTokenMismatch));
        };
        let claims = Claims::of(&attempt.params.client);
        if held.record.claims != claims {
            let line =
                format!("device metadata refreshed device={} client={}", device.id(), claims.client_id);
            let event = AuditEvent::new(now.wall, AuditKind::DeviceRefreshed, device.id().to_string(), line);
            admitted.effects.push(Effect::Audit(event));
        }
        let from = attempt.origin.describe();
        held.change(&mut |record| {
            // A platform that was let in for a while is not pinned for longer.
            if !platform_changed(record, &claims) {
                record.claims = claims.clone();
            }
            record.last_seen_at = Some(now.wall);
            record.last_seen_from = Some(from.clone());
        });
        match held.lifetime {
            GrantExpiry::Once(_) => {
                // The grant was for one admission, and this is it.
                let rest = self.devices.remove(&device.id()).and_then(Held::ended);
                self.devices.extend(rest.map(|rest| (device.id(), rest)));
                self.touched.insert(Touched::Device(device.id()));
            }
            GrantExpiry::UntilQuit => {
                self.touched.insert(Touched::Device(device.id()));
            }
            GrantExpiry::Always => {
                let record = &mut held.record;
                let has_none = record.token.as_ref().is_none_or(DeviceToken::is_withheld);
                if has_none && !record.grant.granted.is_empty() {
                    let token = Token::from_entropy(entropy.token);
                    let withheld = record.token.take();
                    record.token = Some(DeviceToken {
                        hash: Some(token.hash()),
                        created_at: withheld.as_ref().map_or(now.wall, |token| token.created_at),
                        rotated_at: withheld.and_then(|token| token.rotated_at),
                        revoked_at: None,
                    });
                    admitted.durable.push(Change::PutDevice(Box::new(record.clone())));
                    admitted.device_token = Some((token, now.wall));
                } else {
                    self.touched.insert(Touched::Device(device.id()));
                }
            }
        }
        Ok(Box::new(admitted))
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
    use tidegate_protocol::{ConnectParams, ConnectionId, PublicKey, Scope, SignatureBytes, UnixMillis};

    use super::*;
    use crate::TrustRecords;
    use crate::origin::Origin;

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
    fn a_device_whose_record_is_gone_is_refused() {
        let (mut authority, _) = Authority::new(TrustRecords::default());
        let nonce = Nonce::from_entropy([1; 16]);
        let now = Timestamp { wall: UnixMillis(1_795_000_000_000), monotonic: Duration::ZERO };
        let params = connect(&nonce, now.wall);
        let origin = Origin::Remote { address: [192, 0, 2, 1].into() };
        let connection = ConnectionId::parse("connection").unwrap();
        let attempt = Attempt::new(connection, origin, &params, &nonce, now.wall);
        let device = attempt.device.unwrap().unwrap();
        let entropy = Entropy { id: [2; 16], token: [3; 32] };
        let scopes = ScopeSet::from([Scope::Read]);

        let admitted = authority.admit_known_device(
            &attempt,
            Dialect::NEWEST,
            device,
            &Credential::Shared,
            scopes,
            &entropy,
            now,
        );

        assert!(admitted.is_err(), "nothing says what it may do");
    }
}
