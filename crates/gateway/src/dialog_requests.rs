//! Dialogs that windows and the command line request. A request decides nothing: it is
//! bounded, and its sender learns only that it was passed on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tidegate_protocol::payload::files::{SetAsideFileDetails, SharedFolder};
use tidegate_protocol::payload::sessions::SessionWorkspaceResult;
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_protocol::{ErrorCode, ErrorShape, SessionKey, text};
use tidegate_trust::Level;
use tidegate_trust::decision::Desktop;
use tidegate_trust::records::MAX_NAME;
use tidegate_trust::timestamp::Deadline;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::now;

/// How many requests may wait.
const MAX_DIALOG_REQUESTS: usize = 16;
/// How often clients may request dialogs: as often as dialogs open that nobody asked for.
const CLIENTS_ASK_EVERY: Duration = Duration::from_secs(10);
/// The most characters of a URL that a request carries.
const MAX_URL: usize = 2048;
/// The most characters of one thing about a model server.
const MAX_SERVER: usize = 300;

/// A dialog that is requested. Its texts are from outside: cleaned and bounded, and no more.
#[derive(Debug, Clone, PartialEq)]
pub enum DialogRequest {
    /// The dialog of one request, command or value of the configuration by its whole id, or of the
    /// first that waits.
    Review(Option<String>),
    /// The dialog for a new program token.
    NewToken {
        /// The name to begin with.
        name: String,
        /// The level to begin with.
        level: Level,
        /// Whether it would manage pairing.
        pairing: bool,
    },
    /// The dialog for a model server's key.
    ModelKey {
        /// The server's id to begin with.
        id: String,
        /// The base URL to begin with.
        base_url: String,
    },
    /// A question whether to unblock something.
    Unblock {
        /// The block's short id, for [`crate::DesktopAuthority::unblock`].
        id: String,
        /// The name it had.
        name: String,
    },
    /// A question whether to take a model server on this computer into use, for
    /// [`crate::DesktopAuthority::take_server`].
    TakeServer(FoundServer),
    /// A question whether to keep a file that was set aside, for [`crate::DesktopAuthority::keep_file`].
    KeepFile(Box<SetAsideFileDetails>),
    /// A question whether to give a folder copies of its own of files that others hold as well, for
    /// [`crate::DesktopAuthority::unshare`].
    Unshare(SharedFolder),
    /// A question whether permissions are used again, for [`crate::DesktopAuthority::use_permissions`].
    UsePermissions,
    /// A question whether a session may work in a folder, for [`crate::DesktopAuthority::choose_workspace`].
    ChooseWorkspace {
        shown: Box<SessionWorkspaceResult>,
        /// Whether a client asks, and not a surface of the person.
        by_client: bool,
    },
    /// The chooser of the folder of a session, for [`crate::DesktopAuthority::pick_workspace`].
    PickWorkspace {
        key: SessionKey,
        /// The session's label, where it has one.
        label: Option<String>,
        /// The folder that it has.
        present: String,
    },
}

impl DialogRequest {
    fn cleaned(self) -> Self {
        let name = |name: String| text::one_line(name.trim(), MAX_NAME);
        match self {
            Self::Review(id) => Self::Review(id),
            Self::UsePermissions => Self::UsePermissions,
            Self::NewToken { name: asked, level, pairing } => {
                Self::NewToken { name: name(asked), level, pairing }
            }
            Self::ModelKey { id, base_url } => {
                Self::ModelKey { id: name(id), base_url: text::one_line(base_url.trim(), MAX_URL) }
            }
            Self::Unblock { id, name: asked } => Self::Unblock { id, name: name(asked) },
            // The host cleaned and bounded them.
            Self::KeepFile(file) => Self::KeepFile(file),
            Self::Unshare(folder) => Self::Unshare(folder),
            Self::ChooseWorkspace { shown, by_client } => Self::ChooseWorkspace { shown, by_client },
            Self::PickWorkspace { key, label, present } => Self::PickWorkspace { key, label, present },
            Self::TakeServer(FoundServer { model, owner, user, address }) => {
                let line = |text: String| text::one_line(text.trim(), MAX_SERVER);
                Self::TakeServer(FoundServer {
                    model: line(model),
                    owner: line(owner),
                    user: line(user),
                    address: line(address),
                })
            }
        }
    }
}

