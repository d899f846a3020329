//! Tidegate's gateway: connections from the handshake on, dispatch, methods, event fan-out, and our own subagent
//! client.

mod accepted;
pub mod approvals;
mod attached;
pub mod connection;
mod connection_places;
mod current;
pub mod desktop_authority;
pub mod dialog_requests;
mod dispatch;
mod gateway;
mod health_cache;
pub mod host;
mod hub;
mod methods;
mod outbox;
mod run_ends;
mod runtime_events;
mod session_rows;
mod state;
pub mod subagent_client;
mod transcript;

use tidegate_clock as now;

pub use approvals::PersonGate;
pub use current::CurrentGateway;
pub use desktop_authority::{ClientDecisions, DesktopAuthority, DesktopError};
pub use dialog_requests::DialogRequest;
pub use host::Host;
pub use state::{Gateway, GatewayParts};
pub use subagent_client::SubagentClient;
pub use tidegate_access::TrustService;
