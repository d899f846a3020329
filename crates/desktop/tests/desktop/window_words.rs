//! The window uses the dialog's words: they are written into a file of its sources.

use std::path::Path;

use serde_json::Value;
use tidegate_desktop_core::scope_words;
use tidegate_protocol::Scope;
use tidegate_trust::{Level, ScopeSet};

const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Full];

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The words as JSON, the far-reaching scopes first: the window keeps that order.
fn words() -> String {
    let everything: ScopeSet = Scope::known().into_iter().collect();
    let scopes: Vec<String> = scope_words::scope_lines(&everything, &ScopeSet::none())
        .iter()
        .map(|line| {
            format!(
                "    {}: {{ \"sentence\": {}, \"farReaching\": {} }}",
                quoted(line.scope.name()),
                quoted(&line.sentence),
                line.is_far_reaching
            )
        })
        .collect();
    let levels = |words: fn(Level) -> &'static str| {
        let lines = LEVELS
            .map(|level| format!("    {}: {}", quoted(scope_words::level_name(level)), quoted(words(level))));
        lines.join(",\n")
    };
    format!(
        "{{\n  \"scopes\": {{\n{}\n  }},\n  \"levels\": {{\n{}\n  }},\n  \"levelLabels\": {{\n{}\n  }},\n  \
         \"cautions\": {{\n    \"unidentified\": {}\n  }}\n}}\n",
        scopes.join(",\n"),
        levels(scope_words::level_sentence),
        levels(scope_words::level_label),
        quoted(scope_words::UNIDENTIFIED),
    )
}

#[test]
fn the_windows_words_are_the_dialogs() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says it"))
        .join("../../ui/src/generated/words.json");
    let words = words();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &words).expect("the file can be written");
    }

    let committed = std::fs::read_to_string(&path).expect("the file is there");
    serde_json::from_str::<Value>(&words).expect("it is JSON");
    assert_eq!(committed, words, "run this test with UPDATE=1 to write {}", path.display());
}
