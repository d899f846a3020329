//! When the approving button can be pressed: never before a person had time to see what it does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;
use tidegate_desktop_core::dialog::ARM_AFTER;

/// Keeps the approving button of one window dead until [`ARM_AFTER`] after the window appeared or
/// its content changed and its end was on the screen, while the content lacks something, and once its
/// time is up.
pub(super) struct Arming {
    button: RefCell<Option<gtk::Button>>,
    /// Counts the starts, so that the timer of an earlier one does nothing.
    start: Cell<u64>,
    has_passed: Cell<bool>,
    was_seen: Cell<bool>,
    is_complete: Cell<bool>,
    is_over: Cell<bool>,
    /// Called each time that [`ARM_AFTER`] has passed.
    on_passed: RefCell<Option<Box<dyn Fn()>>>,
}

impl Arming {
    /// Dead until the first [`Self::start`].
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            button: RefCell::new(None),
            start: Cell::new(0),
            has_passed: Cell::new(false),
            was_seen: Cell::new(false),
            is_complete: Cell::new(true),
            is_over: Cell::new(false),
            on_passed: RefCell::new(None),
        })
    }

    /// Has this called each time that [`ARM_AFTER`] has passed.
    pub(super) fn on_passed(&self, call: impl Fn() + 'static) {
        self.on_passed.replace(Some(Box::new(call)));
    }

    /// Forgets what was shown before: nothing is missing, and the time has begun again.
    pub(super) fn reset(self: &Rc<Self>) {
        self.button.replace(None);
        self.was_seen.set(false);
        self.is_complete.set(true);
        self.is_over.set(false);
        self.start();
    }

    /// The button that is guarded from now on.
    pub(super) fn guard(&self, button: &gtk::Button) {
        self.button.replace(Some(button.clone()));
        self.refresh();
    }

    /// What is shown came up, and is not known to have been seen: nothing is laid out that is not on the screen.
    pub(super) fn came_up(self: &Rc<Self>) {
        self.was_seen.set(false);
        self.start();
    }

    /// Lets the time begin again.
    pub(super) fn start(self: &Rc<Self>) {
        let start = self.start.get() + 1;
        self.start.set(start);
        self.has_passed.set(false);
        self.refresh();
        let arming = Rc::downgrade(self);
        glib::timeout_add_local_once(ARM_AFTER, move || {
            if let Some(arming) = arming.upgrade()
                && arming.start.get() == start
            {
                arming.has_passed.set(true);
                if let Some(call) = &*arming.on_passed.borrow() {
                    call();
                }
                arming.refresh();
            }
        });
    }

    /// The end of what is shown was on the screen.
    pub(super) fn set_seen(&self) {
        self.was_seen.set(true);
        self.refresh();
    }

    /// Says whether everything that has to be filled in is there.
    pub(super) fn set_complete(&self, is_complete: bool) {
        self.is_complete.set(is_complete);
        self.refresh();
    }

    /// The time of what is shown is up: the button stays dead.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.refresh();
    }

    /// Whether the end of what is shown was on the screen.
    pub(super) fn was_seen(&self) -> bool {
        self.was_seen.get()
    }

    /// Whether a person had time to see what is shown.
    pub(super) fn has_passed(&self) -> bool {
        self.has_passed.get()
    }

    /// Whether the button may do what it says.
    pub(super) fn is_live(&self) -> bool {
        self.has_passed.get() && self.was_seen.get() && self.is_complete.get() && !self.is_over.get()
    }

    fn refresh(&self) {
        if let Some(button) = &*self.button.borrow() {
            button.set_sensitive(self.is_live());
        }
    }
}
