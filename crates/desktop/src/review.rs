//! What the review dialog shows of a request, a command or a value of the configuration, and what
//! pressing its approving button may lead to.

mod command;
mod request;
mod selection;
mod setting;

use tidegate_protocol::text;

use crate::dialog::{Field, FieldStyle, ReviewDialog, Selection};

pub use command::of_command;
pub use request::of_request;
pub use selection::Grant;
pub use setting::of_setting;

/// The most characters of a name or of a few words from outside.
const MAX_WORDS: usize = 120;
/// The most characters of a path, an address or a key.
const MAX_PATH: usize = 1024;
/// The most characters of a command, of its arguments, and of its environment, each. What is longer
/// cannot be allowed, because nobody could read it whole.
pub const MAX_BLOCK: usize = 32 * 1024;

/// A review dialog, and the rule for its approving button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// What is drawn. Its `behind` is empty: the queue says that.
    pub dialog: ReviewDialog,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// A device or program wants to pair.
    Request(Box<selection::RequestRule>),
    /// A command, which runs as it is shown or not at all.
    Command {
        /// Whether all of it is shown.
        is_whole: bool,
    },
    /// A value of the configuration file, which counts as it is shown or not at all.
    Setting,
}

/// What approving means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Someone is let in.
    Grant(Grant),
    /// A command runs, once.
    AllowOnce,
    /// A value of the configuration file counts.
    Confirm,
}

impl Review {
    /// What an approval with this selection means.
    ///
    /// # Errors
    /// A sentence for the person when the selection is none that the dialog offers, or one that
    /// cannot be granted.
    pub fn approval(&self, selection: &Selection) -> Result<Approval, String> {
        match &self.rule {
            Rule::Request(rule) => rule
                .grant(self.dialog.options.as_ref(), selection)
                .map(Approval::Grant)
                .map_err(str::to_owned),
            Rule::Setting => Ok(Approval::Confirm),
            Rule::Command { is_whole: true } => Ok(Approval::AllowOnce),
            Rule::Command { is_whole: false } => Err("This is too long to be shown whole, so it cannot be \
                                                      allowed here. Deny it."
                .to_owned()),
        }
    }
}

/// A field of one line, cleaned. `None` when there is nothing to show.
fn field(label: &'static str, value: &str, limit: usize, style: FieldStyle) -> Option<Field> {
    let value = text::one_line(value.trim(), limit);
    (!value.is_empty()).then_some(Field { label, value, style })
}

fn words(label: &'static str, value: &str) -> Option<Field> {
    field(label, value, MAX_WORDS, FieldStyle::Text)
}

fn code(label: &'static str, value: &str) -> Option<Field> {
    field(label, value, MAX_PATH, FieldStyle::Code)
}
