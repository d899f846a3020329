//! One dialog on the screen: its window, what is in it, and how it ends.

mod keyboard;
mod place;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use gtk::gdk;
use gtk::glib::Propagation;
use gtk::prelude::*;
use tidegate_desktop_core::dialog::{ApprovalsDialog, Attention, Dialog, DialogOutcome, ReviewDialog};
use tidegate_desktop_core::press::Press as PressedBy;
use tidegate_protocol::UnixMillis;

use self::keyboard::{is_enter, is_space};
use self::place::FRAME;
use super::approvals::{self, Approvals};
use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::review::status::Status;
use super::widgets::{self, GAP, Look, NEAR, WIDE};
use super::{folder, message, model_key, new_token, press, review, style, token};
use crate::focus;

/// How wide and high a window's content is at most, in logical pixels; less on a small screen.
const MAX_SIZE: (i32, i32) = (640, 760);
/// How much of a large screen's height it may have, in percent.
const MAX_HEIGHT: i32 = 85;

/// In the footer of a dialog that scrolls.
const MORE: &str = "There is more below. Scroll to the end to go on.";

type Press = Rc<dyn Fn() -> Option<DialogOutcome>>;
type OnEnd = Box<dyn FnOnce(DialogOutcome, PressedBy)>;

/// A dialog on the screen.
pub(super) struct DialogWindow {
    window: gtk::Window,
    heading: gtk::Label,
    /// Around the heading: where the keyboard rests.
    rest: gtk::EventBox,
    scroller: gtk::ScrolledWindow,
    footer: gtk::Box,
    /// Says that there is more below, while the approving button waits for that to be seen.
    more: gtk::Label,
    arming: Rc<Arming>,
    shown: RefCell<Option<Shown>>,
    /// Taken by the first ending; later ones do nothing.
    on_end: RefCell<Option<OnEnd>>,
    /// Whether it may have the keyboard of someone who types elsewhere: no key ends it at first.
    is_guarded: Cell<bool>,
    /// When it came on the screen.
    came_up: Cell<Option<Instant>>,
    /// Whether Enter or Space came too early and is still held down: its repetitions do nothing.
    is_held: Cell<bool>,
    /// When a letter was pressed last that nothing here takes: someone types for another window.
    typed: Cell<Option<Instant>>,
    /// What pressed Space on the approving button and still holds it down: GTK presses the button in
    /// an event's name only when it is released soon.
    space: Cell<Option<PressedBy>>,
}

/// What is shown now.
struct Shown {
    dialog: Dialog,
    status: Option<Status>,
    dismiss: Option<Press>,
    approve: Option<gtk::Button>,
    approvals: Option<Rc<Approvals>>,
}

impl DialogWindow {
    /// Opens a window. `on_end` hears how a person ended it, at most once.
    pub(super) fn open(
        dialog: Dialog,
        attention: Attention,
        on_end: impl FnOnce(DialogOutcome, PressedBy) + 'static,
    ) -> Rc<Self> {
        style::load();
        let window = gtk::Window::new(gtk::WindowType::Toplevel);
        window.set_type_hint(gdk::WindowTypeHint::Dialog);
        window.set_position(gtk::WindowPosition::Center);
        window.set_resizable(false);
        window.set_keep_above(true);
        window.style_context().add_class("tidegate");
        // What comes up by itself must not swallow what the person is typing.
        window.set_focus_on_map(attention == Attention::Asked);

        let is_guarded = attention == Attention::Unasked || place::is_wayland();
        let heading = widgets::text("", Look::Heading);
        // It has the keyboard at first then, and does nothing with it.
        let rest = gtk::EventBox::new();
        rest.set_can_focus(is_guarded && asks(&dialog));
        rest.add(&heading);
        heading.set_margin_start(WIDE);
        heading.set_margin_end(WIDE);
        heading.set_margin_top(WIDE);
        heading.set_margin_bottom(GAP);
        let scroller = gtk::ScrolledWindow::new(gtk::Adjustment::NONE, gtk::Adjustment::NONE);
        scroller.set_policy(gtk::PolicyType::Never, gtk::PolicyType::Automatic);
        // A bar that is always seen says that there is more.
        scroller.set_overlay_scrolling(false);
        let footer = widgets::column(0);
        footer.style_context().add_class("tidegate-footer");
        let whole = widgets::column(0);
        whole.pack_start(&rest, false, false, 0);
        whole.pack_start(&scroller, true, true, 0);
        whole.pack_start(&footer, false, false, 0);
        window.add(&whole);

        let this = Rc::new(Self {
            window,
            heading,
            rest,
            scroller,
            footer,
            more: widgets::secondary(""),
            arming: Arming::new(),
            shown: RefCell::new(None),
            on_end: RefCell::new(Some(Box::new(on_end))),
            is_guarded: Cell::new(is_guarded),
            came_up: Cell::new(None),
            is_held: Cell::new(false),
            typed: Cell::new(None),
            space: Cell::new(None),
        });
        this.connect();
        this.fill(dialog);
        if let Some(accessible) = this.window.accessible() {
            accessible.set_role(gtk::atk::Role::Dialog);
        }
        place::put_beside_window(&this.window);
        focus::follow(&this.window);
        this.window.show();
        if attention == Attention::Asked {
            this.window.present();
        }
        this
    }

