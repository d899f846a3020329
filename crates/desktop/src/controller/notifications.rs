//! Notifications: a hint with generic text. Anybody in the session can forge an answer, so an answer
//! opens the dialog or refuses, and never allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_trust::Timestamp;
use tidegate_trust::approval::{Operation, PendingApproval};
use tidegate_trust::timestamp::Deadline;

use super::Controller;
use super::tasks::Decided;
use super::waiting::{Ended, Entry, Key};
use crate::dialog::ARM_AFTER;
use crate::shell::{Effect, HostState, Notification, NotificationAnswer, NotificationId, Surface};

/// How often a notification is shown at most.
pub const NOTIFY_EVERY: Duration = Duration::from_secs(5);

/// What is known of the notifications.
#[derive(Debug, Default)]
pub(super) struct Notifications {
    shown: Option<Shown>,
    /// What the person was told of.
    told: BTreeSet<Key>,
    /// Before this, none is shown.
    gate: Option<Deadline>,
    /// What ended while the screen was locked and was not told yet.
    ended: Ended,
    /// What clients decided and was not told yet.
    decided: DecidedByClients,
    /// Whether the connection lines were copied and that was not told yet.
    has_copied: bool,
}

/// What clients decided without the person: how many devices and programs they let in and refused, and
/// how many requests of agents they approved and denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct DecidedByClients {
    let_in: u64,
    refused: u64,
    approved: u64,
    approved_for_task: u64,
    denied: u64,
}

impl DecidedByClients {
    fn and(self, more: Self) -> Self {
        Self {
            let_in: self.let_in.saturating_add(more.let_in),
            refused: self.refused.saturating_add(more.refused),
            approved: self.approved.saturating_add(more.approved),
            approved_for_task: self.approved_for_task.saturating_add(more.approved_for_task),
            denied: self.denied.saturating_add(more.denied),
        }
    }
}

/// The notification on the screen.
#[derive(Debug)]
struct Shown {
    id: NotificationId,
    /// What it told of, with the digests of that time. Empty when it only told what has happened.
    items: BTreeMap<Key, String>,
    decided: DecidedByClients,
    /// Until then, a press of its button may have been meant for the one that it replaced.
    replacing: Option<Deadline>,
}

impl Notifications {
    /// The notification left the screen, and not by the person: what clients decided is reported again.
    fn take_unseen(&mut self) -> Option<Shown> {
        let shown = self.shown.take()?;
        self.decided = self.decided.and(shown.decided);
        Some(shown)
    }
}

impl Controller {
    /// Something ended while nobody could see it.
    pub(super) fn ended_unseen(&mut self, ended: Ended) {
        let sum = &mut self.notifications.ended;
        sum.requests = sum.requests.saturating_add(ended.requests);
        sum.commands = sum.commands.saturating_add(ended.commands);
    }

    /// Clients that may manage pairing approved or refused.
    pub(super) fn decided_by_clients(&mut self, let_in: u64, refused: u64) {
        let sum = &mut self.notifications.decided;
        *sum = sum.and(DecidedByClients { let_in, refused, ..DecidedByClients::default() });
    }

    /// Clients with permission to approve what agents ask for did, or denied it.
    pub(super) fn agent_requests_decided_by_clients(
        &mut self,
        approved: u64,
        approved_for_task: u64,
        denied: u64,
    ) {
        let sum = &mut self.notifications.decided;
        *sum =
            sum.and(DecidedByClients { approved, approved_for_task, denied, ..DecidedByClients::default() });
    }

    /// The connection lines are in the clipboard, which nobody sees by itself.
    pub(super) fn connection_lines_copied(&mut self, effects: &mut Vec<Effect>) {
        match self.notification_service {
            Surface::Missing(_) => self.say_done(COPIED_TITLE, COPIED, effects),
            Surface::Unknown | Surface::Works => self.notifications.has_copied = true,
        }
    }

