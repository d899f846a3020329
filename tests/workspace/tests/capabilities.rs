//! What a page of the window can reach: these files decide it, so they are held to the letter.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_workspace_tests::{root, rust_sources};

/// Every command that a page can call.
const COMMANDS: [&str; 2] = ["backend_open", "backend_send"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn files_in(directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn pages_have_one_capability_and_it_is_their_own_connection() {
    assert_eq!(files_in("src-tauri/capabilities"), ["windows.json"]);
    let mut capability: Value = serde_json::from_str(&read("src-tauri/capabilities/windows.json")).unwrap();
    let capability = capability.as_object_mut().unwrap();
    capability.remove("description");
    capability.remove("$schema");

    let expected = json!({
        "identifier": "windows",
        "local": true,
        "windows": ["window-*"],
        "permissions": ["allow-backend"],
    });
    assert_eq!(Value::Object(capability.clone()), expected);
}

#[test]
fn the_permission_of_that_capability_is_for_two_commands() {
    assert_eq!(files_in("src-tauri/permissions"), ["backend.toml"]);
    let permissions: toml::Table = read("src-tauri/permissions/backend.toml").parse().unwrap();

    assert_eq!(permissions.keys().collect::<Vec<_>>(), ["permission"]);
    let permissions = permissions["permission"].as_array().unwrap();
    assert_eq!(permissions.len(), 1);
    assert_eq!(permissions[0]["identifier"].as_str(), Some("allow-backend"));
    let keys: BTreeSet<_> = permissions[0].as_table().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["identifier", "description", "commands"].into());
    let commands: toml::Table = permissions[0]["commands"].as_table().unwrap().clone();
    assert_eq!(commands, toml::toml! { allow = ["backend_open", "backend_send"] });
}

#[test]
fn the_shell_has_no_other_command() {
    let mut commands = BTreeSet::new();
    let mut handlers = Vec::new();
    for (path, text) in rust_sources(Path::new("src-tauri/src")).unwrap() {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.contains("#[tauri::command") {
                let function = lines.by_ref().find(|line| line.contains("fn ")).unwrap();
                let name = function.split("fn ").nth(1).unwrap().split(['(', '<']).next().unwrap();
                commands.insert(name.to_owned());
            }
            if line.contains("generate_handler!") || line.contains(".invoke_handler(") {
                handlers.push((path.display().to_string(), line.trim().to_owned()));
            }
        }
    }

    assert_eq!(commands, COMMANDS.map(str::to_owned).into());
    let handler =
        ".invoke_handler(tauri::generate_handler![backend::backend_open, backend::backend_send])".to_owned();
    assert_eq!(handlers, [("src-tauri/src/lib.rs".to_owned(), handler)]);
}

#[test]
fn pages_load_and_connect_to_nothing_but_the_shell() {
    let config: Value = serde_json::from_str(&read("tauri.conf.json")).unwrap();
    let app = &config["app"];

    // No window is made by itself, and pages get no global to reach the shell with.
    assert_eq!(app["windows"], json!([]));
    assert_eq!(app["withGlobalTauri"], json!(false));
    let security = &app["security"];
    assert_eq!(security["capabilities"], json!(["windows"]));
    assert_eq!(security["assetProtocol"], json!({ "enable": false, "scope": [] }));
    assert_eq!(security["dangerousDisableAssetCspModification"], json!(false));
    assert_eq!(security["freezePrototype"], json!(true));
    let policy: BTreeSet<_> = security["csp"].as_str().unwrap().split("; ").collect();
    let expected = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src ipc: http://ipc.localhost",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    ];
    assert_eq!(policy, expected.into());
}
