//! What carries messages: lines, WebSocket frames, and the head of the HTTP request before them.

use std::cell::RefCell;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT};
use hyper::{Method, Request, StatusCode, Uri, Version};
use tidegate_protocol::limits::MAX_PAYLOAD_BEFORE_AUTH;
use tidegate_transport::lines::{LineReceived, LinesClient, LinesTransport};
use tidegate_transport::upgrade::{UpgradeRules, decide};
use tidegate_transport::websocket::{WebSocketTimes, WebSocketTransport};
use tidegate_transport::{Received, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::runtime::{Builder, Runtime};

/// Runs a future to its end on a runtime of this thread, which is made once.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<Runtime> =
            RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
    }
    RUNTIME.with_borrow(|runtime| runtime.block_on(future))
}

/// What came out of a transport, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    texts: Vec<String>,
    refused: Option<String>,
}

async fn outcome(transport: &mut impl Transport) -> Outcome {
    let mut texts = Vec::new();
    loop {
        match transport.receive().await {
            Received::Text(text) => texts.push(text),
            Received::Refused(frame) => return Outcome { texts, refused: Some(frame.reason) },
            Received::Closed => return Outcome { texts, refused: None },
        }
    }
}

/// Sends `data` in pieces of `size` bytes and ends; what is answered is read and forgotten.
async fn send(end: DuplexStream, data: &[u8], size: usize) {
    let (mut answers, mut wire) = split(end);
    let sending = async {
        for piece in data.chunks(size) {
            if wire.write_all(piece).await.is_err() {
                return;
            }
        }
        // The transport may be gone already.
        let _ = wire.shutdown().await;
    };
    let mut ignored = [0; 1024];
    let reading = async { while answers.read(&mut ignored).await.is_ok_and(|read| read > 0) {} };
    tokio::join!(sending, reading);
}

/// Lines as they should come out.
fn expected_lines(data: &[u8], limit: usize) -> Outcome {
    let mut outcome = Outcome { texts: Vec::new(), refused: None };
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            outcome.refused = (line.len() > limit).then(String::new);
            break;
        };
        if line.len() > limit {
            outcome.refused = Some(String::new());
            break;
        }
        match std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(text) => outcome.texts.push(text.to_owned()),
            Err(_) => {
                outcome.refused = Some(String::new());
                break;
            }
        }
    }
    outcome
}

/// The local socket's lines, both ends. The first two bytes are the limit and the size of the
/// pieces.
pub fn lines(data: &[u8]) {
    let [limit, size, data @ ..] = data else { return };
    let (limit, size) = (usize::from(*limit), usize::from(*size).max(1));
    let found = run(async {
        let (ours, theirs) = duplex(64);
        let receiving = async {
            let mut transport = LinesTransport::new(ours);
            transport.set_limit(limit);
            outcome(&mut transport).await
        };
        tokio::join!(receiving, send(theirs, data, size)).0
    });
    let expected = expected_lines(data, limit);
    assert_eq!(found.texts, expected.texts);
    assert_eq!(found.refused.is_some(), expected.refused.is_some(), "{found:?}");
    let received = run(async {
        let (ours, theirs) = duplex(64);
        let receiving = async {
            let mut client = LinesClient::new(ours);
            let mut count = 0;
            while let LineReceived::Text(_) = client.receive().await {
                count += 1;
            }
            count
        };
        tokio::join!(receiving, send(theirs, data, size)).0
    });
    assert!(received <= data.iter().filter(|byte| **byte == b'\n').count());
}

/// A client's bytes after the upgrade. They mean the same however they are cut.
pub fn websocket(data: &[u8]) {
    let received = |buffer: usize, size: usize| {
        run(async {
            let (ours, theirs) = duplex(buffer);
            let receiving = async {
                let mut transport = WebSocketTransport::new(ours, Bytes::new(), WebSocketTimes::default());
                outcome(&mut transport).await
            };
            tokio::join!(receiving, send(theirs, data, size)).0
        })
    };
    let whole = received(data.len().max(64), data.len().max(1));
    assert!(whole.texts.iter().all(|text| text.len() <= MAX_PAYLOAD_BEFORE_AUTH));
    let pieces = received(16, 1 + data.len() % 7);
    assert_eq!(pieces.texts, whole.texts, "{pieces:?} {whole:?}");
    assert_eq!(pieces.refused.is_some(), whole.refused.is_some(), "{pieces:?} {whole:?}");
}

/// The head as text, as far as it is one.
fn head(data: &[u8]) -> Option<Request<()>> {
    let mut lines = data.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = Uri::try_from(first.next()?).ok()?;
    let version = match first.next()? {
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let mut request = Request::builder().method(method).uri(target).version(version);
    for line in lines.take_while(|line| !line.is_empty()).take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, line[colon + 1..].trim_ascii());
    }
    request.body(()).ok()
}

/// The head of an HTTP request: only what comes from an allowed place is upgraded.
pub fn upgrade(data: &[u8]) {
    const HOSTS: [&str; 3] = ["127.0.0.1:18789", "localhost:18789", "[::1]:18789"];
    const LISTED: &str = "https://listed.example";
    let Some(request) = head(data) else { return };
    let rules = UpgradeRules::loopback(18_789).allow_origin(LISTED).allow_origin("null").allow_origin("");
    let answer = decide(&request, &rules, || true);
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT].len(), 28, "base64 of SHA-1");
            assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
            assert!(request.uri().authority().is_none());
            let values = |name: HeaderName| request.headers().get_all(name).iter().collect::<Vec<_>>();
            assert!(
                matches!(values(hyper::header::HOST)[..], [host] if HOSTS.iter().any(|known| host == known))
            );
            assert!(
                matches!(values(ORIGIN)[..], [])
                    || matches!(values(ORIGIN)[..], [origin] if origin == LISTED)
            );
            assert_eq!(values(hyper::header::SEC_WEBSOCKET_KEY).len(), 1);
            for name in request.headers().keys() {
                let forwards =
                    name.as_str().starts_with("x-forwarded") || name == "forwarded" || name == "via";
                assert!(!forwards, "{name} tells of a proxy");
            }
        }
        status => {
            assert!(!answer.body().is_empty());
            assert!(answer.headers()[CONTENT_TYPE].to_str().is_ok_and(|kind| kind.contains('/')));
            if status.is_success() {
                assert!(matches!(*request.method(), Method::GET | Method::HEAD));
            }
        }
    }
}
