//! Words as a shell reads them. The library for this (`shlex`) writes backslashes in double quotes, which
//! the strict reader does not accept, so that what it wrote could not be read back and compared.

use std::borrow::Cow;

use super::plain::is_bare;

/// A word that a shell and [`super::PlainCommand::parse`] read as `word`, which has no control characters.
pub(super) fn quote(word: &str) -> Cow<'_, str> {
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_bare) {
        return Cow::Borrowed(word);
    }
    if !word.contains('\'') {
        return Cow::Owned(format!("'{word}'"));
    }
    if !word.contains(['"', '$', '`', '\\', '!']) {
        return Cow::Owned(format!("\"{word}\""));
    }
    // Each single quote in double quotes, and the rest in single ones.
    Cow::Owned(format!("'{}'", word.replace('\'', "'\"'\"'")))
}
