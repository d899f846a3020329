//! What native dialogs show and what can be chosen in them, as values. A shell draws them with the
//! system's own toolkit and adds no rule of its own.
//!
//! Every text is one line, cleaned and bounded already, except where a field says that it keeps its
//! line breaks. None of it is markup: it is drawn literally.

mod approvals;

use std::borrow::Cow;
use std::time::Duration as Span;

use tidegate_protocol::UnixMillis;
use tidegate_trust::decision::GrantLifetime;
use tidegate_trust::{Level, ScopeSet};
use zeroize::Zeroizing;

use crate::scope_words::ScopeLine;

pub use approvals::{ApprovalChoice, ApprovalItem, ApprovalsDialog, ApprovalsOutcome};

/// A secret on its way between a dialog and the host: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text that a person typed or that is shown once.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, to be shown, copied or sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// How long the approving button is dead after a dialog appeared or its content changed.
pub const ARM_AFTER: Span = Span::from_millis(1500);

/// When something ends that waits until it is decided.
pub const NEVER: UnixMillis = UnixMillis(u64::MAX);

/// Names one dialog on the screen. A new one gets a new number; changed content keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub u64);

/// How a dialog comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// By itself: above other windows, without taking the keyboard.
    Unasked,
    /// The person asked for it: presented, with the keyboard.
    Asked,
}

/// What a dialog is about, with everything that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialog {
    /// A device or program wants to pair, or a value of the configuration would open something.
    Review(Box<ReviewDialog>),
    /// Agents want to run commands or use files.
    Approvals(Box<ApprovalsDialog>),
    /// Asks for a new program token.
    NewToken(NewTokenDialog),
    /// Shows a token, once.
    Token(TokenDialog),
    /// Asks for the key of a model server.
    ModelKey(ModelKeyDialog),
    /// Asks for a folder.
    Folder(FolderDialog),
    /// Says something, or asks yes or no.
    Message(MessageDialog),
}

/// A pairing request or a value of the configuration that waits for the person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewDialog {
    /// The window's title: a constant, since titles reach the window manager.
    pub title: &'static str,
    /// What is asked, as a sentence without text from outside.
    pub heading: String,
    /// What deserves a second look, most urgent first.
    pub cautions: Vec<String>,
    /// Who asks and from where, in the order of drawing. The claimed name is the first.
    pub fields: Vec<Field>,
    /// The rights that are asked for, the far-reaching first.
    pub rights: Vec<ScopeLine>,
    /// The first 8 characters of the request's id, which the client shows too. Empty for what no
    /// client shows.
    pub code: String,
    /// When it was asked.
    pub created_at: UnixMillis,
    /// When it ends by itself; [`NEVER`] for what waits until it is decided.
    pub expires_at: UnixMillis,
    /// "2 more wait", or empty.
    pub behind: String,
    /// What the approval can be narrowed to; `None` where there is nothing to choose.
    pub options: Option<GrantOptions>,
    /// The approving button's label: "Approve" or "Confirm".
    pub approve: &'static str,
    /// The refusing button's label.
    pub refuse: &'static str,
    /// Whether it can be refused for good.
    pub can_block: bool,
}

/// A label and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What it is: our own words.
    pub label: &'static str,
    /// The value; may be hostile text, cleaned.
    pub value: String,
    /// How it is drawn.
    pub style: FieldStyle,
}

/// How a value is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldStyle {
    /// Ordinary text that wraps. Sentences of our own may be several, one a line.
    Text,
    /// Ordinary text that wraps, in somebody else's words; line breaks are kept.
    Quote,
    /// Letters of one width, which wrap anywhere: fingerprints and paths.
    Code,
    /// Letters of one width in a box that scrolls; line breaks are kept: commands.
    Block,
}

