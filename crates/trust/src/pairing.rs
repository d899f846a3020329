//! Requests that wait for a person: one queue, shown by every surface.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{PublicKey, UnixMillis, limits};

use crate::records::Claims;
pub use crate::records::Subject;
use crate::scopes::ScopeSet;
use crate::timestamp::{Deadline, Timestamp};

/// What is asked, and everything that a person sees of it. It never changes under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingRequest {
    pub subject: Subject,
    /// The device's key, for devices.
    pub key: Option<PublicKey>,
    /// Why a person has to decide.
    pub reason: PairingReason,
    /// What the client says of itself.
    pub claims: Claims,
    /// The role asked for.
    pub role: String,
    /// The scopes asked for.
    pub asked: ScopeSet,
    /// The scopes it has already.
    pub has: ScopeSet,
    /// The scopes that this would add.
    pub added: ScopeSet,
    /// Where it comes from, in words.
    pub from: String,
    /// The program, user or address that caps are counted by: [`crate::Origin::source`].
    #[serde(skip)]
    pub source: String,
    /// The user or address that caps are counted by: [`crate::Origin::user`].
    #[serde(skip)]
    pub user: String,
    /// A caution: the name is one that a person gave to another device.
    pub known_name: bool,
    /// A caution: the connecting program could not be identified while a command of an agent ran that
    /// is not contained.
    pub unidentified: bool,
    /// A caution: why no lasting grant can be given.
    pub ephemeral: Option<&'static str>,
}

impl PairingRequest {
    /// SHA-256 of everything that is shown, in lower-case hexadecimal: what a decision is bound to.
    #[must_use]
    pub fn digest(&self) -> String {
        let shown = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(shown))
    }

    /// Whether a new attempt asks for nothing that this waiting request does not ask for already: a
    /// client's narrower call in between takes nothing away from what a person looks at.
    fn takes_in(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.key == other.key
            && self.reason == other.reason
            && self.role == other.role
            && other.asked.not_held_by(&self.asked).is_empty()
            && self.claims == other.claims
            && self.has == other.has
            && self.unidentified == other.unidentified
            && self.ephemeral == other.ephemeral
    }
}

/// A waiting request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRequest {
    /// Its id, a UUID. The first 8 characters are the code that people compare.
    pub id: String,
    /// What is asked.
    pub details: PairingRequest,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When its client last asked.
    pub last_attempt_at: UnixMillis,
    /// Whether a person put it aside.
    pub later: bool,
    /// Whether a decision about it is being saved.
    pub(crate) deciding: bool,
    idle: Deadline,
    life: Deadline,
}

impl PendingRequest {
    /// When it ends if its client does not ask again, by the wall clock.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.idle.wall().min(self.life.wall())
    }

    fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let remaining = self.idle.remaining(now).min(self.life.remaining(now));
        // While a decision is being saved, that decides.
        (!self.deciding).then_some(remaining)
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.remaining(now).is_some_and(|remaining| remaining.is_zero())
    }
}

/// How a waiting request ended without a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its time was up.
    Expired,
    /// Its client asked for something else.
    Superseded,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairingAttempt {
    /// A request waits.
    Waiting {
        id: String,
        /// Whether it is new.
        created: bool,
        /// The request that it replaced.
        superseded: Option<Box<PendingRequest>>,
    },
    /// A person refused this a short while ago.
    Silenced,
    /// Too many wait, or the earlier one is being decided at this moment; the earlier ones stay.
    Full,
}

/// The waiting requests.
///
/// Nothing that waits ever gives way to a newcomer, so places have to be left when they are given out:
/// - 8 requests wait at most, [`limits::MAX_PENDING`];
/// - two of one source, which is a program, or a user or address whose program is not known;
/// - the second of a source only while fewer than half of the places are taken: the other half is for
///   sources of which none waits. Four copies of a script, each with as many keys as it likes, take six
///   places at most, in whatever order they come, and the fifth program of the same user still gets in;
/// - all programs of one user take all places but one, so that a user who runs copies without end does
///   not keep another user or address out.
#[derive(Debug, Default)]
pub struct PendingQueue {
    requests: Vec<PendingRequest>,
    silenced: HashMap<Subject, Deadline>,
}

