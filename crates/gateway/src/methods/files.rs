//! Files that were set aside: a person's decisions about them, and what the audit log says.

use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::payload::files::{FileDecidedResult, SetAsideFile, SharedFolder};
use tidegate_protocol::payload::surface_params::{ById, KeepFile, UnshareFolder};
use tidegate_protocol::{ErrorShape, rpc, text};
use tidegate_trust::audit::{AuditEvent, AuditKind};

use super::settings::decider;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};
use crate::now;
use crate::state::{Gateway, Inner};

/// The most characters of a path in the audit log.
const MAX_PATH: usize = 200;

/// Where the command line is the person's place.
impl Handler for rpc::TidegateFilesKeep {
    async fn handle(caller: &Caller, params: KeepFile) -> Result<FileDecidedResult, ErrorShape> {
        decider(caller)?;
        keep(caller.gateway.inner(), params, &caller.session.principal().name()).await
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        let file = caller.gateway.inner().host.set_aside_file(&params.id).await?;
        if !file.file.can_keep {
            return Err(ErrorShape::invalid("only files and links can be kept"));
        }
        Ok(Some(DialogRequest::KeepFile(Box::new(file))))
    }
}

impl Handler for rpc::TidegateFilesDiscard {
    async fn handle(caller: &Caller, params: ById) -> Result<FileDecidedResult, ErrorShape> {
        let inner = caller.gateway.inner();
        let discarded = inner.host.discard_file(params.id).await;
        decided(inner, discarded, None, &caller.session.principal().name())
    }
}

/// Where the command line is the person's place.
impl Handler for rpc::TidegateFilesUnshare {
    async fn handle(caller: &Caller, params: UnshareFolder) -> Result<SharedFolder, ErrorShape> {
        decider(caller)?;
        let inner = caller.gateway.inner();
        match params.apply {
            true => unshare(inner, &params.folder, &caller.session.principal().name()).await,
            false => inner.host.shared_folder(&params.folder).await,
        }
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        let shared = caller.gateway.inner().host.shared_folder(&params.folder).await?;
        if shared.files == 0 {
            return Err(ErrorShape::invalid("no file in that folder is shared with other folders"));
        }
        Ok(Some(DialogRequest::Unshare(shared)))
    }
}

/// Has the host give a folder copies of its own, and says so.
pub(crate) async fn unshare(inner: &Inner, folder: &str, by: &str) -> Result<SharedFolder, ErrorShape> {
    let done = inner.host.unshare(folder).await?;
    let (kind, folder) = (AuditKind::FilesUnshared, text::one_line(&done.folder, MAX_PATH));
    let SharedFolder { files, bytes, left, .. } = done;
    let line = format!("{kind} folder={folder} files={files} bytes={bytes} left={left} by={by}");
    inner.trust.audit(AuditEvent::new(now::wall(), kind, folder, line));
    Ok(done)
}

/// Has the host put a file back, and says so.
pub(crate) async fn keep(inner: &Inner, file: KeepFile, by: &str) -> Result<FileDecidedResult, ErrorShape> {
    let digest = file.digest.as_deref().map(|digest| text::one_line(digest, 64));
    let kept = inner.host.keep_file(file).await;
    decided(inner, kept, digest, by)
}

fn decided(
    inner: &Inner,
    decided: Result<FileDecidedResult, ErrorShape>,
    digest: Option<String>,
    by: &str,
) -> Result<FileDecidedResult, ErrorShape> {
    // Also where it failed: the file may be gone, and surfaces that show it look again.
    inner.trust.changed();
    let file = decided?;
    let kind = if file.kept { AuditKind::FileKept } else { AuditKind::FileDiscarded };
    let digest = digest.map(|digest| format!(" digest={digest}")).unwrap_or_default();
    let line = format!("{}{digest} by={by}", subject(&kind, &file.id, &file.path, &file.workspace));
    inner.trust.audit(AuditEvent::new(now::wall(), kind, file.id.clone(), line));
    Ok(file)
}

impl Gateway {
    /// A file that a command planted was set aside: the audit log and the person's surfaces tell of it.
    pub fn file_set_aside(&self, file: &SetAsideFile) {
        let session = file.commands.first().map_or("", |command| command.session_key.as_str());
        self.told(AuditKind::FileSetAside, file, &format!("session={session}: {}", file.reason));
    }

    /// A file that was set aside was discarded, because nobody decided about it in time.
    pub fn file_expired(&self, file: &SetAsideFile) {
        self.told(AuditKind::FileDiscarded, file, "by=limit");
    }

    fn told(&self, kind: AuditKind, file: &SetAsideFile, more: &str) {
        let trust = &self.inner().trust;
        let line = format!("{} {more}", subject(&kind, &file.id, &file.path, &file.workspace));
        trust.audit(AuditEvent::new(now::wall(), kind, file.id.clone(), line));
        trust.changed();
    }
}

fn subject(kind: &AuditKind, id: &str, path: &str, workspace: &str) -> String {
    let line = |path: &str| text::one_line(path, MAX_PATH);
    format!("{kind} id={id} path={} workspace={}", line(path), line(workspace))
}
