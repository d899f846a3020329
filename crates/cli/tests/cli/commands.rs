//! What each command asks the gateway, and what it prints.

use serde_json::{Value, json};
use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::payload::agents::ModelsListResult;
use tidegate_protocol::payload::chat::ChatAbortResult;
use tidegate_protocol::payload::devices::{BlockedEntry, DevicePairListResult, PairedDevice, PendingDevice};
use tidegate_protocol::payload::surface_params::GrantLifetime;
use tidegate_protocol::payload::surfaces::{
    AuditResult, BlockedResult, ConnectLinesResult, DecidedResult, DoctorResult, FoundServer,
    InterruptedResult, ModelsAddResult, PausedResult, RevokedResult, RunningCommandEntry,
    RunningCommandsResult, SelfTestResult, SelfTestStep, ShownEntry, StoppingResult, TokenListResult,
    UnblockedResult,
};
use tidegate_protocol::{ErrorShape, Scope, rpc};

use crate::support::answers::{
    DEVICE, ID, ago, blocked, command, history, log, model, model_tested, model_used, new_token, no_devices,
    no_sessions, paired, pending, permissions, program, revoked, rotated_token, run_id, session_deleted,
    session_key, shared_token, status,
};
use crate::support::{Reply, Stage, to};

const BLOCK: &str = "5f0c6a1b2d3e4f50";

fn interrupted() -> InterruptedResult {
    InterruptedResult { run_id: run_id("run-1"), tool_call_id: "call-1".to_owned(), interrupts: 1 }
}

fn self_tested() -> SelfTestResult {
    let step = SelfTestStep { name: "spawn".to_owned(), ok: true, ms: 4, sentence: String::new() };
    SelfTestResult { ok: true, steps: vec![step] }
}

fn known(device: PairedDevice) -> ShownEntry {
    ShownEntry::Device(Box::new(device))
}

#[tokio::test]
async fn simple_commands_ask_one_thing_and_confirm_it() {
    let rejected = DecidedResult { request_id: ID.to_owned(), subject: DEVICE.to_owned(), approved: false };
    let aborted = ChatAbortResult { ok: true, aborted: true, run_ids: ["1", "2"].map(run_id).to_vec() };
    for (words, answer, printed) in [
        (vec!["pause"], to::<rpc::TidegatePause>(PausedResult { paused: true }), "Paused"),
        (vec!["resume"], to::<rpc::TidegateResume>(PausedResult { paused: false }), "Going on."),
        (vec!["stop"], to::<rpc::TidegateStop>(StoppingResult { stopping: true }), "Tidegate stops."),
        (vec!["token", "revoke", "a"], to::<rpc::TidegateTokenRevoke>(revoked("a")), "Revoked."),
        (vec!["models", "use", "a/b"], to::<rpc::TidegateModelsUse>(model_used("a/b")), "a/b answers"),
        (vec!["sessions", "cancel", "x"], to::<rpc::ChatAbort>(aborted), "Stopped 2 runs."),
        (vec!["sessions", "delete", "x"], to::<rpc::SessionsDelete>(session_deleted(true)), "Deleted"),
        (vec!["selftest"], to::<rpc::TidegateSelfTest>(self_tested()), "ok  spawn"),
        (
            vec!["devices", "reject", "3f2a9c1e"],
            to::<rpc::TidegateDevicesDecide>(rejected.clone()),
            "Rejected.",
        ),
        (vec!["devices", "later", "3f2a9c1e"], to::<rpc::TidegateDevicesDecide>(rejected), "Put aside."),
        (vec!["audit"], to::<rpc::TidegateAudit>(AuditResult { events: vec![] }), "The audit log is empty."),
        (vec!["approvals", "list"], to::<rpc::ExecApprovalList>(vec![]), "Nothing waits."),
        (
            vec!["permissions", "list"],
            to::<rpc::TidegatePermissionsList>(permissions(false)),
            "/work without asking",
        ),
        (vec!["sessions", "list"], to::<rpc::SessionsList>(no_sessions()), "There is no session yet."),
        (
            vec!["models", "list"],
            to::<rpc::ModelsList>(ModelsListResult { models: vec![] }),
            "There is no model.",
        ),
        (
            vec!["commands", "list"],
            to::<rpc::TidegateCommandsList>(RunningCommandsResult { commands: vec![] }),
            "No command runs now.",
        ),
        (
            vec!["commands", "interrupt", "call-1"],
            to::<rpc::TidegateCommandsInterrupt>(interrupted()),
            "Sent Ctrl-C.",
        ),
        (vec!["logs"], to::<rpc::LogsTail>(log(4, &["line"], false)), "line"),
    ] {
        let outcome = Stage::answering([answer]).run(&words).await;

        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.err);
        assert!(outcome.out.contains(printed), "{words:?}: {}", outcome.out);
        assert_eq!(outcome.requests.len(), 1, "{words:?}");
    }
}

