//! An OpenAI-compatible model server on loopback that answers from a [`Script`] and records what it
//! was asked. For tests, and as the program `scripted-model` behind real proxies.

mod effect;
mod script;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use effect::{Effect, effects, plain, split};
pub use script::{Answer, Rule, Script, Step, When};

/// The most bytes of one request body.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One request that the server got.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body; null when it was not JSON.
    pub body: Value,
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl ScriptedModel {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), script).await
    }

    /// Starts on an address.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn start_on(address: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            left: Mutex::new(script.rules.iter().map(|rule| rule.times).collect()),
            script,
            requests: Mutex::default(),
            abandoned: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, ending in `/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All requests so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until clients have left so many answers before their end.
    pub async fn abandoned(&self, count: usize) {
        let mut abandoned = self.shared.abandoned.subscribe();
        // The sender lives as long as `self`.
        let _ = abandoned.wait_for(|&so_far| so_far >= count).await;
    }
}

#[derive(Debug)]
struct Shared {
    script: Script,
    left: Mutex<Vec<Option<u32>>>,
    requests: Mutex<Vec<Recorded>>,
    abandoned: watch::Sender<usize>,
}

impl Shared {
    fn answer(&self, body: &Value) -> Option<&Answer> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (rule, left) = self
            .script
            .rules
            .iter()
            .zip(left.iter_mut())
            .find(|(rule, left)| **left != Some(0) && rule.when.matches(body))?;
        if let Some(left) = left {
            *left -= 1;
        }
        Some(&rule.answer)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((socket, _)) = accepted {
            tokio::spawn(serve(socket, Arc::clone(&shared), stop.clone()));
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    // Small pieces must leave at once: tests look at where an answer is cut.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        () = stop.cancelled() => {}
        // A client that goes away is no error of the server.
        _ = connection => {}
    }
}

async fn respond(request: Request<Incoming>, shared: &Arc<Shared>) -> Response<Body> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let authorization = request
        .headers()
        .get(hyper::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    let body = match Limited::new(request.into_body(), REQUEST_BYTES).collect().await {
        Ok(body) => serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
        Err(_) => return json_response(StatusCode::PAYLOAD_TOO_LARGE, &Value::Null),
    };
    let recorded = Recorded { path: path.clone(), authorization, body };
    let body = recorded.body.clone();
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);

    match (method, path.trim_start_matches("/v1")) {
        (Method::GET, "/models") => {
            let models: Vec<Value> = shared
                .script
                .models
                .iter()
                .map(|id| json!({"id": id, "object": "model", "owned_by": "script"}))
                .collect();
            json_response(StatusCode::OK, &json!({"object": "list", "data": models}))
        }
        (Method::POST, "/chat/completions") => match shared.answer(&body) {
            Some(answer) => completion(answer, shared).await,
            None => {
                let message = "no rule of the script matches this request";
                let error = json!({"error": {"message": message, "code": "no_rule"}});
                json_response(StatusCode::NOT_IMPLEMENTED, &error)
            }
        },
        _ => json_response(StatusCode::NOT_FOUND, &json!({"error": {"message": "no such path"}})),
    }
}

async fn completion(answer: &Answer, shared: &Arc<Shared>) -> Response<Body> {
    match answer {
        Answer::Hang => {
            let _watched = Abandonment { shared: Arc::clone(shared), ended: false };
            std::future::pending().await
        }
        Answer::Http { status, headers, body } => {
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(full(body.clone())).unwrap_or_else(|error| {
                json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!(error.to_string()))
            })
        }
        Answer::Plain { steps } => json_response(StatusCode::OK, &plain(steps)),
        Answer::Stream { steps, split_at } => {
            let effects: Vec<Effect> = match split_at {
                None => effects(steps),
                Some(position) => split(&effects(steps), *position),
            };
            let watched = Abandonment { shared: Arc::clone(shared), ended: false };
            let frames = stream::unfold((effects.into_iter(), watched), |(mut effects, mut watched)| async {
                loop {
                    match effects.next() {
                        None => {
                            watched.end();
                            return None;
                        }
                        Some(Effect::Send(bytes)) => {
                            return Some((Ok(Frame::data(bytes)), (effects, watched)));
                        }
                        Some(Effect::Wait(duration)) => tokio::time::sleep(duration).await,
                        Some(Effect::Hang) => std::future::pending().await,
                        Some(Effect::CutOff) => {
                            watched.ended = true;
                            // What was sent before must leave the buffers first.
                            tokio::task::yield_now().await;
                            let error = io::Error::other("the script cuts the answer off");
                            return Some((Err(error), (effects, watched)));
                        }
                    }
                }
            });
            let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
            response.headers_mut().insert(
                hyper::header::CONTENT_TYPE,
                hyper::header::HeaderValue::from_static("text/event-stream"),
            );
            response
        }
    }
}

/// Counts an answer whose client left before its end.
struct Abandonment {
    shared: Arc<Shared>,
    ended: bool,
}

impl Abandonment {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Abandonment {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.abandoned.send_modify(|count| *count += 1);
        }
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

fn full(body: String) -> Body {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
}
