//! The parts that take connections.

use tidegate_gateway::Gateway;
use tidegate_gateway::listener;
use tidegate_gateway::local_socket::{self, LocalListener};
use tidegate_gateway::upgrade::UpgradeRules;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::foundation::Place;
use crate::parts::Parts;
use crate::state_dir::{control_socket, make_private};

/// Serves the port.
pub(crate) fn tcp(
    parts: &Parts,
    listener: TcpListener,
    port: u16,
    gateway: Gateway,
    stop: CancellationToken,
) {
    parts.spawn("accept loop", listener::serve(listener, gateway, UpgradeRules::loopback(port), stop));
}

/// Serves the person's command line. Where that is not possible, everything else is served, and
/// the sentence says what is missing.
pub(crate) async fn local(
    parts: &Parts,
    place: &Place,
    gateway: Gateway,
    stop: CancellationToken,
) -> Result<(), String> {
    let missing = |reason: String| {
        tracing::error!(%reason, "there is no local socket");
        format!("The command line cannot reach Tidegate: {reason}")
    };
    if !place.may_write {
        return Err(missing("its directory cannot be written.".to_owned()));
    }
    let path = control_socket(&place.state_dir).map_err(|error| missing(format!("{error}.")))?;
    if let Some(parent) = path.parent() {
        make_private(parent).map_err(|error| missing(error.to_string()))?;
    }
    let listener = LocalListener::bind(&path).await.map_err(|error| missing(error.to_string()))?;
    parts.spawn("local socket", local_socket::serve(listener, gateway, stop));
    Ok(())
}
