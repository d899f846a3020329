//! The one sink for decisions about who is let in.

mod approval;
mod outcome;

use tidegate_protocol::Scope;
pub use tidegate_protocol::payload::surface_params::GrantLifetime;

use self::approval::Approval;
use self::outcome::Outcome;
pub(crate) use self::outcome::PairingDecision;
use crate::audit::{AuditEvent, AuditKind, Severity};
use crate::authority::{Authority, Effect, Entropy};
use crate::decider::Who;
use crate::pairing::{PendingRequest, Subject};
use crate::principal::Principal;
use crate::records::{Block, Change};
use crate::scopes::{Level, ScopeSet};
use crate::stores::Live;
use crate::timestamp::Timestamp;
use crate::transaction::{PreparedTransaction, Step};

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

impl Authority {
    /// Prepares a decision: commit it, then [apply](Self::apply) it, or [roll it back](Self::roll_back).
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
    ) -> Result<PreparedTransaction<()>, DecisionError> {
        let (decision, audit, durable) =
            self.prepare_decision(decider, request_id, digest, verdict, entropy, now)?;
        Ok(PreparedTransaction::new((), durable, vec![audit], Step::Pairing(decision)))
    }

    /// A decision, its audit event, and what has to be committed for it. Until it is applied or rolled back,
    /// nobody decides about the request.
    pub(crate) fn prepare_decision(
        &mut self,
        decider: &Decider,
        request_id: &str,
        digest: Option<&str>,
        verdict: &Verdict,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(Box<PairingDecision>, Effect, Vec<Change>), DecisionError> {
        self.expire_grants(now);
        let request = self.pending.get(request_id).ok_or(DecisionError::Unknown)?.clone();
        if request.deciding || request.has_expired(now) {
            return Err(DecisionError::Unknown);
        }
        if digest.is_some_and(|digest| digest != request.details.digest()) {
            return Err(DecisionError::Changed);
        }
        self.check_not_own(decider, &request)?;
        let (outcome, durable) = self.outcome(decider, &request, verdict, entropy, now)?;
        self.pending.set_deciding(request_id, true);
        let line = audit_line(decider, &request, &outcome, now);
        Ok((Box::new(PairingDecision::new(request, outcome)), Effect::Audit(line), durable))
    }

    /// What a verdict leads to, and what has to be committed for it.
    fn outcome(
        &self,
        decider: &Decider,
        request: &PendingRequest,
        verdict: &Verdict,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(Outcome, Vec<Change>), DecisionError> {
        match (verdict, decider.who()) {
            (Verdict::Approve { .. }, Who::Surface(_)) => Err(DecisionError::DesktopDecides),
            (Verdict::Block, Who::Client { .. }) => Err(DecisionError::PersonOnly),
            (Verdict::Approve { choice, duration }, _) => {
                self.approve(&Approval::new(decider, &request.details, choice, *duration, now), entropy)
            }
            (Verdict::Reject, _) => Ok((Outcome::Rejected, Vec::new())),
            (Verdict::Later, _) => Ok((Outcome::Later, Vec::new())),
            (Verdict::Block, _) => {
                let name = request.details.claims.display_name.clone().unwrap_or_default();
                let block = Block { subject: request.details.subject.clone(), name, at: now.wall };
                let durable = self.changes_of_block(&block);
                Ok((Outcome::Blocked(block), durable))
            }
        }
    }

    fn check_not_own(&self, decider: &Decider, request: &PendingRequest) -> Result<(), DecisionError> {
        let Who::Client { principal, .. } = decider.who() else { return Ok(()) };
        let own = match (&request.details.subject, principal) {
            (Subject::Device(asking), Principal::Device(deciding)) => asking == deciding,
            // By its connections too: a program that was let in once has no grant any more.
            (Subject::Program(asking), principal) => {
                let granted = match principal {
                    Principal::Program(id) => self.programs.get(id).map(|grant| &grant.program),
                    _ => None,
                };
                let is_its =
                    |live: &Live| &live.principal == principal && live.program.as_ref() == Some(asking);
                granted == Some(asking) || self.sessions.iter().any(is_its)
            }
            _ => false,
        };
        if own { Err(DecisionError::Own) } else { Ok(()) }
    }
}

fn audit_line(decider: &Decider, request: &PendingRequest, outcome: &Outcome, now: Timestamp) -> AuditEvent {
    let subject = request.details.subject.name();
    let role = &request.details.role;
    let (kind, what) = match outcome {
        Outcome::Approved(_) => {
            (AuditKind::PairingApproved, format!("device pairing approved device={subject} role={role}"))
        }
        Outcome::Rejected => {
            (AuditKind::PairingRejected, format!("device pairing rejected device={subject}"))
        }
        Outcome::Later => (AuditKind::PairingLater, format!("device pairing later device={subject}")),
        Outcome::Blocked(_) => (AuditKind::PairingBlocked, format!("device blocked device={subject}")),
    };
    let severity = match decider.who() {
        Who::Person | Who::Surface(_) => Severity::Info,
        // It was not the person who decided, so the person should hear of it.
        Who::Client { .. } => Severity::Warn,
    };
    AuditEvent::new(now.wall, kind, subject, format!("{what} by={}", decider.name())).at_least(severity)
}
