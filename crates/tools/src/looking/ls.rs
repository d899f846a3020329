//! `ls`: the entries of one directory.

use std::ffi::OsStr;

use cap_std::fs::Dir;
use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;

use super::names::{self, Kind, Name, Position};
use super::secret::is_secret;
use super::shown::{quoted, shown};
use super::skipped::Skipped;
use super::start::{Start, View};
use super::{Look, LookError, MAX_BYTES, PATHS, result};
use crate::arguments::{ArgumentError, Arguments, parameters};

/// Entries that one call shows.
const MAX_SHOWN: usize = 1000;

/// A call of `ls`.
pub(super) struct List {
    path: String,
    after: Option<String>,
}

impl Look for List {
    const ALIASES: &'static [&'static str] = &["list_dir", "list_directory", "list_files", "list"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "ls",
            label: "List directory",
            description: "List a directory of the workspace, with sizes in bytes. Directories end in /.",
            group: "fs",
            parameters: parameters(
                &[],
                json!({
                    "path": {"type": "string", "description": "Default: the workspace."},
                    "after": {"type": "string", "description": "Go on after this, as a result says."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments::with_aliases(arguments, &["path", "after"], &PATHS)?;
        let path = arguments.optional_text("path")?.unwrap_or_default();
        Ok(Self { path, after: arguments.optional_text("after")? })
    }

    fn look(self, view: &View) -> Result<String, LookError> {
        let mut skipped = Skipped::default();
        let start = view.start(&self.path, &mut skipped)?;
        if let Some(name) = &start.file {
            let line = line(&start, name, Kind::File);
            return Ok(result(line, skipped.note(false)));
        }
        let from = self.after.as_deref().map_or(Position::Start, |after| Position::After(OsStr::new(after)));
        let batch = names::read(&start.directory, from, MAX_SHOWN, &view.cancelled)
            .map_err(|unread| unread.into_error(view, &start.path))?;
        let (mut found, mut last, mut more) = (String::new(), None, batch.more);
        for Name { name, kind } in &batch.names {
            let Some(name) = name.to_str() else {
                skipped.not_utf8 += 1;
                continue;
            };
            if is_secret(name, *kind == Kind::Directory) {
                skipped.secret += 1;
                continue;
            }
            let line = line(&start, name, *kind);
            if found.len() + line.len() > MAX_BYTES {
                more = true;
                break;
            }
            found.push_str(&line);
            last = Some(name);
        }
        let more = more.then(|| match last.or_else(|| batch.names.last()?.name.to_str()) {
            Some(last) => format!("[More follow. Use after={} to continue.]", quoted(last)),
            None => "[More follow, but their names cannot be given.]".to_owned(),
        });
        let nothing = (found.is_empty() && more.is_none()).then(|| match self.after {
            None => "[The directory is empty.]".to_owned(),
            Some(_) => "[Nothing follows.]".to_owned(),
        });
        let note = skipped.note(false);
        let nothing = nothing.filter(|_| note.is_none());
        Ok(result(found, nothing.into_iter().chain(more).chain(note)))
    }
}

fn line(start: &Start<'_>, name: &str, kind: Kind) -> String {
    let path = format!("{}{name}", start.path);
    let mark = if start.rules.is_ignored(&path, kind == Kind::Directory) { "\t(ignored)" } else { "" };
    let shown = shown(name);
    match kind {
        Kind::Directory => format!("{shown}/{mark}\n"),
        Kind::File => format!("{shown}{}{mark}\n", size(&start.directory, name)),
        Kind::Link => {
            let target = start.directory.read_link_contents(name).ok();
            let target =
                target.map_or_else(String::new, |target| self::shown(&target.to_string_lossy()).into_owned());
            format!("{shown} -> {target}{mark}\n")
        }
        Kind::Other(kind) => format!("{shown}\t({kind}){mark}\n"),
    }
}

fn size(directory: &Dir, name: &str) -> String {
    directory
        .symlink_metadata(name)
        .map_or_else(|_| String::new(), |metadata| format!("\t{}", metadata.len()))
}
