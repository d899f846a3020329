//! File names as the programs that read them may see them.

use std::borrow::Cow;

use tidegate_protocol::text::is_invisible;
use unicode_normalization::UnicodeNormalization as _;

/// The form in which names are compared: without case, in Unicode's compatibility form, without
/// characters that a file system ignores (HFS+), and without what Windows drops at the end of a name
/// (dots, spaces, a stream's name). The short name that NTFS gives `.git` is `.git`.
#[must_use]
pub fn fold(name: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b':';
    let folded = if name.bytes().all(is_folded) {
        Cow::Borrowed(name)
    } else {
        let visible = name.nfkc().filter(|character| !is_invisible(*character));
        Cow::Owned(visible.flat_map(char::to_lowercase).nfkc().collect())
    };
    let end = folded.find(':').unwrap_or(folded.len());
    let end = folded[..end].trim_end_matches(['.', ' ']).len();
    match folded {
        // `.`, `..` and the like stay what they are.
        folded if end == 0 => folded,
        folded if &folded[..end] == "git~1" => Cow::Borrowed(".git"),
        Cow::Borrowed(name) => Cow::Borrowed(&name[..end]),
        Cow::Owned(mut name) => {
            name.truncate(end);
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_spellings_of_a_name_are_that_name() {
        for spelling in [
            ".git",
            ".GIT",
            ".Git",
            ".g\u{200c}it",
            ".gi\u{feff}t",
            "\u{ff0e}git",
            ".\u{ff27}IT",
            ".git.",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            "GIT~1",
            ".g\u{131}t",
            ".G\u{130}T",
        ] {
            let dotless = spelling.contains(['\u{131}', '\u{130}']);
            assert_eq!(fold(spelling) == ".git", !dotless, "{spelling:?} is {:?}", fold(spelling));
        }
        assert_eq!(fold("\u{212a}"), "k");
        assert_eq!(fold(".."), "..");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in any::<String>()) {
            let once = fold(&name).into_owned();
            prop_assert_eq!(fold(&once).into_owned(), once);
        }
    }
}
