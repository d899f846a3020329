//! Reads the bytes of an answer as a stream of events.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::{EventStream, EventStreamError};
use futures_util::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt};
use tidegate_agent::model::{ModelError, ModelStream, StreamEvent};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::assembler::{AnswerError, Assembler};
use super::echo::Echo;
use super::error::{Asked, ReportedError};
use super::lines::{ANSWER_BYTES, Lines, TooLarge};
use crate::http::Endpoint;

/// How long token counts are waited for once the answer is whole.
const USAGE_WAIT: Duration = Duration::from_secs(5);

/// The bytes of a body as they come; an error is a reason.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

type Events = EventStream<Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>>>;

/// What the reader must know.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    pub(super) idle: Duration,
    pub(super) call_id_prefix: String,
}

/// Why there are no more bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ReadError {
    Idle,
    Broken(String),
    TooLarge(TooLarge),
}

/// Reads an answer. Dropping the stream drops `chunks`.
pub(super) fn read(chunks: Chunks, reading: Reading) -> ModelStream {
    let answer = Answer {
        echo: Echo::new(reading.endpoint.clone()),
        failure: None,
        assembler: Assembler::new(reading.call_id_prefix.clone()),
        reading,
        queue: VecDeque::new(),
        phase: Phase::Start(chunks),
        head: Bytes::new(),
        came: Arc::new(Notify::new()),
    };
    Box::pin(stream::try_unfold(answer, |mut answer| async move {
        Ok(answer.next().await?.map(|event| (event, answer)))
    }))
}

struct Answer {
    reading: Reading,
    assembler: Assembler,
    echo: Echo,
    queue: VecDeque<StreamEvent>,
    /// Why there is no more, after what was held back.
    failure: Option<ModelError>,
    phase: Phase,
    /// How it begins, for an error.
    head: Bytes,
    /// Told of each piece of the body, also of one that completes no event.
    came: Arc<Notify>,
}

enum Phase {
    Start(Chunks),
    Events(Box<Events>),
    Ended,
}

impl Answer {
    async fn next(&mut self) -> Result<Option<StreamEvent>, ModelError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let advanced = match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return Ok(None),
                Phase::Start(chunks) => self.start(chunks).await,
                Phase::Events(events) => self.advance(events).await,
            };
            if let Err(failure) = advanced {
                let held = self.assembler.held_back();
                self.push(held);
                self.queue.extend(self.echo.end());
                self.failure = Some(failure);
            }
        }
    }

    fn push(&mut self, events: impl IntoIterator<Item = StreamEvent>) {
        for event in events {
            self.queue.extend(self.echo.pass(event));
        }
    }

    /// Looks at the first character: some servers ignore that a stream was asked for.
    async fn start(&mut self, mut chunks: Chunks) -> Result<(), ModelError> {
        let idle = self.reading.idle;
        let mut blanks = 0;
        let first = loop {
            let Some(chunk) = next_chunk(&mut chunks, idle).await.map_err(|error| self.read_error(error))?
            else {
                return Err(self.error(AnswerError::CutOff("it sent an empty answer")));
            };
            match chunk.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(&first) => {
                    self.head = chunk;
                    break first;
                }
                None => blanks += chunk.len(),
            }
            if blanks > ANSWER_BYTES {
                return Err(self.read_error(ReadError::TooLarge(TooLarge::Answer)));
            }
        };
        let chunks = Box::pin(stream::iter([Ok(self.head.clone())]).chain(chunks));
        match first {
            b'{' => self.whole(chunks).await,
            b'<' => Err(self.error(AnswerError::Broken(String::from_utf8_lossy(&self.head).into_owned()))),
            _ => {
                self.phase =
                    Phase::Events(Box::new(EventStream::new(lines(chunks, idle, Arc::clone(&self.came)))));
                Ok(())
            }
        }
    }

    async fn whole(&mut self, mut chunks: Chunks) -> Result<(), ModelError> {
        let mut body = Vec::new();
        while let Some(chunk) =
            next_chunk(&mut chunks, self.reading.idle).await.map_err(|error| self.read_error(error))?
        {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(self.read_error(ReadError::TooLarge(TooLarge::Answer)));
            }
            body.extend_from_slice(&chunk);
        }
        let events =
            self.assembler.whole(&String::from_utf8_lossy(&body)).map_err(|error| self.error(error))?;
        self.push(events);
        self.end()
    }

    async fn advance(&mut self, mut events: Box<Events>) -> Result<(), ModelError> {
        let is_whole = self.assembler.is_whole();
        let next = if is_whole {
            timeout(USAGE_WAIT, events.next()).await.unwrap_or(None)
        } else {
            tokio::select! {
                biased;
                next = events.next() => {
                    // The event itself says what came.
                    let _ = self.came.notified().now_or_never();
                    next
                }
                () = self.came.notified() => {
                    self.queue.push_back(StreamEvent::Alive);
                    self.phase = Phase::Events(events);
                    return Ok(());
                }
            }
        };
        match next {
            // What comes wrong after a whole answer takes nothing from it.
            Some(Err(_)) if is_whole => self.end(),
            Some(Err(error)) => Err(match error {
                EventStreamError::Transport(error) => self.read_error(error),
                EventStreamError::Utf8(_) => self.error(AnswerError::Broken("it is not UTF-8".to_owned())),
                EventStreamError::Parser(_) => {
                    self.error(AnswerError::Broken("it is no event stream".to_owned()))
                }
            }),
            None => self.end(),
            Some(Ok(event)) if event.event == "error" && !is_whole => {
                Err(self.error(AnswerError::Reported(ReportedError::in_event(&event.data))))
            }
            Some(Ok(event)) => {
                match self.assembler.event(&event.data) {
                    Ok(events) => {
                        self.push(events);
                        if self.queue.is_empty() && !self.assembler.is_whole() {
                            self.queue.push_back(StreamEvent::Alive);
                        }
                    }
                    Err(_) if is_whole => return self.end(),
                    Err(error) => return Err(self.error(error)),
                }
                if self.assembler.is_done() {
                    return self.end();
                }
                self.phase = Phase::Events(events);
                Ok(())
            }
        }
    }

    fn end(&mut self) -> Result<(), ModelError> {
        if !self.assembler.has_begun() {
            let head = String::from_utf8_lossy(&self.head).into_owned();
            return Err(self.error(AnswerError::Broken(head)));
        }
        let events = self.assembler.end().map_err(|error| self.error(error))?;
        self.push(events);
        Ok(())
    }

    fn error(&self, error: AnswerError) -> ModelError {
        let asked = Asked { endpoint: &self.reading.endpoint, model: &self.reading.model };
        match error {
            AnswerError::Reported(error) => error.classify(asked, None, false),
            AnswerError::CutOff(reason) => ModelError::CutOff { reason: reason.to_owned() },
            AnswerError::Broken(said) => ModelError::Server {
                status: 200,
                message: format!(
                    "something that is no chat answer: {}",
                    self.reading.endpoint.excerpt(&said, true)
                ),
            },
        }
    }

    fn read_error(&self, error: ReadError) -> ModelError {
        match error {
            ReadError::Idle => ModelError::Idle { seconds: self.reading.idle.as_secs() },
            ReadError::Broken(reason) => {
                ModelError::CutOff { reason: self.reading.endpoint.excerpt(&reason, false) }
            }
            ReadError::TooLarge(what) => ModelError::Server { status: 200, message: what.to_string() },
        }
    }
}

