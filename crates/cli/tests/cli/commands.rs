//! What each command asks the gateway, and what it prints.

use serde_json::{Value, json};

use crate::support::{NOW, Reply, Stage};

const DEVICE: &str = "ed6098d8b3bcc9b33e8f9546ced9572ed0623a17a254a972180e11ffa10f9624";
const BLOCK: &str = "5f0c6a1b2d3e4f50";

#[tokio::test]
async fn simple_commands_ask_one_thing_and_confirm_it() {
    for (words, method, answer, printed) in [
        (vec!["pause"], "tidegate.pause", json!({ "paused": true }), "Paused"),
        (vec!["resume"], "tidegate.resume", json!({ "paused": false }), "Going on."),
        (vec!["stop"], "tidegate.stop", json!({ "stopping": true }), "Tidegate stops."),
        (vec!["token", "revoke", "a"], "tidegate.token.revoke", json!({ "revoked": "a" }), "Revoked."),
        (vec!["models", "use", "a/b"], "tidegate.models.use", json!({ "ok": true }), "a/b answers"),
        (vec!["sessions", "cancel", "x"], "chat.abort", json!({ "runIds": ["1", "2"] }), "Stopped 2 runs."),
        (vec!["sessions", "delete", "x"], "sessions.delete", json!({ "deleted": true }), "Deleted"),
        (
            vec!["selftest"],
            "tidegate.selftest",
            json!({ "ok": true, "steps": [{ "name": "spawn", "ok": true, "ms": 4 }] }),
            "ok  spawn",
        ),
        (
            vec!["devices", "reject", "3f2a9c1e"],
            "tidegate.devices.decide",
            json!({ "approved": false }),
            "Rejected.",
        ),
        (
            vec!["devices", "later", "3f2a9c1e"],
            "tidegate.devices.decide",
            json!({ "approved": false }),
            "Put aside.",
        ),
        (vec!["audit"], "tidegate.audit", json!({ "events": [] }), "The audit log is empty."),
        (vec!["approvals", "list"], "exec.approval.list", json!([]), "Nothing waits."),
        (vec!["sessions", "list"], "sessions.list", json!({ "sessions": [] }), "There is no session yet."),
        (vec!["models", "list"], "models.list", json!({ "models": [] }), "There is no model."),
        (
            vec!["commands", "list"],
            "tidegate.commands.list",
            json!({ "commands": [] }),
            "No command runs now.",
        ),
        (
            vec!["commands", "interrupt", "call-1"],
            "tidegate.commands.interrupt",
            json!({ "runId": "r", "toolCallId": "call-1", "interrupts": 1 }),
            "Sent Ctrl-C.",
        ),
        (vec!["logs"], "logs.tail", json!({ "lines": ["line"], "cursor": 4 }), "line"),
    ] {
        let outcome = Stage::answering([(method, answer)]).run(&words).await;

        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.err);
        assert!(outcome.out.contains(printed), "{words:?}: {}", outcome.out);
        assert_eq!(outcome.requests.len(), 1, "{words:?}");
    }
}

#[tokio::test]
async fn every_command_prints_the_gateways_answer_when_json_is_wanted() {
    for (words, method, answer) in [
        (vec!["status"], "tidegate.status", json!({ "version": "1", "extra": [1] })),
        (vec!["token", "show"], "tidegate.token.show", json!({ "token": "t", "source": "keyring" })),
        (
            vec!["token", "new", "--name", "a", "--level", "read"],
            "tidegate.token.new",
            json!({ "token": "t" }),
        ),
        (vec!["token", "rotate"], "tidegate.token.rotate", json!({ "token": "t" })),
        (vec!["token", "list"], "tidegate.token.list", json!({ "tokens": [] })),
        (vec!["devices", "list"], "device.pair.list", json!({ "pending": [], "paired": [] })),
        (vec!["devices", "show", "abcd"], "tidegate.devices.show", json!({ "deviceId": DEVICE })),
        (vec!["approvals", "list"], "exec.approval.list", json!([])),
        (vec!["models", "list"], "models.list", json!({ "models": [] })),
        (vec!["models", "test"], "tidegate.models.test", json!({ "ok": true, "firstByteMs": 1 })),
        (vec!["sessions", "list"], "sessions.list", json!({ "sessions": [] })),
        (vec!["sessions", "show", "x"], "chat.history", json!({ "sessionId": "s", "messages": [] })),
        (vec!["logs"], "logs.tail", json!({ "lines": [], "cursor": 0 })),
        (vec!["audit"], "tidegate.audit", json!({ "events": [] })),
        (vec!["doctor"], "tidegate.doctor", json!({ "checks": [] })),
        (vec!["selftest"], "tidegate.selftest", json!({ "ok": true })),
        (vec!["pause"], "tidegate.pause", json!({ "paused": true })),
    ] {
        let words: Vec<&str> = words.into_iter().chain(["--json"]).collect();
        let outcome = Stage::answering([(method, answer.clone())]).run(&words).await;

        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.err);
        assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap(), answer, "{words:?}");
        assert_eq!(outcome.err, "", "{words:?}");
    }
}

