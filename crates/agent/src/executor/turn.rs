//! The turn loop: asks the model, runs its tools, reads the inbox, until there is an answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tidegate_protocol::payload::chat::MessageUsage;
use tidegate_protocol::transcript::{
    AnswerEnd, AssistantAuthor, AssistantContent, CallOutcome, ModelAnswer, RecordedCall,
};
use tidegate_protocol::{SessionId, TranscriptMessage};
use tidegate_store::{Outcome, StoreError, TranscriptEntry, Usage};

use super::model_call::{self, Answer, Fragment, Interruption};
use super::transcript::conversation;
use super::{Executor, history, retry};
use crate::completion::{Ending, source_run};
use crate::event::RunEventKind;
use crate::message::{Message, ToolCall};
use crate::model::{Model, ModelError, ModelName, ModelRequest, StopReason};
use crate::run::RunHandle;
use crate::tool::{ToolDescription, ToolOutput};

/// The most characters of a model's name or error in the log.
const MAX_LOGGED: usize = 400;

/// How the loop ends early.
pub(crate) enum Halt {
    /// The run was stopped; what is still to be committed.
    Stopped { text: Option<String>, entries: Vec<TranscriptMessage> },
    /// It cannot go on.
    Failed { error: String, text: Option<String>, entries: Vec<TranscriptMessage> },
}

impl Halt {
    fn stopped() -> Self {
        Self::Stopped { text: None, entries: Vec::new() }
    }

    fn failed(error: impl Into<String>) -> Self {
        Self::Failed { error: error.into(), text: None, entries: Vec::new() }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::failed(error.to_string())
    }
}

pub(crate) struct TurnLoop<'a> {
    pub(crate) executor: &'a Executor,
    pub(crate) handle: &'a Arc<RunHandle>,
    /// The transcript that the run writes to.
    pub(crate) transcript: SessionId,
    pub(crate) entries: Vec<TranscriptEntry>,
    pub(crate) tools: Vec<ToolDescription>,
    pub(crate) system: String,
    pub(crate) usage: Usage,
    /// The last thing that the model said in this run.
    pub(crate) last_text: Option<String>,
}

/// A final answer, to be committed with the end of the run.
pub(crate) struct Final {
    text: String,
    message: Option<TranscriptMessage>,
}

