//! Dialogs drawn with GTK 3, which the shell links anyhow.

mod approvals;
mod arming;
mod content;
mod facts;
mod folder;
mod message;
mod model_key;
mod new_token;
mod press;
mod review;
mod style;
mod token;
mod widgets;
mod window;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use gtk::glib;
use tidegate_desktop_core::dialog::{Attention, Dialog, DialogId};
use tidegate_protocol::UnixMillis;

use self::window::DialogWindow;
use super::{NativeDialogs, Outcomes};

thread_local! {
    /// The dialogs on the screen. GTK's objects cannot leave the main thread, so neither can this.
    static OPEN: RefCell<HashMap<DialogId, Rc<DialogWindow>>> = RefCell::default();
}

/// GTK's dialogs. Calls from other threads are carried out on the main one.
pub(super) struct GtkDialogs {
    outcomes: Outcomes,
}

impl GtkDialogs {
    pub(super) fn new(outcomes: Outcomes) -> Self {
        Self { outcomes }
    }
}

impl NativeDialogs for GtkDialogs {
    fn open(&self, id: DialogId, dialog: Dialog, attention: Attention) {
        let outcomes = self.outcomes.clone();
        on_main_thread(move || {
            if let Some(window) = find(id) {
                window.show(dialog);
                if attention == Attention::Asked {
                    window.present();
                }
                return;
            }
            let window = DialogWindow::open(dialog, attention, move |outcome, press| {
                forget(id);
                // Without a receiver the shell ends.
                let _ = outcomes.send((id, outcome, press));
            });
            OPEN.with_borrow_mut(|open| open.insert(id, window));
        });
    }

    fn update(&self, id: DialogId, dialog: Dialog) {
        with(id, |window| window.show(dialog));
    }

    fn refresh(&self, id: DialogId, behind: String, expires_at: UnixMillis) {
        with(id, move |window| window.refresh(behind, expires_at));
    }

    fn present(&self, id: DialogId) {
        with(id, DialogWindow::present);
    }

    fn close(&self, id: DialogId) {
        on_main_thread(move || {
            if let Some(window) = forget(id) {
                window.close();
            }
        });
    }
}

fn with(id: DialogId, act: impl FnOnce(&Rc<DialogWindow>) + Send + 'static) {
    on_main_thread(move || {
        if let Some(window) = find(id) {
            act(&window);
        }
    });
}

fn find(id: DialogId) -> Option<Rc<DialogWindow>> {
    OPEN.with_borrow(|open| open.get(&id).cloned())
}

fn forget(id: DialogId) -> Option<Rc<DialogWindow>> {
    OPEN.with_borrow_mut(|open| open.remove(&id))
}

fn on_main_thread(act: impl FnOnce() + Send + 'static) {
    if gtk::is_initialized_main_thread() {
        act();
    } else {
        glib::idle_add_once(act);
    }
}
