//! Patterns for paths, as `glob` and `grep` take them.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use tidegate_protocol::text::one_line;

use super::LookError;

/// Bytes that a pattern may have.
const MAX_BYTES: usize = 1024;

/// A pattern for paths below a directory.
#[derive(Debug)]
pub(super) struct PathPattern {
    /// The directories that every match lies in: empty, or names with slashes between them.
    pub(super) base: String,
    /// Whether it is for directories, not for files.
    pub(super) directories: bool,
    /// The directories between the base and a match, at most.
    pub(super) depth: usize,
    set: GlobSet,
    names_only: bool,
}

impl PathPattern {
    /// Reads `text`. Without a slash it is for names at any depth; with a slash at its end, for
    /// directories. An absolute one must lie in `workspace`.
    pub(super) fn parse(name: &'static str, text: &str, workspace: &Path) -> Result<Self, LookError> {
        let error = |reason: String| LookError::Pattern { name, kind: "path pattern", reason };
        let mut pattern = text;
        if pattern.len() > MAX_BYTES {
            return Err(error(format!("it has more than {MAX_BYTES} bytes")));
        }
        if Path::new(pattern).is_absolute() {
            let inside = workspace.to_str().and_then(|workspace| pattern.strip_prefix(workspace));
            pattern = inside.filter(|rest| rest.starts_with('/')).ok_or_else(|| LookError::Outside {
                path: one_line(text, crate::workspace::SHOWN),
                workspace: one_line(&workspace.to_string_lossy(), crate::workspace::SHOWN),
            })?;
            pattern = &pattern[1..];
        }
        let directories = pattern.ends_with('/');
        let pattern = pattern.trim_end_matches('/');
        let mut parts: Vec<_> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        let names_only = parts.len() == 1 && text == text.trim_start_matches('/');
        if parts.contains(&"..") {
            return Err(error("it must not contain \"..\"".to_owned()));
        }
        parts.retain(|part| *part != ".");
        if parts.is_empty() {
            return Err(error("it is empty".to_owned()));
        }
        let is_plain = |part: &&str| !part.contains(['*', '?', '[', ']', '{', '}', ',', '\\']);
        let plain = parts[..parts.len() - 1].iter().take_while(|part| is_plain(part)).count();
        let (base, rest) = parts.split_at(plain);
        let (base, rest) = (base.join("/"), rest.join("/"));
        let depth = match names_only || rest.contains("**") || rest.contains('{') {
            true => usize::MAX,
            false => rest.matches('/').count(),
        };
        let reason = |problem: globset::Error| error(one_line(&problem.kind().to_string(), 200));
        let glob =
            GlobBuilder::new(&rest).literal_separator(true).backslash_escape(true).build().map_err(reason)?;
        // Making the matcher of a single pattern panics where this one is an error.
        let set = GlobSetBuilder::new().add(glob).build().map_err(reason)?;
        Ok(Self { base, directories, depth, set, names_only })
    }

    /// Whether a path matches, given from the base on.
    pub(super) fn matches(&self, path: &str) -> bool {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        self.set.is_match(if self.names_only { name } else { path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<PathPattern, LookError> {
        PathPattern::parse("pattern", text, Path::new("/space"))
    }

    #[test]
    fn a_name_matches_at_any_depth_and_a_path_only_there() {
        let name = parse("*.rs").expect("a pattern");
        assert!(name.matches("a.rs") && name.matches("deep/er/a.rs") && name.depth == usize::MAX);
        let path = parse("src/*/a.rs").expect("a pattern");
        assert_eq!((path.base.as_str(), path.depth), ("src", 1));
        assert!(path.matches("x/a.rs") && !path.matches("x/y/a.rs") && !path.matches("a.rs"));
        let here = parse("./*.rs").expect("a pattern");
        assert!(here.matches("a.rs") && !here.matches("b/a.rs"));
    }

    #[test]
    fn an_absolute_pattern_counts_from_the_workspace() {
        assert_eq!(parse("/space/src/**/*.rs").expect("inside").base, "src");
        for text in ["/etc/*", "/spaceship/*", "/*"] {
            assert!(matches!(parse(text), Err(LookError::Outside { .. })), "{text}");
        }
        assert!(parse("../*").is_err() && parse("a/../../b*").is_err());
    }

    #[test]
    fn patterns_that_would_cost_too_much_are_errors() {
        let nested = format!("{}a{}", "{".repeat(500), "}".repeat(500));
        for text in [nested, "x".repeat(MAX_BYTES + 1), "{a".repeat(500), String::new(), "/".to_owned()] {
            assert!(parse(&text).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_pattern_is_read_or_refused(text in "[a/*?{},!\\[\\]\\\\.-]{0,60}", path in "[a/.]{1,12}") {
            if let Ok(pattern) = parse(&text) {
                pattern.matches(&path);
            }
        }
    }
}
