//! Who is connected, and getting events to them. A slow reader is closed; nobody waits for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_protocol::frame::{EventFrame, StateVersion};
use tidegate_protocol::{CloseCode, CloseFrame, ConnectionId, Event, SessionKey, UnixMillis};
use tidegate_trust::{Principal, Session};

use crate::now;
use crate::outbox::Outbox;

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    tool_events: bool,
    all_sessions: bool,
    sessions: HashSet<SessionKey>,
}

impl Entry {
    fn watches(&self, session: &SessionKey) -> bool {
        self.all_sessions || self.sessions.contains(session)
    }
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<ConnectionId, Entry>,
    presence: VecDeque<PresenceEntry>,
    seq: u64,
    presence_version: u64,
    health_version: u64,
}

/// One line of `system-presence` (protocol section 8).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct PresenceEntry {
    #[serde(skip)]
    key: String,
    host: String,
    version: String,
    platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_family: Option<String>,
    mode: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    ts: UnixMillis,
}

/// The most presence entries that are kept.
const MAX_PRESENCE: usize = 200;
/// How long a presence entry is shown after its connection ended.
const PRESENCE_LIFE: std::time::Duration = std::time::Duration::from_mins(5);

/// Whom an event is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience<'a> {
    /// Everyone whose scopes allow it; numbered.
    Everyone,
    /// Connections that watch a session; not numbered.
    Watchers(&'a SessionKey),
    /// Connections that declared `tool-events`; not numbered.
    ToolEvents,
    /// Windows of the desktop; not numbered.
    Windows,
}

/// The connected sessions.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

