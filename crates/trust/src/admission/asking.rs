//! Asking a person: what they see of it, and what the client hears meanwhile.

use tidegate_protocol::refusal::{PairingReason, PairingRequired, Refusal};
use unicode_normalization::UnicodeNormalization as _;

use super::{AdmissionContext, Stop, Why};
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect};
use crate::identity::VerifiedDevice;
use crate::origin::Origin;
use crate::pairing::{Ended, PairingAttempt, PairingRequest, Subject};
use crate::records::{Claims, Grant};
use crate::scopes::{ScopeSet, was_decided};

impl AdmissionContext<'_> {
    /// What a person is asked, as far as it is the same for devices and programs.
    pub(super) fn ask(&self, subject: Subject, reason: PairingReason, has: ScopeSet) -> PairingRequest {
        let (asked, origin) = (self.asked(), &self.attempt.origin);
        PairingRequest {
            subject,
            key: None,
            reason,
            claims: self.claims(),
            role: self.params().role().to_owned(),
            added: asked.not_held_by(&has),
            asked,
            has,
            from: origin.describe(),
            source: origin.source(),
            user: origin.user(),
            known_name: false,
            unidentified: false,
            ephemeral: None,
        }
    }
}

impl Authority {
    pub(super) fn ask_a_person(&mut self, context: &AdmissionContext<'_>, ask: PairingRequest) -> Stop {
        let device = match ask.subject {
            Subject::Device(device) => Some(device),
            Subject::Program(_) => None,
        };
        let is_known = device.is_some() && ask.reason != PairingReason::NotPaired;
        let mut required = PairingRequired {
            reason: ask.reason,
            request_id: None,
            device,
            role: ask.role.clone(),
            scopes: ask.asked.to_vec(),
            approved: is_known.then(|| ask.has.to_vec()),
            expect_decision: true,
        };
        let audit = context.audit(
            AuditKind::PairingRequested,
            ask.subject.name(),
            &access_line(&ask, &context.attempt.origin),
        );
        let mut effects = Vec::new();
        match self.pending.request_pairing(ask, context.entropy.uuid(), context.now) {
            PairingAttempt::Silenced => required.expect_decision = false,
            PairingAttempt::Full => {}
            PairingAttempt::Waiting { id, created, superseded } => {
                effects.extend(superseded.map(|request| Effect::Ended { request, how: Ended::Superseded }));
                if created && let Some(request) = self.pending.get(&id) {
                    effects.extend([Effect::Requested(Box::new(request.clone())), audit]);
                }
                required.request_id = Some(id);
            }
        }
        Stop { why: Why::Refused(Refusal::PairingRequired(Box::new(required))), effects }
    }

    pub(super) fn is_name_of_another(&self, claims: &Claims, device: VerifiedDevice) -> bool {
        let Some(name) = claims.display_name.as_deref().map(as_it_looks) else { return false };
        let same = |label: &Option<String>| label.as_deref().is_some_and(|label| as_it_looks(label) == name);
        self.devices.iter().any(|(record, _)| record.id != device.id() && same(&record.label))
    }
}

/// A name without what people overlook: case, width, and white space.
fn as_it_looks(name: &str) -> String {
    let lower: String = name.nfkc().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect()
}

/// The line of the audit log that a pairing request gets, in the wording of OpenClaw's gateways.
fn access_line(ask: &PairingRequest, origin: &Origin) -> String {
    let ip = match origin {
        Origin::Remote { address } => address.to_string(),
        _ => "unknown-ip".to_owned(),
    };
    let role_from = if ask.has.is_empty() { "<none>" } else { "operator" };
    format!(
        "security audit: device access upgrade requested reason={} device={} ip={ip} auth=token roleFrom={role_from} \
         roleTo={} scopesFrom={} scopesTo={} client={}",
        ask.reason.public_name(),
        ask.subject.name(),
        ask.role,
        ask.has.to_csv(),
        ask.asked.to_csv(),
        ask.claims.client_id
    )
}

pub(super) fn all_decided(grant: &Grant, asked: &ScopeSet) -> bool {
    asked.iter().all(|scope| was_decided(&grant.decided, scope))
}
