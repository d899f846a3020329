//! Which dialog about what waits is on the screen: one at a time, from one line, oldest first. And what is done in
//! those about pairing and the configuration.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_trust::Timestamp;
use tidegate_trust::decision::Verdict;
use tidegate_trust::pairing::Subject;
use tidegate_trust::timestamp::Deadline;

use super::approvals::OpenApprovals;
use super::tasks::{Decided, Task};
use super::waiting::{Entry, Key};
use super::{Controller, UNASKED_EVERY};
use crate::dialog::{
    ARM_AFTER, ApprovalsOutcome, Attention, Dialog, DialogId, DialogOutcome, ReviewOutcome, Selection,
};
use crate::review::{Approval, Grant, Review};
use crate::shell::Effect;

/// What is known of the review dialogs.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    pub(super) open: Option<OpenReview>,
    /// What the person asked to see and has not seen yet.
    pub(super) asked: VecDeque<Key>,
    /// Before this, a request that replaces one in a dialog does not come up with the keyboard.
    replacing: Option<Deadline>,
}

/// The dialog that is on the screen.
#[derive(Debug)]
pub(super) struct OpenReview {
    pub(super) id: DialogId,
    pub(super) about: About,
    pub(super) attention: Attention,
}

/// What a dialog is about.
#[derive(Debug)]
pub(super) enum About {
    One(Box<OneReview>),
    /// Outcomes name the requests that they are about.
    Approvals(OpenApprovals),
}

/// A pairing request or a value of the configuration. It never changes under the dialog's number, so an
/// outcome that was on its way when the line changed cannot be taken for one about something else.
#[derive(Debug)]
pub(super) struct OneReview {
    key: Key,
    digest: String,
    subject: Option<Subject>,
    shown: Review,
    /// When its button's time began.
    armed_from: Timestamp,
}

impl Reviews {
    pub(super) fn open_id(&self) -> Option<DialogId> {
        self.open.as_ref().map(|open| open.id)
    }

    /// What the open dialog of this number is about.
    pub(super) fn open_key(&self, id: DialogId) -> Option<Key> {
        self.open.as_ref().filter(|open| open.id == id).and_then(|open| open.keys().into_iter().next())
    }
}

impl OpenReview {
    fn keys(&self) -> Vec<Key> {
        match &self.about {
            About::One(one) => vec![one.key.clone()],
            About::Approvals(approvals) => approvals.keys(),
        }
    }
}

impl Controller {
    /// The person asked to see these: the first comes up at once, with the keyboard, the others
    /// after it. What is put aside comes up too.
    pub(super) fn ask_for_reviews(&mut self, keys: Vec<Key>, effects: &mut Vec<Effect>) {
        let is_waiting = |key: &Key| self.waiting.undecided_of(key).is_some();
        let mut asked: VecDeque<Key> = keys.into_iter().filter(is_waiting).collect();
        if asked.is_empty() {
            return;
        }
        let shown = self.reviews.open.as_ref().map(OpenReview::keys).unwrap_or_default();
        match &mut self.reviews.open {
            Some(open) if asked.iter().any(|key| shown.contains(key)) => {
                asked.retain(|key| !shown.contains(key));
                open.attention = Attention::Asked;
                effects.push(Effect::PresentDialog(open.id));
            }
            Some(open) => {
                effects.push(Effect::CloseDialog(open.id));
                self.reviews.open = None;
            }
            None => {}
        }
        self.reviews.asked = asked;
    }

    /// Closes and opens what the line of what waits demands.
    pub(super) fn settle_reviews(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.reviews.asked.retain(|key| self.waiting.undecided_of(key).is_some());
        self.close_if_ended(now, effects);
        self.refresh_open(now, effects);
        self.refresh_approvals(now, effects);
        if self.reviews.open.is_some() || !self.may_open() {
            return;
        }
        if let Some(key) = self.reviews.asked.pop_front() {
            self.open_dialog_of(&key, Attention::Asked, now, effects);
            return;
        }
        let next = self.waiting.unasked().next().map(|entry| entry.key.clone());
        if let Some(key) = next
            && self.may_open_unasked(now)
        {
            self.unasked = Some(now.deadline(UNASKED_EVERY));
            self.open_dialog_of(&key, Attention::Unasked, now, effects);
        }
    }

    /// Whether an unasked dialog waits only for its time.
    pub(super) fn next_unasked_review(&self, now: Timestamp) -> Option<Duration> {
        let waits = self.may_open() && self.reviews.open.is_none() && self.waiting.unasked().next().is_some();
        waits.then(|| self.unasked.map_or(Duration::ZERO, |gate| gate.remaining(now)))
    }

    /// Closes the dialog without an outcome.
    pub(super) fn close_review(&mut self, effects: &mut Vec<Effect>) {
        if let Some(open) = self.reviews.open.take() {
            effects.push(Effect::CloseDialog(open.id));
        }
        self.reviews.asked.clear();
    }

