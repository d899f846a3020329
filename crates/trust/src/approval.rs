//! What an agent may do only when a person allows it: commands, and files outside the workspace.
//! One queue. No decision is a refusal.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tidegate_protocol::confinement::Confinement;
pub use tidegate_protocol::payload::approvals::ApprovalDecision as Decision;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{ConnectionId, Scope, UnixMillis};

use crate::decision::{Decider, Desktop};
use crate::principal::{Principal, Session};
use crate::timestamp::{Deadline, Timestamp};

/// How many commands may wait at once.
pub const MAX_WAITING: usize = 64;
/// How many of them one client may have asked about, on all its connections: the rest is for others,
/// and for the agents.
pub const MAX_WAITING_OF_CLIENT: usize = 8;
/// The most characters of an operation in a log.
const MAX_LOGGED: usize = 200;
/// The most bytes of a command's first word in a log.
const MAX_FIRST_WORD: usize = 64;
/// How long a decision can be asked for again after it was taken.
const LINGER: Duration = Duration::from_secs(15);

/// A command as it would run, or a file as it would be used, and who wants it. It never changes under
/// its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequest {
    /// What would be done.
    pub operation: Operation,
    /// The session that wants it.
    pub session_key: String,
    /// The run that wants it, when a run does.
    pub run_id: Option<String>,
    /// The runs above it, nearest first.
    pub ancestors: Vec<String>,
    /// Digest of the plan: what is allowed is exactly this.
    pub digest: String,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Operation {
    /// A command runs.
    Exec {
        /// The command's text, exactly.
        command: String,
        /// The arguments that would be run.
        command_argv: Vec<String>,
        /// The directory that it runs in.
        cwd: String,
        /// Variables that it adds or changes.
        env: Vec<(String, String)>,
        /// How it is confined; unknown where a client runs it.
        confinement: Option<Confinement>,
    },
    /// A file outside the run's workspace is used, or a trigger file in it is written.
    File {
        /// Where it is, without symbolic links.
        path: String,
        /// Whether it was there when the question was asked.
        exists: bool,
        /// Whether it is in the workspace, and its text can run as the person's own commands later.
        trigger: bool,
        /// What would be done with it.
        access: FileAccess,
    },
}

/// What would be done with a file. Texts are exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FileAccess {
    /// It is read.
    Read,
    /// It is made, or replaced.
    Write {
        /// Its whole content.
        content: String,
    },
    /// One text in it is replaced.
    Edit {
        /// The old text.
        old_text: String,
        /// The new text.
        new_text: String,
    },
}

impl FileAccess {
    /// The tool that does this.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write { .. } => "write",
            Self::Edit { .. } => "edit",
        }
    }
}

impl Operation {
    /// It as one line for lists: the command, or the tool and the path. Not cleaned.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Exec { command, .. } => command.clone(),
            Self::File { path, access, .. } => format!("{} {path}", access.tool()),
        }
    }

    /// It as one clean line for logs, which more people read than may see the question: of a command
    /// the first word alone, and not even that where it is more than a program's name, because
    /// arguments and variables hold passwords and tokens. The digest says which it was.
    #[must_use]
    pub fn logged(&self) -> String {
        match self {
            Self::Exec { command, .. } => program_of(command).to_owned(),
            Self::File { .. } => one_line(&self.title(), MAX_LOGGED),
        }
    }
}

/// The program of a command line for logs: its first word, when that can only be a program's name.
#[must_use]
pub fn program_of(command: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    let is_shown = |word: &&str| word.len() <= MAX_FIRST_WORD && word.chars().all(is_plain);
    command.split_ascii_whitespace().next().filter(is_shown).unwrap_or("(not shown)")
}

/// What an approval is for: a run of ours, or a client that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requester {
    /// A run of the agent.
    Run,
    /// A client, over this connection.
    Client {
        connection: ConnectionId,
        /// Who it acts as.
        principal: Principal,
    },
}

/// A waiting command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingApproval {
    /// Its id, a UUID.
    pub id: String,
    /// What would run.
    pub command: ApprovalRequest,
    pub requester: Requester,
    /// When it was asked.
    pub created_at: UnixMillis,
    deadline: Deadline,
}

impl PendingApproval {
    /// When the lack of a decision becomes a refusal, by the wall clock.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.deadline.wall()
    }
}

