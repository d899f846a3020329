//! The parts that take connections.

use std::path::Path;
use std::sync::Arc;

use tidegate_gateway::Gateway;
use tidegate_gateway::listener;
use tidegate_gateway::local_socket::{self, LocalListener};
use tidegate_gateway::upgrade::UpgradeRules;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::foundation::{Place, held};
use crate::parts::Parts;
use crate::state_dir::{control_socket, make_private};
use crate::survivors::Survivors;

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
/// a sentence says what is missing. As long as commands of the process before are left, one of them
/// could be who connects, so the socket opens when they are gone.
pub(crate) async fn local(
    parts: &Parts,
    place: &Place,
    control: &Arc<Control>,
    gateway: &Gateway,
    survivors: Survivors,
    stop: &CancellationToken,
) {
    let missing = |control: &Control, reason: &str| {
        tracing::error!(%reason, "there is no local socket");
        *held(&control.local_socket) = Some(format!("The command line cannot reach Tidegate: {reason}"));
    };
    if !place.may_write {
        return missing(control, "its directory cannot be written.");
    }
    let path = match control_socket(&place.state_dir) {
        Ok(path) => path,
        Err(error) => return missing(control, &format!("{error}.")),
    };
    let (control, gateway, stop) = (control.clone(), gateway.clone(), stop.clone());
    if !survivors.are_left() {
        return match bind(&path).await {
            Ok(listener) => parts.spawn("local socket", local_socket::serve(listener, gateway, stop)),
            Err(reason) => missing(&control, &reason),
        };
    }
    missing(&control, &survivors.sentence());
    parts.spawn("local socket", async move {
        if stop.run_until_cancelled(survivors.gone()).await.is_none() {
            return;
        }
        match bind(&path).await {
            Ok(listener) => {
                *held(&control.local_socket) = None;
                local_socket::serve(listener, gateway, stop).await;
            }
            Err(reason) => {
                missing(&control, &reason);
                // The rest is served, as it would be without a socket from the start.
                stop.cancelled().await;
            }
        }
    });
}

async fn bind(path: &Path) -> Result<LocalListener, String> {
    if let Some(parent) = path.parent() {
        make_private(parent).map_err(|error| error.to_string())?;
    }
    LocalListener::bind(path).await.map_err(|error| error.to_string())
}
