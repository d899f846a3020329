//! The shared token, and the tokens that single programs have of their own.

use std::collections::BTreeSet;

use crate::records::{Change, ProgramToken, SharedToken};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// The tokens that we check, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct TokenStore {
    of_programs: Vec<ProgramToken>,
    shared: Option<SharedToken>,
    /// A shared token from outside (environment) that stands in for the stored one.
    from_outside: Option<TokenHash>,
    /// Generations of the shared token up to this one were used before, and are not used again.
    spent_generation: u64,
    /// Programs' tokens, by id, of which only changed when they were last used.
    touched: BTreeSet<String>,
}

impl TokenStore {
    pub(crate) fn of(of_programs: Vec<ProgramToken>, shared: Option<SharedToken>) -> Self {
        Self { of_programs, shared, ..Self::default() }
    }

    /// The same, after those from before: their generations are not used again.
    pub(crate) fn after(self, before: &Self) -> Self {
        Self { spent_generation: before.newest_generation(), ..self }
    }

    pub(crate) fn override_shared(&mut self, hash: TokenHash) {
        self.from_outside = Some(hash);
    }

    pub(crate) fn is_overridden(&self) -> bool {
        self.from_outside.is_some()
    }

    pub(crate) fn has_shared(&self) -> bool {
        self.from_outside.is_some() || self.shared.is_some()
    }

    pub(crate) fn is_shared(&self, hash: &TokenHash) -> bool {
        let shared = self.shared.as_ref().map(|shared| &shared.hash);
        self.from_outside.as_ref().or(shared).is_some_and(|known| known.matches(hash))
    }

    /// The generation of the shared token, which program grants hang on. One that stands in from
    /// outside has a generation of its own, made of its hash.
    pub(crate) fn generation(&self) -> u64 {
        match (&self.from_outside, &self.shared) {
            (Some(hash), _) => {
                let text = String::from(*hash);
                text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
                    (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                }) | 1 << 63
            }
            (None, Some(token)) => token.generation,
            (None, None) => 0,
        }
    }

    /// Replaces the stored shared token.
    pub(crate) fn rotate_shared(&mut self, hash: TokenHash, now: Timestamp) -> SharedToken {
        let generation = self.newest_generation() + 1;
        self.shared.insert(SharedToken { hash, generation, created_at: now.wall }).clone()
    }

    pub(crate) fn of_programs(&self) -> &[ProgramToken] {
        &self.of_programs
    }

    /// A program's token, by id.
    pub(crate) fn get(&self, id: &str) -> Option<&ProgramToken> {
        self.of_programs.iter().find(|token| token.id == id)
    }

    /// A program's token, by what a client sent.
    pub(crate) fn find(&self, hash: &TokenHash) -> Option<&ProgramToken> {
        self.of_programs.iter().find(|token| token.hash.matches(hash))
    }

    pub(crate) fn add(&mut self, token: ProgramToken) {
        self.of_programs.push(token);
    }

    /// Takes a program's token out, by id or name.
    pub(crate) fn take(&mut self, id_or_name: &str) -> Option<ProgramToken> {
        let is_it = |token: &ProgramToken| token.id == id_or_name || token.name == id_or_name;
        let position = self.of_programs.iter().position(is_it)?;
        Some(self.of_programs.remove(position))
    }

    /// A program's token was used.
    pub(crate) fn used(&mut self, id: &str, now: Timestamp) {
        if let Some(token) = self.of_programs.iter_mut().find(|token| token.id == id) {
            token.last_used_at = Some(now.wall);
            self.touched.insert(id.to_owned());
        }
    }

    /// Those that were only touched since the last call, as they have to be stored.
    pub(crate) fn take_touched(&mut self) -> Vec<Change> {
        let touched = std::mem::take(&mut self.touched);
        touched.iter().filter_map(|id| self.get(id)).map(Change::from).collect()
    }

    fn newest_generation(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.generation).max(self.spent_generation)
    }
}
