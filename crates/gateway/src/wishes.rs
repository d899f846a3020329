//! What windows and the command line wish to be opened at the desktop. A wish decides nothing: it is
//! bounded, and whoever wishes learns only that the dialog was told.

use std::sync::{Mutex, PoisonError};

use tidegate_protocol::payload::files::{SetAsideFileDetails, SharedFolder};
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_protocol::{ErrorShape, text};
use tidegate_trust::Level;
use tidegate_trust::decision::Desktop;
use tidegate_trust::records::MAX_NAME;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// How many wishes may wait to be looked at.
const MAX_WISHES: usize = 16;
/// The most characters of a URL that a wish carries.
const MAX_URL: usize = 2048;
/// The most characters of one thing about a model server.
const MAX_SERVER: usize = 300;

/// What is wished to be opened. Its texts are from outside: cleaned and bounded, and no more.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// The dialog of one request, command or value of the configuration by its whole id, or of the
    /// first that waits.
    Review(Option<String>),
    /// The dialog for a new program token.
    NewToken {
        /// The name to begin with.
        name: String,
        /// The level to begin with.
        level: Level,
        /// Whether it would let others in.
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
        /// The block's short id, for [`crate::Desk::unblock`].
        id: String,
        /// The name it had.
        name: String,
    },
    /// A question whether to take a model server on this computer into use, for
    /// [`crate::Desk::take_server`].
    TakeServer(FoundServer),
    /// A question whether to keep a file that was set aside, for [`crate::Desk::keep_file`].
    KeepFile(Box<SetAsideFileDetails>),
    /// A question whether to give a folder copies of its own of files that others hold as well, for
    /// [`crate::Desk::unshare`].
    Unshare(SharedFolder),
}

impl Wish {
    fn cleaned(self) -> Self {
        let name = |name: String| text::one_line(name.trim(), MAX_NAME);
        match self {
            Self::Review(id) => Self::Review(id),
            Self::NewToken { name: wished, level, pairing } => {
                Self::NewToken { name: name(wished), level, pairing }
            }
            Self::ModelKey { id, base_url } => {
                Self::ModelKey { id: name(id), base_url: text::one_line(base_url.trim(), MAX_URL) }
            }
            Self::Unblock { id, name: wished } => Self::Unblock { id, name: name(wished) },
            // The host cleaned and bounded them.
            Self::KeepFile(file) => Self::KeepFile(file),
            Self::Unshare(folder) => Self::Unshare(folder),
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

/// The way of wishes to the desktop.
#[derive(Debug)]
pub(crate) struct Wishes {
    sender: mpsc::Sender<Wish>,
    listener: Mutex<Option<mpsc::Receiver<Wish>>>,
    desktop: Desktop,
}

impl Wishes {
    pub(crate) fn new(desktop: Desktop) -> Self {
        let (sender, listener) = mpsc::channel(MAX_WISHES);
        Self { sender, listener: Mutex::new(Some(listener)), desktop }
    }

    pub(crate) fn take_listener(&self) -> Option<mpsc::Receiver<Wish>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells the desktop.
    pub(crate) fn make(&self, wish: Wish) -> Result<(), ErrorShape> {
        if self.desktop == Desktop::Absent {
            return Err(ErrorShape::invalid(
                "no desktop is running, so there is no dialog; the command line decides",
            ));
        }
        self.sender.try_send(wish.cleaned()).map_err(|error| match error {
            TrySendError::Full(_) => ErrorShape::unavailable(
                "Tidegate's dialog is busy; look at the desktop, and try again when it is done",
            ),
            TrySendError::Closed(_) => ErrorShape::unavailable("the desktop is closing"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_of_wishes_answers_busy_and_keeps_the_earlier_ones() {
        let wishes = Wishes::new(Desktop::Running);
        for number in 0..MAX_WISHES {
            wishes.make(Wish::Review(Some(number.to_string()))).unwrap();
        }

        let refused = wishes.make(Wish::Review(None)).unwrap_err();

        assert!(refused.message.contains("busy"), "{}", refused.message);
        assert_eq!(refused.retryable, Some(true));
        let mut listener = wishes.take_listener().unwrap();
        assert_eq!(listener.try_recv().unwrap(), Wish::Review(Some("0".to_owned())));
        wishes.make(Wish::Review(None)).unwrap();
    }

    #[test]
    fn wishes_are_listened_to_by_one_and_hold_only_clean_text() {
        let wishes = Wishes::new(Desktop::Running);
        let mut listener = wishes.take_listener().unwrap();
        assert!(wishes.take_listener().is_none());

        let (name, level) = ("  a\n\u{202e}b".to_owned() + &"x".repeat(500), Level::Read);
        wishes.make(Wish::NewToken { name, level, pairing: true }).unwrap();

        let Wish::NewToken { name, .. } = listener.try_recv().unwrap() else { panic!("a token") };
        assert!(name.starts_with("a\\u{a}\\u{202e}b"), "{name}");
        assert!(name.chars().count() <= MAX_NAME + 1);
    }

    #[test]
    fn without_a_desktop_nothing_is_wished() {
        let refused = Wishes::new(Desktop::Absent).make(Wish::Review(None)).unwrap_err();

        assert!(refused.message.contains("no desktop"), "{}", refused.message);
    }
}
