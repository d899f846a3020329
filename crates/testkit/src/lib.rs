//! What tests and measurements need and nobody ships.

pub mod bare_server;
pub mod client;
pub mod identity;
pub mod load;
pub mod model_server;
pub mod raw_socket;
