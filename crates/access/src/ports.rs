//! What carries out what decisions lead to.

use tidegate_protocol::ConnectionId;
use tidegate_trust::approval::{PendingApproval, ResolvedApproval};
use tidegate_trust::pairing::PendingRequest;

/// The connections of the gateway that serves. Nothing here waits.
pub trait Connections: Send + Sync + 'static {
    /// Closes connections whose right to act was taken. The one that asked for it gets its answer first.
    fn close_revoked(&self, connections: &[ConnectionId], asked_by: Option<&ConnectionId>);

    /// A request waits.
    fn request_waits(&self, request: &PendingRequest);

    /// A request ended, by a decision or without one.
    fn request_ended(&self, request: &PendingRequest, approved: bool);

    /// A command or a file waits.
    fn command_waits(&self, waiting: &PendingApproval);

    /// A command or a file was decided, or waits no longer.
    fn command_ended(&self, resolved: &ResolvedApproval);

    /// Nobody may act on these connections any more: another gateway serves now, or what they may is not
    /// known any more.
    fn cut_off(&self);
}

/// The runs of clients.
pub trait Runs: Send + Sync + 'static {
    /// A client was admitted, and may start runs again.
    fn admit_client(&self, client: &str);

    /// The access of a client was revoked: its runs end.
    fn stop_client(&self, client: &str);

    /// A person denied what a run asked for, and stopped it with what it had started.
    fn stop_run(&self, run: &str);
}
