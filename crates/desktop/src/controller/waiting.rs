//! What waits for the person: requests, commands and values of the configuration in one line, oldest
//! first, with what this desktop did about each.

use std::collections::BTreeMap;

use tidegate_protocol::{UnixMillis, limits};
use tidegate_trust::approval::{self, PendingApproval};
use tidegate_trust::pairing::{PendingRequest, Subject};
use tidegate_trust::settings::{Setting, ShownSetting};

use crate::approvals::{SessionName, Together};
use crate::dialog::NEVER;
use crate::review::{self, Review};
use crate::shell::Queue;
use crate::tray_menu::Waiting as Counts;

/// Names something that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Request(String),
    Command(String),
    Setting(Setting, String),
}

impl Key {
    /// The id of the request, the approval or the proposed value.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Request(id) | Self::Command(id) | Self::Setting(_, id) => id,
        }
    }
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Request(Box<PendingRequest>),
    Command(Box<PendingApproval>),
    Setting(Box<ShownSetting>),
}

impl Item {
    fn key(&self) -> Key {
        match self {
            Self::Request(request) => Key::Request(request.id.clone()),
            Self::Command(command) => Key::Command(command.id.clone()),
            Self::Setting(shown) => Key::Setting(shown.proposed.setting, shown.id()),
        }
    }

    fn digest(&self) -> String {
        match self {
            Self::Request(request) => request.details.digest(),
            Self::Command(command) => command.command.digest.clone(),
            Self::Setting(shown) => shown.proposed.digest(),
        }
    }

    fn created_at(&self) -> UnixMillis {
        match self {
            Self::Request(request) => request.created_at,
            Self::Command(command) => command.created_at,
            Self::Setting(shown) => shown.since,
        }
    }

    fn expires_at(&self) -> UnixMillis {
        match self {
            Self::Request(request) => request.expires_at(),
            Self::Command(command) => command.expires_at(),
            Self::Setting(_) => NEVER,
        }
    }
}

/// How something that waits is drawn.
pub(super) enum Drawn {
    /// In a dialog of its own.
    Review(Box<Review>),
    /// In one with what belongs to it.
    Together(Together),
}

/// Something that waits, and what this desktop did about it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// What a decision is bound to.
    pub(super) digest: String,
    pub(super) item: Item,
    /// Whether the person put it aside.
    pub(super) is_aside: bool,
    /// Whether a decision is on its way, or was taken and the queue has not said so yet.
    pub(super) is_decided: bool,
    /// Why the last decision about it did not work.
    pub(super) problem: Option<String>,
}

impl Entry {
    fn new(item: Item) -> Self {
        let is_aside = matches!(&item, Item::Request(request) if request.later);
        Self { key: item.key(), digest: item.digest(), item, is_aside, is_decided: false, problem: None }
    }

    /// The same thing, told again.
    fn after(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.digest == self.digest => Self {
                is_aside: self.is_aside || before.is_aside,
                is_decided: before.is_decided,
                problem: before.problem.clone(),
                ..self
            },
            _ => self,
        }
    }

    /// What the dialog shows of it.
    pub(super) fn shown(&self) -> Drawn {
        let mut review = match &self.item {
            Item::Request(request) => review::of_request(request),
            Item::Command(command) => return Drawn::Together(Together::of(command)),
            Item::Setting(shown) => review::of_setting(shown),
        };
        if let Some(problem) = &self.problem {
            review.dialog.cautions.insert(0, problem.clone());
        }
        Drawn::Review(Box::new(review))
    }

    /// The command or file.
    pub(super) fn approval(&self) -> Option<&PendingApproval> {
        match &self.item {
            Item::Command(command) => Some(command),
            Item::Request(_) | Item::Setting(_) => None,
        }
    }

    pub(super) fn expires_at(&self) -> UnixMillis {
        self.item.expires_at()
    }

    /// Who asks, for requests.
    pub(super) fn subject(&self) -> Option<&Subject> {
        match &self.item {
            Item::Request(request) => Some(&request.details.subject),
            Item::Command(_) | Item::Setting(_) => None,
        }
    }
}

