//! The accept loop over real sockets: what a hostile client can and cannot do before it is let in.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate_peers::LocalSocket;
use tidegate_protocol::limits::MAX_UNFINISHED_BYTES;
use tidegate_protocol::{CloseCode, CloseFrame};
use tidegate_testkit::client::{ClientError, GatewayClient};
use tidegate_testkit::raw_socket::{RawSocket, TEXT, frame, header, upgrade_request};
use tidegate_transport::admission_slots::SlotRules;
use tidegate_transport::listener::{BindError, ListenerLimits, bind_loopback, serve};
use tidegate_transport::receive_budget::ReceiveBudget;
use tidegate_transport::upgrade::UpgradeRules;
use tidegate_transport::{Accepted, Connections, Received, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Says back what it hears. `let me in` gives the slot back, `panic` panics.
#[derive(Clone)]
struct Echo {
    arrivals: mpsc::UnboundedSender<(Option<LocalSocket>, Option<String>)>,
    open: Arc<AtomicUsize>,
    budget: ReceiveBudget,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connections for Echo {
    fn is_ready(&self) -> bool {
        false
    }

    fn receive_budget(&self) -> ReceiveBudget {
        self.budget.clone()
    }

    async fn serve<T: Transport>(&self, mut transport: T, accepted: Accepted) {
        self.open.fetch_add(1, Ordering::SeqCst);
        let _open = Open(Arc::clone(&self.open));
        let _ = self.arrivals.send((accepted.socket, accepted.user_agent));
        let mut slot = Some(accepted.slot);
        let mut deadline = accepted.deadline;
        let close = loop {
            match tokio::time::timeout_at(deadline, transport.receive()).await {
                Err(_) => break CloseFrame::new(CloseCode::Normal, ""),
                Ok(Received::Closed) => return,
                Ok(Received::Refused(frame)) => break frame,
                Ok(Received::Text(text)) => {
                    assert_ne!(text, "panic", "as asked");
                    if text == "let me in" {
                        slot = None;
                        deadline += Duration::from_secs(3600);
                    }
                    if transport.send(format!("{{\"echo\":{text:?}}}").into()).await.is_err() {
                        return;
                    }
                }
            }
        };
        drop(slot);
        transport.close(close).await;
    }
}

struct TestListener {
    address: SocketAddr,
    arrivals: mpsc::UnboundedReceiver<(Option<LocalSocket>, Option<String>)>,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl TestListener {
    fn start(limits: ListenerLimits) -> Self {
        let listener = bind_loopback(0).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, arrivals) = mpsc::unbounded_channel();
        let budget = ReceiveBudget::new(MAX_UNFINISHED_BYTES);
        let echo = Echo { arrivals: sender, open: Arc::default(), budget };
        let open = Arc::clone(&echo.open);
        let stop = CancellationToken::new();
        let rules = UpgradeRules::loopback(address.port());
        let task = tokio::spawn(serve(listener, echo, rules, limits, stop.clone()));
        Self { address, arrivals, open, stop, task }
    }

    fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    async fn open(&self) -> GatewayClient {
        GatewayClient::open(&self.url()).await.expect("upgraded")
    }

    fn request(&self, method: &str, path: &str, more: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.address)
    }

    async fn exchange(&self, request: &str) -> String {
        RawSocket::exchange(self.address, request).await.expect("an answer")
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the listener does not panic");
    }
}

fn usual() -> ListenerLimits {
    ListenerLimits { drain: Duration::from_millis(200), ..ListenerLimits::default() }
}

fn hasty() -> ListenerLimits {
    ListenerLimits {
        handshake: Duration::from_millis(600),
        header_read: Duration::from_millis(300),
        drain: Duration::from_millis(300),
        ..ListenerLimits::default()
    }
}

async fn echo(client: &mut GatewayClient, text: &str) -> String {
    client.send_text(text.to_owned()).await.expect("sent");
    client.wait("an echo", |frame| frame["echo"] == text).await.expect("an echo")["echo"].to_string()
}

#[tokio::test]
async fn a_client_is_upgraded_and_handed_over_with_what_is_known_of_it() {
    let mut listener = TestListener::start(usual());
    let headers = [("user-agent", "probe\u{1b}[31m/1")];
    // A control character is no header value for the client library; the tab is.
    assert!(GatewayClient::open_with(&listener.url(), &headers).await.is_err());
    let mut client =
        GatewayClient::open_with(&listener.url(), &[("user-agent", "probe\t1")]).await.expect("upgraded");
    let (socket, agent) = listener.arrivals.recv().await.expect("an arrival");
    assert_eq!(agent.as_deref(), Some("probe\\u{9}1"));
    assert!(
        matches!(socket, Some(LocalSocket::Tcp { local, .. }) if local == listener.address),
        "{socket:?}"
    );
    assert_eq!(echo(&mut client, "hello").await, "\"hello\"");
    listener.stop().await;
}

#[tokio::test]
async fn frames_sent_together_with_the_request_are_not_lost() {
    let listener = TestListener::start(usual());
    let mut socket = RawSocket::connect(listener.address).await.expect("connected");
    let mut bytes = upgrade_request(&listener.address.to_string(), "").into_bytes();
    bytes.extend(frame(TEXT, b"early"));
    socket.send(&bytes).await.expect("sent");
    assert!(socket.read_head().await.expect("a head").starts_with("HTTP/1.1 101 "));
    assert_eq!(socket.read_frame().await.expect("a frame").payload, br#"{"echo":"early"}"#);
    listener.stop().await;
}

#[tokio::test]
async fn the_upgrade_answer_chooses_no_extension_and_says_nothing_of_this_computer() {
    let listener = TestListener::start(usual());
    let mut socket = RawSocket::connect(listener.address).await.expect("connected");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: x\r\n";
    socket.send(upgrade_request(&listener.address.to_string(), offer).as_bytes()).await.expect("sent");
    let head = socket.read_head().await.expect("a head").to_ascii_lowercase();
    assert!(
        !head.contains("extensions") && !head.contains("protocol:") && !head.contains("server:"),
        "{head}"
    );
    assert!(head.len() < 256, "{head}");
    listener.stop().await;
}

#[tokio::test]
async fn health_answers_are_whole_and_close_the_connection() {
    let listener = TestListener::start(usual());
    let live = listener.exchange(&listener.request("GET", "/health", "")).await;
    assert!(live.starts_with("HTTP/1.1 200 OK\r\n"), "{live}");
    assert!(live.ends_with("\r\n\r\n{\"ok\":true,\"status\":\"live\"}"), "{live}");
    for header in [
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-type: application/json",
        "connection: close",
    ] {
        assert!(live.contains(header), "{header}: {live}");
    }
    let head = listener.exchange(&listener.request("HEAD", "/healthz", "")).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let ready = listener.exchange(&listener.request("GET", "/ready", "")).await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("{\"ready\":false}"), "{ready}");
    listener.stop().await;
}

#[tokio::test]
async fn nothing_but_health_and_the_upgrade_is_served() {
    let listener = TestListener::start(usual());
    for (request, status) in [
        (listener.request("GET", "/", ""), "404"),
        (listener.request("POST", "/tools/invoke", "Content-Length: 2\r\n"), "405"),
        (listener.request("TRACE", "/health", ""), "405"),
        (listener.request("OPTIONS", "*", ""), "405"),
        (listener.request("CONNECT", "evil.example:80", ""), "400"),
        (listener.request("GET", "http://evil.example/", ""), "400"),
        (listener.request("GET", "/health", "Origin: https://evil.example\r\n"), "403"),
        (listener.request("GET", "/health", "Via: 1.1 proxy\r\n"), "403"),
        (listener.request("GET", "/health", "Host: second\r\n"), "400"),
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
        ("GET /health HTTP/1.1\r\nHost : x\r\n\r\n".to_owned(), "400"),
        ("hello\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = listener.exchange(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer:?}");
    }
    let http2 = listener.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(http2, "", "HTTP/2 is not spoken");
    listener.stop().await;
}

#[tokio::test]
async fn one_connection_gets_one_answer() {
    let listener = TestListener::start(usual());
    let twice = listener.request("GET", "/health", "").repeat(2);
    let answers = listener.exchange(&twice).await;
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    listener.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let listener = TestListener::start(usual());
    let long = listener.request("GET", "/health", &format!("X: {}\r\n", "x".repeat(8 * 1024)));
    let many = listener.request("GET", "/health", &"X: y\r\n".repeat(32));
    let endless = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(1_000_000));
    for (what, request) in [("8 KiB and more", long), ("33 headers", many), ("one endless header", endless)] {
        let mut socket = RawSocket::connect(listener.address).await.expect("connected");
        // The answer may come before all was sent.
        let _ = socket.send(request.as_bytes()).await;
        let answer = socket.read_to_end().await.expect("an end");
        assert!(answer.starts_with("HTTP/1.1 431 "), "{what}: {answer:?}");
    }
    let fits = listener.request("GET", "/health", &"X: y\r\n".repeat(31));
    assert!(listener.exchange(&fits).await.starts_with("HTTP/1.1 200 "));
    listener.stop().await;
}

