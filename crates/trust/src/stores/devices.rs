//! Paired devices, and which of them a person vouched for.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_protocol::{DeviceId, UnixMillis};

use super::held::{GrantExpiry, Held};
use crate::records::{Change, DeviceRecord, DeviceToken, Grant};
use crate::scopes::ScopeSet;
use crate::timestamp::{Deadline, Timestamp};
use crate::token::TokenHash;

/// The devices that a person approved.
#[derive(Debug, Default)]
pub(crate) struct DeviceStore {
    devices: BTreeMap<DeviceId, Held<DeviceRecord>>,
    vouched: BTreeMap<DeviceId, Vouched>,
    /// Those of which only changed when they were last seen.
    touched: BTreeSet<DeviceId>,
}

/// A person's approval of the next client that connects with a device's key, while it could not be told
/// who that is: for one admission, and for no more than they left of what was asked, however much the
/// device itself has.
#[derive(Debug)]
struct Vouched {
    until: Deadline,
    scopes: ScopeSet,
}

impl DeviceStore {
    pub(crate) fn of(records: Vec<DeviceRecord>) -> Self {
        let devices = records.into_iter().map(|record| (record.id, Held::lasting(record))).collect();
        Self { devices, ..Self::default() }
    }

    pub(crate) fn get(&self, id: DeviceId) -> Option<&DeviceRecord> {
        self.devices.get(&id).map(Held::record)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DeviceRecord, GrantExpiry)> {
        self.devices.values().map(|held| (held.record(), held.lifetime()))
    }

    /// The newest grant of a device that lasts at least as long.
    pub(crate) fn grant(&self, id: DeviceId, lifetime: GrantExpiry) -> Option<&Grant> {
        Some(&self.devices.get(&id)?.at_least(lifetime)?.grant)
    }

    /// What the store has to hold of a device; nothing where it was approved only for a while.
    pub(crate) fn stored(&self, id: DeviceId) -> Option<Change> {
        self.devices.get(&id)?.stored().map(Change::from)
    }

    /// Puts a newer record in effect.
    pub(crate) fn put(&mut self, record: DeviceRecord, lifetime: GrantExpiry) {
        let id = record.id;
        let held = Held::onto(self.devices.remove(&id), record, lifetime);
        self.devices.insert(id, held);
    }

    /// Forgets a device, and that somebody vouched for it.
    pub(crate) fn remove(&mut self, id: DeviceId) {
        self.devices.remove(&id);
        self.vouched.remove(&id);
    }

    /// Changes what is not part of the grant. The record as it is in effect then; `None` when there is none.
    pub(crate) fn change(
        &mut self,
        id: DeviceId,
        mut change: impl FnMut(&mut DeviceRecord),
    ) -> Option<&DeviceRecord> {
        let held = self.devices.get_mut(&id)?;
        held.change(&mut change);
        Some(held.record())
    }

    /// A device was admitted: a grant for once is used up.
    pub(crate) fn used(&mut self, id: DeviceId) {
        self.touched.insert(id);
        if let Some(left) = self.devices.remove(&id).and_then(Held::after_use) {
            self.devices.insert(id, left);
        }
    }

    /// Whether a device gets a token when it is admitted: it has none, and what it was granted lasts.
    pub(crate) fn lacks_token(&self, id: DeviceId) -> bool {
        self.devices.get(&id).is_some_and(|held| {
            let record = held.record();
            held.lifetime() == GrantExpiry::Always
                && record.token.as_ref().is_none_or(DeviceToken::is_withheld)
                && !record.grant.granted.is_empty()
        })
    }

    /// Gives a device a token. What has to be committed for it.
    pub(crate) fn give_token(&mut self, id: DeviceId, hash: TokenHash, at: UnixMillis) -> Option<Change> {
        self.change(id, |record| {
            let withheld = record.token.take();
            record.token = Some(DeviceToken {
                hash: Some(hash),
                created_at: withheld.as_ref().map_or(at, |token| token.created_at),
                rotated_at: withheld.and_then(|token| token.rotated_at),
                revoked_at: None,
            });
        })?;
        self.stored(id)
    }

    /// Whether a device may connect with this token.
    pub(crate) fn accepts(&self, id: DeviceId, hash: &TokenHash) -> bool {
        let token = self.get(id).and_then(|record| record.token.as_ref());
        token.is_some_and(|token| token.revoked_at.is_none() && token.hash.as_ref() == Some(hash))
    }

    /// Takes a token back that nobody was given: the next admission makes another, unless it was revoked
    /// since.
    pub(crate) fn take_token_back(&mut self, id: DeviceId, hash: TokenHash) {
        self.change(id, |record| {
            if let Some(token) = record.token.take_if(|token| token.hash == Some(hash)) {
                let withheld = DeviceToken { hash: None, ..token };
                let is_kept = withheld.rotated_at.is_some() || withheld.revoked_at.is_some();
                record.token = is_kept.then_some(withheld);
            }
        });
    }

    /// A person approved the next client that connects with this key.
    pub(crate) fn vouch(&mut self, id: DeviceId, until: Deadline, scopes: ScopeSet) {
        self.vouched.insert(id, Vouched { until, scopes });
    }

    /// For how much a person vouched. It is used up by that.
    pub(crate) fn take_vouched(&mut self, id: DeviceId) -> Option<ScopeSet> {
        self.vouched.remove(&id).map(|vouched| vouched.scopes)
    }

    /// Ends what has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.vouched.retain(|_, vouched| !vouched.until.has_passed(now));
        if self.devices.values().any(|held| held.has_passed(now)) {
            let devices = std::mem::take(&mut self.devices).into_iter();
            self.devices = devices.filter_map(|(id, held)| Some((id, held.after(now)?))).collect();
        }
    }

    /// Those that were only touched since the last call, as they have to be stored, but for those that wait.
    pub(crate) fn take_touched(&mut self, waits: impl Fn(DeviceId) -> bool) -> Vec<Change> {
        let (later, now): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.touched).into_iter().partition(|id| waits(*id));
        self.touched = later;
        now.into_iter().filter_map(|id| self.stored(id)).collect()
    }
}
