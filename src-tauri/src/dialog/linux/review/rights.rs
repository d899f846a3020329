//! The rights that are asked for, each to be left out.

use gtk::prelude::*;
use tidegate_desktop_core::scope_words::ScopeLine;
use tidegate_protocol::Scope;
use tidegate_trust::ScopeSet;

use super::super::widgets::{self, Look, NEAR};

/// The rights of one request.
pub(super) struct Rights {
    section: Option<gtk::Box>,
    rows: gtk::Box,
    checks: Vec<(Scope, gtk::CheckButton)>,
}

impl Rights {
    /// `can_choose`: whether each has a box to tick.
    pub(super) fn new(lines: &[ScopeLine], can_choose: bool) -> Self {
        let rows = widgets::column(NEAR);
        let mut checks = Vec::new();
        let has_signs = lines.iter().any(|line| line.is_far_reaching);
        for line in lines {
            if can_choose {
                let check = gtk::CheckButton::new();
                check.add(&row(line, has_signs));
                check.set_active(true);
                widgets::describe(&check, &spoken(line), line.scope.name());
                rows.pack_start(&check, false, false, 0);
                checks.push((line.scope.clone(), check));
            } else {
                rows.pack_start(&row(line, has_signs), false, false, 0);
            }
        }
        let section = (!lines.is_empty()).then(|| {
            let section = widgets::column(NEAR);
            section.pack_start(&widgets::group_title("It asks for"), false, false, 0);
            section.pack_start(&rows, false, false, 0);
            section
        });
        Self { section, rows, checks }
    }

    /// What is drawn; `None` when nothing is asked for.
    pub(super) fn section(&self) -> Option<&gtk::Box> {
        self.section.as_ref()
    }

    /// Whether the boxes can be ticked.
    pub(super) fn set_sensitive(&self, is_sensitive: bool) {
        self.rows.set_sensitive(is_sensitive);
    }

    /// Calls `changed` whenever a box is ticked or not.
    pub(super) fn connect_changed(&self, changed: impl Fn() + Clone + 'static) {
        for (_, check) in &self.checks {
            let changed = changed.clone();
            check.connect_toggled(move |_| changed());
        }
    }

    /// Whether something was to be ticked and nothing is.
    pub(super) fn is_nothing_left(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|(_, check)| !check.is_active())
    }

    /// What stayed ticked; `None` when everything did.
    pub(super) fn narrowed(&self) -> Option<ScopeSet> {
        if self.checks.iter().all(|(_, check)| check.is_active()) {
            return None;
        }
        let ticked = self.checks.iter().filter(|(_, check)| check.is_active());
        Some(ticked.map(|(scope, _)| scope.clone()).collect())
    }
}

/// Between a sign, the words and the tag, in logical pixels.
const APART: i32 = 8;

fn row(line: &ScopeLine, has_signs: bool) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, APART);
    row.set_margin_start(4);
    if line.is_far_reaching {
        let sign = widgets::sign();
        sign.set_tooltip_text(Some("Reaches far"));
        row.pack_start(&sign, false, false, 0);
    } else if has_signs {
        row.set_margin_start(4 + widgets::SIGN + APART);
    }
    let look = if line.is_far_reaching { Look::Bold } else { Look::Plain };
    row.pack_start(&widgets::text(&line.sentence, look), true, true, 0);
    let tag = widgets::text(if line.is_added { "new" } else { "has it" }, Look::Plain);
    tag.set_line_wrap(false);
    tag.style_context().add_class("tidegate-tag");
    if line.is_added {
        tag.style_context().add_class("added");
    }
    tag.set_valign(gtk::Align::Center);
    row.pack_end(&tag, false, false, 0);
    row
}

/// The line as a screen reader says it, with what the eye sees by signs and tags.
fn spoken(line: &ScopeLine) -> String {
    let reach = if line.is_far_reaching { "Reaches far. " } else { "" };
    let tag = if line.is_added { "New: " } else { "Has it: " };
    format!("{reach}{tag}{}", line.sentence)
}