    fn close_if_ended(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(open) = &self.reviews.open else { return };
        let About::One(one) = &open.about else { return };
        let entry = self.waiting.undecided_of(&one.key);
        if entry.is_some_and(|entry| entry.digest == one.digest) {
            return;
        }
        let successor = entry.or_else(|| self.waiting.of_subject(one.subject.as_ref()?));
        let successor = successor.map(|entry| entry.key.clone());
        let was_asked = open.attention == Attention::Asked;
        effects.push(Effect::CloseDialog(open.id));
        self.reviews.open = None;
        let may_take_keyboard = self.reviews.replacing.is_none_or(|gate| gate.has_passed(now));
        if let Some(key) = successor
            && was_asked
            && may_take_keyboard
        {
            self.reviews.replacing = Some(now.deadline(UNASKED_EVERY));
            self.reviews.asked.push_front(key);
        }
    }

    fn refresh_open(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(OpenReview { id, about: About::One(one), .. }) = &mut self.reviews.open else { return };
        let (id, Some(entry)) = (*id, self.waiting.get(&one.key)) else { return };
        let (behind, expires_at) = (behind(self.waiting.others()), entry.expires_at());
        let dialog = &mut one.shown.dialog;
        // Its client asked again, so it lives on after the time that the dialog showed. The button
        // died at that time.
        let was_over = dialog.expires_at <= now.wall && now.wall < expires_at;
        if !was_over && dialog.behind == behind && dialog.expires_at == expires_at {
            return;
        }
        dialog.behind.clone_from(&behind);
        dialog.expires_at = expires_at;
        effects.push(match was_over {
            true => {
                one.armed_from = now;
                Effect::UpdateDialog { id, dialog: Dialog::Review(Box::new(dialog.clone())) }
            }
            false => Effect::RefreshDialog { id, behind, expires_at },
        });
    }

    fn open_dialog_of(&mut self, key: &Key, attention: Attention, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(entry) = self.waiting.undecided_of(key) else { return };
        match entry.shown() {
            super::waiting::Drawn::Review(shown) => self.open_review(key, *shown, attention, now, effects),
            super::waiting::Drawn::Together(together) => {
                self.open_approvals(together, attention, now, effects);
            }
        }
    }

    fn open_review(
        &mut self,
        key: &Key,
        mut shown: Review,
        attention: Attention,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.waiting.undecided_of(key) else { return };
        shown.dialog.behind = behind(self.waiting.others());
        let (digest, subject) = (entry.digest.clone(), entry.subject().cloned());
        let id = self.numbers.dialog();
        let dialog = Dialog::Review(Box::new(shown.dialog.clone()));
        effects.push(Effect::OpenDialog { id, dialog, attention });
        let one = OneReview { key: key.clone(), digest, subject, shown, armed_from: now };
        self.reviews.open = Some(OpenReview { id, about: About::One(Box::new(one)), attention });
    }

    /// The dialog ended by what the person did in it.
    pub(super) fn review_ended(&mut self, outcome: DialogOutcome, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(OpenReview { about, .. }) = self.reviews.open.take() else { return };
        match (about, outcome) {
            (About::One(open), DialogOutcome::Review(outcome)) => {
                self.one_ended(&open, &outcome, now, effects)
            }
            (About::Approvals(open), DialogOutcome::Approvals(outcome)) => {
                self.approvals_ended(&open, outcome, now, effects);
            }
            // No outcome of this dialog: nothing was decided in it.
            (About::One(open), _) => self.one_ended(&open, &ReviewOutcome::Later, now, effects),
            (About::Approvals(open), _) => self.approvals_ended(&open, ApprovalsOutcome::Later, now, effects),
        }
    }

    fn one_ended(
        &mut self,
        open: &OneReview,
        outcome: &ReviewOutcome,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        // What the person did here is about what was shown here, and nothing else.
        let Some(entry) = self.waiting.undecided_of(&open.key).filter(|entry| entry.digest == open.digest)
        else {
            return;
        };
        let is_aside = entry.is_aside;
        if let Some(entry) = self.waiting.get_mut(&open.key) {
            entry.problem = None;
        }
        match outcome {
            ReviewOutcome::Approve(selection) => match open.approval(selection, now) {
                Ok(approval) => self.approve(open, approval, effects),
                Err(sentence) => self.show_again(&open.key, sentence),
            },
            ReviewOutcome::Refuse => {
                self.refuse(&open.key, &open.digest, Decided::Refused, effects);
            }
            ReviewOutcome::Block => match &open.key {
                Key::Request(_) => {
                    self.decide(&open.key, &open.digest, Verdict::Block, Decided::Blocked, effects);
                }
                // These dialogs have no such button; refusing is what comes nearest.
                Key::Command(_) | Key::Setting(..) => {
                    self.refuse(&open.key, &open.digest, Decided::Refused, effects)
                }
            },
            ReviewOutcome::Later => self.put_aside(open, is_aside, effects),
        }
    }