    /// Shows something else. When nothing but the number of those who wait behind is new, the
    /// approving button stays as it is.
    pub(super) fn show(self: &Rc<Self>, dialog: Dialog) {
        if let Dialog::Approvals(now) = &dialog
            && self.update_approvals(now)
        {
            return;
        }
        if let Dialog::Review(now) = &dialog {
            self.with_review(|review, status| {
                review.behind.clone_from(&now.behind);
                status.set_behind(&now.behind);
            });
        }
        if !self.shown.borrow().as_ref().is_some_and(|shown| shown.dialog == dialog) {
            self.fill(dialog);
        }
    }

    /// Changes how many wait behind, and when the time is up. The approving button stays as it is,
    /// unless the time was up already: then everything begins again.
    pub(super) fn refresh(self: &Rc<Self>, behind: String, expires_at: UnixMillis) {
        let ended = self.with_review(|review, status| {
            status.set_behind(&behind);
            review.behind = behind;
            review.expires_at = expires_at;
            let goes_on = status.set_end(review.created_at, expires_at);
            (!goes_on).then(|| Dialog::Review(Box::new(review.clone())))
        });
        if let Some(dialog) = ended.flatten() {
            self.fill(dialog);
        }
    }

    /// Changes what waits in an open dialog about agents' requests, in place.
    fn update_approvals(self: &Rc<Self>, now: &ApprovalsDialog) -> bool {
        let approvals = {
            let mut shown = self.shown.borrow_mut();
            let Some(Shown { dialog, status: Some(status), approvals: Some(approvals), .. }) = &mut *shown
            else {
                return false;
            };
            status.set_behind(&now.behind);
            if !status.set_end(now.created_at(), now.expires_at()) {
                return false;
            }
            *dialog = Dialog::Approvals(Box::new(now.clone()));
            approvals.clone()
        };
        self.window.set_title(now.title);
        self.heading.set_text(&widgets::without_nul(&now.heading));
        approvals.update(now);
        true
    }

    /// Changes an open review and its line in place.
    fn with_review<T>(&self, change: impl FnOnce(&mut ReviewDialog, &Status) -> T) -> Option<T> {
        match &mut *self.shown.borrow_mut() {
            Some(Shown { dialog: Dialog::Review(review), status: Some(status), .. }) => {
                Some(change(review, status))
            }
            _ => None,
        }
    }

    /// Brings it to the front, with the keyboard.
    pub(super) fn present(self: &Rc<Self>) {
        if !self.window.is_active() {
            // It may come up under a pointer that is about to press something else.
            self.arming.start();
        }
        if !place::is_wayland() && self.is_guarded.replace(false) {
            // The person asked for it, so its keys do what they do in any dialog.
            if let Some(dismiss) = self.window.default_widget().filter(|_| self.rest.is_focus()) {
                dismiss.grab_focus();
            }
        }
        self.window.set_focus_on_map(true);
        self.window.present();
    }

    /// Takes it from the screen. Nobody hears of it.
    pub(super) fn close(&self) {
        self.on_end.replace(None);
        self.take_down();
    }

