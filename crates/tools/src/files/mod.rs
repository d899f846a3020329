//! The tools that read and write files: `read`, `write`, `edit`. Inside the run's workspace they work
//! by themselves; outside, a person is asked each time.

mod edit;
mod outside;
mod read;
mod regular;
mod text;
mod trigger;
mod write;

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tidegate_agent::approval::ApprovalPlan;
use tidegate_agent::authority::RunAuthority;
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};
use tidegate_trust::approval::FileAccess;

use crate::answer::answer;
use crate::arguments::ArgumentError;
use crate::protected::{Protected, without_links};
use crate::question::{self, NotAllowed, Surroundings};
use crate::workspace::{MissingDirectories, PathError, Place, Workspace};
use outside::{NotAsShown, Outside};
pub(crate) use regular::{NotOpened, kind, open_regular};
use text::{FileError, Replacement};
use trigger::TriggerFile;

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
    #[error(
        "the call has {bytes} bytes of text; where a person is asked at most {} are allowed, because they must be \
         able to read them",
        outside::MAX_TEXT
    )]
    TooMuchToShow { bytes: usize },
    #[error("{path} is outside the workspace, so a person was asked: {reason}")]
    NotAllowed { path: String, reason: NotAllowed },
    #[error("{path} can run commands of the person, so a person has to be asked")]
    Trigger { path: String },
    #[error("{path} can run commands of the person, so a person was asked: {reason}")]
    TriggerNotAllowed { path: String, reason: NotAllowed },
    #[error(transparent)]
    NotAsShown(#[from] NotAsShown),
    #[error("it stopped unexpectedly")]
    Broken(#[from] tokio::task::JoinError),
}

/// One call of a file tool, checked by itself.
trait FileRequest: Clone + Send + Sync + 'static {
    /// What becomes of missing directories inside the workspace.
    const MISSING: MissingDirectories;
    /// Other names under which models know the tool.
    const ALIASES: &'static [&'static str];

    fn description() -> ToolDescription;

    fn parse(arguments: Value) -> Result<Self, ArgumentError>;

    fn path(&self) -> &str;

    /// What a person is asked to allow, when the path leads out of the workspace.
    fn access(&self) -> FileAccess;

    /// Does it. Blocks on the file system.
    fn act(&self, files: &Files, place: &Place) -> Result<String, FileToolError>;
}

/// Other names of the argument `path`.
const PATH: (&str, &str) = ("file_path", "path");

struct FileTool<R> {
    files: Arc<Files>,
    request: PhantomData<fn() -> R>,
}

/// `read`, `write` and `edit`.
pub(crate) fn file_tools(protected: &Protected) -> Vec<Arc<dyn Tool>> {
    let files = Arc::new(Files { protected: protected.clone(), replacement: Replacement::default() });
    vec![tool::<read::Read>(&files), tool::<write::Write>(&files), tool::<edit::Edit>(&files)]
}

fn tool<R: FileRequest>(files: &Arc<Files>) -> Arc<dyn Tool> {
    Arc::new(FileTool { files: Arc::clone(files), request: PhantomData::<fn() -> R> })
}

impl<R: FileRequest> Tool for FileTool<R> {
    fn description(&self) -> ToolDescription {
        R::description()
    }

    fn aliases(&self) -> &'static [&'static str] {
        R::ALIASES
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move {
            let cancelled = "cancelled; it may or may not have been done";
            answer(R::description().name, &context, cancelled, self.run(&context, arguments)).await
        })
    }
}

impl<R: FileRequest> FileTool<R> {
    async fn run(&self, context: &ToolContext, arguments: Value) -> Result<String, FileToolError> {
        let request = R::parse(arguments)?;
        let inside = self.blocking(context, &request, |request, files, authority| {
            in_workspace(request, files, authority, None)
        });
        match inside.await {
            Err(FileToolError::Trigger { path }) => self.trigger(context, &request, path).await,
            Err(FileToolError::Path(PathError::Outside { path, .. })) => {
                self.outside(context, &request, path).await
            }
            done => done,
        }
    }