    pub(super) fn notification_answered(
        &mut self,
        id: NotificationId,
        answer: NotificationAnswer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let shown = self.notifications.shown.take_if(|shown| shown.id == id);
        let was_replacing = shown.as_ref().and_then(|shown| shown.replacing);
        let is_early = was_replacing.is_some_and(|replacing| !replacing.has_passed(now));
        let answer = match answer {
            // Nobody has read it yet, so the dialog asks.
            NotificationAnswer::Deny if is_early => NotificationAnswer::Review,
            answer => answer,
        };
        match (answer, shown) {
            (NotificationAnswer::Closed, _) | (NotificationAnswer::Deny, None) => {}
            (NotificationAnswer::Deny, Some(shown)) => {
                effects.push(Effect::CloseNotification);
                for (key, digest) in shown.items {
                    let is_same = |entry: &super::waiting::Entry| entry.digest == digest;
                    if self.waiting.undecided_of(&key).is_some_and(is_same) {
                        self.refuse(&key, &digest, Decided::RefusedInNotification, effects);
                    }
                }
            }
            (NotificationAnswer::Review, shown) => {
                let keys = match shown {
                    Some(shown) => {
                        effects.push(Effect::CloseNotification);
                        self.keys_where(|entry| shown.items.contains_key(&entry.key))
                    }
                    None => self.keys_where(|entry| !entry.is_aside),
                };
                self.ask_for_reviews(keys, effects);
            }
        }
    }

    /// Shows and takes away what the line of what waits demands.
    pub(super) fn settle_notifications(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.notifications.told.retain(|key| self.waiting.get(key).is_some());
        let is_pending = |shown: &Shown| {
            shown.items.is_empty() || self.waiting.unasked().any(|entry| shown.items.contains_key(&entry.key))
        };
        if self.notifications.shown.as_ref().is_some_and(|shown| !is_pending(shown)) {
            self.notifications.take_unseen();
            effects.push(Effect::CloseNotification);
        }
        if !self.has_news() || self.notifications.gate.is_some_and(|gate| !gate.has_passed(now)) {
            return;
        }
        let seen_here = self.has_focus;
        let news: Vec<&Entry> = self.waiting.unasked().filter(|_| !seen_here).collect();
        let items: BTreeMap<Key, String> =
            news.iter().map(|entry| (entry.key.clone(), entry.digest.clone())).collect();
        let waiting = Waiting::of(&news);
        // The one before may not have been seen yet, and this takes its place.
        let was_shown = self.notifications.take_unseen().is_some();
        let replacing = was_shown.then(|| now.deadline(ARM_AFTER));
        let decided = std::mem::take(&mut self.notifications.decided);
        let id = self.numbers.notification();
        let copied = std::mem::take(&mut self.notifications.has_copied);
        effects.push(Effect::Notify(notification(id, waiting, decided, self.notifications.ended, copied)));
        self.notifications.told.extend(items.keys().cloned());
        self.notifications.ended = Ended::default();
        self.notifications.gate = Some(now.deadline(NOTIFY_EVERY));
        self.notifications.shown = Some(Shown { id, items, decided, replacing });
    }

    /// How long a notification still has to wait.
    pub(super) fn next_notification(&self, now: Timestamp) -> Option<Duration> {
        let gate = self.notifications.gate;
        self.has_news().then(|| gate.map_or(Duration::ZERO, |gate| gate.remaining(now)))
    }

    /// Takes the notification away: what it told of is gone with the gateway.
    pub(super) fn close_notification(&mut self, effects: &mut Vec<Effect>) {
        if self.notifications.take_unseen().is_some() {
            effects.push(Effect::CloseNotification);
        }
    }

    /// Whether there is something that the person can be told, and was not.
    fn has_news(&self) -> bool {
        let can_be_told = !self.is_locked
            && !matches!(self.notification_service, Surface::Missing(_))
            && !matches!(self.host, HostState::Stopping);
        // While a window of ours has the keyboard, the person sees there what waits.
        let is_new = !self.has_focus
            && self.waiting.unasked().any(|entry| !self.notifications.told.contains(&entry.key));
        let has_happened = self.notifications.ended != Ended::default()
            || self.notifications.decided != DecidedByClients::default()
            || self.notifications.has_copied;
        can_be_told && (is_new || has_happened)
    }
}

const COPIED_TITLE: &str = "Connection lines copied";
const COPIED: &str = "Paste them into a terminal to connect OpenClaw's command line.";

/// How much of each kind a notification tells of.
#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    requests: usize,
    commands: usize,
    files: usize,
    settings: usize,
}

impl Waiting {
    fn of(news: &[&Entry]) -> Self {
        let mut waiting = Self::default();
        for entry in news {
            let is_file =
                |approval: &PendingApproval| matches!(approval.command.operation, Operation::File { .. });
            match entry.key {
                Key::Request(_) => waiting.requests += 1,
                Key::Command(_) if entry.approval().is_some_and(is_file) => waiting.files += 1,
                Key::Command(_) => waiting.commands += 1,
                Key::Setting(..) => waiting.settings += 1,
            }
        }
        waiting
    }