#[tokio::test]
async fn every_command_prints_the_gateways_answer_when_json_is_wanted() {
    let tokens = TokenListResult { shared_token: true, tokens: vec![], programs: vec![program()] };
    let devices = DevicePairListResult { pending: vec![pending()], ..no_devices() };
    let messages = vec![json!({ "role": "user", "content": "hi", "of a later version": 1 })];
    for (words, (method, answer)) in [
        (vec!["status"], to::<rpc::TidegateStatus>(status())),
        (vec!["token", "show"], to::<rpc::TidegateTokenShow>(shared_token(Some("t")))),
        (vec!["token", "new", "--name", "a", "--level", "read"], to::<rpc::TidegateTokenNew>(new_token("t"))),
        (vec!["token", "rotate"], to::<rpc::TidegateTokenRotate>(rotated_token("t", None))),
        (vec!["token", "list"], to::<rpc::TidegateTokenList>(tokens)),
        (vec!["devices", "list"], to::<rpc::DevicePairList>(devices)),
        (vec!["devices", "show", "abcd"], to::<rpc::TidegateDevicesShow>(known(paired("laptop")))),
        (vec!["approvals", "list"], to::<rpc::ExecApprovalList>(vec![command()])),
        (vec!["permissions", "list"], to::<rpc::TidegatePermissionsList>(permissions(true))),
        (
            vec!["models", "list"],
            to::<rpc::ModelsList>(ModelsListResult { models: vec![model("ollama", "qwen3")] }),
        ),
        (vec!["models", "test"], to::<rpc::TidegateModelsTest>(model_tested(None))),
        (vec!["sessions", "list"], to::<rpc::SessionsList>(no_sessions())),
        (vec!["sessions", "show", "x"], to::<rpc::ChatHistory>(history(Some("s"), messages))),
        (vec!["logs"], to::<rpc::LogsTail>(log(0, &[], false))),
        (vec!["audit"], to::<rpc::TidegateAudit>(AuditResult { events: vec![] })),
        (vec!["doctor"], to::<rpc::TidegateDoctor>(DoctorResult { checks: vec![] })),
        (vec!["selftest"], to::<rpc::TidegateSelfTest>(self_tested())),
        (vec!["pause"], to::<rpc::TidegatePause>(PausedResult { paused: true })),
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
    let shown = Stage::answering([to::<rpc::TidegateTokenShow>(shared_token(Some("tok")))]);
    let shown = shown.run(&["token"]).await;
    let made = Stage::answering([to::<rpc::TidegateTokenNew>(new_token("tok2"))]);
    let made = made.run(&["token", "new", "--name", "backup", "--level", "write", "--pairing"]).await;
    let note = "This holds until restart: it could not be saved yet, and saving is tried again.";
    let rotated = Stage::answering([to::<rpc::TidegateTokenRotate>(rotated_token("tok3", Some(note)))]);
    let rotated = rotated.run(&["token", "rotate"]).await;

    assert_eq!(shown.out, "tok\n");
    assert_eq!(made.out, "tok2\n");
    assert!(
        made.err.contains("Read and write")
            && made.err.contains("manage pairing")
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
    let request = PendingDevice {
        display_name: Some("evil\u{202e}\n".to_owned()),
        scopes: vec![Scope::Read, Scope::Admin],
        ts: ago(60_000),
        ..pending()
    };
    let named = PairedDevice {
        operator_label: Some("My laptop".to_owned()),
        scopes: vec![Scope::Write],
        lasts: Some(GrantLifetime::UntilQuit),
        connected: true,
        ..paired("My laptop")
    };
    let unnamed = PairedDevice {
        platform: "ios".to_owned(),
        last_seen_at_ms: Some(ago(7_200_000)),
        ..paired("claims")
    };
    let own = PairedDevice { built_in: Some(true), scopes: vec![Scope::Admin], ..paired("Tidegate") };
    let program = BlockedEntry {
        device_id: None,
        executable: Some("/usr/bin/node".to_owned()),
        script: Some("/opt/openclaw.mjs".to_owned()),
        since: ago(7_200_000),
        ..blocked("0a1b2c3d4e5f6071", "")
    };
    let list = DevicePairListResult {
        pending: vec![request],
        paired: vec![named, unnamed, own],
        blocked: Some(vec![blocked(BLOCK, "evil\n"), program]),
    };

    let outcome = Stage::answering([to::<rpc::DevicePairList>(list)]).run(&["devices", "list"]).await;

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
         \n`tidegate token list` shows programs that were approved without a device.\n"
    );
}

#[tokio::test]
async fn short_ids_are_made_whole_before_rights_are_taken() {
    let shown = to::<rpc::TidegateDevicesShow>(known(paired("laptop")));
    let done = BlockedResult { blocked: DEVICE.to_owned(), note: None };
    let done = to::<rpc::TidegateDevicesBlock>(done);
    let revoke = Stage::answering([shown.clone(), to::<rpc::TidegateDevicesRevoke>(revoked(DEVICE))]);
    let revoke = revoke.run(&["devices", "revoke", "ed60"]).await;
    let block = Stage::answering([shown, done.clone()]).run(&["devices", "block", "ed60"]).await;
    let stranger = Stage::answering([done]).run(&["devices", "block", DEVICE]).await;
    let unblocked = UnblockedResult { unblocked: BLOCK.to_owned(), note: None };
    let unblock = Stage::answering([
        to::<rpc::TidegateDevicesShow>(ShownEntry::Block(blocked(BLOCK, "x"))),
        to::<rpc::TidegateDevicesUnblock>(unblocked),
    ]);
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
        to::<rpc::TidegateDevicesShow>(known(paired("laptop"))),
        to::<rpc::TidegateDevicesRevoke>(RevokedResult { note: Some(note.to_owned()), ..revoked(DEVICE) }),
    ]);

    let outcome = stage.run(&["devices", "revoke", "ed60"]).await;

    assert!(outcome.out.contains(note), "{}", outcome.out);
}

