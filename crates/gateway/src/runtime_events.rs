//! What the runtime tells, as the protocol's events.

mod forwarder;
mod published;

pub(crate) use forwarder::Forwarder;
pub(crate) use published::session_changed;