#[tokio::test]
async fn a_token_stands_alone_on_the_standard_output() {
    let shown = Stage::answering([("tidegate.token.show", json!({ "token": "tok", "source": "keyring" }))]);
    let shown = shown.run(&["token"]).await;
    let made = Stage::answering([("tidegate.token.new", json!({ "id": "1", "token": "tok2" }))]);
    let made = made.run(&["token", "new", "--name", "backup", "--level", "write", "--pairing"]).await;
    let note = "This holds until restart: it could not be saved yet, and saving is tried again.";
    let rotated = Stage::answering([("tidegate.token.rotate", json!({ "token": "tok3", "note": note }))]);
    let rotated = rotated.run(&["token", "rotate"]).await;

    assert_eq!(shown.out, "tok\n");
    assert_eq!(made.out, "tok2\n");
    assert!(
        made.err.contains("Level write")
            && made.err.contains("let others in")
            && made.err.contains("only this once")
    );
    assert_eq!(
        made.sent("tidegate.token.new"),
        &json!({ "name": "backup", "level": "write", "pairing": true })
    );
    assert_eq!(rotated.out, "tok3\n");
    assert!(rotated.err.contains(note));
}

#[tokio::test]
async fn devices_are_listed_with_claims_in_quotes_and_own_names_without() {
    let list = json!({
        "pending": [{
            "requestId": "3f2a9c1e-1111-4222-8333-444455556666", "deviceId": DEVICE, "displayName": "evil\u{202e}\n",
            "clientId": "openclaw-ios", "clientMode": "ui", "scopes": ["operator.read", "operator.admin"],
            "ts": NOW - 60_000,
        }],
        "paired": [
            {
                "deviceId": DEVICE, "displayName": "My laptop", "operatorLabel": "My laptop", "platform": "linux",
                "scopes": ["operator.write"], "lasts": "until-quit", "connected": true,
            },
            { "deviceId": DEVICE, "displayName": "claims", "platform": "ios", "scopes": [], "lastSeenAtMs": NOW - 7_200_000 },
            {
                "deviceId": DEVICE, "displayName": "Tidegate", "builtIn": true, "platform": "linux",
                "scopes": ["operator.admin"], "connected": false,
            },
        ],
        "blocked": [
            { "id": BLOCK, "blocked": true, "name": "evil\n", "deviceId": DEVICE, "since": NOW - 60_000 },
            {
                "id": "0a1b2c3d4e5f6071", "blocked": true, "name": "", "deviceId": null,
                "executable": "/usr/bin/node", "script": "/opt/openclaw.mjs", "since": NOW - 7_200_000,
            },
        ],
    });

    let outcome = Stage::answering([("device.pair.list", list)]).run(&["devices", "list"]).await;

    assert_eq!(
        outcome.out,
        "Waiting\n\
         CODE      ASKED      ASKS FOR      PROGRAM           CLAIMED NAME\n\
         3f2a9c1e  1 min ago  full control  openclaw-ios, ui  \"evil\\u{202e}\"\n\
         \n`tidegate devices show CODE` shows a request in full.\n\
         \nKnown\n\
         ID        MAY             LASTS       SEEN       PLATFORM  NAME\n\
         ed6098d8  talk to agents  until-quit  connected  linux     My laptop\n\
         ed6098d8  nothing         always      2 h ago    ios       \"claims\"\n\
         ed6098d8  full control    built in    never      linux     Tidegate\n\
         \nBlocked\n\
         ID                SINCE      CLAIMED NAME  DEVICE OR PROGRAM\n\
         5f0c6a1b2d3e4f50  1 min ago  \"evil\"        ed6098d8\n\
         0a1b2c3d4e5f6071  2 h ago    none          /opt/openclaw.mjs\n\
         \n`tidegate devices unblock ID` lets one ask again.\n\
         \n`tidegate token list` shows programs that were let in without a device.\n"
    );
}

