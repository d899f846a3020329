//! The gateway's local socket, from the client's side: a greeting, then requests, answers and
//! events. There is no handshake: the kernel tells the gateway who is at the other end.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_protocol::method::Concurrency;
use tidegate_protocol::rpc::Rpc;
use tidegate_protocol::{Event, text};

use crate::failure::{Failure, ServerError};

/// How long the gateway may take to greet: it looks the caller up first.
const GREETING: Duration = Duration::from_secs(10);
/// How long it may take to answer what waits for neither.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take where the protocol's table says that it may: it waits for a model or a network.
const SLOW_ANSWER: Duration = Duration::from_secs(180);

/// Carries whole text messages to the gateway and back.
pub trait Wire: Send {
    /// Sends one message.
    ///
    /// # Errors
    /// When the connection has ended.
    fn send(&mut self, text: String) -> impl Future<Output = Result<(), Gone>> + Send;

    /// The next message; `None` when the connection has ended. Cancel-safe.
    fn receive(&mut self) -> impl Future<Output = Option<String>> + Send;
}

/// Disconnected from the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disconnected from the gateway")]
pub struct Gone;

/// What the gateway sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// An event that the gateway sent.
    Event {
        /// The event's name.
        name: String,
        /// What belongs to it.
        payload: Value,
    },
    /// An answer to the request of this id.
    Answer {
        id: String,
        /// What came of it.
        result: Result<Value, ServerError>,
    },
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Client<W> {
    wire: W,
    last_id: u64,
    greeting: Greeting,
    /// What came while an answer was waited for, and was kept.
    kept: VecDeque<Incoming>,
}

/// What the gateway says first. Read leniently, as all frames are: `tidegate stop` must reach a gateway of
/// another version too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Greeting {
    #[serde(default)]
    pub version: String,
    /// Whether a desktop is running, so that its dialog decides.
    #[serde(default)]
    pub desktop: bool,
}

impl<W: Wire> Client<W> {
    /// Waits for the greeting.
    ///
    /// # Errors
    /// When the gateway refuses the caller, is gone, or says nothing.
    pub async fn greet(mut wire: W) -> Result<Self, Failure> {
        let first = tokio::time::timeout(GREETING, wire.receive()).await;
        let first = first.map_err(|_| Failure::NoAnswer(GREETING.as_secs()))?;
        let first = first.ok_or(Failure::ConnectionClosed)?;
        let welcome = Event::TidegateWelcome.name();
        match parse(&first) {
            Some(Incoming::Event { name, payload }) if name == welcome => {
                let greeting = read(welcome, payload)?;
                Ok(Self { wire, last_id: 0, greeting, kept: VecDeque::new() })
            }
            Some(Incoming::Event { name, payload }) if name == Event::TidegateRefused.name() => {
                let reason = payload.get("reason").and_then(Value::as_str).unwrap_or_default();
                Err(Failure::Refused(reason.to_owned()))
            }
            _ => Err(Failure::UnreadableAnswer {
                method: welcome,
                problem: "the first message is no greeting".to_owned(),
            }),
        }
    }

    /// What the gateway said first.
    #[must_use]
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Calls a method and reads its answer; events before it are dropped.
    ///
    /// # Errors
    /// When the gateway answers with an error, not in time, or with something else than the method's
    /// answer, or is gone.
    pub async fn ask<R: Rpc>(&mut self, params: &R::Params) -> Result<R::Result, Failure> {
        self.call::<R>(params, |_, _| {}).await
    }

