//! The methods of `sessions.*`: lists, changes, and who follows a session's messages.

use std::time::Duration;

use tidegate_protocol::params::{
    ArchivedFilter, Empty, SessionsDelete, SessionsDescribe, SessionsList, SessionsMessagesSubscribe,
    SessionsMessagesUnsubscribe, SessionsPreview, SessionsReset,
};
use tidegate_protocol::payload::sessions::{
    PreviewItem, SessionEntry, SessionModelDefaults, SessionPreview, SessionsDeleteResult,
    SessionsDescribeResult, SessionsListResult, SessionsPreviewResult, SessionsResetResult, Subscribed,
};
use tidegate_protocol::{ErrorShape, Scope, SessionKey, UnixMillis, rpc, text};
use tidegate_store::{SessionFilter, SessionRow};

use super::session_patch::{expect_session, new_session_id, overtaken, unknown_session};
use super::{require_scope, store_error};
use crate::dispatch::{Caller, Handler};
use crate::now;
use crate::runtime_events::session_changed;
use crate::session_rows::{FILE, is_set, row_payload};
use crate::transcript::entry_payload;

/// The most sessions in one answer.
const MAX_LISTED: u32 = 500;

impl Handler for rpc::SessionsList {
    async fn handle(caller: &Caller, params: SessionsList) -> Result<SessionsListResult, ErrorShape> {
        let limit = params.limit.unwrap_or(100).clamp(1, MAX_LISTED);
        let offset = params.offset.unwrap_or(0);
        let with_message =
            params.include_last_message == Some(true) || params.include_derived_titles == Some(true);
        // No client hides a session from the person.
        let unasked = if caller.session.is_own_surface() { None } else { Some(false) };
        let store = &caller.gateway.inner().store;
        let mut rows = match filter(params, unasked) {
            Some(filter) => {
                // One more tells whether others follow.
                let filter = SessionFilter { limit: limit + 1, offset, ..filter };
                store.sessions(filter).await.map_err(|error| store_error(&error))?
            }
            None => Vec::new(),
        };
        let total = store.count_sessions().await.map_err(|error| store_error(&error))?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let mut sessions = Vec::with_capacity(rows.len());
        for row in &rows {
            sessions.push(entry(caller, row, with_message).await?);
        }
        let count = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        Ok(SessionsListResult {
            ts: now::wall(),
            path: FILE.to_owned(),
            count,
            total_count: if has_more { total } else { u64::from(offset) + count },
            limit_applied: limit,
            next_offset: has_more.then(|| offset.saturating_add(limit)),
            has_more,
            owners: Vec::new(),
            defaults: defaults(caller).await,
            sessions,
        })
    }
}

/// Which sessions are asked for; `None` when it can be none: no session here has a creator, another owner or
/// a face of its own. `unasked` is whether archived ones are meant where the request does not say.
fn filter(params: SessionsList, unasked: Option<bool>) -> Option<SessionFilter> {
    let SessionsList { creator_id, owner_id, involving_profile_id, board_face, .. } = &params;
    if creator_id.is_some() || owner_id.is_some() || involving_profile_id.is_some() || board_face.is_some() {
        return None;
    }
    let since = |minutes: u32| UnixMillis(now::wall().0.saturating_sub(u64::from(minutes) * 60_000));
    Some(SessionFilter {
        agent: params.agent_id,
        spawned_by: params.spawned_by,
        updated_since: params.active_minutes.map(since),
        search: params.search,
        label: params.label,
        archived: params.archived.map_or(unasked, ArchivedFilter::archived),
        with_runs: params.require_last_interaction == Some(true),
        ..SessionFilter::default()
    })
}

