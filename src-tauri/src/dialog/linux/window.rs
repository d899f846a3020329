//! One dialog on the screen: its window, what the keyboard does in it, and how it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use gtk::gdk;
use gtk::glib::Propagation;
use gtk::prelude::*;
use tidegate_desktop_core::dialog::{ARM_AFTER, Attention, Dialog, DialogOutcome, ReviewDialog};
use tidegate_desktop_core::press::Press as PressedBy;
use tidegate_protocol::UnixMillis;

use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::review::status::Status;
use super::widgets::{self, GAP, Look, NEAR, WIDE};
use super::{folder, message, model_key, new_token, press, review, style, token};

/// How wide and high a window's content is at most, in logical pixels; less on a small screen.
const MAX_SIZE: (i32, i32) = (640, 760);
/// How much of a large screen's height it may have, in percent.
const MAX_HEIGHT: i32 = 85;
/// What the window manager draws around it.
const FRAME: (i32, i32) = (16, 60);

/// In the footer of a dialog that scrolls.
const MORE: &str = "There is more below. Scroll to the end to go on.";

type Press = Rc<dyn Fn() -> Option<DialogOutcome>>;
type OnEnd = Box<dyn FnOnce(DialogOutcome, PressedBy)>;

/// A dialog on the screen.
pub(super) struct DialogWindow {
    window: gtk::Window,
    heading: gtk::Label,
    scroller: gtk::ScrolledWindow,
    footer: gtk::Box,
    /// Says that there is more below, while the approving button waits for that to be seen.
    more: gtk::Label,
    arming: Rc<Arming>,
    shown: RefCell<Option<Shown>>,
    /// Taken by the first ending; later ones do nothing.
    on_end: RefCell<Option<OnEnd>>,
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

        let heading = widgets::text("", Look::Heading);
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
        whole.pack_start(&heading, false, false, 0);
        whole.pack_start(&scroller, true, true, 0);
        whole.pack_start(&footer, false, false, 0);
        window.add(&whole);

