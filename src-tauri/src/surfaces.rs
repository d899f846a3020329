//! What a person sees: tray, notification, dialogs, window. It lives on the main thread, as the
//! toolkit's objects do.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tauri::AppHandle;
use tidegate_desktop_core::dialog::{Attention, Dialog, DialogId, MessageDialog};
use tidegate_desktop_core::shell::{HostState, Input, Notification, Page, Surface};
use tidegate_desktop_core::tray_menu::{TrayMenu, TrayState, Waiting};
use tidegate_protocol::UnixMillis;

use crate::dialog::{NativeDialogs, Outcomes, native_dialogs};
use crate::inputs::Inputs;
use crate::notifications::{self, Notifications};
use crate::tray::Tray;
use crate::{clipboard, tray_host, windows};

thread_local! {
    static SURFACES: RefCell<Option<Surfaces>> = const { RefCell::new(None) };
}

/// The surfaces of this process.
pub(crate) struct Surfaces {
    app: AppHandle,
    inputs: Inputs,
    tray: Option<Tray>,
    notifications: Notifications,
    dialogs: Box<dyn NativeDialogs>,
    open_dialogs: BTreeSet<DialogId>,
}

/// Makes the surfaces. What becomes of them is reported to the controller. Once, on the main thread.
pub(crate) fn prepare(app: &AppHandle, inputs: &Inputs, outcomes: Outcomes, starts_at_login: bool) {
    let tray = match Tray::build(app, TrayMenu::of(&quiet(HostState::Starting, starts_at_login))) {
        Ok(tray) => {
            tray_host::watch(inputs);
            Some(tray)
        }
        Err(reason) => {
            inputs.tell(Input::TrayHost(Surface::Missing(reason.to_string())));
            None
        }
    };
    #[cfg(target_os = "linux")]
    crate::screen_lock::watch(inputs);
    #[cfg(target_os = "linux")]
    crate::colour_scheme::follow();
    #[cfg(target_os = "linux")]
    crate::focus::watch(inputs);
    let surfaces = Surfaces {
        app: app.clone(),
        inputs: inputs.clone(),
        tray,
        notifications: notifications::system(inputs),
        dialogs: native_dialogs(outcomes),
        open_dialogs: BTreeSet::new(),
    };
    SURFACES.set(Some(surfaces));
}

/// Does something that is seen, on the main thread, after what was to be done before.
pub(crate) fn with(app: &AppHandle, act: impl FnOnce(&mut Surfaces) + Send + 'static) {
    let sent = app.run_on_main_thread(move || {
        SURFACES.with_borrow_mut(|surfaces| {
            if let Some(surfaces) = surfaces {
                act(surfaces);
            }
        });
    });
    if sent.is_err() {
        tracing::debug!("the desktop's loop has ended");
    }
}

/// Draws the tray's check marks again: a click moves one, whatever comes of it.
pub(crate) fn redraw_tray(app: &AppHandle) {
    with(app, |surfaces| {
        if let Some(Err(error)) = surfaces.tray.as_ref().map(Tray::redraw) {
            tracing::warn!(%error, "the tray could not be drawn");
        }
    });
}

/// Says that the desktop's logic has failed: nothing is decided here any more, and nobody is left in
/// front of a dialog that does not answer.
pub(crate) fn show_defect(app: &AppHandle) {
    const SENTENCE: &str = "The part of Tidegate that runs the desktop failed, which is a defect; the log says more. \
                            The gateway goes on. Quit in the tray, and start Tidegate again.";
    with(app, |surfaces| {
        for id in std::mem::take(&mut surfaces.open_dialogs) {
            surfaces.dialogs.close(id);
        }
        surfaces.notifications.close();
        let state = quiet(HostState::Failed(SENTENCE.to_owned()), false);
        surfaces.draw_tray(TrayMenu::of(&state));
        surfaces.say("Tidegate's desktop failed.", SENTENCE.to_owned(), Attention::Unasked);
    });
}

/// Says why something that the person chose did not work.
pub(crate) fn say_problem(app: &AppHandle, sentence: String) {
    with(app, move |surfaces| surfaces.say("That did not work.", sentence, Attention::Asked));
}

/// The dialog of [`Surfaces::say`]: the controller counts its own from one.
const OWN_DIALOG: DialogId = DialogId(u64::MAX);

/// A state in which nothing waits and nothing runs.
fn quiet(host: HostState, starts_at_login: bool) -> TrayState {
    TrayState {
        host,
        waiting: Waiting::default(),
        is_paused: false,
        starts_at_login,
        unasked: 0,
        asks_everything: false,
    }
}

impl Surfaces {
    pub(crate) fn draw_tray(&mut self, menu: TrayMenu) {
        let Some(tray) = &mut self.tray else { return };
        if let Err(error) = tray.show(&self.app, menu) {
            tracing::warn!(%error, "the tray could not be changed");
        }
    }

    pub(crate) fn notify(&self, notification: Notification) {
        self.notifications.show(notification);
    }

    pub(crate) fn close_notification(&self) {
        self.notifications.close();
    }

    pub(crate) fn open_dialog(&mut self, id: DialogId, dialog: Dialog, attention: Attention) {
        self.open_dialogs.insert(id);
        self.dialogs.open(id, dialog, attention);
    }

    pub(crate) fn update_dialog(&self, id: DialogId, dialog: Dialog) {
        self.dialogs.update(id, dialog);
    }

    pub(crate) fn refresh_dialog(&self, id: DialogId, behind: String, expires_at: UnixMillis) {
        self.dialogs.refresh(id, behind, expires_at);
    }

    pub(crate) fn present_dialog(&self, id: DialogId) {
        self.dialogs.present(id);
    }

    /// The person has ended it.
    pub(crate) fn dialog_ended(&mut self, id: DialogId) {
        self.open_dialogs.remove(&id);
    }

    pub(crate) fn close_dialog(&mut self, id: DialogId) {
        self.open_dialogs.remove(&id);
        self.dialogs.close(id);
    }

    /// Opens the window at a page; without one, an open window comes to the front as it is.
    pub(crate) fn open_window(&self, page: Option<Page>) {
        if let Err(error) = windows::open(&self.app, &self.inputs, page) {
            tracing::error!(%error, "the window could not be opened");
            let sentence =
                "The window could not be opened; the log says why. `tidegate` in a terminal shows the same.";
            self.say("That did not work.", sentence.to_owned(), Attention::Asked);
        }
    }

    pub(crate) fn close_window(&self) {
        windows::close(&self.app);
    }

    pub(crate) fn copy(&self, text: &str) {
        clipboard::copy(text);
    }

    /// Shows a sentence of the shell's own.
    fn say(&self, heading: &str, text: String, attention: Attention) {
        let heading = heading.to_owned();
        let message = MessageDialog { heading, text, proceed: None, other: None, dismiss: "OK" };
        self.dialogs.open(OWN_DIALOG, Dialog::Message(message), attention);
    }
}
