//! Names and texts are in the field's words: those on these lists do not occur. The glossary of ARCHITECTURE.md
//! says what to use instead.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use tidegate_workspace_tests::repository_files;

/// Not in any text or name, in whatever case; a word is bounded by what is no letter.
const WORDS: &[&str] = &[
    "knock",
    "knocks",
    "knocked",
    "wish",
    "wishes",
    "wished",
    "anew",
    "whoever",
    "gatekeeper",
    "is told",
    "are told",
    "let others in",
    "lets others in",
    "letting others in",
    "asks to be let in",
    "text that goes",
    "take a block away",
    "tidegate does not run",
    "the gateway is gone",
];

/// Not the name of a type, because the field has a better one or another type has this one.
const TYPES: &[&str] = &[
    "Knock",
    "Ask",
    "Wish",
    "Desk",
    "Gatekeeper",
    "Moment",
    "Weight",
    "Happening",
    "What",
    "Told",
    "Foundation",
];

/// What earlier versions said stays as it was, and this list has to name the words.
const LEFT_OUT: &[&str] = &["CHANGELOG.md", "tests/workspace/tests/words.rs"];

/// Texts of others: recordings and what is generated from them.
const FOREIGN: &[&str] = &["tests/interop/fixtures/", "crates/protocol/tests/recordings/"];

const ENDINGS: &[&str] = &["rs", "md", "svelte", "ts", "py", "mjs", "json", "toml", "yml", "html", "css"];

#[test]
fn names_and_texts_are_in_the_words_of_the_field() {
    let Some(paths) = repository_files().unwrap() else {
        println!("skipped: this is no git checkout");
        return;
    };
    let mut found = Vec::new();
    for path in paths {
        let name = path.to_string_lossy();
        let is_ours = !LEFT_OUT.contains(&&*name) && !FOREIGN.iter().any(|foreign| name.starts_with(foreign));
        let is_text = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        if !is_ours || !is_text {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(tidegate_workspace_tests::root().join(&path)) else {
            continue;
        };
        found.extend(words_in(&text).map(|word| format!("{name}: {word:?}")));
        found.extend(types_in(&text).map(|word| format!("{name}: type {word}")));
    }

    assert!(found.is_empty(), "say it in the words of the glossary in ARCHITECTURE.md: {found:#?}");
}

fn words_in(text: &str) -> impl Iterator<Item = &'static str> {
    // Words of a name are words, too, and a phrase may go on in the next line.
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let text = format!(" {} ", words.join(" "));
    WORDS.iter().copied().filter(move |word| text.contains(&format!(" {word} ")))
}

fn types_in(text: &str) -> impl Iterator<Item = &'static str> {
    const DECLARATIONS: &[&str] = &["struct", "enum", "trait", "type", "class", "interface"];
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let pairs = words.windows(2).filter(|pair| DECLARATIONS.contains(&pair[0]));
    let declared: Vec<String> = pairs.map(|pair| pair[1].to_owned()).collect();
    TYPES.iter().copied().filter(move |name| declared.iter().any(|declared| declared == name))
}

#[test]
fn the_search_for_words_finds_them_in_texts_and_in_names() {
    assert_eq!(words_in("fn what_is_told_anew() {}").collect::<Vec<_>>(), ["anew", "is told"]);
    assert_eq!(words_in("/// Whoever\n/// wishes.").collect::<Vec<_>>(), ["wishes", "whoever"]);
    assert_eq!(words_in("lets others\n    // in").collect::<Vec<_>>(), ["lets others in"]);
    assert_eq!(words_in("a knockout, renewed, is toldx").count(), 0);
    assert_eq!(types_in("pub(crate) enum What {").collect::<Vec<_>>(), ["What"]);
    assert_eq!(types_in("// What a struct is").count(), 0);
}
