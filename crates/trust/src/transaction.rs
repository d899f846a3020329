//! A change of who may do what, on its way: prepared, committed, applied.
//!
//! What is given (an approval, a confirmed setting, a token) is *prepared*: its changes are committed first, and then it
//! is [applied](Authority::apply), or [rolled back](Authority::roll_back) where they could not be
//! committed. What is taken away is *applied* at once: its effects come first, its changes are committed
//! afterwards, and that is tried again until it succeeds.

use crate::authority::{Authority, Effect};
use crate::decision::PairingDecision;
use crate::records::{Change, SettingRecord};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;
use tidegate_protocol::DeviceId;

/// A change of what an [`Authority`] knows: what has to be committed for it, and what it leads to.
///
/// In state [`Prepared`], commit `durable` and hand it back to the authority, which gives the one that is
/// [`Applied`]. Then carry out `effects`, and commit `durable`; if that fails, say that the change holds
/// until a restart, and try again.
#[derive(Debug)]
pub struct Transaction<T, S = Applied> {
    /// What came of it.
    pub value: T,
    /// What has to be committed, whole or not at all. May be empty.
    pub durable: Vec<Change>,
    /// What the driver has to do once the change is in effect.
    pub effects: Vec<Effect>,
    state: S,
}

/// The change is in effect.
#[derive(Debug)]
pub struct Applied;

/// The change waits until it is committed.
#[derive(Debug)]
pub struct Prepared(Vec<Step>);

/// What is left to do in memory when a transaction was committed, or could not be.
#[derive(Debug)]
pub(crate) enum Step {
    /// Takes effect when it was committed.
    Pairing(Box<PairingDecision>),
    /// Takes effect when it was committed.
    Setting(SettingRecord),
    /// The token of a program, by id. Nobody knows its text before it was committed.
    ProgramToken(String),
    /// The token of a device. Nobody knows its text before it was committed.
    DeviceToken(DeviceId, TokenHash),
}

impl<T> Transaction<T> {
    /// A change that is in effect already.
    #[must_use]
    pub fn applied(value: T, durable: Vec<Change>, effects: Vec<Effect>) -> Self {
        Self { value, durable, effects, state: Applied }
    }
}

impl<T> Transaction<T, Prepared> {
    pub(crate) fn prepared(value: T, durable: Vec<Change>, effects: Vec<Effect>, step: Step) -> Self {
        Self { value, durable, effects, state: Prepared(vec![step]) }
    }

    /// Both changes: they are committed, and applied or rolled back, together.
    #[must_use]
    pub fn and<U>(mut self, other: Transaction<U, Prepared>) -> Transaction<(T, U), Prepared> {
        self.durable.extend(other.durable);
        self.effects.extend(other.effects);
        self.state.0.extend(other.state.0);
        Transaction {
            value: (self.value, other.value),
            durable: self.durable,
            effects: self.effects,
            state: self.state,
        }
    }
}

impl Authority {
    /// Puts a committed change in effect. Its value is `None` when it was overtaken: while it was being
    /// committed, what it gives was taken away or blocked, and the later decision stands. What has to be
    /// committed then puts the store right again.
    pub fn apply<T>(
        &mut self,
        transaction: Transaction<T, Prepared>,
        now: Timestamp,
    ) -> Transaction<Option<T>> {
        let Transaction { value, mut effects, state: Prepared(steps), .. } = transaction;
        let mut durable = Vec::new();
        for step in steps {
            match step {
                Step::Pairing(decision) => {
                    let applied = self.apply_decision(*decision, now);
                    if !applied.value {
                        return Transaction::applied(None, applied.durable, applied.effects);
                    }
                    durable.extend(applied.durable);
                    effects.extend(applied.effects);
                }
                Step::Setting(record) => {
                    self.settings.set_confirming(false);
                    self.settings.put(record);
                }
                // In effect since it was prepared.
                Step::ProgramToken(_) | Step::DeviceToken(..) => {}
            }
        }
        Transaction::applied(Some(value), durable, effects)
    }

    /// Takes a change back that could not be committed, or is not wanted any more. It leaves nothing: a
    /// request or a setting waits on, a token is gone.
    pub fn roll_back<T>(&mut self, transaction: Transaction<T, Prepared>) {
        for step in transaction.state.0 {
            match step {
                Step::Pairing(decision) => self.pending.set_deciding(decision.request_id(), false),
                Step::Setting(_) => self.settings.set_confirming(false),
                Step::ProgramToken(id) => drop(self.tokens.take(&id)),
                Step::DeviceToken(device, hash) => self.devices.take_token_back(device, hash),
            }
        }
    }
}