impl Hub {
    pub(crate) fn new(version: &'static str) -> Self {
        let hub =
            Self { state: Mutex::new(State { presence_version: 1, health_version: 1, ..State::default() }) };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = tidegate_protocol::text::one_line(host.trim(), 64);
        hub.lock().presence.push_back(PresenceEntry {
            key: "gateway".to_owned(),
            text: Some(format!("Gateway: {host} · Tidegate {version}")),
            host,
            version: version.to_owned(),
            platform: std::env::consts::OS.to_owned(),
            device_family: None,
            mode: "gateway".to_owned(),
            reason: "self",
            device_id: None,
            instance_id: None,
            ts: now::wall(),
        });
        hub
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection.
    pub(crate) fn join(&self, session: &Arc<Session>, outbox: &Arc<Outbox>, tool_events: bool) {
        let entry = Entry {
            session: session.clone(),
            outbox: outbox.clone(),
            tool_events,
            all_sessions: false,
            sessions: HashSet::new(),
        };
        self.lock().entries.insert(session.connection().clone(), entry);
        if is_shown(session) {
            self.set_presence(session, "connect");
        }
    }

    /// Removes a connection.
    pub(crate) fn leave(&self, session: &Session) {
        self.lock().entries.remove(session.connection());
        if is_shown(session) {
            self.set_presence(session, "disconnect");
        }
    }

    fn set_presence(&self, session: &Session, reason: &'static str) {
        let client = session.client();
        let device_id = match session.principal() {
            Principal::Device(id) => Some(id.to_string()),
            _ => None,
        };
        let clean = |text: &str| tidegate_protocol::text::one_line(text, 64);
        let instance_id = client.instance_id.as_deref().map(clean);
        let key = device_id.clone().or_else(|| instance_id.clone());
        let entry = PresenceEntry {
            key: key.unwrap_or_else(|| session.connection().to_string()),
            host: clean(client.display_name.as_deref().unwrap_or(&client.id.name())),
            version: clean(&client.version),
            platform: clean(&client.platform),
            device_family: client.device_family.as_deref().map(clean),
            mode: client.mode.name(),
            reason,
            device_id,
            instance_id,
            text: None,
            ts: now::wall(),
        };
        {
            let mut state = self.lock();
            state.presence.retain(|known| known.key != entry.key);
            state.presence.push_front(entry);
            state.presence.truncate(MAX_PRESENCE);
            state.presence_version += 1;
        }
        let presence = self.presence();
        self.publish(Event::Presence, &json!({ "presence": presence }), Audience::Everyone);
    }

    /// Who is connected, newest first; the gateway itself is among them.
    pub(crate) fn presence(&self) -> Vec<Value> {
        let now = now::wall();
        let mut state = self.lock();
        state.presence.retain(|entry| entry.reason != "disconnect" || now.since(entry.ts) < PRESENCE_LIFE);
        for entry in state.presence.iter_mut().filter(|entry| entry.reason == "self") {
            entry.ts = now;
        }
        state.presence.iter().filter_map(|entry| serde_json::to_value(entry).ok()).collect()
    }

    pub(crate) fn versions(&self) -> StateVersion {
        let state = self.lock();
        StateVersion { presence: state.presence_version, health: state.health_version }
    }

    /// Sends an event to everyone whom it is for.
    pub(crate) fn publish(&self, event: Event, payload: &impl Serialize, audience: Audience<'_>) {
        self.deliver(
            event,
            payload,
            audience,
            matches!(event, Event::Presence | Event::Tick | Event::Health),
        );
    }

    /// The same for an event that a slow reader can do without.
    pub(crate) fn publish_droppable(&self, event: Event, payload: &impl Serialize, audience: Audience<'_>) {
        self.deliver(event, payload, audience, true);
    }

    fn deliver(&self, event: Event, payload: &impl Serialize, audience: Audience<'_>, is_droppable: bool) {
        let mut state = self.lock();
        if state.entries.is_empty() {
            return;
        }
        let seq = matches!(audience, Audience::Everyone).then(|| {
            state.seq += 1;
            state.seq
        });
        let versions = StateVersion { presence: state.presence_version, health: state.health_version };
        let versions = matches!(event, Event::Presence | Event::Health).then_some(&versions);
        let is_for = |entry: &Entry| {
            entry.session.receives(event)
                && match audience {
                    Audience::Everyone => true,
                    Audience::Watchers(session) => entry.watches(session),
                    Audience::ToolEvents => entry.tool_events,
                    Audience::Windows => entry.session.principal() == &Principal::Window,
                }
        };
        let mut recipients = state.entries.values().filter(|entry| is_for(entry)).peekable();
        if recipients.peek().is_none() {
            return;
        }
        let Ok(text) = serde_json::to_vec(&EventFrame::new(event, payload, seq, versions)) else {
            tracing::error!(event = event.name(), "an event could not be written");
            return;
        };
        let text = Bytes::from(text);
        for entry in recipients {
            match is_droppable {
                true => entry.outbox.send_if_idle(text.clone()),
                false => entry.outbox.send(text.clone()),
            }
        }
    }

    /// Subscribes a connection to all sessions.
    pub(crate) fn watch_all(&self, connection: &ConnectionId) {
        if let Some(entry) = self.lock().entries.get_mut(connection) {
            entry.all_sessions = true;
        }
    }

    /// Subscribes a connection to one session, or ends that.
    pub(crate) fn watch(&self, connection: &ConnectionId, session: &SessionKey, on: bool) {
        const MAX_WATCHED: usize = 256;
        if let Some(entry) = self.lock().entries.get_mut(connection) {
            if !on {
                entry.sessions.remove(session);
            } else if entry.sessions.len() < MAX_WATCHED {
                entry.sessions.insert(session.clone());
            }
        }
    }

    /// Closes connections whose right to act was taken. The one that asked for it gets its answer
    /// first.
    pub(crate) fn close_revoked(&self, connections: &[ConnectionId], asked_by: Option<&ConnectionId>) {
        let frame = CloseFrame::new(CloseCode::DeviceRemoved, "device removed");
        let state = self.lock();
        for connection in connections {
            let Some(entry) = state.entries.get(connection) else { continue };
            if Some(connection) == asked_by {
                entry.outbox.close_after_answer(frame.clone());
            } else {
                entry.outbox.revoke();
                entry.outbox.close_now(frame.clone());
            }
        }
    }

    /// Tells everyone that the gateway stops, and closes them.
    pub(crate) fn shut_down(&self, reason: &str) {
        self.publish(
            Event::Shutdown,
            &json!({ "reason": reason, "restartExpectedMs": Value::Null }),
            Audience::Everyone,
        );
        for entry in self.lock().entries.values() {
            entry.outbox.close_after(CloseFrame::new(CloseCode::ServiceRestart, "service restart"));
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }
}

/// Command lines come and go by the second; our own surfaces are not clients.
fn is_shown(session: &Session) -> bool {
    session.client().mode != tidegate_protocol::ClientMode::Cli
        && !matches!(
            session.principal(),
            Principal::SubagentClient | Principal::CommandLine | Principal::Window | Principal::Visitor
        )
}
