//! The listening socket that comes from inside a sandbox.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio::net::TcpListener;

/// Why a descriptor is no socket to serve.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// It is something else than a TCP socket that listens.
    #[error("the descriptor from the sandbox is not a listening TCP socket")]
    NotAListener,
    /// The system says no.
    #[error("cannot serve the socket from the sandbox: {0}")]
    Io(#[from] io::Error),
}

/// Takes over a listening socket that was made inside a sandbox, before anything foreign ran there.
/// Its maker must close its own copy: the two share their settings.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// When it is something else.
pub fn listener(descriptor: OwnedFd) -> Result<TcpListener, ListenerError> {
    let is_listener = sockopt::socket_acceptconn(&descriptor) == Ok(true)
        && sockopt::socket_type(&descriptor) == Ok(SocketType::STREAM)
        && matches!(sockopt::socket_domain(&descriptor), Ok(AddressFamily::INET | AddressFamily::INET6));
    if !is_listener {
        return Err(ListenerError::NotAListener);
    }
    let listener = StdListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_listening_tcp_socket_is_taken_over() {
        let made = StdListener::bind("127.0.0.1:0").unwrap();
        let address = made.local_addr().unwrap();

        let listener = listener(made.into()).unwrap();

        let _client = TcpStream::connect(address).unwrap();
        assert!(listener.accept().await.is_ok());
    }

    #[tokio::test]
    async fn other_descriptors_are_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let tcp = StdListener::bind("127.0.0.1:0").unwrap();
        let others: [OwnedFd; 4] = [
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            UnixListener::bind(directory.path().join("socket")).unwrap().into(),
            TcpStream::connect(tcp.local_addr().unwrap()).unwrap().into(),
            tempfile::tempfile().unwrap().into(),
        ];

        for descriptor in others {
            assert!(matches!(listener(descriptor), Err(ListenerError::NotAListener)));
        }
    }
}