#[tokio::test]
async fn programs_and_blocks_are_shown_too() {
    let program = Stage::answering([to::<rpc::TidegateDevicesShow>(ShownEntry::Program(program()))]);
    let program = program.run(&["devices", "show", "7777"]).await;
    let block = ShownEntry::Block(blocked(BLOCK, "a\nb"));
    let block = Stage::answering([to::<rpc::TidegateDevicesShow>(block)]);
    let block = block.run(&["devices", "show", "5f0c"]).await;

    assert!(program.out.contains("  Program  /opt/openclaw.mjs\n"), "{}", program.out);
    assert!(
        block.out.starts_with("Blocked.\n  Name    \"a\\u{a}b\"\n  Id      5f0c6a1b2d3e4f50\n  Device  ed60"),
        "{}",
        block.out
    );
}

#[tokio::test]
async fn a_provider_is_added_with_its_key_from_the_prompt_the_input_or_a_reference() {
    let added = ModelsAddResult { ok: true, note: None };
    let stage = || Stage::answering([to::<rpc::TidegateModelsAdd>(added.clone())]);
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
    let stage = |error| Stage::answering([to::<rpc::TidegateModelsTest>(model_tested(error))]);

    let good = stage(None).run(&["models", "test"]).await;
    let bad = stage(Some("the key was refused")).run(&["models", "test", "a/b"]).await;

    assert_eq!(
        (good.code, good.out.as_str()),
        (0, "a/b answers: first text after 120 ms, done after 300 ms.\n")
    );
    assert_eq!(good.sent("tidegate.models.test"), &json!({}));
    assert_eq!((bad.code, bad.err.as_str()), (1, "tidegate: a/b does not answer: the key was refused.\n"));
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said_so() {
    let shown = Stage::answering([to::<rpc::ChatHistory>(history(None, vec![]))]);
    let shown = shown.run(&["sessions", "show", "x"]).await;
    let deleted = Stage::answering([to::<rpc::SessionsDelete>(session_deleted(false))]);
    let deleted = deleted.run(&["sessions", "delete", "x"]).await;

    for outcome in [shown, deleted] {
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("There is no session agent:main:x."), "{}", outcome.err);
    }
}

