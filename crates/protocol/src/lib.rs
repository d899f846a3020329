//! The OpenClaw gateway protocol, versions 3 and 4, as values: frames, methods, events, scopes,
//! error and close codes, limits, and the text that a device signs.
//!
//! Nothing here does I/O, reads a clock, or draws randomness.

#[macro_use]
mod object;

pub mod audit;
pub mod chat_command;
pub mod client;
pub mod close;
pub mod confinement;
pub mod connect;
pub mod device;
pub mod dialect;
pub mod error;
pub mod event;
pub mod field;
pub mod frame;
pub mod hello;
pub mod ids;
pub mod json;
pub mod limits;
pub mod method;
pub mod not_served;
pub mod parameters;
pub mod params;
pub mod payload;
pub mod refusal;
pub mod rpc;
pub mod schema;
pub mod scope;
pub mod text;
pub mod time;
pub mod transcript;

pub use client::{ClientId, ClientInfo, ClientMode};
pub use close::{CloseCode, CloseFrame};
pub use connect::ConnectParams;
pub use device::{DeviceId, Nonce, PublicKey, SignatureBytes};
pub use dialect::Dialect;
pub use error::{ErrorCode, ErrorShape};
pub use event::Event;
pub use frame::{EventText, RequestFrame, ResponseFrame};
pub use ids::{AgentId, ConnectionId, RequestId, RunId, SessionId, SessionKey};
pub use refusal::Refusal;
pub use rpc::Method;
pub use scope::Scope;
pub use time::UnixMillis;
pub use transcript::TranscriptMessage;