#[tokio::test]
async fn short_ids_are_made_whole_before_rights_are_taken() {
    let known = json!({ "deviceId": DEVICE, "scopes": [] });
    let revoke = Stage::answering([
        ("tidegate.devices.show", known.clone()),
        ("tidegate.devices.revoke", json!({ "revoked": DEVICE })),
    ]);
    let revoke = revoke.run(&["devices", "revoke", "ed60"]).await;
    let block = Stage::answering([("tidegate.devices.show", known), ("tidegate.devices.block", json!({}))]);
    let block = block.run(&["devices", "block", "ed60"]).await;
    let stranger = Stage::answering([("tidegate.devices.block", json!({}))]);
    let stranger = stranger.run(&["devices", "block", DEVICE]).await;
    let blocked = json!({ "id": BLOCK, "blocked": true, "deviceId": DEVICE, "name": "x", "since": NOW });
    let unblock =
        Stage::answering([("tidegate.devices.show", blocked), ("tidegate.devices.unblock", json!({}))]);
    let unblock = unblock.run(&["devices", "unblock", "ed60"]).await;

    for (outcome, method, id) in [
        (revoke, "tidegate.devices.revoke", DEVICE),
        (block, "tidegate.devices.block", DEVICE),
        (stranger, "tidegate.devices.block", DEVICE),
        (unblock, "tidegate.devices.unblock", BLOCK),
    ] {
        assert_eq!(outcome.code, 0, "{method}: {}", outcome.err);
        assert_eq!(outcome.sent(method), &json!({ "id": id }));
    }
}

#[tokio::test]
async fn a_note_of_the_gateway_is_passed_on() {
    let note = "This holds until restart: it could not be saved yet, and saving is tried again.";
    let stage = Stage::answering([
        ("tidegate.devices.show", json!({ "deviceId": DEVICE, "scopes": [] })),
        ("tidegate.devices.revoke", json!({ "revoked": DEVICE, "note": note })),
    ]);

    let outcome = stage.run(&["devices", "revoke", "ed60"]).await;

    assert!(outcome.out.contains(note), "{}", outcome.out);
}

#[tokio::test]
async fn programs_and_blocks_are_shown_too() {
    let program = json!({
        "id": "77777777-x", "executable": "/usr/bin/node", "script": "/opt/openclaw.mjs", "uid": 1000,
        "scopes": ["operator.read"], "lasting": true, "lastSeenAtMs": NOW - 60_000,
    });
    let program =
        Stage::answering([("tidegate.devices.show", program)]).run(&["devices", "show", "7777"]).await;
    let block =
        json!({ "id": BLOCK, "blocked": true, "deviceId": DEVICE, "name": "a\nb", "since": NOW - 60_000 });
    let block = Stage::answering([("tidegate.devices.show", block)]).run(&["devices", "show", "5f0c"]).await;

    assert!(program.out.contains("  Program  /opt/openclaw.mjs\n"), "{}", program.out);
    assert!(
        block.out.starts_with("Blocked.\n  Name    \"a\\u{a}b\"\n  Id      5f0c6a1b2d3e4f50\n  Device  ed60"),
        "{}",
        block.out
    );
}

