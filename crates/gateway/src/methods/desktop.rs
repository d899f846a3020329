//! What the person's surfaces ask about the desktop: what waits for its dialog, and wishes that it
//! is opened. Nothing here decides.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::payload::surface_params::{KeepFile, TakeServer, UnshareFolder};
use tidegate_protocol::{ErrorCode, ErrorShape, Method, params, text};
use tidegate_trust::Level;
use tidegate_trust::audit::{AuditEvent, Weight};
use tidegate_trust::principal::desktop_decides;
use tidegate_trust::settings::{Setting, ShownSetting};

use super::local::{ById, TokenNew, request_payload};
use super::settings::Confirm;
use crate::dispatch::{Caller, parse};
use crate::gateway::{Gateway, Inner};
use crate::now;
use crate::wishes::Wish;

/// The fewest characters of an id that name something that waits.
const MIN_PREFIX: usize = 8;
/// The most characters of a model or an owner in the audit log.
const MAX_AUDIT: usize = 200;

/// `tidegate.devices.waiting`: everything that waits for the person, oldest first.
pub(crate) fn waiting(caller: &Caller) -> Value {
    let inner = caller.gateway.inner();
    inner.gatekeeper.tick();
    crate::approvals::expire(inner);
    let requests: Vec<Value> = inner.gatekeeper.authority().waiting().iter().map(request_payload).collect();
    let commands: Vec<Value> =
        inner.gatekeeper.approvals().waiting().iter().map(crate::approvals::payload).collect();
    let settings: Vec<Value> =
        inner.gatekeeper.authority().waiting_settings().iter().map(super::settings::payload).collect();
    json!({ "requests": requests, "commands": commands, "settings": settings })
}

/// `tidegate.review`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Review {
    #[serde(default)]
    id: Option<String>,
}

/// Wishes for the dialog of what waits.
pub(crate) fn review(caller: &Caller, params: Review) -> Result<Value, ErrorShape> {
    let inner = caller.gateway.inner();
    let id = match params.id {
        Some(id) => Some(waiting_id(inner, &id).ok_or_else(|| {
            ErrorShape::invalid(format!(
                "nothing waits under this id (give at least its first {MIN_PREFIX} characters)"
            ))
        })?),
        None if next_waits(inner) => None,
        None => return Err(ErrorShape::invalid("nothing waits")),
    };
    opened(inner, Wish::Review(id))
}

/// `tidegate.token.wish`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenWish {
    #[serde(default)]
    name: String,
    #[serde(default)]
    level: Option<Level>,
    #[serde(default)]
    pairing: bool,
}

/// Wishes for the dialog that makes a program token.
pub(crate) fn token_wish(caller: &Caller, params: TokenWish) -> Result<Value, ErrorShape> {
    let TokenWish { name, level, pairing } = params;
    opened(caller.gateway.inner(), Wish::NewToken { name, level: level.unwrap_or(Level::Read), pairing })
}

/// `tidegate.models.wish`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelsWish {
    #[serde(default)]
    id: String,
    #[serde(default)]
    base_url: String,
}

/// Wishes for the dialog that takes a model server's key.
pub(crate) fn models_wish(caller: &Caller, params: ModelsWish) -> Result<Value, ErrorShape> {
    let ModelsWish { id, base_url } = params;
    opened(caller.gateway.inner(), Wish::ModelKey { id, base_url })
}

/// `tidegate.models.take`, where the person may: the host checks that the server is still run by whom
/// the person was shown.
pub(crate) async fn take_server(gateway: &Gateway, params: Value) -> Result<Value, ErrorShape> {
    let inner = gateway.inner();
    let answer = inner.host.call(Method::TidegateModelsTake, params.clone()).await?;
    let named = |field: &str| {
        let text = params.get(field).and_then(Value::as_str).unwrap_or_default();
        text::one_line(text, MAX_AUDIT)
    };
    let (model, owner) = (named("model"), named("owner"));
    let line = format!("model server taken into use model={model} owner={owner}");
    inner.gatekeeper.audit(AuditEvent::new(now::wall(), Weight::Info, "model-server.taken", model, line));
    inner.gatekeeper.changed();
    Ok(answer)
}

fn opened(inner: &Inner, wish: Wish) -> Result<Value, ErrorShape> {
    inner.wishes.make(wish).map(|()| json!({ "opened": true }))
}