#[tokio::test]
async fn silent_and_slow_requests_are_cut_off() {
    let listener = TestListener::start(hasty());
    for start in ["", "G", "GET / HTTP/1.1\r\nHost: 127"] {
        let mut socket = RawSocket::connect(listener.address).await.expect("connected");
        socket.send(start.as_bytes()).await.expect("sent");
        let answer = socket.read_to_end().await.expect("an end");
        assert!(!answer.contains("200"), "{start:?}: {answer}");
    }
    listener.stop().await;
}

#[tokio::test]
async fn a_request_that_trickles_is_cut_off_however_steady_it_is() {
    let listener = TestListener::start(hasty());
    let begun = Instant::now();
    let mut socket = RawSocket::connect(listener.address).await.expect("connected");
    let mut trickle = upgrade_request(&listener.address.to_string(), "").into_bytes().into_iter();
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for byte in trickle.by_ref() {
        interval.tick().await;
        if socket.send(&[byte]).await.is_err() {
            break;
        }
    }
    assert!(trickle.len() > 0, "the whole request was taken after {:?}", begun.elapsed());
    listener.stop().await;
}

#[tokio::test]
async fn an_upgraded_connection_that_says_nothing_is_ended_by_its_deadline() {
    let listener = TestListener::start(hasty());
    let mut client = listener.open().await;
    let closed = client.closed().await.expect("an end");
    assert_eq!(closed.code, Some(1000));
    listener.stop().await;
}

