//! What the dialog about commands and files shows, and what pressing its buttons may lead to.

mod item;
mod marks;
mod visible;

use tidegate_protocol::payload::permissions::PermissionOffer;
use tidegate_trust::approval::{PendingApproval, Requester};

use crate::dialog::{ApprovalItem, ApprovalsDialog};

pub use marks::{Mark, ShownMark};

/// The most characters of a command, of its arguments, and of its environment, each. What is longer
/// cannot be allowed, because nobody could read it whole.
pub const MAX_BLOCK: usize = 32 * 1024;
/// How many requests one dialog shows at most: the others follow.
pub const MAX_TOGETHER: usize = 12;

/// What a session is called, for people. Both are text from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName {
    /// The conversation that a person sees.
    pub chat: String,
    /// The name that an agent gave to a subagent, where one asks.
    pub subagent: Option<String>,
}

/// The requests that one dialog is about: those of one task. What a client asks stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Together {
    /// The id of the first run of the task.
    Task(String),
    Run(String),
    /// The approval's id.
    Alone(String),
}

impl Together {
    /// What a request belongs to.
    #[must_use]
    pub fn of(waiting: &PendingApproval) -> Self {
        let command = &waiting.command;
        match (&waiting.requester, &command.context, &command.run_id) {
            (Requester::Run, Some(context), _) => Self::Task(context.task.clone()),
            (Requester::Run, None, Some(run)) => Self::Run(run.clone()),
            _ => Self::Alone(waiting.id.clone()),
        }
    }
}

/// The dialog for waiting commands and files, each with the name of its session. Its `problem` and `behind` are
/// empty: the queue says these.
#[must_use]
pub fn dialog(waiting: &[(&PendingApproval, Option<&SessionName>)]) -> ApprovalsDialog {
    let items: Vec<ApprovalItem> = waiting.iter().map(|(waiting, name)| item::item(waiting, *name)).collect();
    let commands = items.iter().filter(|item| item.is_command).count();
    let files = items.len() - commands;
    let heading = match (&items[..], files) {
        ([only], _) => only.heading.clone(),
        (_, 0) => format!("Run these {commands} commands of one task?"),
        _ => format!("Allow these {} requests of one task?", items.len()),
    };
    ApprovalsDialog {
        title: match (commands, files) {
            (_, 0) => "Tidegate: command request",
            (0, _) => "Tidegate: file access request",
            _ => "Tidegate: requests of an agent",
        },
        heading,
        problem: String::new(),
        items,
        behind: String::new(),
    }
}

/// Whether the dialog offers to allow these of its requests together in this way.
///
/// # Errors
/// A sentence for the person.
pub fn may_allow(
    dialog: &ApprovalsDialog,
    items: &[String],
    permission: Option<&PermissionOffer>,
) -> Result<(), &'static str> {
    const NOT_OFFERED: &str = "That was not offered. Choose again.";
    let places: Vec<usize> =
        (0..dialog.items.len()).filter(|&at| items.contains(&dialog.items[at].id)).collect();
    if places.is_empty() || places.len() != items.len() {
        return Err(NOT_OFFERED);
    }
    if places.iter().any(|&at| dialog.items[at].choices.is_empty()) {
        return Err("This is too long to be shown whole, so it cannot be allowed here. Deny it.");
    }
    let is_offered = dialog.choices(&places).iter().any(|choice| choice.permission.as_ref() == permission);
    if is_offered { Ok(()) } else { Err(NOT_OFFERED) }
}
