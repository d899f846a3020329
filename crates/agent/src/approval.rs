//! The port to the person who may allow a tool call.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_protocol::confinement::{Confinement, SharedFiles};
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_trust::approval::FileAccess;
use tidegate_trust::permissions::RequestContext;
use tokio_util::sync::CancellationToken;

/// How long an approval is waited for. No decision is a refusal.
pub const APPROVAL_TIMEOUT: Duration = Duration::from_mins(30);

/// A command as it would run: exact bytes, nothing resolved later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecPlan {
    /// The command text for the shell, exactly.
    pub command: String,
    /// The program that runs it, resolved.
    pub program: PathBuf,
    /// All arguments of the program.
    pub arguments: Vec<String>,
    /// The directory, resolved.
    pub directory: PathBuf,
    /// Variables that the call adds or changes.
    pub environment: Vec<(String, String)>,
    /// How it is confined, what it needs beyond that, and how long it may run.
    pub confinement: Confinement,
}

/// A file outside the run's workspace or a trigger file in it, and what would be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    /// Where it is, absolute and without symbolic links.
    pub path: PathBuf,
    /// Whether it was there when the plan was made.
    pub exists: bool,
    /// Whether it is in the workspace, and its text can run as the person's own commands later: because
    /// a prompt, git, an editor or another agent reads it.
    pub trigger: bool,
    /// What would be done.
    pub access: FileAccess,
}

/// What a person is asked to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalPlan {
    Exec(ExecPlan),
    /// A file outside the workspace.
    File(FilePlan),
}

/// What a person is asked for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalQuestion {
    /// The run that asks.
    pub run: RunId,
    pub session: SessionKey,
    /// The runs above it, nearest first.
    pub ancestors: Vec<String>,
    /// What decides whether a person allowed it before. It never comes from the model.
    pub context: RequestContext,
    /// What it wants.
    pub plan: ApprovalPlan,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalAnswer {
    /// A person allowed exactly this plan, once. The digest is of the plan that was shown.
    Allowed {
        /// What [`ApprovalPlan::digest`] gave for the shown plan.
        digest: String,
    },
    /// A person allowed this plan with a permission for more than one time, now or before.
    Permitted {
        /// What [`ApprovalPlan::digest`] gave for the plan.
        digest: String,
        permission: UsedPermission,
    },
    /// A person, or the lack of one, refused.
    Denied {
        /// A sentence for the model.
        reason: String,
    },
}

/// A permission in use, for as long as it is kept.
#[derive(Clone)]
pub struct UsedPermission {
    pub kind: PermissionName,
    /// Whether a person was asked, and gave it with this answer.
    pub was_asked: bool,
    /// Cancelled when it is revoked: what it allowed has to end.
    pub revoked: CancellationToken,
    /// The gate that gave it counts its uses by this.
    pub held: Arc<dyn std::any::Any + Send + Sync>,
}

impl fmt::Debug for UsedPermission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UsedPermission").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl PartialEq for UsedPermission {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && Arc::ptr_eq(&self.held, &other.held)
    }
}

impl Eq for UsedPermission {}

/// Asks a person. Dropping the future withdraws the question.
pub trait ApprovalGate: Send + Sync {
    /// Asks and waits.
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer>;

    /// The last run of a task has ended: what was allowed for the task is over.
    fn end_task(&self, _task: &RunId) {}
}

impl ApprovalPlan {
    /// What a decision is bound to.
    #[must_use]
    pub fn digest(&self) -> String {
        match self {
            Self::Exec(plan) => plan.digest(),
            Self::File(plan) => plan.digest(),
        }
    }
}

impl ExecPlan {
    /// SHA-256 of the plan, lower-case hex: what a decision is bound to. Every part is counted with
    /// its length, so that no two plans have the same bytes.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut parts = Parts(Sha256::new());
        parts.add(self.command.as_bytes());
        parts.add(self.program.as_os_str().as_encoded_bytes());
        parts.add(self.directory.as_os_str().as_encoded_bytes());
        parts.add(&(self.arguments.len() as u64).to_be_bytes());
        self.arguments.iter().for_each(|argument| parts.add(argument.as_bytes()));
        parts.add(&(self.environment.len() as u64).to_be_bytes());
        for (name, value) in &self.environment {
            parts.add(name.as_bytes());
            parts.add(value.as_bytes());
        }
        let Confinement { class, needs, reason, repository, shared, after_network, pty, timeout_seconds } =
            &self.confinement;
        parts.add(format!("{class:?}").as_bytes());
        parts.add(&(needs.len() as u64).to_be_bytes());
        needs.iter().for_each(|need| parts.add(need.to_string().as_bytes()));
        parts.add(&[u8::from(reason.is_some()), u8::from(*pty), u8::from(*after_network)]);
        parts.add(reason.as_deref().unwrap_or_default().as_bytes());
        parts.add(&timeout_seconds.to_be_bytes());
        parts.add(&[u8::from(repository.is_some()), u8::from(shared.is_some())]);
        parts.add(repository.as_deref().unwrap_or_default().as_bytes());
        if let Some(SharedFiles { files, places }) = shared {
            parts.add(&files.to_be_bytes());
            parts.add(&(places.len() as u64).to_be_bytes());
            places.iter().for_each(|place| parts.add(place.as_bytes()));
        }
        parts.hex()
    }
}

