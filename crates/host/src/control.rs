//! What the host answers on the local socket, and to reads of its own state.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::json;
use tidegate_access::TrustService;
use tidegate_agent::Runtime;
use tidegate_agent::model::{ModelDirectory as _, ModelName};
use tidegate_gateway::host::HostAnswer;
use tidegate_gateway::{CurrentGateway, Host};
use tidegate_peers::orphans::Orphan;
use tidegate_protocol::params::LogsTail;
use tidegate_protocol::payload::agents::{ModelListEntry, ModelsListResult};
use tidegate_protocol::payload::files::{
    FileDecidedResult, FilesListResult, SetAsideFileDetails, SharedFolder,
};
use tidegate_protocol::payload::surface_params::{AddProvider, KeepFile, ModelChoice, TakeServer};
use tidegate_protocol::payload::surfaces::{
    ActiveRun, Condition, ConfigListResult, DoctorResult, FoundServer, ModelsAddResult, ModelsStatus,
    ModelsTestResult, ModelsUseResult, RefusedValue, SelfTestResult, SharedTokenResult, TidegateStatusResult,
};
use tidegate_protocol::payload::system::{ConfigGetResult, LogsTailResult};
use tidegate_protocol::{ErrorShape, text};
use tidegate_secrets::{Kept, SecretName, SecretState, SecretStore, SecretText};
use tidegate_store::Store;
use tidegate_tools::{Launcher, Sandboxes, UnshareError};
use tidegate_trust::settings::{Setting, ShownSetting};
use tidegate_trust::token::Token;
use tokio_util::sync::CancellationToken;

use crate::boot::store::StoreCondition;
use crate::bounded::answered;
use crate::config::{self, Loaded};
use crate::models::{Models, NotChosen};
use crate::private_files::Repairs;
use crate::workspaces::Workspaces;
use crate::{conditions, doctor, log_tail, sandbox, selftest, set_aside};

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

/// What the host knows of itself.
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
    pub(crate) trust: TrustService,
    pub(crate) parts: OnceLock<Parts>,
    /// Held while what counts of the configuration file is applied, so that what was decided last is
    /// applied last.
    pub(crate) applying: tokio::sync::Mutex<()>,
    /// Whether our own key is the keyring's, in a sentence.
    pub(crate) own_key: Arc<OnceLock<String>>,
}

