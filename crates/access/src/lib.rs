//! The trust service: the one [`Authority`](tidegate_trust::Authority) of a process, what waits for a
//! decision, saving what was decided, the audit log, and telling of changes. It lives as long as the
//! process. A gateway attaches to it, and is the part that restarts.

mod approvals;
mod audit;
mod client_decisions;
mod decisions;
mod permissions;
mod ports;
mod service;
mod writer;

pub use approvals::{AllowError, RunRequest};
pub use client_decisions::ClientDecisions;
pub use decisions::{DecideError, TokenError};
pub use permissions::{PermissionUse, Unasked};
pub use ports::{Connections, Runs};
pub use service::{StoreKind, TrustService};
