//! The parts that take connections.

use std::path::Path;

use tidegate_gateway::Gateway;
use tidegate_transport::Connections;
use tidegate_transport::listener::{self, ListenerLimits};
use tidegate_transport::local_socket::{self, LocalListener};
use tidegate_transport::upgrade::UpgradeRules;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::control::{LocalSocketState, NoLocalSocket};
use crate::parts::Parts;
use crate::process_context::{Place, held};
use crate::state_dir::{control_socket, make_private};
use crate::survivors::Leftovers;

/// Serves the port.
pub(crate) fn tcp(
    parts: &Parts,
    listener: TcpListener,
    port: u16,
    gateway: Gateway,
    stop: CancellationToken,
) {
    let (rules, limits) = (UpgradeRules::loopback(port), ListenerLimits::default());
    parts.spawn("accept loop", listener::serve(listener, gateway, rules, limits, stop));
}

/// Serves the person's command line. Where that is not possible, everything else is served, and
/// a sentence says what is missing. As long as commands of the process before are left, one of them
/// could be who connects, so the socket opens when they are gone.
pub(crate) async fn local(
    parts: &Parts,
    place: &Place,
    state: &LocalSocketState,
    connections: &impl Connections,
    leftovers: Option<Leftovers>,
    stop: &CancellationToken,
) {
    let missing = |state: &LocalSocketState, reason: &str, todo: Option<&'static str>| {
        tracing::error!(%reason, "there is no local socket");
        let sentence = format!("The command line cannot reach Tidegate: {reason}");
        *held(state) = Some(NoLocalSocket { sentence, todo });
    };
    let restart = Some("Restart Tidegate once that is repaired.");
    if !place.may_write {
        return missing(state, "its directory cannot be written.", restart);
    }
    let path = match control_socket(&place.state_dir) {
        Ok(path) => path,
        Err(error) => return missing(state, &format!("{error}."), restart),
    };
    let (state, connections, stop) = (state.clone(), connections.clone(), stop.clone());
    let Some(mut leftovers) = leftovers.filter(|left| !left.are_gone()) else {
        return match bind(&path).await {
            Ok(listener) => {
                *held(&state) = None;
                parts.spawn("local socket", local_socket::serve(listener, connections, stop));
            }
            Err(reason) => missing(&state, &reason, restart),
        };
    };
    // A restart would not help: the sentence says what does.
    missing(&state, &leftovers.sentence, None);
    parts.spawn("local socket", async move {
        match stop.run_until_cancelled(leftovers.gone()).await {
            Some(true) => {}
            // They are not gone, and nobody ends them any more.
            Some(false) => return stop.cancelled().await,
            None => return,
        }
        match bind(&path).await {
            Ok(listener) => {
                *held(&state) = None;
                local_socket::serve(listener, connections, stop).await;
            }
            Err(reason) => {
                missing(&state, &reason, restart);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_peers::commands::RunningCommands;
    use tidegate_peers::orphans::{Orphan, Orphans};
    use tidegate_transport::receive_budget::ReceiveBudget;
    use tidegate_transport::{Accepted, Transport};

    use super::*;
    use crate::survivors::Survivors;

    /// Takes connections and says nothing.
    #[derive(Clone)]
    struct Silent;

    impl Connections for Silent {
        fn is_ready(&self) -> bool {
            true
        }

        fn receive_budget(&self) -> ReceiveBudget {
            ReceiveBudget::new(0)
        }

        async fn serve<T: Transport>(&self, _transport: T, _accepted: Accepted) {}
    }

    /// Time stands still until everything waits for it, and the next look at what is left waits for a second.
    #[tokio::test(start_paused = true)]
    async fn the_socket_opens_when_no_command_of_before_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let state_dir = directory.path().join("state");
        let place = Place { state_dir: state_dir.clone(), config: state_dir.join("c"), may_write: true };
        let left = vec![Orphan { pid: 4242, command: "dd".to_owned() }];
        for (left, is_open_at_once) in [(left, false), (Vec::new(), true)] {
            let found = Orphans { ended: Vec::new(), left };
            let survivors = Survivors::new(state_dir.clone(), Some(found), &RunningCommands::default());
            let (parts, stop) = (Parts::new(state_dir.clone()), CancellationToken::new());
            let (state, socket) = (LocalSocketState::default(), state_dir.join("control.sock"));

            let leftovers = survivors.end_rest(&parts, stop.clone());
            local(&parts, &place, &state, &Silent, leftovers, &stop).await;
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }

            assert_eq!(socket.exists(), is_open_at_once);
            let told = held(&state).as_ref().map(|missing| missing.sentence.clone());
            let names_it = told.is_some_and(|told| told.contains("could not be ended: dd (process 4242)"));
            assert_eq!(names_it, !is_open_at_once);
            // There is none of that number below this directory, so that they are gone at the next look.
            while !socket.exists() || held(&state).is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
            parts.all_ended().await;
        }
    }
}
