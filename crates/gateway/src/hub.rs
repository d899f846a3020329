//! Who is connected, and getting events to them. A slow reader is closed; nobody waits for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_protocol::event::{self, EventType};
use tidegate_protocol::frame::{EventText, StateVersion};
use tidegate_protocol::payload::events::{PresenceEvent, ShutdownEvent};
use tidegate_protocol::payload::system::PresenceEntry;
use tidegate_protocol::{CloseCode, CloseFrame, ConnectionId, Event, SessionKey};
use tidegate_trust::{Principal, Session};

use crate::now;
use crate::outbox::{Outbox, WhenBehind};

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
    presence: VecDeque<Present>,
    presence_version: u64,
    health_version: u64,
}

impl State {
    fn recipients<'a>(&'a self, event: Event, audience: Audience<'a>) -> impl Iterator<Item = &'a Entry> {
        self.entries.values().filter(move |entry| {
            entry.session.receives(event)
                && match audience {
                    Audience::Everyone => true,
                    Audience::Watchers(session) => entry.watches(session),
                    Audience::ToolEvents => entry.tool_events,
                    Audience::Windows => entry.session.principal() == &Principal::Window,
                }
        })
    }
}

/// A line of presence, and whose it is.
#[derive(Debug)]
struct Present {
    key: String,
    entry: PresenceEntry,
}

/// The most presence entries that are kept.
const MAX_PRESENCE: usize = 200;
/// How long a presence entry is shown after its connection ended.
const PRESENCE_LIFE: std::time::Duration = std::time::Duration::from_mins(5);

/// Whom an event is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience<'a> {
    /// Everyone whose scopes allow it.
    Everyone,
    /// Connections that watch a session.
    Watchers(&'a SessionKey),
    /// Connections that declared `tool-events`.
    ToolEvents,
    /// Windows of the desktop.
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
        let entry = PresenceEntry {
            text: Some(format!("Gateway: {host} · Tidegate {version}")),
            host,
            version: version.to_owned(),
            platform: std::env::consts::OS.to_owned(),
            device_family: None,
            mode: "gateway".to_owned(),
            reason: "self".to_owned(),
            device_id: None,
            instance_id: None,
            ts: now::wall(),
        };
        hub.lock().presence.push_back(Present { key: "gateway".to_owned(), entry });
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
        let present = Present {
            key: key.unwrap_or_else(|| session.connection().to_string()),
            entry: PresenceEntry {
                host: clean(client.display_name.as_deref().unwrap_or(client.id.name())),
                version: clean(&client.version),
                platform: clean(&client.platform),
                device_family: client.device_family.as_deref().map(clean),
                mode: client.mode.name().to_owned(),
                reason: reason.to_owned(),
                device_id,
                instance_id,
                text: None,
                ts: now::wall(),
            },
        };
        {
            let mut state = self.lock();
            state.presence.retain(|known| known.key != present.key);
            state.presence.push_front(present);
            state.presence.truncate(MAX_PRESENCE);
            state.presence_version += 1;
        }
        let presence = self.presence();
        self.publish::<event::Presence>(&PresenceEvent { presence }, Audience::Everyone);
    }

    /// Who is connected, newest first; the gateway itself is among them.
    pub(crate) fn presence(&self) -> Vec<PresenceEntry> {
        let now = now::wall();
        let mut state = self.lock();
        let is_shown =
            |entry: &PresenceEntry| entry.reason != "disconnect" || now.since(entry.ts) < PRESENCE_LIFE;
        state.presence.retain(|present| is_shown(&present.entry));
        for present in state.presence.iter_mut().filter(|present| present.entry.reason == "self") {
            present.entry.ts = now;
        }
        state.presence.iter().map(|present| present.entry.clone()).collect()
    }

    pub(crate) fn versions(&self) -> StateVersion {
        let state = self.lock();
        StateVersion { presence: state.presence_version, health: state.health_version }
    }

    /// Sends an event to everyone whom it is for.
    pub(crate) fn publish<E: EventType>(&self, payload: &E::Payload, audience: Audience<'_>) {
        let is_droppable = matches!(E::EVENT, Event::Presence | Event::Tick | Event::Health);
        let when_behind = if is_droppable { WhenBehind::Drop } else { WhenBehind::Keep };
        self.deliver::<E>(payload, audience, when_behind);
    }

    /// The same for an event that a slow reader can do without.
    pub(crate) fn publish_droppable<E: EventType>(&self, payload: &E::Payload, audience: Audience<'_>) {
        self.deliver::<E>(payload, audience, WhenBehind::Drop);
    }

    fn deliver<E: EventType>(&self, payload: &E::Payload, audience: Audience<'_>, when_behind: WhenBehind) {
        let state = self.lock();
        let mut recipients = state.recipients(E::EVENT, audience).peekable();
        if recipients.peek().is_none() {
            return;
        }
        let versions = StateVersion { presence: state.presence_version, health: state.health_version };
        let versions = matches!(E::EVENT, Event::Presence | Event::Health).then_some(&versions);
        let Ok(event) = EventText::new::<E>(payload, versions) else {
            tracing::error!(event = E::EVENT.name(), "an event could not be written");
            return;
        };
        for entry in recipients {
            entry.outbox.event(event.clone(), when_behind);
        }
    }

    /// Whether anyone gets the events of a session's watchers.
    pub(crate) fn is_watched(&self, session: &SessionKey) -> bool {
        self.lock().recipients(Event::SessionMessage, Audience::Watchers(session)).next().is_some()
    }

    /// Events of runs were dropped before anyone could get them: the clients that get such events see a gap.
    pub(crate) fn skip_run_events(&self) {
        for entry in self.lock().recipients(Event::Agent, Audience::Everyone) {
            entry.outbox.skip_event();
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

    /// Closes every connection at once: nobody may act here any more.
    pub(crate) fn cut_off(&self) {
        for entry in self.lock().entries.values() {
            entry.outbox.revoke();
            entry.outbox.close_now(CloseFrame::new(CloseCode::ServiceRestart, "service restart"));
        }
    }

    /// Tells everyone that the gateway stops, and closes them.
    pub(crate) fn shut_down(&self, reason: &str) {
        let shutdown = ShutdownEvent { reason: reason.to_owned(), restart_expected_ms: None };
        self.publish::<event::Shutdown>(&shutdown, Audience::Everyone);
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
