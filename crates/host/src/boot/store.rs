//! Opening the store, and what a damaged or unwritable one means.

use tidegate_store::{OpenError, OpenOptions, Store, StoreState};

use crate::boot::BootError;
use crate::process_context::{Place, ProcessContext, held};

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreCondition {
    /// `ok`, `new`, `quarantined`, `memory`.
    pub(crate) state: &'static str,
    /// What that means for the person.
    pub(crate) sentence: String,
}

impl StoreCondition {
    /// Whether it may be the store that was open before in the same process.
    pub(crate) fn is_as_before(&self) -> bool {
        matches!(self.state, "ok" | "memory")
    }
}

/// Opens the store. Where nothing can be kept it is one in memory, which says so.
pub(crate) async fn open(
    context: &ProcessContext,
    place: &Place,
) -> Result<(Store, StoreCondition), BootError> {
    if let Some(store) = held(&context.memory).clone() {
        let sentence = "Nothing is kept: what happens is lost when Tidegate stops. Restart Tidegate once its \
                        directory can be written.";
        return Ok((store, StoreCondition { state: "memory", sentence: sentence.to_owned() }));
    }
    match open_file(place).await {
        Ok(opened) => Ok(opened),
        Err(error @ OpenError::NotWritable { .. }) => {
            let sentence = format!("Nothing is kept: {error} What happens now is lost when Tidegate stops.");
            tracing::error!("{sentence}");
            let store = Store::in_memory_with(tidegate_agent::inbox_message)?;
            *held(&context.memory) = Some(store.clone());
            Ok((store, StoreCondition { state: "memory", sentence }))
        }
        Err(error @ OpenError::InUse { .. }) => {
            tracing::error!(%error, "the store is in use");
            Err(BootError::AlreadyRunning { state_dir: place.state_dir.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

async fn open_file(place: &Place) -> Result<(Store, StoreCondition), OpenError> {
    let directory = place.state_dir.clone();
    if !place.may_write {
        let reason = "the directory cannot be written".to_owned();
        return Err(OpenError::NotWritable { path: directory, reason });
    }
    let options = OpenOptions { frame_inbox: tidegate_agent::inbox_message, ..OpenOptions::default() };
    let opened = tokio::task::spawn_blocking(move || Store::open(&directory, options)).await;
    let (store, report) = opened
        .map_err(|error| OpenError::Failed { path: place.state_dir.clone(), reason: error.to_string() })??;
    let condition = match report.state {
        StoreState::Fresh => StoreCondition { state: "new", sentence: "The store is new.".to_owned() },
        StoreState::Existing => StoreCondition { state: "ok", sentence: "The store is in order.".to_owned() },
        StoreState::QuarantinedCorrupt { moved_to, reason } => {
            let sentence = format!(
                "The store was damaged ({reason}) and was moved to {}. A new one was begun: devices have to be \
                 approved again, and earlier sessions are not shown.",
                moved_to.display()
            );
            tracing::error!("{sentence}");
            StoreCondition { state: "quarantined", sentence }
        }
    };
    Ok((store, condition))
}
