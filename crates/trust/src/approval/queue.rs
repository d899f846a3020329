//! The requests of agents and clients that wait for a decision, and those that were just decided.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate_protocol::text::one_line;
use tidegate_protocol::{ConnectionId, Scope};

use super::{
    ApprovalRequest, BY_PERMISSION, Clearance, Decision, MAX_WAITING, MAX_WAITING_OF_CLIENT, MAX_WORDS,
    PendingApproval, Question, Requester, ResolveError, ResolvedApproval,
};
use crate::decision::{Decider, Desktop};
use crate::principal::{Principal, Session};
use crate::timestamp::Timestamp;

/// How many denials are remembered, so that a task does not ask for the same again.
const MAX_DENIED: usize = 200;
/// How long a decision can be asked for again after it was taken.
const LINGER: Duration = Duration::from_secs(15);

/// A decision as it is put in: what else is said with it.
#[derive(Debug, Default)]
struct Outcome {
    decision: Option<Decision>,
    by: Option<String>,
    words: Option<String>,
    permissions: Vec<String>,
}

/// The commands that wait, and those that were just decided.
#[derive(Debug, Default)]
pub struct ApprovalQueue {
    waiting: Vec<PendingApproval>,
    resolved: VecDeque<ResolvedApproval>,
    /// Task, and what a person denied in it, newest last.
    denied: VecDeque<(String, String)>,
}

impl ApprovalQueue {
    /// A command is asked for. `None` when too many wait, in all or of this client, or when the id
    /// could be taken for another command's: it is the beginning of one that waits or begins like it,
    /// or the outcome of one is still told under it. That is a refusal.
    pub fn ask(
        &mut self,
        id: String,
        command: ApprovalRequest,
        requester: Requester,
        question: Question,
        timeout: Duration,
        now: Timestamp,
    ) -> Option<PendingApproval> {
        let is_alike = |waiting: &PendingApproval| waiting.id.starts_with(&id) || id.starts_with(&waiting.id);
        let is_known =
            |resolved: &ResolvedApproval| resolved.waiting.id == id && !resolved.linger.has_passed(now);
        let of_client = match &requester {
            Requester::Run => 0,
            Requester::Client { principal: asking, .. } => {
                let is_its = |waiting: &&PendingApproval| matches!(&waiting.requester, Requester::Client { principal, .. } if principal == asking);
                self.waiting.iter().filter(is_its).count()
            }
        };
        if self.waiting.len() >= MAX_WAITING
            || of_client >= MAX_WAITING_OF_CLIENT
            || self.waiting.iter().any(is_alike)
            || self.resolved.iter().any(is_known)
        {
            return None;
        }
        // What is left of its time is over; only the next tick has not come yet.
        self.resolved.retain(|resolved| resolved.waiting.id != id);
        let Question { offers, why_asked } = question;
        let deadline = now.deadline(timeout);
        let waiting = PendingApproval {
            id,
            command,
            requester,
            created_at: now.wall,
            offers,
            why_asked,
            deadline,
            deciding: false,
        };
        self.waiting.push(waiting.clone());
        Some(waiting)
    }

    /// Denies. That is open to everyone who may see the command, the requester included, but for our own
    /// client. `words` are for the model.
    ///
    /// # Errors
    /// Why it was not denied.
    pub fn deny(
        &mut self,
        session: &Session,
        id: &str,
        words: Option<&str>,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        let position = self.find(id, now)?;
        if session.principal() == &Principal::SubagentClient {
            return Err(ResolveError::SubagentClient);
        }
        Ok(self.put_denial(position, session.principal().name(), words, now))
    }

    /// Denies, for the person in the dialog: what was shown.
    ///
    /// # Errors
    /// Why it was not denied.
    pub fn deny_shown(
        &mut self,
        person: &Decider,
        id: &str,
        digest: &str,
        words: Option<&str>,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        let position = self.find_shown(person, id, digest, now)?;
        Ok(self.put_denial(position, person.name(), words, now))
    }

    /// Clears a session to allow a command. Until the clearance is used or given back, nobody else decides.
    ///
    /// # Errors
    /// Why it may not.
    pub fn clear(
        &mut self,
        session: &Session,
        desktop: Desktop,
        id: &str,
        now: Timestamp,
    ) -> Result<(Clearance, PendingApproval), ResolveError> {
        let position = self.find(id, now)?;
        may_allow(session, desktop, self.waiting.get(position).map(|waiting| &waiting.requester))?;
        let is_person = session.principal() == &Principal::CommandLine;
        Ok(self.cleared(position, session.principal().name(), is_person))
    }

