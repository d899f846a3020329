//! What was skipped, counted by reason, so that a result never looks more complete than it is.

use super::secret;

/// How much was skipped, and why.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Names of keys and passwords.
    pub(super) secret: u64,
    /// Files that no tool touches.
    pub(super) protected: u64,
    /// Names that are not UTF-8: no argument can hold them.
    pub(super) not_utf8: u64,
    /// Directories too deep, or paths too long to be named.
    pub(super) deep: u64,
    /// Directories with more entries than are read.
    pub(super) large: u64,
    /// What could not be opened, or changed meanwhile.
    pub(super) unreadable: u64,
    /// Files that are not text.
    pub(super) binary: u64,
    /// Files that are longer than what is searched of one.
    pub(super) long: u64,
    /// Links, pipes, sockets and devices.
    pub(super) not_regular: u64,
    /// Ignore files that are not regular, too large or malformed.
    pub(super) ignore_files: u64,
    /// What ignore files exclude.
    pub(super) ignored: u64,
}

impl Skipped {
    /// A sentence for the end of a result; none when nothing was skipped. What ignore files exclude
    /// is named only where nothing was found.
    pub(super) fn note(&self, nothing_found: bool) -> Option<String> {
        let secret = format!("with {} (read opens one that you name)", secret::KIND);
        let reasons: [(u64, &str); 11] = [
            (self.secret, &secret),
            (self.protected, "that no tool may touch"),
            (self.not_utf8, "whose names are not UTF-8"),
            (self.deep, "too deep (give a path further down)"),
            (self.large, "that are directories with too many entries"),
            (self.unreadable, "that could not be opened"),
            (self.binary, "that are not text"),
            (self.long, "searched only in part, being large or with long lines"),
            (self.not_regular, "that are links or no regular files"),
            (self.ignore_files, "that are ignore files, not applied because unusable"),
            (
                if nothing_found { self.ignored } else { 0 },
                "that .gitignore or .ignore exclude (name their directory as path to look there)",
            ),
        ];
        let counted = reasons.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = counted.map(|(count, reason)| format!("{count} {reason}")).collect();
        (!parts.is_empty()).then(|| format!("[Skipped: {}.]", parts.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_in_one_sentence() {
        let skipped = Skipped { secret: 2, binary: 1, ignored: 9, ..Skipped::default() };
        let note = skipped.note(false).expect("a note");
        assert!(note.starts_with("[Skipped: 2 with names of files with keys"), "{note}");
        assert!(note.ends_with("; 1 that are not text.]"), "{note}");
        assert!(skipped.note(true).expect("a note").contains("9 that .gitignore"));
        assert_eq!(Skipped { ignored: 9, ..Skipped::default() }.note(false), None);
    }
}
