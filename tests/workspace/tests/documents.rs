//! What the documents say of the repository is there.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::fs;
use std::path::PathBuf;

use tidegate_workspace_tests::root;

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