    /// Calls a method and reads its answer; what else comes before it is kept for [`Self::next`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_keeping<R: Rpc>(&mut self, params: &R::Params) -> Result<R::Result, Failure> {
        self.call::<R>(params, VecDeque::push_back).await
    }

    async fn call<R: Rpc>(
        &mut self,
        params: &R::Params,
        other: fn(&mut VecDeque<Incoming>, Incoming),
    ) -> Result<R::Result, Failure> {
        let limit = match R::METHOD.concurrency() {
            Concurrency::Beside => SLOW_ANSWER,
            Concurrency::InOrder => ANSWER,
        };
        let request = self.request::<R>(params).await?;
        let answer = async {
            loop {
                match self.receive().await? {
                    Incoming::Answer { id, result } if id == request => {
                        return result.map_err(Failure::from);
                    }
                    incoming => other(&mut self.kept, incoming),
                }
            }
        };
        let answer = tokio::time::timeout(limit, answer).await;
        let answer = answer.map_err(|_| Failure::NoAnswer(limit.as_secs()))??;
        read(R::METHOD.name(), answer)
    }

    /// Sends a request and returns its id; what comes of it is among what [`Self::next`] returns.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn request<R: Rpc>(&mut self, params: &R::Params) -> Result<String, Failure> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let frame = json!({ "type": "req", "id": id, "method": R::METHOD.name(), "params": params });
        self.wire.send(frame.to_string()).await.map_err(|Gone| Failure::ConnectionClosed)?;
        Ok(id)
    }

    /// The next answer or event; messages of other kinds are skipped. Cancel-safe.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn next(&mut self) -> Result<Incoming, Failure> {
        match self.kept.pop_front() {
            Some(kept) => Ok(kept),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Incoming, Failure> {
        loop {
            let message = self.wire.receive().await.ok_or(Failure::ConnectionClosed)?;
            if let Some(incoming) = parse(&message) {
                return Ok(incoming);
            }
        }
    }

    /// Waits, taking in and dropping what comes meanwhile.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn pause(&mut self, duration: Duration) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + duration;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                message = self.wire.receive() => if message.is_none() {
                    return Err(Failure::ConnectionClosed);
                },
            }
        }
    }

    /// Runs a blocking question while events are taken in and dropped: a gateway closes a client that
    /// does not read, and people take their time.
    ///
    /// # Errors
    /// When the question's thread panicked.
    pub async fn meanwhile<T: Send + 'static>(
        &mut self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let mut asked = tokio::task::spawn_blocking(question);
        let answered = loop {
            tokio::select! {
                answered = &mut asked => break answered,
                message = self.wire.receive() => if message.is_none() {
                    // The next call says so; the person finishes typing first.
                    break asked.await;
                },
            }
        };
        answered.map_err(|error| Failure::Failed(format!("the question could not be asked: {error}")))
    }
}

/// Reads an answer.
///
/// # Errors
/// When it is not what `T` takes.
pub fn read<T: DeserializeOwned>(method: &'static str, answer: Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(answer).map_err(|error| {
        let problem = format!("at {}: {}", error.path(), error.inner());
        Failure::UnreadableAnswer { method, problem: text::one_line(&problem, 200) }
    })
}

/// What is sent. What it carries is read strictly, once it is known for what.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Frame {
    #[serde(rename = "event")]
    Event {
        event: String,
        #[serde(default)]
        payload: Value,
    },
    #[serde(rename = "res")]
    Response {
        id: String,
        ok: bool,
        #[serde(default)]
        payload: Value,
        #[serde(default)]
        error: Option<ServerError>,
    },
}

fn parse(message: &str) -> Option<Incoming> {
    match serde_json::from_str(message).ok()? {
        Frame::Event { event, payload } => Some(Incoming::Event { name: event, payload }),
        Frame::Response { id, ok: true, payload, .. } => Some(Incoming::Answer { id, result: Ok(payload) }),
        Frame::Response { id, ok: false, error, .. } => {
            let unexplained = || ServerError {
                code: String::new(),
                message: "the request failed".to_owned(),
                details: Value::Null,
            };
            Some(Incoming::Answer { id, result: Err(error.unwrap_or_else(unexplained)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_failure_without_an_explanation_is_still_a_failure() {
        let incoming = parse(r#"{"type":"res","id":"1","ok":false,"payload":{"status":"ok"}}"#);

        let Some(Incoming::Answer { result: Err(error), .. }) = incoming else { panic!("{incoming:?}") };
        assert_eq!(error.message, "the request failed");
    }

    #[test]
    fn messages_of_other_kinds_are_nothing() {
        for message in
            [r#"{"type":"close","code":1008,"reason":"x"}"#, "[]", "{", "", r#"{"type":"res","id":1}"#]
        {
            assert_eq!(parse(message), None, "{message}");
        }
    }

    proptest! {
        #[test]
        fn text_that_is_no_json_is_nothing(message in "[^\\[{].*") {
            prop_assert_eq!(parse(&message), None);
        }

        #[test]
        fn answers_and_events_are_read_as_they_were_sent(id in "[0-9]{1,9}", text in ".*") {
            let payload = json!({ "text": text });
            let sent = json!({ "type": "res", "id": id, "ok": true, "payload": payload }).to_string();
            let result = Ok(payload.clone());
            prop_assert_eq!(parse(&sent), Some(Incoming::Answer { id, result }));
            let sent = json!({ "type": "event", "event": "chat", "payload": payload }).to_string();
            prop_assert_eq!(parse(&sent), Some(Incoming::Event { name: "chat".to_owned(), payload }));
        }
    }
}