/// A session as lists show it, with the beginning of its last message where it is asked for.
async fn entry(caller: &Caller, row: &SessionRow, with_message: bool) -> Result<SessionEntry, ErrorShape> {
    let mut entry = row_payload(row);
    if with_message {
        let store = &caller.gateway.inner().store;
        let last = store.transcript(row.session_id.clone(), None, 1).await;
        let last = last.map_err(|error| store_error(&error))?;
        entry.last_message_preview =
            last.first().map(|entry| text::preview(&entry_payload(entry).text(), 200));
    }
    Ok(entry)
}

/// What sessions use when nobody chose.
pub(crate) async fn defaults(caller: &Caller) -> SessionModelDefaults {
    let model = match caller.gateway.inner().models.get() {
        Some(models) => Some(models.default_model().await.name()),
        None => None,
    };
    let (model_provider, model) = model.map(|name| (name.provider, name.model)).unzip();
    SessionModelDefaults { model_provider, model, context_tokens: None }
}

impl Handler for rpc::SessionsDescribe {
    async fn handle(caller: &Caller, params: SessionsDescribe) -> Result<SessionsDescribeResult, ErrorShape> {
        let store = &caller.gateway.inner().store;
        let row = store.session(params.key.clone()).await.map_err(|error| store_error(&error))?;
        let with_message =
            params.include_last_message == Some(true) || params.include_derived_titles == Some(true);
        let session = match &row {
            Some(row) => Some(entry(caller, row, with_message).await?),
            None => None,
        };
        Ok(SessionsDescribeResult { ts: now::wall(), session })
    }
}

impl Handler for rpc::SessionsPreview {
    async fn handle(caller: &Caller, params: SessionsPreview) -> Result<SessionsPreviewResult, ErrorShape> {
        let store = &caller.gateway.inner().store;
        let limit = params.limit.unwrap_or(12).clamp(1, 50);
        let max_chars = params.max_chars.unwrap_or(240).clamp(20, 2000) as usize;
        let mut previews = Vec::new();
        for key in params.keys.into_iter().take(64) {
            let row = store.session(key.clone()).await.map_err(|error| store_error(&error))?;
            let Some(row) = row else {
                previews.push(SessionPreview { key, status: "missing".to_owned(), items: Vec::new() });
                continue;
            };
            let entries =
                store.transcript(row.session_id, None, limit).await.map_err(|error| store_error(&error))?;
            let items: Vec<PreviewItem> = entries
                .iter()
                .map(entry_payload)
                .map(|message| (message.role, message.text()))
                .filter(|(_, text)| !text.is_empty())
                .map(|(role, text)| PreviewItem {
                    role: Some(role.name().to_owned()),
                    text: text::preview(&text, max_chars),
                })
                .collect();
            let status = if items.is_empty() { "empty" } else { "ok" };
            previews.push(SessionPreview { key, status: status.to_owned(), items });
        }
        Ok(SessionsPreviewResult { ts: now::wall(), previews })
    }
}

impl Handler for rpc::SessionsReset {
    async fn handle(caller: &Caller, params: SessionsReset) -> Result<SessionsResetResult, ErrorShape> {
        let row = reset(caller, &params.key, "reset").await?;
        let row = row.ok_or_else(|| unknown_session(&params.key))?;
        let entry = row_payload(&row);
        Ok(SessionsResetResult { ok: true, key: row.key, entry })
    }
}

impl Handler for rpc::SessionsDelete {
    async fn handle(caller: &Caller, params: SessionsDelete) -> Result<SessionsDeleteResult, ErrorShape> {
        may_delete(caller, &params)?;
        if params.key.is_main() {
            return Err(ErrorShape::invalid(format!("Cannot delete the main session ({}).", params.key)));
        }
        let store = &caller.gateway.inner().store;
        let row = store.session(params.key.clone()).await.map_err(|error| store_error(&error))?;
        let Some(row) = row else {
            return Ok(SessionsDeleteResult {
                ok: true,
                key: params.key,
                deleted: false,
                archived: Vec::new(),
            });
        };
        expect_unchanged(&params, &row)?;
        end_runs(caller, &params.key).await?;
        let keep = params.delete_transcript == Some(false);
        let deleted = store
            .delete_session(params.key.clone(), row.session_id.clone(), keep)
            .await
            .map_err(|error| store_error(&error))?;
        if !deleted {
            return Err(overtaken(&params.key, "it has a new transcript since"));
        }
        session_changed(caller.gateway.inner(), &row, "delete");
        Ok(SessionsDeleteResult { ok: true, key: params.key, deleted, archived: Vec::new() })
    }
}

