//! Commands and files that agents want: looked at and decided alone, or some of them together.

mod answer;
mod section;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{ApprovalChoice, ApprovalsDialog, ApprovalsOutcome, DialogOutcome};

use self::answer::Answer;
use self::section::Section;
use super::arming::Arming;
use super::content::{Choice, Content, Place, TakeButton};
use super::review::status::Status;
use super::widgets::{self, GAP, Look, NEAR, WIDE};

/// Opens what can be said with a denial, and folds it away again.
const WORDS: &str = "Deny\u{2026}";
const WORDS_EXPLAINED: &str = "Deny it with words to the agent, or stop its run";
const BACK: &str = "Back";
const BACK_EXPLAINED: &str = "Say nothing to the agent. What you typed stays until the dialog closes";

/// The requests on the screen and what is chosen about them.
pub(super) struct Approvals {
    dialog: RefCell<ApprovalsDialog>,
    body: gtk::Box,
    problem: gtk::Box,
    list: gtk::Box,
    sections: RefCell<Vec<Section>>,
    choices: gtk::Box,
    radios: RefCell<Vec<(ApprovalChoice, Option<gtk::RadioButton>)>>,
    answer: Answer,
    buttons: Buttons,
    arming: Weak<Arming>,
    /// Whether it changes itself, and not the person.
    is_busy: Cell<bool>,
    /// Called when the person has it show more or less.
    on_resize: RefCell<Option<Box<dyn Fn()>>>,
}

/// Buttons whose words follow what is chosen.
#[derive(Default)]
struct Buttons {
    approve: RefCell<Option<gtk::Button>>,
    deny: RefCell<Option<gtk::Button>>,
    deny_with_words: RefCell<Option<gtk::Button>>,
    deny_and_stop: RefCell<Option<gtk::Button>>,
}

pub(super) fn content(dialog: &ApprovalsDialog, arming: &Rc<Arming>) -> (Content, Rc<Approvals>) {
    let approvals = Rc::new(Approvals {
        dialog: RefCell::new(dialog.clone()),
        body: widgets::column(WIDE),
        problem: widgets::column(0),
        list: widgets::column(GAP),
        sections: RefCell::default(),
        choices: widgets::column(NEAR),
        radios: RefCell::default(),
        answer: Answer::new(),
        buttons: Buttons::default(),
        arming: Rc::downgrade(arming),
        is_busy: Cell::new(false),
        on_resize: RefCell::default(),
    });
    approvals.body.pack_start(&approvals.problem, false, false, 0);
    approvals.body.pack_start(&approvals.list, false, false, 0);
    approvals.body.pack_start(&approvals.choices, false, false, 0);
    approvals.take(dialog);
    let content = Content {
        title: dialog.title,
        heading: dialog.heading.clone(),
        body: approvals.body.clone(),
        status: Some(Status::new(dialog.created_at(), dialog.expires_at(), &dialog.behind, arming)),
        panel: Some(approvals.answer.panel().clone()),
        choices: approvals.buttons_of_row(),
        first_focus: None,
    };
    (content, approvals)
}

impl Approvals {
    /// Has this called when the person has it show more or less.
    pub(super) fn on_resize(&self, call: impl Fn() + 'static) {
        self.on_resize.replace(Some(Box::new(call)));
    }

    /// Shows what waits now. What is the same stays as it is; what is new stands at the end and is not ticked, so
    /// that the approving button goes on to mean what it meant. When something that it meant is gone, it is dead
    /// again for a while.
    pub(super) fn update(self: &Rc<Self>, dialog: &ApprovalsDialog) {
        self.dialog.replace(dialog.clone());
        self.take(dialog);
    }

