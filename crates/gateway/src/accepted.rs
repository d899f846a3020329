//! Connections that the listener accepted, served by the gateway.

use crate::connection::{Arrival, serve};
use crate::gateway::Gateway;
use crate::listener::{Accepted, Connections};
use crate::transport::Transport;

impl Connections for Gateway {
    fn is_ready(&self) -> bool {
        Gateway::is_ready(self)
    }

    async fn serve<T: Transport>(&self, transport: T, accepted: Accepted) {
        let Accepted { socket, remote, user_agent, deadline, slot } = accepted;
        let slot: Box<dyn Send + Sync> = Box::new(slot);
        let arrival = match socket {
            Some(socket) => Arrival::local(socket, user_agent, deadline, slot),
            None => Arrival::remote(remote.ip(), user_agent, deadline, slot),
        };
        serve(self.clone(), transport, arrival).await;
    }
}