/// The answer to a method that only the dialog can do: it is refused, and wished for.
pub(crate) async fn instead_of(gateway: &Gateway, method: Method, request: &RequestFrame) -> ErrorShape {
    let inner = gateway.inner();
    let wish = match method {
        Method::DevicePairApprove => parse(method, request).map(|params: params::RequestId| {
            waiting_id(inner, &params.request_id).map(Some).map(Wish::Review)
        }),
        Method::TidegateTokenNew => parse(method, request).map(|params: TokenNew| {
            Some(Wish::NewToken { name: params.name, level: params.level, pairing: params.pairing })
        }),
        Method::TidegateDevicesUnblock => parse(method, request).map(|params: ById| {
            let authority = inner.gatekeeper.authority();
            let block = authority.block(&params.id);
            block.map(|block| Wish::Unblock { id: block.id(), name: block.name.clone() })
        }),
        Method::TidegateConfigConfirm => parse(method, request).map(|params: Confirm| {
            let id = Setting::parse(&params.key)
                .and_then(|setting| inner.gatekeeper.authority().ask_again(setting));
            if id.is_some() {
                // A rejected value waits again.
                inner.gatekeeper.changed();
            }
            id.map(Some).map(Wish::Review)
        }),
        Method::TidegateModelsTake => match parse::<TakeServer>(method, request) {
            Ok(params) => match inner.host.found_server(&params.model).await {
                Ok(server) => Ok(Some(Wish::TakeServer(server))),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
        Method::TidegateFilesKeep => match parse::<KeepFile>(method, request) {
            Ok(params) => match inner.host.set_aside_file(&params.id).await {
                Ok(file) if file.file.can_keep => Ok(Some(Wish::KeepFile(Box::new(file)))),
                Ok(_) => Err(ErrorShape::invalid("only files and links can be kept")),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
        Method::TidegateFilesUnshare => match parse::<UnshareFolder>(method, request) {
            Ok(params) => match inner.host.shared_folder(&params.folder).await {
                Ok(shared) if shared.files > 0 => Ok(Some(Wish::Unshare(shared))),
                Ok(_) => Err(ErrorShape::invalid("no file in that folder is shared with other folders")),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
        _ => Ok(None),
    };
    match wish {
        Ok(Some(wish)) => wish_instead(inner, wish),
        Ok(None) => desktop_decides(),
        Err(error) => error,
    }
}

/// The answer to someone who wanted to decide about something that waits, where the dialog does.
pub(crate) fn review_instead(gateway: &Gateway, id: &str) -> ErrorShape {
    let inner = gateway.inner();
    match waiting_id(inner, id) {
        Some(id) => wish_instead(inner, Wish::Review(Some(id))),
        None => desktop_decides(),
    }
}

fn wish_instead(inner: &Inner, wish: Wish) -> ErrorShape {
    match inner.wishes.make(wish) {
        Ok(()) => ErrorShape::new(ErrorCode::Forbidden, "Tidegate's dialog was opened; decide there")
            .with_details(json!({ "reason": "DESKTOP_DECIDES", "opened": true })),
        Err(error) => error,
    }
}

fn next_waits(inner: &Inner) -> bool {
    inner.gatekeeper.tick();
    crate::approvals::expire(inner);
    let requests = !inner.gatekeeper.authority().waiting().is_empty();
    let settings = !inner.gatekeeper.authority().waiting_settings().is_empty();
    requests || settings || !inner.gatekeeper.approvals().waiting().is_empty()
}

/// The whole id of the one request, command or value that waits and begins like that.
fn waiting_id(inner: &Inner, prefix: &str) -> Option<String> {
    inner.gatekeeper.tick();
    crate::approvals::expire(inner);
    let mut ids: Vec<String> =
        inner.gatekeeper.authority().waiting().iter().map(|request| request.id.clone()).collect();
    ids.extend(inner.gatekeeper.approvals().waiting().iter().map(|command| command.id.clone()));
    ids.extend(inner.gatekeeper.authority().waiting_settings().iter().map(ShownSetting::id));
    if let Some(whole) = ids.iter().find(|id| *id == prefix) {
        return Some(whole.clone());
    }
    let mut matching = ids.into_iter().filter(|id| prefix.len() >= MIN_PREFIX && id.starts_with(prefix));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Some(id),
        _ => None,
    }
}

/// `tidegate.connect`: lines for a shell that aim OpenClaw's command line at this gateway. The token
/// is put in by the shell, from the variable that the lines name.
pub(crate) async fn connect(caller: &Caller) -> Result<Value, ErrorShape> {
    const TOKEN: &str = "\"$TIDEGATE_OPENCLAW_TOKEN\"";
    let status = caller.gateway.inner().host.call(Method::TidegateStatus, json!({})).await?;
    let url = status.get("url").and_then(Value::as_str);
    let url = url.ok_or_else(|| ErrorShape::unavailable("the gateway does not listen yet; try again"))?;
    Ok(json!({
        "url": url,
        "variable": "TIDEGATE_OPENCLAW_TOKEN",
        "lines": [
            "openclaw config set gateway.mode remote",
            format!("openclaw config set gateway.remote.url {url}"),
            format!("openclaw config set gateway.remote.token {TOKEN}"),
        ],
        "once": [
            format!("openclaw gateway health --url {url} --token {TOKEN}"),
            format!("openclaw tui --url {url} --token {TOKEN}"),
        ],
    }))
}
