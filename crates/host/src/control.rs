//! What the host answers on the local socket, and to reads of its own state.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_agent::Runtime;
use tidegate_agent::model::{ModelDirectory as _, ModelName};
use tidegate_gateway::gateway::BoxFuture;
use tidegate_gateway::{Gateway, Host};
use tidegate_peers::orphans::Orphan;
use tidegate_protocol::params::{ListOptions, LogsTail};
use tidegate_protocol::payload::files::{SetAsideFileDetails, SharedFolder};
use tidegate_protocol::payload::surface_params::{TakeServer, UnshareFolder};
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_protocol::{ErrorShape, Method, text};
use tidegate_secrets::{Kept, SecretName, SecretState, SecretStore, SecretText};
use tidegate_store::Store;
use tidegate_tools::{Launcher, Sandboxes};
use tidegate_trust::settings::{Setting, ShownSetting};
use tidegate_trust::token::Token;
use tokio_util::sync::CancellationToken;

use crate::boot::store::StoreCondition;
use crate::config::{self, Loaded};
use crate::models::{Models, NewProvider, NotChosen};
use crate::private_files::Repairs;
use crate::workspaces::Workspaces;
use crate::{conditions, doctor, log_tail, sandbox, selftest, set_aside, shared_files};

/// The keyring's record of the shared token.
const SHARED_TOKEN: &str = "shared-token";

/// Why there is no local socket.
#[derive(Debug, Clone)]
pub(crate) struct NoLocalSocket {
    pub(crate) sentence: String,
    /// What to do, where the sentence does not say it itself.
    pub(crate) todo: Option<&'static str>,
}

/// Why there is no local socket; `None` when there is one.
pub(crate) type LocalSocketState = Arc<Mutex<Option<NoLocalSocket>>>;

/// What the host knows of itself. The parts that need the gateway are set once it is built.
pub(crate) struct Control {
    pub(crate) version: &'static str,
    pub(crate) state_dir: PathBuf,
    pub(crate) config_path: PathBuf,
    pub(crate) loaded: Loaded,
    pub(crate) store_state: StoreCondition,
    /// The program that runs tools.
    pub(crate) tool_runner: PathBuf,
    /// How commands are started, and the sandboxes in which they run.
    pub(crate) launcher: Launcher,
    pub(crate) sandboxes: Arc<Sandboxes>,
    pub(crate) local_socket: LocalSocketState,
    /// Commands that the process before left, and that were ended at the start.
    pub(crate) orphans: Vec<Orphan>,
    pub(crate) secrets: SecretStore,
    pub(crate) token_from_environment: bool,
    pub(crate) models: Models,
    pub(crate) workspaces: Arc<Workspaces>,
    pub(crate) repairs: Arc<Repairs>,
    pub(crate) started: Instant,
    pub(crate) stop: CancellationToken,
    pub(crate) parts: OnceLock<Parts>,
    /// Held while what counts of the configuration file is applied, so that what was decided last is
    /// applied last.
    pub(crate) applying: tokio::sync::Mutex<()>,
    /// Whether our own key is the keyring's, in a sentence.
    pub(crate) own_key: Arc<OnceLock<String>>,
}

/// What exists once everything is built.
pub(crate) struct Parts {
    pub(crate) gateway: Gateway,
    pub(crate) runtime: Runtime,
    pub(crate) subagents: tidegate_gateway::SubagentClient,
    pub(crate) store: Store,
    pub(crate) port: u16,
}

impl Control {
    pub(crate) fn parts(&self) -> Result<&Parts, ErrorShape> {
        self.parts.get().ok_or_else(|| ErrorShape::unavailable("Tidegate is starting"))
    }

    /// What the configuration file proposes, and what became of it.
    pub(crate) fn settings(&self) -> Vec<ShownSetting> {
        self.parts.get().map(|parts| parts.gateway.settings()).unwrap_or_default()
    }

