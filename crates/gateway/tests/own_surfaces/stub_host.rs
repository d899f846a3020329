//! A stand-in for the process around the gateway.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use futures_util::future::BoxFuture;
use serde_json::json;
use tidegate_gateway::Host;
use tidegate_gateway::host::HostAnswer;
use tidegate_protocol::params::LogsTail;
use tidegate_protocol::payload::agents::ModelsListResult;
use tidegate_protocol::payload::files::{
    FileDecidedResult, FilesListResult, SetAsideFileDetails, SharedFolder,
};
use tidegate_protocol::payload::surface_params::{AddProvider, KeepFile, ModelChoice, TakeServer};
use tidegate_protocol::payload::surfaces::{
    Condition, ConfigListResult, DoctorResult, FoundServer, GatewayStatus, ModelsAddResult, ModelsStatus,
    ModelsTestResult, ModelsUseResult, SandboxStatus, SelfTestResult, SharedTokenResult,
    TidegateStatusResult,
};
use tidegate_protocol::payload::system::{ConfigGetResult, LogsTailResult};
use tidegate_protocol::{ErrorShape, Method};
use tidegate_trust::Folder;
use tidegate_trust::token::Token;
use tokio::sync::Semaphore;

use crate::support::{set_aside_file, shared_folder};

/// Remembers which methods of the host were called. It has nothing to tell about most of them.
#[derive(Default)]
pub(crate) struct StubHost {
    pub(crate) called: Mutex<Vec<Method>>,
    /// Whether asking for the configuration panics.
    pub(crate) is_defective: AtomicBool,
    /// Folders by the names that people give them.
    pub(crate) folders: Mutex<HashMap<String, Folder>>,
    pub(crate) agents_write: Mutex<Vec<PathBuf>>,
    /// The log can be read as often as there are permits, where there is one.
    pub(crate) log: OnceLock<Semaphore>,
}

impl StubHost {
    fn note(&self, method: Method) {
        self.called.lock().unwrap().push(method);
    }

    fn nothing<T: Send + 'static>(&self, method: Method) -> HostAnswer<'_, T> {
        self.note(method);
        Box::pin(async { Err(ErrorShape::unavailable("a stand-in knows nothing")) })
    }

    fn decided(&self, method: Method, id: String) -> HostAnswer<'_, FileDecidedResult> {
        self.note(method);
        let kept = method == Method::TidegateFilesKeep;
        let (path, workspace) = (".envrc".to_owned(), "/home/ada".to_owned());
        Box::pin(async move { Ok(FileDecidedResult { id, path, workspace, kept }) })
    }

    fn used(&self, method: Method, model: Option<String>) -> HostAnswer<'_, ModelsUseResult> {
        self.note(method);
        let model = model.unwrap_or_default();
        Box::pin(async { Ok(ModelsUseResult { ok: true, model, note: None }) })
    }
}

