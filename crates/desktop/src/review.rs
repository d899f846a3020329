//! What the review dialog shows of a request or a value of the configuration, and what pressing its
//! approving button may lead to.

mod request;
mod selection;
mod setting;

use tidegate_protocol::text;

use crate::dialog::{Field, FieldStyle, ReviewDialog, Selection};

pub use request::of_request;
pub use selection::Grant;
pub use setting::of_setting;

/// The most characters of a name or of a few words from outside.
pub(crate) const MAX_WORDS: usize = 120;
/// The most characters of a path, an address or a key.
pub(crate) const MAX_PATH: usize = 1024;

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
    /// A value of the configuration file, which counts as it is shown or not at all.
    Setting,
}

/// What approving means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Someone is let in.
    Grant(Grant),
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

/// A path, an address or a key. `None` when there is nothing to show.
pub(crate) fn code(label: &'static str, value: &str) -> Option<Field> {
    field(label, value, MAX_PATH, FieldStyle::Code)
}
