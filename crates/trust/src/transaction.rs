//! A change of who may do what, on its way: prepared, committed, applied.
//!
//! What is given (an approval, a confirmed setting, a token) is *prepared*: its changes are committed first,
//! and then it is [applied](Authority::apply), or [rolled back](Authority::roll_back) where they could not be
//! committed. So is every answer to a pairing request, also one that blocks. What is revoked or blocked
//! otherwise is *applied* at once: its effects come first, its changes are committed afterwards, and that is
//! tried again until it succeeds.

use crate::authority::{Authority, Effect};
use crate::decision::PairingDecision;
use crate::permissions::Permission;
use crate::records::{Change, ProgramToken, SettingRecord};
use crate::timestamp::Timestamp;
use crate::token::{Token, TokenHash};
use tidegate_protocol::DeviceId;

/// A change that is in effect, in the memory of an [`Authority`].
///
/// Carry out `effects`, and commit `durable`; if that fails, say that the change holds until a restart, and
/// try again.
#[derive(Debug)]
#[must_use = "its effects have to be carried out and its changes committed"]
pub struct Transaction<T> {
    /// What came of it.
    pub value: T,
    /// What has to be committed, whole or not at all. May be empty.
    pub durable: Vec<Change>,
    /// What the driver has to do.
    pub effects: Vec<Effect>,
}

/// A change that waits until it is committed.
///
/// Commit [what of it](Authority::to_commit) still holds, and hand it back to the authority, to be
/// [applied](Authority::apply) or [rolled back](Authority::roll_back). One that is dropped may keep its request from being decided until a restart.
#[derive(Debug)]
#[must_use = "it has to be committed, and then applied or rolled back"]
pub struct PreparedTransaction<T> {
    /// What has to be committed, whole or not at all. May be empty.
    pub durable: Vec<Change>,
    /// Given out when it is applied, so that nobody gets a token that is not saved.
    value: T,
    effects: Vec<Effect>,
    step: Step,
}

/// What is left to do in memory when a transaction was committed, or could not be.
#[derive(Debug)]
pub(crate) enum Step {
    /// Takes effect when it was committed.
    Pairing(Box<PairingDecision>),
    /// Takes effect when it was committed.
    Setting(SettingRecord),
    /// The token of a program. It is valid, and listed, before it is committed, but nobody has its text.
    ProgramToken {
        id: String,
        /// The rejection of the request in whose place it is given. Both take effect, or neither.
        rejection: Option<Box<PairingDecision>>,
    },
    /// Takes effect when it was committed, in the place of others.
    Permission {
        given: Box<Permission>,
        gone: Vec<String>,
        /// How often the access of a client was revoked when this was prepared.
        clients_revoked: u64,
    },
    /// Takes effect when it was committed.
    UsePermissions {
        /// How often they were not to be used when this was prepared.
        narrowed: u64,
    },
    /// The token of a device. It is valid before it is committed, but nobody has its text.
    DeviceToken(DeviceId, TokenHash),
}

impl<T> Transaction<T> {
    /// A change that is in effect already.
    pub(crate) fn applied(value: T, durable: Vec<Change>, effects: Vec<Effect>) -> Self {
        Self { value, durable, effects }
    }
}

impl Transaction<bool> {
    /// Nothing more than what was prepared.
    fn nothing_more(in_effect: bool) -> Self {
        Self::applied(in_effect, Vec::new(), Vec::new())
    }
}

impl<T> PreparedTransaction<T> {
    pub(crate) fn new(value: T, durable: Vec<Change>, effects: Vec<Effect>, step: Step) -> Self {
        Self { value, durable, effects, step }
    }
}

impl PreparedTransaction<(Token, ProgramToken)> {
    /// The token is given in the place of what is rejected.
    pub(crate) fn with_rejection(mut self, rejection: Box<PairingDecision>, audit: Effect) -> Self {
        self.effects.push(audit);
        self.step = Step::ProgramToken { id: self.value.1.id.clone(), rejection: Some(rejection) };
        self
    }
}

