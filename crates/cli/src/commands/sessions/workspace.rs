//! `sessions workspace`, and `agent --workspace`: the folder in which a session works.

use std::path::Path;

use tidegate_protocol::params::SessionsDescribe;
use tidegate_protocol::payload::sessions::SessionWorkspaceResult;
use tidegate_protocol::payload::surface_params::SessionWorkspace;
use tidegate_protocol::{SessionKey, rpc};

use super::super::Context;
use super::super::approvals::push_barred;
use crate::client::Wire;
use crate::failure::Failure;

/// Shows the folder of a session.
pub(super) async fn show<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey) -> Result<(), Failure> {
    let answer = context.client.ask::<rpc::SessionsDescribe>(&describe(key)).await?;
    context.show(&answer, || match answer.session.as_ref().and_then(|session| session.workspace.as_ref()) {
        Some(folder) => {
            let mut text = "This session works in a folder of its own.\n\nFolder\n".to_owned();
            push_barred(&mut text, folder);
            text
        }
        None => {
            "No folder was chosen for this session. It works where all others do; `tidegate doctor` shows where.\n"
                .to_owned()
        }
    })
}

/// Chooses the folder of a session; without one it gets the folder that all others have.
pub(super) async fn choose<W: Wire>(
    context: &mut Context<'_, W>,
    key: &SessionKey,
    folder: Option<&Path>,
    yes: bool,
) -> Result<(), Failure> {
    let folder = folder.map(real).transpose()?;
    let chosen = ask(context, key, folder, yes).await?;
    context.show(&chosen, || {
        let mut text = "Chosen, from the session's next run on.\n\nFolder\n".to_owned();
        push_barred(&mut text, &chosen.folder);
        text
    })
}

/// Chooses the folder of a session before something is said in it, unless it has that already.
pub(in super::super) async fn choose_first<W: Wire>(
    context: &mut Context<'_, W>,
    key: &SessionKey,
    folder: &Path,
    yes: bool,
) -> Result<(), Failure> {
    let folder = real(folder)?;
    let present = context.client.ask::<rpc::SessionsDescribe>(&describe(key)).await?;
    if present.session.and_then(|session| session.workspace).as_ref() == Some(&folder) {
        return Ok(());
    }
    ask(context, key, Some(folder), yes).await.map(|_| ())
}

async fn ask<W: Wire>(
    context: &mut Context<'_, W>,
    key: &SessionKey,
    folder: Option<String>,
    yes: bool,
) -> Result<SessionWorkspaceResult, Failure> {
    let mut params = SessionWorkspace { key: key.clone(), folder, digest: None };
    let shown = context.client.ask::<rpc::TidegateSessionsWorkspace>(&params).await?;
    if !context.ask(&render(&shown), "Let agents work there?", yes).await? {
        return Err(Failure::Failed("Nothing was chosen.".to_owned()));
    }
    // Bound to exactly what was shown: another folder of this name is refused.
    params.digest = Some(shown.digest);
    context.client.ask::<rpc::TidegateSessionsWorkspace>(&params).await
}

fn describe(key: &SessionKey) -> SessionsDescribe {
    SessionsDescribe {
        key: key.clone(),
        include_derived_titles: None,
        include_last_message: None,
        agent_id: None,
    }
}

/// The folder as the gateway can find it, whose current directory is another.
fn real(folder: &Path) -> Result<String, Failure> {
    let real = folder
        .canonicalize()
        .map_err(|error| Failure::Failed(format!("{} cannot be used: {error}", folder.display())))?;
    real.into_os_string().into_string().map_err(|_| {
        Failure::Failed(format!("{} has a name that is not UTF-8, so it cannot be used", folder.display()))
    })
}

fn render(shown: &SessionWorkspaceResult) -> String {
    let mut text = "This session would work in another folder.\n\nSession\n".to_owned();
    if let Some(label) = &shown.label {
        push_barred(&mut text, label);
    }
    push_barred(&mut text, shown.key.as_str());
    text.push_str(if shown.is_default { "\nFolder, that of all other sessions\n" } else { "\nFolder\n" });
    push_barred(&mut text, &shown.folder);
    text.push_str("\nUntil now\n");
    push_barred(&mut text, &shown.before);
    text.push_str(
        "\nAgents read and change everything in the folder without asking you, and commands that you allow start \
         there.\nThe session's subagents work there too. What runs already goes on where it is.\n",
    );
    match shown.shared_files {
        Some(0) => {}
        Some(files) => {
            let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
            text.push_str(&format!(
                "\n{files} in it are shared with other folders (hard links). Commands of agents only read these \
                 until\nyou unshare them with `tidegate files unshare`.\n\nThey are in\n"
            ));
            shown.shared_places.iter().for_each(|place| push_barred(&mut text, place));
        }
        None => text.push_str(
            "\nTidegate could not find out in time whether files in it are shared with other folders (hard links).\n",
        ),
    }
    text
}
