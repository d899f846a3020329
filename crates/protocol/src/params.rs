//! The parameters of methods. Those of turns, of sessions and of lists are in
//! modules of their own, and those of the person's own surfaces in [`crate::payload::surface_params`].

use crate::device::DeviceId;
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
        [Ignored NoChannelsToAsk: probe]
        [Ignored NothingSensitive: include_sensitive]
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
        [Refused ScopesOfTheDevice: scopes]
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
        /// What is not to be offered.
        unavailable_decisions: Option<Vec<NeverOffered>>,
        [Ignored OnlyDeciders: suppress_delivery, deliver_to_approval_clients_only, turn_source_channel,
            turn_source_to, turn_source_account_id, turn_source_thread_id]
        [Ignored ShownAsSent: command_spans, resolved_path]
        [Ignored OfTheClient: agent_id, session_id, run_id, tool_call_id]
        [Refused PersonDecides: security]
        [Refused AlwaysAsked: ask]
        [Refused OnThisComputer: host]
        [Refused NoNodes: node_id, system_run_plan]
        [Refused CommandsOnly: scope]
        [Refused NoWarnings: warning_text]
        [Refused ScopesDecide: approval_reviewer_device_ids]
        [Refused NoChannels: require_delivery_route]
    }
    /// `exec.approval.resolve`.
    ExecApprovalResolve (id: String, decision: String) {
        [Refused CallerDecides: reviewer]
        [Refused NeverLasting: grant_expires_in_days]
    }
    /// `exec.approval.waitDecision`.
    ExecApprovalWait {
        id: String,
    }
    /// `system-event`.
    SystemEvent {
        text: String,
        [Ignored SeenByTheGateway: device_id, instance_id, host, ip, mode, version, platform, device_family,
            model_identifier, last_input_seconds, reason, roles, scopes, tags, session_key]
    }
}

words! {
    /// A decision that is never offered, so that a request may say that it is not. Without "allow once" or
    /// "deny", a person could not decide.
    NeverOffered {
        AllowAlways = "allow-always",
    }
}