/// What an approval can be narrowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantOptions {
    /// The rights to choose from, the preselected first. `None` of them is preselected when empty.
    pub extents: Vec<ExtentOption>,
    /// Whether "may manage pairing" is asked for and so can be granted with a level.
    pub can_pair: bool,
    /// How long it can last, the preselected first.
    pub durations: Vec<DurationOption>,
    /// Whether the program can get a token of its own instead.
    pub can_have_token: bool,
}

/// One choice of rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentOption {
    pub extent: Extent,
    pub label: &'static str,
}

/// Which rights are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is asked, or the part of it that stays ticked.
    Asked,
    Level(Level),
}

/// One choice of how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationOption {
    pub duration: GrantLifetime,
    pub label: &'static str,
}

/// What the person chose in a [`ReviewDialog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// The approving button, armed.
    Approve(Selection),
    /// The refusing button.
    Refuse,
    /// Put aside: the button, Escape, or the window was closed.
    Later,
    /// Refuse for good.
    Block,
}

/// What an approval grants. For a value of the configuration it says nothing: [`Selection::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub extent: Extent,
    /// For [`Extent::Asked`]: the scopes that stayed ticked; `None` when all of them did.
    pub scopes: Option<ScopeSet>,
    /// For a level: whether it may manage pairing.
    pub pairing: bool,
    /// For how long.
    pub duration: GrantLifetime,
    /// Whether the program gets a token of its own instead of a grant.
    pub own_token: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            extent: Extent::Asked,
            scopes: None,
            pairing: false,
            duration: GrantLifetime::Always,
            own_token: false,
        }
    }
}

/// Asks for the name and the level of a new program token. Its button is armed like an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTokenDialog {
    /// Who asked for the dialog, as a sentence: the person in the window, or the command line.
    pub heading: String,
    /// What the name's entry holds at first, cleaned.
    pub name: String,
    /// The preselected level.
    pub level: Level,
    /// Whether "may manage pairing" is ticked at first.
    pub pairing: bool,
}

/// Shows a token once, with a button that copies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDialog {
    /// What it is for, as a sentence.
    pub heading: String,
    /// What to do with it.
    pub explanation: String,
    pub token: Secret,
}

/// Asks for the key of a model server. The key goes from the entry to the host; no page sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelKeyDialog {
    /// What it is for.
    pub heading: String,
    /// What the entry of the server's id holds at first, cleaned.
    pub id: String,
    /// What the entry of the base URL holds at first, cleaned.
    pub base_url: String,
    /// Why the last try did not work; empty at first.
    pub problem: String,
}

/// Asks for a folder, with the system's own chooser, which begins in the home directory. Its button is
/// armed like an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderDialog {
    pub heading: String,
    /// What it is for and what follows; line breaks are kept.
    pub text: String,
    /// The button that takes the folder.
    pub approve: &'static str,
}

/// Says something, or asks yes or no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDialog {
    pub heading: String,
    /// More of it; line breaks are kept.
    pub text: String,
    /// The button that goes on, when there is a choice: "Quit". It is not the default one.
    pub proceed: Option<Cow<'static, str>>,
    /// Another way to go on, harmless enough to work at once: "Try again".
    pub other: Option<&'static str>,
    /// The button that closes it: "OK" or "Cancel". The default one, and Escape.
    pub dismiss: &'static str,
}

/// How a dialog ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogOutcome {
    Review(ReviewOutcome),
    Approvals(ApprovalsOutcome),
    /// A [`NewTokenDialog`]'s: make it.
    NewToken {
        /// The name as typed.
        name: String,
        level: Level,
        /// Whether it may manage pairing.
        pairing: bool,
    },
    /// A [`ModelKeyDialog`]'s: try and keep it.
    ModelKey {
        /// The server's id as typed.
        id: String,
        /// The base URL as typed.
        base_url: String,
        /// The key as typed; wiped when dropped.
        key: Secret,
    },
    /// A [`FolderDialog`]'s: take this one.
    Folder {
        path: String,
    },
    /// A [`MessageDialog`]'s button that goes on.
    Proceed,
    /// Its other way to go on.
    Other,
    /// Closed, cancelled, or read.
    Dismissed,
}