impl FilePlan {
    /// The same for a file. It begins with bytes that no command's digest can begin with: there they
    /// would be a length beyond all memory.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut parts = Parts(Sha256::new_with_prefix(b"file access"));
        parts.add(self.path.as_os_str().as_encoded_bytes());
        parts.add(&[u8::from(self.exists), u8::from(self.trigger)]);
        parts.add(self.access.tool().as_bytes());
        match &self.access {
            FileAccess::Read => {}
            FileAccess::Write { content } => parts.add(content.as_bytes()),
            FileAccess::Edit { old_text, new_text } => {
                parts.add(old_text.as_bytes());
                parts.add(new_text.as_bytes());
            }
        }
        parts.hex()
    }
}

/// Bytes, each part with its length before it.
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn hex(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_protocol::confinement::{CommandClass, Need};

    fn plan(command: &str, arguments: &[&str], directory: &str) -> ExecPlan {
        ExecPlan {
            command: command.to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            directory: PathBuf::from(directory),
            environment: Vec::new(),
            confinement: Confinement::plain(CommandClass::Contained, 1800),
        }
    }

    #[test]
    fn plans_that_differ_anywhere_have_different_digests() {
        let first = plan("ls", &["-c", "ls"], "/w");
        assert_eq!(first.digest(), first.clone().digest());
        let plain = first.confinement.clone();
        let with = |confinement| ExecPlan { confinement, ..first.clone() };
        for other in [
            plan("ls ", &["-c", "ls"], "/w"),
            plan("ls", &["-cl", "s"], "/w"),
            plan("ls", &["-c", "ls", ""], "/w"),
            plan("ls", &["-c", "ls"], "/w/"),
            ExecPlan { environment: vec![("A".to_owned(), "b".to_owned())], ..first.clone() },
            with(Confinement::plain(CommandClass::Unconfined, 1800)),
            with(Confinement::plain(CommandClass::Contained, 1801)),
            with(Confinement { needs: vec![Need::Git], ..plain.clone() }),
            with(Confinement { needs: vec![Need::Git, Need::Sockets], ..plain.clone() }),
            with(Confinement { reason: Some(String::new()), ..plain.clone() }),
            with(Confinement { reason: Some("git".to_owned()), ..plain.clone() }),
            with(Confinement { pty: true, ..plain.clone() }),
            with(Confinement { after_network: true, ..plain.clone() }),
            with(Confinement { repository: Some("/main/.git".to_owned()), ..plain.clone() }),
            with(Confinement { shared: Some(SharedFiles { files: 0, places: Vec::new() }), ..plain.clone() }),
            with(Confinement { shared: Some(SharedFiles { files: 1, places: Vec::new() }), ..plain.clone() }),
        ] {
            assert_ne!(first.digest(), other.digest(), "{other:?}");
        }
    }

    #[test]
    fn plans_of_files_that_differ_anywhere_have_different_digests() {
        let edit =
            |old: &str, new: &str| FileAccess::Edit { old_text: old.to_owned(), new_text: new.to_owned() };
        let write = |content: &str| FileAccess::Write { content: content.to_owned() };
        let plan = |path: &str, exists, access| {
            ApprovalPlan::File(FilePlan { path: PathBuf::from(path), exists, trigger: false, access })
                .digest()
        };
        let digests = [
            plan("/a", true, FileAccess::Read),
            plan("/b", true, FileAccess::Read),
            plan("/a", false, FileAccess::Read),
            plan("/a", true, write("")),
            plan("/a", true, write("x")),
            plan("/a", true, edit("", "x")),
            plan("/a", true, edit("x", "")),
        ];
        let different: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
        assert_eq!(plan("/a", true, write("x")), digests[4]);
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_text_do_not_share_a_digest() {
        use std::os::unix::ffi::OsStringExt as _;
        let in_directory = |bytes: &[u8]| {
            let directory = PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
            ExecPlan { directory, ..plan("ls", &[], "/") }
        };
        assert_ne!(in_directory(b"/\xff").digest(), in_directory(b"/\xfe").digest());
    }
}
