//! What a decision leads to, and putting it in effect once it is committed.

use tidegate_protocol::limits;

use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, GrantExpiry};
use crate::pairing::{PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Block, Change, DeviceRecord, Grant, ProgramGrant};
use crate::scopes::ScopeSet;
use crate::timestamp::Timestamp;
use crate::transaction::Transaction;

/// A decision about a request that waits until it is in effect.
#[derive(Debug)]
pub(crate) struct PairingDecision {
    request: PendingRequest,
    outcome: Outcome,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Approved(Approved),
    Rejected,
    Later,
    Blocked(Block),
}

#[derive(Debug)]
pub(super) struct Approved {
    pub(super) record: Record,
    /// What this decision gave, without what the record had before.
    pub(super) given: ScopeSet,
    pub(super) lifetime: GrantExpiry,
    /// Whether it stands in the place of what was granted before, as a level does.
    pub(super) replaces: bool,
}

#[derive(Debug)]
pub(super) enum Record {
    Device(Box<DeviceRecord>),
    Program(Box<ProgramGrant>),
}

impl PairingDecision {
    pub(super) fn new(request: PendingRequest, outcome: Outcome) -> Self {
        Self { request, outcome }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request.id
    }
}

impl Record {
    pub(super) fn put(&self) -> Change {
        match self {
            Self::Device(record) => Change::from(&**record),
            Self::Program(record) => Change::from(&**record),
        }
    }

    fn principal(&self) -> Principal {
        match self {
            Self::Device(record) => Principal::Device(record.id),
            Self::Program(record) => Principal::Program(record.id.clone()),
        }
    }

    fn grant(&self) -> &Grant {
        match self {
            Self::Device(record) => &record.grant,
            Self::Program(record) => &record.grant,
        }
    }
}

impl Authority {
    /// Puts a committed decision in effect; `false` when it was overtaken.
    pub(crate) fn apply_decision(&mut self, decision: PairingDecision, now: Timestamp) -> Transaction<bool> {
        let PairingDecision { request, outcome } = decision;
        if let Outcome::Approved(approved) = &outcome
            && let Some(undone) = self.overtaken(&request, approved)
        {
            // Where it still waits, a person may decide about it again.
            self.pending.set_deciding(&request.id, false);
            let subject = request.details.subject.name();
            let line = format!("device pairing overtaken device={subject}");
            let audit = Effect::audit(now, AuditKind::PairingOvertaken, subject, line);
            return Transaction::applied(false, if_lasting(approved.lifetime, undone), vec![audit]);
        }
        let subject = request.details.subject.clone();
        let is_approved = matches!(outcome, Outcome::Approved(_));
        let (durable, mut effects) = match outcome {
            Outcome::Later => {
                self.pending.set_deciding(&request.id, false);
                self.pending.set_later(&request.id);
                return Transaction::applied(true, Vec::new(), Vec::new());
            }
            Outcome::Approved(approved) => {
                self.pending.take(&request.id);
                self.pending.unsilence(&subject);
                self.put_approved(&request, approved, now)
            }
            Outcome::Rejected => {
                self.pending.take(&request.id);
                if let Subject::Device(device) = &subject {
                    // What a person said before of the same key does not hold against this.
                    self.devices.take_vouched(*device);
                }
                self.pending.silence(subject, now);
                (Vec::new(), Vec::new())
            }
            Outcome::Blocked(block) => {
                self.pending.take(&request.id);
                // What it changed of itself meanwhile may be saved after the block.
                let durable = self.removals_of(&block.subject);
                (durable, self.put_block(block))
            }
        };
        effects.push(Effect::Resolved { request: Box::new(request), approved: is_approved });
        Transaction::applied(true, durable, effects)
    }

    fn put_approved(
        &mut self,
        request: &PendingRequest,
        approved: Approved,
        now: Timestamp,
    ) -> (Vec<Change>, Vec<Effect>) {
        let effects = self.end_wider_sessions(&approved).into_iter().collect();
        let Approved { record, given, lifetime, .. } = approved;
        let durable = match record {
            Record::Device(mut record) => {
                let id = record.id;
                let meanwhile = self.keep_later_changes(&mut record);
                if request.details.unidentified && meanwhile != Meanwhile::Revoked {
                    self.devices.vouch(
                        id,
                        now.deadline(limits::ONCE_LIFE),
                        given.within(&request.details.asked),
                    );
                }
                let durable = match meanwhile {
                    Meanwhile::Unchanged => Vec::new(),
                    Meanwhile::Changed | Meanwhile::Revoked => if_lasting(lifetime, Change::from(&*record)),
                };
                self.devices.put(*record, lifetime);
                durable
            }
            Record::Program(record) => {
                self.programs.put(*record, lifetime, request.details.ephemeral.is_some());
                Vec::new()
            }
        };
        (durable, effects)
    }

    /// Whether an approval must not come into effect any more.
    pub(crate) fn is_overtaken(&self, decision: &PairingDecision) -> bool {
        match &decision.outcome {
            Outcome::Approved(approved) => self.overtaken(&decision.request, approved).is_some(),
            _ => false,
        }
    }

    /// What undoes an approval that is not in effect any more, because what it gives was taken away while it was
    /// committed; `None` while it stands.
    fn overtaken(&self, request: &PendingRequest, approved: &Approved) -> Option<Change> {
        let still_waits = self.pending.get(&request.id).is_some();
        match &approved.record {
            Record::Device(record) if !still_waits => {
                Some(self.devices.stored(record.id).unwrap_or(Change::RemoveDevice(record.id)))
            }
            Record::Program(record)
                if !still_waits || record.token_generation != self.tokens.generation() =>
            {
                Some(Change::RemoveProgram(record.id.clone()))
            }
            Record::Device(_) | Record::Program(_) => None,
        }
    }

    /// Takes over what was done to a known device while the approval was committed: it is not part of the
    /// decision, and a token that was rotated or revoked must not come back.
    pub(crate) fn keep_later_changes(&self, record: &mut DeviceRecord) -> Meanwhile {
        let Some(known) = self.devices.get(record.id) else { return Meanwhile::Unchanged };
        if known.token == record.token && known.label == record.label {
            return Meanwhile::Unchanged;
        }
        let revoked_at = |record: &DeviceRecord| record.token.as_ref().and_then(|token| token.revoked_at);
        let is_revoked = revoked_at(known) != revoked_at(record);
        record.token.clone_from(&known.token);
        record.label.clone_from(&known.label);
        if is_revoked { Meanwhile::Revoked } else { Meanwhile::Changed }
    }

    /// A level can be less than what was granted: connections that have more end.
    fn end_wider_sessions(&mut self, approved: &Approved) -> Option<Effect> {
        if !approved.replaces || matches!(approved.lifetime, GrantExpiry::Once(_)) {
            return None;
        }
        let (principal, granted) = (approved.record.principal(), &approved.record.grant().granted);
        self.sessions.end(|live| live.principal == principal && !live.scopes.not_held_by(granted).is_empty())
    }
}

/// What was done to a device while an approval of it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Unchanged,
    /// It got another name or token.
    Changed,
    /// Its token was revoked: nobody vouches for it any more.
    Revoked,
}

/// What has to be committed: nothing where it is granted only for a while.
pub(super) fn if_lasting(lifetime: GrantExpiry, change: Change) -> Vec<Change> {
    if lifetime == GrantExpiry::Always { vec![change] } else { Vec::new() }
}
