//! The folder in which a session works: what a person is asked about it, and their choice.

use std::path::Path;
use std::time::Duration;

use tidegate_protocol::frame::RequestFrame;
use tidegate_protocol::payload::sessions::SessionWorkspaceResult;
use tidegate_protocol::payload::surface_params::SessionWorkspace;
use tidegate_protocol::{ErrorCode, ErrorShape, Scope, SessionKey, rpc, text};
use tidegate_store::SessionRow;
use tidegate_trust::decision::{Decider, DecisionError, Desktop};
use tidegate_trust::workspace::ProposedWorkspace;

use super::session_patch::new_session_id;
use super::settings::decider;
use super::store_error;
use crate::dialog_requests::DialogRequest;
use crate::dispatch::{Caller, Handler, parse};
use crate::now;
use crate::runtime_events::session_changed;
use crate::state::Gateway;

/// How long files that other folders hold as well are looked for.
const LINKS_LIMIT: Duration = Duration::from_secs(10);
/// The most characters of a path in an answer.
const MAX_PATH: usize = 4096;

/// Where the command line is the person's place.
impl Handler for rpc::TidegateSessionsWorkspace {
    async fn handle(caller: &Caller, params: SessionWorkspace) -> Result<SessionWorkspaceResult, ErrorShape> {
        let decider = decider(caller)?;
        match &params.digest {
            None => look(&caller.gateway, params.key, params.folder.as_deref()).await,
            Some(digest) => {
                let proposed = propose(&caller.gateway, params.key, params.folder.as_deref()).await?;
                choose(&caller.gateway, &decider, proposed, digest).await
            }
        }
    }

    async fn dialog(caller: &Caller, request: &RequestFrame) -> Result<Option<DialogRequest>, ErrorShape> {
        let params = parse::<Self>(request)?;
        let shown = look(&caller.gateway, params.key, params.folder.as_deref()).await?;
        Ok(Some(DialogRequest::ChooseWorkspace { shown: Box::new(shown), by_client: false }))
    }
}

/// Asks the person for a folder, in the words of a chat command. It decides nothing, for no principal.
pub(crate) async fn request(
    caller: &Caller,
    session: &SessionKey,
    folder: &str,
) -> Result<String, ErrorShape> {
    if !caller.session.is_owner() {
        return Err(caller.session.dialect().missing_scope(&Scope::Admin));
    }
    let inner = caller.gateway.inner();
    if inner.trust.desktop() == Desktop::Absent {
        return Ok(format!(
            "The folder of a session is chosen on the computer on which Tidegate runs. Use this there: \
             `tidegate sessions workspace {} {}`",
            in_code(session.as_str()),
            in_code(&quoted(folder))
        ));
    }
    let by_client = caller.session.principal().is_client();
    if by_client {
        inner.dialog_requests.let_a_client_ask()?;
    }
    let shown = Box::new(look(&caller.gateway, session.clone(), Some(folder)).await?);
    let answer = format!(
        "Tidegate's dialog asks whether this session may work in `{}`. Until a person chooses that there, it \
         works in `{}`.",
        in_code(&shown.folder),
        in_code(&shown.before)
    );
    inner.dialog_requests.make(DialogRequest::ChooseWorkspace { shown, by_client })?;
    Ok(answer)
}

/// The folder in which a session works, as its next run does.
pub(crate) fn of_session(gateway: &Gateway, row: Option<&SessionRow>) -> Result<String, ErrorShape> {
    Ok(match row.and_then(|row| row.workspace.as_ref()) {
        Some(folder) => shown_path(&folder.path),
        None => shown_path(&gateway.runtime()?.workspace()),
    })
}

/// A dialog in which the person picks the folder of a session.
pub(crate) async fn chooser(gateway: &Gateway, key: SessionKey) -> Result<DialogRequest, ErrorShape> {
    let row = row(gateway, &key).await?;
    let present = of_session(gateway, row.as_ref())?;
    let label = row.and_then(|row| row.label);
    Ok(DialogRequest::PickWorkspace { key, label, present })
}

