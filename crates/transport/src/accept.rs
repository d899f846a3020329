//! What the listeners have in common: the loop that accepts connections, and who takes them over.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_peers::LocalSocket;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::admission_slots::UnauthenticatedSlot;
use crate::receive_budget::ReceiveBudget;
use crate::transport::Transport;

/// A connection that is ready for the gateway's protocol.
#[derive(Debug)]
pub struct Accepted {
    /// How the kernel knows it, when both ends are on this computer.
    pub socket: Option<LocalSocket>,
    /// The other end's address. For the Unix socket, which has none, loopback with port 0.
    pub remote: SocketAddr,
    /// The `User-Agent`, cleaned and bounded.
    pub user_agent: Option<String>,
    /// When the handshake must be done, counted from the accept.
    pub deadline: Instant,
    /// Its place among the unauthenticated. To be dropped once it is let in.
    pub slot: UnauthenticatedSlot,
}

/// What takes connections over.
pub trait Connections: Clone + Send + Sync + 'static {
    /// Whether the readiness path answers yes.
    fn is_ready(&self) -> bool;

    /// Whether web pages of an origin may open a connection, beside those that the rules name.
    fn allows_origin(&self, _origin: &str) -> bool {
        false
    }

    /// The memory for unfinished messages, which the connections of all listeners share.
    fn receive_budget(&self) -> ReceiveBudget;

    /// Serves a connection until it ends.
    fn serve<T: Transport>(&self, transport: T, accepted: Accepted) -> impl Future<Output = ()> + Send;
}

/// Connections that are accepted before others have a turn. What waits in the kernel's queue costs
/// those who are in nothing; what is accepted at once runs before their next message.
const ACCEPTED_IN_A_ROW: usize = 4;

/// Accepts connections until `stop`, and hands each to `start`, which must not block. `accept` polls the
/// listener.
pub(crate) async fn accept_until<T>(
    stop: &CancellationToken,
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    mut start: impl FnMut(T),
) {
    let mut pause = AcceptPause::default();
    let mut in_a_row = 0;
    loop {
        if in_a_row == ACCEPTED_IN_A_ROW {
            in_a_row = 0;
            yield_now().await;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = poll_fn(&mut accept) => match accepted {
                Ok(connection) => {
                    pause = AcceptPause::default();
                    in_a_row += 1;
                    start(connection);
                }
                Err(error) => if let Some(pause) = pause.after(&error) {
                    tracing::warn!(%error, ?pause, "failed to accept a connection; retrying");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                },
            },
        }
    }
}

/// How long to wait after a failed `accept`.
#[derive(Debug, Default)]
struct AcceptPause {
    last: Option<Duration>,
}

impl AcceptPause {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    /// `None` when only that one connection failed; otherwise descriptors or memory ran out, and
    /// trying again at once would only burn the processor.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        let pause = self.last.map_or(Self::FIRST, |last| (last * 2).min(Self::LONGEST));
        self.last = Some(pause);
        Some(pause)
    }
}
