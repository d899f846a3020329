//! What an agent may do only when a person allows it: commands, and files outside the workspace.
//! One queue. No decision is a refusal.

mod queue;

use serde::Serialize;
use tidegate_protocol::confinement::Confinement;
pub use tidegate_protocol::payload::approvals::ApprovalDecision as Decision;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{ConnectionId, UnixMillis};

pub use self::queue::ApprovalQueue;
use crate::permissions::{Offered, RequestContext, WhyAsked};
use crate::principal::Principal;
use crate::timestamp::Deadline;

/// How many commands may wait at once.
pub const MAX_WAITING: usize = 64;
/// How many of them one client may have asked about, on all its connections: the rest is for others,
/// and for the agents.
pub const MAX_WAITING_OF_CLIENT: usize = 8;
/// The most characters of an operation in a log.
const MAX_LOGGED: usize = 200;
/// The most bytes of a command's first word in a log.
const MAX_FIRST_WORD: usize = 64;
/// Who decided, where a permission did that was given after it was asked.
pub const BY_PERMISSION: &str = "permission";
/// The most characters of what a person says to the model with a denial.
pub const MAX_WORDS: usize = 500;

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
    /// Of a run's request, what decides whether a permission is for it.
    #[serde(skip)]
    pub context: Option<RequestContext>,
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

    /// What is wanted, without what an agent says of it: another reason or time limit is the same request.
    pub(crate) fn wanted(&self) -> String {
        let mut wanted = self.clone();
        if let Self::Exec { command, confinement, .. } = &mut wanted {
            *command = command.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some(Confinement { reason, timeout_seconds, pty, after_network, .. }) = confinement {
                (*reason, *timeout_seconds, *pty, *after_network) = (None, 0, false, false);
            }
        }
        if let Self::Exec { command_argv, .. } = &mut wanted {
            // The shell, and the same text again.
            command_argv.truncate(1);
        }
        format!("{wanted:?}")
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
    /// What can be given with it, beyond the one time.
    pub offers: Vec<Offered>,
    /// Why a person is asked although something is allowed.
    pub why_asked: Option<WhyAsked>,
    deadline: Deadline,
    /// Whether what is given with it is being saved: nobody else decides meanwhile.
    deciding: bool,
}

/// What a question says beside the request itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// What can be given with it.
    pub offers: Vec<Offered>,
    /// Why a person is asked although something is allowed.
    pub why_asked: Option<WhyAsked>,
}

/// The right of someone to allow one request, which nobody else decides about until it is used or given
/// back. The queue alone makes one.
#[derive(Debug)]
#[must_use = "the request waits until it is allowed or given back"]
pub struct Clearance {
    id: String,
    by: String,
    is_person: bool,
}

impl Clearance {
    /// Who allows it.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Whether it is the person, at the dialog or where the command line is their place.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.is_person
    }
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
    /// What who decided says to the model.
    pub words: Option<String>,
    /// The ids of the permissions by which it is allowed.
    pub permissions: Vec<String>,
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
    /// What is given with it is being saved.
    #[error("it is being decided at this moment")]
    Deciding,
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
