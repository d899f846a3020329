//! Parameters of the methods of the person's own surfaces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::payload::permissions::ApprovalVerdict;
use crate::{RunId, Scope, SessionKey};

words! {
    /// How much a person lets a client do, when they choose by level instead of scope by scope.
    /// `operator.pairing` is part of no level.
    Level {
        /// Look, change nothing.
        Read = "read",
        /// Also talk to agents.
        Write = "write",
        /// Also change sessions, settings, and decide about commands and files.
        Full = "full",
    }
    /// What is decided.
    VerdictName {
        Approve = "approve",
        Reject = "reject",
        Later = "later",
        Block = "block",
    }
    /// How long a grant lasts.
    #[derive(Default)]
    GrantLifetime {
        /// Until it is revoked.
        #[default]
        Always = "always",
        /// Until Tidegate quits.
        UntilQuit = "until-quit",
        /// For the next admission, within 5 minutes.
        Once = "once",
    }
}

/// `tidegate.dialog.open`: the dialog that a surface requests, and what it begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum DialogOpen {
    /// The review of a pending request, command or value of the configuration.
    Review {
        /// Its id, or at least the first 8 characters of it; the oldest without one.
        id: Option<String>,
    },
    /// A new program token.
    NewToken {
        /// The name to begin with.
        #[serde(default)]
        name: String,
        /// The level to begin with: `read` without one.
        level: Option<Level>,
        /// Whether it may manage pairing.
        #[serde(default)]
        pairing: bool,
    },
    /// The key of a model server.
    ModelKey {
        /// The server's id to begin with.
        #[serde(default)]
        id: String,
        /// The base URL to begin with.
        #[serde(default)]
        base_url: String,
    },
    /// The chooser of the folder in which a session works.
    Workspace { key: SessionKey },
}

/// A secret on its way to the gateway: never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretParam(String);

impl SecretParam {
    /// Takes over a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Gives the secret out; the caller keeps it from logs.
    #[must_use]
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for SecretParam {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[secret]")
    }
}

objects! {
    /// `tidegate.token.revoke`, `tidegate.devices.show`, `tidegate.devices.revoke`,
    /// `tidegate.devices.block`, `tidegate.devices.unblock`, `tidegate.files.show`,
    /// `tidegate.files.discard`: one thing by its id.
    ById {
        id: String,
    }
    /// `tidegate.devices.decide`: a level, or scopes, or neither for all that is asked.
    Decide {
        /// The request's id, or at least its first 8 characters.
        request_id: String,
        verdict: VerdictName,
        /// Of what was shown; the decision is refused when it is something else now.
        digest: Option<String>,
        level: Option<Level>,
        scopes: Option<Vec<Scope>>,
        /// With a level: it may also manage pairing.
        #[serde(default)] pairing: bool,
        #[serde(default)] duration: GrantLifetime,
    }
    /// `tidegate.token.new`.
    TokenNew {
        name: String,
        level: Level,
        #[serde(default)] pairing: bool,
    }
    /// `tidegate.models.add`.
    AddProvider {
        id: String,
        base_url: String,
        #[serde(default)] models: Vec<String>,
        /// The key itself, which is kept in the keyring.
        key: Option<SecretParam>,
        /// Where the key is: a reference to a variable or a file.
        key_ref: Option<String>,
    }
    /// `tidegate.models.use`, `tidegate.models.test`: `provider/model`.
    ModelChoice {
        model: Option<String>,
    }
    /// `tidegate.models.take`: `provider/model`, and who runs the server, as it was shown.
    TakeServer {
        model: String,
        owner: Option<String>,
    }
    /// `tidegate.files.keep`.
    KeepFile {
        id: String,
        /// Of what `tidegate.files.show` told; beside a desktop, its dialog shows the file itself.
        digest: Option<String>,
    }
    /// `tidegate.files.unshare`.
    UnshareFolder {
        /// Absolute, and without symbolic links.
        folder: String,
        /// Whether to do it, and not only to tell what it would be; beside a desktop its dialog asks.
        #[serde(default)] apply: bool,
    }
    /// `tidegate.sessions.workspace`.
    SessionWorkspace {
        key: SessionKey,
        /// By its absolute path; `~` is the home directory. None for the folder that sessions have when
        /// nobody chose one for them.
        folder: Option<String>,
        /// Of what was shown, to choose it; without one this only tells what the choice would be. Beside a
        /// desktop its dialog asks.
        digest: Option<String>,
    }
    /// `tidegate.config.confirm`.
    ConfirmSetting {
        /// Where it stands in the file.
        key: String,
        /// Of exactly the value that was shown.
        digest: String,
    }
    /// `tidegate.config.reject`.
    RejectSetting {
        key: String,
        /// Of what was shown; it is not rejected when it is something else now.
        digest: Option<String>,
    }
    /// `tidegate.approvals.decide`.
    DecideApproval {
        /// The approval's id, or at least its first 4 characters.
        id: String,
        verdict: ApprovalVerdict,
    }
    /// `tidegate.commands.interrupt`: the command of a tool call.
    InterruptCommand {
        tool_call_id: String,
        /// Needed only where commands of several runs have the same tool call id.
        run_id: Option<RunId>,
    }
    /// `tidegate.audit`.
    Audit {
        limit: Option<u32>,
    }
}
