//! `write`: a whole text file.

use serde_json::{Value, json};
use tidegate_agent::tool::ToolDescription;
use tidegate_trust::approval::FileAccess;

use super::{FileRequest, FileToolError, Files, PATH};
use crate::arguments::{ArgumentError, Arguments, parameters};
use crate::workspace::{MissingDirectories, Place};

/// A call of `write`.
#[derive(Clone)]
pub(super) struct Write {
    path: String,
    content: String,
}

impl FileRequest for Write {
    const MISSING: MissingDirectories = MissingDirectories::Create;
    const ALIASES: &'static [&'static str] = &["write_file", "create_file"];

    fn description() -> ToolDescription {
        ToolDescription {
            name: "write",
            label: "Write file",
            description: "Write a text file, whole and in one step; replaces what was there. At most 5 MiB, and \
                          missing directories are made. Outside the workspace a person is asked first, 32 KiB \
                          can be written at most, and the directory must exist.",
            group: "fs",
            parameters: parameters(
                &["path", "content"],
                json!({
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "content": {"type": "string", "description": "The whole content."},
                }),
            ),
        }
    }

    fn parse(arguments: Value) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments::with_aliases(arguments, &["path", "content"], &[PATH])?;
        Ok(Self { path: arguments.text("path")?, content: arguments.text("content")? })
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn access(&self) -> FileAccess {
        FileAccess::Write { content: self.content.clone() }
    }

    fn act(&self, files: &Files, place: &Place) -> Result<String, FileToolError> {
        files.replacement.replace(place, &self.content, None, &files.protected)?;
        Ok(format!("Wrote {} bytes to {}.", self.content.len(), place.shown))
    }
}