    fn connect(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        self.window.connect_key_press_event(move |_, event| {
            this.upgrade().map_or(Propagation::Proceed, |this| this.key_pressed(event))
        });
        let this = Rc::downgrade(self);
        self.window.connect_key_release_event(move |_, event| {
            if let Some(this) = this.upgrade()
                && (is_enter(event) || is_space(event))
            {
                this.is_held.set(false);
                this.space.set(None);
            }
            Propagation::Proceed
        });
        let this = Rc::downgrade(self);
        self.window.connect_delete_event(move |_, _| {
            match this.upgrade() {
                // Comes here again when it is down.
                Some(this) if this.on_end.borrow().is_some() => {
                    this.dismiss();
                    Propagation::Stop
                }
                _ => Propagation::Proceed,
            }
        });
        // Before, what is shown has not its size yet.
        let this = Rc::downgrade(self);
        self.arming.on_passed(move || {
            if let Some(this) = this.upgrade() {
                this.look();
            }
        });
        let this = Rc::downgrade(self);
        self.scroller.vadjustment().connect_value_changed(move |_| {
            if let Some(this) = this.upgrade()
                && this.arming.has_passed()
            {
                this.look();
            }
        });
        // The time begins when it can be seen, and again when it was away meanwhile.
        let this = Rc::downgrade(self);
        self.window.connect_map_event(move |_, _| {
            if let Some(this) = this.upgrade() {
                this.came_up.set(Some(Instant::now()));
                this.arming.came_up();
                if this.more.is_visible() {
                    this.more.set_text(MORE);
                }
            }
            Propagation::Proceed
        });
    }

    fn fill(self: &Rc<Self>, dialog: Dialog) {
        self.arming.reset();
        let mut approvals = None;
        let content = match &dialog {
            Dialog::Review(review) => review::content(review, &self.arming),
            Dialog::Approvals(dialog) => {
                let (content, view) = approvals::content(dialog, &self.arming);
                approvals = Some(view);
                content
            }
            Dialog::NewToken(new_token) => new_token::content(new_token, &self.arming),
            Dialog::Token(token) => token::content(token),
            Dialog::ModelKey(model_key) => model_key::content(model_key, &self.arming),
            Dialog::Folder(folder) => folder::content(folder, &self.arming),
            Dialog::Message(message) => message::content(message),
        };
        let Content { title, heading, body, status, panel, choices, first_focus } = content;
        self.window.set_title(title);
        self.heading.set_text(&widgets::without_nul(&heading));
        widgets::describe(&self.rest, &heading, "");
        for old in self.scroller.children() {
            self.scroller.remove(&old);
        }
        for old in self.footer.children() {
            self.footer.remove(&old);
        }
        body.set_margin_start(WIDE);
        body.set_margin_end(WIDE);
        body.set_margin_bottom(WIDE);
        self.scroller.add(&body);
        let mut shown = Shown { dialog, status, dismiss: None, approve: None, approvals };
        if let Some(status) = &shown.status {
            let line = status.line();
            line.set_margin_start(WIDE);
            line.set_margin_end(WIDE);
            line.set_margin_top(GAP);
            self.footer.pack_start(line, false, false, 0);
        }
        self.more.set_margin_start(WIDE);
        self.more.set_margin_end(WIDE);
        self.more.set_margin_top(GAP);
        self.more.set_no_show_all(true);
        self.more.hide();
        self.footer.pack_start(&self.more, false, false, 0);
        if let Some(panel) = panel {
            panel.set_margin_top(GAP);
            self.footer.pack_start(&panel, false, false, 0);
        }
        let row = self.button_row(choices, &mut shown);
        self.footer.pack_start(&row, false, false, 0);
        if let Some(approvals) = &shown.approvals {
            let (this, body) = (Rc::downgrade(self), body.downgrade());
            approvals.on_resize(move || {
                if let (Some(this), Some(body)) = (this.upgrade(), body.upgrade()) {
                    this.fit(&body);
                    place::keep_on_screen(&this.window);
                }
            });
        }
        self.shown.replace(Some(shown));
        if let Some(whole) = self.window.child() {
            whole.show_all();
        }
        self.fit(&body);
        self.scroller.vadjustment().set_value(0.0);
        let first = first_focus.or_else(|| match self.rest.can_focus() && self.is_guarded.get() {
            true => Some(self.rest.clone().upcast()),
            false => self.window.default_widget(),
        });
        if let Some(first) = first {
            first.grab_focus();
        }
    }

