//! `glob` and `grep` beside a plain implementation over paths, on trees made at random.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{AllowCommands, Fixture};
use proptest::prelude::*;
use serde_json::json;

/// A tree: path to content. The names collide often, so that files give way to directories.
fn trees() -> impl Strategy<Value = BTreeMap<String, String>> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c.x", "d.y", ".e"]), 1..5);
    let content = prop::collection::vec("[abA .]{0,6}", 0..5).prop_map(|lines| lines.join("\n"));
    prop::collection::btree_map(path.prop_map(|names| names.join("/")), content, 0..12)
}

/// Rules of one ignore file at the top.
fn rules() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "/b", "a/", "*.x", "!c.x", "/a/b", "!b", "# c.x", ""]),
        0..4,
    )
}

/// Whether the last rule about the file, or any directory on the way to it from the one in which
/// the look begins, leaves it out.
fn is_ignored(rules: &[&str], path: &str, begin: &str) -> bool {
    let names: Vec<_> = path.split('/').collect();
    let named = begin.split('/').filter(|name| !name.is_empty()).count();
    (named + 1..=names.len()).any(|length| {
        let (step, is_directory) = (names[..length].join("/"), length < names.len());
        let verdict = rules.iter().rev().find_map(|rule| {
            let (leaves_out, rule) = rule.strip_prefix('!').map_or((true, *rule), |rule| (false, rule));
            let matches = match rule {
                "" | "# c.x" => false,
                "a/" => is_directory && names[length - 1] == "a",
                "*.x" => names[length - 1].ends_with(".x"),
                rule => rule.strip_prefix('/').map_or(names[length - 1] == rule, |anchored| step == anchored),
            };
            matches.then_some(leaves_out)
        });
        verdict.unwrap_or(false)
    })
}

/// All regular files, by a plain walk over paths, in the order of their names.
fn files(root: &Path) -> Vec<String> {
    let walk =
        walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(|entry| entry.expect("an entry"));
    let files = walk.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(root).expect("below").display().to_string()).collect()
}

fn make(fixture: &Fixture, tree: &BTreeMap<String, String>, rules: &[&str]) {
    for (path, content) in tree {
        let path = fixture.workspace().join(path);
        // Where a file is in the way of a directory, or the reverse, the first one stays.
        if path.parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok()) && !path.is_dir() {
            std::fs::write(path, content).expect("written");
        }
    }
    fixture.file("workspace/.gitignore", &rules.join("\n"));
}

fn call(fixture: &Fixture, tool: &str, arguments: serde_json::Value) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let output = runtime.block_on(fixture.call_in(fixture.context(AllowCommands), tool, arguments));
    assert!(!output.is_error, "{}", output.text);
    output.text.lines().filter(|line| !line.starts_with('[')).map(|line| format!("{line}\n")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn found_names_are_those_of_a_plain_walk(
        tree in trees(),
        rules in rules(),
        pattern in prop::sample::select(vec!["*", "**", "*.x", "a/*", "a/**", "**/b/*", "*/*", "{a,b}/**/*.y", "?", "./*"]),
    ) {
        let fixture = Fixture::new();
        make(&fixture, &tree, &rules);
        let glob = globset::GlobBuilder::new(pattern.trim_start_matches("./")).literal_separator(true).build();
        let glob = glob.expect("a pattern").compile_matcher();
        let any_depth = !pattern.contains('/');
        // What a pattern names is seen although a rule leaves it out.
        let named = if pattern.starts_with("a/") { "a" } else { "" };
        let expected: String = files(&fixture.workspace())
            .into_iter()
            .filter(|path| glob.is_match(if any_depth { path.rsplit('/').next().unwrap_or(path) } else { path }))
            .filter(|path| !is_ignored(&rules, path, named))
            .map(|path| format!("{path}\n"))
            .collect();
        prop_assert_eq!(call(&fixture, "glob", json!({"pattern": pattern})), expected);
    }

    #[test]
    fn found_lines_are_those_of_a_plain_search(
        tree in trees(),
        rules in rules(),
        pattern in prop::sample::select(vec!["a", "^a", "b$", "^$", "[aA]b", "a.*b", "(?i)^A", "\\.", "^.{3}$", "a|b"]),
        literal in any::<bool>(),
    ) {
        let fixture = Fixture::new();
        make(&fixture, &tree, &rules);
        let escaped = if literal { regex::escape(pattern) } else { pattern.to_owned() };
        let regex = regex::Regex::new(&escaped).expect("an expression");
        let mut expected = String::new();
        for path in files(&fixture.workspace()).iter().filter(|path| !is_ignored(&rules, path, "")) {
            let content = std::fs::read_to_string(fixture.workspace().join(path)).expect("text");
            let lines = content.lines().enumerate().filter(|(_, line)| regex.is_match(line));
            let lines: String = lines.map(|(index, line)| format!("{}:{line}\n", index + 1)).collect();
            if !lines.is_empty() {
                expected.push_str(&format!("{path}\n{lines}\n"));
            }
        }
        prop_assert_eq!(call(&fixture, "grep", json!({"pattern": pattern, "literal": literal})), expected);
    }
}
