//! What the documents say of the repository is there.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use tidegate_workspace_tests::{repository_files, root};

/// The paths in the last cell of a row that are not there. They are from the root or from `tests/`, or begin where
/// an earlier one of the row lies.
fn missing(row: &str) -> Vec<String> {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    let mut directories = vec![PathBuf::new(), PathBuf::from("tests")];
    let mut missing = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        let places = directories.iter().rev().flat_map(|above| {
            let place = above.join(name);
            // A part of a test is named without its end.
            [place.with_added_extension("rs"), place]
        });
        match places.into_iter().find(|place| root().join(place).exists()) {
            Some(place) => directories.extend(place.parent().map(PathBuf::from)),
            None => missing.push(name.to_owned()),
        }
    }
    missing
}

#[test]
fn tests_that_the_security_page_names_are_there() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = page.split_once("| claim | where it is attacked |").unwrap();
    let rows: Vec<_> = table.lines().skip(2).filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 25, "{} rows", rows.len());
    for row in rows {
        assert!(row.contains('`'), "no test: {row}");
        assert_eq!(missing(row), [""; 0], "{row}");
    }
}

#[test]
fn a_test_that_is_gone_is_found() {
    let row = "| claim | `crates/trust/tests/scope_lattice.rs`, `pairing_requests.rs`; `integration/tests/gone.rs`, `gone_too.rs` |";
    assert_eq!(missing(row), ["integration/tests/gone.rs", "gone_too.rs"]);
}

/// A reference to a numbered section of a page that has no such number helps nobody. Sections of standards have the
/// standard's name before them.
#[test]
fn numbered_sections_are_those_of_standards() {
    let Some(files) = repository_files().unwrap() else { return };
    let mut wrong = Vec::new();
    for path in files.iter().filter(|path| is_prose_or_code(path)) {
        if path.starts_with("tests/workspace") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(path)) else { continue };
        wrong.extend(dangling_references(&text).into_iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(wrong.is_empty(), "name the page and its heading instead: {wrong:#?}");
}

fn is_prose_or_code(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| ["rs", "md", "ts", "svelte", "json", "py"].iter().any(|known| kind == *known))
}

/// The lines of `text` that name a numbered section of no standard.
fn dangling_references(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let dangles = |index: usize| {
        let line = lines[index];
        line.match_indices("section ").chain(line.match_indices("sections ")).any(|(at, found)| {
            let is_numbered = line[at + found.len()..].starts_with(|c: char| c.is_ascii_digit());
            // The name may stand at the end of the line before.
            let before = format!("{} {}", index.checked_sub(1).map_or("", |above| lines[above]), &line[..at]);
            let near: String = before.chars().rev().take(24).collect::<String>().chars().rev().collect();
            is_numbered && !near.contains("RFC ")
        })
    };
    (0..lines.len()).filter(|index| dangles(*index)).map(|index| index + 1).collect()
}

#[test]
fn the_scan_for_numbered_sections_finds_what_has_no_standard() {
    let text = "see protocol section 3.1\n(RFC 6455 section 5.2)\nRFC 9110,\nsection 10.2.3\nsections 2 and 9\nthis section says\n";

    assert_eq!(dangling_references(text), [1, 5]);
}

#[test]
fn links_of_documents_lead_to_files_that_are_there() {
    let Some(files) = repository_files().unwrap() else { return };
    let mut wrong = Vec::new();
    let mut links = 0;
    for path in files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            links += 1;
            if !root().join(path).with_file_name(file).exists() {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(links > 10 && wrong.is_empty(), "{links} links: {wrong:#?}");
}