    fn take(self: &Rc<Self>, dialog: &ApprovalsDialog) {
        self.is_busy.set(true);
        for old in self.problem.children() {
            self.problem.remove(&old);
        }
        if !dialog.problem.is_empty() {
            self.problem.pack_start(&widgets::caution(&dialog.problem), false, false, 0);
            self.problem.show_all();
        }
        let mut has_changed = false;
        {
            let mut sections = self.sections.borrow_mut();
            sections.retain(|section| {
                let stays = dialog.items.contains(&section.item);
                if !stays {
                    has_changed |= section.is_ticked();
                    self.list.remove(section.whole());
                }
                stays
            });
            // At first, and when nothing of the old is left, all are meant.
            let is_meant = sections.is_empty();
            for item in &dialog.items {
                if !sections.iter().any(|section| section.item == *item) {
                    sections.push(self.section(item, is_meant));
                }
            }
            let is_list = sections.len() > 1;
            if let [only] = &sections[..] {
                has_changed |= !only.is_ticked();
                only.set_ticked(true);
            }
            for section in sections.iter() {
                section.set_listed(is_list);
            }
            has_changed |= is_meant;
        }
        self.is_busy.set(false);
        self.refresh();
        if has_changed && let Some(arming) = self.arming.upgrade() {
            arming.came_up();
        }
    }

    fn section(
        self: &Rc<Self>,
        item: &tidegate_desktop_core::dialog::ApprovalItem,
        is_ticked: bool,
    ) -> Section {
        let section = Section::new(item, is_ticked);
        self.list.pack_start(section.whole(), false, false, 0);
        section.whole().show_all();
        let this = Rc::downgrade(self);
        section.connect_ticked(move || {
            if let Some(this) = this.upgrade().filter(|this| !this.is_busy.get()) {
                this.refresh();
                // What is approved has changed. It may be something that nobody has seen yet.
                if let Some(arming) = this.arming.upgrade() {
                    arming.came_up();
                }
                this.resize();
            }
        });
        let this = Rc::downgrade(self);
        section.connect_details(move || {
            if let Some(this) = this.upgrade() {
                this.resize();
            }
        });
        section
    }

    fn resize(&self) {
        if let Some(call) = &*self.on_resize.borrow() {
            call();
        }
    }

    /// The places of what is ticked.
    fn ticked(&self) -> Vec<usize> {
        let sections = self.sections.borrow();
        (0..sections.len()).filter(|&at| sections[at].is_ticked()).collect()
    }

    fn ids(&self) -> Vec<String> {
        let sections = self.sections.borrow();
        sections.iter().filter(|section| section.is_ticked()).map(|section| section.item.id.clone()).collect()
    }

    /// What is chosen to be allowed.
    fn choice(&self) -> Option<ApprovalChoice> {
        let radios = self.radios.borrow();
        let chosen = radios.iter().find(|(_, radio)| radio.as_ref().is_none_or(|radio| radio.is_active()));
        chosen.map(|(choice, _)| choice.clone())
    }

    /// Draws what can be chosen about what is ticked.
    fn refresh(self: &Rc<Self>) {
        let ticked = self.ticked();
        let offered = self.dialog.borrow().choices(&ticked);
        let is_same = {
            let radios = self.radios.borrow();
            radios.len() == offered.len() && radios.iter().zip(&offered).all(|((old, _), new)| old == new)
        };
        if !is_same {
            self.draw_choices(offered);
        }
        if let Some(arming) = self.arming.upgrade() {
            arming.set_complete(!self.radios.borrow().is_empty());
        }
        self.name_buttons(&ticked);
    }

    fn draw_choices(self: &Rc<Self>, offered: Vec<ApprovalChoice>) {
        for old in self.choices.children() {
            self.choices.remove(&old);
        }
        let drawn = match &offered[..] {
            [] => Vec::new(),
            [only] => {
                self.choices.pack_start(&widgets::text(&only.sentence, Look::Plain), false, false, 0);
                vec![None]
            }
            several => {
                self.choices.pack_start(&widgets::group_title("What you allow"), false, false, 0);
                let sentences: Vec<&str> = several.iter().map(|choice| choice.sentence.as_str()).collect();
                let radios = widgets::radios(&sentences);
                for radio in &radios {
                    self.choices.pack_start(radio, false, false, 0);
                    let this = Rc::downgrade(self);
                    radio.connect_toggled(move |radio| {
                        if let Some(this) = this.upgrade().filter(|_| radio.is_active()) {
                            this.chosen_otherwise();
                        }
                    });
                }
                radios.into_iter().map(Some).collect()
            }
        };
        self.choices.show_all();
        self.radios.replace(offered.into_iter().zip(drawn).collect());
    }