impl Host for StubHost {
    fn status(&self) -> HostAnswer<'_, TidegateStatusResult> {
        self.note(Method::TidegateStatus);
        Box::pin(async { Ok(status()) })
    }

    fn checks(&self) -> BoxFuture<'_, DoctorResult> {
        self.note(Method::TidegateDoctor);
        Box::pin(async { DoctorResult { checks: Vec::new() } })
    }

    fn self_test(&self) -> HostAnswer<'_, SelfTestResult> {
        self.nothing(Method::TidegateSelfTest)
    }

    fn stop(&self) {
        self.note(Method::TidegateStop);
    }

    fn shared_token(&self) -> BoxFuture<'_, SharedTokenResult> {
        self.note(Method::TidegateTokenShow);
        Box::pin(async { SharedTokenResult { token: None, source: "none".to_owned(), sentence: None } })
    }

    fn keep_shared_token<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn models(&self) -> HostAnswer<'_, ModelsListResult> {
        self.note(Method::ModelsList);
        Box::pin(async { Ok(ModelsListResult { models: Vec::new() }) })
    }

    fn add_provider(&self, _: AddProvider) -> HostAnswer<'_, ModelsAddResult> {
        self.nothing(Method::TidegateModelsAdd)
    }

    fn use_model(&self, choice: ModelChoice) -> HostAnswer<'_, ModelsUseResult> {
        self.used(Method::TidegateModelsUse, choice.model)
    }

    fn take_server(&self, server: TakeServer) -> HostAnswer<'_, ModelsUseResult> {
        self.used(Method::TidegateModelsTake, Some(server.model))
    }

    fn test_model(&self, _: ModelChoice) -> HostAnswer<'_, ModelsTestResult> {
        self.nothing(Method::TidegateModelsTest)
    }

    fn found_server<'a>(&'a self, model: &'a str) -> HostAnswer<'a, FoundServer> {
        Box::pin(async move {
            Ok(FoundServer {
                model: model.to_owned(),
                owner: "/usr/bin/ollama\n (process 12, user 998)".to_owned(),
                user: "a system account".to_owned(),
                address: "127.0.0.1:11434".to_owned(),
            })
        })
    }

    fn config(&self) -> ConfigGetResult {
        self.note(Method::ConfigGet);
        assert!(!self.is_defective.load(Ordering::Relaxed), "a defect, for a test");
        ConfigGetResult {
            path: "/state/openclaw.json".to_owned(),
            exists: false,
            raw: None,
            parsed: None,
            resolved: None,
            valid: true,
            config: json!({}),
            hash: None,
            issues: Vec::new(),
            warnings: Vec::new(),
            legacy_issues: Vec::new(),
        }
    }

    fn config_file(&self) -> ConfigListResult {
        self.note(Method::TidegateConfigList);
        ConfigListResult { path: String::new(), settings: Vec::new(), refused: Vec::new() }
    }

    fn log_tail(&self, _: LogsTail) -> HostAnswer<'_, LogsTailResult> {
        let nothing = self.nothing(Method::LogsTail);
        Box::pin(async {
            if let Some(log) = self.log.get() {
                log.acquire().await.unwrap().forget();
            }
            nothing.await
        })
    }

    fn set_aside_files(&self) -> HostAnswer<'_, FilesListResult> {
        self.note(Method::TidegateFilesList);
        Box::pin(async { Ok(FilesListResult { files: Vec::new() }) })
    }

    fn set_aside_file<'a>(&'a self, id: &'a str) -> HostAnswer<'a, SetAsideFileDetails> {
        self.note(Method::TidegateFilesShow);
        Box::pin(async move { Ok(set_aside_file(id)) })
    }

    fn keep_file(&self, file: KeepFile) -> HostAnswer<'_, FileDecidedResult> {
        self.decided(Method::TidegateFilesKeep, file.id)
    }

    fn workspace_at<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, Folder> {
        let found = self.folders.lock().unwrap().get(folder).cloned();
        let reason = "/no cannot be the workspace of a session. There is no such folder.";
        Box::pin(async move { found.ok_or_else(|| ErrorShape::invalid(reason)) })
    }

    fn agents_may_write(&self, folder: &Path) {
        self.agents_write.lock().unwrap().push(folder.to_owned());
    }

    fn shared_folder<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder> {
        Box::pin(async move { Ok(shared_folder(folder)) })
    }

    fn unshare<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder> {
        self.note(Method::TidegateFilesUnshare);
        Box::pin(async move { Ok(SharedFolder { unshared: true, ..shared_folder(folder) }) })
    }

    fn discard_file(&self, id: String) -> HostAnswer<'_, FileDecidedResult> {
        self.decided(Method::TidegateFilesDiscard, id)
    }
}

fn status() -> TidegateStatusResult {
    let condition = || Condition { state: "ok".to_owned(), sentence: String::new() };
    TidegateStatusResult {
        version: "1".to_owned(),
        pid: 1,
        state_dir: "/state".to_owned(),
        port: 18_789,
        url: "ws://127.0.0.1:18789".to_owned(),
        uptime_ms: 0,
        gateway: GatewayStatus {
            ready: true,
            connections: 0,
            devices: 0,
            programs: 0,
            tokens: 0,
            blocked: 0,
            waiting_requests: 0,
            waiting_commands: 0,
            waiting_settings: 0,
            own_client: None,
            unasked: 0,
            ask_everything: false,
        },
        secrets: condition(),
        own_key: None,
        store: condition(),
        models: ModelsStatus { default: "offline/demo".to_owned(), offline: true },
        sandbox: SandboxStatus {
            contained: true,
            sentence: String::new(),
            todo: None,
            layers: Vec::new(),
            toolchains: Vec::new(),
        },
        paused: false,
        degraded: Vec::new(),
        active: Vec::new(),
        set_aside_files: 0,
        desktop: None,
    }
}
