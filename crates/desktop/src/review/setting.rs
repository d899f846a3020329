//! A value of the configuration file that would open Tidegate to others.

use std::collections::BTreeSet;

use tidegate_trust::settings::{ShownSetting, ValuePart};

use super::{Review, Rule, code};
use crate::dialog::{Field, FieldStyle, NEVER, ReviewDialog};

/// The dialog for a value that waits. All of it is shown: the file may list few and short ones.
#[must_use]
pub fn of_setting(shown: &ShownSetting) -> Review {
    let setting = shown.proposed.setting;
    let value = &shown.proposed.value;
    let adds: BTreeSet<ValuePart> = value.difference(&shown.present).cloned().collect();
    let mut fields: Vec<Field> = code("Key", setting.path()).into_iter().collect();
    fields.push(block("Now", &shown.present));
    fields.push(block("Would be", value));
    if !shown.present.is_empty() {
        fields.push(block("Adds", &adds));
    }
    let opens = Field { label: "What it opens", value: setting.opens().to_owned(), style: FieldStyle::Text };
    fields.push(opens);
    let dialog = ReviewDialog {
        title: "Tidegate: the configuration waits",
        heading: "The configuration file requests a security change. It has no effect until you confirm it."
            .to_owned(),
        cautions: vec![
            "Any program of yours can write this file. Confirm only what you put there yourself.".to_owned(),
        ],
        fields,
        rights: Vec::new(),
        code: String::new(),
        created_at: shown.since,
        expires_at: NEVER,
        behind: String::new(),
        options: None,
        approve: "Confirm",
        refuse: "Reject",
        can_block: false,
    };
    Review { dialog, rule: Rule::Setting }
}

/// One a line. No part has a character that could hide or break a line.
fn block(label: &'static str, value: &BTreeSet<ValuePart>) -> Field {
    let lines: Vec<&str> = value.iter().map(ValuePart::as_str).collect();
    match lines.is_empty() {
        true => Field { label, value: "none".to_owned(), style: FieldStyle::Text },
        false => Field { label, value: lines.join("\n"), style: FieldStyle::Block },
    }
}