    /// Asks a person about a trigger file in the workspace, and acts when it is still what it was then.
    async fn trigger(
        &self,
        context: &ToolContext,
        request: &R,
        path: String,
    ) -> Result<String, FileToolError> {
        check_size(request)?;
        let find = |request: &R, _: &Files, authority: &RunAuthority| {
            Ok(TriggerFile::find(authority.workspace(), request.path(), request.access()))
        };
        let shown = self.blocking(context, request, find).await?;
        question::ask(context, ApprovalPlan::File(shown.plan.clone()), Surroundings::default())
            .await
            .map_err(|reason| FileToolError::TriggerNotAllowed { path, reason })?;
        let act = move |request: &R, files: &Files, authority: &RunAuthority| {
            in_workspace(request, files, authority, Some(&shown))
        };
        self.blocking(context, request, act).await
    }

    /// Asks a person about a path that leads out of the workspace, and acts when it still leads where
    /// it led then.
    async fn outside(
        &self,
        context: &ToolContext,
        request: &R,
        path: String,
    ) -> Result<String, FileToolError> {
        check_size(request)?;
        let shown = self.blocking(context, request, look).await?;
        let surroundings = Surroundings { folders: shown.folders.clone(), ..Surroundings::default() };
        let _used = question::ask(context, ApprovalPlan::File(shown.plan.clone()), surroundings)
            .await
            .map_err(|reason| FileToolError::NotAllowed { path, reason })?;
        let act = move |request: &R, files: &Files, authority: &RunAuthority| {
            request.act(files, &look(request, files, authority)?.if_still(&shown)?)
        };
        self.blocking(context, request, act).await
    }

    /// Runs something on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        context: &ToolContext,
        request: &R,
        work: impl FnOnce(&R, &Files, &RunAuthority) -> Result<T, FileToolError> + Send + 'static,
    ) -> Result<T, FileToolError> {
        let (files, request) = (Arc::clone(&self.files), request.clone());
        let authority = context.authority.clone();
        tokio::task::spawn_blocking(move || work(&request, &files, &authority)).await?
    }
}

/// What a person is asked about must be readable as a whole.
fn check_size<R: FileRequest>(request: &R) -> Result<(), FileToolError> {
    let bytes = match request.access() {
        FileAccess::Read => 0,
        FileAccess::Write { content } => content.len(),
        FileAccess::Edit { old_text, new_text } => old_text.len() + new_text.len(),
    };
    if bytes > outside::MAX_TEXT { Err(FileToolError::TooMuchToShow { bytes }) } else { Ok(()) }
}

/// Acts in the workspace. A trigger file is written only where it is the one that a person `allowed`.
fn in_workspace<R: FileRequest>(
    request: &R,
    files: &Files,
    authority: &RunAuthority,
    allowed: Option<&TriggerFile>,
) -> Result<String, FileToolError> {
    let workspace = Workspace::of(authority)?;
    let writes = !matches!(request.access(), FileAccess::Read);
    if writes && allowed.is_none() {
        // By its name, before anything is made on the way to it.
        trigger::check(&workspace, &without_links(&workspace.path().join(request.path())))?;
    }
    let mut place = workspace.place(request.path(), &files.protected, R::MISSING)?;
    if let Some(shown) = allowed {
        shown.expect_at(&mut place)?;
    } else if writes {
        // Once more by what was opened: a folder on the way may have been exchanged meanwhile.
        trigger::check(&workspace, &trigger::path_of(&workspace, &place))?;
    }
    request.act(files, &place)
}

fn look<R: FileRequest>(
    request: &R,
    files: &Files,
    authority: &RunAuthority,
) -> Result<Outside, FileToolError> {
    Ok(Outside::find(authority.workspace(), request.path(), request.access(), &files.protected)?)
}
