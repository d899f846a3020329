//! The runtime's events on their way to the connections, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidegate_agent::event::{RunEventKind, RuntimeEvent};
use tidegate_protocol::RunId;
use tidegate_protocol::payload::events::AgentData;
use tidegate_store::RunRow;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use super::published::{
    Changed, Shown, agent, appended, delta_event, ended, phase, phase_changed, session_event, tool,
    tool_phase, tool_result, tool_update,
};
use crate::run_ends::{RunEnds, Wait, Waits};
use crate::state::Gateway;

/// A `chat` delta carries the whole text so far, so not every piece needs one.
const DELTA_INTERVAL: Duration = Duration::from_millis(150);
/// The shortest time from a run's acceptance to the event of its end. OpenClaw's terminal interface
/// shows a run as waiting for ever when its end comes together with the acknowledgement of the
/// message, as it does from a model that answers at once.
const EARLIEST_END: Duration = Duration::from_millis(200);

/// The events of the runtime on their way to the connections, and the answers that wait for them.
pub(crate) struct Forwarder {
    gateway: Gateway,
    events: broadcast::Receiver<Arc<RuntimeEvent>>,
    new_waits: mpsc::UnboundedReceiver<Wait>,
    waits: Waits<oneshot::Sender<()>>,
    /// Ends that came too early, by when they are due.
    held: BTreeMap<(Instant, RunId), Arc<RuntimeEvent>>,
    shown: HashMap<RunId, Shown>,
}

impl Forwarder {
    /// A forwarder, and what tells when it has sent a run's end.
    pub(crate) fn new(gateway: Gateway, events: broadcast::Receiver<Arc<RuntimeEvent>>) -> (Self, RunEnds) {
        let (run_ends, new_waits) = RunEnds::new();
        let forwarder = Self {
            gateway,
            events,
            new_waits,
            waits: Waits::default(),
            held: BTreeMap::new(),
            shown: HashMap::new(),
        };
        (forwarder, run_ends)
    }

    /// Forwards events until the gateway stops, and then what has happened so far.
    pub(crate) async fn forward(mut self) {
        let stop = self.gateway.inner().stop.clone();
        loop {
            let due = self.held.first_key_value().map(|((due, _), _)| *due);
            tokio::select! {
                biased;
                Some(wait) = self.new_waits.recv() => {
                    self.waits.begin(wait.run, self.events.len(), wait.sent);
                }
                event = self.events.recv() => match event {
                    Ok(event) => {
                        self.forward_one(event).await;
                        self.waits.received(1);
                    }
                    Err(RecvError::Lagged(missed)) => self.missed(missed),
                    Err(RecvError::Closed) => break,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.send_first_held().await;
                }
                () = stop.cancelled() => break,
            }
            answer(self.waits.take_due());
        }
        while !self.held.is_empty() {
            self.send_first_held().await;
        }
    }

    /// What was missed is in the transcript; clients that see the gap read it again.
    fn missed(&mut self, events: u64) {
        tracing::warn!(events, "events of runs were dropped: too many at once");
        self.gateway.inner().hub.skip_run_events();
        // The ends of these runs may be among what was missed.
        self.shown.clear();
        self.waits.received(events);
    }

    /// Sends a run's end, or holds it back until it may be told.
    async fn end(&mut self, event: Arc<RuntimeEvent>, run: &RunRow) {
        let early = EARLIEST_END.saturating_sub(event.at.since(run.created_at));
        if early.is_zero() {
            self.send_end(&event).await;
        } else {
            self.waits.hold(event.run.clone());
            self.held.insert((Instant::now() + early, event.run.clone()), event);
        }
    }

    async fn send_first_held(&mut self) {
        if let Some(((_, run), event)) = self.held.pop_first() {
            self.send_end(&event).await;
            answer(self.waits.release(&run));
        }
    }