    fn button_row(self: &Rc<Self>, choices: Vec<Choice>, shown: &mut Shown) -> gtk::Box {
        let row = gtk::Box::new(gtk::Orientation::Horizontal, NEAR);
        row.set_margin_start(WIDE);
        row.set_margin_end(WIDE);
        row.set_margin_top(GAP);
        row.set_margin_bottom(WIDE);
        let together = gtk::Box::new(gtk::Orientation::Horizontal, NEAR);
        together.set_homogeneous(choices.len() < 4);
        row.pack_end(&together, false, false, 0);
        for choice in choices {
            let Choice { label, explanation, place, press, built } = choice;
            let press: Press = press.into();
            let button = gtk::Button::with_label(&label);
            if !explanation.is_empty() {
                button.set_tooltip_text(Some(explanation));
            }
            widgets::describe(&button, &label, explanation);
            match place {
                Place::Apart => row.pack_start(&button, false, false, 0),
                _ => together.pack_start(&button, true, true, 0),
            }
            // The default button would otherwise go where the keyboard goes.
            button.set_receives_default(false);
            match place {
                Place::Dismiss => {
                    button.set_can_default(true);
                    self.window.set_default(Some(&button));
                    shown.dismiss = Some(press.clone());
                }
                Place::Plain | Place::Apart => {}
                Place::Primary => button.style_context().add_class("tidegate-primary"),
                Place::Armed => {
                    button.style_context().add_class("tidegate-primary");
                    self.arming.guard(&button);
                    shown.approve = Some(button.clone());
                }
            }
            if let Some(built) = built {
                built(&button);
            }
            let this = Rc::downgrade(self);
            button.connect_clicked(move |_| {
                if let Some(this) = this.upgrade()
                    && (place != Place::Armed || this.arming.is_live())
                    && let Some(outcome) = press()
                {
                    this.end(outcome);
                }
            });
        }
        row
    }

    /// Gives the window its size: what scrolls gets what it needs, as far as there is room.
    fn fit(&self, body: &gtk::Box) {
        let room = place::smallest_screen(MAX_SIZE);
        let width = MAX_SIZE.0.min(room.0 - FRAME.0);
        let height = MAX_SIZE.1.min(room.1 - FRAME.1).max(room.1 * MAX_HEIGHT / 100 - FRAME.1);
        let needs = |widget: &gtk::Widget| widget.preferred_height_for_width(width).1;
        let taken = || needs(self.heading.upcast_ref()) + needs(self.footer.upcast_ref());
        let needed = needs(body.upcast_ref());
        if needed > height - taken() && self.has_approve() {
            self.more.set_text(MORE);
            self.more.show();
        }
        self.scroller.set_size_request(width, needed.min(height - taken()).max(1));
    }

    /// Notes that the end of what is shown was on the screen, when it is.
    fn look(&self) {
        let position = self.scroller.vadjustment();
        // Below the last line is only the margin.
        if position.value() + position.page_size() + f64::from(WIDE) >= position.upper() {
            self.arming.set_seen();
            // It keeps its place, so that no button moves.
            self.more.set_text("");
        } else if self.has_approve() && !self.arming.was_seen() {
            self.more.set_text(MORE);
            self.more.show();
        }
    }

    fn was_on_screen_for(&self, time: Duration) -> bool {
        self.came_up.get().is_some_and(|came_up| came_up.elapsed() >= time)
    }

    fn has_approve(&self) -> bool {
        self.shown.borrow().as_ref().is_some_and(|shown| shown.approve.is_some())
    }

    fn dismiss(&self) {
        let press = self.shown.borrow().as_ref().and_then(|shown| shown.dismiss.clone());
        if let Some(outcome) = press.and_then(|press| press()) {
            self.end(outcome);
        }
    }

    fn end(&self, outcome: DialogOutcome) {
        let on_end = self.on_end.borrow_mut().take();
        if let Some(on_end) = on_end {
            let pressed_by = press::now().or(self.space.get()).unwrap_or(PressedBy::of(None));
            self.take_down();
            on_end(outcome, pressed_by);
        }
    }

    fn take_down(&self) {
        // Secrets that were typed or shown go at once; the window goes from an idle callback.
        self.shown.replace(None);
        self.window.hide();
        self.window.close();
    }
}

/// Whether a person decides something in it.
fn asks(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Review(_) | Dialog::Approvals(_) | Dialog::Message(_))
}
