//! What the listeners have in common: the loop that accepts connections, and who takes them over.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_clock::Backoff;
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
/// After a failed `accept`.
const RETRY: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));

/// Accepts connections until `stop`, and hands each to `start`, which must not block. `accept` polls the
/// listener, which the log calls `listener`.
pub(crate) async fn accept_until<T>(
    listener: &'static str,
    stop: &CancellationToken,
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    mut start: impl FnMut(T),
) {
    let mut failures = 0;
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
                    failures = 0;
                    in_a_row += 1;
                    start(connection);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    let pause = RETRY.pause(failures);
                    failures = failures.saturating_add(1);
                    tracing::warn!(listener, %error, ?pause, "failed to accept a connection; retrying");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                }
            },
        }
    }
}

/// Whether only that one connection failed. Otherwise descriptors or memory ran out, and trying again at
/// once would only burn the processor.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const TOO_MANY_OPEN_FILES: i32 = 24;

    #[tokio::test(start_paused = true)]
    async fn a_failed_accept_is_retried_with_growing_pauses() {
        let (stop, started) = (CancellationToken::new(), Instant::now());
        let attempts = RefCell::new(Vec::new());
        let accept = |_: &mut Context<'_>| {
            attempts.borrow_mut().push(started.elapsed().as_millis());
            if attempts.borrow().len() == 4 {
                stop.cancel();
            }
            Poll::Ready(Err::<(), _>(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES)))
        };

        accept_until("test", &stop, accept, |()| panic!("nothing was accepted")).await;

        assert_eq!(*attempts.borrow(), [0, 20, 60, 140]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ended_at_once_delays_no_other() {
        let (stop, started) = (CancellationToken::new(), Instant::now());
        let results = RefCell::new(vec![Ok(2), Err(io::ErrorKind::ConnectionAborted.into()), Ok(1)]);
        let accept = |_: &mut Context<'_>| results.borrow_mut().pop().map_or(Poll::Pending, Poll::Ready);
        let accepted = RefCell::new(Vec::new());

        accept_until("test", &stop, accept, |connection| {
            accepted.borrow_mut().push(connection);
            if connection == 2 {
                stop.cancel();
            }
        })
        .await;

        assert_eq!(*accepted.borrow(), [1, 2]);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
