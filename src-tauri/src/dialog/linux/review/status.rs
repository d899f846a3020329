//! How old a request is, how long it has left, and how many wait behind it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gtk::glib;
use gtk::prelude::*;
use tidegate_protocol::UnixMillis;

use super::super::arming::Arming;
use super::super::widgets::{self, Look, WIDE};
use super::clock::{self, RequestClock};

const SECOND: Duration = Duration::from_secs(1);

/// A line that follows the clock until it is dropped.
pub(in super::super) struct Status {
    parts: Rc<Parts>,
}

struct Parts {
    line: gtk::Box,
    age: gtk::Label,
    left: gtk::Label,
    behind: gtk::Label,
    clock: Cell<RequestClock>,
    /// Whether the time was up once: nobody follows the clock from then on.
    is_over: Cell<bool>,
}

impl Status {
    /// Ends `arming` when the time is up.
    pub(in super::super) fn new(
        created_at: UnixMillis,
        expires_at: UnixMillis,
        behind: &str,
        arming: &Rc<Arming>,
    ) -> Self {
        let line = gtk::Box::new(gtk::Orientation::Horizontal, WIDE);
        let parts = Rc::new(Parts {
            line,
            age: short(widgets::secondary("")),
            left: short(widgets::text("", Look::Bold)),
            behind: short(widgets::text(behind, Look::Bold)),
            clock: Cell::new(RequestClock::start(created_at, expires_at)),
            is_over: Cell::new(false),
        });
        parts.line.pack_start(&parts.left, false, false, 0);
        parts.line.pack_start(&parts.age, false, false, 0);
        parts.line.pack_end(&parts.behind, false, false, 0);
        if parts.draw() {
            let (parts, arming) = (Rc::downgrade(&parts), Rc::downgrade(arming));
            glib::timeout_add_local(SECOND, move || {
                let (Some(parts), Some(arming)) = (parts.upgrade(), arming.upgrade()) else {
                    return glib::ControlFlow::Break;
                };
                if parts.draw() {
                    return glib::ControlFlow::Continue;
                }
                arming.end();
                glib::ControlFlow::Break
            });
        } else {
            arming.end();
        }
        Self { parts }
    }

    /// What is drawn.
    pub(in super::super) fn line(&self) -> &gtk::Box {
        &self.parts.line
    }

    /// Changes how many wait behind.
    pub(in super::super) fn set_behind(&self, words: &str) {
        set_text(&self.parts.behind, words);
    }

    /// Changes when the time is up. Once it was up this does nothing and is false.
    pub(in super::super) fn set_end(&self, created_at: UnixMillis, expires_at: UnixMillis) -> bool {
        if self.parts.is_over.get() || self.parts.clock.get().left().is_zero() {
            return false;
        }
        self.parts.clock.set(RequestClock::start(created_at, expires_at));
        self.parts.draw();
        true
    }
}

impl Parts {
    /// Draws the time; false when it is up.
    fn draw(&self) -> bool {
        let clock = self.clock.get();
        let left = clock.left();
        set_text(&self.age, &clock::asked(clock.age()));
        set_text(&self.left, &clock::left(left));
        self.is_over.set(left.is_zero());
        !left.is_zero()
    }
}

fn short(label: gtk::Label) -> gtk::Label {
    label.set_line_wrap(false);
    label
}

/// Assistive technology hears of changes only.
fn set_text(label: &gtk::Label, words: &str) {
    let words = widgets::without_nul(words);
    if label.text() != *words {
        label.set_text(&words);
    }
}