impl PendingQueue {
    /// Someone asks. `id` is a fresh UUID, used only when a new request is made. The caller has
    /// verified the credential and the signature, and has called [`Self::expire`].
    pub fn request_pairing(&mut self, ask: PairingRequest, id: String, now: Timestamp) -> PairingAttempt {
        if self.silenced.contains_key(&ask.subject) {
            return PairingAttempt::Silenced;
        }
        let position = self.requests.iter().position(|request| request.details.subject == ask.subject);
        if let Some(request) = position.and_then(|position| self.requests.get_mut(position))
            && request.details.takes_in(&ask)
        {
            request.last_attempt_at = now.wall;
            request.idle = now.deadline(limits::PENDING_IDLE);
            return PairingAttempt::Waiting { id: request.id.clone(), created: false, superseded: None };
        }
        if position.and_then(|position| self.requests.get(position)).is_some_and(|request| request.deciding) {
            // What is decided about at this moment is not replaced under the decision.
            return PairingAttempt::Full;
        }
        if !self.has_place_for(&ask) {
            return PairingAttempt::Full;
        }
        let superseded = position.map(|position| Box::new(self.requests.remove(position)));
        self.requests.push(PendingRequest {
            id: id.clone(),
            details: ask,
            created_at: now.wall,
            last_attempt_at: now.wall,
            // Asking for something else is no way around having been put aside.
            later: superseded.as_ref().is_some_and(|old| old.later),
            deciding: false,
            idle: now.deadline(limits::PENDING_IDLE),
            // A request that keeps changing does not live longer for it.
            life: superseded.as_ref().map_or_else(|| now.deadline(limits::PENDING_LIFE), |old| old.life),
        });
        PairingAttempt::Waiting { id, created: true, superseded }
    }

    /// Whether a request may wait, in place of an earlier one of the same subject where there is one.
    fn has_place_for(&self, ask: &PairingRequest) -> bool {
        let (own, others): (Vec<_>, Vec<_>) = self
            .requests
            .iter()
            .map(|request| &request.details)
            .partition(|other| other.subject == ask.subject);
        if own.iter().any(|old| old.source == ask.source) {
            // It keeps the place that it has.
            return true;
        }
        let of_source = others.iter().filter(|other| other.source == ask.source).count();
        let of_user = others.iter().filter(|other| other.user == ask.user).count();
        let allowed = if of_source == 0 { limits::MAX_PENDING } else { limits::MAX_PENDING_BEFORE_SECOND };
        others.len() < allowed
            && of_source < limits::MAX_PENDING_PER_SOURCE
            && of_user < limits::MAX_PENDING_PER_USER
    }

    /// Ends what has expired.
    pub fn expire(&mut self, now: Timestamp) -> Vec<PendingRequest> {
        // Here too, so that a clock that goes back and forth does not bring a silence back.
        self.silenced.retain(|_, until| !until.has_passed(now));
        let (expired, waiting) =
            std::mem::take(&mut self.requests).into_iter().partition(|request| request.has_expired(now));
        self.requests = waiting;
        expired
    }

    /// How long until the first of them expires.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Duration> {
        self.requests.iter().filter_map(|request| request.remaining(now)).min()
    }

    /// The waiting requests, oldest first.
    #[must_use]
    pub fn waiting(&self) -> &[PendingRequest] {
        &self.requests
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&PendingRequest> {
        self.requests.iter().find(|request| request.id == id)
    }

    /// Takes one out: it was decided.
    pub fn take(&mut self, id: &str) -> Option<PendingRequest> {
        let position = self.requests.iter().position(|request| request.id == id)?;
        Some(self.requests.remove(position))
    }

    /// Takes out the one of a subject.
    pub fn take_subject(&mut self, subject: &Subject) -> Option<PendingRequest> {
        let position = self.requests.iter().position(|request| &request.details.subject == subject)?;
        Some(self.requests.remove(position))
    }

    /// Takes out the one of a subject if a decision about it is being saved, which then does not
    /// count any more.
    pub(crate) fn take_being_decided(&mut self, subject: &Subject) -> Option<PendingRequest> {
        let is_it = |request: &PendingRequest| request.deciding && &request.details.subject == subject;
        let position = self.requests.iter().position(is_it)?;
        Some(self.requests.remove(position))
    }

    /// Whether a decision about a subject is being saved.
    pub(crate) fn is_deciding(&self, subject: &Subject) -> bool {
        self.requests.iter().any(|request| request.deciding && &request.details.subject == subject)
    }

    pub(crate) fn set_deciding(&mut self, id: &str, deciding: bool) {
        if let Some(request) = self.requests.iter_mut().find(|request| request.id == id) {
            request.deciding = deciding;
        }
    }

    /// Puts one aside until a person looks for it.
    pub fn set_later(&mut self, id: &str) -> bool {
        let found = self.requests.iter_mut().find(|request| request.id == id);
        found.map(|request| request.later = true).is_some()
    }

    /// Hears nothing of a subject for a while.
    pub fn silence(&mut self, subject: Subject, now: Timestamp) {
        self.silenced.insert(subject, now.deadline(limits::REJECT_SILENCE));
    }

    /// Hears it again.
    pub fn unsilence(&mut self, subject: &Subject) {
        self.silenced.remove(subject);
    }
}