impl Authority {
    /// What of a prepared change is to be committed at this moment: nothing of it where it was overtaken, and
    /// what was changed of a device since then stays changed. To be asked once nothing that was changed before
    /// waits to be committed, and committed before what is changed afterwards: what was taken away never comes
    /// back by a commit that was late.
    #[must_use]
    pub fn to_commit<T>(&self, prepared: &PreparedTransaction<T>) -> Vec<Change> {
        let is_overtaken = match &prepared.step {
            Step::Pairing(decision) => self.is_overtaken(decision),
            Step::Setting(_) => false,
            Step::ProgramToken { id, .. } => self.tokens.get(id).is_none(),
            Step::Permission { given, gone, clients_revoked } => {
                self.permissions.is_overtaken(gone, given, *clients_revoked)
            }
            Step::UsePermissions { narrowed } => self.permissions.narrowed() != *narrowed,
            Step::DeviceToken(device, hash) => !self.devices.accepts(*device, hash),
        };
        if is_overtaken {
            return Vec::new();
        }
        let as_it_is = |change: &Change| match change {
            Change::PutDevice(record) => {
                let mut record = record.clone();
                self.keep_later_changes(&mut record);
                Change::PutDevice(record)
            }
            other => other.clone(),
        };
        prepared.durable.iter().map(as_it_is).collect()
    }

    /// Puts a committed change in effect. Its value is `None` when it was overtaken: while it was being
    /// committed, what it gives was taken away or blocked, and the later decision stands. What has to be
    /// committed then puts the store right again.
    pub fn apply<T>(&mut self, prepared: PreparedTransaction<T>, now: Timestamp) -> Transaction<Option<T>> {
        let PreparedTransaction { value, mut effects, step, .. } = prepared;
        let applied = match step {
            Step::Pairing(decision) => self.apply_decision(*decision, now),
            Step::Setting(record) => {
                self.settings.set_confirming(false);
                self.settings.put(record);
                Transaction::nothing_more(true)
            }
            Step::ProgramToken { id, rejection } => self.apply_program_token(id, rejection, now),
            Step::Permission { given, gone, clients_revoked } => {
                let id = given.id.clone();
                let in_effect = self.permissions.replace(&gone, *given, clients_revoked);
                let undone = (!in_effect).then_some(Change::RemovePermission(id));
                Transaction::applied(in_effect, undone.into_iter().collect(), Vec::new())
            }
            Step::UsePermissions { narrowed } => {
                let in_effect = self.permissions.use_again(narrowed);
                let undone = (!in_effect).then_some(Change::AskEverything(true));
                Transaction::applied(in_effect, undone.into_iter().collect(), Vec::new())
            }
            // Revoking or rotating it saves the record after this.
            Step::DeviceToken(device, hash) => Transaction::nothing_more(self.devices.accepts(device, &hash)),
        };
        if !applied.value {
            return Transaction::applied(None, applied.durable, applied.effects);
        }
        effects.extend(applied.effects);
        Transaction::applied(Some(value), applied.durable, effects)
    }

    /// Takes a change back that could not be committed, or is not wanted any more. It leaves nothing: a
    /// request or a setting waits on, a token is gone.
    pub fn roll_back<T>(&mut self, prepared: PreparedTransaction<T>) {
        match prepared.step {
            Step::Pairing(decision) => self.pending.set_deciding(decision.request_id(), false),
            Step::Setting(_) => self.settings.set_confirming(false),
            Step::Permission { .. } | Step::UsePermissions { .. } => {}
            Step::ProgramToken { id, rejection } => {
                self.tokens.take(&id);
                self.let_wait(rejection);
            }
            Step::DeviceToken(device, hash) => self.devices.take_token_back(device, hash),
        }
    }

    /// The token is in effect since it was prepared, unless it was revoked since.
    fn apply_program_token(
        &mut self,
        id: String,
        rejection: Option<Box<PairingDecision>>,
        now: Timestamp,
    ) -> Transaction<bool> {
        if self.tokens.get(&id).is_none() {
            self.let_wait(rejection);
            // The audit log has its revocation. In the store, the token may have come after that.
            return Transaction::applied(false, vec![Change::RemoveToken(id)], Vec::new());
        }
        rejection
            .map_or_else(|| Transaction::nothing_more(true), |rejection| self.apply_decision(*rejection, now))
    }

    /// A request that is not rejected after all may be decided again.
    fn let_wait(&mut self, rejection: Option<Box<PairingDecision>>) {
        if let Some(rejection) = rejection {
            self.pending.set_deciding(rejection.request_id(), false);
        }
    }
}
