//! The port to whoever may allow a tool call: a person.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_protocol::{RunId, SessionKey};

use crate::model::BoxFuture;

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
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalQuestion {
    /// The run that asks.
    pub run: RunId,
    /// Its session.
    pub session: SessionKey,
    /// The runs above it, nearest first.
    pub ancestors: Vec<String>,
    /// What it wants.
    pub plan: ExecPlan,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalAnswer {
    /// A person allowed exactly this plan, once. The digest is of the plan that was shown.
    Allowed {
        /// SHA-256 of the plan's canonical JSON, lower-case hex.
        digest: String,
    },
    /// A person, or the lack of one, refused.
    Denied {
        /// A sentence for the model.
        reason: String,
    },
}

/// Asks a person. Dropping the future withdraws the question.
pub trait ApprovalGate: Send + Sync {
    /// Asks and waits.
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer>;
}

impl ExecPlan {
    /// SHA-256 of the plan, lower-case hex: what a decision is bound to. Every part is counted with
    /// its length, so that no two plans have the same bytes, whatever their texts and paths hold.
    #[must_use]
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.command.as_bytes());
        part(self.program.as_os_str().as_encoded_bytes());
        part(self.directory.as_os_str().as_encoded_bytes());
        part(&(self.arguments.len() as u64).to_be_bytes());
        self.arguments.iter().for_each(|argument| part(argument.as_bytes()));
        for (name, value) in &self.environment {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(command: &str, arguments: &[&str], directory: &str) -> ExecPlan {
        ExecPlan {
            command: command.to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            directory: PathBuf::from(directory),
            environment: Vec::new(),
        }
    }

    #[test]
    fn plans_that_differ_anywhere_have_different_digests() {
        let first = plan("ls", &["-c", "ls"], "/w");
        assert_eq!(first.digest(), first.clone().digest());
        for other in [
            plan("ls ", &["-c", "ls"], "/w"),
            plan("ls", &["-cl", "s"], "/w"),
            plan("ls", &["-c", "ls", ""], "/w"),
            plan("ls", &["-c", "ls"], "/w/"),
            ExecPlan { environment: vec![("A".to_owned(), "b".to_owned())], ..first.clone() },
        ] {
            assert_ne!(first.digest(), other.digest(), "{other:?}");
        }
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
