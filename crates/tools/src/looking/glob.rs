//! `glob`: files by their names.

use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;

use super::names::Kind;
use super::pattern::PathPattern;
use super::shown::shown;
use super::skipped::Skipped;
use super::start::View;
use super::walk::{Entry, Next, Reach, Visitor, walk};
use super::{Look, LookError, MAX_BYTES, PATHS, go_on, result};
use crate::arguments::{ArgumentError, Arguments, parameters};
use crate::workspace::PathError;

/// Paths that one call shows.
const MAX_SHOWN: usize = 1000;

/// A call of `glob`.
pub(super) struct Glob {
    pattern: String,
    path: String,
    after: Option<String>,
}

impl Look for Glob {
    const ALIASES: &'static [&'static str] =
        &["find", "find_files", "file_search", "glob_search", "search_file_names"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "glob",
            label: "Find files",
            description: "Find files of the workspace by name, sorted by path. Skips what .gitignore and .ignore \
                          exclude. A pattern without / matches at any depth, one that ends in / matches directories.",
            group: "fs",
            parameters: parameters(
                &["pattern"],
                json!({
                    "pattern": {"type": "string", "description": "Like *.rs or src/**/*.{ts,tsx}."},
                    "path": {"type": "string", "description": "The directory to begin in."},
                    "after": {"type": "string", "description": "Go on after this, as a result says."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let aliases: Vec<_> = PATHS.into_iter().chain([("query", "pattern"), ("glob", "pattern")]).collect();
        let mut arguments = Arguments::with_aliases(arguments, &["pattern", "path", "after"], &aliases)?;
        let pattern = arguments.text("pattern")?;
        let path = arguments.optional_text("path")?.unwrap_or_default();
        Ok(Self { pattern, path, after: arguments.optional_text("after")? })
    }

    fn look(self, view: &View) -> Result<String, LookError> {
        let pattern = PathPattern::parse("pattern", &self.pattern, view.workspace.path())?;
        let mut skipped = Skipped::default();
        let begin = match (self.path.as_str(), pattern.base.as_str()) {
            (path, "") => path.to_owned(),
            ("", base) => base.to_owned(),
            (path, base) => format!("{path}/{base}"),
        };
        let start = match view.start(&begin, &mut skipped) {
            Err(LookError::Path(PathError::NotFound { .. })) => None,
            start => Some(start?).filter(|start| start.file.is_none()),
        };
        let Some(start) = start else {
            // Only what the pattern names need not be there.
            return match view.start(&self.path, &mut skipped)?.file {
                Some(_) => Err(LookError::NotDirectory { path: shown(&self.path).into_owned() }),
                None => Ok(NOTHING.to_owned()),
            };
        };
        let reach = Reach { after: self.after.as_deref(), depth: pattern.depth };
        let mut matches =
            Matches { pattern: &pattern, base: start.path.len(), found: String::new(), shown: 0, last: None };
        let ended = walk(view, start, &reach, &mut matches, &mut skipped)?;
        let go_on = go_on(ended, matches.last, "");
        let nothing = (matches.shown == 0 && go_on.is_none()).then(|| NOTHING.to_owned());
        let note = skipped.note(matches.shown == 0);
        Ok(result(matches.found, nothing.into_iter().chain(go_on).chain(note)))
    }
}

const NOTHING: &str = "[Nothing matches.]";

struct Matches<'a> {
    pattern: &'a PathPattern,
    /// The bytes of a path that lead to the start.
    base: usize,
    found: String,
    shown: usize,
    last: Option<String>,
}

impl Visitor for Matches<'_> {
    fn wants(&self, path: &str, kind: Kind) -> bool {
        let is_sought = match kind {
            Kind::Directory => self.pattern.directories,
            Kind::File | Kind::Link => !self.pattern.directories,
            Kind::Other(_) => false,
        };
        is_sought && self.pattern.matches(&path[self.base..])
    }

    fn visit(&mut self, entry: &Entry<'_>, _skipped: &mut Skipped) -> Result<Next, LookError> {
        if entry.resumed {
            return Ok(Next::Continue);
        }
        let path = shown(entry.path);
        if self.shown == MAX_SHOWN || self.found.len() + path.len() > MAX_BYTES {
            return Ok(Next::Stop);
        }
        self.found.push_str(&path);
        self.found.push_str(if entry.kind == Kind::Directory { "/\n" } else { "\n" });
        self.shown += 1;
        self.last = Some(entry.path.to_owned());
        Ok(Next::Continue)
    }
}
