//! Files that other folders hold as well: what the person's surfaces ask about them.

use std::sync::Arc;

use tidegate_protocol::ErrorShape;
use tidegate_protocol::payload::files::SharedFolder;
use tidegate_tools::Sandboxes;

/// Tells what of a folder is shared; with `apply`, unshares it. Who may do that was decided before.
pub(crate) async fn answer(
    sandboxes: &Arc<Sandboxes>,
    folder: String,
    apply: bool,
) -> Result<SharedFolder, ErrorShape> {
    let sandboxes = Arc::clone(sandboxes);
    let act = move || if apply { sandboxes.unshare(&folder) } else { sandboxes.shared_folder(&folder) };
    match tokio::task::spawn_blocking(act).await {
        Ok(Ok(shared)) => Ok(shared),
        Ok(Err(error)) if error.may_pass() => Err(ErrorShape::unavailable(error.to_string())),
        Ok(Err(error)) => Err(ErrorShape::invalid(error.to_string())),
        Err(error) => Err(ErrorShape::unavailable(error.to_string())),
    }
}
