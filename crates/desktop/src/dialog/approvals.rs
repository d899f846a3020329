//! The dialog about commands and files that agents want, and what can be chosen in it.

use tidegate_protocol::UnixMillis;
use tidegate_protocol::payload::permissions::PermissionOffer;

use super::Field;
use crate::approvals::ShownMark;

/// Requests of one task that wait together: each is looked at and decided alone, or some of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalsDialog {
    /// The window's title: a constant, since titles reach the window manager.
    pub title: &'static str,
    /// What is asked, as a sentence without text from outside.
    pub heading: String,
    /// Why the last decision did not work; empty at first.
    pub problem: String,
    /// Oldest first; never empty. Those that come later are at the end.
    pub items: Vec<ApprovalItem>,
    /// "2 more wait", or empty.
    pub behind: String,
}

/// A command or a file, with everything that a decision about it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalItem {
    /// The approval's id.
    pub id: String,
    /// Whether a command would run; else a file is used.
    pub is_command: bool,
    /// What is asked, as a sentence without text from outside.
    pub heading: String,
    /// What deserves a second look, most urgent first.
    pub cautions: Vec<String>,
    /// What the text of a command seems to do. Only a hint: it decides nothing.
    pub marks: Vec<ShownMark>,
    /// What would be done and who asks, in the order of drawing.
    pub fields: Vec<Field>,
    /// What few people need.
    pub details: Vec<Field>,
    /// Whether the details say something that the rest does not, so that they are shown at first.
    pub shows_details: bool,
    /// What can be allowed, the preselected first. Empty for what cannot be shown whole.
    pub choices: Vec<ApprovalChoice>,
    /// Whether a denial can say something to the agent, and stop it.
    pub can_answer: bool,
    pub created_at: UnixMillis,
    pub expires_at: UnixMillis,
}

/// Something that can be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalChoice {
    /// What is given beyond this time; `None` for nothing.
    pub permission: Option<PermissionOffer>,
    /// What happens when it is chosen.
    pub sentence: String,
    /// The approving button's label.
    pub approve: String,
}

/// What the person chose in an [`ApprovalsDialog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalsOutcome {
    /// The approving button, armed.
    Allow {
        /// The ids of those that are allowed.
        items: Vec<String>,
        permission: Option<PermissionOffer>,
    },
    Deny {
        /// The ids of those that are denied.
        items: Vec<String>,
        /// What the agent reads, as typed.
        words: Option<String>,
        /// Whether the run that asked is stopped.
        stop: bool,
    },
    /// Put aside: the button, Escape, or the window was closed.
    Later,
}

impl ApprovalsDialog {
    /// What can be allowed for the requests at these places together. For more than one that is this time, and
    /// contained commands in the folder that all of them are in: anything else that lasts is given for one request
    /// that was looked at alone.
    #[must_use]
    pub fn choices(&self, chosen: &[usize]) -> Vec<ApprovalChoice> {
        let items: Vec<&ApprovalItem> = chosen.iter().filter_map(|&at| self.items.get(at)).collect();
        let (first, others) = match &items[..] {
            [] => return Vec::new(),
            [only] => return only.choices.clone(),
            [first, others @ ..] => (first, others),
        };
        if items.iter().any(|item| item.choices.is_empty()) {
            return Vec::new();
        }
        let count = items.len();
        let verb = if items.iter().all(|item| item.is_command) { "Run" } else { "Allow" };
        let once = ApprovalChoice {
            permission: None,
            sentence: format!("{verb} these {count} once, exactly as they are shown."),
            approve: format!("{verb} {count} once"),
        };
        let of_all = |choice: &&ApprovalChoice| {
            choice.permission == Some(PermissionOffer::Contained)
                && others.iter().all(|item| item.choices.contains(*choice))
        };
        std::iter::once(once).chain(first.choices.iter().find(of_all).cloned()).collect()
    }

    /// Whether what is said with a denial reaches an agent.
    #[must_use]
    pub fn can_answer(&self, chosen: &[usize]) -> bool {
        !chosen.is_empty() && chosen.iter().filter_map(|&at| self.items.get(at)).all(|item| item.can_answer)
    }

    /// When the first of them was asked.
    #[must_use]
    pub fn created_at(&self) -> UnixMillis {
        self.items.iter().map(|item| item.created_at).min().unwrap_or(super::NEVER)
    }

    /// When the time of the first of them is up.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.items.iter().map(|item| item.expires_at).min().unwrap_or(super::NEVER)
    }
}