        let this = Rc::new(Self {
            window,
            heading,
            scroller,
            footer,
            more: widgets::secondary(""),
            arming: Arming::new(),
            shown: RefCell::new(None),
            on_end: RefCell::new(Some(Box::new(on_end))),
            is_held: Cell::new(false),
            typed: Cell::new(None),
            space: Cell::new(None),
        });
        this.connect();
        this.fill(dialog);
        if let Some(accessible) = this.window.accessible() {
            accessible.set_role(gtk::atk::Role::Dialog);
        }
        this.window.show();
        if attention == Attention::Asked {
            this.window.present();
        }
        this
    }

    /// Shows something else. When nothing but the number of those who wait behind is new, the
    /// approving button stays as it is.
    pub(super) fn show(self: &Rc<Self>, dialog: Dialog) {
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
        let content = match &dialog {
            Dialog::Review(review) => review::content(review, &self.arming),
            Dialog::NewToken(new_token) => new_token::content(new_token, &self.arming),
            Dialog::Token(token) => token::content(token),
            Dialog::ModelKey(model_key) => model_key::content(model_key, &self.arming),
            Dialog::Folder(folder) => folder::content(folder, &self.arming),
            Dialog::Message(message) => message::content(message),
        };
        let Content { title, heading, body, status, choices, first_focus } = content;
        self.window.set_title(title);
        self.heading.set_text(&widgets::without_nul(&heading));
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
        let mut shown = Shown { dialog, status, dismiss: None, approve: None };
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
        let row = self.button_row(choices, &mut shown);
        self.footer.pack_start(&row, false, false, 0);
        self.shown.replace(Some(shown));
        if let Some(whole) = self.window.child() {
            whole.show_all();
        }
        self.fit(&body);
        self.scroller.vadjustment().set_value(0.0);
        if let Some(first) = first_focus.or_else(|| self.window.default_widget()) {
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
        together.set_homogeneous(true);
        row.pack_end(&together, false, false, 0);
        for choice in choices {
            let Choice { label, explanation, place, press } = choice;
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
        let room = smallest_screen();
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
        }
    }

    fn has_approve(&self) -> bool {
        self.shown.borrow().as_ref().is_some_and(|shown| shown.approve.is_some())
    }

    fn key_pressed(&self, event: &gdk::EventKey) -> Propagation {
        use gdk::keys::constants as key;

        let focus = self.window.focused_widget();
        let is_in_entry = focus.as_ref().is_some_and(|focus| focus.is::<gtk::Entry>());
        if event.keyval() == key::Escape {
            self.dismiss();
            return Propagation::Stop;
        }
        if is_enter(event) && is_in_entry {
            // Someone who was typing elsewhere must not send anything by it.
            self.window.child_focus(gtk::DirectionType::TabForward);
            return Propagation::Stop;
        }
        if self.is_held.get() && (is_enter(event) || is_space(event) && !is_in_entry) {
            return Propagation::Stop;
        }
        let is_on_button =
            focus.as_ref().is_some_and(|focus| focus.is::<gtk::Button>() && !focus.is::<gtk::ToggleButton>());
        let is_typing = self.typed.get().is_some_and(|typed| typed.elapsed() < ARM_AFTER);
        if is_letter(event) && !is_text(focus.as_ref()) {
            self.typed.set(Some(Instant::now()));
        }
        let is_early = !self.arming.has_passed() || is_typing;
        if is_early && (is_enter(event) || is_space(event) && is_on_button) {
            if is_typing {
                self.typed.set(Some(Instant::now()));
            }
            self.is_held.set(true);
            return Propagation::Stop;
        }
        if self.is_approve(focus.as_ref()) {
            if is_enter(event) {
                return Propagation::Stop;
            }
            self.space.set(is_space(event).then(|| press::of_event(event)));
        }
        let is_page = matches!(event.keyval(), key::Page_Up | key::Page_Down);
        if is_page && !focus.is_some_and(|focus| focus.is::<gtk::TextView>()) {
            let pages = if event.keyval() == key::Page_Up { -0.9 } else { 0.9 };
            let position = self.scroller.vadjustment();
            position.set_value(position.value() + pages * position.page_size());
            return Propagation::Stop;
        }
        Propagation::Proceed
    }

    fn is_approve(&self, widget: Option<&gtk::Widget>) -> bool {
        let shown = self.shown.borrow();
        let approve = shown.as_ref().and_then(|shown| shown.approve.as_ref());
        approve.is_some_and(|approve| Some(approve.upcast_ref()) == widget)
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

/// Where letters are typed.
fn is_text(widget: Option<&gtk::Widget>) -> bool {
    widget.is_some_and(|widget| widget.is::<gtk::Entry>() || widget.is::<gtk::TextView>())
}

/// A key that writes something. A blank presses buttons.
fn is_letter(event: &gdk::EventKey) -> bool {
    event.keyval().to_unicode().is_some_and(|letter| !letter.is_control() && letter != ' ')
}

fn is_enter(event: &gdk::EventKey) -> bool {
    use gdk::keys::constants as key;

    matches!(event.keyval(), key::Return | key::KP_Enter | key::ISO_Enter)
}

fn is_space(event: &gdk::EventKey) -> bool {
    use gdk::keys::constants as key;

    matches!(event.keyval(), key::space | key::KP_Space)
}

/// The room on the smallest screen, in logical pixels: the window may come up on any of them.
fn smallest_screen() -> (i32, i32) {
    let Some(display) = gdk::Display::default() else { return MAX_SIZE };
    let areas = (0..display.n_monitors()).filter_map(|at| display.monitor(at)).map(|at| at.workarea());
    areas.fold((i32::MAX, i32::MAX), |least, area| (least.0.min(area.width()), least.1.min(area.height())))
}