async fn next_chunk(chunks: &mut Chunks, idle: Duration) -> Result<Option<Bytes>, ReadError> {
    timeout(idle, chunks.next()).await.map_err(|_| ReadError::Idle)?.transpose().map_err(ReadError::Broken)
}

/// The lines of a body, and what ends its last event.
fn lines(
    chunks: Chunks,
    idle: Duration,
    came: Arc<Notify>,
) -> Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>> {
    struct Reader {
        came: Arc<Notify>,
        chunks: Chunks,
        lines: Option<Lines>,
        ready: VecDeque<Bytes>,
    }
    let reader = Reader { came, chunks, lines: Some(Lines::default()), ready: VecDeque::new() };
    Box::pin(stream::try_unfold(reader, move |mut reader| async move {
        loop {
            if let Some(line) = reader.ready.pop_front() {
                return Ok(Some((line, reader)));
            }
            let Some(lines) = reader.lines.as_mut() else { return Ok(None) };
            match next_chunk(&mut reader.chunks, idle).await? {
                Some(chunk) => {
                    reader.came.notify_one();
                    reader.ready.extend(lines.push(chunk).map_err(ReadError::TooLarge)?);
                }
                None => reader.ready.extend(reader.lines.take().map(Lines::end)),
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base_url::BaseUrl;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use serde_json::json;
    use tidegate_agent::model::StopReason;

    type Outcome = (Vec<StreamEvent>, Option<ModelError>);

    fn reading() -> Reading {
        Reading {
            endpoint: Endpoint::open(BaseUrl::parse("http://127.0.0.1:1/v1").unwrap()),
            model: "m".to_owned(),
            idle: Duration::from_secs(120),
            call_id_prefix: "call_".to_owned(),
        }
    }

    async fn outcome(pieces: Vec<Result<Bytes, String>>) -> Outcome {
        collect(Box::pin(stream::iter(pieces))).await
    }

    async fn collect(chunks: Chunks) -> Outcome {
        let mut stream = read(chunks, reading());
        let mut events = Vec::new();
        loop {
            match stream.try_next().await {
                // When pieces came is no part of the answer.
                Ok(Some(StreamEvent::Alive)) => {}
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error)),
            }
        }
    }

    fn pieces(body: &[u8], cuts: &[usize]) -> Vec<Result<Bytes, String>> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| Ok(Bytes::copy_from_slice(&body[cut[0]..cut[1]]))).collect()
    }

    fn event() -> impl Strategy<Value = String> {
        let delta = |delta| json!({"choices": [{"index": 0, "delta": delta}]}).to_string();
        let call =
            (prop::option::of(0u64..3), prop::option::of("[ab]"), prop::option::of("[xy]"), "[{}\":a]{0,4}");
        prop_oneof![
            3 => "\\PC{0,6}".prop_map(move |text| format!("data: {}", delta(json!({"content": text})))),
            3 => call.prop_map(move |(index, id, name, arguments)| {
                let function = json!({"name": name, "arguments": arguments});
                let call = json!({"index": index, "id": id, "function": function});
                format!("data:{}", delta(json!({"tool_calls": [call]})))
            }),
            1 => Just(": comment".to_owned()),
            1 => Just("event: message".to_owned()),
            1 => Just(format!("data: {}", json!({"choices": [], "usage": {"prompt_tokens": 1}}))),
            1 => Just("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}".to_owned()),
            1 => Just("data: [DONE]".to_owned()),
            1 => Just("data: {\"error\":\"no\"}".to_owned()),
            1 => "data: .{0,5}",
        ]
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_bytes_are_cut(
            events in prop::collection::vec(event(), 0..12),
            end in prop_oneof![Just("\n\n"), Just("\r\n\r\n"), Just("\n")],
            cuts in prop::collection::vec(any::<usize>(), 0..12),
            truncate in any::<usize>(),
        ) {
            let mut body = events.join(end).into_bytes();
            body.extend_from_slice(end.as_bytes());
            if truncate % 2 == 0 {
                body.truncate(truncate % (body.len() + 1));
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let whole = runtime.block_on(outcome(pieces(&body, &[])));
            let cut = runtime.block_on(outcome(pieces(&body, &cuts)));
            let bytewise = runtime.block_on(outcome(pieces(&body, &(0..body.len()).collect::<Vec<_>>())));
            // An error quotes the first piece, which is another one for each way of cutting.
            let shape = |(events, error): Outcome| (events, error.as_ref().map(std::mem::discriminant));
            let whole = shape(whole);
            prop_assert_eq!(&shape(cut), &whole);
            prop_assert_eq!(&shape(bytewise), &whole);
        }

        #[test]
        fn a_stream_ends_with_a_stop_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let (events, error) = runtime.block_on(outcome(vec![Ok(bytes.into())]));
            prop_assert_eq!(error.is_none(), matches!(events.last(), Some(StreamEvent::Stop(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_answer_does_not_wait_for_a_server_that_forgets_to_end() {
        let body = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n";
        let begun = tokio::time::Instant::now();
        let (events, error) =
            collect(Box::pin(stream::iter([Ok(body.into())]).chain(stream::pending()))).await;
        assert_eq!(events, [StreamEvent::Text("hi".to_owned()), StreamEvent::Stop(StopReason::Stop)]);
        assert_eq!((error, begun.elapsed()), (None, USAGE_WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_without_an_event_is_a_sign_of_life() {
        let pieces = [Ok(Bytes::from_static(b": keep-alive\n\n")), Ok(Bytes::from_static(b"data: [DO"))];
        let mut stream = read(Box::pin(stream::iter(pieces).chain(stream::pending())), reading());

        assert_eq!(stream.try_next().await, Ok(Some(StreamEvent::Alive)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_says_nothing_is_a_sign_of_life() {
        let empty = Bytes::from_static(b"data: {\"choices\":[{\"delta\":{}}]}\n\n");
        let mut stream = read(Box::pin(stream::iter([Ok(empty)]).chain(stream::pending())), reading());

        assert_eq!(stream.try_next().await, Ok(Some(StreamEvent::Alive)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_named_error_is_one() {
        let body = "event: error\ndata: {\"message\":\"the engine died\"}\n\n";

        let (events, error) = outcome(vec![Ok(body.into())]).await;

        assert_eq!(events, []);
        assert!(error.is_some_and(|error| error.to_string().contains("the engine died")));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_after_the_idle_limit() {
        let body = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
        let begun = tokio::time::Instant::now();
        let (events, error) =
            collect(Box::pin(stream::iter([Ok(body.into())]).chain(stream::pending()))).await;
        assert_eq!(events, [StreamEvent::Text("hi".to_owned())]);
        assert_eq!(
            (error, begun.elapsed()),
            (Some(ModelError::Idle { seconds: 120 }), Duration::from_secs(120))
        );
    }
}
