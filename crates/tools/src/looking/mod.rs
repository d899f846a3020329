//! The tools that look at the workspace and ask nobody: `ls`, `glob`, `grep`.
//!
//! They see less than `read`: nothing outside the workspace, nothing through links, no files whose
//! names say that they hold keys or passwords, nothing that ignore files exclude unless it was
//! named. What they skip they count in the result.

mod glob;
mod grep;
mod ignored;
mod lines;
mod ls;
mod names;
mod pattern;
mod secret;
mod shown;
mod skipped;
mod start;
mod walk;

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};
use tidegate_protocol::text::one_line;

use crate::answer::answer;
use crate::arguments::ArgumentError;
use crate::protected::Protected;
use crate::workspace::{PathError, SHOWN, Workspace};
use names::Unread;
use shown::quoted;
use start::View;
use walk::Ended;

/// Bytes that one call returns, but for its notes: less than what the runtime cuts.
const MAX_BYTES: usize = 50 * 1024;
/// Other names of the argument `path`.
const PATHS: [(&str, &str); 4] =
    [("dir_path", "path"), ("directory", "path"), ("dir", "path"), ("file_path", "path")];

/// Why a tool has nothing to show. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error(
        "{path} is outside the workspace {workspace}; ls, glob and grep look only inside. read can open a file there: \
         it asks a person first"
    )]
    Outside { path: String, workspace: String },
    #[error(transparent)]
    Path(PathError),
    #[error(
        "{path} is or goes through a symbolic link, which is not followed; give the path that it leads to"
    )]
    Link { path: String },
    #[error("{path} is {kind}; only directories and regular files can be looked at")]
    NotRegular { path: String, kind: &'static str },
    #[error("{path} is a file; a directory is needed")]
    NotDirectory { path: String },
    #[error("{path} is skipped, like all {}; read opens a file that you name", secret::KIND)]
    Secret { path: String },
    #[error("{path} has more than {} entries; use a command for it", names::MAX_ENTRIES)]
    TooLarge { path: String },
    #[error("the argument {name:?} is no usable {kind}: {reason}")]
    Pattern { name: &'static str, kind: &'static str, reason: String },
    #[error("the argument \"after\" must be what an earlier result of the same call gave, or be left out")]
    After,
    #[error("the run was cancelled")]
    Cancelled,
    #[error("it stopped unexpectedly")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<PathError> for LookError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Outside { path, workspace } => Self::Outside { path, workspace },
            other => Self::Path(other),
        }
    }
}

impl Unread {
    /// The error for a start that cannot be read.
    fn into_error(self, view: &View, path: &str) -> LookError {
        let shown = if path.is_empty() { ".".to_owned() } else { one_line(path, SHOWN) };
        match self {
            Self::Io(error) => view.workspace.explain(error, &shown).into(),
            Self::TooLarge => LookError::TooLarge { path: shown },
            Self::Cancelled => LookError::Cancelled,
        }
    }
}

/// One call of a tool that looks, checked by itself.
trait Look: Send + Sized + 'static {
    /// Other names under which models know the tool.
    const ALIASES: &'static [&'static str];

    fn description() -> ToolDescription;

    fn parse(arguments: Value) -> Result<Self, ArgumentError>;

    /// Looks. Blocks on the file system.
    fn look(self, view: &View) -> Result<String, LookError>;
}

struct LookTool<L> {
    protected: Protected,
    look: PhantomData<fn() -> L>,
}

/// `ls`, `glob` and `grep`.
pub(crate) fn looking_tools(protected: &Protected) -> Vec<Arc<dyn Tool>> {
    vec![tool::<ls::List>(protected), tool::<glob::Glob>(protected), tool::<grep::Grep>(protected)]
}

fn tool<L: Look>(protected: &Protected) -> Arc<dyn Tool> {
    Arc::new(LookTool { protected: protected.clone(), look: PhantomData::<fn() -> L> })
}

impl<L: Look> Tool for LookTool<L> {
    fn description(&self) -> ToolDescription {
        L::description()
    }

    fn aliases(&self) -> &'static [&'static str] {
        L::ALIASES
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move {
            answer(L::description().name, &context, "cancelled", self.run(&context, arguments)).await
        })
    }
}

impl<L: Look> LookTool<L> {
    async fn run(&self, context: &ToolContext, arguments: Value) -> Result<String, LookError> {
        let look = L::parse(arguments)?;
        let (authority, protected) = (context.authority.clone(), self.protected.clone());
        let cancelled = context.cancelled.clone();
        tokio::task::spawn_blocking(move || {
            let view = View::new(Workspace::of(&authority)?, &protected, cancelled)?;
            look.look(&view)
        })
        .await?
    }
}

/// A result: what was found, then notes in brackets on lines of their own.
fn result(found: String, notes: impl IntoIterator<Item = String>) -> String {
    let notes: Vec<_> = notes.into_iter().collect();
    match (found.is_empty(), notes.is_empty()) {
        (_, true) => found,
        (true, false) => notes.join("\n"),
        (false, false) => format!("{}\n\n{}", found.trim_end_matches('\n'), notes.join("\n")),
    }
}

/// How to go on after a walk that ended early. `last` is the place of the last one that was shown; a place that
/// nothing was shown of ends in `end`.
fn go_on(ended: Ended, last: Option<String>, end: &str) -> Option<String> {
    match (ended, last) {
        (Ended::Whole, _) => None,
        (Ended::Early { after: None }, Some(last)) => {
            Some(format!("[More follow. Use after={} to continue.]", quoted(&last)))
        }
        (Ended::Early { after }, _) => {
            let after = quoted(&(after.unwrap_or_default() + end));
            Some(format!(
                "[Stopped early, because there is too much for one call. Use after={after} to continue.]"
            ))
        }
    }
}
