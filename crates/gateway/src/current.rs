//! The gateway that serves now, for what outlives a gateway.

use std::sync::Arc;

use tokio::sync::watch;

use crate::state::Gateway;

/// Which gateway serves, if one does. A cheap handle.
#[derive(Clone)]
pub struct CurrentGateway(Arc<watch::Sender<Option<Gateway>>>);

impl CurrentGateway {
    /// Says which gateway serves from now on; `None` while it restarts.
    pub fn set(&self, gateway: Option<Gateway>) {
        self.0.send_replace(gateway);
    }

    /// The gateway that serves; `None` while it restarts.
    #[must_use]
    pub fn get(&self) -> Option<Gateway> {
        self.0.borrow().clone()
    }

    /// Waits for a gateway that serves.
    pub async fn serving(&self) -> Gateway {
        let mut gateway = self.0.subscribe();
        loop {
            if let Some(gateway) = &*gateway.borrow_and_update() {
                return gateway.clone();
            }
            // The sender lives as long as we do.
            let _ = gateway.changed().await;
        }
    }
}

impl Default for CurrentGateway {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl From<Gateway> for CurrentGateway {
    fn from(gateway: Gateway) -> Self {
        let current = Self::default();
        current.set(Some(gateway));
        current
    }
}