#[tokio::test]
async fn an_announced_giant_frame_is_refused_over_a_real_socket() {
    let listener = TestListener::start(usual());
    let mut socket = RawSocket::upgraded(listener.address).await.expect("upgraded");
    socket.send(&header(TEXT, (1 << 63) - 1)).await.expect("sent");
    let close = socket.read_close().await.expect("an end");
    assert_eq!(close, Some((1009, "preauth payload too large".to_owned())));
    listener.stop().await;
}

#[tokio::test]
async fn a_browser_is_refused_before_the_upgrade() {
    let listener = TestListener::start(usual());
    let refused = GatewayClient::open_with(&listener.url(), &[("origin", "http://localhost:3000")]).await;
    assert!(matches!(refused, Err(ClientError::UpgradeRefused(403))), "{refused:?}");
    listener.stop().await;
}

#[tokio::test]
async fn sockets_beyond_the_limit_get_503_and_those_let_in_do_not_count() {
    let slots = SlotRules {
        capacity: 8,
        reserved: 2,
        request_patience: Duration::from_secs(3600),
        handshake_patience: Duration::from_secs(3600),
    };
    let listener = TestListener::start(ListenerLimits { slots, ..usual() });
    let mut inside = listener.open().await;
    echo(&mut inside, "let me in").await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(listener.open().await);
    }
    let refused = RawSocket::exchange(listener.address, "").await.expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let (head, body) = refused.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "Too many unauthenticated sockets");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let upgrade = GatewayClient::open(&listener.url()).await;
    assert!(matches!(upgrade, Err(ClientError::UpgradeRefused(503))), "{upgrade:?}");
    echo(&mut inside, "still here").await;
    echo(&mut waiting[0], "let me in").await;
    let mut next = listener.open().await;
    echo(&mut next, "room again").await;
    listener.stop().await;
}

