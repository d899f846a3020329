//! Files that were set aside: a person's decisions about them, and what the audit log says.

use serde_json::{Value, json};
use tidegate_protocol::payload::files::{FileDecidedResult, SetAsideFile, SharedFolder};
use tidegate_protocol::payload::surface_params::{ById, KeepFile, UnshareFolder};
use tidegate_protocol::{ErrorShape, Method, text};
use tidegate_trust::audit::{AuditEvent, Weight};

use super::settings::decider;
use crate::dispatch::Caller;
use crate::gateway::{Gateway, Inner};
use crate::now;

/// The most characters of a path in the audit log.
const MAX_PATH: usize = 200;

/// `tidegate.files.keep`, where the command line is the person's place.
pub(crate) async fn keep(caller: &Caller, params: KeepFile) -> Result<Value, ErrorShape> {
    decider(caller)?;
    let by = caller.session.principal().name();
    decide(caller.gateway.inner(), Method::TidegateFilesKeep, json!(params), &by).await
}

/// `tidegate.files.discard`.
pub(crate) async fn discard(caller: &Caller, params: ById) -> Result<Value, ErrorShape> {
    let by = caller.session.principal().name();
    decide(caller.gateway.inner(), Method::TidegateFilesDiscard, json!(params), &by).await
}

/// `tidegate.files.unshare`, where the command line is the person's place.
pub(crate) async fn unshare(caller: &Caller, params: UnshareFolder) -> Result<Value, ErrorShape> {
    decider(caller)?;
    let by = caller.session.principal().name();
    carry_out_unsharing(caller.gateway.inner(), &params, &by).await
}

/// Has the host give a folder copies of its own, and says so. Without `apply` it only tells.
pub(crate) async fn carry_out_unsharing(
    inner: &Inner,
    params: &UnshareFolder,
    by: &str,
) -> Result<Value, ErrorShape> {
    let answer = inner.host.call(Method::TidegateFilesUnshare, json!(params)).await?;
    let done = serde_json::from_value::<SharedFolder>(answer.clone()).ok().filter(|done| done.unshared);
    if let Some(SharedFolder { folder, files, bytes, left, .. }) = done {
        let kind = "files.unshared";
        let folder = text::one_line(&folder, MAX_PATH);
        let line = format!("{kind} folder={folder} files={files} bytes={bytes} left={left} by={by}");
        inner.gatekeeper.audit(AuditEvent::new(now::wall(), Weight::Info, kind, folder, line));
    }
    Ok(answer)
}

/// Has the host carry out what was decided, and says so.
pub(crate) async fn decide(
    inner: &Inner,
    method: Method,
    params: Value,
    by: &str,
) -> Result<Value, ErrorShape> {
    let digest = params.get("digest").and_then(Value::as_str).map(|digest| text::one_line(digest, 64));
    let answer = inner.host.call(method, params).await;
    // Also where it failed: the file may be gone, and surfaces that show it look again.
    inner.gatekeeper.changed();
    let answer = answer?;
    if let Ok(file) = serde_json::from_value::<FileDecidedResult>(answer.clone()) {
        let kind = if file.kept { "file.kept" } else { "file.discarded" };
        let digest = digest.map(|digest| format!(" digest={digest}")).unwrap_or_default();
        let line = format!("{}{digest} by={by}", subject(kind, &file.id, &file.path, &file.workspace));
        inner.gatekeeper.audit(AuditEvent::new(now::wall(), Weight::Info, kind, file.id, line));
    }
    Ok(answer)
}

impl Gateway {
    /// A file that a command planted was set aside: the audit log and the person's surfaces tell of it.
    pub fn file_set_aside(&self, file: &SetAsideFile) {
        let session = file.commands.first().map_or("", |command| command.session_key.as_str());
        self.told("file.set-aside", Weight::Warn, file, &format!("session={session}: {}", file.reason));
    }

    /// A file that was set aside was discarded, because nobody decided about it in time.
    pub fn file_expired(&self, file: &SetAsideFile) {
        self.told("file.discarded", Weight::Info, file, "by=limit");
    }

    fn told(&self, kind: &str, weight: Weight, file: &SetAsideFile, more: &str) {
        let gatekeeper = &self.inner().gatekeeper;
        let line = format!("{} {more}", subject(kind, &file.id, &file.path, &file.workspace));
        gatekeeper.audit(AuditEvent::new(now::wall(), weight, kind, file.id.clone(), line));
        gatekeeper.changed();
    }
}

fn subject(kind: &str, id: &str, path: &str, workspace: &str) -> String {
    let line = |path: &str| text::one_line(path, MAX_PATH);
    format!("{kind} id={id} path={} workspace={}", line(path), line(workspace))
}
