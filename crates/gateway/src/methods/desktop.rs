//! What the person's surfaces ask about the desktop: what waits for its dialog, and requests that it
//! is opened. Nothing here decides.

use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::{DialogOpen, TakeServer};
use tidegate_protocol::payload::surfaces::{
    ConnectLinesResult, DialogOpenResult, ModelsUseResult, WaitingResult,
};
use tidegate_protocol::{ErrorShape, rpc, text};
use tidegate_trust::Level;
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::principal::desktop_decides;
use tidegate_trust::settings::ShownSetting;

use super::device_entries::request_payload;
use super::session_workspace;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};
use crate::now;
use crate::state::{Gateway, Inner};

/// The fewest characters of an id that name something that waits.
const MIN_PREFIX: usize = 8;
/// The most characters of a model or an owner in the audit log.
const MAX_AUDIT: usize = 200;

/// Everything that waits for the person, oldest first.
impl Handler for rpc::TidegateDevicesWaiting {
    async fn handle(caller: &Caller, _: Empty) -> Result<WaitingResult, ErrorShape> {
        let inner = caller.gateway.inner();
        inner.trust.tick();
        let requests = inner.trust.authority().waiting().iter().map(request_payload).collect();
        let commands = inner.trust.approvals().waiting().iter().map(crate::approvals::payload).collect();
        let settings =
            inner.trust.authority().waiting_settings().iter().map(super::settings::payload).collect();
        Ok(WaitingResult { requests, commands, settings })
    }
}

/// A surface requests a dialog, which decides.
impl Handler for rpc::TidegateDialogOpen {
    async fn handle(caller: &Caller, params: DialogOpen) -> Result<DialogOpenResult, ErrorShape> {
        let inner = caller.gateway.inner();
        let request = match params {
            DialogOpen::Review { id } => DialogRequest::Review(pending(inner, id)?),
            DialogOpen::NewToken { name, level, pairing } => {
                DialogRequest::NewToken { name, level: level.unwrap_or(Level::Read), pairing }
            }
            DialogOpen::ModelKey { id, base_url } => DialogRequest::ModelKey { id, base_url },
            DialogOpen::Workspace { key } => session_workspace::chooser(&caller.gateway, key).await?,
        };
        inner.dialog_requests.make(request).map(|()| DialogOpenResult { opened: true })
    }
}

/// The whole id of what is to be reviewed, or `None` for the oldest.
fn pending(inner: &Inner, id: Option<String>) -> Result<Option<String>, ErrorShape> {
    match id {
        Some(id) => waiting_id(inner, &id).map(Some).ok_or_else(|| {
            ErrorShape::invalid(format!(
                "nothing waits under this id (give at least its first {MIN_PREFIX} characters)"
            ))
        }),
        None if waiting_ids(inner).is_empty() => Err(ErrorShape::invalid("nothing waits")),
        None => Ok(None),
    }
}

/// Where the person may.
impl Handler for rpc::TidegateModelsTake {
    async fn handle(caller: &Caller, params: TakeServer) -> Result<ModelsUseResult, ErrorShape> {
        take_server(&caller.gateway, params).await
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        Ok(Some(DialogRequest::TakeServer(caller.gateway.inner().host.found_server(&params.model).await?)))
    }
}

/// The host checks that the server is still run by whom the person was shown.
pub(crate) async fn take_server(
    gateway: &Gateway,
    server: TakeServer,
) -> Result<ModelsUseResult, ErrorShape> {
    let inner = gateway.inner();
    let model = text::one_line(&server.model, MAX_AUDIT);
    let owner = text::one_line(server.owner.as_deref().unwrap_or_default(), MAX_AUDIT);
    let answer = inner.host.take_server(server).await?;
    let line = format!("model server taken into use model={model} owner={owner}");
    inner.trust.audit(AuditEvent::new(now::wall(), AuditKind::ModelServerTaken, model, line));
    inner.trust.changed();
    Ok(answer)
}

/// The answer to someone who wanted to decide about something that waits, where the dialog does.
pub(crate) fn review_instead(gateway: &Gateway, id: &str) -> ErrorShape {
    let inner = gateway.inner();
    match waiting_id(inner, id) {
        Some(id) => inner.dialog_requests.refuse_and_make(DialogRequest::Review(Some(id))),
        None => desktop_decides(),
    }
}

/// The ids of the requests, commands and values that wait.
fn waiting_ids(inner: &Inner) -> Vec<String> {
    inner.trust.tick();
    let mut ids: Vec<String> =
        inner.trust.authority().waiting().iter().map(|request| request.id.clone()).collect();
    ids.extend(inner.trust.approvals().waiting().iter().map(|command| command.id.clone()));
    ids.extend(inner.trust.authority().waiting_settings().iter().map(ShownSetting::id));
    ids
}

/// The whole id of the one request, command or value that waits and begins like that.
pub(crate) fn waiting_id(inner: &Inner, prefix: &str) -> Option<String> {
    let ids = waiting_ids(inner);
    if let Some(whole) = ids.iter().find(|id| *id == prefix) {
        return Some(whole.clone());
    }
    let mut matching = ids.into_iter().filter(|id| prefix.len() >= MIN_PREFIX && id.starts_with(prefix));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Some(id),
        _ => None,
    }
}

/// Lines for a shell that aim OpenClaw's command line at this gateway. The token is put in by the shell, from
/// the variable that the lines name.
impl Handler for rpc::TidegateConnect {
    async fn handle(caller: &Caller, _: Empty) -> Result<ConnectLinesResult, ErrorShape> {
        const VARIABLE: &str = "TIDEGATE_OPENCLAW_TOKEN";
        let url = caller.gateway.inner().host.status().await?.url;
        let token = format!("\"${VARIABLE}\"");
        Ok(ConnectLinesResult {
            variable: VARIABLE.to_owned(),
            lines: vec![
                "openclaw config set gateway.mode remote".to_owned(),
                format!("openclaw config set gateway.remote.url {url}"),
                format!("openclaw config set gateway.remote.token {token}"),
            ],
            once: vec![
                format!("openclaw gateway health --url {url} --token {token}"),
                format!("openclaw tui --url {url} --token {token}"),
            ],
            url,
        })
    }
}