    fn count(self) -> usize {
        self.requests + self.commands + self.files + self.settings
    }

    fn sentences(self) -> impl Iterator<Item = String> {
        let requests = match self.requests {
            0 => None,
            1 => Some("1 device or program wants to pair.".to_owned()),
            count => Some(format!("{count} devices or programs want to pair.")),
        };
        let commands = match self.commands {
            0 => None,
            1 => Some("An agent wants to run a command.".to_owned()),
            count => Some(format!("Agents want to run {count} commands.")),
        };
        let files = match self.files {
            0 => None,
            1 => Some("An agent wants to use a file outside its workspace.".to_owned()),
            count => Some(format!("Agents want to use {count} files outside their workspaces.")),
        };
        let settings = match self.settings {
            0 => None,
            1 => Some("1 value of the configuration needs confirmation.".to_owned()),
            count => Some(format!("{count} values of the configuration need confirmation.")),
        };
        requests.into_iter().chain(commands).chain(files).chain(settings)
    }
}

fn notification(
    id: NotificationId,
    waiting: Waiting,
    decided: DecidedByClients,
    ended: Ended,
    copied: bool,
) -> Notification {
    let (decided, ended) = (decided_sentences(decided), ended_sentence(ended));
    let title = match waiting.count() {
        0 if !decided.is_empty() => "Tidegate: decided without you".to_owned(),
        0 if copied && ended.is_none() => COPIED_TITLE.to_owned(),
        0 => "Tidegate: while you were away".to_owned(),
        1 => "Waiting for you: 1 decision".to_owned(),
        count => format!("Waiting for you: {count} decisions"),
    };
    let copied = copied.then(|| match waiting.count() == 0 && decided.is_empty() && ended.is_none() {
        true => COPIED.to_owned(),
        false => format!("{COPIED_TITLE}. {COPIED}"),
    });
    let sentences: Vec<String> = waiting.sentences().chain(decided).chain(ended).chain(copied).collect();
    Notification { id, title, body: sentences.join(" "), has_actions: waiting.count() > 0 }
}

fn decided_sentences(decided: DecidedByClients) -> Vec<String> {
    pairing_sentence(decided).into_iter().chain(agent_requests_sentence(decided)).collect()
}

fn agent_requests_sentence(decided: DecidedByClients) -> Option<String> {
    let counted = |count| match count {
        1 => "1 request of an agent".to_owned(),
        count => format!("{count} requests of agents"),
    };
    let what = match (decided.approved, decided.denied) {
        (0, 0) => return None,
        (0, denied) => format!("denied {}", counted(denied)),
        (approved, 0) => format!("approved {}", counted(approved)),
        (approved, denied) => format!("approved {} and denied {denied}", counted(approved)),
    };
    let lasting = match decided.approved_for_task {
        0 => {
            return Some(format!(
                "A client with permission to decide about commands {what}. Look at Requests."
            ));
        }
        1 => "1 of these lasts until its task ends".to_owned(),
        count => format!("{count} of these last until their tasks end"),
    };
    Some(format!(
        "A client with permission to decide about commands {what}; {lasting}. Look at Requests and Permissions."
    ))
}

fn pairing_sentence(decided: DecidedByClients) -> Option<String> {
    let counted = |count| match count {
        1 => "1 device or program".to_owned(),
        count => format!("{count} devices or programs"),
    };
    let what = match (decided.let_in, decided.refused) {
        (0, 0) => return None,
        (0, refused) => format!("rejected {}", counted(refused)),
        (let_in, 0) => format!("approved {}", counted(let_in)),
        (let_in, refused) => format!("approved {} and rejected {refused}", counted(let_in)),
    };
    Some(format!("A client with permission to manage pairing has {what}. Look at Devices."))
}

fn ended_sentence(ended: Ended) -> Option<String> {
    let requests = match ended.requests {
        0 => None,
        1 => Some("1 request".to_owned()),
        count => Some(format!("{count} requests")),
    };
    let commands = match ended.commands {
        0 => None,
        1 => Some("1 request of an agent".to_owned()),
        count => Some(format!("{count} requests of agents")),
    };
    let ended: Vec<String> = requests.into_iter().chain(commands).collect();
    (!ended.is_empty()).then(|| format!("{} ended while the screen was locked.", ended.join(" and ")))
}
