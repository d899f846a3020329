//! A network in which public names and addresses lead to servers of the test, and a command's proxy
//! in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tidegate_proxy::ports::{ConnectError, Connector, LookupName, Resolver};
use tidegate_proxy::record::{ConnectionRecord, Outcome};
use tidegate_proxy::{ConnectionSlots, Grants, Limits, NetworkReport, Proxy, ProxyParts, UpstreamProxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// A public address that the tests give to granted hosts.
pub(crate) const PUBLIC: &str = "203.0.113.7";

/// The internet as the test has it.
#[derive(Default)]
pub(crate) struct Internet {
    /// The answers of each name, one after the other; the last is repeated.
    names: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    /// Where a connection to a public address ends up.
    routes: Mutex<BTreeMap<SocketAddr, SocketAddr>>,
    looked_up: Mutex<Vec<String>>,
    connected: Mutex<Vec<SocketAddr>>,
}

impl Internet {
    pub(crate) fn name(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect());
        self.names.lock().unwrap().insert(name.to_owned(), answers.collect());
    }

    pub(crate) fn route(&self, ip: &str, port: u16, server: SocketAddr) {
        let public = SocketAddr::new(ip.parse().unwrap(), port);
        self.routes.lock().unwrap().insert(public, server);
    }

    /// One host with one server.
    pub(crate) fn host(&self, name: &str, port: u16, server: SocketAddr) {
        self.name(name, &[&[PUBLIC]]);
        self.route(PUBLIC, port, server);
    }

    /// The names that were looked up.
    pub(crate) fn looked_up(&self) -> Vec<String> {
        self.looked_up.lock().unwrap().clone()
    }

    /// The addresses that were connected to.
    pub(crate) fn connected(&self) -> Vec<SocketAddr> {
        self.connected.lock().unwrap().clone()
    }
}

/// The internet behind the proxy's ports.
#[derive(Clone)]
pub(crate) struct Access(pub(crate) Arc<Internet>);

impl Resolver for Access {
    fn resolve<'a>(&'a self, name: LookupName<'a>) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let name = match name {
            LookupName::Public(host) => host.to_string(),
            LookupName::Upstream(name) => name.to_owned(),
        };
        let mut names = self.0.names.lock().unwrap();
        let answer = match names.get_mut(&name) {
            None => Err(io::Error::other("no such name")),
            Some(answers) if answers.len() > 1 => Ok(answers.pop_front().unwrap()),
            Some(answers) => Ok(answers[0].clone()),
        };
        self.0.looked_up.lock().unwrap().push(name);
        Box::pin(std::future::ready(answer))
    }
}

impl Connector for Access {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        self.0.connected.lock().unwrap().push(address);
        let server = self.0.routes.lock().unwrap().get(&address).copied();
        Box::pin(async move {
            let server = server.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(TcpStream::connect(server).await?)
        })
    }

    fn connect_upstream(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        Box::pin(async move { Ok(TcpStream::connect(address).await?) })
    }
}

/// A proxy that serves.
pub(crate) struct Running {
    pub(crate) internet: Arc<Internet>,
    pub(crate) address: SocketAddr,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

/// How a test's proxy differs from an ordinary one.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) grants: Vec<&'static str>,
    pub(crate) upstream: Option<UpstreamProxy>,
    pub(crate) limits: Option<Limits>,
    pub(crate) slots: Option<ConnectionSlots>,
}

impl Setup {
    pub(crate) fn granting(grants: &[&'static str]) -> Self {
        Self { grants: grants.to_vec(), ..Self::default() }
    }

    pub(crate) async fn start(self) -> Running {
        let internet = Arc::new(Internet::default());
        self.start_in(&internet).await
    }

    pub(crate) async fn start_in(self, internet: &Arc<Internet>) -> Running {
        let access = Arc::new(Access(Arc::clone(internet)));
        self.start_with(internet, access.clone(), access).await
    }

    pub(crate) async fn start_with(
        self,
        internet: &Arc<Internet>,
        resolver: Arc<dyn Resolver>,
        connector: Arc<dyn Connector>,
    ) -> Running {
        let grants = self.grants.iter().map(|grant| grant.parse().unwrap());
        let proxy = Arc::new(Proxy::new(ProxyParts {
            grants: Grants::new(grants).unwrap(),
            resolver,
            connector,
            upstream: self.upstream,
            limits: self.limits.unwrap_or_default(),
            slots: self.slots.unwrap_or_default(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (serving, stopping) = (Arc::clone(&proxy), stop.clone());
        let task = tokio::spawn(async move { serving.serve(listener, stopping).await });
        Running { internet: Arc::clone(internet), address, proxy, stop, task }
    }
}

impl Running {
    pub(crate) async fn client(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own, and reads until it is closed.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.client().await;
        client.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is as good as its end.
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a tunnel, and returns the connection with the head of the proxy's answer.
    pub(crate) async fn tunnel(&self, target: &str) -> (TcpStream, String) {
        let mut client = self.client().await;
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut client).await;
        (client, head)
    }

    /// Ends the command, and returns what became of its connections.
    pub(crate) async fn end(self) -> NetworkReport {
        self.stop.cancel();
        self.task.await.unwrap();
        self.proxy.report()
    }

    /// Ends the command, and returns its one record.
    pub(crate) async fn only_record(self) -> ConnectionRecord {
        let mut report = self.end().await;
        assert_eq!(report.records.len(), 1, "{report:#?}");
        report.records.remove(0)
    }

    pub(crate) async fn only_outcome(self) -> Outcome {
        self.only_record().await.outcome
    }
}

/// Reads to the empty line after a head, byte by byte, so that nothing behind it is taken.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server of the test, which keeps what it received.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    _task: JoinHandle<()>,
}

impl Server {
    /// Sends everything back.
    pub(crate) async fn echo() -> Self {
        Self::start(None).await
    }

    /// Sends an answer once a request's head has come, and closes.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(Some(answer)).await
    }

    async fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let index = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                connections.spawn(serve(stream, index, Arc::clone(&kept), answer));
            }
        });
        Self { address, received, _task: task }
    }

    /// What came over each connection.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }

    /// What came over the only connection, as text.
    pub(crate) fn text(&self) -> String {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        String::from_utf8_lossy(&received[0]).into_owned()
    }
}

async fn serve(
    mut stream: TcpStream,
    index: usize,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    answer: Option<&'static str>,
) {
    let mut piece = [0; 16 * 1024];
    let mut answered = false;
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let is_head = {
                    let mut received = received.lock().unwrap();
                    received[index].extend_from_slice(&piece[..count]);
                    received[index].windows(4).any(|window| window == b"\r\n\r\n")
                };
                let sent = match answer {
                    None => stream.write_all(&piece[..count]).await,
                    Some(answer) if is_head && !answered => {
                        answered = true;
                        stream.write_all(answer.as_bytes()).await
                    }
                    Some(_) => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        }
    }
}

/// What a TLS client sends first to a server of this name.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}