#[tokio::test]
async fn the_oldest_stranger_gives_way_to_a_new_one_from_the_same_place() {
    let slots = SlotRules {
        capacity: 8,
        reserved: 2,
        request_patience: Duration::ZERO,
        handshake_patience: Duration::ZERO,
    };
    let listener = TestListener::start(ListenerLimits { slots, ..usual() });
    let mut inside = listener.open().await;
    echo(&mut inside, "let me in").await;
    let mut strangers = Vec::new();
    for _ in 0..6 {
        strangers.push(listener.open().await);
    }
    let mut honest = listener.open().await;
    echo(&mut honest, "let me in").await;
    strangers[0].closed().await.expect("the oldest is ended");
    echo(&mut strangers[1], "the next is not").await;
    echo(&mut inside, "still here").await;
    listener.stop().await;
}

#[tokio::test]
async fn a_flood_of_a_thousand_silent_sockets_does_not_keep_an_honest_client_out() {
    let listener = TestListener::start(ListenerLimits { handshake: Duration::from_hours(1), ..usual() });
    let mut flood = Vec::new();
    for _ in 0..1000 {
        flood.push(RawSocket::connect(listener.address).await.expect("connected"));
    }
    let begun = Instant::now();
    let mut honest = loop {
        match GatewayClient::open(&listener.url()).await {
            Ok(client) => break client,
            Err(_) => assert!(begun.elapsed() < Duration::from_mins(1), "kept out"),
        }
    };
    echo(&mut honest, "let me in").await;
    drop(flood);
    listener.stop().await;
}

#[tokio::test]
async fn a_panic_in_one_connection_ends_only_that_one() {
    let listener = TestListener::start(usual());
    let mut calm = listener.open().await;
    let mut nervous = listener.open().await;
    nervous.send_text("panic".to_owned()).await.expect("sent");
    nervous.closed().await.expect("an end");
    echo(&mut calm, "still here").await;
    echo(&mut listener.open().await, "and new ones").await;
    listener.stop().await;
}

#[tokio::test]
async fn stopping_ends_strangers_at_once_and_frees_the_port() {
    // A connection that the end waits for is waited for longer than this test lasts.
    let listener = TestListener::start(ListenerLimits { drain: Duration::from_hours(1), ..usual() });
    let (address, open) = (listener.address, Arc::clone(&listener.open));
    let mut stranger = listener.open().await;
    echo(&mut stranger, "hello").await;
    let mut half = RawSocket::connect(address).await.expect("connected");
    half.send(b"GET /").await.expect("sent");
    tokio::time::timeout(Duration::from_mins(1), listener.stop())
        .await
        .expect("strangers are not waited for");
    stranger.closed().await.expect("an end");
    half.read_to_end().await.expect("an end");
    assert_eq!(open.load(Ordering::SeqCst), 0);
    bind_loopback(address.port()).expect("the port is free");
}

#[tokio::test]
async fn a_connection_that_does_not_end_in_time_is_cut_off() {
    let listener = TestListener::start(hasty());
    let open = Arc::clone(&listener.open);
    let mut inside = listener.open().await;
    echo(&mut inside, "let me in").await;
    let begun = Instant::now();
    listener.stop().await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_and_not_shared() {
    let first = bind_loopback(0).expect("a free port");
    let port = first.local_addr().expect("an address").port();
    let error = bind_loopback(port).expect_err("it is taken");
    assert!(matches!(error, BindError::InUse { port: told, .. } if told == port), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("Port {port} is in use")), "{sentence}");
}
