//! Parameters of the methods of the person's own surfaces. The gateway reads them with types of its
//! own; a test sends these.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{RunId, Scope};

/// A ready-made choice of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum LevelName {
    Read,
    Write,
    Full,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum VerdictName {
    Approve,
    Reject,
    Later,
    Block,
}

/// How long a grant lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum DurationName {
    Always,
    UntilQuit,
    Once,
}

payload! {
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
        #[serde(skip_serializing_if = "Option::is_none")] digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")] level: Option<LevelName>,
        #[serde(skip_serializing_if = "Option::is_none")] scopes: Option<Vec<Scope>>,
        /// With a level: it may also let others in.
        #[serde(default)] pairing: bool,
        #[serde(skip_serializing_if = "Option::is_none")] duration: Option<DurationName>,
    }
    /// `tidegate.review`: what waits under this id, or the oldest.
    Review {
        #[serde(skip_serializing_if = "Option::is_none")] id: Option<String>,
    }
    /// `tidegate.token.new`.
    TokenNew {
        name: String,
        level: LevelName,
        #[serde(default)] pairing: bool,
    }
    /// `tidegate.token.wish`.
    TokenWish {
        #[serde(default)] name: String,
        #[serde(skip_serializing_if = "Option::is_none")] level: Option<LevelName>,
        #[serde(default)] pairing: bool,
    }
    /// `tidegate.models.wish`.
    ModelsWish {
        #[serde(default)] id: String,
        #[serde(default)] base_url: String,
    }
    /// `tidegate.models.use`, `tidegate.models.test`: `provider/model`.
    ModelChoice {
        #[serde(skip_serializing_if = "Option::is_none")] model: Option<String>,
    }
    /// `tidegate.models.take`: `provider/model`, and who runs the server, as it was shown.
    TakeServer {
        model: String,
        #[serde(skip_serializing_if = "Option::is_none")] owner: Option<String>,
    }
    /// `tidegate.files.keep`.
    KeepFile {
        id: String,
        /// Of what `tidegate.files.show` told; beside a desktop, its dialog shows the file itself.
        #[serde(skip_serializing_if = "Option::is_none")] digest: Option<String>,
    }
    /// `tidegate.files.unshare`.
    UnshareFolder {
        /// Absolute, and without symbolic links.
        folder: String,
        /// Whether to do it, and not only to tell what it would be; beside a desktop its dialog asks.
        #[serde(default)] apply: bool,
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
        #[serde(skip_serializing_if = "Option::is_none")] digest: Option<String>,
    }
    /// `tidegate.commands.interrupt`: the command of a tool call.
    InterruptCommand {
        tool_call_id: String,
        /// Needed only where commands of several runs have the same tool call id.
        #[serde(skip_serializing_if = "Option::is_none")] run_id: Option<RunId>,
    }
    /// `tidegate.audit`.
    Audit {
        #[serde(skip_serializing_if = "Option::is_none")] limit: Option<u32>,
    }
}
