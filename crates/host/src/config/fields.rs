//! Reading single values of the file, with a sentence for each that is wrong.

use serde_json::Value;

/// The file's values, and what is wrong with them.
pub(super) struct Fields<'a> {
    pub(super) value: &'a Value,
    pub(super) problems: Vec<String>,
}

impl Fields<'_> {
    /// A whole number within bounds.
    pub(super) fn number<N: TryFrom<u64>>(&mut self, pointer: &str, least: u64, most: u64) -> Option<N> {
        let set = self.value.pointer(pointer)?;
        let number = set.as_u64().or_else(|| {
            // JSON5 numbers arrive as floating point.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            set.as_f64()
                .filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))
                .map(|number| number as u64)
        });
        let number = number.filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        self.or_problem(pointer, number, &format!("a whole number from {least} to {most}"))
    }

    /// A text of at most 4 KiB that is not empty.
    pub(super) fn text(&mut self, pointer: &str) -> Option<String> {
        let text = self.value.pointer(pointer)?.as_str();
        let text = text.filter(|text| !text.is_empty() && text.len() <= 4096).map(str::to_owned);
        self.or_problem(pointer, text, "a text that is not empty")
    }

    /// Whether something is on; it is off where nothing is said.
    pub(super) fn switch(&mut self, pointer: &str) -> bool {
        let Some(set) = self.value.pointer(pointer) else { return false };
        self.or_problem(pointer, set.as_bool(), "true or false").unwrap_or_default()
    }

    /// Folders that are named whole: absolute, or below the home directory by `~/`.
    pub(super) fn folders(&mut self, pointer: &str) -> Vec<String> {
        const MOST: usize = 64;
        let Some(set) = self.value.pointer(pointer) else { return Vec::new() };
        let is_whole = |text: &&str| {
            text.len() <= 4096
                && (text.starts_with('/') || text.starts_with("~/"))
                && text.split('/').all(|part| !matches!(part, "." | ".."))
        };
        let entries = set.as_array().filter(|entries| entries.len() <= MOST);
        let read = entries.and_then(|entries| {
            entries.iter().map(|entry| entry.as_str().filter(is_whole).map(str::to_owned)).collect()
        });
        let expected = format!("a list of at most {MOST} folders, each absolute or beginning with ~/");
        self.or_problem(pointer, read, &expected).unwrap_or_default()
    }

    fn or_problem<T>(&mut self, pointer: &str, read: Option<T>, expected: &str) -> Option<T> {
        if read.is_none() {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            self.problems.push(format!("{name} must be {expected}"));
        }
        read
    }
}
