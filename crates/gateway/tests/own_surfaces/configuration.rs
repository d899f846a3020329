//! Values of the configuration file that open Tidegate: they count once the person has confirmed what
//! was shown, and nobody else can confirm.

use serde_json::{Value, json};
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_gateway::{DesktopError, DialogRequest};
use tidegate_trust::Level;
use tidegate_trust::decision::Desktop;
use tidegate_trust::settings::Setting;

use crate::support::{Surface, World};

const KEY: &str = "gateway.controlUi.allowedOrigins";
const UI: &str = "https://ui.example";

async fn proposed(surface: &mut Surface) -> Value {
    surface.call("tidegate.config.list", json!({})).await.unwrap()["settings"][0].clone()
}

#[tokio::test]
async fn a_page_is_refused_until_the_dialog_confirmed_its_origin_and_is_a_stranger_then() {
    let world = World::start_proposing(Desktop::Running, &[UI]).await;
    assert!(world.page(UI).await.is_err(), "a file alone lets no page in");
    let desktop = world.desktop();
    let shown = desktop.settings().remove(0);
    let wrong = desktop.confirm_setting(Setting::AllowedOrigins, "another digest").await;
    assert_eq!(wrong, Err(DesktopError::Changed));

    desktop.confirm_setting(Setting::AllowedOrigins, &shown.proposed.digest()).await.unwrap();

    let mut page = world.page(UI).await.expect("at once");
    for other in ["null", "https://ui.example.evil", "http://ui.example", "https://ui.example:8443"] {
        assert!(world.page(other).await.is_err(), "{other}");
    }
    assert!(page.connect(&world.device(1, &["operator.read"])).await.is_err(), "it asks like anyone");
    assert_eq!(desktop.requests().len(), 1);
    assert!(desktop.settings().is_empty());
    let mut window = world.window().await;
    let state = |shown: Value| shown["state"].as_str().unwrap().to_owned();
    assert_eq!(state(proposed(&mut window).await), "confirmed");

    window.call("tidegate.config.reject", json!({ "key": KEY })).await.expect("a window takes away");

    assert!(world.page(UI).await.is_err(), "at once");
    assert_eq!(state(proposed(&mut window).await), "rejected");
}

#[tokio::test]
async fn beside_a_desktop_command_line_and_windows_only_open_the_dialog() {
    let world = World::start_proposing(Desktop::Running, &[UI]).await;
    let mut dialog_requests = world.desktop().dialog_requests().expect("nobody listens yet");
    let id = world.desktop().settings()[0].id();
    for mut surface in [world.command_line().await, world.window().await] {
        let digest = proposed(&mut surface).await["digest"].clone();
        let params = json!({ "key": KEY, "digest": digest });
        let refused = surface.call("tidegate.config.confirm", params.clone()).await.unwrap_err();
        assert_eq!(refused["details"], json!({ "reason": "DESKTOP_DECIDES", "opened": true }));
        assert_eq!(dialog_requests.recv().await, Some(DialogRequest::Review(Some(id.clone()))));

        // A rejected value is asked about again when someone requests its dialog.
        surface.call("tidegate.config.reject", json!({ "key": KEY })).await.unwrap();
        assert!(world.desktop().settings().is_empty());
        surface.call("tidegate.config.confirm", params).await.unwrap_err();
        assert_eq!(dialog_requests.recv().await, Some(DialogRequest::Review(Some(id.clone()))));
        assert_eq!(world.desktop().settings().len(), 1);
        assert!(world.page(UI).await.is_err());
    }
}

#[tokio::test]
async fn where_no_desktop_runs_the_command_line_is_the_persons_place() {
    let world = World::start_proposing(Desktop::Absent, &[UI]).await;
    let mut command_line = world.command_line().await;
    let digest = proposed(&mut command_line).await["digest"].clone();
    for (params, why) in [
        (json!({ "key": KEY }), "'digest'"),
        (json!({ "key": KEY, "digest": "another" }), "changed"),
        (json!({ "key": "gateway.bind", "digest": digest }), "cannot be confirmed"),
    ] {
        let refused = command_line.call("tidegate.config.confirm", params).await.unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains(why), "{refused}");
    }
    assert!(world.page(UI).await.is_err());

    let params = json!({ "key": KEY, "digest": digest });
    command_line.call("tidegate.config.confirm", params.clone()).await.unwrap();

    world.page(UI).await.expect("confirmed");
    assert!(command_line.call("tidegate.config.confirm", params).await.is_err(), "it was decided");
    let audit = command_line.call("tidegate.audit", json!({})).await.unwrap().to_string();
    assert!(audit.contains("setting confirmed") && audit.contains(UI), "{audit}");
}

#[tokio::test]
async fn neither_a_client_with_every_scope_nor_our_own_client_confirms_or_rejects() {
    let world = World::start_proposing(Desktop::Running, &[UI]).await;
    let digest = world.desktop().settings()[0].proposed.digest();
    let scopes = ["operator.admin", "operator.pairing", "operator.approvals"];
    let mut device = world.let_in(1, &scopes).await;
    let token = world.desktop().new_token("mine", Level::Full, true).await.unwrap();
    let mut program = world.connect(&world.program(&scopes).token(token.reveal())).await.unwrap();

    for method in ["tidegate.config.list", "tidegate.config.confirm", "tidegate.config.reject"] {
        for params in [json!({ "key": KEY, "digest": digest }), json!({ "key": KEY }), json!({})] {
            assert!(device.request(method, params.clone()).await.is_err(), "{method}");
            assert!(program.request(method, params.clone()).await.is_err(), "{method}");
            assert!(world.subagents.call(method, params).await.is_err(), "{method}");
        }
    }

    assert_eq!(world.desktop().settings().len(), 1);
    assert!(world.page(UI).await.is_err());
}
