//! The desktop: what the shell sees, and the decisions of the dialog.

use std::time::Duration as Span;

use serde_json::json;
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_gateway::desktop_authority::{ClientDecisions, DesktopError};
use tidegate_protocol::payload::surfaces::{DesktopStatus, DesktopSurface, SurfaceState};
use tidegate_testkit::client::ConnectOptions;
use tidegate_trust::Level;
use tidegate_trust::decision::{Choice, Desktop, GrantLifetime, Verdict};

use crate::support::{ALLOW_ONCE, DENY, PATIENCE, World};

const ALL: Verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
const READ: &[&str] = &["operator.read"];

/// Waits until something that the surfaces show satisfies `is`.
async fn changes_until(world: &World, is: impl Fn() -> bool) {
    let mut changes = world.desktop().changes();
    let happens = async {
        while !is() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, happens).await.expect("it changes");
}

#[tokio::test]
async fn a_stranger_waits_at_the_desk_and_comes_in_when_the_person_approves_what_was_drawn() {
    let world = World::with_desktop().await;
    let before = *world.desktop().changes().borrow();
    let options = world.device(1, READ);

    let request = world.request_pairing(&options).await;

    assert!(*world.desktop().changes().borrow() > before, "the shell hears of it");
    assert_eq!(request.details.claims.display_name.as_deref(), Some("Anna's phone"));
    let digest = request.details.digest();
    let other = world.desktop().decide(&request.id, "another digest", &ALL).await;
    assert_eq!(other, Err(DesktopError::Changed));
    assert!(world.connect(&options).await.is_err(), "nothing was decided");
    world.desktop().decide(&request.id, &digest, &ALL).await.unwrap();
    assert!(world.desktop().requests().is_empty());
    let mut client = world.connect(&options).await.unwrap();
    client.request("sessions.list", json!({})).await.unwrap();
    let again = world.desktop().decide(&request.id, &digest, &ALL).await;
    assert_eq!(again, Err(DesktopError::Gone));
    assert!(again.unwrap_err().to_string().starts_with("This no longer waits"));
}

#[tokio::test]
async fn the_desk_hears_of_what_a_client_decides_and_not_of_what_the_person_or_a_surface_does() {
    let world = World::with_desktop().await;
    let mut doorkeeper = world.let_in(1, &["operator.pairing", "operator.read"]).await;
    let refused = world.request_pairing(&world.device(2, READ)).await;
    world.desktop().decide(&refused.id, &refused.details.digest(), &Verdict::Reject).await.unwrap();
    let by_surface = json!({ "requestId": world.request_pairing(&world.device(3, READ)).await.id });
    world.window().await.call("device.pair.reject", by_surface).await.unwrap();
    let mut decisions = world.desktop().client_decisions();
    assert_eq!(*decisions.borrow_and_update(), ClientDecisions::default(), "the person decided until now");

    let beyond =
        json!({ "requestId": world.request_pairing(&world.device(4, &["operator.admin"])).await.id });
    doorkeeper.request("device.pair.approve", beyond.clone()).await.unwrap_err();
    assert!(!decisions.has_changed().unwrap(), "nothing was decided");
    doorkeeper.request("device.pair.reject", beyond).await.unwrap();
    let approved = json!({ "requestId": world.request_pairing(&world.device(5, READ)).await.id });
    doorkeeper.request("device.pair.approve", approved).await.unwrap();

    assert!(decisions.has_changed().unwrap());
    let expected = ClientDecisions { let_in: 1, refused: 1, ..ClientDecisions::default() };
    assert_eq!(*decisions.borrow_and_update(), expected);
    world.connect(&world.device(5, READ)).await.unwrap();
}

#[tokio::test]
async fn there_is_no_desk_without_a_desktop() {
    let world = World::start(Desktop::Absent).await;

    let mut command_line = world.command_line().await;

    assert_eq!(command_line.welcome["payload"]["desktop"], false);
    let refused = command_line.call("tidegate.dialog.open", json!({ "kind": "newToken" })).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("no desktop"), "{refused}");
    let made = command_line.call("tidegate.token.new", json!({ "name": "ci", "level": "read" })).await;
    assert!(made.unwrap()["token"].as_str().is_some(), "the command line is the person's place");
}

