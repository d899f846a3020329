//! What the proxy needs from the network, as traits: tests give a public name a server of their own.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;
use tokio::net::{TcpStream, lookup_host};

use crate::host_name::HostName;

/// A name to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupName<'a> {
    /// A host that a command asked for. Absolute: no search domain is added to it.
    Public(&'a HostName),
    /// The proxy that this computer is set up to use, looked up as its other programs do.
    Upstream(&'a str),
}

/// Finds the addresses of names.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name. May be dropped before it is done.
    fn resolve<'a>(&'a self, name: LookupName<'a>) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is one of this computer's own, although it is a public one.
    #[error("the address is this computer's own")]
    ThisComputer,
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Connects to addresses.
pub trait Connector: Send + Sync + 'static {
    /// A connection to exactly this address. May be dropped before it is done.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>>;

    /// A connection to the proxy that this computer is set up to use, which may well be this computer.
    fn connect_upstream(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: LookupName<'a>) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let name = match name {
                LookupName::Public(host) => format!("{host}."),
                LookupName::Upstream(name) => name.to_owned(),
            };
            // The port plays no part.
            Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// The system's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemConnector;

impl Connector for SystemConnector {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            // A public address of this computer's own, where services that trust the local network
            // may listen: only then is the other end's address this end's, too.
            let own = stream.local_addr()?.ip().to_canonical();
            if own == stream.peer_addr()?.ip().to_canonical() {
                return Err(ConnectError::ThisComputer);
            }
            Ok(stream)
        })
    }

    fn connect_upstream(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        Box::pin(async move { Ok(TcpStream::connect(address).await?) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_to_an_own_address_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let direct = SystemConnector.connect(address).await;
        let upstream = SystemConnector.connect_upstream(address).await;

        assert!(matches!(direct, Err(ConnectError::ThisComputer)));
        assert!(upstream.is_ok());
    }
}