/// How many of each kind ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ended {
    pub(super) requests: usize,
    pub(super) commands: usize,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct WaitingLine {
    entries: Vec<Entry>,
    /// What sessions are called, by their keys.
    names: BTreeMap<String, SessionName>,
}

impl WaitingLine {
    /// Takes what waits now, and tells how much ended without a decision from here. A host cannot
    /// tell more than it holds, so more than that is not kept.
    pub(super) fn replace(&mut self, queue: Queue, now: UnixMillis) -> Ended {
        let requests = queue.requests.into_iter().take(limits::MAX_PENDING);
        let commands = queue.commands.into_iter().take(approval::MAX_WAITING);
        let settings = queue.settings.into_iter().take(Setting::ALL.len());
        self.names = queue.names;
        let items = requests
            .map(|request| Item::Request(Box::new(request)))
            .chain(commands.map(|command| Item::Command(Box::new(command))))
            .chain(settings.map(|shown| Item::Setting(Box::new(shown))));
        let mut entries: Vec<Entry> = items
            .filter(|item| item.expires_at() > now)
            .map(|item| {
                let entry = Entry::new(item);
                let before = self.get(&entry.key);
                entry.after(before)
            })
            .collect();
        entries.sort_by_key(|entry| entry.item.created_at());
        let before = std::mem::replace(&mut self.entries, entries);
        let mut ended = Ended::default();
        for entry in before.iter().filter(|entry| !entry.is_decided && !self.goes_on(entry)) {
            match entry.key {
                Key::Request(_) => ended.requests += 1,
                Key::Command(_) => ended.commands += 1,
                // It was decided elsewhere, or the file changed.
                Key::Setting(..) => {}
            }
        }
        ended
    }

    /// Whether it still waits, or its client asked for something else instead.
    fn goes_on(&self, entry: &Entry) -> bool {
        self.get(&entry.key).is_some()
            || entry.subject().is_some_and(|subject| self.of_subject(subject).is_some())
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| &entry.key == key)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| &entry.key == key)
    }

    /// Forgets some. Those that still wait are back when the line is read again.
    pub(super) fn forget(&mut self, which: impl Fn(&Entry) -> bool) {
        self.entries.retain(|entry| !which(entry));
    }

    /// What a session is called.
    pub(super) fn name_of(&self, session_key: &str) -> Option<&SessionName> {
        self.names.get(session_key)
    }

    /// What can be decided and belongs together, oldest first.
    pub(super) fn together(&self, together: &Together) -> impl Iterator<Item = &Entry> {
        self.undecided().filter(move |entry| entry.approval().is_some_and(|it| Together::of(it) == *together))
    }

    /// How many can be decided beside one.
    pub(super) fn others(&self) -> usize {
        self.undecided().count().saturating_sub(1)
    }

    /// What can be decided.
    pub(super) fn undecided(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_decided)
    }

    /// What the person has not put aside either.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &Entry> {
        self.undecided().filter(|entry| !entry.is_aside)
    }

    /// One of them that can be decided.
    pub(super) fn undecided_of(&self, key: &Key) -> Option<&Entry> {
        self.get(key).filter(|entry| !entry.is_decided)
    }

    /// The request of someone that can be decided.
    pub(super) fn of_subject(&self, subject: &Subject) -> Option<&Entry> {
        self.undecided().find(|entry| entry.subject() == Some(subject))
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.undecided() {
            match entry.key {
                Key::Request(_) => counts.requests += 1,
                Key::Command(_) => counts.commands += 1,
                Key::Setting(..) => counts.settings += 1,
            }
        }
        counts
    }

    /// When the next of them ends by itself, after `now`.
    pub(super) fn next_end(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.entries.iter().map(Entry::expires_at).filter(|&end| end > now && end != NEVER).min()
    }

    /// Whether one of them has ended by itself since `before`.
    pub(super) fn has_end_between(&self, before: UnixMillis, now: UnixMillis) -> bool {
        self.entries.iter().map(Entry::expires_at).any(|end| before < end && end <= now)
    }
}
