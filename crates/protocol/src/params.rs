//! The parameters of methods. Those of turns, of sessions and of lists are in
//! modules of their own, and those of the person's own surfaces in [`crate::payload::surface_params`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::DeviceId;
use crate::field::{Ignored, Refused, reasons as because};
use crate::ids::SessionKey;

mod lists;
mod runs;
mod sessions;

pub use lists::*;
pub use runs::*;
pub use sessions::*;

objects! {
    /// For methods without parameters.
    #[derive(Default)]
    Empty {}
    /// `health`.
    Health {
        probe: Option<Ignored<because::NoChannelsToAsk>>,
        include_sensitive: Option<Ignored<because::NothingSensitive>>,
    }
    /// The request that `device.pair.approve` or `device.pair.reject` is about.
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
        scopes: Option<Refused<because::ScopesOfTheDevice>>,
    }
    /// `device.token.revoke`.
    TokenRevoke {
        device_id: DeviceId,
        role: String,
    }
    /// `logs.tail`.
    #[derive(Default)]
    LogsTail {
        cursor: Option<u64>,
        limit: Option<u32>,
        max_bytes: Option<u32>,
    }
    /// `exec.approval.request`.
    ExecApprovalRequest {
        id: Option<String>,
        command: Option<String>,
        command_argv: Option<Vec<String>>,
        env: Option<std::collections::BTreeMap<String, String>>,
        cwd: Option<String>,
        session_key: Option<SessionKey>,
        timeout_ms: Option<u64>,
        two_phase: Option<bool>,
        security: Option<Refused<because::PersonDecides>>,
        ask: Option<Refused<because::AlwaysAsked>>,
        host: Option<Refused<because::OnThisComputer>>,
        node_id: Option<Refused<because::NoNodes>>,
        system_run_plan: Option<Refused<because::NoNodes>>,
        scope: Option<Refused<because::CommandsOnly>>,
        warning_text: Option<Refused<because::NoWarnings>>,
        approval_reviewer_device_ids: Option<Refused<because::ScopesDecide>>,
        require_delivery_route: Option<Refused<because::NoChannels>>,
        /// What is not to be offered.
        unavailable_decisions: Option<Vec<NeverOffered>>,
        suppress_delivery: Option<Ignored<because::OnlyDeciders>>,
        deliver_to_approval_clients_only: Option<Ignored<because::OnlyDeciders>>,
        command_spans: Option<Ignored<because::ShownAsSent>>,
        resolved_path: Option<Ignored<because::ShownAsSent>>,
        agent_id: Option<Ignored<because::OfTheClient>>,
        session_id: Option<Ignored<because::OfTheClient>>,
        run_id: Option<Ignored<because::OfTheClient>>,
        tool_call_id: Option<Ignored<because::OfTheClient>>,
        turn_source_channel: Option<Ignored<because::OnlyDeciders>>,
        turn_source_to: Option<Ignored<because::OnlyDeciders>>,
        turn_source_account_id: Option<Ignored<because::OnlyDeciders>>,
        turn_source_thread_id: Option<Ignored<because::OnlyDeciders>>,
    }
    /// `exec.approval.resolve`.
    ExecApprovalResolve {
        id: String,
        decision: String,
        reviewer: Option<Refused<because::CallerDecides>>,
        grant_expires_in_days: Option<Refused<because::NeverLasting>>,
    }
    /// `exec.approval.waitDecision`.
    ExecApprovalWait {
        id: String,
    }
    /// `system-event`.
    SystemEvent {
        text: String,
        device_id: Option<Ignored<because::SeenByTheGateway>>,
        instance_id: Option<Ignored<because::SeenByTheGateway>>,
        host: Option<Ignored<because::SeenByTheGateway>>,
        ip: Option<Ignored<because::SeenByTheGateway>>,
        mode: Option<Ignored<because::SeenByTheGateway>>,
        version: Option<Ignored<because::SeenByTheGateway>>,
        platform: Option<Ignored<because::SeenByTheGateway>>,
        device_family: Option<Ignored<because::SeenByTheGateway>>,
        model_identifier: Option<Ignored<because::SeenByTheGateway>>,
        last_input_seconds: Option<Ignored<because::SeenByTheGateway>>,
        reason: Option<Ignored<because::SeenByTheGateway>>,
        roles: Option<Ignored<because::SeenByTheGateway>>,
        scopes: Option<Ignored<because::SeenByTheGateway>>,
        tags: Option<Ignored<because::SeenByTheGateway>>,
        session_key: Option<Ignored<because::SeenByTheGateway>>,
    }
}

impl ExecApprovalResolve {
    /// A decision about the command of this id.
    #[must_use]
    pub fn new(id: String, decision: String) -> Self {
        Self { id, decision, reviewer: None, grant_expires_in_days: None }
    }
}

/// A decision that is never offered, so that a request may say that it is not. Without "allow once" or
/// "deny", a person could not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum NeverOffered {
    AllowAlways,
}
