//! The tools that read and write files: `read`, `write`, `edit`.

mod edit;
mod read;
mod text;
mod write;

use std::sync::Arc;

use serde_json::Value;
use tidegate_agent::authority::RunAuthority;
use tidegate_agent::model::BoxFuture;
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

use crate::arguments::ArgumentError;
use crate::protected::Protected;
use crate::workspace::PathError;
use text::{FileError, Replacement};

/// Bytes that a file may have to be written or edited.
pub(crate) const MAX_FILE: usize = 5 * 1024 * 1024;

/// What the file tools share.
struct Files {
    protected: Protected,
    replacement: Replacement,
}

/// Why a file tool failed. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
enum FileToolError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Edit(#[from] edit::EditError),
}

/// What one file tool does, on a thread that may block.
type Action = fn(&Files, &RunAuthority, Value) -> Result<String, FileToolError>;

struct FileTool {
    files: Arc<Files>,
    description: fn() -> ToolDescription,
    action: Action,
}

/// `read`, `write` and `edit`.
pub(crate) fn file_tools(protected: &Protected) -> Vec<Arc<dyn Tool>> {
    let files = Arc::new(Files { protected: protected.clone(), replacement: Replacement::default() });
    let tool = |description: fn() -> ToolDescription, action: Action| -> Arc<dyn Tool> {
        Arc::new(FileTool { files: Arc::clone(&files), description, action })
    };
    vec![
        tool(read::description, read::call),
        tool(write::description, write::call),
        tool(edit::description, edit::call),
    ]
}

impl Tool for FileTool {
    fn description(&self) -> ToolDescription {
        (self.description)()
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        let name = self.description().name;
        if !context.authority.may_use(name) {
            return Box::pin(async move { ToolOutput::error(format!("this run may not use {name}")) });
        }
        let (files, action) = (Arc::clone(&self.files), self.action);
        Box::pin(async move {
            let authority = context.authority;
            let work = tokio::task::spawn_blocking(move || action(&files, &authority, arguments));
            tokio::select! {
                // A file system that hangs must not hold up the end of the run.
                () = context.cancelled.cancelled() => {
                    ToolOutput::error(format!("{name} was cancelled; it may or may not have been done"))
                }
                done = work => match done {
                    Ok(Ok(text)) => ToolOutput::ok(text),
                    Ok(Err(error)) => ToolOutput::error(format!("{name} failed: {error}")),
                    Err(_) => ToolOutput::error(format!("{name} failed: it stopped unexpectedly")),
                },
            }
        })
    }
}
