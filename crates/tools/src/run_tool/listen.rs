//! Ports of this computer that lead to servers of a sandboxed command. `run-tool` listens on loopback
//! and connects inside, with sockets that were made there before the command ran: so the command has
//! no way outwards, and nobody outside gets at anything but the port that was granted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::protocol::Boundary;

/// Connections at a time to all servers of a command.
pub(crate) const CONNECTIONS: u16 = 32;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;
/// How long a server of the command may take to accept.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait when descriptors or memory ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server's place in the sandbox's own network.
#[cfg(target_os = "linux")]
pub(super) type LoopbackSockets = tidegate_sandbox::LoopbackSockets;
/// Never made: there is no sandbox.
#[cfg(not(target_os = "linux"))]
pub(super) struct LoopbackSockets {
    ipv4: std::os::fd::OwnedFd,
    ipv6: Option<std::os::fd::OwnedFd>,
}

/// Ports that are taken, before the command starts.
#[derive(Default)]
pub(super) struct Ports(Vec<(u16, TcpListener)>);

/// Ports at work. Dropping it closes them and every connection.
pub(super) struct Forwarding {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Whether a port could be taken now. It is not kept.
pub(crate) fn check(port: u16) -> io::Result<()> {
    bind(port).map(drop)
}

impl Ports {
    /// Takes the ports that a boundary grants.
    pub(super) fn take(boundary: &Boundary) -> Result<Self, String> {
        let Boundary::Sandbox { network, .. } = boundary else { return Ok(Self::default()) };
        let mut taken = Vec::new();
        for &port in &network.listen {
            let listeners = bind(port).and_then(|sockets| {
                sockets
                    .into_iter()
                    .map(|socket| Ok(rustix::net::listen(&socket, BACKLOG).map(|()| socket)?))
                    .collect()
            });
            let listeners: Vec<TcpListener> = listeners.map_err(|error| {
                format!("listen:{port} cannot be granted: the port cannot be taken: {error}")
            })?;
            taken.extend(listeners.into_iter().map(|listener| (port, listener)));
        }
        Ok(Self(taken))
    }

    /// Leads them into the sandbox.
    pub(super) fn serve(self, sockets: Vec<LoopbackSockets>) -> Forwarding {
        let stop = CancellationToken::new();
        if self.0.is_empty() {
            return Forwarding { stop, thread: None };
        }
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(serve(self.0, Arc::new(Doors::new(sockets)), stopped));
        });
        Forwarding { stop, thread: Some(thread) }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sockets that are bound to a port on loopback of both families; only that of IPv4 must be there.
fn bind(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut bound = vec![bind_at((Ipv4Addr::LOCALHOST, port).into())?];
    match bind_at((Ipv6Addr::LOCALHOST, port).into()) {
        Ok(socket) => bound.push(socket),
        // Programs look for `localhost` there first: they must not find somebody else.
        Err(error) if error == Errno::ADDRINUSE => return Err(error.into()),
        Err(_) => {}
    }
    Ok(bound)
}

fn bind_at(address: SocketAddr) -> rustix::io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    #[cfg(target_os = "linux")]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = SocketFlags::empty();
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of an earlier command that are not forgotten yet are in nobody's way.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket.into())
}

async fn serve(listeners: Vec<(u16, TcpListener)>, doors: Arc<Doors>, stop: CancellationToken) {
    let mut accepting = JoinSet::new();
    for (port, listener) in listeners {
        let Ok(listener) =
            listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener))
        else {
            continue;
        };
        accepting.spawn(accept(port, listener, Arc::clone(&doors)));
    }
    stop.cancelled().await;
    accepting.shutdown().await;
}

async fn accept(port: u16, listener: tokio::net::TcpListener, doors: Arc<Doors>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(room) = Arc::clone(&doors.room).acquire_owned().await else { return };
                let doors = Arc::clone(&doors);
                connections.spawn(async move {
                    doors.lead_in(stream, port).await;
                    drop(room);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// The sockets of the sandbox, each used by one connection at a time, and used again.
struct Doors {
    free: Mutex<Vec<LoopbackSockets>>,
    room: Arc<Semaphore>,
}

impl Doors {
    fn new(sockets: Vec<LoopbackSockets>) -> Self {
        let room = Arc::new(Semaphore::new(sockets.len()));
        Self { free: Mutex::new(sockets), room }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<LoopbackSockets>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the server inside and passes bytes on until both sides have ended. Where nobody
    /// listens inside, the connection is closed.
    async fn lead_in(&self, mut outside: TcpStream, port: u16) {
        // As many as there is room for.
        let Some(door) = self.free().pop() else { return };
        if let Some(mut inside) = door.connect(port).await {
            let _ = outside.set_nodelay(true);
            let _ = inside.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
        }
        door.disconnect();
        self.free().push(door);
    }
}

/// What a pair of sockets can do.
trait Door {
    async fn connect(&self, port: u16) -> Option<TcpStream>;
    fn disconnect(&self);
}

impl Door for LoopbackSockets {
    /// The server listens on either family, or on none.
    async fn connect(&self, port: u16) -> Option<TcpStream> {
        let places = [
            (Some(&self.ipv4), IpAddr::from(Ipv4Addr::LOCALHOST)),
            (self.ipv6.as_ref(), IpAddr::from(Ipv6Addr::LOCALHOST)),
        ];
        for (socket, address) in places {
            // A copy, because a connection that fails closes what it was made with.
            let Some(Ok(copy)) = socket.map(std::os::fd::OwnedFd::try_clone) else { continue };
            let copy = std::net::TcpStream::from(copy);
            if copy.set_nonblocking(true).is_err() {
                continue;
            }
            let connecting = TcpSocket::from_std_stream(copy).connect((address, port).into());
            if let Ok(Ok(stream)) = timeout(CONNECT, connecting).await {
                return Some(stream);
            }
        }
        None
    }

    /// Makes them as they were before they were used.
    fn disconnect(&self) {
        for socket in std::iter::once(&self.ipv4).chain(&self.ipv6) {
            let _ = rustix::net::connect_unspec(socket);
        }
    }
}
