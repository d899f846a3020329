//! What each kind of dialog puts into its window.

use std::borrow::Cow;

use tidegate_desktop_core::dialog::DialogOutcome;

use super::review::status::Status;

/// The content of a window: a heading that stays, a body that scrolls, and buttons that stay.
pub(super) struct Content {
    /// The window's title: a constant, since titles reach the window manager.
    pub(super) title: &'static str,
    /// The first line.
    pub(super) heading: String,
    /// What is between the heading and the buttons.
    pub(super) body: gtk::Box,
    /// A line above the buttons that changes by itself.
    pub(super) status: Option<Status>,
    /// Above the buttons; it says itself when it is seen.
    pub(super) panel: Option<gtk::Box>,
    /// In the order of drawing; exactly one is a [`Place::Dismiss`].
    pub(super) choices: Vec<Choice>,
    /// What has the keyboard first; the dismissing button when there is nothing.
    pub(super) first_focus: Option<gtk::Widget>,
}

/// A button with its words.
pub(super) struct Choice {
    pub(super) label: Cow<'static, str>,
    /// More of them, for the pointer and for screen readers.
    pub(super) explanation: &'static str,
    /// Where it stands and how it behaves.
    pub(super) place: Place,
    /// What pressing it means; `None` when the dialog stays open.
    pub(super) press: Box<dyn Fn() -> Option<DialogOutcome>>,
    /// Takes the button, where its words change.
    pub(super) built: Option<TakeButton>,
}

/// Takes a button that was made.
pub(super) type TakeButton = Box<dyn Fn(&gtk::Button)>;

/// Where a button stands and how it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The default one, and what Escape and closing the window do.
    Dismiss,
    /// Works at once.
    Plain,
    /// Works at once, and stands on the other side.
    Apart,
    /// The one that stands out; works at once.
    Primary,
    /// The one that stands out; guarded by [`super::arming::Arming`], and deaf to Enter.
    Armed,
}

impl Choice {
    /// A button that ends the dialog.
    pub(super) fn ending(label: impl Into<Cow<'static, str>>, place: Place, outcome: DialogOutcome) -> Self {
        let press = Box::new(move || Some(outcome.clone()));
        Self { label: label.into(), explanation: "", place, press, built: None }
    }

    /// The same with more words.
    pub(super) fn explained(self, explanation: &'static str) -> Self {
        Self { explanation, ..self }
    }
}