#[tokio::test]
async fn a_provider_is_added_with_its_key_from_the_prompt_the_input_or_a_reference() {
    let stage = || Stage::answering([("tidegate.models.add", json!({ "ok": true, "note": null }))]);
    let add = ["models", "add", "lab", "--base-url", "https://lab/v1", "--model", "big"];

    let prompted = stage().person(true).secret("sk-1\n").run(&add).await;
    let piped = stage().secret("sk-2\n").run(&[&add[..], &["--key-stdin"]].concat()).await;
    let referred = stage().run(&[&add[..], &["--key-ref", "{env:LAB_KEY}"]].concat()).await;
    let keyless = stage().run(&[&add[..], &["--no-key"]].concat()).await;
    let nobody = stage().run(&add).await;
    let empty = stage().secret("\n").run(&[&add[..], &["--key-stdin"]].concat()).await;

    let base = json!({ "id": "lab", "baseUrl": "https://lab/v1", "models": ["big"] });
    let with = |field: &str, value: &str| {
        let mut params = base.clone();
        params[field] = json!(value);
        params
    };
    assert_eq!(prompted.sent("tidegate.models.add"), &with("key", "sk-1"));
    assert!(prompted.questions[0].contains("lab"));
    assert_eq!(piped.sent("tidegate.models.add"), &with("key", "sk-2"));
    assert_eq!(referred.sent("tidegate.models.add"), &with("keyRef", "{env:LAB_KEY}"));
    assert_eq!(keyless.sent("tidegate.models.add"), &base);
    assert_eq!((nobody.code, nobody.requests.len()), (2, 0));
    assert!(nobody.err.contains("--key-stdin"));
    assert_eq!((empty.code, empty.requests.len()), (2, 0));
    for outcome in [prompted, piped] {
        assert_eq!(outcome.code, 0);
        assert!(!outcome.out.contains("sk-") && !outcome.err.contains("sk-"));
    }
}

#[tokio::test]
async fn a_model_that_does_not_answer_is_1_with_the_reason() {
    let good = json!({ "ok": true, "model": "a/b", "firstByteMs": 120, "totalMs": 300, "text": "hi" });
    let bad = json!({ "ok": false, "model": "a/b", "error": "the key was refused" });

    let good = Stage::answering([("tidegate.models.test", good)]).run(&["models", "test"]).await;
    let bad = Stage::answering([("tidegate.models.test", bad)]).run(&["models", "test", "a/b"]).await;

    assert_eq!(
        (good.code, good.out.as_str()),
        (0, "a/b answers: first text after 120 ms, done after 300 ms.\n")
    );
    assert_eq!(good.sent("tidegate.models.test"), &json!({}));
    assert_eq!((bad.code, bad.err.as_str()), (1, "tidegate: a/b does not answer: the key was refused.\n"));
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said_so() {
    let shown = Stage::answering([("chat.history", json!({ "sessionKey": "x", "messages": [] }))]);
    let shown = shown.run(&["sessions", "show", "x"]).await;
    let deleted = Stage::answering([("sessions.delete", json!({ "deleted": false }))]);
    let deleted = deleted.run(&["sessions", "delete", "x"]).await;

    for outcome in [shown, deleted] {
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("There is no session agent:main:x."), "{}", outcome.err);
    }
}

#[tokio::test]
async fn running_commands_are_listed_with_what_interrupts_them() {
    let list = json!({ "commands": [{
        "runId": "run-1", "sessionKey": "agent:main:main", "toolCallId": "call-1", "command": "make all",
        "class": "contained", "pty": false, "sinceMs": NOW - 60_000, "interrupts": 0,
    }] });
    let listed = Stage::answering([("tidegate.commands.list", list)]).run(&["commands", "list"]).await;
    assert_eq!(
        listed.out,
        "STARTED    CLASS      ID      RUN    SESSION          COMMAND\n\
         1 min ago  contained  call-1  run-1  agent:main:main  make all\n"
    );

    let answer = json!({ "runId": "run-1", "toolCallId": "call-1", "interrupts": 1 });
    let interrupted = Stage::answering([("tidegate.commands.interrupt", answer)]);
    let interrupted = interrupted.run(&["commands", "interrupt", "call-1", "--run", "run-1"]).await;
    assert_eq!(
        interrupted.sent("tidegate.commands.interrupt"),
        &json!({ "toolCallId": "call-1", "runId": "run-1" })
    );
}

#[tokio::test]
async fn stopping_is_done_also_when_the_gateway_is_gone_before_it_answers() {
    let outcome = Stage::scripted(|_, _, _| Reply::HangUp).run(&["stop"]).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Tidegate stops.\n"));
}