/// What exists once everything is built.
pub(crate) struct Parts {
    pub(crate) gateway: CurrentGateway,
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
        self.trust.authority().settings()
    }

    fn confirmed_value(&self, setting: Setting) -> Option<String> {
        self.trust.authority().confirmed_value(setting)
    }

    async fn whole_status(&self) -> Result<TidegateStatusResult, ErrorShape> {
        let parts = self.parts()?;
        let gateway = parts.gateway.get();
        let gateway = gateway.ok_or_else(|| ErrorShape::unavailable("the gateway is restarting"))?;
        let secrets = self.secrets.state();
        let default = self.models.directory.default_model().await.name();
        let active = parts.runtime.active().into_iter().map(|run| ActiveRun {
            run_id: run.run,
            session_key: run.session,
            parent: run.parent,
            label: run.label,
            since: run.since,
            activity: run.activity,
        });
        Ok(TidegateStatusResult {
            version: self.version.to_owned(),
            pid: std::process::id(),
            state_dir: self.state_dir.display().to_string(),
            port: parts.port,
            url: format!("ws://127.0.0.1:{}", parts.port),
            uptime_ms: millis(self.started.elapsed()),
            gateway: gateway.status(),
            secrets: Condition { state: secret_state_name(secrets), sentence: secrets.sentence().to_owned() },
            own_key: self.own_key.get().cloned(),
            store: Condition {
                state: self.store_state.state.to_owned(),
                sentence: self.store_state.sentence.clone(),
            },
            models: ModelsStatus { default: default.to_string(), offline: default.provider == "offline" },
            sandbox: sandbox::status(&self.sandboxes, &self.launcher).await,
            paused: parts.runtime.is_paused(),
            degraded: conditions::degraded(self, &parts.store),
            active: active.collect(),
            set_aside_files: set_aside::count(self.sandboxes.set_aside()).await,
            desktop: None,
        })
    }

    async fn list_models(&self) -> ModelsListResult {
        self.models.renew_lists().await;
        let found = self.models.directory.found().await;
        let listed = self.models.directory.list().await.into_iter().map(|entry| ModelListEntry {
            name: if entry.is_offline { "Offline demo".to_owned() } else { entry.name.model.clone() },
            id: entry.name.model,
            provider: entry.name.provider,
            context_window: entry.context_window,
            reasoning: false,
            available: true,
            tags: entry.is_default.then(|| "default".to_owned()).into_iter().collect(),
        });
        let mut models: Vec<ModelListEntry> = listed.collect();
        // They are shown, so that the person can take them into use.
        for found in found.iter().filter(|found| !found.is_in_use) {
            models.extend(found.server.chat_models().map(|model| ModelListEntry {
                id: model.to_owned(),
                name: model.to_owned(),
                provider: found.server.kind.provider_id().to_owned(),
                context_window: None,
                reasoning: false,
                available: false,
                tags: vec!["found".to_owned()],
            }));
        }
        ModelsListResult { models }
    }

    async fn show_token(&self) -> SharedTokenResult {
        let missing = |source: &str, sentence: &str| SharedTokenResult {
            token: None,
            source: source.to_owned(),
            sentence: Some(sentence.to_owned()),
        };
        if self.token_from_environment {
            return missing(
                "environment",
                "The shared token comes from TIDEGATE_TOKEN or OPENCLAW_GATEWAY_TOKEN, where you can read it.",
            );
        }
        let kept = match shared_token_name() {
            Ok(name) => self.secrets.read(&name).await.ok().flatten(),
            Err(_) => None,
        };
        match kept {
            Some(token) => SharedTokenResult {
                token: Some(token.expose().to_owned()),
                source: "keyring".to_owned(),
                sentence: None,
            },
            None => missing(
                "none",
                "Tidegate keeps only the token's hash, and the keyring does not have it, so it cannot \
                 be shown again. `tidegate token rotate` makes a new one.",
            ),
        }
    }

    async fn choose_model(&self, choice: ModelChoice) -> Result<ModelsUseResult, ErrorShape> {
        let chosen = named(&choice)?.ok_or_else(|| ErrorShape::invalid("give a model"))?;
        let note = self.models.choose(&chosen).await.map_err(not_chosen)?;
        Ok(ModelsUseResult { ok: true, model: chosen.to_string(), note })
    }

    async fn take(&self, server: TakeServer) -> Result<ModelsUseResult, ErrorShape> {
        let name = parse_model_name(&server.model)?;
        let owner = server.owner.ok_or_else(|| {
            ErrorShape::invalid("give `owner`: who runs the server, as `tidegate.models.use` told it")
        })?;
        let note = self.models.take(&name, &owner).await.map_err(ErrorShape::invalid)?;
        Ok(ModelsUseResult { ok: true, model: name.to_string(), note: Some(note) })
    }

    async fn ask_model(&self, choice: ModelChoice) -> Result<ModelsTestResult, ErrorShape> {
        let name = match named(&choice)? {
            Some(name) => name,
            None => self.models.directory.default_model().await.name(),
        };
        Ok(match self.models.directory.test(&name).await {
            Ok(report) => ModelsTestResult {
                first_byte_ms: Some(millis(report.first_piece)),
                total_ms: Some(millis(report.total)),
                text: Some(report.text),
                ..ModelsTestResult::new(true, report.name.to_string())
            },
            Err(error) => ModelsTestResult {
                error: Some(error.to_string()),
                ..ModelsTestResult::new(false, name.to_string())
            },
        })
    }
}