/// A command that was decided, or whose time was up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedApproval {
    pub waiting: PendingApproval,
    /// The decision; `None` when nobody decided.
    pub decision: Option<Decision>,
    /// Who decided; `None` where nobody did.
    pub by: Option<String>,
    linger: Deadline,
}

/// Why a command was not decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// None of that id waits.
    #[error("unknown or expired approval id")]
    Unknown,
    /// More than one id begins like that.
    #[error("ambiguous approval id prefix; give the whole id")]
    Ambiguous,
    /// Our own client and runs never decide.
    #[error("Tidegate's own subagent client cannot allow commands; a person has to")]
    SubagentClient,
    /// The client that asked cannot allow it.
    #[error("the client that asked for a command cannot allow it")]
    Own,
    /// A desktop is running, so its dialog decides.
    #[error("a person decides this in Tidegate's dialog")]
    DesktopDecides,
    /// It is not what was shown.
    #[error("the command is not the one that was shown; look at it again")]
    Changed,
    /// Only the person decides this way.
    #[error("only the person decides this")]
    NotThePerson,
    /// The session lacks the scope.
    #[error("missing scope: operator.approvals")]
    MissingScope,
}

/// The commands that wait, and those that were just decided.
#[derive(Debug, Default)]
pub struct ApprovalQueue {
    waiting: Vec<PendingApproval>,
    resolved: VecDeque<ResolvedApproval>,
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
        let waiting =
            PendingApproval { id, command, requester, created_at: now.wall, deadline: now.deadline(timeout) };
        self.waiting.push(waiting.clone());
        Some(waiting)
    }

    /// Decides. Denying is open to everyone who may see the command, the requester included.
    ///
    /// # Errors
    /// Why it was not decided.
    pub fn resolve(
        &mut self,
        session: &Session,
        desktop: Desktop,
        id: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        let position = self.find(id, now)?;
        if decision == Decision::AllowOnce {
            let requester = self.waiting.get(position).map(|waiting| &waiting.requester);
            may_allow(session, desktop, requester)?;
        } else if session.principal() == &Principal::SubagentClient {
            return Err(ResolveError::SubagentClient);
        }
        Ok(self.finish(position, Some(decision), Some(session.principal().name()), now))
    }

    /// The person decides, about exactly the command that was shown: its whole id, and the digest
    /// that stood beside it.
    ///
    /// # Errors
    /// Why it was not decided.
    pub fn resolve_shown(
        &mut self,
        person: &Decider,
        id: &str,
        digest: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Result<ResolvedApproval, ResolveError> {
        if !person.is_person() {
            return Err(ResolveError::NotThePerson);
        }
        let waits = |waiting: &PendingApproval| waiting.id == id && !waiting.deadline.has_passed(now);
        let position = self.waiting.iter().position(waits).ok_or(ResolveError::Unknown)?;
        if self.waiting.get(position).is_none_or(|waiting| waiting.command.digest != digest) {
            return Err(ResolveError::Changed);
        }
        Ok(self.finish(position, Some(decision), Some(person.name()), now))
    }

    /// How long until the first of them expires.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.iter().map(|waiting| waiting.deadline.remaining(now)).min()
    }

    /// Withdraws a command: its requester is gone.
    pub fn withdraw(&mut self, id: &str, now: Timestamp) -> Option<ResolvedApproval> {
        let position = self.waiting.iter().position(|waiting| waiting.id == id)?;
        Some(self.finish(position, None, None, now))
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
            ended.push(self.finish(position, None, None, now));
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
        if let Some(position) = self.waiting.iter().position(|waiting| waiting.id == id && waits(waiting)) {
            return Ok(position);
        }
        let starts =
            |waiting: &PendingApproval| id.len() >= 4 && waiting.id.starts_with(id) && waits(waiting);
        let mut positions = (0..self.waiting.len()).filter(|&position| starts(&self.waiting[position]));
        match (positions.next(), positions.next()) {
            (Some(position), None) => Ok(position),
            (Some(_), Some(_)) => Err(ResolveError::Ambiguous),
            (None, _) => Err(ResolveError::Unknown),
        }
    }

    fn finish(
        &mut self,
        position: usize,
        decision: Option<Decision>,
        by: Option<String>,
        now: Timestamp,
    ) -> ResolvedApproval {
        let waiting = self.waiting.remove(position);
        let resolved = ResolvedApproval { waiting, decision, by, linger: now.deadline(LINGER) };
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
