//! How long a grant lasts, and what is in effect again when it ends.

use crate::timestamp::{Deadline, Timestamp};

/// How long a grant lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantExpiry {
    /// Until it is revoked.
    Always,
    /// Until Tidegate quits. Never stored.
    UntilQuit,
    /// For the next admission, within 5 minutes. Never stored.
    Once(Deadline),
}

impl GrantExpiry {
    /// Whether a grant of this lifetime lasts at least as long as one of the other.
    fn covers(self, other: Self) -> bool {
        let rank = |lifetime| match lifetime {
            Self::Once(_) => 0,
            Self::UntilQuit => 1,
            Self::Always => 2,
        };
        rank(self) >= rank(other)
    }

    fn has_passed(self, now: Timestamp) -> bool {
        matches!(self, Self::Once(until) if until.has_passed(now))
    }
}

/// A record that is in effect now, and the one that is in effect again when it ends: a grant for a while
/// never takes away, and never turns into, one that lasts longer.
#[derive(Debug, Clone)]
pub(super) struct Held<T> {
    record: T,
    lifetime: GrantExpiry,
    under: Option<Box<Self>>,
}

impl<T> Held<T> {
    /// One as it was stored.
    pub(super) fn lasting(record: T) -> Self {
        Self { record, lifetime: GrantExpiry::Always, under: None }
    }

    /// The record that is in effect.
    pub(super) fn record(&self) -> &T {
        &self.record
    }

    /// How long the record that is in effect lasts.
    pub(super) fn lifetime(&self) -> GrantExpiry {
        self.lifetime
    }

    /// The newest record that lasts at least as long.
    pub(super) fn at_least(&self, lifetime: GrantExpiry) -> Option<&T> {
        if self.lifetime.covers(lifetime) {
            return Some(&self.record);
        }
        self.under.as_deref().and_then(|under| under.at_least(lifetime))
    }

    /// The record as it is stored, if it is.
    pub(super) fn stored(&self) -> Option<&T> {
        self.at_least(GrantExpiry::Always)
    }

    /// A newer record, on top of what lasts longer than it.
    pub(super) fn onto(known: Option<Self>, record: T, lifetime: GrantExpiry) -> Self {
        let mut under = known.map(Box::new);
        while let Some(held) = under.take_if(|held| lifetime.covers(held.lifetime)) {
            under = held.under;
        }
        Self { record, lifetime, under }
    }

    /// Changes what is not part of the grant, in all of them.
    pub(super) fn change(&mut self, change: &mut impl FnMut(&mut T)) {
        change(&mut self.record);
        if let Some(under) = self.under.as_deref_mut() {
            under.change(change);
        }
    }

    /// What is left after an admission: a grant for once was for that one.
    pub(super) fn after_use(self) -> Option<Self> {
        if matches!(self.lifetime, GrantExpiry::Once(_)) { self.ended() } else { Some(self) }
    }

    /// What is left at this time.
    pub(super) fn after(self, now: Timestamp) -> Option<Self> {
        if self.has_passed(now) { self.ended() } else { Some(self) }
    }

    /// Whether the time of the record that is in effect is up.
    pub(super) fn has_passed(&self, now: Timestamp) -> bool {
        self.lifetime.has_passed(now)
    }

    fn ended(self) -> Option<Self> {
        self.under.map(|under| *under)
    }
}
