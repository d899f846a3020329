//! The dialog about what agents want: the requests of one task that wait together are one dialog. What comes
//! while it is open joins it at the end, and is never approved by a press that was meant for the others.

use tidegate_protocol::payload::permissions::{ApprovalVerdict, PermissionOffer};
use tidegate_protocol::text;
use tidegate_trust::Timestamp;
use tidegate_trust::approval::MAX_WORDS;

use super::Controller;
use super::reviews::{About, OpenReview, behind};
use super::tasks::{Decided, Task};
use super::waiting::{Entry, Key};
use crate::approvals::{self, MAX_TOGETHER, Together};
use crate::dialog::{ARM_AFTER, ApprovalsDialog, ApprovalsOutcome, Attention, Dialog};
use crate::shell::Effect;

/// What the dialog on the screen shows.
#[derive(Debug)]
pub(super) struct OpenApprovals {
    together: Together,
    /// In the order of drawing.
    items: Vec<Shown>,
    dialog: ApprovalsDialog,
}

/// One of its requests, as it was drawn.
#[derive(Debug, Clone)]
struct Shown {
    key: Key,
    digest: String,
    since: Timestamp,
}

impl Shown {
    fn of(entry: &Entry, since: Timestamp) -> Self {
        Self { key: entry.key.clone(), digest: entry.digest.clone(), since }
    }

    fn is_of(&self, entry: &Entry) -> bool {
        self.key == entry.key && self.digest == entry.digest
    }
}

impl OpenApprovals {
    pub(super) fn keys(&self) -> Vec<Key> {
        self.items.iter().map(|shown| shown.key.clone()).collect()
    }
}

impl Controller {
    /// Opens the dialog of a request and of those that belong to it. What was put aside is among them when the
    /// person asked for it.
    pub(super) fn open_approvals(
        &mut self,
        together: Together,
        attention: Attention,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let takes_aside = attention == Attention::Asked;
        let of_it = self.waiting.together(&together).filter(|entry| takes_aside || !entry.is_aside);
        let items: Vec<Shown> = of_it.take(MAX_TOGETHER).map(|entry| Shown::of(entry, now)).collect();
        let dialog = self.drawn(&items);
        let id = self.numbers.dialog();
        effects.push(Effect::OpenDialog {
            id,
            dialog: Dialog::Approvals(Box::new(dialog.clone())),
            attention,
        });
        let about = About::Approvals(OpenApprovals { together, items, dialog });
        self.reviews.open = Some(OpenReview { id, about, attention });
    }

    /// Takes out what ended, puts in what came, and closes the dialog when nothing is left.
    pub(super) fn refresh_approvals(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(OpenReview { id, about: About::Approvals(open), .. }) = &self.reviews.open else { return };
        let id = *id;
        let still_waits =
            |shown: &&Shown| self.waiting.undecided_of(&shown.key).is_some_and(|entry| shown.is_of(entry));
        let mut items: Vec<Shown> = open.items.iter().filter(still_waits).cloned().collect();
        let is_new = |entry: &&Entry| !entry.is_aside && !items.iter().any(|shown| shown.is_of(entry));
        let new = self.waiting.together(&open.together).filter(is_new).map(|entry| Shown::of(entry, now));
        let new: Vec<Shown> = new.take(MAX_TOGETHER.saturating_sub(items.len())).collect();
        items.extend(new);
        if items.is_empty() {
            effects.push(Effect::CloseDialog(id));
            self.reviews.open = None;
            return;
        }
        let dialog = self.drawn(&items);
        let Some(OpenReview { about: About::Approvals(open), .. }) = &mut self.reviews.open else { return };
        open.items = items;
        if open.dialog != dialog {
            open.dialog = dialog.clone();
            effects.push(Effect::UpdateDialog { id, dialog: Dialog::Approvals(Box::new(dialog)) });
        }
    }

