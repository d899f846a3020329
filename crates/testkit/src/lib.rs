//! What tests and measurements need and nobody ships.

pub mod client;
pub mod identity;
pub mod model_server;
pub mod raw_socket;
