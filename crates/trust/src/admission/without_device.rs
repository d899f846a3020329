//! Programs that come without a device: with a token of their own, or with the shared one.

use tidegate_protocol::refusal::{AuthReason, PairingReason, Refusal};
use tidegate_protocol::{ClientMode, Scope};

use super::asking::all_decided;
use super::credential::Credential;
use super::{AdmissionContext, Admitted, LookUp, Stop, Why, unauthorized};
use crate::audit::AuditKind;
use crate::authority::Authority;
use crate::origin::Peer;
use crate::pairing::{PairingRequest, Subject};
use crate::principal::Principal;
use crate::program::{Ephemeral, Program};
use crate::records::ProgramToken;
use crate::scopes::{Level, ScopeSet};
use crate::stores::ProgramKey;

impl Authority {
    pub(super) fn admit_without_device(
        &mut self,
        context: &AdmissionContext<'_>,
        credential: Result<Credential, Refusal>,
    ) -> Result<Admitted, Stop> {
        let params = context.params();
        let auth = params.auth.as_ref();
        let sent_one = auth.is_some_and(|auth| auth.token.is_some() || auth.password.is_some());
        let credential =
            credential.map_err(|refusal| if sent_one { refusal } else { Refusal::DeviceIdentityRequired })?;
        self.throttle.succeeded(&context.attempt.origin.source());
        if params.client.mode == ClientMode::Probe || context.asked().is_empty() {
            return Ok(context.admitted(Principal::Visitor, ScopeSet::none(), Some(&credential)));
        }
        if let Credential::ProgramToken(token) = &credential {
            return admit_with_own_token(context, token, &credential);
        }
        match context.peer() {
            Some(Peer::NotLookedUp | Peer::NotATool) => Err(Why::LookUpPeer(LookUp::Program).into()),
            Some(Peer::Process { same_user: true, program: Some(program), .. }) => {
                self.admit_program(context, program, &credential)
            }
            _ => Err(Refusal::DeviceIdentityRequired.into()),
        }
    }

    /// A program of our own user with the shared token: what a person decided about this very program.
    fn admit_program(
        &mut self,
        context: &AdmissionContext<'_>,
        program: &Program,
        credential: &Credential,
    ) -> Result<Admitted, Stop> {
        let subject = Subject::Program(program.identity.clone());
        if self.blocks.contains(&subject) {
            return Err(unauthorized(AuthReason::Blocked));
        }
        let asked = context.asked();
        // What may be anything the next time can only use a grant of its own, for one time.
        let is_ephemeral = program.ephemeral.is_some();
        let generation = self.tokens.generation();
        let record = self.programs.find(ProgramKey { program: &program.identity, generation, is_ephemeral });
        if let Some(record) = record.filter(|record| all_decided(&record.grant, &asked)) {
            let (id, scopes) = (record.id.clone(), asked.under_grant(&record.grant.granted));
            self.programs.used(&id, is_ephemeral, context.now);
            return Ok(context.admitted(Principal::Program(id), scopes, Some(credential)));
        }
        let has = record.map(|record| record.grant.granted.clone()).unwrap_or_default();
        let reason = if has.is_empty() { PairingReason::NotPaired } else { PairingReason::ScopeUpgrade };
        let ephemeral = program.ephemeral.map(Ephemeral::sentence);
        let ask = PairingRequest { ephemeral, ..context.ask(subject, reason, has) };
        Err(self.ask_a_person(context, ask))
    }
}

/// A program with a token of its own: what the person chose for it.
fn admit_with_own_token(
    context: &AdmissionContext<'_>,
    token: &ProgramToken,
    credential: &Credential,
) -> Result<Admitted, Stop> {
    let asked = context.asked();
    let mut scopes = asked.under_grant(&token.granted());
    let mut audit = None;
    if context.attempt.may_be_a_command() {
        // Nobody can be asked about a token, and a command may have read it: with it, the command
        // would talk to agents that have more rights than itself.
        scopes = scopes.under_grant(&ScopeSet::from(Level::Read));
        let line = format!(
            "security audit: a program that could not be identified used a token while a command \
             ran that is not contained, so it may only read name={} asked={} scopes={}",
            token.name,
            asked.to_csv(),
            scopes.to_csv(),
        );
        audit = Some(context.audit(AuditKind::ProgramTokenUnidentified, token.name.clone(), &line));
    }
    if scopes.names(&Scope::Pairing) && context.peer() == Some(&Peer::NotATool) {
        // Which program it is counts when it decides: never about its own request.
        return Err(Why::LookUpPeer(LookUp::Program).into());
    }
    let mut admitted = context.admitted(Principal::ProgramToken(token.id.clone()), scopes, Some(credential));
    admitted.effects.extend(audit);
    Ok(admitted)
}
