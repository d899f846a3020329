//! The one sink for decisions about who is let in.

pub use tidegate_protocol::payload::surface_params::GrantLifetime;
use tidegate_protocol::{Scope, UnixMillis};

use crate::admission::subject_name;
use crate::audit::{AuditEvent, AuditKind, Severity};
use crate::authority::{Authority, Effect, Entropy, GrantExpiry, Held, Vouched};
use crate::decider::Who;
use crate::management::Changed;
use crate::pairing::{PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Block, BlockedSubject, Change, DeviceRecord, Grant, ProgramGrant};
use crate::scopes::{Level, ScopeSet};
use crate::timestamp::Timestamp;
use tidegate_protocol::limits;

pub use crate::decider::{Decider, Desktop, NotADecider};

/// What is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Everything that is asked.
    All,
    /// Some of what is asked.
    Scopes(ScopeSet),
    /// A level, and whether it may manage pairing when it asked for that.
    Level {
        level: Level,
        /// Whether it may manage pairing.
        pairing: bool,
    },
}

/// What a person or an authorised client decides about a pairing request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it in.
    Approve {
        choice: Choice,
        /// For how long.
        duration: GrantLifetime,
    },
    /// Refuse it, and hear nothing of it for 10 minutes.
    Reject,
    /// Put it aside.
    Later,
    /// Refuse it for good.
    Block,
}

/// Why a decision was not taken. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// No request of that id waits: it expired, was decided, or was replaced by another.
    #[error("unknown requestId")]
    Unknown,
    /// It changed since it was shown.
    #[error("the request changed since it was shown; look at it again")]
    Changed,
    /// The decider would give more than it has.
    #[error("missing scope: {0}")]
    BeyondDecider(Scope),
    /// Nobody decides about themselves.
    #[error("nobody can decide about their own request")]
    Own,
    /// A dialog is there for the person to decide in.
    #[error("a person decides this in Tidegate's dialog")]
    DesktopDecides,
    /// Only the person can do that.
    #[error("only a person can do that, in Tidegate")]
    PersonOnly,
    /// A scope that was not asked for, so not shown.
    #[error("{0} was not asked for, so it cannot be granted here")]
    NotAsked(Scope),
    /// A program without a device cannot hold this with the shared token.
    #[error(
        "a program can hold operator.admin only with a token of its own: make one with \
         `tidegate token new --name NAME --level full`, or choose a lower level"
    )]
    NeedsOwnToken,
    /// No lasting grant is possible.
    #[error("{0} Approve it once (`tidegate devices approve ID --once`).")]
    OnlyOnce(&'static str),
}

/// A decision that has to be committed before it counts.
#[derive(Debug)]
pub struct Decided {
    /// What has to be committed first. May be empty.
    pub durable: Vec<Change>,
    request: PendingRequest,
    outcome: Outcome,
    line: AuditEvent,
}

#[derive(Debug)]
struct Granted<T> {
    record: Box<T>,
    /// What this decision gave, without what the record had before.
    given: ScopeSet,
    lifetime: GrantExpiry,
    /// Whether it stands in the place of what was granted before, as a level does.
    replaces: bool,
    /// Whether the program is one that can only be let in once.
    ephemeral: bool,
}

#[derive(Debug)]
enum Outcome {
    Device(Granted<DeviceRecord>),
    Program(Granted<ProgramGrant>),
    Rejected,
    Later,
    Blocked(Block),
}

