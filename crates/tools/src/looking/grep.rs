//! `grep`: lines of files by a regular expression.

use std::io::{self, Read};

use cap_std::fs::File;
use grep_matcher::LineTerminator;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder};
use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;
use tidegate_protocol::text::one_line;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::names::Kind;
use super::pattern::PathPattern;
use super::shown::shown;
use super::skipped::Skipped;
use super::start::View;
use super::walk::{Ended, Entry, Next, Reach, Visitor, walk};
use super::{Look, LookError, MAX_BYTES, PATHS, go_on, result};
use crate::arguments::{ArgumentError, Arguments, parameters};
use crate::files::{NotOpened, open_regular};

/// Matching lines, or files, that one call shows.
const MAX_SHOWN: usize = 200;
/// Bytes that a regular expression may have.
const MAX_PATTERN: usize = 4096;
/// Bytes of memory that a compiled one may take.
const MAX_COMPILED: usize = 4 * 1024 * 1024;
/// How deep one may nest.
const MAX_NEST: u32 = 100;
/// Bytes of one line that are searched: more, and the file is left there.
const MAX_LINE: usize = 8 * 1024 * 1024;
/// Bytes that are searched of one file, and of all files of one call.
const MAX_FILE: u64 = 64 * 1024 * 1024;
const MAX_TOTAL: u64 = 128 * 1024 * 1024;
/// Lines of context around a match.
const MAX_CONTEXT: u64 = 20;
/// The end of `after` that stands for a whole file.
const WHOLE: &str = "end";

/// A call of `grep`.
pub(super) struct Grep {
    pattern: String,
    path: String,
    glob: Option<String>,
    ignore_case: bool,
    literal: bool,
    files_only: bool,
    context: usize,
    after: Option<String>,
}

