//! The folder of a session: only the person chooses it; all others ask.

use serde_json::{Value, json};
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_gateway::DialogRequest;
use tidegate_gateway::desktop_authority::DesktopError;
use tidegate_protocol::SessionKey;
use tidegate_protocol::payload::sessions::SessionWorkspaceResult;
use tidegate_testkit::client::{ClientError, GatewayClient};
use tidegate_trust::decision::Desktop;
use tidegate_trust::workspace::ProposedWorkspace;
use tidegate_trust::{FileIdentity, Folder};

use crate::support::{World, shared_folder};

pub(crate) const SITE: &str = "/home/ada/site";

fn site(inode: u64) -> Folder {
    Folder { path: SITE.into(), identity: FileIdentity { device: 1, inode } }
}

/// There is a folder, which is named by a link as well.
pub(crate) fn has_site(world: &World) {
    let mut folders = world.host.folders.lock().unwrap();
    for name in [SITE, "/link"] {
        folders.insert(name.to_owned(), site(7));
    }
}

fn key(text: &str) -> SessionKey {
    SessionKey::parse(text).unwrap()
}

pub(crate) fn digest(session: &str) -> String {
    ProposedWorkspace { session: key(session), folder: Some(site(7)) }.digest()
}

/// The dialog about that folder.
pub(crate) fn asks_for_site(world: &World, session: &str) -> DialogRequest {
    let shown = SessionWorkspaceResult {
        key: key(session),
        label: None,
        folder: SITE.to_owned(),
        is_default: false,
        before: default(world),
        shared_files: Some(shared_folder(SITE).files),
        shared_places: shared_folder(SITE).places,
        digest: digest(session),
        chosen: false,
    };
    DialogRequest::ChooseWorkspace { shown: Box::new(shown), by_client: false }
}

fn default(world: &World) -> String {
    world.runtime.workspace().to_str().unwrap().to_owned()
}

/// The folder of a session, as clients see it.
async fn folder_of(world: &World, session: &str) -> Value {
    let mut command_line = world.command_line().await;
    let described = command_line.call("sessions.describe", json!({ "key": session })).await.unwrap();
    described["session"]["workspace"].clone()
}

async fn audit(world: &World) -> String {
    world.command_line().await.call("tidegate.audit", json!({})).await.unwrap().to_string()
}

/// The answer to a chat command.
async fn say(client: &mut GatewayClient, run: &str, message: &str) -> Result<String, Value> {
    let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
    match client.request("chat.send", params).await {
        Ok(_) => {}
        Err(ClientError::Answer(error)) => return Err(json!(error)),
        Err(error) => panic!("{error:?}"),
    }
    let history = client.request("chat.history", json!({ "sessionKey": "main" })).await.unwrap();
    Ok(last_text(&history))
}

