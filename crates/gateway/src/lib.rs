//! Tidegate's gateway: listener, upgrade checks, connections, dispatch, event fan-out, and the
//! in-process transport of our own subagent client.

pub mod approvals;
pub mod connection;
mod dispatch;
mod gatekeeper;
pub mod gateway;
mod hub;
mod methods;
pub mod now;
pub mod peer;
mod runtime_events;
pub mod subagent_client;
pub mod transport;

pub use approvals::PersonGate;
pub use gateway::{Gateway, GatewayParts, Host};
pub use subagent_client::SubagentClient;