#[tokio::test]
async fn the_lines_for_openclaw_hold_the_address_and_no_token() {
    let stage = Stage::answering([
        (
            "tidegate.connect",
            json!({
                "url": "ws://127.0.0.1:18790",
                "variable": "TIDEGATE_OPENCLAW_TOKEN",
                "lines": [
                    "openclaw config set gateway.mode remote",
                    "openclaw config set gateway.remote.url ws://127.0.0.1:18790",
                    "openclaw config set gateway.remote.token \"$TIDEGATE_OPENCLAW_TOKEN\"",
                ],
                "once": [
                    "openclaw gateway health --url ws://127.0.0.1:18790 --token \"$TIDEGATE_OPENCLAW_TOKEN\"",
                ],
            }),
        ),
        ("tidegate.token.show", json!({ "token": "s3cret", "source": "keyring" })),
    ]);

    let outcome = stage.run(&["connect", "--state-dir", "/tmp/x y"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    for line in [
        "TIDEGATE_OPENCLAW_TOKEN=\"$(tidegate --state-dir '/tmp/x y' token new --name openclaw --level full)\"",
        "TIDEGATE_OPENCLAW_TOKEN=\"$(tidegate --state-dir '/tmp/x y' token show)\"",
        "openclaw gateway health --url ws://127.0.0.1:18790 --token \"$TIDEGATE_OPENCLAW_TOKEN\"",
        "openclaw config set gateway.mode remote",
        "openclaw config set gateway.remote.url ws://127.0.0.1:18790",
        "openclaw config set gateway.remote.token \"$TIDEGATE_OPENCLAW_TOKEN\"",
    ] {
        assert!(outcome.out.contains(line), "{line}\n{}", outcome.out);
    }
    assert!(!outcome.out.contains("s3cret"));
}

#[tokio::test]
async fn events_between_request_and_answer_disturb_nothing() {
    let stage = Stage::scripted(|_, _, id| {
        Reply::Frames(vec![
            json!({ "type": "event", "event": "tick", "payload": {} }),
            json!({ "type": "res", "id": "of someone else", "ok": false }),
            json!({ "type": "some future frame" }),
            json!({ "type": "res", "id": id, "ok": true, "payload": { "paused": true } }),
        ])
    });

    let outcome = stage.run(&["pause"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
}

/// A gateway whose Ollama was found, and is not in use.
fn found_server() -> Stage {
    Stage::scripted(|method, _, id| match method {
        "tidegate.models.use" => Reply::Frames(vec![json!({
            "type": "res", "id": id, "ok": false,
            "error": {
                "code": "INVALID_REQUEST",
                "message": "the server of ollama/q is not in use",
                "details": {
                    "reason": "SERVER_NOT_IN_USE",
                    "server": {
                        "model": "ollama/q", "owner": "/usr/bin/ollama\u{1b} (process 12, user 998)",
                        "user": "a system account", "address": "127.0.0.1:11434",
                    },
                },
            },
        })]),
        _ => Reply::ok(id, json!({ "ok": true, "model": "ollama/q", "note": null })),
    })
}

const OWNER: &str = "/usr/bin/ollama\u{1b} (process 12, user 998)";

#[tokio::test]
async fn a_found_server_is_shown_and_taken_into_use_on_a_yes() {
    let outcome = found_server().person(true).run(&["models", "use", "ollama/q"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(outcome.questions, ["Take it into use?"]);
    for line in [
        "  Model    ollama/q\n",
        "  Program  /usr/bin/ollama\\u{1b} (process 12, user 998)\n",
        "  User     a system account\n",
        "  Address  127.0.0.1:11434\n",
    ] {
        assert!(outcome.out.contains(line), "{}", outcome.out);
    }
    assert_eq!(outcome.sent("tidegate.models.take"), &json!({ "model": "ollama/q", "owner": OWNER }));
    assert!(outcome.out.contains("ollama/q answers from now on"), "{}", outcome.out);
}

#[tokio::test]
async fn a_found_server_is_not_taken_into_use_without_a_yes() {
    let no = found_server().person(false).run(&["models", "use", "ollama/q"]).await;
    let nobody = found_server().run(&["models", "use", "ollama/q"]).await;
    let told = found_server().run(&["models", "use", "ollama/q", "--yes"]).await;

    assert_eq!((no.code, no.err.as_str()), (1, "tidegate: It was not taken into use.\n"));
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("pass --yes to take it into use"), "{}", nobody.err);
    assert!(!no.was_called("tidegate.models.take") && !nobody.was_called("tidegate.models.take"));
    assert!(told.was_called("tidegate.models.take") && told.questions.is_empty());
}

#[tokio::test]
async fn beside_a_desktop_its_dialog_asks_about_a_found_server() {
    let outcome = found_server().with_desktop().person(true).run(&["models", "use", "ollama/q"]).await;

    assert!(outcome.was_called("tidegate.models.take"), "it opens the dialog");
    assert!(outcome.questions.is_empty(), "nobody is asked twice");
}