    fn chosen_otherwise(&self) {
        self.name_buttons(&self.ticked());
        if let Some(arming) = self.arming.upgrade() {
            arming.start();
        }
    }

    fn name_buttons(&self, ticked: &[usize]) {
        let set = |button: &RefCell<Option<gtk::Button>>, label: &str, explanation: &str| {
            if let Some(button) = &*button.borrow() {
                button.set_label(label);
                widgets::describe(button, label, explanation);
            }
        };
        if let Some(choice) = self.choice() {
            set(&self.buttons.approve, &choice.approve, "");
        }
        let deny = if ticked.len() > 1 { format!("Deny {}", ticked.len()) } else { "Deny".to_owned() };
        set(&self.buttons.deny, &deny, "");
        if let Some(button) = &*self.buttons.deny.borrow() {
            button.set_sensitive(!ticked.is_empty());
        }
        let can_answer = self.dialog.borrow().can_answer(ticked);
        if !can_answer {
            self.answer.close();
        }
        let is_open = self.answer.is_open();
        let (words, explanation) = if is_open { (BACK, BACK_EXPLAINED) } else { (WORDS, WORDS_EXPLAINED) };
        set(&self.buttons.deny_with_words, words, explanation);
        let show = |button: &RefCell<Option<gtk::Button>>, is_shown: bool| {
            if let Some(button) = &*button.borrow() {
                button.set_visible(is_shown);
            }
        };
        show(&self.buttons.deny_with_words, can_answer);
        show(&self.buttons.deny_and_stop, can_answer && is_open);
    }

    fn buttons_of_row(self: &Rc<Self>) -> Vec<Choice> {
        let outcome = |outcome| Some(DialogOutcome::Approvals(outcome));
        let this = self.clone();
        let built = move |which: fn(&Buttons) -> &RefCell<Option<gtk::Button>>| {
            let this = Rc::downgrade(&this);
            let call: TakeButton = Box::new(move |button| {
                if let Some(this) = this.upgrade() {
                    which(&this.buttons).replace(Some(button.clone()));
                    button.set_no_show_all(true);
                    button.show();
                    if let Some(words) = button.child() {
                        words.show();
                    }
                    this.name_buttons(&this.ticked());
                }
            });
            Some(call)
        };
        let denies = |stop| {
            let this = Rc::downgrade(self);
            move || {
                let this = this.upgrade()?;
                let (items, words) = (this.ids(), this.answer.words());
                if items.is_empty() {
                    return None;
                }
                outcome(ApprovalsOutcome::Deny { items, words, stop })
            }
        };
        let (opens, allows) = (Rc::downgrade(self), Rc::downgrade(self));
        vec![
            Choice {
                label: "Deny and stop".into(),
                explanation: "Deny it, and end the run that asked with what it started",
                place: Place::Apart,
                press: Box::new(denies(true)),
                built: built(|buttons| &buttons.deny_and_stop),
            },
            Choice::ending("Later", Place::Dismiss, DialogOutcome::Approvals(ApprovalsOutcome::Later))
                .explained("Decide later. It stays in the list until its time is up."),
            Choice {
                label: WORDS.into(),
                explanation: WORDS_EXPLAINED,
                place: Place::Plain,
                press: Box::new(move || {
                    let this = opens.upgrade()?;
                    match this.answer.is_open() {
                        true => this.answer.close(),
                        false => this.answer.open(),
                    }
                    this.name_buttons(&this.ticked());
                    this.resize();
                    None
                }),
                built: built(|buttons| &buttons.deny_with_words),
            },
            Choice {
                label: "Deny".into(),
                explanation: "It does not happen, and the agent goes on without it",
                place: Place::Plain,
                press: Box::new(denies(false)),
                built: built(|buttons| &buttons.deny),
            },
            Choice {
                label: "Run once".into(),
                explanation: "Can be pressed once you had time to read",
                place: Place::Armed,
                press: Box::new(move || {
                    let this = allows.upgrade()?;
                    let permission = this.choice()?.permission;
                    outcome(ApprovalsOutcome::Allow { items: this.ids(), permission })
                }),
                built: built(|buttons| &buttons.approve),
            },
        ]
    }
}
