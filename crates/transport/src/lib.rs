//! Transport: the listener on TCP, the local socket and the in-process channel, with the checks and limits of
//! connections, frames and bytes, before and after authentication. Sessions, methods and decisions are for the gateway, which takes
//! connections over through [`accept::Connections`].

pub mod accept;
pub mod admission_slots;
pub mod channel;
mod connection_tasks;
pub mod descriptors;
mod frame_meter;
#[cfg(unix)]
pub mod lines;
pub mod listener;
#[cfg(unix)]
pub mod local_socket;
mod metered_io;
pub mod receive_budget;
mod transport;
pub mod upgrade;
pub mod websocket;

pub use accept::{Accepted, Connections};
pub use channel::{ChannelClient, ClientReceived};
pub use transport::{Gone, Received, Transport};