/// The queue of dialog requests.
#[derive(Debug)]
pub(crate) struct DialogRequests {
    sender: mpsc::Sender<DialogRequest>,
    listener: Mutex<Option<mpsc::Receiver<DialogRequest>>>,
    desktop: Desktop,
    /// Until when no client's request is taken.
    client_gate: Mutex<Option<Deadline>>,
}

impl DialogRequests {
    pub(crate) fn new(desktop: Desktop) -> Self {
        let (sender, listener) = mpsc::channel(MAX_DIALOG_REQUESTS);
        Self { sender, listener: Mutex::new(Some(listener)), desktop, client_gate: Mutex::default() }
    }

    pub(crate) fn take_listener(&self) -> Option<mpsc::Receiver<DialogRequest>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a client may make a request now: all of them together one every [`CLIENTS_ASK_EVERY`].
    pub(crate) fn let_a_client_ask(&self) -> Result<(), ErrorShape> {
        let now = now::timestamp();
        let mut gate = self.client_gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.is_some_and(|gate| !gate.has_passed(now)) {
            return Err(ErrorShape::unavailable(format!(
                "a client asked a moment ago; try again in {} seconds",
                CLIENTS_ASK_EVERY.as_secs()
            )));
        }
        *gate = Some(now.deadline(CLIENTS_ASK_EVERY));
        Ok(())
    }

    /// Tells the desktop.
    pub(crate) fn make(&self, request: DialogRequest) -> Result<(), ErrorShape> {
        if self.desktop == Desktop::Absent {
            return Err(ErrorShape::invalid(
                "no desktop is running, so there is no dialog; the command line decides",
            ));
        }
        self.sender.try_send(request.cleaned()).map_err(|error| match error {
            TrySendError::Full(_) => ErrorShape::unavailable(
                "Tidegate's dialog is busy; look at the desktop, and try again when it is done",
            ),
            TrySendError::Closed(_) => ErrorShape::unavailable("the desktop is closing"),
        })
    }

    /// The answer to a request that only the dialog can carry out: it is refused, and the dialog is asked for.
    pub(crate) fn refuse_and_make(&self, request: DialogRequest) -> ErrorShape {
        match self.make(request) {
            Ok(()) => ErrorShape::new(ErrorCode::Forbidden, "Tidegate's dialog was opened; decide there")
                .with_details(json!({ "reason": "DESKTOP_DECIDES", "opened": true })),
            Err(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_of_requests_answers_busy_and_keeps_the_earlier_ones() {
        let dialog_requests = DialogRequests::new(Desktop::Running);
        for number in 0..MAX_DIALOG_REQUESTS {
            dialog_requests.make(DialogRequest::Review(Some(number.to_string()))).unwrap();
        }

        let refused = dialog_requests.make(DialogRequest::Review(None)).unwrap_err();

        assert!(refused.message.contains("busy"), "{}", refused.message);
        assert_eq!(refused.retryable, Some(true));
        let mut listener = dialog_requests.take_listener().unwrap();
        assert_eq!(listener.try_recv().unwrap(), DialogRequest::Review(Some("0".to_owned())));
        dialog_requests.make(DialogRequest::Review(None)).unwrap();
    }

    #[test]
    fn requests_are_read_by_one_and_hold_only_clean_text() {
        let dialog_requests = DialogRequests::new(Desktop::Running);
        let mut listener = dialog_requests.take_listener().unwrap();
        assert!(dialog_requests.take_listener().is_none());

        let (name, level) = ("  a\n\u{202e}b".to_owned() + &"x".repeat(500), Level::Read);
        dialog_requests.make(DialogRequest::NewToken { name, level, pairing: true }).unwrap();

        let DialogRequest::NewToken { name, .. } = listener.try_recv().unwrap() else { panic!("a token") };
        assert!(name.starts_with("a\\u{a}\\u{202e}b"), "{name}");
        assert!(name.chars().count() <= MAX_NAME + 1);
    }

    #[test]
    fn without_a_desktop_nothing_is_requested() {
        let refused = DialogRequests::new(Desktop::Absent).make(DialogRequest::Review(None)).unwrap_err();

        assert!(refused.message.contains("no desktop"), "{}", refused.message);
    }
}