impl Look for Grep {
    const ALIASES: &'static [&'static str] =
        &["search", "search_files", "grep_search", "search_file_content", "content_search", "rg", "ripgrep"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "grep",
            label: "Search files",
            description: "Search text files of the workspace line by line for a regular expression (Rust syntax). \
                          Skips what .gitignore and .ignore exclude.",
            group: "fs",
            parameters: parameters(
                &["pattern"],
                json!({
                    "pattern": {"type": "string"},
                    "path": {"type": "string", "description": "The directory or file to search."},
                    "glob": {"type": "string", "description": "Only files like this, as in glob."},
                    "ignoreCase": {"type": "boolean"},
                    "literal": {"type": "boolean", "description": "The pattern is text, not an expression."},
                    "filesOnly": {"type": "boolean", "description": "Return paths instead of lines."},
                    "context": {"type": "integer", "minimum": 0, "description": "Lines around each match."},
                    "after": {"type": "string", "description": "Go on after this, as a result says."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let allowed = ["pattern", "path", "glob", "ignoreCase", "literal", "filesOnly", "context", "after"];
        let others = [("query", "pattern"), ("regex", "pattern"), ("include", "glob"), ("-i", "ignoreCase")];
        let aliases: Vec<_> = PATHS.into_iter().chain(others).collect();
        let mut arguments = Arguments::with_aliases(arguments, &allowed, &aliases)?;
        let context = arguments.optional_number("context", 0, MAX_CONTEXT)?.unwrap_or(0);
        Ok(Self {
            pattern: arguments.text("pattern")?,
            path: arguments.optional_text("path")?.unwrap_or_default(),
            glob: arguments.optional_text("glob")?.filter(|glob| !glob.is_empty()),
            ignore_case: arguments.optional_flag("ignoreCase")?,
            literal: arguments.optional_flag("literal")?,
            files_only: arguments.optional_flag("filesOnly")?,
            context: usize::try_from(context).unwrap_or(0),
            after: arguments.optional_text("after")?,
        })
    }

    fn look(self, view: &View) -> Result<String, LookError> {
        let matcher = self.matcher()?;
        let glob = self.glob.as_deref().map(|glob| PathPattern::parse("glob", glob, view.workspace.path()));
        let mut skipped = Skipped::default();
        let start = view.start(&self.path, &mut skipped)?;
        let after = self.after.as_deref().map(place);
        let mut search = Search {
            view,
            matcher: &matcher,
            searcher: self.searcher(),
            glob: glob.transpose()?,
            base: start.path.len(),
            files_only: self.files_only,
            shown_before: after.map_or(0, |(_, line)| line),
            bytes: 0,
            found: String::new(),
            matches: 0,
            last: None,
        };
        let ended = match &start.file {
            None => {
                let reach = Reach { after: after.map(|(path, _)| path), depth: usize::MAX };
                walk(view, start, &reach, &mut search, &mut skipped)?
            }
            Some(name) => {
                let path = format!("{}{name}", start.path);
                if after.is_some_and(|(after, _)| after != path) {
                    return Err(LookError::After);
                }
                let (directory, kind) = (&start.directory, Kind::File);
                let entry =
                    Entry { directory, name: name.as_ref(), path: &path, kind, resumed: after.is_some() };
                match search.visit(&entry, &mut skipped)? {
                    Next::Continue => Ended::Whole,
                    Next::StopBefore | Next::Stop => Ended::Early { after: None },
                }
            }
        };
        let Search { found, matches, last, .. } = search;
        let last = last.map(|(path, line)| match self.files_only {
            true => format!("{path}:{WHOLE}"),
            false => format!("{path}:{line}"),
        });
        let go_on = go_on(ended, last, &format!(":{WHOLE}"));
        let nothing = (matches == 0 && go_on.is_none()).then(|| "[No line matches.]".to_owned());
        Ok(result(found, nothing.into_iter().chain(go_on).chain(skipped.note(matches == 0))))
    }
}

impl Grep {
    fn matcher(&self) -> Result<RegexMatcher, LookError> {
        let error = |reason: &str| LookError::Pattern {
            name: "pattern",
            kind: "regular expression",
            reason: format!("{}; with literal it is searched for as it stands", one_line(reason, 200)),
        };
        if self.pattern.is_empty() {
            return Err(error("it is empty"));
        }
        if self.pattern.len() > MAX_PATTERN {
            return Err(error(&format!("it has more than {MAX_PATTERN} bytes")));
        }
        let mut builder = RegexMatcherBuilder::new();
        builder
            .multi_line(true)
            .crlf(true)
            .case_insensitive(self.ignore_case)
            .fixed_strings(self.literal)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(MAX_NEST);
        builder.build(&self.pattern).map_err(|problem| {
            let problem = problem.to_string();
            error(problem.trim().lines().last().unwrap_or_default().trim_start_matches("error: "))
        })
    }

    fn searcher(&self) -> Searcher {
        SearcherBuilder::new()
            .line_terminator(LineTerminator::crlf())
            .line_number(true)
            .before_context(if self.files_only { 0 } else { self.context })
            .after_context(if self.files_only { 0 } else { self.context })
            .binary_detection(BinaryDetection::quit(0))
            .memory_map(MmapChoice::never())
            .heap_limit(Some(MAX_LINE))
            .build()
    }
}

/// A path and the last line of it that was shown, from what an earlier result gave.
fn place(after: &str) -> (&str, u64) {
    match after.rsplit_once(':') {
        Some((path, WHOLE)) => (path, u64::MAX),
        Some((path, line)) => line.parse().map_or((after, u64::MAX), |line| (path, line)),
        None => (after, u64::MAX),
    }
}

struct Search<'a> {
    view: &'a View,
    matcher: &'a RegexMatcher,
    searcher: Searcher,
    glob: Option<PathPattern>,
    /// The bytes of a path that lead to the start.
    base: usize,
    files_only: bool,
    /// Lines of the first file that an earlier call showed.
    shown_before: u64,
    /// Bytes searched so far.
    bytes: u64,
    found: String,
    matches: usize,
    /// The last match shown.
    last: Option<(String, u64)>,
}

impl Visitor for Search<'_> {
    fn wants(&self, path: &str, kind: Kind) -> bool {
        kind != Kind::Directory
            && self.glob.as_ref().is_none_or(|glob| {
                let below = path.get(self.base..).unwrap_or(path);
                let base = glob.base.as_str();
                let below = if base.is_empty() {
                    Some(below)
                } else {
                    below.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'))
                };
                below.is_some_and(|below| glob.matches(below))
            })
    }

    fn visit(&mut self, entry: &Entry<'_>, skipped: &mut Skipped) -> Result<Next, LookError> {
        let shown_before = if entry.resumed { self.shown_before } else { 0 };
        if shown_before == u64::MAX {
            return Ok(Next::Continue);
        }
        if entry.kind != Kind::File {
            skipped.not_regular += 1;
            return Ok(Next::Continue);
        }
        let (file, metadata) = match open_regular(entry.directory, entry.name) {
            Ok(opened) => opened,
            Err(NotOpened::NotRegular(_)) => {
                skipped.not_regular += 1;
                return Ok(Next::Continue);
            }
            Err(NotOpened::Io(_)) => {
                skipped.unreadable += 1;
                return Ok(Next::Continue);
            }
        };
        if self.view.protected.check_file(&metadata).is_err() {
            skipped.protected += 1;
            return Ok(Next::Continue);
        }
        let length = metadata.len().min(MAX_FILE);
        if self.bytes > 0 && self.bytes + length > MAX_TOTAL {
            return Ok(Next::StopBefore);
        }
        self.bytes += length;
        skipped.long += u64::from(metadata.len() > MAX_FILE);
        self.search(file, entry.path, shown_before, skipped)
    }
}

impl Search<'_> {
    fn search(
        &mut self,
        file: File,
        path: &str,
        shown_before: u64,
        skipped: &mut Skipped,
    ) -> Result<Next, LookError> {
        let room = (MAX_SHOWN - self.matches, MAX_BYTES.saturating_sub(self.found.len() + path.len()));
        let mut lines = Lines::new(self.matcher, shown_before, room.0, room.1, self.files_only);
        let reader = Watched { file: file.take(MAX_FILE), cancelled: &self.view.cancelled };
        if let Err(problem) = self.searcher.search_reader(self.matcher, reader, &mut lines) {
            if self.view.cancelled.is_cancelled() {
                return Err(LookError::Cancelled);
            }
            match problem.raw_os_error() {
                Some(_) => skipped.unreadable += 1,
                // A line longer than what is held of one.
                None => skipped.long += 1,
            }
        }
        if lines.binary {
            skipped.binary += 1;
            return Ok(Next::Continue);
        }
        lines.settle();
        if lines.matches > 0 {
            self.found.push_str(&shown(path));
            self.found.push('\n');
            if !self.files_only {
                self.found.push_str(&lines.text);
                self.found.push('\n');
            }
            self.matches += lines.matches;
            self.last = Some((path.to_owned(), lines.last));
        }
        Ok(if lines.full { Next::Stop } else { Next::Continue })
    }
}

/// A file that is read no further once the run was stopped.
struct Watched<'a> {
    file: io::Take<File>,
    cancelled: &'a CancellationToken,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.is_cancelled() {
            return Err(io::Error::other("the run was stopped"));
        }
        self.file.read(buffer)
    }
}
