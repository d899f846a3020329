//! Handlers, one module a group.

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod chat;
pub(crate) mod chat_commands;
pub(crate) mod commands;
pub(crate) mod desktop;
pub(crate) mod device_entries;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod host;
pub(crate) mod lists;
pub(crate) mod local;
pub(crate) mod permissions;
pub(crate) mod session_lookup;
pub(crate) mod session_patch;
pub(crate) mod session_workspace;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod system;
pub(crate) mod turns;

use tidegate_protocol::{ErrorShape, Scope};
use tidegate_store::StoreError;

use crate::dispatch::Caller;

/// Refuses a session that lacks a scope which the parameters need beside the method's own.
pub(crate) fn require_scope(caller: &Caller, scope: &Scope) -> Result<(), ErrorShape> {
    if caller.session.scopes().covers(scope) {
        return Ok(());
    }
    Err(caller.session.dialect().missing_scope(scope))
}

/// A failure of the store as an answer: it may pass.
pub(crate) fn store_error(error: &StoreError) -> ErrorShape {
    ErrorShape::unavailable(error.to_string())
}

/// Says so when a change holds only until restart, because it could not be saved yet.
pub(crate) fn unsaved_note(saved: bool) -> Option<String> {
    let note = "This holds until restart: it could not be saved yet, and saving is tried again.";
    (!saved).then(|| note.to_owned())
}