#[tokio::test]
async fn a_program_that_waits_gets_a_token_of_its_own_instead_of_a_grant() {
    let world = World::with_desktop().await;
    let asked = world.program(&["operator.admin", "operator.pairing"]);
    let request = world.request_pairing(&asked).await;
    let digest = request.details.digest();
    let desktop = world.desktop();
    desktop.new_token("taken", Level::Read, false).await.unwrap();

    let taken = desktop.give_token(&request.id, &digest, "taken", Level::Full, true).await;
    let changed = desktop.give_token(&request.id, "other", "openclaw", Level::Full, true).await;
    let refused = desktop.decide(&request.id, &digest, &ALL).await;
    let still = desktop.requests().len();
    let token = desktop.give_token(&request.id, &digest, "openclaw", Level::Full, true).await.unwrap();

    assert_eq!((taken.err(), changed.err()), (Some(DesktopError::NameTaken), Some(DesktopError::Changed)));
    assert_eq!((refused, still), (Err(DesktopError::NeedsOwnToken), 1));
    assert!(desktop.requests().is_empty(), "the request has ended");
    let own = ConnectOptions::default().token(token.reveal()).scopes(&["operator.admin", "operator.pairing"]);
    let mut client = world.connect(&own).await.unwrap();
    client.request("device.pair.list", json!({})).await.unwrap();
    assert!(world.connect(&asked).await.is_err(), "the shared token opens nothing for it");
}

#[tokio::test]
async fn a_device_gets_no_program_token() {
    let world = World::with_desktop().await;
    let request = world.request_pairing(&world.device(1, READ)).await;

    let refused =
        world.desktop().give_token(&request.id, &request.details.digest(), "phone", Level::Read, false).await;

    assert_eq!(refused.err(), Some(DesktopError::NotAProgram));
    assert_eq!(world.desktop().requests().len(), 1);
}

#[tokio::test]
async fn a_command_is_allowed_as_it_was_drawn_and_by_its_whole_id() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals"]).await;
    let id = world.ask_command(&mut client, Span::from_secs(60)).await;
    let drawn = world.desktop().commands().pop().unwrap();
    assert_eq!((drawn.id.as_str(), drawn.command.operation.title().as_str()), (id.as_str(), "make all"));

    let changed = world.desktop().decide_approval(&id, "other", &ALLOW_ONCE).await;
    let prefix = world.desktop().decide_approval(&id[..8], &drawn.command.digest, &ALLOW_ONCE).await;
    world.desktop().decide_approval(&id, &drawn.command.digest, &ALLOW_ONCE).await.unwrap();
    let again = world.desktop().decide_approval(&id, &drawn.command.digest, &DENY).await;

    assert_eq!(
        (changed, prefix, again),
        (Err(DesktopError::Changed), Err(DesktopError::Gone), Err(DesktopError::Gone))
    );
    let resolved = client.event("exec.approval.resolved").await.unwrap();
    assert_eq!((&resolved["decision"], &resolved["resolvedBy"]), (&json!("allow-once"), &json!("person")));
}

#[tokio::test]
async fn what_waits_ends_when_its_time_is_up_and_not_at_the_next_tick() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals"]).await;
    let mut window = world.window().await;

    world.ask_command(&mut client, Span::from_millis(300)).await;
    let resolved = window.event("exec.approval.resolved").await;

    assert_eq!(resolved["decision"], json!(null));
    window.event("tidegate.changed").await;
}

#[tokio::test]
async fn runs_and_the_pause_are_changes_until_nothing_runs() {
    let world = World::with_desktop().await;
    let mut window = world.window().await;
    let mut changes = world.desktop().changes();
    changes.mark_unchanged();

    let message = json!({ "sessionKey": "agent:main:main", "message": "hello", "idempotencyKey": "run-1" });
    window.call("chat.send", message).await.unwrap();

    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap().unwrap();
    window.event("chat").await;
    changes_until(&world, || world.runtime.active().is_empty()).await;
    changes.mark_unchanged();
    world.desktop().set_paused(true).await.unwrap();
    assert!(changes.has_changed().unwrap() && world.runtime.is_paused());
    window.call("tidegate.resume", json!({})).await.unwrap();
    assert!(!world.runtime.is_paused());
}

