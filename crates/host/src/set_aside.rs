//! Files that were set aside: what the person's surfaces ask of them, and telling the gateway of new ones.

use std::sync::Arc;

use tidegate_gateway::CurrentGateway;
use tidegate_protocol::ErrorShape;
use tidegate_protocol::payload::files::{
    FileDecidedResult, FilesListResult, SetAsideFile, SetAsideFileDetails,
};
use tidegate_protocol::payload::surface_params::KeepFile;
use tidegate_tools::{SetAsideError, SetAsideEvent, SetAsideFiles};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::bounded::answered;

/// All of them.
pub(crate) async fn list(files: &Arc<SetAsideFiles>) -> Result<FilesListResult, ErrorShape> {
    let files = blocking(files, |files| files.list().map_err(SetAsideError::from)).await?;
    Ok(FilesListResult { files })
}

/// Puts one back where it was.
pub(crate) async fn keep(
    files: &Arc<SetAsideFiles>,
    KeepFile { id, digest }: KeepFile,
) -> Result<FileDecidedResult, ErrorShape> {
    let digest = digest
        .ok_or_else(|| ErrorShape::invalid("give the digest of what was shown, from tidegate.files.show"))?;
    Ok(decided(blocking(files, move |files| files.keep(&id, &digest)).await?, true))
}

/// Removes one for good.
pub(crate) async fn discard(files: &Arc<SetAsideFiles>, id: String) -> Result<FileDecidedResult, ErrorShape> {
    Ok(decided(blocking(files, move |files| files.discard(&id)).await?, false))
}

/// A file in full.
pub(crate) async fn show(files: &Arc<SetAsideFiles>, id: String) -> Result<SetAsideFileDetails, ErrorShape> {
    blocking(files, move |files| files.show(&id)).await
}

/// How many wait for the person. None where that cannot be told: `tidegate.files.list` says why.
pub(crate) async fn count(files: &Arc<SetAsideFiles>) -> u64 {
    list(files).await.map_or(0, |list| u64::try_from(list.files.len()).unwrap_or(u64::MAX))
}

/// Tells the gateway of files that are set aside or expire, until `stop`.
pub(crate) async fn forward(
    mut events: UnboundedReceiver<SetAsideEvent>,
    gateway: CurrentGateway,
    stop: CancellationToken,
) {
    // Those of a time without a gateway wait for the next one.
    let mut next = async || Some((events.recv().await?, gateway.serving().await));
    while let Some(Some((event, gateway))) = stop.run_until_cancelled(next()).await {
        match event {
            SetAsideEvent::SetAside(file) => gateway.file_set_aside(&file),
            SetAsideEvent::Expired(file) => gateway.file_expired(&file),
        }
    }
    stop.cancelled().await;
}

fn decided(file: SetAsideFile, kept: bool) -> FileDecidedResult {
    FileDecidedResult { id: file.id, path: file.path, workspace: file.workspace, kept }
}

async fn blocking<T: Send + 'static>(
    files: &Arc<SetAsideFiles>,
    work: impl FnOnce(&SetAsideFiles) -> Result<T, SetAsideError> + Send + 'static,
) -> Result<T, ErrorShape> {
    answered(files, SetAsideError::may_pass, work).await
}