impl TurnLoop<'_> {
    pub(crate) async fn run(&mut self) -> Result<Final, Halt> {
        let model = self.choose_model().await?;
        let Executor { clock, limits, accepted_sizes, .. } = self.executor;
        let mut budget = accepted_sizes.budget(&*model, self.system.len(), limits.history_bytes, clock.now());
        let before = self.entries.first().map(|entry| entry.seq);
        let mut earlier = history::before(&self.executor.store, &self.transcript, before, budget).await?;
        earlier.append(&mut self.entries);
        self.entries = earlier;
        for _ in 0..self.executor.limits.rounds {
            self.read_inbox().await?;
            if !self.executor.places.while_not_paused(self.handle).await {
                return Err(Halt::stopped());
            }
            let answer = self.ask(&*model, &mut budget).await?;
            self.add(answer.usage);
            if !answer.text.is_empty() {
                self.last_text = Some(answer.text.clone());
            }
            if answer.calls.is_empty() {
                let last = final_answer(&answer, self.message(&answer))?;
                if !self.has_open_subagents() {
                    return Ok(last);
                }
                // Its own subagents still work: what they find belongs into this run's result.
                self.commit(last.message.into_iter().collect()).await?;
                self.wait_for_subagents().await?;
                if !self.read_inbox().await? {
                    return Ok(Final { text: last.text, message: None });
                }
            } else {
                self.use_tools(&answer).await?;
            }
        }
        let rounds = self.executor.limits.rounds;
        Err(Halt::failed(format!(
            "the run asked the model {rounds} times, which is the limit, without coming to an answer"
        )))
    }

    async fn choose_model(&self) -> Result<Arc<dyn Model>, Halt> {
        let models = &self.executor.models;
        let name = match &self.handle.spec.model {
            Some(name) => Some(name.to_string()),
            None => {
                let session = self.executor.store.session(self.handle.session().clone()).await?;
                session.and_then(|row| row.settings.get("model").and_then(Value::as_str).map(str::to_owned))
            }
        };
        let model = match name {
            None => models.default_model().await,
            Some(name) => {
                let found = match ModelName::parse(&name) {
                    Some(parsed) => models.model(&parsed).await,
                    None => None,
                };
                match found {
                    Some(model) => model,
                    None => Some(models.default_model().await)
                        .filter(|model| model.name().to_string() == name)
                        .ok_or_else(|| {
                            Halt::failed(format!(
                                "there is no model {name:?}; choose another for this session"
                            ))
                        })?,
                }
            }
        };
        let _ = self.handle.model.set(model.name());
        self.handle
            .emit(self.executor.clock.now(), RunEventKind::ModelChosen { model: model.name().to_string() });
        Ok(model)
    }

    async fn ask(&mut self, model: &dyn Model, budget: &mut usize) -> Result<Answer, Halt> {
        let (mut failures, mut loading, mut too_long) = (0, 0, 0);
        loop {
            let request = self.request(*budget);
            // Short messages may be longer than the budget together, and are sent as they are.
            let sent = history::total(&request.messages[1..]).min(*budget);
            let fragment = match self.call_model(model, request).await {
                Ok(answer) => {
                    if too_long > 0 {
                        let Executor { clock, accepted_sizes, .. } = self.executor;
                        let accepted = self.system.len().saturating_add(*budget);
                        accepted_sizes.accepted(model.name(), accepted, clock.now());
                    }
                    return Ok(answer);
                }
                Err(fragment) => fragment,
            };
            // Waiting for a model to be loaded uses up no other try, and neither does a shorter conversation.
            let counter = match fragment.why {
                Interruption::Failed(ModelError::Loading) => &mut loading,
                Interruption::Failed(ModelError::ContextLength) => &mut too_long,
                _ => &mut failures,
            };
            *counter += 1;
            let attempt = *counter;
            if let Interruption::Failed(error) = &fragment.why {
                self.log_failure(model, attempt, error);
            }
            if let Interruption::Failed(error) = &fragment.why
                && !fragment.began
            {
                if *error == ModelError::ContextLength
                    && let Some(less) = history::less_than(sent)
                {
                    *budget = less;
                    continue;
                }
                if let Some(pause) = retry::pause_before_retry(error, attempt)
                    && self.pause(pause).await
                {
                    self.add(fragment.usage);
                    continue;
                }
                // It said before what it had to say, or its subagents will.
                let may_be_silent = self.last_text.is_some() || self.has_open_subagents();
                if matches!(error, ModelError::NothingSaid { .. }) && may_be_silent {
                    let (text, calls) = (String::new(), Vec::new());
                    return Ok(Answer { text, calls, usage: fragment.usage, stop: StopReason::Stop });
                }
            }
            return Err(self.broken_off(fragment));
        }
    }

    async fn call_model(&self, model: &dyn Model, request: ModelRequest) -> Result<Answer, Fragment> {
        let Executor { clock, limits, .. } = self.executor;
        model_call::ask(model, request, self.handle, &**clock, limits).await
    }

    fn log_failure(&self, model: &dyn Model, attempt: u32, error: &ModelError) {
        let line = |text: String| tidegate_protocol::text::one_line(&text, MAX_LOGGED);
        let (model, error) = (line(model.name().to_string()), line(error.to_string()));
        tracing::warn!(%model, attempt, %error, "model call failed");
    }

    async fn pause(&self, pause: Duration) -> bool {
        let wait = self.executor.places.without_place(self.handle, async {
            tokio::select! {
                () = self.handle.token().cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        });
        wait.await;
        !self.handle.token().is_cancelled()
    }

    fn request(&self, budget: usize) -> ModelRequest {
        let mut messages = vec![Message::System(self.system.clone())];
        messages.extend(history::fit(conversation(&self.entries), budget));
        if self.entries.last().is_some_and(|entry| source_run(&entry.message).is_some()) {
            messages.extend(self.still_working());
        }
        ModelRequest { messages, tools: self.tools.clone() }
    }

    /// What a model that has just read a result must know: which ones are still to come.
    fn still_working(&self) -> Option<Message> {
        let children = self.executor.schedule.children(self.handle.session());
        let names: Vec<String> = children
            .iter()
            .map(|child| {
                child.row.label.as_deref().map_or_else(
                    || child.session().to_string(),
                    |label| format!("{:?}", tidegate_protocol::text::one_line(label, 120)),
                )
            })
            .collect();
        let text = format!(
            "Subagents that still work: {}. Their results will come by themselves.",
            names.join(", ")
        );
        (!names.is_empty()).then_some(Message::Runtime(text))
    }

    fn add(&mut self, usage: Usage) {
        self.usage.input = self.usage.input.saturating_add(usage.input);
        self.usage.output = self.usage.output.saturating_add(usage.output);
    }

    /// Keeps what came of an answer that broke off.
    fn broken_off(&mut self, fragment: Fragment) -> Halt {
        let Fragment { text, usage, why, .. } = fragment;
        self.add(usage);
        let (stop, error) = match why {
            Interruption::Stopped => (AnswerEnd::Aborted, None),
            Interruption::Failed(error) => (AnswerEnd::Error, Some(error.to_string())),
            Interruption::TooLong => {
                let limit = self.executor.limits.answer_bytes;
                (
                    AnswerEnd::Error,
                    Some(format!("the model's answer is longer than {limit} bytes, which is the limit")),
                )
            }
        };
        let keep = !text.is_empty() || error.is_some();
        let entries = match keep {
            true => vec![self.said(text.clone(), Vec::new(), usage, stop, error.clone())],
            false => Vec::new(),
        };
        let text = (!text.is_empty()).then_some(text);
        match error {
            None => Halt::Stopped { text, entries },
            Some(error) => Halt::Failed { error, text, entries },
        }
    }

    fn message(&self, answer: &Answer) -> TranscriptMessage {
        let calls = answer.calls.iter().map(RecordedCall::from).collect();
        self.said(answer.text.clone(), calls, answer.usage, answer_end(answer), None)
    }

    fn said(
        &self,
        text: String,
        calls: Vec<RecordedCall>,
        usage: Usage,
        stop_reason: AnswerEnd,
        error_message: Option<String>,
    ) -> TranscriptMessage {
        let unknown = ModelName { provider: String::new(), model: String::new() };
        let ModelName { provider, model } = self.handle.model.get().unwrap_or(&unknown).clone();
        let Usage { input, output } = usage;
        TranscriptMessage::Assistant {
            content: AssistantContent { text, calls },
            timestamp: self.executor.clock.now(),
            author: AssistantAuthor::Model(ModelAnswer {
                api: "openai-completions".to_owned(),
                provider,
                model,
                usage: MessageUsage { input, output, total_tokens: input.saturating_add(output) },
                stop_reason,
                error_message,
            }),
        }
    }

    /// Commits the calls, then runs them in order, committing each result. A crash in between
    /// shows which call has an unknown outcome. Neighbouring calls of a tool like spawn go together: each is durable by
    /// itself and none depends on another, so they can share the cost of becoming durable.
    async fn use_tools(&mut self, answer: &Answer) -> Result<(), Halt> {
        self.commit(vec![self.message(answer)]).await?;
        let mut rest = &answer.calls[..];
        while let [first, ..] = rest {
            let goes_with_first = |call: &&ToolCall| self.executor.tool_calls.go_together(first, call);
            let together = rest.iter().take_while(goes_with_first).count();
            let (group, later) = rest.split_at(together.max(1));
            let before = answer.calls.len() - rest.len();
            let calls =
                group.iter().enumerate().map(|(index, call)| self.call_or_skip(answer, before + index, call));
            let outputs = join_all(calls).await;
            let mut results: Vec<TranscriptMessage> =
                group.iter().zip(&outputs).map(|(call, output)| self.result(call, output)).collect();
            if self.handle.token().is_cancelled() {
                let skipped =
                    ToolOutput::skipped(self.handle.stopped_outcome().1).because(CallOutcome::Stopped);
                results.extend(later.iter().map(|call| self.result(call, &skipped)));
                return Err(Halt::Stopped { text: None, entries: results });
            }
            self.commit(results).await?;
            rest = later;
        }
        Ok(())
    }

    async fn call_or_skip(&self, answer: &Answer, index: usize, call: &ToolCall) -> ToolOutput {
        if answer.stop == StopReason::Length {
            return ToolOutput::skipped(
                "your answer reached its length limit, so the call may be incomplete; make it shorter",
            );
        }
        if index >= self.executor.limits.calls_per_answer {
            return ToolOutput::skipped("too many calls in one answer; make the rest in the next one");
        }
        self.executor.tool_calls.invoke(self.handle, call).await
    }

    fn result(&self, call: &ToolCall, output: &ToolOutput) -> TranscriptMessage {
        TranscriptMessage::ToolResult {
            tool_call_id: call.id.clone(),
            tool_name: call.name.clone(),
            text: output.text.clone(),
            is_error: output.is_error,
            timestamp: self.executor.clock.now(),
            details: output.details,
        }
    }

    async fn commit(&mut self, messages: Vec<TranscriptMessage>) -> Result<(), Halt> {
        if messages.is_empty() {
            return Ok(());
        }
        let appended =
            self.executor.store.append(self.handle.id().clone(), messages, self.executor.clock.now()).await?;
        self.executor.appended(self.handle, &appended);
        self.entries.extend(appended);
        Ok(())
    }

    /// Takes over what subagents have delivered; true when there was something.
    async fn read_inbox(&mut self) -> Result<bool, Halt> {
        if !self.executor.schedule.read_inbox(self.handle.session()) {
            return Ok(false);
        }
        let read =
            self.executor.store.consume_inbox(self.handle.id().clone(), self.executor.clock.now()).await?;
        self.executor.appended(self.handle, &read);
        let any = !read.is_empty();
        self.entries.extend(read);
        Ok(any)
    }

    /// Whether a subagent's run must not end yet. The run of a session that a person opened may:
    /// the session wakes when results come.
    fn has_open_subagents(&self) -> bool {
        self.handle.is_subagent() && self.executor.schedule.has_open_subagents(self.handle)
    }

    async fn wait_for_subagents(&self) -> Result<(), Halt> {
        let wait = self.executor.places.without_place(self.handle, async {
            while self.executor.schedule.has_expected_children(self.handle) {
                tokio::select! {
                    () = self.handle.token().cancelled() => return,
                    () = self.handle.news.notified() => {}
                }
            }
        });
        wait.await;
        if self.handle.token().is_cancelled() { Err(Halt::stopped()) } else { Ok(()) }
    }

    /// What a run leaves behind, from how its loop ended.
    pub(crate) fn ending(self, ended: Result<Final, Halt>) -> Ending {
        let last = self.last_text;
        let usage = self.usage;
        match ended {
            Ok(Final { text, message }) => Ending {
                outcome: Outcome::Ok,
                error: None,
                result: Some(text),
                usage,
                entries: message.into_iter().collect(),
            },
            Err(Halt::Stopped { text, entries }) => {
                let (outcome, error) = self.handle.stopped_outcome();
                Ending { outcome, error: Some(error.to_owned()), result: text.or(last), usage, entries }
            }
            Err(Halt::Failed { error, text, entries }) => {
                Ending { outcome: Outcome::Error, error: Some(error), result: text.or(last), usage, entries }
            }
        }
    }
}

fn answer_end(answer: &Answer) -> AnswerEnd {
    match answer.stop {
        StopReason::Length => AnswerEnd::Length,
        StopReason::Refused => AnswerEnd::Error,
        StopReason::Stop | StopReason::ToolUse if answer.calls.is_empty() => AnswerEnd::Stop,
        StopReason::Stop | StopReason::ToolUse => AnswerEnd::ToolUse,
    }
}

fn final_answer(answer: &Answer, message: TranscriptMessage) -> Result<Final, Halt> {
    let text = answer.text.clone();
    let error = match answer.stop {
        StopReason::Refused => "the model's provider refused to answer",
        StopReason::Length if text.is_empty() => "the model reached its length limit before it said anything",
        _ => return Ok(Final { text, message: Some(message) }),
    };
    Err(Halt::Failed {
        error: error.to_owned(),
        text: (!text.is_empty()).then_some(text),
        entries: vec![message],
    })
}