    async fn send_end(&mut self, event: &RuntimeEvent) {
        if let RunEventKind::Ended { outcome, run } = &event.kind {
            let shown = self.shown.remove(&event.run);
            ended(&self.gateway, event, *outcome, run, shown).await;
        }
    }

    async fn forward_one(&mut self, event: Arc<RuntimeEvent>) {
        let gateway = self.gateway.clone();
        let inner = gateway.inner();
        match &event.kind {
            RunEventKind::Accepted => inner.trust.changed(),
            RunEventKind::Started => {
                inner.trust.changed();
                let data = AgentData { started_at: Some(event.at), ..phase("start") };
                agent(inner, &event, "lifecycle", data);
                phase_changed(&gateway, &event, "start").await;
            }
            RunEventKind::ModelChosen { model } => {
                let (provider, model) = model.split_once('/').unwrap_or(("", model));
                let (provider, model) = (Some(provider.to_owned()), Some(model.to_owned()));
                agent(inner, &event, "lifecycle", AgentData { provider, model, ..phase("model") });
            }
            RunEventKind::Text { text, delta } => self.text(&event, text, delta),
            RunEventKind::ToolStarted { call_id, name, arguments } => {
                if let Some(shown) = self.shown.get_mut(&event.run) {
                    delta_event(inner, &event, shown);
                }
                let args = Some(arguments.clone()).filter(|arguments| !arguments.is_null());
                tool(inner, &event, AgentData { args, ..tool_phase("start", name, call_id) });
            }
            RunEventKind::ToolUpdated { call_id, name, text } => {
                let partial_result = Some(tool_result(text));
                tool_update(
                    inner,
                    &event,
                    AgentData { partial_result, ..tool_phase("update", name, call_id) },
                );
            }
            RunEventKind::ToolEnded { call_id, name, text, is_error } => {
                let (is_error, result) = (Some(*is_error), Some(tool_result(text)));
                tool(inner, &event, AgentData { is_error, result, ..tool_phase("result", name, call_id) });
            }
            RunEventKind::Appended(entry) => appended(&gateway, &event, entry).await,
            RunEventKind::Ended { run, .. } => {
                inner.tasks.spawn(show_end(gateway.clone(), event.run.clone()));
                self.end(Arc::clone(&event), run).await;
            }
            RunEventKind::SessionChanged { reason } => {
                let changed = Changed { reason: Some(reason.to_string()), ..Changed::default() };
                session_event(&gateway, &event.session, changed).await;
            }
        }
    }

    fn text(&mut self, event: &RuntimeEvent, text: &Arc<str>, delta: &str) {
        let shown = self.shown.entry(event.run.clone()).or_default();
        // What is all that there is of an answer begins it.
        if text.len() == delta.len() || shown.answer == 0 {
            shown.sent = 0;
            shown.answer += 1;
        }
        shown.text = text.clone();
        let data = AgentData {
            text: Some(text.to_string()),
            delta: Some(delta.to_owned()),
            item_id: Some(format!("{}:{}", event.run, shown.answer)),
            ..AgentData::default()
        };
        let inner = self.gateway.inner();
        agent(inner, event, "assistant", data);
        if event.at.since(shown.at) >= DELTA_INTERVAL {
            delta_event(inner, event, shown);
        }
    }
}

/// Lets those go on who waited for events. One that is gone needs no answer.
fn answer(waiters: Vec<oneshot::Sender<()>>) {
    for waiter in waiters {
        let _ = waiter.send(());
    }
}

/// The person's surfaces show what runs, which a run leaves a moment after its end was told.
async fn show_end(gateway: Gateway, run: RunId) {
    const LONGEST: Duration = Duration::from_secs(5);
    let inner = gateway.inner();
    if let Ok(runtime) = gateway.runtime() {
        tokio::select! {
            () = inner.stop.cancelled() => {}
            // Whatever it answers, the run has ended.
            _ = runtime.wait(run, LONGEST) => {}
        }
    }
    inner.trust.changed();
}