fn last_text(history: &Value) -> String {
    let last = history["messages"].as_array().unwrap().last().unwrap();
    last["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_desktop_the_command_line_shows_and_chooses_a_folder() {
    let world = World::start(Desktop::Absent).await;
    has_site(&world);
    let mut command_line = world.command_line().await;
    let params = json!({ "key": "main", "folder": "/link" });

    let shown = command_line.call("tidegate.sessions.workspace", params.clone()).await.unwrap();
    let nothing = folder_of(&world, "main").await;
    let mut choice = params;
    choice["digest"] = shown["digest"].clone();
    let chosen = command_line.call("tidegate.sessions.workspace", choice).await.unwrap();

    assert_eq!((&shown["folder"], &shown["chosen"]), (&json!(SITE), &json!(false)), "the real folder");
    assert_eq!((&shown["before"], &shown["sharedFiles"]), (&json!(default(&world)), &json!(1204)));
    assert_eq!(nothing, Value::Null, "showing chooses nothing");
    assert_eq!((&chosen["folder"], &chosen["chosen"]), (&json!(SITE), &json!(true)));
    assert_eq!(folder_of(&world, "main").await, SITE);
    assert_eq!(*world.host.agents_write.lock().unwrap(), [site(7).path]);
    let line = format!("workspace.chosen session=agent:main:main folder={SITE} by=person");
    assert!(audit(&world).await.contains(&line));

    let back = json!({ "key": "main" });
    let shown = command_line.call("tidegate.sessions.workspace", back).await.unwrap();
    assert_eq!((&shown["folder"], &shown["isDefault"]), (&json!(default(&world)), &json!(true)));
    let back = json!({ "key": "main", "digest": shown["digest"] });
    command_line.call("tidegate.sessions.workspace", back).await.unwrap();
    assert_eq!(folder_of(&world, "main").await, Value::Null);
}

#[tokio::test]
async fn a_folder_that_changed_since_it_was_shown_is_not_chosen() {
    let world = World::start(Desktop::Absent).await;
    has_site(&world);
    let mut command_line = world.command_line().await;
    world.host.folders.lock().unwrap().insert(SITE.to_owned(), site(8));

    let stale = json!({ "key": "main", "folder": SITE, "digest": digest("main") });
    let stale = command_line.call("tidegate.sessions.workspace", stale).await.unwrap_err();
    let foreign = json!({ "key": "notes", "folder": "/link", "digest": digest("main") });
    let foreign = command_line.call("tidegate.sessions.workspace", foreign).await.unwrap_err();
    let missing = json!({ "key": "main", "folder": "/no", "digest": digest("main") });
    let missing = command_line.call("tidegate.sessions.workspace", missing).await.unwrap_err();

    for error in [stale, foreign] {
        assert_eq!(error["message"], "the folder changed since it was shown; look at it again");
    }
    assert_eq!(missing["message"], "/no cannot be the workspace of a session. There is no such folder.");
    assert_eq!(folder_of(&world, "main").await, Value::Null);
}

#[tokio::test]
async fn beside_a_desktop_only_its_dialog_chooses() {
    let world = World::with_desktop().await;
    has_site(&world);
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let params = json!({ "key": "main", "folder": "/link", "digest": digest("main") });
    for mut surface in [world.window().await, world.command_line().await] {
        let refused = surface.call("tidegate.sessions.workspace", params.clone()).await.unwrap_err();

        assert_eq!(refused["details"]["reason"], "DESKTOP_DECIDES", "{refused}");
        assert_eq!(dialog_requests.try_recv().unwrap(), asks_for_site(&world, "main"));
    }
    assert_eq!(folder_of(&world, "main").await, Value::Null);

    let changed = world.desktop().choose_workspace(key("main"), Some(SITE), "of another").await;
    world.desktop().choose_workspace(key("main"), Some(SITE), &digest("main")).await.unwrap();

    let sentence = "the folder changed since it was shown; look at it again".to_owned();
    assert_eq!(changed, Err(DesktopError::FolderNotChosen(sentence)));
    assert_eq!(folder_of(&world, "main").await, SITE);
    assert!(audit(&world).await.contains("workspace.chosen session=agent:main:main"));
}

#[tokio::test]
async fn what_is_picked_in_the_chooser_is_asked_about_as_it_is() {
    let world = World::with_desktop().await;
    has_site(&world);
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;

    window.call("tidegate.dialog.open", json!({ "kind": "workspace", "key": "main" })).await.unwrap();
    let with_a_folder = json!({ "kind": "workspace", "key": "main", "folder": SITE });
    let named = window.call("tidegate.dialog.open", with_a_folder).await.unwrap_err();

    let request = DialogRequest::PickWorkspace { key: key("main"), label: None, present: default(&world) };
    assert_eq!(dialog_requests.try_recv().unwrap(), request);
    assert!(named["message"].as_str().unwrap().contains("folder"), "a page names none: {named}");
    assert!(dialog_requests.try_recv().is_err());
    let before = folder_of(&world, "main").await;
    world.desktop().pick_workspace(key("main"), "/link").await.unwrap();
    assert_eq!(dialog_requests.try_recv().unwrap(), asks_for_site(&world, "main"), "where the link leads");
    assert_eq!(folder_of(&world, "main").await, before, "nothing is chosen yet");
    let refused = world.desktop().pick_workspace(key("main"), "/no").await.unwrap_err();
    assert!(refused.to_string().contains("There is no such folder."), "{refused}");
}

#[tokio::test]
async fn a_client_asks_with_a_chat_command_and_the_dialog_decides() {
    let world = World::with_desktop().await;
    has_site(&world);
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut client = world.let_in(1, &["operator.admin"]).await;

    let asked = say(&mut client, "w1", "/workspace /link").await.unwrap();
    let soon = say(&mut client, "w2", "/workspace /link").await.unwrap_err();
    let which = say(&mut client, "w3", "/workspace").await.unwrap();

    let DialogRequest::ChooseWorkspace { by_client: true, shown } = dialog_requests.try_recv().unwrap()
    else {
        panic!("a question that a client asked for")
    };
    assert_eq!((shown.folder.as_str(), shown.chosen), (SITE, false));
    let sentence = format!("Tidegate's dialog asks whether this session may work in `{SITE}`.");
    assert!(asked.starts_with(&sentence), "{asked}");
    assert!(soon["message"].as_str().unwrap().contains("try again in 10 seconds"), "{soon}");
    assert!(dialog_requests.try_recv().is_err(), "clients open one at a time");
    assert!(which.contains(&default(&world)), "{which}");
    assert_eq!(folder_of(&world, "main").await, Value::Null);
    let direct = json!({ "key": "main", "folder": SITE, "digest": digest("main") });
    let direct = client.request("tidegate.sessions.workspace", direct).await;
    assert!(
        matches!(direct, Err(ClientError::Answer(error)) if error["message"].as_str().unwrap().starts_with("unknown method"))
    );

    world.desktop().choose_workspace(key("main"), Some(SITE), &shown.digest).await.unwrap();
    let status = say(&mut client, "w4", "/status").await.unwrap();
    assert!(status.contains(&format!("- Workspace: `{SITE}`")), "{status}");
}

#[tokio::test]
async fn a_client_with_less_than_full_control_and_our_own_ask_for_no_folder() {
    let world = World::with_desktop().await;
    has_site(&world);
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut writer = world.let_in(1, &["operator.write"]).await;

    let refused = say(&mut writer, "w1", "/workspace /link").await.unwrap_err();
    let turn = json!({ "sessionKey": "main", "message": "/workspace /link", "idempotencyKey": "own" });
    let own = world.subagents.call("chat.send", turn).await.unwrap_err();
    let params = json!({ "key": "main", "folder": SITE, "digest": digest("main") });
    let direct = world.subagents.call("tidegate.sessions.workspace", params).await.unwrap_err();

    assert_eq!(refused["message"], "missing scope: operator.admin");
    assert!(own.to_string().contains("only with a handoff"), "{own}");
    assert!(direct.to_string().contains("unknown method"), "{direct}");
    assert!(dialog_requests.try_recv().is_err());
    assert_eq!(folder_of(&world, "main").await, Value::Null);
}

#[tokio::test]
async fn a_window_asks_with_a_chat_command_as_the_person_does() {
    let world = World::with_desktop().await;
    has_site(&world);
    let mut dialog_requests = world.desktop().dialog_requests().unwrap();
    let mut window = world.window().await;

    for run in ["w1", "w2"] {
        let params = json!({ "sessionKey": "main", "message": "/workspace /link", "idempotencyKey": run });
        window.call("chat.send", params).await.unwrap();
        assert_eq!(dialog_requests.try_recv().unwrap(), asks_for_site(&world, "main"));
    }
    assert_eq!(folder_of(&world, "main").await, Value::Null);
}

#[tokio::test]
async fn without_a_desktop_a_chat_command_says_where_the_folder_is_chosen() {
    let world = World::start(Desktop::Absent).await;
    has_site(&world);
    let mut command_line = world.command_line().await;

    for (folder, quoted) in [
        (SITE, SITE),
        ("~/my site", "~/'my site'"),
        ("/a/b; rm -rf ~", "'/a/b; rm -rf ~'"),
        ("/a'b", r"'/a'\''b'"),
    ] {
        let message = format!("/workspace {folder}");
        let params = json!({ "sessionKey": "main", "message": message, "idempotencyKey": folder });
        command_line.call("chat.send", params).await.unwrap();
        let history = command_line.call("chat.history", json!({ "sessionKey": "main" })).await.unwrap();
        let line = format!("`tidegate sessions workspace agent:main:main {quoted}`");
        assert!(last_text(&history).ends_with(&line), "{history}");
    }
    assert_eq!(folder_of(&world, "main").await, Value::Null);
}
