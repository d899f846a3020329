//! `write`: a whole text file.

use serde_json::{Value, json};
use tidegate_agent::authority::RunAuthority;
use tidegate_agent::tool::ToolDescription;

use super::{FileToolError, Files};
use crate::arguments::Arguments;
use crate::workspace::{MissingDirectories, Workspace};

pub(super) fn description() -> ToolDescription {
    ToolDescription {
        name: "write",
        label: "Write file",
        description: "Write a text file in the workspace, whole and in one step; replaces what was there and makes \
                      missing directories. At most 5 MiB.",
        group: "fs",
        parameters: json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["path", "content"],
            "properties": {
                "path": {"type": "string", "description": "The file, relative to the workspace."},
                "content": {"type": "string", "description": "The whole content."},
            },
        }),
    }
}

pub(super) fn call(
    files: &Files,
    authority: &RunAuthority,
    arguments: Value,
) -> Result<String, FileToolError> {
    let mut arguments = Arguments::new(arguments, &["path", "content"])?;
    let path = arguments.text("path")?;
    let content = arguments.text("content")?;
    let workspace = Workspace::open(authority.workspace())?;
    let place = workspace.place(&path, &files.protected, MissingDirectories::Create)?;
    files.replacement.replace(&place, &content, None, &files.protected)?;
    Ok(format!("Wrote {} bytes to {}.", content.len(), place.shown))
}