    /// Clears the person in the dialog to allow exactly the command that was shown: its whole id, and the
    /// digest that stood beside it.
    ///
    /// # Errors
    /// Why they may not.
    pub fn clear_shown(
        &mut self,
        person: &Decider,
        id: &str,
        digest: &str,
        now: Timestamp,
    ) -> Result<(Clearance, PendingApproval), ResolveError> {
        let position = self.find_shown(person, id, digest, now)?;
        Ok(self.cleared(position, person.name(), true))
    }

    /// Allows what was cleared, with the permission that was given with it. `None` when it waits no longer: who
    /// asked is gone, or its time was up.
    pub fn allow(
        &mut self,
        clearance: Clearance,
        permission: Option<String>,
        now: Timestamp,
    ) -> Option<ResolvedApproval> {
        let position = self.waiting.iter().position(|waiting| waiting.id == clearance.id)?;
        let decision = if permission.is_some() { Decision::AllowAlways } else { Decision::AllowOnce };
        let permissions = permission.into_iter().collect();
        let (decision, by) = (Some(decision), Some(clearance.by));
        Some(self.finish(position, Outcome { decision, by, permissions, words: None }, now))
    }

    /// Gives a clearance back: what was to be given could not be saved. The request waits on.
    pub fn give_back(&mut self, clearance: &Clearance) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.id == clearance.id) {
            waiting.deciding = false;
        }
    }

    /// Allows what waits by permissions that were given after it was asked, but for what a person denied in the
    /// same task while it waited.
    pub fn permit(&mut self, id: &str, permissions: Vec<String>, now: Timestamp) -> Option<ResolvedApproval> {
        let is_it = |waiting: &PendingApproval| {
            waiting.id == id && !waiting.deciding && !waiting.deadline.has_passed(now)
        };
        let position = self.waiting.iter().position(is_it)?;
        if self.was_denied(&self.waiting[position].command) {
            return None;
        }
        let (decision, by) = (Some(Decision::AllowAlways), Some(BY_PERMISSION.to_owned()));
        Some(self.finish(position, Outcome { decision, by, permissions, words: None }, now))
    }

    /// Whether a person denied exactly this in the same task: it is not asked again.
    #[must_use]
    pub fn was_denied(&self, request: &ApprovalRequest) -> bool {
        let is_it = |(task, digest): &(String, String)| {
            request.context.as_ref().is_some_and(|context| context.task == *task)
                && request.operation.wanted() == *digest
        };
        self.denied.iter().any(is_it)
    }

    /// A task is over: nothing is asked in it again.
    pub fn end_task(&mut self, task: &str) {
        self.denied.retain(|(of, _)| of != task);
    }

    fn cleared(&mut self, position: usize, by: String, is_person: bool) -> (Clearance, PendingApproval) {
        let waiting = &mut self.waiting[position];
        waiting.deciding = true;
        (Clearance { id: waiting.id.clone(), by, is_person }, waiting.clone())
    }

    fn find_shown(
        &self,
        person: &Decider,
        id: &str,
        digest: &str,
        now: Timestamp,
    ) -> Result<usize, ResolveError> {
        if !person.is_person() {
            return Err(ResolveError::NotThePerson);
        }
        let waits = |waiting: &PendingApproval| waiting.id == id && !waiting.deadline.has_passed(now);
        let position = self.waiting.iter().position(waits).ok_or(ResolveError::Unknown)?;
        match self.waiting.get(position) {
            Some(waiting) if waiting.command.digest != digest => Err(ResolveError::Changed),
            Some(waiting) if waiting.deciding => Err(ResolveError::Deciding),
            _ => Ok(position),
        }
    }

    fn put_denial(
        &mut self,
        position: usize,
        by: String,
        words: Option<&str>,
        now: Timestamp,
    ) -> ResolvedApproval {
        let request = &self.waiting[position].command;
        if let Some(context) = &request.context {
            self.denied.push_back((context.task.clone(), request.operation.wanted()));
            if self.denied.len() > MAX_DENIED {
                self.denied.pop_front();
            }
        }
        let words = words.map(|words| words.split_whitespace().collect::<Vec<_>>().join(" "));
        let words = words.filter(|words| !words.is_empty()).map(|words| one_line(&words, MAX_WORDS));
        let (decision, by) = (Some(Decision::Deny), Some(by));
        self.finish(position, Outcome { decision, by, words, permissions: Vec::new() }, now)
    }

    /// How long until the first of them expires.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.iter().map(|waiting| waiting.deadline.remaining(now)).min()
    }

    /// Withdraws a command: its requester is gone.
    pub fn withdraw(&mut self, id: &str, now: Timestamp) -> Option<ResolvedApproval> {
        let position = self.waiting.iter().position(|waiting| waiting.id == id)?;
        Some(self.finish(position, Outcome::default(), now))
    }

    /// Withdraws everything that a connection asked for.
    pub fn withdraw_connection(
        &mut self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Vec<ResolvedApproval> {
        self.withdraw_where(|asking, _| asking == connection, now)
    }

    /// Withdraws everything that a client asked for, on whichever connection.
    pub fn withdraw_client(&mut self, client: &Principal, now: Timestamp) -> Vec<ResolvedApproval> {
        self.withdraw_where(|_, asking| asking == client, now)
    }

    fn withdraw_where(
        &mut self,
        is_its: impl Fn(&ConnectionId, &Principal) -> bool,
        now: Timestamp,
    ) -> Vec<ResolvedApproval> {
        let asked = |waiting: &&PendingApproval| match &waiting.requester {
            Requester::Run => false,
            Requester::Client { connection, principal } => is_its(connection, principal),
        };
        let ids: Vec<String> = self.waiting.iter().filter(asked).map(|waiting| waiting.id.clone()).collect();
        ids.iter().filter_map(|id| self.withdraw(id, now)).collect()
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Timestamp) -> Vec<ResolvedApproval> {
        self.resolved.retain(|resolved| !resolved.linger.has_passed(now));
        let expired = |waiting: &PendingApproval| waiting.deadline.has_passed(now);
        let mut ended = Vec::new();
        while let Some(position) = self.waiting.iter().position(expired) {
            ended.push(self.finish(position, Outcome::default(), now));
        }
        ended
    }

    /// The waiting commands, oldest first.
    #[must_use]
    pub fn waiting(&self) -> &[PendingApproval] {
        &self.waiting
    }

    /// A command that was decided a moment ago.
    #[must_use]
    pub fn resolved(&self, id: &str) -> Option<&ResolvedApproval> {
        self.resolved.iter().find(|resolved| resolved.waiting.id == id)
    }

    fn find(&self, id: &str, now: Timestamp) -> Result<usize, ResolveError> {
        // What has expired is refused already, also before the next tick says so.
        let waits = |waiting: &PendingApproval| !waiting.deadline.has_passed(now);
        let free = |position: usize| match self.waiting[position].deciding {
            true => Err(ResolveError::Deciding),
            false => Ok(position),
        };
        if let Some(position) = self.waiting.iter().position(|waiting| waiting.id == id && waits(waiting)) {
            return free(position);
        }
        let starts =
            |waiting: &PendingApproval| id.len() >= 4 && waiting.id.starts_with(id) && waits(waiting);
        let mut positions = (0..self.waiting.len()).filter(|&position| starts(&self.waiting[position]));
        match (positions.next(), positions.next()) {
            (Some(position), None) => free(position),
            (Some(_), Some(_)) => Err(ResolveError::Ambiguous),
            (None, _) => Err(ResolveError::Unknown),
        }
    }

    fn finish(&mut self, position: usize, outcome: Outcome, now: Timestamp) -> ResolvedApproval {
        let waiting = self.waiting.remove(position);
        let Outcome { decision, by, words, permissions } = outcome;
        let linger = now.deadline(LINGER);
        let resolved = ResolvedApproval { waiting, decision, by, words, permissions, linger };
        self.resolved.push_back(resolved.clone());
        if self.resolved.len() > MAX_WAITING {
            self.resolved.pop_front();
        }
        resolved
    }
}

fn may_allow(session: &Session, desktop: Desktop, requester: Option<&Requester>) -> Result<(), ResolveError> {
    match session.principal() {
        Principal::SubagentClient => return Err(ResolveError::SubagentClient),
        Principal::Window => return Err(ResolveError::DesktopDecides),
        Principal::CommandLine if desktop == Desktop::Running => return Err(ResolveError::DesktopDecides),
        Principal::CommandLine => return Ok(()),
        _ => {}
    }
    if !session.scopes().covers(&Scope::Approvals) {
        return Err(ResolveError::MissingScope);
    }
    match requester {
        Some(Requester::Client { connection, principal })
            if connection == session.connection() || principal == session.principal() =>
        {
            Err(ResolveError::Own)
        }
        _ => Ok(()),
    }
}
