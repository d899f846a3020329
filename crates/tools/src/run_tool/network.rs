//! The proxy of a sandboxed command, served by `run-tool`: it ends with the command, and nothing of it
//! is in the host. Without a grant it refuses every host, and the refusals tell the model what to ask
//! for.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tidegate_proxy::ports::{Connector, Resolver, SystemConnector, SystemResolver};
use tidegate_proxy::{ConnectionSlots, Grants, Limits, NetworkGrant, Proxy, ProxyParts, UpstreamProxy};
use tokio_util::sync::CancellationToken;

/// Where commands find the proxy, on their own 127.0.0.1.
pub(crate) const PROXY_PORT: u16 = 3128;
/// Sentences about refused connections that a tool's result has.
const MAX_SENTENCES: usize = 12;

/// Where a command may connect, and where it may be connected to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Network {
    /// Needs for network, as they were granted.
    pub(crate) grants: Vec<String>,
    /// Ports of this computer that lead to the command's servers.
    pub(crate) listen: Vec<u16>,
    /// The proxy that the host's own programs use.
    pub(crate) upstream: Option<String>,
    /// The hosts that they reach without it.
    pub(crate) no_proxy: Option<String>,
}

/// How the proxy looks names up and connects.
pub struct NetworkPorts {
    pub resolver: Arc<dyn Resolver>,
    pub connector: Arc<dyn Connector>,
}

impl Default for NetworkPorts {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), connector: Arc::new(SystemConnector) }
    }
}

/// The variables by which a command's programs find the proxy.
pub(crate) fn variables() -> Vec<(String, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PROXY_PORT));
    tidegate_proxy::variables(address).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A proxy at work.
pub(super) struct Serving {
    stop: CancellationToken,
    thread: JoinHandle<Vec<String>>,
}

impl Serving {
    /// Serves the socket that came out of the sandbox.
    pub(super) fn start(
        network: &Network,
        ports: NetworkPorts,
        listener: TcpListener,
    ) -> Result<Self, String> {
        let grants: Result<Vec<NetworkGrant>, _> = network.grants.iter().map(|need| need.parse()).collect();
        let grants =
            Grants::new(grants.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        // A command that reaches nobody starts whatever the proxy is.
        let upstream = network.upstream.as_deref().filter(|_| !network.grants.is_empty());
        let upstream = upstream.map(UpstreamProxy::parse).transpose().map_err(|error| error.to_string())?;
        let no_proxy = network.no_proxy.as_deref().unwrap_or_default();
        let proxy = Proxy::new(ProxyParts {
            grants,
            resolver: ports.resolver,
            connector: ports.connector,
            upstream: upstream.map(|upstream| upstream.except(no_proxy)),
            limits: Limits::default(),
            slots: ConnectionSlots::default(),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return vec!["network: the proxy could not be started".to_owned()];
            };
            runtime.block_on(async {
                match tidegate_proxy::listener::listener(listener.into()) {
                    Ok(listener) => proxy.serve(listener, stopped).await,
                    Err(error) => return vec![format!("network: {error}")],
                }
                proxy.report().sentences()
            })
        });
        Ok(Self { stop, thread })
    }

    /// Closes every connection, and tells what became of those that failed, in sentences.
    pub(super) fn finish(self) -> Vec<String> {
        self.stop.cancel();
        let mut sentences = self.thread.join().unwrap_or_default();
        let more = sentences.len().saturating_sub(MAX_SENTENCES);
        sentences.truncate(MAX_SENTENCES);
        if more > 0 {
            sentences.push(format!("network: {more} more hosts are not listed"));
        }
        sentences
    }
}