    fn drawn(&self, items: &[Shown]) -> ApprovalsDialog {
        let entries: Vec<&Entry> = items.iter().filter_map(|shown| self.waiting.get(&shown.key)).collect();
        let waiting: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let approval = entry.approval()?;
                Some((approval, self.waiting.name_of(&approval.command.session_key)))
            })
            .collect();
        let problem = entries.iter().find_map(|entry| entry.problem.clone());
        ApprovalsDialog {
            problem: problem.unwrap_or_default(),
            behind: behind(self.waiting.undecided().count().saturating_sub(items.len())),
            ..approvals::dialog(&waiting)
        }
    }

    /// The dialog ended by what the person did in it.
    pub(super) fn approvals_ended(
        &mut self,
        open: &OpenApprovals,
        outcome: ApprovalsOutcome,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        for shown in &open.items {
            if let Some(entry) = self.waiting.get_mut(&shown.key) {
                entry.problem = None;
            }
        }
        match outcome {
            ApprovalsOutcome::Allow { items, permission } => {
                if let Err(sentence) = may_allow(open, &items, permission.as_ref(), now) {
                    if let Some(first) = open.items.first() {
                        self.show_again(&first.key, sentence.to_owned());
                    }
                    return;
                }
                let chosen = self.chosen(open, &items);
                self.allow(&chosen, permission, effects);
                self.show_rest(open, &items);
            }
            ApprovalsOutcome::Deny { items, words, stop } => {
                let chosen = self.chosen(open, &items);
                self.deny(&chosen, words.as_deref(), stop, effects);
                self.show_rest(open, &items);
            }
            ApprovalsOutcome::Later => {
                for shown in &open.items {
                    if let Some(entry) = self.waiting.get_mut(&shown.key) {
                        entry.is_aside = true;
                    }
                }
            }
        }
    }

    /// Those of the chosen that still wait as they were drawn.
    fn chosen(&self, open: &OpenApprovals, items: &[String]) -> Vec<Shown> {
        let waits = |shown: &&Shown| {
            items.iter().any(|id| id == shown.key.id())
                && self.waiting.undecided_of(&shown.key).is_some_and(|entry| shown.is_of(entry))
        };
        open.items.iter().filter(waits).cloned().collect()
    }

    /// What was not decided comes up again at once: the person is at it.
    fn show_rest(&mut self, open: &OpenApprovals, decided: &[String]) {
        let is_rest = |shown: &&Shown| {
            !decided.iter().any(|id| id == shown.key.id()) && self.waiting.undecided_of(&shown.key).is_some()
        };
        if let Some(rest) = open.items.iter().find(is_rest) {
            self.reviews.asked.push_front(rest.key.clone());
        }
    }

    fn allow(&mut self, chosen: &[Shown], permission: Option<PermissionOffer>, effects: &mut Vec<Effect>) {
        let Some(offer) = permission else {
            for shown in chosen {
                self.resolve(shown, ApprovalVerdict::AllowOnce, Decided::Approved, effects);
            }
            return;
        };
        let Some((first, others)) = chosen.split_first() else { return };
        // One gives the permission. It may be for the others as well by the time that they are allowed.
        let others: Vec<(Key, String)> =
            others.iter().map(|shown| (shown.key.clone(), shown.digest.clone())).collect();
        for (key, _) in &others {
            self.mark_decided(key);
        }
        let task = self.begin(Task::Permit { key: first.key.clone(), others });
        let (approval, digest) = (first.key.id().to_owned(), first.digest.clone());
        let verdict = ApprovalVerdict::Permit { offer };
        effects.push(Effect::Resolve { task, approval, digest, verdict });
        self.mark_decided(&first.key);
    }

    fn deny(&mut self, chosen: &[Shown], words: Option<&str>, stop: bool, effects: &mut Vec<Effect>) {
        let words =
            words.map(|words| text::one_line(words.trim(), MAX_WORDS)).filter(|words| !words.is_empty());
        let mut stopped: Vec<Option<String>> = Vec::new();
        for shown in chosen {
            let run = self.run_of(&shown.key);
            // A run is stopped once, and what it asked for goes with it.
            let is_gone = stop && stopped.contains(&run);
            let verdict = ApprovalVerdict::Deny { words: words.clone(), stop: stop && !is_gone };
            let decided = if is_gone { Decided::Along } else { Decided::Refused };
            self.resolve(shown, verdict, decided, effects);
            stopped.push(run);
        }
        if stop {
            self.waiting.forget(|entry| {
                let run = entry.approval().map(|approval| approval.command.run_id.clone());
                !entry.is_decided && run.is_some_and(|run| run.is_some() && stopped.contains(&run))
            });
            effects.push(Effect::ReadQueue);
        }
    }

    fn run_of(&self, key: &Key) -> Option<String> {
        self.waiting.get(key).and_then(Entry::approval).and_then(|approval| approval.command.run_id.clone())
    }

    fn resolve(
        &mut self,
        shown: &Shown,
        verdict: ApprovalVerdict,
        decided: Decided,
        effects: &mut Vec<Effect>,
    ) {
        let task = self.begin(Task::Decide { key: shown.key.clone(), decided });
        let (approval, digest) = (shown.key.id().to_owned(), shown.digest.clone());
        effects.push(Effect::Resolve { task, approval, digest, verdict });
        self.mark_decided(&shown.key);
    }

    /// The permission was given: those that were allowed with it are, where it is not for them.
    pub(super) fn permitted(&mut self, others: Vec<(Key, String)>, effects: &mut Vec<Effect>) {
        for (key, digest) in others {
            if self.waiting.get(&key).is_some_and(|entry| entry.digest == digest) {
                let task = self.begin(Task::Decide { key: key.clone(), decided: Decided::Along });
                let approval = key.id().to_owned();
                effects.push(Effect::Resolve { task, approval, digest, verdict: ApprovalVerdict::AllowOnce });
            }
        }
    }

    /// The permission was not given: nothing was decided about those that were allowed with it.
    pub(super) fn not_permitted(&mut self, others: &[(Key, String)]) {
        for (key, _) in others {
            if let Some(entry) = self.waiting.get_mut(key) {
                entry.is_decided = false;
            }
        }
    }
}

fn may_allow(
    open: &OpenApprovals,
    items: &[String],
    permission: Option<&PermissionOffer>,
    now: Timestamp,
) -> Result<(), &'static str> {
    approvals::may_allow(&open.dialog, items, permission)?;
    // The button is dead for so long; an approval that is earlier was not a press of it.
    let is_early = |shown: &&Shown| {
        items.iter().any(|id| id == shown.key.id())
            && now.monotonic.saturating_sub(shown.since.monotonic) < ARM_AFTER
    };
    match open.items.iter().find(is_early) {
        Some(_) => Err(super::reviews::TOO_QUICK),
        None => Ok(()),
    }
}
