//! What a person allowed for more than one time, and what can be given with an approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::UnixMillis;
use crate::confinement::Need;

/// What a person can give with an approval, beyond allowing it once. Each request says which of them it
/// offers; nothing else can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum PermissionOffer {
    /// The needs that were shown, for the rest of the task: the run that began it, and its subagents.
    Task,
    /// Contained commands in this folder, until it is revoked.
    Contained,
    /// The needs that were shown, for commands in this folder, for 30 days.
    Needs,
    /// Commands in this folder that begin with as many words as this one, until it is revoked.
    Rule { words: usize },
    /// Reading files below the folder of this one, for this session, until Tidegate quits.
    ReadBelow,
}

/// A decision of a person about a waiting command or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "camelCase", deny_unknown_fields)]
pub enum ApprovalVerdict {
    /// It may run once, exactly as shown.
    AllowOnce,
    /// It may run, by a permission that the request offers.
    Permit { offer: PermissionOffer },
    /// It may not.
    Deny {
        /// What the model reads beside that; 500 characters at most.
        words: Option<String>,
        /// Whether the run that asked is stopped, with what it started.
        #[serde(default)]
        stop: bool,
    },
}

/// What kind of permission one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PermissionName {
    Contained,
    Rule,
    Needs,
    Task,
    Read,
}

objects! {
    /// Something that a request offers, in a sentence for the person.
    OfferedPermission {
        offer: PermissionOffer,
        /// What it allows, for how long.
        sentence: String,
    }
    /// A permission that is in effect.
    PermissionEntry {
        id: String,
        kind: PermissionName,
        /// The folder that it is for, by its real name.
        folder: String,
        /// What commands may need beyond the sandbox.
        needs: Vec<Need>,
        /// Of a rule, how its commands begin.
        prefix: Option<Vec<String>>,
        /// Of a rule, the file of the program.
        program: Option<String>,
        /// Of reading, for which session.
        session_key: Option<String>,
        /// What it allows, for how long.
        sentence: String,
        granted_at_ms: UnixMillis,
        /// Where it ends before it is revoked.
        expires_at_ms: Option<UnixMillis>,
        last_used_at_ms: Option<UnixMillis>,
    }
    /// A command or a file that nobody was asked about.
    UnaskedEntry {
        at_ms: UnixMillis,
        session_key: String,
        run_id: Option<String>,
        /// The command, or the tool and the path, as one line.
        title: String,
        digest: String,
        /// The permissions that it used.
        permissions: Vec<String>,
    }
    /// `tidegate.permissions.list`.
    PermissionsListResult {
        permissions: Vec<PermissionEntry>,
        /// Whether a person is asked about everything, whatever is allowed.
        ask_everything: bool,
        /// What ran unasked since Tidegate started, newest first; not all of much.
        unasked: Vec<UnaskedEntry>,
        /// How many commands and files nobody was asked about since Tidegate started.
        unasked_count: u64,
    }
    /// `tidegate.permissions.revoke`.
    PermissionRevokedResult {
        id: String,
        /// Whether it also holds after a restart.
        saved: bool,
        /// How many commands were ended that it had allowed.
        ended_commands: u64,
    }
    /// `tidegate.permissions.askEverything`, `tidegate.permissions.use`: what holds from now on.
    AskEverythingResult {
        ask_everything: bool,
        /// Whether it also holds after a restart.
        saved: bool,
    }
}
