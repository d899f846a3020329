//! The gateway in this process, as the shell sees it: how it is, what waits in it, and what a person
//! decided. The gateway comes and goes beneath this; the shell stays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tidegate_desktop_core::dialog::Secret;
use tidegate_desktop_core::shell::{
    DialogRequest, FileContent, FileToKeep, FolderToUnshare, HostState, Queue, Work, WorkspaceToChoose,
};
use tidegate_gateway::{DesktopAuthority, DialogRequest as GatewayRequest};
use tidegate_host::{Supervised, SupervisedState};
use tidegate_protocol::Method;
use tidegate_protocol::payload::files::{SetAsideFile, SetAsideFileDetails, SharedFolder};
use tidegate_protocol::payload::sessions::SessionWorkspaceResult;
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_transport::{ChannelClient, ClientReceived};

use crate::session_names;

/// The gateway that is kept running. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    supervised: Supervised,
    log_file: PathBuf,
}

impl Host {
    /// The shell's view of a gateway.
    pub(crate) fn new(supervised: Supervised, log_file: PathBuf) -> Self {
        Self { supervised, log_file }
    }

    /// The supervised gateway, which may be restarting.
    pub(crate) fn supervised(&self) -> &Supervised {
        &self.supervised
    }

    /// Where the log is.
    pub(crate) fn log_file(&self) -> &std::path::Path {
        &self.log_file
    }

    /// The person's place at the gateway that serves now.
    ///
    /// # Errors
    /// A sentence why there is none.
    pub(crate) fn desktop(&self) -> Result<DesktopAuthority, String> {
        let desktop = self.supervised.host().and_then(|host| host.desktop());
        desktop.ok_or_else(|| match &*self.supervised.states().borrow() {
            SupervisedState::Failed { reason } => reason.clone(),
            SupervisedState::BackingOff { reason, .. } => {
                format!("The gateway failed and starts again in a moment: {reason}")
            }
            SupervisedState::Stopping | SupervisedState::Stopped => "Tidegate is stopping.".to_owned(),
            SupervisedState::Starting | SupervisedState::Ready { .. } => "Tidegate is starting.".to_owned(),
        })
    }

    /// What agents do now.
    pub(crate) fn work(&self) -> Work {
        let Some(host) = self.supervised.host() else {
            // Commands may outlive a gateway that fails, so that no program's press counts.
            return Work { has_commands_beyond_contained: true, ..Work::default() };
        };
        let (runtime, status) = (host.runtime(), host.gateway().status());
        let running = runtime.active().into_iter();
        let running = running.map(|run| run.label.unwrap_or_else(|| run.session.to_string())).collect();
        Work {
            is_paused: runtime.is_paused(),
            running,
            has_commands_beyond_contained: host.has_commands_beyond_contained(),
            unasked: status.unasked,
            asks_everything: status.ask_everything,
        }
    }

    /// What waits now, with the names of the sessions that ask.
    pub(crate) async fn queue(&self, desktop: &DesktopAuthority) -> Queue {
        let (requests, commands, settings) = (desktop.requests(), desktop.commands(), desktop.settings());
        let names = match self.supervised.host() {
            Some(host) => session_names::of(&host, &commands).await,
            None => BTreeMap::new(),
        };
        Queue { requests, commands, settings, names }
    }

    /// Tries a model server's key and keeps it.
    ///
    /// # Errors
    /// A sentence for the person.
    pub(crate) async fn keep_model_key(&self, id: &str, base_url: &str, key: &Secret) -> Result<(), String> {
        let host = self.supervised.host().ok_or("Tidegate is starting. Try again in a moment.")?;
        host.keep_model_key(id, base_url, key.reveal()).await
    }

    /// The lines that aim OpenClaw's command line at the gateway.
    ///
    /// # Errors
    /// A sentence for the person.
    pub(crate) async fn connection_lines(&self) -> Result<String, String> {
        let answer = ask(self.desktop()?.open_window(), Method::TidegateConnect).await;
        let lines = answer.as_ref().and_then(|answer| answer["lines"].as_array());
        let lines = lines.ok_or("The gateway did not say how to reach it. Try again.")?;
        let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
        Ok(format!("{}\n", lines.join("\n")))
    }
}

