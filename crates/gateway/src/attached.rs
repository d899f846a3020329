//! What decisions lead to on the connections of this gateway, and on the runs of clients.

use std::sync::Arc;

use tidegate_access::{Connections, Runs};
use tidegate_agent::Runtime;
use tidegate_protocol::payload::approvals::ApprovalResolvedEvent;
use tidegate_protocol::payload::devices::PendingDevice;
use tidegate_protocol::payload::events::DevicePairResolvedEvent;
use tidegate_protocol::{ConnectionId, event};
use tidegate_trust::approval::{PendingApproval, ResolvedApproval};
use tidegate_trust::pairing::PendingRequest;
use tokio_util::sync::CancellationToken;

use crate::approvals;
use crate::hub::{Audience, Hub};
use crate::now;

/// The connections of this gateway, as the trust service knows them.
pub(crate) struct AttachedConnections {
    pub(crate) hub: Arc<Hub>,
    /// Stops the gateway.
    pub(crate) stop: CancellationToken,
}

impl Connections for AttachedConnections {
    fn close_revoked(&self, connections: &[ConnectionId], asked_by: Option<&ConnectionId>) {
        self.hub.close_revoked(connections, asked_by);
    }

    fn request_waits(&self, request: &PendingRequest) {
        self.hub.publish::<event::DevicePairRequested>(&pending_payload(request), Audience::Everyone);
    }

    fn request_ended(&self, request: &PendingRequest, approved: bool) {
        let payload = DevicePairResolvedEvent {
            request_id: request.id.clone(),
            device_id: request.details.subject.name(),
            decision: if approved { "approved" } else { "rejected" }.to_owned(),
            ts: now::wall(),
        };
        self.hub.publish::<event::DevicePairResolved>(&payload, Audience::Everyone);
    }

    fn command_waits(&self, waiting: &PendingApproval) {
        self.hub.publish::<event::ExecApprovalRequested>(&approvals::payload(waiting), Audience::Everyone);
    }

    fn command_ended(&self, resolved: &ResolvedApproval) {
        let payload = ApprovalResolvedEvent {
            id: resolved.waiting.id.clone(),
            decision: resolved.decision,
            resolved_by: resolved.by.clone(),
            ts: now::wall(),
        };
        self.hub.publish::<event::ExecApprovalResolved>(&payload, Audience::Everyone);
    }

    fn cut_off(&self) {
        self.stop.cancel();
        self.hub.cut_off();
    }
}

/// The runs of clients, as the trust service knows them.
pub(crate) struct ClientRuns(pub(crate) Runtime);

impl Runs for ClientRuns {
    fn admit_client(&self, client: &str) {
        self.0.admit_client(client);
    }

    fn stop_client(&self, client: &str) {
        self.0.stop_client(client);
    }

    fn stop_run(&self, run: &str) {
        self.0.stop_run(run);
    }
}

/// A waiting request as `device.pair.list` and `device.pair.requested` show it.
pub(crate) fn pending_payload(request: &PendingRequest) -> PendingDevice {
    let ask = &request.details;
    PendingDevice {
        request_id: request.id.clone(),
        device_id: ask.subject.name(),
        public_key: ask.key.map(|key| key.to_string()).unwrap_or_default(),
        display_name: ask.claims.display_name.clone(),
        platform: ask.claims.platform.clone(),
        device_family: ask.claims.device_family.clone(),
        client_id: ask.claims.client_id.clone(),
        client_mode: ask.claims.client_mode.clone(),
        role: ask.role.clone(),
        roles: vec![ask.role.clone()],
        scopes: ask.asked.to_vec(),
        is_repair: !ask.has.is_empty(),
        ts: request.created_at,
        ..PendingDevice::default()
    }
}