impl Host for Control {
    fn status(&self) -> HostAnswer<'_, TidegateStatusResult> {
        Box::pin(self.whole_status())
    }

    fn checks(&self) -> BoxFuture<'_, DoctorResult> {
        Box::pin(doctor::checks(self))
    }

    fn self_test(&self) -> HostAnswer<'_, SelfTestResult> {
        Box::pin(async { Ok(selftest::run(self.parts()?).await) })
    }

    fn stop(&self) {
        self.stop.cancel();
    }

    fn shared_token(&self) -> BoxFuture<'_, SharedTokenResult> {
        Box::pin(self.show_token())
    }

    fn keep_shared_token<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(keep_shared_token(&self.secrets, token))
    }

    fn models(&self) -> HostAnswer<'_, ModelsListResult> {
        Box::pin(async { Ok(self.list_models().await) })
    }

    fn add_provider(&self, provider: AddProvider) -> HostAnswer<'_, ModelsAddResult> {
        Box::pin(async {
            let note = self.models.add(provider).await.map_err(ErrorShape::invalid)?;
            Ok(ModelsAddResult { ok: true, note })
        })
    }

    fn use_model(&self, choice: ModelChoice) -> HostAnswer<'_, ModelsUseResult> {
        Box::pin(self.choose_model(choice))
    }

    fn take_server(&self, server: TakeServer) -> HostAnswer<'_, ModelsUseResult> {
        Box::pin(self.take(server))
    }

    fn test_model(&self, choice: ModelChoice) -> HostAnswer<'_, ModelsTestResult> {
        Box::pin(self.ask_model(choice))
    }

    fn found_server<'a>(&'a self, model: &'a str) -> HostAnswer<'a, FoundServer> {
        Box::pin(async move {
            let name = parse_model_name(model)?;
            self.models.found_server(&name).await.map_err(ErrorShape::invalid)
        })
    }

    fn config(&self) -> ConfigGetResult {
        config::config_get(&self.config_path, &self.loaded, &self.settings())
    }

    fn config_file(&self) -> ConfigListResult {
        let refused = self.loaded.policy.refused.iter().map(|refused| RefusedValue {
            key: refused.path.to_string(),
            reason: refused.reason.to_string(),
        });
        ConfigListResult {
            path: self.config_path.display().to_string(),
            settings: Vec::new(),
            refused: refused.collect(),
        }
    }

    fn log_tail(&self, params: LogsTail) -> HostAnswer<'_, LogsTailResult> {
        Box::pin(async move {
            let file = crate::log::file(&self.state_dir);
            let read = tokio::task::spawn_blocking(move || log_tail::tail(&file, &params)).await;
            read.map_err(|error| ErrorShape::unavailable(error.to_string()))?
        })
    }

    fn set_aside_files(&self) -> HostAnswer<'_, FilesListResult> {
        Box::pin(set_aside::list(self.sandboxes.set_aside()))
    }

    fn set_aside_file<'a>(&'a self, id: &'a str) -> HostAnswer<'a, SetAsideFileDetails> {
        Box::pin(set_aside::show(self.sandboxes.set_aside(), id.to_owned()))
    }

    fn keep_file(&self, file: KeepFile) -> HostAnswer<'_, FileDecidedResult> {
        Box::pin(set_aside::keep(self.sandboxes.set_aside(), file))
    }

    fn shared_folder<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder> {
        let folder = folder.to_owned();
        Box::pin(answered(&self.sandboxes, UnshareError::may_pass, move |it| it.shared_folder(&folder)))
    }

    fn unshare<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder> {
        let folder = folder.to_owned();
        Box::pin(answered(&self.sandboxes, UnshareError::may_pass, move |it| it.unshare(&folder)))
    }

    fn discard_file(&self, id: String) -> HostAnswer<'_, FileDecidedResult> {
        Box::pin(set_aside::discard(self.sandboxes.set_aside(), id))
    }

    fn settings_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(parts) = self.parts.get() else { return };
            // The values are read under it: they may change while one waits.
            let _applying = self.applying.lock().await;
            let workspace = self.workspaces.choose(self.confirmed_value(Setting::Workspace)).await;
            parts.runtime.set_workspace(workspace);
            let model = self.loaded.config.default_model(self.confirmed_value(Setting::Model));
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

fn named(choice: &ModelChoice) -> Result<Option<ModelName>, ErrorShape> {
    choice.model.as_deref().map(parse_model_name).transpose()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
