//! The parameters of methods (protocol sections 11 and 15): closed objects, so that an unknown
//! field is refused by name. An optional field without a value is left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::DeviceId;
use crate::field::{Ignored, Refused, ServedAgent, reasons as because};
use crate::ids::{AgentId, SessionKey};

macro_rules! params {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[serde_with_macros::skip_serializing_none]
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            #[allow(missing_docs, reason = "the names are the protocol's")]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
            }
        )*
    };
}

mod runs;
mod sessions;

pub use runs::*;
pub use sessions::*;

params! {
    /// No parameters.
    #[derive(Default)]
    Empty {}
    /// `health`; further fields of clients are not looked at by OpenClaw either, but named ones are.
    Health {
        #[serde(default)] probe: Option<bool>,
        #[serde(default)] include_sensitive: Option<bool>,
    }
    /// `device.pair.approve`, `device.pair.reject`.
    RequestId {
        request_id: String,
    }
    /// `device.pair.remove`.
    Device {
        device_id: DeviceId,
    }
    /// `device.pair.rename`.
    DeviceRename {
        device_id: DeviceId,
        label: String,
    }
    /// `device.token.rotate`.
    TokenRotate {
        device_id: DeviceId,
        role: String,
        #[serde(default)] scopes: Option<Refused<because::ScopesOfTheDevice>>,
    }
    /// `device.token.revoke`.
    TokenRevoke {
        device_id: DeviceId,
        role: String,
    }
    /// `models.list`.
    #[derive(Default)]
    ModelsList {
        #[serde(default)] agent_id: Option<ServedAgent>,
        #[serde(default)] session_key: Option<Ignored<because::SameModelsForAll>>,
        #[serde(default)] view: Option<ModelsView>,
        #[serde(default)] refresh: Option<Ignored<because::AlwaysFresh>>,
        #[serde(default)] prepared_only: Option<Ignored<because::AlwaysPrepared>>,
        #[serde(default)] include_provider_capabilities: Option<Ignored<because::NoProviderKinds>>,
    }
    /// `cron.list`.
    #[derive(Default)]
    CronList {
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] agent_id: Option<Ignored<because::NoJobs>>,
        #[serde(default)] include_disabled: Option<Ignored<because::NoJobs>>,
        #[serde(default)] query: Option<Ignored<because::NoJobs>>,
        #[serde(default)] enabled: Option<Ignored<because::NoJobs>>,
        #[serde(default)] schedule_kind: Option<Ignored<because::NoJobs>>,
        #[serde(default)] last_run_status: Option<Ignored<because::NoJobs>>,
        #[serde(default)] trigger: Option<Ignored<because::NoJobs>>,
        #[serde(default)] sort_by: Option<Ignored<because::NoJobs>>,
        #[serde(default)] sort_dir: Option<Ignored<because::NoJobs>>,
        #[serde(default)] compact: Option<Ignored<because::NoJobs>>,
        #[serde(default)] include_delivery_previews: Option<Ignored<because::NoJobs>>,
    }
    /// `channels.status`.
    #[derive(Default)]
    ChannelsStatus {
        #[serde(default)] probe: Option<Ignored<because::NoChannelsToAsk>>,
        #[serde(default)] timeout_ms: Option<Ignored<because::NoChannelsToAsk>>,
        #[serde(default)] channel: Option<Ignored<because::NoChannelsToAsk>>,
    }
    /// `commands.list`, `tools.catalog` and other lists: what clients
    /// narrow them by. Nothing here has more entries than one answer holds.
    #[derive(Default)]
    ListOptions {
        #[serde(default)] agent_id: Option<AgentId>,
        #[serde(default)] session_key: Option<SessionKey>,
        #[serde(default)] include_plugins: Option<bool>,
        #[serde(default)] include_disabled: Option<bool>,
        #[serde(default)] include_args: Option<bool>,
        #[serde(default)] provider: Option<String>,
        #[serde(default)] scope: Option<String>,
        #[serde(default)] view: Option<String>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] offset: Option<u32>,
        #[serde(default)] query: Option<String>,
        #[serde(default)] enabled: Option<String>,
        #[serde(default)] sort_by: Option<String>,
        #[serde(default)] sort_dir: Option<String>,
        #[serde(default)] probe: Option<bool>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] refresh: Option<bool>,
    }
    /// `logs.tail`.
    #[derive(Default)]
    LogsTail {
        #[serde(default)] cursor: Option<u64>,
        #[serde(default)] limit: Option<u32>,
        #[serde(default)] max_bytes: Option<u32>,
    }
    /// `exec.approval.request`.
    ExecApprovalRequest {
        #[serde(default)] id: Option<String>,
        #[serde(default)] command: Option<String>,
        #[serde(default)] command_argv: Option<Vec<String>>,
        #[serde(default)] env: Option<std::collections::BTreeMap<String, String>>,
        #[serde(default)] cwd: Option<String>,
        #[serde(default)] session_key: Option<SessionKey>,
        #[serde(default)] timeout_ms: Option<u64>,
        #[serde(default)] two_phase: Option<bool>,
        #[serde(default)] security: Option<Refused<because::PersonDecides>>,
        #[serde(default)] ask: Option<Refused<because::AlwaysAsked>>,
        #[serde(default)] host: Option<Refused<because::OnThisComputer>>,
        #[serde(default)] node_id: Option<Refused<because::NoNodes>>,
        #[serde(default)] system_run_plan: Option<Refused<because::NoNodes>>,
        #[serde(default)] scope: Option<Refused<because::CommandsOnly>>,
        #[serde(default)] warning_text: Option<Refused<because::NoWarnings>>,
        #[serde(default)] approval_reviewer_device_ids: Option<Refused<because::ScopesDecide>>,
        #[serde(default)] require_delivery_route: Option<Refused<because::NoChannels>>,
        #[serde(default)] unavailable_decisions: Option<Ignored<because::NeverAlways>>,
        #[serde(default)] suppress_delivery: Option<Ignored<because::OnlyDeciders>>,
        #[serde(default)] deliver_to_approval_clients_only: Option<Ignored<because::OnlyDeciders>>,
        #[serde(default)] command_spans: Option<Ignored<because::ShownAsSent>>,
        #[serde(default)] resolved_path: Option<Ignored<because::ShownAsSent>>,
        #[serde(default)] agent_id: Option<Ignored<because::OfTheClient>>,
        #[serde(default)] session_id: Option<Ignored<because::OfTheClient>>,
        #[serde(default)] run_id: Option<Ignored<because::OfTheClient>>,
        #[serde(default)] tool_call_id: Option<Ignored<because::OfTheClient>>,
        #[serde(default)] turn_source_channel: Option<Ignored<because::OnlyDeciders>>,
        #[serde(default)] turn_source_to: Option<Ignored<because::OnlyDeciders>>,
        #[serde(default)] turn_source_account_id: Option<Ignored<because::OnlyDeciders>>,
        #[serde(default)] turn_source_thread_id: Option<Ignored<because::OnlyDeciders>>,
    }
    /// `exec.approval.resolve`.
    ExecApprovalResolve {
        id: String,
        decision: String,
        #[serde(default)] reviewer: Option<Refused<because::CallerDecides>>,
        #[serde(default)] grant_expires_in_days: Option<Refused<because::NeverLasting>>,
    }
    /// `exec.approval.waitDecision`.
    ExecApprovalWait {
        id: String,
    }
    /// `system-event`.
    SystemEvent {
        text: String,
        #[serde(default)] device_id: Option<String>,
        #[serde(default)] instance_id: Option<String>,
        #[serde(default)] host: Option<String>,
        #[serde(default)] ip: Option<String>,
        #[serde(default)] mode: Option<String>,
        #[serde(default)] version: Option<String>,
        #[serde(default)] platform: Option<String>,
        #[serde(default)] device_family: Option<String>,
        #[serde(default)] model_identifier: Option<String>,
        #[serde(default)] last_input_seconds: Option<f64>,
        #[serde(default)] reason: Option<String>,
        #[serde(default)] roles: Option<Vec<String>>,
        #[serde(default)] scopes: Option<Vec<String>>,
        #[serde(default)] tags: Option<Vec<String>>,
        #[serde(default)] session_key: Option<SessionKey>,
    }
}

/// Which models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum ModelsView {
    Default,
    Configured,
    ProviderConfig,
    All,
}

impl ExecApprovalResolve {
    /// A decision about the command of this id.
    #[must_use]
    pub fn new(id: String, decision: String) -> Self {
        Self { id, decision, reviewer: None, grant_expires_in_days: None }
    }
}
