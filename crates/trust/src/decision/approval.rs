//! What an approval grants.

use tidegate_protocol::{DeviceId, Scope, limits};

use super::outcome::{Approved, Outcome, Record, if_lasting};
use super::{Choice, Decider, DecisionError, GrantLifetime};
use crate::authority::{Authority, Entropy, GrantExpiry};
use crate::decider::Who;
use crate::pairing::{PairingRequest, Subject};
use crate::records::{Change, DeviceRecord, Grant, ProgramGrant, ProgramIdentity};
use crate::scopes::ScopeSet;
use crate::stores::ProgramKey;
use crate::timestamp::Timestamp;

/// An approval as it was given.
pub(super) struct Approval<'a> {
    decider: &'a Decider,
    ask: &'a PairingRequest,
    choice: &'a Choice,
    lifetime: GrantExpiry,
    now: Timestamp,
}

impl<'a> Approval<'a> {
    pub(super) fn new(
        decider: &'a Decider,
        ask: &'a PairingRequest,
        choice: &'a Choice,
        duration: GrantLifetime,
        now: Timestamp,
    ) -> Self {
        let lifetime = match duration {
            GrantLifetime::Always => GrantExpiry::Always,
            GrantLifetime::UntilQuit => GrantExpiry::UntilQuit,
            GrantLifetime::Once => GrantExpiry::Once(now.deadline(limits::ONCE_LIFE)),
        };
        Self { decider, ask, choice, lifetime, now }
    }

    /// What the choice gives, without what was granted before.
    fn given(&self) -> ScopeSet {
        match self.choice {
            Choice::All => self.ask.asked.clone(),
            Choice::Scopes(scopes) => scopes.clone(),
            Choice::Level { level, pairing } => {
                ScopeSet::from(*level).union(&pairing.then_some(Scope::Pairing).into_iter().collect())
            }
        }
    }

    /// What is granted then. It covers every scope that was shown, granted or not.
    fn grant(&self, before: Option<&Grant>) -> Result<Grant, DecisionError> {
        let asked = &self.ask.asked;
        let before = before.cloned().unwrap_or_default();
        let shown_pairing = asked.names(&Scope::Pairing) || before.granted.names(&Scope::Pairing);
        let not_asked = match self.choice {
            Choice::Scopes(scopes) => scopes.iter().find(|scope| !asked.holds(scope)).cloned(),
            Choice::Level { pairing: true, .. } if !shown_pairing => Some(Scope::Pairing),
            Choice::All | Choice::Level { .. } => None,
        };
        if let Some(scope) = not_asked {
            return Err(DecisionError::NotAsked(scope));
        }
        let shown = before.decided.union(asked);
        Ok(match self.choice {
            Choice::All | Choice::Scopes(_) => {
                Grant { decided: shown, granted: before.granted.union(&self.given()) }
            }
            Choice::Level { .. } => {
                Grant { decided: shown.union(&ScopeSet::of_all_levels()), granted: self.given() }
            }
        })
    }

    /// A client gives at most what it has, and the right to manage pairing only when it was given it
    /// by name. It answers for all but what the other has `before`: now, not when it asked.
    fn check_ceiling(&self, before: Option<&Grant>, grant: &Grant) -> Result<(), DecisionError> {
        let Who::Client { scopes, .. } = self.decider.who() else { return Ok(()) };
        let before = before.map(|grant| grant.granted.clone()).unwrap_or_default();
        let given = grant.granted.not_held_by(&before);
        let beyond = given.iter().find(|scope| !scopes.holds(scope));
        beyond.map_or(Ok(()), |scope| Err(DecisionError::BeyondDecider(scope.clone())))
    }
}

impl Authority {
    /// What an approval leads to, and what has to be committed for it.
    pub(super) fn approve(
        &self,
        approval: &Approval<'_>,
        entropy: &Entropy,
    ) -> Result<(Outcome, Vec<Change>), DecisionError> {
        let record = match &approval.ask.subject {
            Subject::Device(device) => Record::Device(Box::new(self.approved_device(approval, *device)?)),
            Subject::Program(program) => {
                Record::Program(Box::new(self.approved_program(approval, program, entropy)?))
            }
        };
        let approved = Approved {
            given: approval.given(),
            lifetime: approval.lifetime,
            replaces: matches!(approval.choice, Choice::Level { .. }),
            record,
        };
        let durable = if_lasting(approved.lifetime, approved.record.put());
        Ok((Outcome::Approved(approved), durable))
    }

    fn approved_device(&self, approval: &Approval<'_>, id: DeviceId) -> Result<DeviceRecord, DecisionError> {
        let Approval { ask, lifetime, now, .. } = approval;
        let known = self.devices.get(id);
        // A longer grant is not built on a shorter one.
        let before = self.devices.grant(id, *lifetime);
        let grant = approval.grant(before)?;
        // Who says that it is the device answers for everything that it may.
        approval.check_ceiling(before.filter(|_| !ask.unidentified), &grant)?;
        Ok(DeviceRecord {
            id,
            key: ask.key.ok_or(DecisionError::Unknown)?,
            claims: ask.claims.clone(),
            label: known.and_then(|record| record.label.clone()),
            grant,
            token: known.and_then(|record| record.token.clone()),
            created_at: known.map_or(now.wall, |record| record.created_at),
            approved_at: now.wall,
            last_seen_at: known.and_then(|record| record.last_seen_at),
            last_seen_from: known.and_then(|record| record.last_seen_from.clone()),
        })
    }

    fn approved_program(
        &self,
        approval: &Approval<'_>,
        program: &ProgramIdentity,
        entropy: &Entropy,
    ) -> Result<ProgramGrant, DecisionError> {
        let Approval { ask, lifetime, now, .. } = approval;
        if let Some(sentence) = ask.ephemeral
            && !matches!(lifetime, GrantExpiry::Once(_))
        {
            return Err(DecisionError::OnlyOnce(sentence));
        }
        let generation = self.tokens.generation();
        let key = ProgramKey { program, generation, is_ephemeral: ask.ephemeral.is_some() };
        let before = self.programs.grant(key, *lifetime);
        let grant = approval.grant(before)?;
        approval.check_ceiling(before, &grant)?;
        if grant.granted.names(&Scope::Admin) {
            return Err(DecisionError::NeedsOwnToken);
        }
        Ok(ProgramGrant {
            id: self.programs.find(key).map_or_else(|| entropy.uuid(), |record| record.id.clone()),
            program: program.clone(),
            token_generation: generation,
            claims: ask.claims.clone(),
            grant,
            approved_at: now.wall,
            last_seen_at: None,
        })
    }
}
