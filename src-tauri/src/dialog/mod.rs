//! Native dialogs: drawn by the system's own toolkit, so that no page can press them, and without
//! any rule beyond how they are drawn and when their approving button wakes up.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unavailable;

use tidegate_desktop_core::dialog::{Attention, Dialog, DialogId, DialogOutcome};
use tidegate_desktop_core::press::Press;
use tidegate_protocol::UnixMillis;
use tokio::sync::mpsc;

/// Where the outcomes of dialogs arrive: one for each dialog that a person ended.
pub type Outcomes = mpsc::UnboundedSender<Ended>;

/// A dialog that a person ended: which, how, and what pressed the button.
pub type Ended = (DialogId, DialogOutcome, Press);

/// Whether this system's dialogs are written. Where they are not, the command line is the person's
/// place, and the gateway has to be started so.
pub const ARE_DRAWN: bool = cfg!(target_os = "linux");

/// Draws dialogs. Calls return at once; what is asked of a dialog that has ended does nothing.
pub trait NativeDialogs: Send + Sync {
    /// Opens a dialog. One that is open under this number shows `dialog` instead.
    fn open(&self, id: DialogId, dialog: Dialog, attention: Attention);
    /// Shows something else in an open dialog. Its approving button is dead again for a while,
    /// unless nothing but the number of those who wait behind it changed.
    fn update(&self, id: DialogId, dialog: Dialog);
    /// Changes how many wait behind an open review dialog, `"2 more wait"` or nothing, and when its
    /// time is up. The approving button stays as it is, except in a dialog whose time was up: there
    /// it is dead for a while and alive then.
    fn refresh(&self, id: DialogId, behind: String, expires_at: UnixMillis);
    /// Brings an open dialog to the front, with the keyboard.
    fn present(&self, id: DialogId);
    /// Closes a dialog. No outcome follows.
    fn close(&self, id: DialogId);
}

/// This system's dialogs. GTK has to be initialised before the first one opens.
#[must_use]
pub fn native_dialogs(outcomes: Outcomes) -> Box<dyn NativeDialogs> {
    #[cfg(target_os = "linux")]
    return Box::new(linux::GtkDialogs::new(outcomes));
    #[cfg(not(target_os = "linux"))]
    return Box::new(unavailable::NoDialogs::new(outcomes));
}
