//! The way to the gateway that runs.

use std::path::PathBuf;

use tidegate_cli::Failure;
use tidegate_cli::client::{Gone, Wire};
use tidegate_host::local_socket::{
    self, ConnectError, LineReceived, LinesClient, LocalSocketError, UnixStream,
};

/// Connects to the gateway of a state directory, the usual one when none is named.
pub(crate) async fn connect(state_dir: Option<PathBuf>) -> Result<LocalWire, Failure> {
    let with_state_dir = state_dir.is_some();
    let state_dir = tidegate_host::state_dir(state_dir).map_err(|error| Failure::Usage(error.to_string()))?;
    match local_socket::connect(&state_dir).await {
        Ok(client) => Ok(LocalWire(client)),
        Err(ConnectError::Socket(LocalSocketError::NotRunning { .. })) => {
            Err(Failure::NotRunning { with_state_dir })
        }
        // Another user's directory, or one that others can enter: the maker of the socket may not be
        // who it seems.
        Err(
            error @ (ConnectError::Socket(
                LocalSocketError::NotPrivate { .. } | LocalSocketError::Refused { .. },
            )
            | ConnectError::OtherUser { .. }
            | ConnectError::NotTheHost { .. }),
        ) => Err(Failure::Refused(error.to_string())),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// One JSON text a line, over the socket.
pub(crate) struct LocalWire(LinesClient<UnixStream>);

impl Wire for LocalWire {
    async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.0.send(&text).await.map_err(|_| Gone)
    }

    async fn receive(&mut self) -> Option<String> {
        match self.0.receive().await {
            LineReceived::Text(text) => Some(text),
            LineReceived::Closed(_) => None,
        }
    }
}
