//! What the test programs print, as one sum and the names of what failed.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::session::Program;

/// The tests that ran, over all programs.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u64,
    failed: u64,
    names: BTreeSet<String>,
}

impl Report {
    /// Runs a test program, shows what it prints, and counts.
    ///
    /// # Errors
    /// Where it cannot be started, or fails.
    pub(crate) fn watch(&mut self, program: Program) -> Result<()> {
        program.lines(|line| {
            println!("{line}");
            self.read(line);
        })
    }

    /// `N passed, N failed`.
    pub(crate) fn sum(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    /// The tests that failed, each once.
    pub(crate) fn failed_tests(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let trimmed = line.trim_start();
        let is_vitest_sum = trimmed
            .strip_prefix("Tests  ")
            .is_some_and(|rest| rest.trim_start().starts_with(|first: char| first.is_ascii_digit()));
        if trimmed.starts_with("Summary [") || line.starts_with("test result:") || is_vitest_sum {
            self.add_sum(trimmed);
        } else if let Some(name) = failed_test(trimmed) {
            self.names.insert(name);
        }
    }

    fn add_sum(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let count = pair[0].parse().unwrap_or(0);
            if pair[1].starts_with("passed") {
                self.passed += count;
            } else if pair[1].starts_with("failed") || pair[1].starts_with("timed") {
                self.failed += count;
            }
        }
    }
}

/// The test that a line of nextest, of `cargo test`, of vitest or of Python's unittest calls failed.
fn failed_test(line: &str) -> Option<String> {
    if let Some((status, rest)) = line.split_once(" [") {
        let is_failure = ["FAIL", "TIMEOUT", "ABORT"].contains(&status) || status.starts_with("SIG");
        if is_failure && status.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let (_, name) = rest.split_once(']')?;
            let name = name.trim_start();
            // (12/345)
            let number = name.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            return Some(number.map_or(name, |(_, name)| name).trim().to_owned());
        }
    }
    if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        return Some(name.to_owned());
    }
    let named = line.strip_prefix("FAIL  ").or_else(|| line.strip_prefix("FAIL: "));
    named.or_else(|| line.strip_prefix("ERROR: ").filter(|rest| rest.ends_with(')'))).map(str::to_owned)
}

/// The line without escape sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest = rest.strip_prefix('m').unwrap_or(rest);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::Report;

    fn report(output: &str) -> Report {
        let mut report = Report::default();
        output.lines().for_each(|line| report.read(line));
        report
    }

    #[test]
    fn sums_of_all_test_programs_are_added() {
        let output = "     Summary [   1.1s] 5 tests run: 3 passed (1 slow), 2 failed, 1 timed out, 4 skipped\n\
                      test result: ok. 2 passed; 0 failed; 0 ignored\n\
                      \u{1b}[2m      Tests \u{1b}[22m \u{1b}[31m1 failed\u{1b}[39m | 4 passed (5)\n\
                      the test had 7 passed, 7 failed\n Test Files  1 failed | 9 passed (10)";

        assert_eq!(report(output).sum(), "9 passed, 4 failed");
    }

    #[test]
    fn failed_tests_of_all_programs_are_named_once() {
        let output = "        PASS [   0.010s] (1/9) a::b good\n\
                      \u{1b}[31m        FAIL\u{1b}[0m [   0.010s] (2/9) \u{1b}[35mpackage::binary\u{1b}[0m module::bad\n\
                              FAIL [   0.010s] (2/9) package::binary module::bad\n  TIMEOUT [  60.0s] package::binary slow\n\
                      SIGABRT [   0.1s] (3/9) package::binary aborts\n\
                      test doc.rs - (line 3) ... FAILED\ntest fine ... ok\n \
                      FAIL  tests/chat.test.ts > Chat > sends\n\
                      ERROR: test_dialog (dialog_test.Dialog.test_dialog)\nFAIL: test_tray (tray_test.Tray.test_tray)\n\
                      ERROR: something else";

        let report = report(output);
        let names: Vec<_> = report.failed_tests().collect();

        assert_eq!(
            names,
            [
                "doc.rs - (line 3)",
                "package::binary aborts",
                "package::binary module::bad",
                "package::binary slow",
                "test_dialog (dialog_test.Dialog.test_dialog)",
                "test_tray (tray_test.Tray.test_tray)",
                "tests/chat.test.ts > Chat > sends",
            ]
        );
    }
}