#[tokio::test]
async fn a_window_is_greeted_reads_and_is_reported_to_look_again() {
    let world = World::with_desktop().await;
    let works = DesktopSurface { state: SurfaceState::Ok, sentence: String::new() };
    let told = DesktopStatus { tray: works.clone(), notifications: works, autostart: true };
    world.desktop().set_surfaces(told.clone());

    let mut window = world.window().await;

    assert_eq!(window.welcome["event"], "tidegate.welcome");
    assert_eq!(window.welcome["payload"], json!({ "version": "1.2.3", "desktop": true }));
    let status = window.call("tidegate.status", json!({})).await.unwrap();
    assert_eq!(status["desktop"], json!(told));
    let request = world.request_pairing(&world.device(1, READ)).await;
    window.event("device.pair.requested").await;
    window.event("tidegate.changed").await;
    let waiting = window.call("tidegate.devices.waiting", json!({})).await.unwrap();
    let shown = &waiting["requests"][0];
    assert_eq!(
        (&shown["requestId"], &shown["digest"]),
        (&json!(request.id), &json!(request.details.digest()))
    );
    assert_eq!(waiting["commands"], json!([]));
    let lines = window.call("tidegate.connect", json!({})).await.unwrap();
    assert_eq!(lines["url"], "ws://127.0.0.1:18789");
    assert!(!lines.to_string().contains(&world.token));
    assert!(lines["lines"][1].as_str().unwrap().ends_with("gateway.remote.url ws://127.0.0.1:18789"));
}

#[tokio::test]
async fn a_window_refuses_revokes_and_blocks_by_itself() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, READ).await;
    let mut window = world.window().await;
    let list = window.call("device.pair.list", json!({})).await.unwrap();
    let device = list["paired"][0]["deviceId"].as_str().unwrap().to_owned();
    let asks = world.request_pairing(&world.device(2, READ)).await;

    window.call("device.pair.reject", json!({ "requestId": asks.id })).await.unwrap();
    window.call("tidegate.devices.block", json!({ "id": device })).await.unwrap();

    assert_eq!(client.closed().await.unwrap().code, Some(4001));
    assert!(world.desktop().requests().is_empty());
    let list = window.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["blocked"][0]["deviceId"], json!(device));
    let id = list["blocked"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    let shown = window.call("tidegate.devices.show", json!({ "id": id })).await.unwrap();
    assert_eq!(shown["id"], json!(id));
    assert!(world.desktop().unblock(id).await.unwrap(), "it was saved");
    assert_eq!(world.desktop().unblock(id).await, Err(DesktopError::NotBlocked));
}

#[tokio::test]
async fn a_window_blocks_programs_that_were_let_in_and_programs_that_wait() {
    let world = World::with_desktop().await;
    let mut window = world.window().await;
    let request = world.request_pairing(&world.program(READ)).await;
    world.desktop().decide(&request.id, &request.details.digest(), &ALL).await.unwrap();
    let mut program = world.connect(&world.program(READ)).await.unwrap();
    let tokens = window.call("tidegate.token.list", json!({})).await.unwrap();
    let id = tokens["programs"][0]["id"].clone();

    window.call("tidegate.devices.block", json!({ "id": id })).await.unwrap();

    assert_eq!(program.closed().await.unwrap().code, Some(4001));
    assert!(world.connect(&world.program(READ)).await.is_err());
    assert!(world.desktop().requests().is_empty(), "it is refused without a question");
    let unknown = window.call("tidegate.devices.block", json!({ "id": id })).await.unwrap_err();
    assert_eq!(unknown["code"], "INVALID_REQUEST");
    let list = window.call("device.pair.list", json!({})).await.unwrap();
    let block = &list["blocked"][0];
    assert_eq!((&block["script"], &block["deviceId"]), (&json!("/opt/openclaw.mjs"), &json!(null)));
    world.desktop().unblock(block["id"].as_str().unwrap()).await.unwrap();

    let waits = world.request_pairing(&world.program(READ)).await;
    let decided = json!({ "requestId": waits.id, "verdict": "block" });
    window.call("tidegate.devices.decide", decided).await.unwrap();

    assert!(world.connect(&world.program(READ)).await.is_err());
    assert!(world.desktop().requests().is_empty());
    let list = window.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["blocked"][0]["script"], "/opt/openclaw.mjs");
}

#[tokio::test]
async fn our_own_client_does_not_wait_for_the_desk() {
    let world = World::with_desktop().await;

    world.subagents.call("sessions.list", json!({})).await.unwrap();

    assert!(world.desktop().requests().is_empty());
}
