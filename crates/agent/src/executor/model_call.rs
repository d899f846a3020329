//! Asks a model once: reads its stream, tells listeners the text as it comes, and keeps what came
//! when the answer breaks off.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tidegate_store::Usage;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::event::RunEventKind;
use crate::limits::Limits;
use crate::message::ToolCall;
use crate::model::{Model, ModelError, ModelRequest, StopReason, StreamEvent};
use crate::run::RunHandle;

/// The least time between two text events of one answer. Each carries the whole text so far, so
/// sending one per token would copy the text as often as it has tokens.
const TEXT_EVENT_INTERVAL: Duration = Duration::from_millis(50);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) usage: Usage,
    pub(crate) stop: StopReason,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The run was stopped.
    Stopped,
    /// The model failed.
    Failed(ModelError),
    /// The answer grew beyond the limit.
    TooLong,
}

/// An answer that broke off.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) text: String,
    pub(crate) usage: Usage,
    pub(crate) why: Interruption,
    /// Whether anything came. Only then could asking again repeat something.
    pub(crate) began: bool,
}

/// An answer that is being read.
struct Reading<'a> {
    clock: &'a dyn Clock,
    limits: &'a Limits,
    handle: &'a RunHandle,
    text: String,
    /// How much of the text listeners know.
    told: usize,
    told_at: Option<Instant>,
    calls: Vec<ToolCall>,
    usage: Usage,
    began: bool,
    thought: bool,
}

/// Asks a model for a run. What came of an answer that broke off comes with the reason.
pub(super) async fn ask(
    model: &dyn Model,
    request: ModelRequest,
    handle: &RunHandle,
    clock: &dyn Clock,
    limits: &Limits,
) -> Result<Answer, Fragment> {
    let idle = if model.is_local() { limits.local_model_idle } else { limits.model_idle };
    let mut reading = Reading {
        clock,
        limits,
        handle,
        text: String::new(),
        told: 0,
        told_at: None,
        calls: Vec::new(),
        usage: Usage::default(),
        began: false,
        thought: false,
    };
    let outcome = reading.read(model, request, idle).await;
    reading.tell();
    let Reading { text, calls, usage, began, .. } = reading;
    match outcome {
        Ok(stop) => Ok(Answer { text, calls: unique_ids(calls), usage, stop }),
        Err(why) => Err(Fragment { text, usage, why, began }),
    }
}

impl Reading<'_> {
    async fn read(
        &mut self,
        model: &dyn Model,
        request: ModelRequest,
        idle: Duration,
    ) -> Result<StopReason, Interruption> {
        let silence = || Interruption::Failed(ModelError::Idle { seconds: idle.as_secs() });
        let mut stream = tokio::select! {
            biased;
            () = self.handle.token().cancelled() => return Err(Interruption::Stopped),
            opened = tokio::time::timeout(idle, model.stream(request)) => {
                opened.map_err(|_| silence())?.map_err(Interruption::Failed)?
            }
        };
        let nothing = self.limits.model_says_nothing;
        let says_nothing = Interruption::Failed(ModelError::SaysNothing { minutes: nothing.as_secs() / 60 });
        let mut says_nothing_at = Instant::now() + nothing;
        loop {
            let silent_at = Instant::now() + idle;
            let event = loop {
                let tell_at = (self.told < self.text.len())
                    .then_some(self.told_at)
                    .flatten()
                    .map(|at| at + TEXT_EVENT_INTERVAL);
                tokio::select! {
                    biased;
                    () = self.handle.token().cancelled() => return Err(Interruption::Stopped),
                    event = stream.next() => break event,
                    () = tokio::time::sleep_until(tell_at.unwrap_or(silent_at)), if tell_at.is_some() => self.tell(),
                    () = tokio::time::sleep_until(silent_at) => return Err(silence()),
                    () = tokio::time::sleep_until(says_nothing_at) => return Err(says_nothing),
                }
            };
            let Some(event) = event else {
                let reason = "the answer ended without an end mark".to_owned();
                return Err(Interruption::Failed(ModelError::CutOff { reason }));
            };
            let event = event.map_err(Interruption::Failed)?;
            if event == StreamEvent::Alive {
                continue;
            }
            says_nothing_at = Instant::now() + nothing;
            if let Some(stop) = self.take(event)? {
                return self.check_whole(stop);
            }
        }
    }

    fn take(&mut self, event: StreamEvent) -> Result<Option<StopReason>, Interruption> {
        self.began = true;
        match event {
            StreamEvent::Text(delta) => {
                self.text.push_str(&delta);
                if self.told_at.is_none_or(|at| at.elapsed() >= TEXT_EVENT_INTERVAL) {
                    self.tell();
                }
            }
            StreamEvent::Thinking(_) => self.thought = true,
            StreamEvent::Piece | StreamEvent::Alive => {}
            StreamEvent::ToolCall(call) => self.calls.push(call),
            StreamEvent::Usage(usage) => self.usage = usage,
            StreamEvent::Stop(stop) => return Ok(Some(stop)),
        }
        let size = self.text.len() + self.calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        if size > self.limits.answer_bytes { Err(Interruption::TooLong) } else { Ok(None) }
    }

    /// A whole answer without anything in it is none. What came before it, nobody has seen.
    fn check_whole(&mut self, stop: StopReason) -> Result<StopReason, Interruption> {
        let is_empty = self.text.trim().is_empty() && self.calls.is_empty();
        match stop {
            StopReason::Stop | StopReason::ToolUse if is_empty => {
                self.began = false;
                Err(Interruption::Failed(ModelError::NothingSaid { thought: self.thought }))
            }
            stop => Ok(stop),
        }
    }

    fn tell(&mut self) {
        if self.told < self.text.len() {
            let delta = self.text[self.told..].to_owned();
            self.handle
                .emit(self.clock.now(), RunEventKind::Text { text: Arc::from(self.text.as_str()), delta });
            self.told = self.text.len();
            self.told_at = Some(Instant::now());
        }
    }
}

/// Some models number their calls badly: each call gets an id of its own, so that results find it.
fn unique_ids(mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
    let mut seen = HashSet::new();
    for (index, call) in calls.iter_mut().enumerate() {
        if call.id.is_empty() || !seen.insert(call.id.clone()) {
            call.id = format!("{}#{index}", call.id);
            seen.insert(call.id.clone());
        }
    }
    calls
}
