//! The parts that take connections.

use std::path::Path;
use std::sync::Arc;

use tidegate_gateway::Gateway;
use tidegate_gateway::listener;
use tidegate_gateway::local_socket::{self, LocalListener};
use tidegate_gateway::upgrade::UpgradeRules;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::control::{Control, NoLocalSocket};
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
    // Before anything that may fail: whether or not there is a socket, what is left is ended.
    let left = survivors.are_left().then(|| {
        let sentence = survivors.sentence();
        (sentence, in_background(parts, survivors.gone(), stop.clone()))
    });
    let missing = |control: &Control, reason: &str, todo: Option<&'static str>| {
        tracing::error!(%reason, "there is no local socket");
        let sentence = format!("The command line cannot reach Tidegate: {reason}");
        *held(&control.local_socket) = Some(NoLocalSocket { sentence, todo });
    };
    let restart = Some("Restart Tidegate once that is repaired.");
    if !place.may_write {
        return missing(control, "its directory cannot be written.", restart);
    }
    let path = match control_socket(&place.state_dir) {
        Ok(path) => path,
        Err(error) => return missing(control, &format!("{error}."), restart),
    };
    let (control, gateway, stop) = (control.clone(), gateway.clone(), stop.clone());
    let Some((sentence, gone)) = left else {
        return match bind(&path).await {
            Ok(listener) => parts.spawn("local socket", local_socket::serve(listener, gateway, stop)),
            Err(reason) => missing(&control, &reason, restart),
        };
    };
    // A restart would not help: the sentence says what does.
    missing(&control, &sentence, None);
    parts.spawn("local socket", async move {
        match stop.run_until_cancelled(gone).await {
            Some(Ok(())) => {}
            // They are not gone, and nobody ends them any more.
            Some(Err(_)) => return stop.cancelled().await,
            None => return,
        }
        match bind(&path).await {
            Ok(listener) => {
                *held(&control.local_socket) = None;
                local_socket::serve(listener, gateway, stop).await;
            }
            Err(reason) => {
                missing(&control, &reason, restart);
                // The rest is served, as it would be without a socket from the start.
                stop.cancelled().await;
            }
        }
    });
}

/// Goes on ending what the process before left, as a part of its own: also when nobody waits for the answer,
/// which comes when nothing is left.
fn in_background(
    parts: &Parts,
    gone: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    parts.spawn("ending of earlier commands", async move {
        if stop.run_until_cancelled(gone).await.is_some() {
            // Nobody waits where there can be no socket.
            let _ = tell.send(());
            stop.cancelled().await;
        }
    });
    told
}

async fn bind(path: &Path) -> Result<LocalListener, String> {
    if let Some(parent) = path.parent() {
        make_private(parent).map_err(|error| error.to_string())?;
    }
    LocalListener::bind(path).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn earlier_commands_are_ended_when_no_socket_waits_for_it() {
        let place = tempfile::tempdir().expect("a directory");
        let parts = Parts::new(place.path().to_owned());
        let (stop, may_end) = (CancellationToken::new(), CancellationToken::new());
        let (ended, is_ended) = oneshot::channel();
        let gone = {
            let may_end = may_end.clone();
            async move {
                may_end.cancelled().await;
                let _ = ended.send(());
            }
        };

        drop(in_background(&parts, gone, stop.clone()));
        may_end.cancel();

        assert_eq!(is_ended.await, Ok(()), "it went on");
        stop.cancel();
        parts.all_ended().await;
    }

    #[tokio::test]
    async fn the_answer_comes_when_the_earlier_commands_are_gone() {
        let place = tempfile::tempdir().expect("a directory");
        let parts = Parts::new(place.path().to_owned());
        let stop = CancellationToken::new();

        let answer = in_background(&parts, async {}, stop.clone()).await;

        assert_eq!(answer, Ok(()));
        stop.cancel();
        parts.all_ended().await;
    }
}
