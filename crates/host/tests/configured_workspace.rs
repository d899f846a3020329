//! A configuration file moves neither agents into another folder nor conversations to another model
//! until a person has confirmed exactly what it says, and some folders never.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_host::RunningHost;
use tidegate_transport::ClientReceived;
use tidegate_trust::settings::{Setting, ShownSetting};

use support::Tokens;

struct Place {
    root: TempDir,
    real: PathBuf,
    tokens: Tokens,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        fs::create_dir(real.join("state")).unwrap();
        Self { root, real, tokens: Tokens::default() }
    }

    fn configure(&self, defaults: Value) {
        let text = json!({ "agents": { "defaults": defaults } }).to_string();
        fs::write(self.root.path().join("state/openclaw.json"), text).unwrap();
    }

    async fn start(&self) -> RunningHost {
        tidegate_host::start(self.tokens.options(&self.real.join("state"))).await.expect("it starts")
    }

    fn own(&self) -> PathBuf {
        self.real.join("state-workspace")
    }
}

fn waiting(host: &RunningHost) -> Vec<ShownSetting> {
    host.desktop().expect("a desktop runs").settings()
}

/// What a window is answered.
async fn ask(host: &RunningHost, method: &str) -> Value {
    let mut window = host.desktop().expect("a desktop runs").open_window();
    let request = json!({ "type": "req", "id": "1", "method": method, "params": {} });
    window.send(request.to_string()).await.unwrap();
    loop {
        let ClientReceived::Text(text) = window.receive().await else { panic!("it was closed") };
        let frame: Value = serde_json::from_slice(&text).unwrap();
        if frame["type"] == "res" {
            assert_eq!(frame["ok"], true, "{frame}");
            return frame["payload"].clone();
        }
    }
}

fn value(shown: &ShownSetting) -> Vec<&str> {
    shown.proposed.value.iter().map(tidegate_trust::settings::ValuePart::as_str).collect()
}

async fn confirm(host: &RunningHost, setting: Setting) {
    let shown = waiting(host).into_iter().find(|shown| shown.proposed.setting == setting).expect("it waits");
    host.desktop().unwrap().confirm_setting(setting, &shown.proposed.digest()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_counts_from_its_confirmation_until_it_is_taken_back_or_leads_elsewhere() {
    let place = Place::new();
    let (project, link) = (place.real.join("project"), place.real.join("link"));
    fs::create_dir(&project).unwrap();
    std::os::unix::fs::symlink(&project, &link).unwrap();
    place.configure(json!({ "workspace": link }));
    let host = place.start().await;
    assert_eq!(host.runtime().workspace(), place.own(), "a file alone moves nobody");
    assert_eq!(value(&waiting(&host)[0]), [project.to_str().unwrap()], "the real folder is shown");

    confirm(&host, Setting::Workspace).await;

    assert_eq!(host.runtime().workspace(), project, "at once");
    host.stop().await;
    let host = place.start().await;
    assert_eq!(host.runtime().workspace(), project, "after a restart too");
    let rejected = host.gateway().settings()[0].proposed.digest();
    host.desktop().unwrap().reject_setting(Setting::Workspace, &rejected).await.unwrap();
    assert_eq!(host.runtime().workspace(), place.own(), "taken back");
    host.stop().await;

    let other = place.real.join("other");
    fs::create_dir(&other).unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    let host = place.start().await;
    assert_eq!(host.runtime().workspace(), place.own());
    assert_eq!(value(&waiting(&host)[0]), [other.to_str().unwrap()], "another folder asks again");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_folder_that_vanished_is_made_and_one_that_cannot_be_used_is_said() {
    let place = Place::new();
    let project = place.real.join("project");
    place.configure(json!({ "workspace": project }));
    let host = place.start().await;
    assert!(!project.exists(), "nothing is made before");
    confirm(&host, Setting::Workspace).await;
    assert!(project.is_dir());
    host.stop().await;
    fs::remove_dir(&project).unwrap();
    fs::write(&project, "a file").unwrap();

    let host = place.start().await;

    assert_eq!(host.runtime().workspace(), place.own());
    assert!(waiting(&host).is_empty(), "a file cannot be confirmed");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_holds_what_decides_or_starts_is_refused() {
    let place = Place::new();
    let home = std::env::home_dir().expect("a home directory");
    let program = std::env::current_exe().unwrap();
    let to_home = place.real.join("to-home");
    std::os::unix::fs::symlink(&home, &to_home).unwrap();
    let folders: [(&Path, &str); 5] = [
        (&home, "home directory"),
        (&to_home, "home directory"),
        (Path::new("/"), "home directory"),
        (&place.real, "state"),
        (program.parent().unwrap(), "program"),
    ];
    for (folder, reason) in folders {
        place.configure(json!({ "workspace": folder }));

        let host = place.start().await;

        assert_eq!(host.runtime().workspace(), place.own(), "{}", folder.display());
        assert!(waiting(&host).is_empty(), "{} cannot be confirmed", folder.display());
        assert!(host.gateway().settings().is_empty());
        let list = ask(&host, "tidegate.config.list").await;
        assert_eq!(list["refused"][0]["key"], "agents.defaults.workspace");
        let why = list["refused"][0]["reason"].as_str().unwrap();
        assert!(why.contains(reason) && why.ends_with('.'), "{}: {why}", folder.display());
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_counts_from_its_confirmation_and_the_built_in_one_at_once() {
    let place = Place::new();
    place.configure(json!({ "model": { "primary": "elsewhere/model" } }));
    let host = place.start().await;
    assert_eq!(ask(&host, "tidegate.status").await["models"]["default"], "offline/demo");

    confirm(&host, Setting::Model).await;

    assert_eq!(ask(&host, "tidegate.status").await["models"]["default"], "elsewhere/model");
    host.stop().await;
    place.configure(json!({ "model": { "primary": "offline/demo" } }));
    let host = place.start().await;
    assert!(host.gateway().settings().is_empty(), "it sends nothing anywhere");
    assert_eq!(ask(&host, "tidegate.status").await["models"]["default"], "offline/demo");
    host.stop().await;
}

/// A rejection comes while a confirmation is still being applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_during_a_confirmation_counts_as_the_last_word() {
    let place = Place::new();
    let project = place.real.join("project");
    fs::create_dir(&project).unwrap();
    place.configure(json!({ "workspace": project }));
    let host = place.start().await;
    let digest = waiting(&host)[0].proposed.digest();

    for _ in 0..200 {
        let confirming = tokio::spawn({
            let (desktop, digest) = (host.desktop().unwrap(), digest.clone());
            async move { desktop.confirm_setting(Setting::Workspace, &digest).await }
        });
        while host.gateway().confirmed_value(Setting::Workspace).is_none() {
            tokio::task::yield_now().await;
        }
        host.desktop().unwrap().reject_setting(Setting::Workspace, &digest).await.unwrap();
        confirming.await.unwrap().unwrap();

        assert_eq!(host.gateway().confirmed_value(Setting::Workspace), None);
        assert_eq!(host.runtime().workspace(), place.own());
    }
    host.stop().await;
}