/// A folder as it would be chosen for a session.
pub(crate) async fn propose(
    gateway: &Gateway,
    session: SessionKey,
    folder: Option<&str>,
) -> Result<ProposedWorkspace, ErrorShape> {
    let folder = match folder {
        Some(folder) => Some(gateway.inner().host.workspace_at(folder).await?),
        None => None,
    };
    Ok(ProposedWorkspace { session, folder })
}

/// Makes a person's choice: it is in effect from the session's next run on.
pub(crate) async fn choose(
    gateway: &Gateway,
    decider: &Decider,
    proposed: ProposedWorkspace,
    digest: &str,
) -> Result<SessionWorkspaceResult, ErrorShape> {
    let inner = gateway.inner();
    let before = of_session(gateway, row(gateway, &proposed.session).await?.as_ref())?;
    let chosen = decider.choose_workspace(proposed, digest).map_err(|error| refused(&error))?;
    if let Some(folder) = chosen.folder() {
        inner.host.agents_may_write(&folder.path);
    }
    let saved = inner.store.set_workspace(chosen.clone(), new_session_id()?, now::wall()).await;
    let row = saved.map_err(|error| store_error(&error))?;
    inner.trust.audit(chosen.audit(now::timestamp()));
    inner.trust.changed();
    session_changed(inner, &row, "patch");
    Ok(SessionWorkspaceResult {
        folder: of_session(gateway, Some(&row))?,
        key: row.key,
        label: row.label,
        is_default: chosen.folder().is_none(),
        before,
        shared_files: None,
        shared_places: Vec::new(),
        digest: digest.to_owned(),
        chosen: true,
    })
}

/// What a person is asked.
pub(crate) async fn look(
    gateway: &Gateway,
    session: SessionKey,
    folder: Option<&str>,
) -> Result<SessionWorkspaceResult, ErrorShape> {
    let row = row(gateway, &session).await?;
    let proposed = propose(gateway, session, folder).await?;
    let digest = proposed.digest();
    let ProposedWorkspace { session: key, folder } = proposed;
    let is_default = folder.is_none();
    let folder = match folder {
        Some(folder) => shown_path(&folder.path),
        None => shown_path(&gateway.runtime()?.workspace()),
    };
    let shared = tokio::time::timeout(LINKS_LIMIT, gateway.inner().host.shared_folder(&folder)).await;
    let shared = shared.ok().and_then(Result::ok);
    Ok(SessionWorkspaceResult {
        key,
        before: of_session(gateway, row.as_ref())?,
        label: row.and_then(|row| row.label),
        folder,
        is_default,
        shared_files: shared.as_ref().map(|shared| shared.files),
        shared_places: shared.map(|shared| shared.places).unwrap_or_default(),
        digest,
        chosen: false,
    })
}

async fn row(gateway: &Gateway, key: &SessionKey) -> Result<Option<SessionRow>, ErrorShape> {
    gateway.inner().store.session(key.clone()).await.map_err(|error| store_error(&error))
}

fn refused(error: &DecisionError) -> ErrorShape {
    match error {
        DecisionError::Changed => {
            ErrorShape::invalid("the folder changed since it was shown; look at it again")
        }
        error => ErrorShape::new(ErrorCode::Forbidden, error.to_string()),
    }
}

fn shown_path(path: &Path) -> String {
    text::one_line(&path.to_string_lossy(), MAX_PATH)
}

/// A text within Markdown's marks for code.
fn in_code(text: &str) -> String {
    text::one_line(text, MAX_PATH).replace('`', "'")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // In quotes a shell would not know the home directory.
    let (home, rest) = word.strip_prefix("~/").map_or(("", word), |rest| ("~/", rest));
    match word == "~" || rest.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("{home}'{}'", rest.replace('\'', r"'\''")),
    }
}
