//! What tests and measurements need and nobody ships.

pub mod model_server;