    async fn answer(&self, method: Method, params: Value) -> Result<Value, ErrorShape> {
        match method {
            Method::TidegateStatus => self.status().await,
            Method::TidegateDoctor => Ok(doctor::checks(self).await),
            Method::TidegateTokenShow => self.show_token().await,
            Method::TidegateModelsAdd => {
                let new: NewProvider = parse(method, params)?;
                let note = self.models.add(new).await.map_err(ErrorShape::invalid)?;
                Ok(json!({ "ok": true, "note": note }))
            }
            Method::TidegateModelsUse => {
                let chosen =
                    model_name(method, params)?.ok_or_else(|| ErrorShape::invalid("give a model"))?;
                let note = self.models.choose(&chosen).await.map_err(not_chosen)?;
                Ok(json!({ "ok": true, "model": chosen.to_string(), "note": note }))
            }
            Method::TidegateModelsTake => {
                let TakeServer { model, owner } = parse(method, params)?;
                let name = parse_model_name(&model)?;
                let owner = owner.ok_or_else(|| {
                    ErrorShape::invalid("give `owner`: who runs the server, as `tidegate.models.use` told it")
                })?;
                let note = self.models.take(&name, &owner).await.map_err(ErrorShape::invalid)?;
                Ok(json!({ "ok": true, "model": name.to_string(), "note": note }))
            }
            Method::TidegateModelsTest => {
                let name = match model_name(method, params)? {
                    Some(name) => name,
                    None => self.models.directory.default_model().await.name(),
                };
                match self.models.directory.test(&name).await {
                    Ok(report) => Ok(json!({
                        "ok": true,
                        "model": report.name.to_string(),
                        "firstByteMs": u64::try_from(report.first_piece.as_millis()).unwrap_or(u64::MAX),
                        "totalMs": u64::try_from(report.total.as_millis()).unwrap_or(u64::MAX),
                        "text": report.text,
                    })),
                    Err(error) => {
                        Ok(json!({ "ok": false, "model": name.to_string(), "error": error.to_string() }))
                    }
                }
            }
            Method::TidegateFilesList
            | Method::TidegateFilesShow
            | Method::TidegateFilesKeep
            | Method::TidegateFilesDiscard => {
                set_aside::answer(self.sandboxes.set_aside(), method, params).await
            }
            Method::TidegateFilesUnshare => {
                let UnshareFolder { folder, apply } = parse(method, params)?;
                shared_files::answer(&self.sandboxes, folder, apply).await.map(|folder| json!(folder))
            }
            Method::TidegateSelfTest => Ok(selftest::run(self.parts()?).await),
            Method::TidegateStop => {
                self.stop.cancel();
                Ok(json!({ "stopping": true }))
            }
            Method::ModelsList => {
                let _: ListOptions = parse(method, params)?;
                self.list_models().await
            }
            Method::ConfigGet => Ok(config::config_get(&self.config_path, &self.loaded, &self.settings())),
            Method::TidegateConfigList => Ok(json!({
                "path": self.config_path.display().to_string(),
                "refused": self.loaded.policy.refused.iter().map(|refused| json!({
                    "key": refused.path, "reason": refused.reason,
                })).collect::<Vec<_>>(),
            })),
            Method::LogsTail => {
                let params: LogsTail = parse(method, params)?;
                let file = crate::log::file(&self.state_dir);
                let read = tokio::task::spawn_blocking(move || log_tail::tail(&file, &params)).await;
                read.map_err(|error| ErrorShape::unavailable(error.to_string()))?
            }
            _ => Err(ErrorShape::invalid(format!("unknown method: {}", method.name()))),
        }
    }

    async fn status(&self) -> Result<Value, ErrorShape> {
        let parts = self.parts()?;
        let secrets = self.secrets.state();
        let default = self.models.directory.default_model().await.name();
        let active: Vec<Value> = parts
            .runtime
            .active()
            .into_iter()
            .map(|run| {
                json!({
                    "runId": run.run, "sessionKey": run.session, "parent": run.parent, "label": run.label,
                    "since": run.since, "activity": format!("{:?}", run.activity).to_lowercase(),
                })
            })
            .collect();
        Ok(json!({
            "version": self.version,
            "pid": std::process::id(),
            "stateDir": self.state_dir.display().to_string(),
            "port": parts.port,
            "url": format!("ws://127.0.0.1:{}", parts.port),
            "uptimeMs": u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "gateway": parts.gateway.status(),
            "secrets": { "state": secret_state_name(secrets), "sentence": secrets.sentence() },
            "ownKey": self.own_key.get(),
            "store": { "state": self.store_state.state, "sentence": self.store_state.sentence },
            "models": { "default": default.to_string(), "offline": default.provider == "offline" },
            "sandbox": sandbox::status(&self.sandboxes, &self.launcher).await,
            "paused": parts.runtime.is_paused(),
            "degraded": conditions::degraded(self, &parts.store),
            "active": active,
            "setAsideFiles": set_aside::count(self.sandboxes.set_aside()).await,
        }))
    }

    async fn list_models(&self) -> Result<Value, ErrorShape> {
        let found = self.models.directory.found().await;
        let models = self.models.directory.list().await;
        let mut models: Vec<Value> = models
            .into_iter()
            .map(|entry| {
                json!({
                    "id": entry.name.model,
                    "name": if entry.is_offline { "Offline demo".to_owned() } else { entry.name.model.clone() },
                    "provider": entry.name.provider,
                    "contextWindow": entry.context_window,
                    "reasoning": false,
                    "available": true,
                    "tags": if entry.is_default { vec!["default"] } else { Vec::new() },
                })
            })
            .collect();
        // They are shown, so that the person can take them into use.
        for found in found.iter().filter(|found| !found.is_in_use) {
            models.extend(found.server.chat_models().map(|model| {
                json!({
                    "id": model,
                    "name": model,
                    "provider": found.server.kind.provider_id(),
                    "contextWindow": null,
                    "reasoning": false,
                    "available": false,
                    "tags": ["found"],
                })
            }));
        }
        Ok(json!({ "models": models }))
    }

