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
// No `async fn`: that would keep its arguments beside the future which they are moved into.
pub fn serve<T: Transport>(
    gateway: Gateway,
    transport: T,
    arrival: Arrival,
) -> impl Future<Output = ()> + Send {
    let life = async move {
        // Boxed, so that a connection does not carry the handshake's memory through its life.
        let handshake =
            Box::pin(async { Challenged::new(gateway, transport, arrival).await?.handshake().await });
        if let Some(established) = handshake.await {
            established.serve().await;
        }
    };
    // A span of a lower level would be missing on the errors of a log that shows only these.
    life.instrument(tracing::error_span!("connection", conn = tracing::field::Empty))
}
