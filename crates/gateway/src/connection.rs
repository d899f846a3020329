//! One connection: challenge, `connect`, then requests and events until it ends.

mod arrival;
mod established;
mod handshake;
mod own_surfaces;

use tidegate_transport::Transport;
use tracing::Instrument as _;

pub use arrival::Arrival;
pub(crate) use own_surfaces::{serve_local, serve_window};

use crate::state::Gateway;

use handshake::Challenged;

/// Serves a connection until it ends.
pub async fn serve<T: Transport>(gateway: Gateway, transport: T, arrival: Arrival) {
    let life = async {
        // Boxed, so that a connection does not carry the handshake's memory through its life.
        let handshake =
            Box::pin(async { Challenged::new(gateway, transport, arrival).await?.handshake().await });
        if let Some(established) = handshake.await {
            established.serve().await;
        }
    };
    life.instrument(tracing::info_span!("connection", conn = tracing::field::Empty)).await;
}