    async fn show_token(&self) -> Result<Value, ErrorShape> {
        if self.token_from_environment {
            return Ok(json!({
                "source": "environment",
                "sentence": "The shared token comes from TIDEGATE_TOKEN or OPENCLAW_GATEWAY_TOKEN, where you can read it.",
            }));
        }
        let kept = match shared_token_name() {
            Ok(name) => self.secrets.read(&name).await.ok().flatten(),
            Err(_) => None,
        };
        Ok(match kept {
            Some(token) => json!({ "token": token.expose(), "source": "keyring" }),
            None => json!({
                "source": "none",
                "sentence": "Tidegate keeps only the token's hash, and the keyring does not have it, so it cannot \
                             be shown again. `tidegate token rotate` makes a new one.",
            }),
        })
    }
}

impl Host for Control {
    fn call(&self, method: Method, params: Value) -> BoxFuture<'_, Result<Value, ErrorShape>> {
        Box::pin(self.answer(method, params))
    }

    fn keep_shared_token<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(keep_shared_token(&self.secrets, token))
    }

    fn found_server<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<FoundServer, ErrorShape>> {
        Box::pin(async move {
            let name = parse_model_name(model)?;
            self.models.found_server(&name).await.map_err(ErrorShape::invalid)
        })
    }

    fn set_aside_file<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<SetAsideFileDetails, ErrorShape>> {
        Box::pin(set_aside::show(self.sandboxes.set_aside(), id.to_owned()))
    }

    fn shared_folder<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<SharedFolder, ErrorShape>> {
        Box::pin(shared_files::answer(&self.sandboxes, folder.to_owned(), false))
    }

    fn settings_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(parts) = self.parts.get() else { return };
            // The values are read under it: they may change while one waits.
            let _applying = self.applying.lock().await;
            let workspace = self.workspaces.choose(parts.gateway.confirmed_value(Setting::Workspace)).await;
            parts.runtime.set_workspace(workspace);
            let model = self.loaded.config.default_model(parts.gateway.confirmed_value(Setting::Model));
            self.models.set_configured_default(model).await;
        })
    }
}

/// Keeps the shared token where `tidegate token` can show it again, if there is such a place.
pub(crate) async fn keep_shared_token(secrets: &SecretStore, token: &Token) {
    let kept = match shared_token_name() {
        Ok(name) => secrets.write(&name, SecretText::new(token.reveal().to_owned())).await,
        Err(_) => return,
    };
    match kept {
        Ok(Kept::Keyring) => {}
        Ok(Kept::ThisRunOnly(state)) => {
            tracing::info!(
                keyring = state.sentence(),
                "the shared token can be shown again only until Tidegate stops"
            );
        }
        Err(error) => {
            tracing::info!(%error, "the shared token cannot be shown again: the keyring does not have it")
        }
    }
}

fn shared_token_name() -> Result<SecretName, tidegate_secrets::InvalidName> {
    SHARED_TOKEN.parse()
}

/// The state's name on the wire.
pub(crate) fn secret_state_name(state: SecretState) -> String {
    format!("{state:?}").to_lowercase()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelParam {
    #[serde(default)]
    model: Option<String>,
}

fn model_name(method: Method, params: Value) -> Result<Option<ModelName>, ErrorShape> {
    let params: ModelParam = parse(method, params)?;
    params.model.map(|name| parse_model_name(&name)).transpose()
}

fn parse_model_name(name: &str) -> Result<ModelName, ErrorShape> {
    ModelName::parse(name).ok_or_else(|| {
        let shown = text::one_line(name, 128);
        ErrorShape::invalid(format!("{shown:?} is not a model name; write provider/model"))
    })
}

fn not_chosen(error: NotChosen) -> ErrorShape {
    match error {
        NotChosen::Refused(sentence) => ErrorShape::invalid(sentence),
        NotChosen::NotInUse(server) => ErrorShape::invalid(format!(
            "the server of {} was found on this computer and is not in use: {} listens on {}; \
             tidegate.models.take takes it into use",
            text::one_line(&server.model, 128),
            server.owner,
            server.address
        ))
        .with_details(json!({ "reason": "SERVER_NOT_IN_USE", "server": server })),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(method: Method, params: Value) -> Result<T, ErrorShape> {
    serde_json::from_value(params)
        .map_err(|error| ErrorShape::invalid(format!("invalid {} params: {error}", method.name())))
}