#[tokio::test]
async fn running_commands_are_listed_with_what_interrupts_them() {
    let commands = vec![RunningCommandEntry {
        run_id: run_id("run-1"),
        session_key: session_key("main"),
        tool_call_id: "call-1".to_owned(),
        command: "make all".to_owned(),
        class: CommandClass::Contained,
        pty: false,
        since_ms: ago(60_000),
        interrupts: 0,
    }];
    let listed = Stage::answering([to::<rpc::TidegateCommandsList>(RunningCommandsResult { commands })]);
    let listed = listed.run(&["commands", "list"]).await;
    assert_eq!(
        listed.out,
        "STARTED    CLASS      ID      RUN    SESSION          COMMAND\n\
         1 min ago  contained  call-1  run-1  agent:main:main  make all\n"
    );

    let interrupted = Stage::answering([to::<rpc::TidegateCommandsInterrupt>(interrupted())]);
    let interrupted = interrupted.run(&["commands", "interrupt", "call-1", "--run", "run-1"]).await;
    assert_eq!(
        interrupted.sent("tidegate.commands.interrupt"),
        &json!({ "toolCallId": "call-1", "runId": "run-1" })
    );
}

#[tokio::test]
async fn stopping_is_done_also_when_the_connection_ends_before_its_answer() {
    let outcome = Stage::scripted(|_, _, _| Reply::HangUp).run(&["stop"]).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Tidegate stops.\n"));

    let outcome = Stage::scripted(|_, _, _| Reply::HangUp).run(&["stop", "--json"]).await;

    assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap(), json!({ "stopping": true }));
}

#[tokio::test]
async fn the_lines_for_openclaw_hold_the_address_and_no_token() {
    let lines = [
        "openclaw config set gateway.mode remote",
        "openclaw config set gateway.remote.url ws://127.0.0.1:18790",
        "openclaw config set gateway.remote.token \"$TIDEGATE_OPENCLAW_TOKEN\"",
    ];
    let once = "openclaw gateway health --url ws://127.0.0.1:18790 --token \"$TIDEGATE_OPENCLAW_TOKEN\"";
    let stage = Stage::answering([
        to::<rpc::TidegateConnect>(ConnectLinesResult {
            url: "ws://127.0.0.1:18790".to_owned(),
            variable: "TIDEGATE_OPENCLAW_TOKEN".to_owned(),
            lines: lines.map(str::to_owned).to_vec(),
            once: vec![once.to_owned()],
        }),
        to::<rpc::TidegateTokenShow>(shared_token(Some("s3cret"))),
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
        "tidegate.models.use" => {
            let server = FoundServer {
                model: "ollama/q".to_owned(),
                owner: OWNER.to_owned(),
                user: "a system account".to_owned(),
                address: "127.0.0.1:11434".to_owned(),
            };
            let error = ErrorShape::invalid("the server of ollama/q is not in use");
            let details = json!({ "reason": "SERVER_NOT_IN_USE", "server": server });
            Reply::error(id, &error.with_details(details))
        }
        _ => Reply::ok(id, model_used("ollama/q")),
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
