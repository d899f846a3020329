//! The scope lattice: one rule for method checks, pairing, event delivery and tokens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_protocol::Scope;
pub use tidegate_protocol::payload::surface_params::Level;

/// Whether holding `held` means holding `needed`.
///
/// `admin` covers every `operator.*` scope; `write` covers `read`, talking and sessions; `read`
/// covers reading sessions. Every other scope, known or not, covers only itself.
#[must_use]
pub fn covers(held: &Scope, needed: &Scope) -> bool {
    if held == needed {
        return true;
    }
    match held {
        Scope::Admin => needed.is_operator(),
        Scope::Write => {
            matches!(needed, Scope::Read | Scope::Talk | Scope::SessionsRead | Scope::SessionsWrite)
        }
        Scope::Read | Scope::SessionsWrite => matches!(needed, Scope::SessionsRead),
        _ => false,
    }
}

/// A set of scopes. An empty set grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// The set without any scope.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them covers the scope.
    #[must_use]
    pub fn covers(&self, needed: &Scope) -> bool {
        self.0.contains(needed) || self.0.iter().any(|held| covers(held, needed))
    }

    /// Whether it holds the scope where managing pairing is concerned: `operator.pairing` is held
    /// only by name, everything else also when another scope covers it.
    #[must_use]
    pub fn holds(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Pairing => self.names(scope),
            _ => self.covers(scope),
        }
    }

    /// Those of `self` that `other` does not hold (see [`Self::holds`]).
    #[must_use]
    pub fn not_held_by(&self, other: &Self) -> Self {
        self.0.iter().filter(|scope| !other.holds(scope)).cloned().collect()
    }

    /// Whether every scope of `needed` is covered.
    #[must_use]
    pub fn covers_all(&self, needed: &Self) -> bool {
        needed.0.iter().all(|scope| self.covers(scope))
    }

    /// Whether the scope itself is in the set, not only covered by another.
    #[must_use]
    pub fn names(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// What both sets allow: the lattice meet.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let left = self.0.iter().filter(|scope| other.covers(scope));
        let right = other.0.iter().filter(|scope| self.covers(scope));
        let meet: Self = left.chain(right).cloned().collect();
        // Two scopes of which neither covers the other can both cover a third.
        let below = Scope::known().into_iter().filter(|scope| self.covers(scope) && other.covers(scope));
        let below: Self = below.filter(|scope| !meet.covers(scope)).collect();
        meet.union(&below.only_greatest())
    }

    fn only_greatest(self) -> Self {
        let is_greatest =
            |scope: &&Scope| !self.0.iter().any(|other| other != *scope && covers(other, scope));
        self.0.iter().filter(is_greatest).cloned().collect()
    }

    /// What a session that asked for `self` may do under a grant: the meet, without the right to
    /// manage pairing unless that was granted by name. `operator.admin` alone never carries it.
    #[must_use]
    pub fn under_grant(&self, granted: &Self) -> Self {
        self.meet(granted).0.into_iter().filter(|scope| granted.holds(scope)).collect()
    }

    /// What both grants give: the meet, with `operator.pairing` only where both name it.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        self.meet(other).0.into_iter().filter(|scope| self.holds(scope) && other.holds(scope)).collect()
    }

    /// Everything in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.union(&other.0).cloned().collect()
    }

    /// Those of `self` that `other` does not cover.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.0.iter().filter(|scope| !other.covers(scope)).cloned().collect()
    }

    /// The scopes, in the order of their kinds.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The scopes as a list.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Scope> {
        self.0.iter().cloned().collect()
    }

    /// Names, sorted, joined by commas; `<none>` when there are none. For audit lines.
    #[must_use]
    pub fn to_csv(&self) -> String {
        if self.0.is_empty() {
            return "<none>".to_owned();
        }
        let mut names: Vec<&str> = self.0.iter().map(Scope::name).collect();
        names.sort_unstable();
        names.join(",")
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl<const N: usize> From<[Scope; N]> for ScopeSet {
    fn from(scopes: [Scope; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Level> for ScopeSet {
    fn from(level: Level) -> Self {
        match level {
            Level::Read => Self::from([Scope::Read]),
            Level::Write => Self::from([Scope::Read, Scope::Write]),
            Level::Full => {
                Self::from([Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Questions])
            }
        }
    }
}

impl ScopeSet {
    /// What a person decided by choosing a level: everything that levels are about.
    #[must_use]
    pub fn of_all_levels() -> Self {
        Self::from(Level::Full)
    }
}

/// Whether a decision about `decided` was also one about `asked`. Managing pairing has its own
/// line on every surface, so nothing else decides it.
#[must_use]
pub fn was_decided(decided: &ScopeSet, asked: &Scope) -> bool {
    decided.holds(asked)
}
