//! Programs that come without a device: with a token of their own, or with the shared one.

use tidegate_protocol::refusal::{AuthReason, PairingReason, Refusal};
use tidegate_protocol::{ClientMode, Dialect, Scope};

use super::asking::all_decided;
use super::credential::Credential;
use super::{Admitted, Attempt, LookUp, Stop, session, unauthorized};
use crate::audit::{AuditEvent, AuditKind};
use crate::authority::{Authority, Effect, Entropy, GrantExpiry, Touched};
use crate::origin::Peer;
use crate::pairing::{PairingRequest, Subject};
use crate::principal::Principal;
use crate::records::Claims;
use crate::scopes::{Level, ScopeSet};
use crate::timestamp::Timestamp;

impl Authority {
    pub(super) fn admit_without_device(
        &mut self,
        attempt: &Attempt<'_>,
        dialect: Dialect,
        credential: Result<Credential, Refusal>,
        entropy: &Entropy,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<Box<Admitted>, Stop> {
        let params = attempt.params;
        let sent_something =
            params.auth.as_ref().is_some_and(|auth| auth.token.is_some() || auth.password.is_some());
        let credential = match credential {
            Ok(credential) => credential,
            Err(refusal) if sent_something => return Err(refusal.into()),
            Err(_) => return Err(Refusal::DeviceIdentityRequired.into()),
        };
        self.throttle.succeeded(&attempt.origin.source());
        let asked: ScopeSet = params.requested_scopes().into_iter().collect();
        let uses_shared_token = matches!(credential, Credential::Shared);
        let program_token = credential.program_token();
        let admitted = |principal, scopes| {
            Box::new(Admitted {
                session: session(attempt, principal, dialect, scopes),
                method: "token",
                uses_shared_token,
                program_token: program_token.clone(),
                device_token: None,
                durable: Vec::new(),
                effects: Vec::new(),
            })
        };
        if asked.is_empty() || params.client.mode == ClientMode::Probe {
            return Ok(admitted(Principal::Visitor, ScopeSet::none()));
        }
        if let Credential::ProgramToken { index, .. } = credential
            && let Some(token) = self.tokens.get(index)
        {
            let mut scopes = asked.under_grant(&token.granted());
            let mut event = None;
            if attempt.may_be_a_command() {
                // Nobody can be asked about a token, and a command may have read it: with it, the command
                // would talk to agents that have more rights than itself.
                scopes = scopes.under_grant(&ScopeSet::from(Level::Read));
                let line = format!(
                    "security audit: a program that could not be identified used a token while a command \
                     ran that is not contained, so it may only read name={} asked={} scopes={} conn={}",
                    token.name,
                    asked.to_csv(),
                    scopes.to_csv(),
                    attempt.connection
                );
                let kind = AuditKind::ProgramTokenUnidentified;
                event = Some(AuditEvent::new(now.wall, kind, token.name.clone(), line));
            }
            if scopes.names(&Scope::Pairing) && attempt.origin.peer() == Some(&Peer::NotATool) {
                // Which program it is counts when it decides: never about its own request.
                return Err(Stop::LookUpPeer(LookUp::Program));
            }
            let mut admitted = admitted(Principal::ProgramToken(token.id.clone()), scopes);
            admitted.effects.extend(event.map(Effect::Audit));
            return Ok(admitted);
        }
        let program = match attempt.origin.peer() {
            Some(Peer::NotLookedUp | Peer::NotATool) => return Err(Stop::LookUpPeer(LookUp::Program)),
            Some(Peer::Process { same_user: true, program: Some(program), .. }) => program,
            _ => return Err(Refusal::DeviceIdentityRequired.into()),
        };
        let subject = Subject::Program(program.identity.clone());
        if self.is_blocked(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let generation = self.token_generation();
        let programs = match program.ephemeral {
            // What may be anything the next time can only use a grant of its own, for one time.
            Some(_) => &mut self.fleeting_programs,
            None => &mut self.programs,
        };
        let position = programs.iter().position(|held| {
            held.record.program == program.identity && held.record.token_generation == generation
        });
        let grant =
            position.and_then(|position| programs.get(position)).map(|held| held.record.grant.clone());
        match (&grant, position) {
            (Some(grant), Some(position)) if all_decided(grant, &asked) => {
                let held = &mut programs[position];
                held.record.last_seen_at = Some(now.wall);
                let id = held.record.id.clone();
                if matches!(held.lifetime, GrantExpiry::Once(_)) {
                    let rest = programs.remove(position).ended();
                    programs.extend(rest);
                } else if program.ephemeral.is_none() {
                    self.touched.insert(Touched::Program(id.clone()));
                }
                Ok(admitted(Principal::Program(id), asked.under_grant(&grant.granted)))
            }
            _ => {
                let has = grant.map(|grant| grant.granted).unwrap_or_default();
                let ask = PairingRequest {
                    subject,
                    key: None,
                    reason: if has.is_empty() {
                        PairingReason::NotPaired
                    } else {
                        PairingReason::ScopeUpgrade
                    },
                    claims: Claims::of(&params.client),
                    role: params.role().to_owned(),
                    added: asked.not_held_by(&has),
                    asked,
                    has,
                    from: attempt.origin.describe(),
                    source: attempt.origin.source(),
                    user: attempt.origin.user(),
                    known_name: false,
                    unidentified: false,
                    ephemeral: program.ephemeral.map(crate::program::Ephemeral::sentence),
                };
                Err(self.ask_a_person(ask, attempt, None, entropy, now, effects))
            }
        }
    }
}
