//! Connections that a listener accepted, served by the gateway.

use tidegate_peers::LocalSocket;
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::{Accepted, Connections, Transport};

use crate::connection::{Arrival, serve, serve_local};
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
        let Accepted { socket, remote, user_agent, deadline, slot } = accepted;
        match socket {
            Some(socket @ LocalSocket::Unix(_)) => {
                serve_local(self.clone(), transport, socket, deadline, slot).await
            }
            Some(socket @ LocalSocket::Tcp { .. }) => {
                serve(self.clone(), transport, Arrival::local(socket, user_agent, deadline, slot)).await;
            }
            None => {
                serve(self.clone(), transport, Arrival::remote(remote.ip(), user_agent, deadline, slot)).await
            }
        }
    }
}
