//! Connections that a listener accepted, served by the gateway.

use tidegate_peers::LocalSocket;
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::{Accepted, Connections, Transport};

use crate::connection::{serve, serve_local};
use crate::state::Gateway;

impl Connections for Gateway {
    fn is_ready(&self) -> bool {
        Gateway::is_ready(self)
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.inner().trust.authority().allows_origin(origin)
    }

    fn receive_budget(&self) -> ReceiveBudget {
        self.inner().receive_budget.clone()
    }

    async fn serve<T: Transport>(&self, transport: T, accepted: Accepted) {
        match accepted {
            Accepted { socket: Some(socket @ LocalSocket::Unix(_)), deadline, slot, .. } => {
                serve_local(self.clone(), transport, socket, deadline, slot).await;
            }
            accepted => serve(self.clone(), transport, accepted.into()).await,
        }
    }
}
