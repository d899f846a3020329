//! Asking a person: what they see of it, and what the client hears meanwhile.

use tidegate_protocol::Scope;
use tidegate_protocol::refusal::{PairingRequired, Refusal};
use unicode_normalization::UnicodeNormalization as _;

use super::{Attempt, Stop};
use crate::audit::{AuditEvent, AuditKind};
use crate::authority::{Authority, Effect, Entropy};
use crate::identity::VerifiedDevice;
use crate::origin::Origin;
use crate::pairing::{Ended, PairingAttempt, PairingRequest, Subject};
use crate::records::{Claims, Grant};
use crate::scopes::{ScopeSet, was_decided};
use crate::timestamp::Timestamp;

impl Authority {
    pub(super) fn ask_a_person(
        &mut self,
        ask: PairingRequest,
        attempt: &Attempt<'_>,
        approved: Option<Vec<Scope>>,
        entropy: &Entropy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Stop {
        let mut required = PairingRequired {
            reason: ask.reason,
            request_id: None,
            device: match ask.subject {
                Subject::Device(device) => Some(device),
                Subject::Program(_) => None,
            },
            role: ask.role.clone(),
            scopes: ask.asked.to_vec(),
            approved,
            expect_decision: true,
        };
        let line = access_line(&ask, attempt);
        let name = subject_name(&ask.subject);
        match self.pending.request_pairing(ask, entropy.uuid(), now) {
            PairingAttempt::Silenced => required.expect_decision = false,
            PairingAttempt::Full => {}
            PairingAttempt::Waiting { id, created, superseded } => {
                if let Some(request) = superseded {
                    effects.push(Effect::Ended { request, how: Ended::Superseded });
                }
                if created && let Some(request) = self.pending.get(&id) {
                    effects.push(Effect::Requested(Box::new(request.clone())));
                    let event = AuditEvent::new(now.wall, AuditKind::PairingRequested, name, line);
                    effects.push(Effect::Audit(event));
                }
                required.request_id = Some(id);
            }
        }
        Refusal::PairingRequired(Box::new(required)).into()
    }

    pub(super) fn is_name_of_another(&self, claims: &Claims, device: VerifiedDevice) -> bool {
        let Some(name) = claims.display_name.as_deref().map(as_it_looks) else { return false };
        let same = |label: &Option<String>| label.as_deref().is_some_and(|label| as_it_looks(label) == name);
        self.devices.values().any(|held| held.record.id != device.id() && same(&held.record.label))
    }
}

/// A name without what people overlook: case, width, and white space.
fn as_it_looks(name: &str) -> String {
    let lower: String = name.nfkc().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect()
}

/// The line of the audit log that a pairing request gets, in the wording of OpenClaw's gateways.
fn access_line(ask: &PairingRequest, attempt: &Attempt<'_>) -> String {
    let ip = match attempt.origin {
        Origin::Remote { address } => address.to_string(),
        _ => "unknown-ip".to_owned(),
    };
    let role_from = if ask.has.is_empty() { "<none>" } else { "operator" };
    format!(
        "security audit: device access upgrade requested reason={} device={} ip={ip} auth=token roleFrom={role_from} \
         roleTo={} scopesFrom={} scopesTo={} client={} conn={}",
        ask.reason.name(),
        subject_name(&ask.subject),
        ask.role,
        ask.has.to_csv(),
        ask.asked.to_csv(),
        ask.claims.client_id,
        attempt.connection
    )
}

pub(crate) fn subject_name(subject: &Subject) -> String {
    match subject {
        Subject::Device(device) => device.to_string(),
        Subject::Program(program) => {
            let file = program.script.as_ref().unwrap_or(&program.executable);
            format!("program:{}", tidegate_protocol::text::one_line(&file.display().to_string(), 200))
        }
    }
}

pub(super) fn all_decided(grant: &Grant, asked: &ScopeSet) -> bool {
    asked.iter().all(|scope| was_decided(&grant.decided, scope))
}
