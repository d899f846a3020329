//! Programs without a device that a person let use the shared token.

use std::collections::BTreeSet;

use super::held::{GrantExpiry, Held};
use crate::principal::Principal;
use crate::records::{Change, Grant, ProgramGrant, ProgramIdentity};
use crate::timestamp::Timestamp;

/// The grants of programs.
#[derive(Debug, Default)]
pub(crate) struct ProgramStore {
    lasting: Vec<Held<ProgramGrant>>,
    /// Grants of those that can only be let in once. The same program without inline code or
    /// preloads is another one, so neither uses the other's.
    ephemeral: Vec<Held<ProgramGrant>>,
    /// Those, by id, of which only changed when they were last seen.
    touched: BTreeSet<String>,
}

/// Which grant a program uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramKey<'a> {
    pub(crate) program: &'a ProgramIdentity,
    /// The shared token that it uses: [`super::TokenStore::generation`].
    pub(crate) generation: u64,
    /// Whether it can only be let in once.
    pub(crate) is_ephemeral: bool,
}

impl ProgramKey<'_> {
    fn fits(&self, held: &Held<ProgramGrant>) -> bool {
        &held.record().program == self.program && held.record().token_generation == self.generation
    }
}

impl ProgramStore {
    pub(crate) fn of(records: Vec<ProgramGrant>) -> Self {
        Self { lasting: records.into_iter().map(Held::lasting).collect(), ..Self::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ProgramGrant, GrantExpiry)> {
        let grants = self.lasting.iter().chain(&self.ephemeral);
        grants.map(|held| (held.record(), held.lifetime()))
    }

    /// A grant, by id.
    pub(crate) fn get(&self, id: &str) -> Option<&ProgramGrant> {
        self.iter().map(|(record, _)| record).find(|record| record.id == id)
    }

    /// The grant that a program uses.
    pub(crate) fn find(&self, key: ProgramKey<'_>) -> Option<&ProgramGrant> {
        self.held(key).map(Held::record)
    }

    /// The newest grant of a program that lasts at least as long.
    pub(crate) fn grant(&self, key: ProgramKey<'_>, lifetime: GrantExpiry) -> Option<&Grant> {
        Some(&self.held(key)?.at_least(lifetime)?.grant)
    }

    /// Puts a newer grant in effect.
    pub(crate) fn put(&mut self, record: ProgramGrant, lifetime: GrantExpiry, is_ephemeral: bool) {
        let key = ProgramKey { program: &record.program, generation: record.token_generation, is_ephemeral };
        let grants = self.grants_mut(is_ephemeral);
        let known = grants.iter().position(|held| key.fits(held));
        let known = known.map(|position| grants.remove(position));
        grants.push(Held::onto(known, record, lifetime));
    }

    /// A program was admitted under a grant of this id: one for once is used up.
    pub(crate) fn used(&mut self, id: &str, is_ephemeral: bool, now: Timestamp) {
        let grants = self.grants_mut(is_ephemeral);
        let Some(position) = grants.iter().position(|held| held.record().id == id) else { return };
        let mut held = grants.remove(position);
        held.change(&mut |record| record.last_seen_at = Some(now.wall));
        if let Some(left) = held.after_use() {
            grants.insert(position, left);
        }
        if !is_ephemeral {
            self.touched.insert(id.to_owned());
        }
    }

    /// What has to be committed when such grants are taken away.
    pub(crate) fn removal(&self, is_it: impl Fn(&ProgramGrant) -> bool) -> Vec<Change> {
        let stored = self.lasting.iter().map(Held::record).filter(|record| is_it(record));
        stored.map(|record| Change::RemoveProgram(record.id.clone())).collect()
    }

    /// Takes such grants away. Whose they were.
    pub(crate) fn remove(&mut self, is_it: impl Fn(&ProgramGrant) -> bool) -> Vec<Principal> {
        let removed = self.iter().map(|(record, _)| record).filter(|record| is_it(record));
        let removed = removed.map(|record| Principal::Program(record.id.clone())).collect();
        self.lasting.retain(|held| !is_it(held.record()));
        self.ephemeral.retain(|held| !is_it(held.record()));
        removed
    }

    /// Ends what has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for grants in [&mut self.lasting, &mut self.ephemeral] {
            if grants.iter().any(|held| held.has_passed(now)) {
                *grants = std::mem::take(grants).into_iter().filter_map(|held| held.after(now)).collect();
            }
        }
    }

    /// Those that were only touched since the last call, as they have to be stored, but for those that wait.
    pub(crate) fn take_touched(&mut self, waits: impl Fn(&ProgramIdentity) -> bool) -> Vec<Change> {
        let grants: Vec<&Held<ProgramGrant>> =
            self.lasting.iter().filter(|held| self.touched.contains(&held.record().id)).collect();
        let (later, now): (Vec<_>, Vec<_>) =
            grants.into_iter().partition(|held| waits(&held.record().program));
        let changes = now.into_iter().filter_map(|held| held.stored().map(Change::from)).collect();
        self.touched = later.into_iter().map(|held| held.record().id.clone()).collect();
        changes
    }

    fn held(&self, key: ProgramKey<'_>) -> Option<&Held<ProgramGrant>> {
        let grants = if key.is_ephemeral { &self.ephemeral } else { &self.lasting };
        grants.iter().find(|held| key.fits(held))
    }

    fn grants_mut(&mut self, is_ephemeral: bool) -> &mut Vec<Held<ProgramGrant>> {
        if is_ephemeral { &mut self.ephemeral } else { &mut self.lasting }
    }
}
