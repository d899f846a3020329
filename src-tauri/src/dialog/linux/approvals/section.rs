//! One request in the dialog: what would be done, what it can do, who asks.

use gtk::prelude::*;
use tidegate_desktop_core::approvals::ShownMark;
use tidegate_desktop_core::dialog::{ApprovalItem, Field};

use super::super::facts;
use super::super::widgets::{self, GAP, Look, NEAR};

/// How much of a request a screen reader says with its box, in characters.
const NAMED: usize = 80;

/// What is drawn of one request.
pub(super) struct Section {
    pub(super) item: ApprovalItem,
    whole: gtk::Box,
    tick: gtk::CheckButton,
    details: Option<gtk::Expander>,
}

impl Section {
    pub(super) fn new(item: &ApprovalItem, is_ticked: bool) -> Self {
        let whole = widgets::column(GAP);
        let tick = gtk::CheckButton::new();
        tick.add(&widgets::text(&item.heading, Look::Bold));
        tick.set_active(is_ticked);
        widgets::describe(&tick, &name(item), "");
        tick.set_no_show_all(true);
        whole.pack_start(&tick, false, false, 0);
        for caution in &item.cautions {
            whole.pack_start(&widgets::caution(caution), false, false, 0);
        }
        // The marks are of the text that stands first.
        let (first, rest) = item.fields.split_at(usize::from(!item.marks.is_empty()));
        if !first.is_empty() {
            whole.pack_start(&facts::form(first, ""), false, false, 0);
            whole.pack_start(&marks(&item.marks), false, false, 0);
        }
        whole.pack_start(&facts::form(rest, ""), false, false, 0);
        let details = (!item.details.is_empty()).then(|| details(&item.details, item.shows_details));
        if let Some(details) = &details {
            whole.pack_start(details, false, false, 0);
        }
        Self { item: item.clone(), whole, tick, details }
    }

    pub(super) fn whole(&self) -> &gtk::Box {
        &self.whole
    }

    pub(super) fn is_ticked(&self) -> bool {
        self.tick.is_active()
    }

    pub(super) fn set_ticked(&self, is_ticked: bool) {
        self.tick.set_active(is_ticked);
    }

    /// Whether it stands among others, each to be ticked.
    pub(super) fn set_listed(&self, is_listed: bool) {
        if is_listed {
            self.whole.style_context().add_class("tidegate-box");
            // `show_all` passes it by.
            if let Some(words) = self.tick.child() {
                words.show();
            }
            self.tick.show();
        } else {
            self.whole.style_context().remove_class("tidegate-box");
            self.tick.hide();
        }
    }

    pub(super) fn connect_ticked(&self, call: impl Fn() + 'static) {
        self.tick.connect_toggled(move |_| call());
    }

    /// Calls this when the details are opened or closed.
    pub(super) fn connect_details(&self, call: impl Fn() + 'static) {
        if let Some(details) = &self.details {
            details.connect_expanded_notify(move |_| call());
        }
    }
}

/// What a screen reader says of its box.
fn name(item: &ApprovalItem) -> String {
    let first = item.fields.first().map(|field| field.value.lines().next().unwrap_or_default());
    let start: String = first.unwrap_or_default().chars().take(NAMED).collect();
    format!("{} {start}", item.heading)
}

/// What the text seems to do, one mark beside the other.
fn marks(marks: &[ShownMark]) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, NEAR);
    for mark in marks {
        let tag = widgets::text(mark.words(), Look::Plain);
        tag.set_line_wrap(false);
        let style = tag.style_context();
        style.add_class("tidegate-tag");
        style.add_class("mark");
        row.pack_start(&tag, false, false, 0);
    }
    let words: Vec<&str> = marks.iter().map(|mark| mark.words()).collect();
    widgets::describe(&row, &format!("What it seems to do: {}", words.join(", ")), "");
    row
}

fn details(fields: &[Field], is_open: bool) -> gtk::Expander {
    let details = gtk::Expander::new(Some("Details"));
    let form = facts::form(fields, "");
    form.set_margin_top(NEAR);
    details.add(&form);
    details.set_expanded(is_open);
    // The toolkit only draws over what is folded away: a screen reader would read it all the same.
    form.show_all();
    form.set_no_show_all(true);
    form.set_visible(is_open);
    details.connect_expanded_notify(move |details| form.set_visible(details.is_expanded()));
    details
}