/// How the gateway is, in the controller's words; `None` when it has ended for good. `free_port`: what
/// it could have instead of a port that is taken.
pub(crate) fn state(state: &SupervisedState, free_port: Option<u16>) -> Option<HostState> {
    Some(match state {
        SupervisedState::Starting => HostState::Starting,
        SupervisedState::Ready { port, degraded, .. } => {
            HostState::Ready { port: *port, degraded: degraded.clone() }
        }
        SupervisedState::BackingOff { pause, reason } => {
            HostState::BackingOff { pause: *pause, reason: reason.clone() }
        }
        SupervisedState::Failed { reason } => match free_port {
            Some(free) => HostState::PortTaken { reason: reason.clone(), free },
            None => HostState::Failed(reason.clone()),
        },
        SupervisedState::Stopping => HostState::Stopping,
        SupervisedState::Stopped => return None,
    })
}

/// A dialog request, in the controller's types.
pub(crate) fn dialog_request(request: GatewayRequest) -> DialogRequest {
    match request {
        GatewayRequest::Review(id) => DialogRequest::Review(id),
        GatewayRequest::NewToken { name, level, pairing } => DialogRequest::NewToken { name, level, pairing },
        GatewayRequest::ModelKey { id, base_url } => DialogRequest::ModelKey { id, base_url },
        GatewayRequest::Unblock { id, name } => DialogRequest::Unblock { id, name },
        GatewayRequest::TakeServer(FoundServer { model, owner, user, address }) => {
            DialogRequest::TakeServer { model, owner, user, address }
        }
        GatewayRequest::UsePermissions => DialogRequest::UsePermissions,
        GatewayRequest::KeepFile(details) => DialogRequest::KeepFile(Box::new(file_to_keep(*details))),
        GatewayRequest::Unshare(SharedFolder { folder, files, bytes, places, .. }) => {
            DialogRequest::Unshare(FolderToUnshare { folder, files, bytes, places })
        }
        GatewayRequest::ChooseWorkspace { shown, by_client } => {
            DialogRequest::ChooseWorkspace(Box::new(workspace_to_choose(*shown, by_client)))
        }
        GatewayRequest::PickWorkspace { key: session, label, present } => {
            DialogRequest::PickWorkspace { session, label, present }
        }
    }
}

fn workspace_to_choose(shown: SessionWorkspaceResult, by_client: bool) -> WorkspaceToChoose {
    let SessionWorkspaceResult { key: session, label, folder, is_default, before, digest, .. } = shown;
    let (shared_files, shared_places) = (shown.shared_files, shown.shared_places);
    WorkspaceToChoose {
        session,
        label,
        folder,
        is_default,
        before,
        shared_files,
        shared_places,
        digest,
        by_client,
    }
}

fn file_to_keep(details: SetAsideFileDetails) -> FileToKeep {
    let SetAsideFileDetails { file, digest, content, cut, .. } = details;
    let SetAsideFile { id, path, workspace, reason, effect, target, .. } = file;
    let content = match (content, target) {
        (Some(text), _) => FileContent::Text { text, is_cut: cut },
        (None, Some(target)) => FileContent::Link(target),
        (None, None) => FileContent::Binary,
    };
    FileToKeep { id, digest, path, workspace, reason, effect, content }
}

/// Asks one thing on a connection of a window.
async fn ask(mut connection: ChannelClient, method: Method) -> Option<Value> {
    const ID: &str = "1";
    let request = json!({ "type": "req", "id": ID, "method": method.name(), "params": {} });
    connection.send(request.to_string()).await.ok()?;
    while let ClientReceived::Text(text) = connection.receive().await {
        let frame: Value = serde_json::from_slice(&text).ok()?;
        if frame["type"] == "res" && frame["id"] == ID {
            return frame.get("payload").cloned();
        }
    }
    None
}
