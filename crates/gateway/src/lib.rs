//! Tidegate's gateway: listener, upgrade checks, connections, dispatch, event fan-out, and the
//! in-process transport of our own subagent client.

mod accepted;
pub mod admission_slots;
pub mod approvals;
mod attached;
pub mod connection;
mod connection_places;
mod connection_tasks;
mod current;
pub mod descriptors;
pub mod desktop_authority;
pub mod dialog_requests;
mod dispatch;
mod frame_meter;
pub mod gateway;
pub mod host;
mod hub;
#[cfg(unix)]
pub mod lines;
pub mod listener;
#[cfg(unix)]
pub mod local_socket;
mod metered_io;
mod methods;
mod outbox;
pub mod receive_budget;
mod runtime_events;
pub mod subagent_client;
pub mod transport;
pub mod upgrade;
pub mod websocket;

pub use approvals::PersonGate;
pub use current::CurrentGateway;
pub use desktop_authority::{ClientDecisions, DesktopAuthority, DesktopError};
pub use dialog_requests::DialogRequest;
pub use gateway::{Gateway, GatewayParts};
pub use host::Host;
pub use subagent_client::SubagentClient;
pub use tidegate_access::TrustService;
pub use tidegate_clock as now;
