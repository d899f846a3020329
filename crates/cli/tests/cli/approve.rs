//! Deciding: what was shown is what is decided.

use serde_json::{Value, json};

use tidegate_protocol::payload::devices::PendingDevice;
use tidegate_protocol::payload::surface_params::{Decide, GrantLifetime, VerdictName};
use tidegate_protocol::payload::surfaces::{DecidedResult, ShownEntry};
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{ErrorShape, rpc};

use crate::support::answers::{ID, blocked, command, paired, pending};
use crate::support::{Reply, Stage, desktop_decides, to};

fn request() -> ShownEntry {
    ShownEntry::Request(Box::new(pending()))
}

fn approved() -> DecidedResult {
    DecidedResult { request_id: ID.to_owned(), subject: "x".to_owned(), approved: true }
}

fn stage() -> Stage {
    Stage::answering([
        to::<rpc::TidegateDevicesShow>(request()),
        to::<rpc::TidegateDevicesDecide>(approved()),
    ])
}

#[tokio::test]
async fn a_request_is_shown_whole_with_full_control_first_and_nothing_hostile_raw() {
    let outcome = stage().run(&["devices", "show", "3f2a9c1e"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.out,
        "A known device asks for more than it has.\n\
         \x20 Claimed name  \"Anna's 'phone'\\u{202e}\\u{a}  Role  nobody\\u{1b}[2J\"\n\
         \x20 Caution       You gave this name to another device. This one only claims it.\n\
         \x20 Program       openclaw-ios, ui 2026.9.6 (as it says)\n\
         \x20 Platform      ios 18, iPhone (as it says)\n\
         \x20 From          local network, 192.168.1.5\n\
         \x20 Fingerprint   ed60 98d8 b3bc c9b3\n\
         \x20 Code          3f2a9c1e (a client that shows a code must show this one)\n\
         \x20 Asked         2 min ago, 3 min left\n\
         \x20 Role          operator\n\
         \x20 Has already   look\n\
         \n\
         It asks for\n\
         \x20 ! new  Full control: settings, sessions, agents, and decisions about commands and files. Not included: \
         managing pairing. (operator.admin)\n\
         \x20 ! new  Manage pairing: approve devices and programs, with at most its own permissions. (operator.pairing)\n\
         \x20   has  Look: sessions, conversations, models and logs. (operator.read)\n"
    );
    assert_eq!(outcome.sent("tidegate.devices.show"), &json!({ "id": "3f2a9c1e" }));
}

#[tokio::test]
async fn a_command_that_could_be_behind_a_request_is_a_caution() {
    for (unidentified, cautions) in [(true, 1), (false, 0)] {
        let asked = PendingDevice { known_name: Some(false), unidentified: Some(unidentified), ..pending() };
        let asked = ShownEntry::Request(Box::new(asked));
        let stage = Stage::answering([to::<rpc::TidegateDevicesShow>(asked)]);

        let outcome = stage.run(&["devices", "show", "3f2a9c1e"]).await;

        assert_eq!(outcome.out.matches("Caution ").count(), cautions, "{}", outcome.out);
        assert_eq!(outcome.out.matches("An agent's command is running").count(), cautions, "{}", outcome.out);
    }
}

#[tokio::test]
async fn a_program_that_could_not_be_identified_is_no_new_device() {
    let asked = PendingDevice { reason: Some(PairingReason::Unidentified), ..pending() };
    let asked = ShownEntry::Request(Box::new(asked));

    let outcome = Stage::answering([to::<rpc::TidegateDevicesShow>(asked)]);
    let outcome = outcome.run(&["devices", "show", "3f2a9c1e"]).await;

    let sentence = "A known device connects from a program that could not be identified.\n";
    assert!(outcome.out.starts_with(sentence), "{}", outcome.out);
}

#[tokio::test]
async fn approving_shows_first_then_asks_then_sends_the_digest_of_what_was_shown() {
    let outcome = stage().person(true).run(&["devices", "approve", "3f2a9c1e"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let methods: Vec<&str> = outcome.requests.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["tidegate.devices.show", "tidegate.devices.decide"]);
    assert_eq!(
        outcome.asked::<rpc::TidegateDevicesDecide>(),
        Decide {
            request_id: ID.to_owned(),
            verdict: VerdictName::Approve,
            digest: Some("d1gest".to_owned()),
            level: None,
            scopes: None,
            pairing: false,
            duration: GrantLifetime::Always,
        }
    );
    assert_eq!(outcome.questions, ["Approve it?"]);
    let (shown, done) = outcome.out.split_once("\nYou would grant ").unwrap();
    assert!(shown.contains("Full control"));
    assert_eq!(
        done,
        "everything that it asks for; until you revoke it.\nApproved. It is admitted when it connects again.\n"
    );
}

#[tokio::test]
async fn a_no_decides_nothing() {
    let outcome = stage().person(false).run(&["devices", "approve", "3f2a9c1e"]).await;

    assert_eq!(outcome.code, 1);
    assert!(!outcome.was_called("tidegate.devices.decide"));
    assert_eq!(outcome.err, "tidegate: Nothing was decided; it still waits.\n");
}

#[tokio::test]
async fn without_a_terminal_nothing_is_decided_unless_yes_was_typed() {
    let silent = stage().run(&["devices", "approve", "3f2a9c1e"]).await;
    let told = stage().run(&["devices", "approve", "3f2a9c1e", "--yes"]).await;

    assert_eq!(silent.code, 2);
    assert!(silent.err.contains("no terminal") && silent.err.contains("--yes"), "{}", silent.err);
    assert!(silent.requests.is_empty());
    assert_eq!(told.code, 0, "{}", told.err);
    assert_eq!(told.sent("tidegate.devices.decide")["digest"], "d1gest");
    assert!(told.out.contains("Full control"));
    assert!(told.questions.is_empty());
}

#[tokio::test]
async fn without_a_terminal_the_command_that_shows_it_is_named() {
    let commands: [(&[&str], &str); 4] = [
        (&["devices", "approve", "3f2a9c1e"], "`tidegate devices show`"),
        (&["approvals", "allow", "3f2a9c1e"], "`tidegate approvals show`"),
        (&["config", "confirm", "agents.defaults.workspace"], "`tidegate config list`"),
        (&["files", "keep", "3f2a9c1e"], "`tidegate files show`"),
    ];
    for (command, shown_by) in commands {
        let outcome = stage().run(command).await;

        assert_eq!(outcome.code, 2, "{command:?}");
        assert!(outcome.err.contains(shown_by), "{command:?}: {}", outcome.err);
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_not_approved() {
    let unknown = Stage::scripted(|_, _, id| Reply::error(id, &ErrorShape::invalid("nothing waits")));
    let unknown = unknown.run(&["devices", "approve", "3f2a9c1e", "--yes"]).await;
    assert_eq!((unknown.code, unknown.requests.len()), (1, 1));

    for missing in ["digest", "reason", "has", "adds", "from", "code", "expiresAtMs"] {
        let mut incomplete = json!(request());
        incomplete.as_object_mut().unwrap().remove(missing).unwrap();
        let stage = Stage::answering([
            ("tidegate.devices.show", incomplete),
            to::<rpc::TidegateDevicesDecide>(approved()),
        ]);

        let outcome = stage.run(&["devices", "approve", "3f2a9c1e", "--yes"]).await;

        assert_eq!(outcome.code, 1, "{missing}");
        assert!(!outcome.was_called("tidegate.devices.decide"), "{missing}");
        assert!(outcome.err.contains(missing), "{}", outcome.err);
    }
}

#[tokio::test]
async fn a_known_device_is_no_request() {
    let device = ShownEntry::Device(Box::new(paired("laptop")));
    let outcome = Stage::answering([to::<rpc::TidegateDevicesShow>(device)])
        .run(&["devices", "approve", "ed6098d8", "--yes"])
        .await;

    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("No request waits under this id"), "{}", outcome.err);
}

#[tokio::test]
async fn a_request_that_changed_is_refused_by_the_gateway_and_said_so() {
    let stage = Stage::scripted(|method, _, id| match method {
        "tidegate.devices.show" => Reply::ok(id, request()),
        _ => {
            let message = "the request changed since it was shown; look at it again";
            Reply::error(id, &ErrorShape::invalid(message))
        }
    });

    let outcome = stage.run(&["devices", "approve", "3f2a9c1e", "--yes"]).await;

    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.err, "tidegate: The request changed since it was shown; look at it again.\n");
}

#[tokio::test]
async fn with_a_desktop_its_dialog_decides_and_nobody_is_asked_twice() {
    let stage = Stage::scripted(|method, _, id| match method {
        "tidegate.devices.show" => Reply::ok(id, request()),
        _ => desktop_decides(id),
    });

    let outcome = stage.with_desktop().person(true).run(&["devices", "approve", "3f2a9c1e"]).await;

    assert_eq!(outcome.code, 5);
    assert!(outcome.questions.is_empty());
    assert_eq!(outcome.err, "tidegate: Tidegate's dialog was opened; decide there.\n");
}

#[tokio::test]
async fn with_a_desktop_its_dialog_also_makes_tokens_unblocks_and_allows_commands() {
    let block = ShownEntry::Block(blocked("5f0c6a1b2d3e4f50", "x"));
    for arguments in [
        &["token", "new", "--name", "ci", "--level", "read"][..],
        &["devices", "unblock", "5f0c6a1b2d3e4f50"],
        &["approvals", "allow", "3f2a9c1e", "--yes"],
    ] {
        let block = block.clone();
        let stage = Stage::scripted(move |method, _, id| match method {
            "tidegate.devices.show" => Reply::ok(id, block.clone()),
            "exec.approval.list" => Reply::ok(id, [command()]),
            _ => desktop_decides(id),
        });

        let outcome = stage.with_desktop().person(true).run(arguments).await;

        assert_eq!((outcome.code, outcome.questions.len()), (5, 0), "{arguments:?}");
        assert_eq!(outcome.err, "tidegate: Tidegate's dialog was opened; decide there.\n");
    }
}

#[tokio::test]
async fn a_level_or_scopes_or_less_time_are_sent_as_chosen() {
    let level = ["devices", "approve", "3f2a9c1e", "--yes", "--level", "write", "--pairing", "--until-quit"];
    let level = stage().run(&level).await;
    let scopes = stage().run(&[
        "devices",
        "approve",
        "3f2a9c1e",
        "--yes",
        "--scopes",
        "read,operator.write",
        "--once",
    ]);
    let scopes = scopes.await;

    let sent = level.sent("tidegate.devices.decide");
    assert_eq!(
        (&sent["level"], &sent["pairing"], &sent["duration"]),
        (&json!("write"), &json!(true), &json!("until-quit"))
    );
    assert!(level.out.contains(
        "You would grant level write, and manage pairing if it asked for that; until Tidegate quits."
    ));
    let sent = scopes.sent("tidegate.devices.decide");
    assert_eq!(
        (&sent["scopes"], &sent["duration"]),
        (&json!(["operator.read", "operator.write"]), &json!("once"))
    );
    assert!(sent.get("level").is_none());
}

#[tokio::test]
async fn json_keeps_the_standard_output_for_the_answer() {
    let outcome = stage().run(&["devices", "approve", "3f2a9c1e", "--yes", "--json"]).await;

    let answer: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(answer["approved"], true);
    assert!(outcome.err.contains("It asks for"));
}