impl Authority {
    /// Takes a decision. Commit `durable`, then call [`Self::complete`]; if that fails, call
    /// [`Self::withdraw`].
    ///
    /// # Errors
    /// Why the decision cannot be taken; nothing changed then.
    pub fn decide(
        &mut self,
        decider: &Decider,
        request_id: &str,
        digest: Option<&str>,
        verdict: &Verdict,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Decided, DecisionError> {
        self.end_passed_grants(now);
        let request = self.pending.get(request_id).ok_or(DecisionError::Unknown)?.clone();
        if request.deciding || request.has_expired(now) {
            return Err(DecisionError::Unknown);
        }
        if digest.is_some_and(|digest| digest != request.details.digest()) {
            return Err(DecisionError::Changed);
        }
        self.check_not_own(decider, &request)?;
        let subject = subject_name(&request.details.subject);
        let by = decider.name();
        let severity = match decider.who() {
            Who::Person | Who::Surface(_) => Severity::Info,
            // It was not the person who decided, so the person should hear of it.
            Who::Client { .. } => Severity::Warn,
        };
        let decided = |outcome, durable, kind, line: String| {
            let line = AuditEvent::new(now.wall, kind, subject.clone(), format!("{line} by={by}"))
                .at_least(severity);
            Decided { durable, request: request.clone(), outcome, line }
        };
        let decided = match verdict {
            Verdict::Approve { .. } if matches!(decider.who(), Who::Surface(_)) => {
                return Err(DecisionError::DesktopDecides);
            }
            Verdict::Approve { choice, duration } => {
                let (outcome, durable) = self.approve(decider, &request, choice, *duration, entropy, now)?;
                let line = format!("device pairing approved device={subject} role={}", request.details.role);
                decided(outcome, durable, AuditKind::PairingApproved, line)
            }
            Verdict::Reject => {
                let line = format!("device pairing rejected device={subject}");
                decided(Outcome::Rejected, Vec::new(), AuditKind::PairingRejected, line)
            }
            Verdict::Later => decided(
                Outcome::Later,
                Vec::new(),
                AuditKind::PairingLater,
                format!("device pairing later device={subject}"),
            ),
            Verdict::Block if matches!(decider.who(), Who::Client { .. }) => {
                return Err(DecisionError::PersonOnly);
            }
            Verdict::Block => {
                let block = Block {
                    subject: match &request.details.subject {
                        Subject::Device(device) => BlockedSubject::Device(*device),
                        Subject::Program(program) => BlockedSubject::Program(program.clone()),
                    },
                    name: request.details.claims.display_name.clone().unwrap_or_default(),
                    at: now.wall,
                };
                let durable = self.blocking(&block);
                decided(
                    Outcome::Blocked(block),
                    durable,
                    AuditKind::PairingBlocked,
                    format!("device blocked device={subject}"),
                )
            }
        };
        self.pending.set_deciding(request_id, true);
        Ok(decided)
    }

    /// Makes a committed decision count. Whether it does: while it was saved, what it lets in may have
    /// been taken away or blocked, and the later word counts. What has to be committed then puts the
    /// store right again.
    pub fn complete(&mut self, decided: Decided, now: Timestamp) -> Changed<bool> {
        let Decided { request, mut outcome, line, .. } = decided;
        let mut durable = Vec::new();
        if let Some(undone) = self.overtaken(&request, &outcome) {
            // Where it still waits, a person may decide about it again.
            self.pending.set_deciding(&request.id, false);
            let line = format!("device pairing overtaken device={}", subject_name(&request.details.subject));
            let subject = subject_name(&request.details.subject);
            let event = AuditEvent::new(now.wall, AuditKind::PairingOvertaken, subject, line);
            return Changed { value: false, durable: undone, effects: vec![Effect::Audit(event)] };
        }
        let mut is_vouched_for = request.details.unidentified;
        if let Outcome::Device(granted) = &mut outcome {
            is_vouched_for &= !self.was_revoked_meanwhile(granted);
            durable.extend(self.with_changes_meanwhile(granted));
        }
        let mut effects = vec![Effect::Audit(line)];
        if let Outcome::Later = outcome {
            self.pending.set_deciding(&request.id, false);
            self.pending.set_later(&request.id);
            return Changed { value: true, durable, effects };
        }
        self.pending.take(&request.id);
        let subject = request.details.subject.clone();
        let approved = matches!(outcome, Outcome::Device(_) | Outcome::Program(_));
        match outcome {
            Outcome::Device(mut granted) => {
                self.pending.unsilence(&subject);
                let id = granted.record.id;
                let given = std::mem::take(&mut granted.given);
                effects.extend(self.end_wider_sessions(
                    &granted,
                    &Principal::Device(id),
                    &granted.record.grant,
                ));
                let held = granted.onto(self.devices.remove(&id));
                self.devices.insert(id, held);
                if is_vouched_for {
                    let until = now.deadline(limits::ONCE_LIFE);
                    let scopes = given.within(&request.details.asked);
                    self.vouched.insert(id, Vouched { until, scopes });
                }
            }
            Outcome::Program(granted) => {
                self.pending.unsilence(&subject);
                let principal = Principal::Program(granted.record.id.clone());
                effects.extend(self.end_wider_sessions(&granted, &principal, &granted.record.grant));
                let programs = match granted.ephemeral {
                    true => &mut self.fleeting_programs,
                    false => &mut self.programs,
                };
                let known = programs.iter().position(|held| {
                    held.record.program == granted.record.program
                        && held.record.token_generation == granted.record.token_generation
                });
                let known = known.map(|position| programs.remove(position));
                programs.push(granted.onto(known));
            }
            Outcome::Rejected => {
                if let Subject::Device(device) = &subject {
                    // What a person said before of the same key does not hold against this.
                    self.vouched.remove(device);
                }
                self.pending.silence(subject, now);
            }
            Outcome::Blocked(block) => effects.extend(self.put_block(block)),
            Outcome::Later => {}
        }
        effects.push(Effect::Resolved { request: Box::new(request), approved });
        Changed { value: true, durable, effects }
    }

    /// What has to be committed when a decision to let in does not count any more; `None` when it
    /// counts.
    fn overtaken(&self, request: &PendingRequest, outcome: &Outcome) -> Option<Vec<Change>> {
        let still_waits = self.pending.get(&request.id).is_some();
        match outcome {
            Outcome::Device(granted) if !still_waits => {
                let id = granted.record.id;
                let stored = self.devices.get(&id).and_then(Held::stored);
                let right = stored
                    .map_or(Change::RemoveDevice(id), |record| Change::PutDevice(Box::new(record.clone())));
                Some(durable(granted.lifetime, || right).into_iter().collect())
            }
            Outcome::Program(granted)
                if !still_waits || granted.record.token_generation != self.token_generation() =>
            {
                let id = granted.record.id.clone();
                Some(durable(granted.lifetime, || Change::RemoveProgram(id)).into_iter().collect())
            }
            _ => None,
        }
    }

    /// Whether the device's token was taken away while the decision about it was saved: the later word
    /// counts.
    fn was_revoked_meanwhile(&self, granted: &Granted<DeviceRecord>) -> bool {
        let revoked = |record: &DeviceRecord| record.token.as_ref().and_then(|token| token.revoked_at);
        let known = self.devices.get(&granted.record.id);
        known.is_some_and(|held| revoked(&held.record) != revoked(&granted.record))
    }

    /// Takes over what was done to a known device while the decision about it was saved: it is not
    /// part of the decision, and a token that was rotated or revoked must not come back.
    fn with_changes_meanwhile(&self, granted: &mut Granted<DeviceRecord>) -> Vec<Change> {
        let Some(held) = self.devices.get(&granted.record.id) else { return Vec::new() };
        let (known, record) = (&held.record, &mut granted.record);
        if known.token == record.token && known.label == record.label {
            return Vec::new();
        }
        record.token.clone_from(&known.token);
        record.label.clone_from(&known.label);
        durable(granted.lifetime, || Change::PutDevice(record.clone()))
    }

    /// Takes a decision back whose changes could not be committed: the request waits on.
    pub fn withdraw(&mut self, decided: &Decided) {
        self.pending.set_deciding(&decided.request.id, false);
    }

    fn check_not_own(&self, decider: &Decider, request: &PendingRequest) -> Result<(), DecisionError> {
        let Who::Client { principal, .. } = decider.who() else { return Ok(()) };
        let own = match (&request.details.subject, principal) {
            (Subject::Device(asking), Principal::Device(deciding)) => asking == deciding,
            // By its connections too: a program that was let in once has no grant any more.
            (Subject::Program(asking), principal) => {
                let granted = self.programs.iter().any(|held| {
                    principal == &Principal::Program(held.record.id.clone()) && &held.record.program == asking
                });
                granted
                    || self
                        .live
                        .values()
                        .any(|live| &live.principal == principal && live.program.as_ref() == Some(asking))
            }
            _ => false,
        };
        if own { Err(DecisionError::Own) } else { Ok(()) }
    }

    fn approve(
        &self,
        decider: &Decider,
        request: &PendingRequest,
        choice: &Choice,
        duration: GrantLifetime,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(Outcome, Vec<Change>), DecisionError> {
        let lifetime = match duration {
            GrantLifetime::Always => GrantExpiry::Always,
            GrantLifetime::UntilQuit => GrantExpiry::UntilQuit,
            GrantLifetime::Once => GrantExpiry::Once(now.deadline(limits::ONCE_LIFE)),
        };
        let replaces = matches!(choice, Choice::Level { .. });
        let given = given(choice, &request.details.asked);
        match &request.details.subject {
            Subject::Device(device) => {
                let held = self.devices.get(device);
                let known = held.map(|held| &held.record);
                // A longer grant is not built on a shorter one.
                let before = held.and_then(|held| held.at_least(lifetime)).map(|record| &record.grant);
                let grant = grant_of(choice, request, before)?;
                // Who says that it is the device answers for everything that it may.
                check_ceiling(decider, before.filter(|_| !request.details.unidentified), &grant)?;
                let Some(key) = request.details.key else { return Err(DecisionError::Unknown) };
                let record = DeviceRecord {
                    id: *device,
                    key,
                    claims: request.details.claims.clone(),
                    label: known.and_then(|record| record.label.clone()),
                    grant,
                    token: known.and_then(|record| record.token.clone()),
                    created_at: known.map_or(now.wall, |record| record.created_at),
                    approved_at: now.wall,
                    last_seen_at: known.and_then(|record| record.last_seen_at),
                    last_seen_from: known.and_then(|record| record.last_seen_from.clone()),
                };
                let durable = durable(lifetime, || Change::PutDevice(Box::new(record.clone())));
                let record = Box::new(record);
                let granted = Granted { record, given, lifetime, replaces, ephemeral: false };
                Ok((Outcome::Device(granted), durable))
            }
            Subject::Program(program) => {
                if let Some(sentence) = request.details.ephemeral
                    && duration != GrantLifetime::Once
                {
                    return Err(DecisionError::OnlyOnce(sentence));
                }
                let generation = self.token_generation();
                let ephemeral = request.details.ephemeral.is_some();
                let held = self.program_grants(ephemeral).iter().find(|held| {
                    &held.record.program == program && held.record.token_generation == generation
                });
                let known = held.map(|held| &held.record);
                let before = held.and_then(|held| held.at_least(lifetime)).map(|record| &record.grant);
                let grant = grant_of(choice, request, before)?;
                check_ceiling(decider, before, &grant)?;
                if grant.granted.names(&Scope::Admin) {
                    return Err(DecisionError::NeedsOwnToken);
                }
                let record = ProgramGrant {
                    id: known.map_or_else(|| entropy.uuid(), |record| record.id.clone()),
                    program: program.clone(),
                    token_generation: generation,
                    claims: request.details.claims.clone(),
                    grant,
                    approved_at: now.wall,
                    last_seen_at: None::<UnixMillis>,
                };
                let durable = durable(lifetime, || Change::PutProgram(Box::new(record.clone())));
                let granted = Granted { record: Box::new(record), given, lifetime, replaces, ephemeral };
                Ok((Outcome::Program(granted), durable))
            }
        }
    }
}

impl<T> Granted<T> {
    fn onto(self, known: Option<Held<T>>) -> Held<T> {
        let Self { record, lifetime, .. } = self;
        match known {
            Some(known) => known.replaced_by(*record, lifetime),
            None => Held { record: *record, lifetime, under: None },
        }
    }
}

impl Authority {
    /// A level can be less than what was granted: connections that have more end.
    fn end_wider_sessions<T>(
        &mut self,
        granted: &Granted<T>,
        principal: &Principal,
        grant: &Grant,
    ) -> Option<Effect> {
        if !granted.replaces || matches!(granted.lifetime, GrantExpiry::Once(_)) {
            return None;
        }
        self.end_sessions_where(|live| {
            &live.principal == principal && !live.scopes.not_held_by(&grant.granted).is_empty()
        })
    }

    /// What has to be committed for a block: nothing that was granted comes back when it ends.
    pub(crate) fn blocking(&self, block: &Block) -> Vec<Change> {
        let mut durable = vec![Change::PutBlock(Box::new(block.clone()))];
        match &block.subject {
            BlockedSubject::Device(device) if self.devices.contains_key(device) => {
                durable.push(Change::RemoveDevice(*device));
            }
            BlockedSubject::Device(_) => {}
            BlockedSubject::Program(program) => {
                let granted = self.programs.iter().filter(|held| &held.record.program == program);
                durable.extend(granted.map(|held| Change::RemoveProgram(held.record.id.clone())));
            }
        }
        durable
    }
}

fn durable(lifetime: GrantExpiry, change: impl FnOnce() -> Change) -> Vec<Change> {
    if lifetime == GrantExpiry::Always { vec![change()] } else { Vec::new() }
}

/// What a decision grants. It covers every scope that was shown, granted or not.
fn grant_of(
    choice: &Choice,
    request: &PendingRequest,
    known: Option<&Grant>,
) -> Result<Grant, DecisionError> {
    let asked = &request.details.asked;
    let before = known.cloned().unwrap_or_default();
    let shown = before.decided.union(asked);
    let given = given(choice, asked);
    match choice {
        Choice::All => Ok(Grant { decided: shown, granted: before.granted.union(&given) }),
        Choice::Scopes(scopes) => match scopes.iter().find(|scope| !asked.holds(scope)) {
            Some(scope) => Err(DecisionError::NotAsked(scope.clone())),
            None => Ok(Grant { decided: shown, granted: before.granted.union(&given) }),
        },
        Choice::Level { pairing, .. } => {
            let shown_pairing = asked.names(&Scope::Pairing) || before.granted.names(&Scope::Pairing);
            if *pairing && !shown_pairing {
                return Err(DecisionError::NotAsked(Scope::Pairing));
            }
            Ok(Grant { decided: shown.union(&ScopeSet::of_all_levels()), granted: given })
        }
    }
}

/// What a choice gives, without what was granted before.
fn given(choice: &Choice, asked: &ScopeSet) -> ScopeSet {
    match choice {
        Choice::All => asked.clone(),
        Choice::Scopes(scopes) => scopes.clone(),
        Choice::Level { level, pairing } => {
            ScopeSet::from(*level).union(&pairing.then_some(Scope::Pairing).into_iter().collect())
        }
    }
}

/// A client gives at most what it has, and the right to manage pairing only when it was given it
/// by name. What counts is what the other has now, not what it had when it asked.
fn check_ceiling(decider: &Decider, before: Option<&Grant>, grant: &Grant) -> Result<(), DecisionError> {
    let Who::Client { scopes, .. } = decider.who() else { return Ok(()) };
    let before = before.map(|grant| grant.granted.clone()).unwrap_or_default();
    let given = grant.granted.not_held_by(&before);
    let beyond = given.iter().find(|scope| !scopes.holds(scope));
    beyond.map_or(Ok(()), |scope| Err(DecisionError::BeyondDecider(scope.clone())))
}
