//! Tidegate's gateway: listener, upgrade checks, connections, dispatch, event fan-out, and the
//! in-process transport of our own subagent client.

mod accepted;
pub mod admission_slots;
pub mod approvals;
pub mod connection;
mod dispatch;
mod frame_meter;
mod gatekeeper;
pub mod gateway;
mod hub;
pub mod listener;
mod metered_io;
mod methods;
pub mod now;
pub mod peer;
pub mod port_owner;
mod runtime_events;
pub mod subagent_client;
pub mod transport;
pub mod upgrade;
pub mod websocket;

pub use approvals::PersonGate;
pub use gateway::{Gateway, GatewayParts, Host};
pub use subagent_client::SubagentClient;
