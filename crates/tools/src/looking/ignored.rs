//! `.gitignore` and `.ignore` files, read through the directory that holds them.

use std::ffi::OsStr;
use std::io::Read as _;

use cap_std::fs::Dir;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::skipped::Skipped;
use crate::files::{NotOpened, open_regular};
use crate::protected::Snapshot;

/// The files, later ones first.
const FILES: [&str; 2] = [".ignore", ".gitignore"];
/// Bytes of one ignore file; a larger one is not applied.
const MAX_BYTES: u64 = 256 * 1024;
/// Bytes of all ignore files of one look; those beyond are not applied.
const MAX_TOTAL: u64 = 2 * 1024 * 1024;
/// Bytes of one rule; a longer one is left out.
const MAX_RULE: usize = 1024;
/// Rules of one ignore file; one with more is not applied.
const MAX_RULES: usize = 4000;
/// Ignore files that are applied at once; those further down are not.
const MAX_FILES: usize = 32;
/// Steps that a costly rule takes once, because it is compiled.
const STEPS_TO_COMPILE: u64 = 50;
/// Costly rules that take one step for each entry.
const COSTLY_PER_STEP: u64 = 8;

/// The rules of the directories from the workspace down to where a look is.
pub(super) struct Rules<'a> {
    protected: &'a Snapshot,
    levels: Vec<Level>,
    bytes: u64,
    /// Steps for compiling that were not counted yet.
    compiled: u64,
}

/// The rules of one directory.
struct Level {
    /// The bytes of a path below the workspace that lead to the directory, with the slash.
    prefix: usize,
    files: Vec<Gitignore>,
    costly: u64,
}

impl<'a> Rules<'a> {
    pub(super) fn new(protected: &'a Snapshot) -> Self {
        Self { protected, levels: Vec::new(), bytes: 0, compiled: 0 }
    }

    /// Adds the rules of a directory below the last one. `path` is empty or ends with a slash.
    pub(super) fn enter(&mut self, directory: &Dir, path: &str, skipped: &mut Skipped) {
        let mut level = Level { prefix: path.len(), files: Vec::new(), costly: 0 };
        let applied: usize = self.levels.iter().map(|level| level.files.len()).sum();
        for name in FILES {
            match self.load(directory, name) {
                Ok(Some(parsed)) if parsed.rules.is_empty() => {}
                Ok(Some(_)) if applied + level.files.len() >= MAX_FILES => skipped.ignore_files += 1,
                Ok(Some(parsed)) => {
                    level.files.push(parsed.rules);
                    level.costly += parsed.costly;
                }
                Ok(None) => {}
                Err(Unusable) => skipped.ignore_files += 1,
            }
        }
        self.levels.push(level);
    }

    /// The steps that looking at the next entry takes.
    pub(super) fn steps(&mut self) -> u64 {
        let costly: u64 = self.levels.iter().map(|level| level.costly).sum();
        std::mem::take(&mut self.compiled) + costly / COSTLY_PER_STEP
    }

    /// Takes the rules of the last directory away.
    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    /// Whether the last rule about `path`, from the deepest directory up, says to leave it out.
    pub(super) fn is_ignored(&self, path: &str, is_directory: bool) -> bool {
        let levels = self.levels.iter().rev();
        let rules = levels.flat_map(|level| level.files.iter().map(|rules| (level.prefix, rules)));
        for (prefix, rules) in rules {
            let matched = rules.matched(&path[prefix..], is_directory);
            if !matched.is_none() {
                return matched.is_ignore();
            }
        }
        false
    }

    fn load(&mut self, directory: &Dir, name: &str) -> Result<Option<Parsed>, Unusable> {
        let (file, metadata) = match open_regular(directory, OsStr::new(name)) {
            Ok(opened) => opened,
            Err(NotOpened::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(Unusable),
        };
        if self.protected.check_file(&metadata).is_err() {
            return Err(Unusable);
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|_| Unusable)?;
        let length = u64::try_from(bytes.len()).map_err(|_| Unusable)?;
        if length > MAX_BYTES || self.bytes + length > MAX_TOTAL {
            return Err(Unusable);
        }
        self.bytes += length;
        let parsed = parse(&bytes)?;
        self.compiled += parsed.costly * STEPS_TO_COMPILE;
        Ok(Some(parsed))
    }
}

/// An ignore file that is not applied.
#[derive(Debug, PartialEq, Eq)]
struct Unusable;

/// The rules of one file, and how many of them take long.
#[derive(Debug)]
struct Parsed {
    rules: Gitignore,
    costly: u64,
}

/// Reads rules; those that are too long, not UTF-8 or malformed are left out, as git does.
fn parse(bytes: &[u8]) -> Result<Parsed, Unusable> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut builder = GitignoreBuilder::new("");
    let (mut count, mut costly) = (0, 0);
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_RULE || line.is_empty() {
            continue;
        }
        count += 1;
        costly += u64::from(is_costly(line));
        if count > MAX_RULES {
            return Err(Unusable);
        }
        if let Ok(line) = std::str::from_utf8(line) {
            // A malformed rule is no rule.
            let _ = builder.add_line(None, line);
        }
    }
    let rules = builder.build().map_err(|_| Unusable)?;
    Ok(Parsed { rules, costly })
}

/// Whether a rule has so many wildcards that it is matched as an expression of its own.
fn is_costly(rule: &[u8]) -> bool {
    let wild = |byte: &&u8| matches!(**byte, b'*' | b'?' | b'[' | b'{');
    !rule.starts_with(b"#") && rule.iter().filter(wild).count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ignores(text: &str, path: &str, is_directory: bool) -> bool {
        parse(text.as_bytes()).expect("rules").rules.matched(path, is_directory).is_ignore()
    }

    #[test]
    fn rules_mean_what_they_mean_to_git() {
        let text = "\u{feff}*.log\r\n!keep.log\n/top\nbuild/\ndocs/*.tmp\n# not\n";
        for path in ["a.log", "deep/a.log", "top", "docs/a.tmp"] {
            assert!(ignores(text, path, false), "{path}");
        }
        for path in ["keep.log", "deep/top", "build", "docs/deep/a.tmp", "not"] {
            assert!(!ignores(text, path, false), "{path}");
        }
        assert!(ignores(text, "deep/build", true));
    }

    #[test]
    fn one_malformed_rule_takes_no_other_away() {
        let braces = "{".repeat(MAX_RULE - 1);
        let long = "x".repeat(MAX_RULE + 1);
        let mut text = format!("[z-a]\n{braces}\n{long}\n").into_bytes();
        text.extend(b"\xff\xfe\n*.log\n");
        assert!(parse(&text).expect("rules").rules.matched("a.log", false).is_ignore());
    }

    #[test]
    fn a_file_with_too_many_rules_is_not_applied() {
        let rules = |count: usize| parse("a\n".repeat(count).as_bytes());
        assert!(rules(MAX_RULES).is_ok() && rules(MAX_RULES + 1).is_err());
    }

    proptest! {
        #[test]
        fn no_content_of_an_ignore_file_breaks_it(text in "[a{},*?!/\\\\\\[\\]\n -]{0,200}", path in "[a/{]{1,20}") {
            if let Ok(parsed) = parse(text.as_bytes()) {
                let _ = parsed.rules.matched(&path, false);
            }
        }
    }
}