    fn approve(&mut self, open: &OneReview, approval: Approval, effects: &mut Vec<Effect>) {
        match (&open.key, approval) {
            (Key::Request(_), Approval::Grant(Grant::Verdict(verdict))) => {
                self.decide(&open.key, &open.digest, verdict, Decided::Approved, effects);
            }
            (Key::Request(request), Approval::Grant(Grant::OwnToken { name, level, pairing })) => {
                let task = self.begin(Task::GiveToken { key: open.key.clone(), name: name.clone() });
                let (request, digest) = (request.clone(), open.digest.clone());
                effects.push(Effect::GiveToken { task, request, digest, name, level, pairing });
                self.mark_decided(&open.key);
            }
            (Key::Setting(setting, _), Approval::Confirm) => {
                let task = self.begin(Task::Decide { key: open.key.clone(), decided: Decided::Approved });
                let (setting, digest) = (*setting, open.digest.clone());
                effects.push(Effect::ConfirmSetting { task, setting, digest });
                self.mark_decided(&open.key);
            }
            (Key::Request(_) | Key::Command(_) | Key::Setting(..), _) => {}
        }
    }

    /// Refuses something: all that a surface other than the dialog may do.
    pub(super) fn refuse(&mut self, key: &Key, digest: &str, decided: Decided, effects: &mut Vec<Effect>) {
        match key {
            Key::Request(_) => self.decide(key, digest, Verdict::Reject, decided, effects),
            Key::Command(approval) => {
                let task = self.begin(Task::Decide { key: key.clone(), decided });
                let (approval, digest) = (approval.clone(), digest.to_owned());
                let verdict = ApprovalVerdict::Deny { words: None, stop: false };
                effects.push(Effect::Resolve { task, approval, digest, verdict });
                self.mark_decided(key);
            }
            Key::Setting(setting, _) => {
                let task = self.begin(Task::Decide { key: key.clone(), decided });
                effects.push(Effect::RejectSetting { task, setting: *setting, digest: digest.to_owned() });
                self.mark_decided(key);
            }
        }
    }

    fn decide(
        &mut self,
        key: &Key,
        digest: &str,
        verdict: Verdict,
        decided: Decided,
        effects: &mut Vec<Effect>,
    ) {
        let Key::Request(request) = key else { return };
        let task = self.begin(Task::Decide { key: key.clone(), decided });
        effects.push(Effect::Decide { task, request: request.clone(), digest: digest.to_owned(), verdict });
        if decided != Decided::PutAside {
            self.mark_decided(key);
        }
    }

    fn put_aside(&mut self, open: &OneReview, was_aside: bool, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.waiting.get_mut(&open.key) {
            entry.is_aside = true;
        }
        // Anything else is put aside here only: to the gateway it waits as before.
        if matches!(open.key, Key::Request(_)) && !was_aside {
            self.decide(&open.key, &open.digest, Verdict::Later, Decided::PutAside, effects);
        }
    }

    pub(super) fn mark_decided(&mut self, key: &Key) {
        if let Some(entry) = self.waiting.get_mut(key) {
            entry.is_decided = true;
        }
    }

    /// Shows what the open dialog was about again, and why what was done in it did not count.
    pub(super) fn review_again(&mut self, problem: String) {
        let shown = self.reviews.open.take().map(|open| open.keys()).unwrap_or_default();
        if let Some(first) = shown.first() {
            self.show_again(first, problem);
        }
    }

    /// Shows something again, next and with the keyboard, and why its decision did not work.
    pub(super) fn show_again(&mut self, key: &Key, problem: String) {
        let Some(entry) = self.waiting.get_mut(key) else { return };
        entry.is_decided = false;
        entry.problem = Some(problem);
        self.reviews.asked.push_front(key.clone());
    }

    /// The keys of what can be decided and satisfies a condition, oldest first.
    pub(super) fn keys_where(&self, condition: impl Fn(&Entry) -> bool) -> Vec<Key> {
        self.waiting.undecided().filter(|entry| condition(entry)).map(|entry| entry.key.clone()).collect()
    }
}

impl OneReview {
    fn approval(&self, selection: &Selection, now: Timestamp) -> Result<Approval, String> {
        // The button is dead for so long; an approval that is earlier was not a press of it.
        if now.monotonic.saturating_sub(self.armed_from.monotonic) < ARM_AFTER {
            return Err(TOO_QUICK.to_owned());
        }
        self.shown.approval(selection)
    }
}

pub(super) const TOO_QUICK: &str = "That was too quick. Read it, then decide.";

/// How many wait behind what is shown.
pub(super) fn behind(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => "1 more waits".to_owned(),
        more => format!("{more} more wait"),
    }
}
