//! Files that other folders hold as well: what the person's surfaces ask about them.

use std::sync::Arc;

use tidegate_protocol::ErrorShape;
use tidegate_protocol::payload::files::SharedFolder;
use tidegate_tools::{Sandboxes, UnshareError};

/// What of a folder is shared.
pub(crate) async fn look(sandboxes: &Arc<Sandboxes>, folder: String) -> Result<SharedFolder, ErrorShape> {
    blocking(sandboxes, move |sandboxes| sandboxes.shared_folder(&folder)).await
}

/// Gives a folder copies of its own of what it shares. Who may do that was decided before.
pub(crate) async fn unshare(sandboxes: &Arc<Sandboxes>, folder: String) -> Result<SharedFolder, ErrorShape> {
    blocking(sandboxes, move |sandboxes| sandboxes.unshare(&folder)).await
}

async fn blocking(
    sandboxes: &Arc<Sandboxes>,
    act: impl FnOnce(&Sandboxes) -> Result<SharedFolder, UnshareError> + Send + 'static,
) -> Result<SharedFolder, ErrorShape> {
    let sandboxes = Arc::clone(sandboxes);
    match tokio::task::spawn_blocking(move || act(&sandboxes)).await {
        Ok(Ok(shared)) => Ok(shared),
        Ok(Err(error)) if error.may_pass() => Err(ErrorShape::unavailable(error.to_string())),
        Ok(Err(error)) => Err(ErrorShape::invalid(error.to_string())),
        Err(error) => Err(ErrorShape::unavailable(error.to_string())),
    }
}