/// Deleting cannot be undone, so it takes `operator.admin`. OpenClaw's command line (2026.9.6) asks for
/// `operator.write` alone to delete archived sessions, so for these it counts what it was granted.
fn may_delete(caller: &Caller, params: &SessionsDelete) -> Result<(), ErrorShape> {
    let has = match params.archived_only {
        Some(true) => caller.gateway.inner().trust.authority().granted_to_session(&caller.session),
        _ => caller.session.scopes().clone(),
    };
    match has.covers(&Scope::Admin) {
        true => Ok(()),
        false => Err(caller.session.dialect().missing_scope(&Scope::Admin)),
    }
}

/// Holds a session to everything that the client saw of it before its runs are stopped.
fn expect_unchanged(params: &SessionsDelete, row: &SessionRow) -> Result<(), ErrorShape> {
    expect_session(&params.key, Some(row), params.expected_session_id.as_deref())?;
    if params.expected_session_updated_at.is_some_and(|expected| expected != row.updated_at) {
        return Err(overtaken(&params.key, "something was done in it since"));
    }
    if params.archived_only == Some(true) && !is_set(row, "archived") {
        return Err(overtaken(&params.key, "it is not archived"));
    }
    Ok(())
}

/// Ends a session's runs and gives it an empty transcript; `None` when there is no such session.
pub(crate) async fn reset(
    caller: &Caller,
    key: &SessionKey,
    reason: &str,
) -> Result<Option<SessionRow>, ErrorShape> {
    end_runs(caller, key).await?;
    let store = &caller.gateway.inner().store;
    let row = store.reset_session(key.clone(), new_session_id()?, now::wall()).await;
    let row = row.map_err(|error| store_error(&error))?;
    if let Some(row) = &row {
        session_changed(caller.gateway.inner(), row, reason);
    }
    Ok(row)
}

/// Stops a session's runs and waits until they have ended.
async fn end_runs(caller: &Caller, key: &SessionKey) -> Result<(), ErrorShape> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let runtime = caller.gateway.runtime()?;
    let aborted = runtime.abort(key, None).await;
    for run in aborted.runs.into_iter().chain(aborted.descendants) {
        runtime.wait(run, PATIENCE).await.map_err(|error| store_error(&error))?;
    }
    Ok(())
}

impl Handler for rpc::SessionsSubscribe {
    async fn handle(caller: &Caller, _: Empty) -> Result<Subscribed, ErrorShape> {
        caller.gateway.inner().hub.watch_all(caller.session.connection());
        Ok(Subscribed { subscribed: true, key: None })
    }
}

/// Approvals come by `exec.approval.requested`, to who may decide about them.
impl Handler for rpc::SessionsMessagesSubscribe {
    async fn handle(caller: &Caller, params: SessionsMessagesSubscribe) -> Result<Subscribed, ErrorShape> {
        if params.include_approvals == Some(true) {
            require_scope(caller, &Scope::Approvals)?;
        }
        Ok(watch(caller, params.key, true))
    }
}

impl Handler for rpc::SessionsMessagesUnsubscribe {
    async fn handle(caller: &Caller, params: SessionsMessagesUnsubscribe) -> Result<Subscribed, ErrorShape> {
        Ok(watch(caller, params.key, false))
    }
}

fn watch(caller: &Caller, key: SessionKey, on: bool) -> Subscribed {
    caller.gateway.inner().hub.watch(caller.session.connection(), &key, on);
    Subscribed { subscribed: on, key: Some(key) }
}
