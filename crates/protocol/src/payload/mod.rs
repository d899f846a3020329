//! What methods answer and events carry, as types: for the schemas, and for clients in Rust.
//!
//! All objects are closed: a field that the gateway sends and that is not here fails a test. An optional
//! field without a value is left out, or is `null` where it says `serialize_always`: some clients' schemas
//! take only the one, and some only the other.

pub mod agents;
pub mod approvals;
pub mod chat;
pub mod devices;
pub mod events;
pub mod files;
pub mod frames;
pub mod lists;
pub mod permissions;
pub mod sessions;
pub mod surface_params;
pub mod surfaces;
pub mod system;
