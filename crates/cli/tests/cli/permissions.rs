//! Commands and files that wait, and what is allowed for more than one time.

use serde_json::json;
use tidegate_protocol::payload::permissions::{AskEverythingResult, PermissionRevokedResult};
use tidegate_protocol::payload::surfaces::{ActiveRun, RunActivity, TidegateStatusResult};
use tidegate_protocol::rpc;

use crate::support::answers::{
    ID, ago, command, decided, offering, permissions, run_id, session_key, status,
};
use crate::support::{Reply, Stage, desktop_decides, to};

#[tokio::test]
async fn a_command_is_shown_before_it_is_allowed_and_named_by_its_whole_id() {
    let stage = Stage::answering([
        to::<rpc::ExecApprovalList>(vec![command()]),
        to::<rpc::TidegateApprovalsDecide>(decided(None)),
    ]);

    let outcome = stage.person(true).run(&["approvals", "allow", "3f2a"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.sent("tidegate.approvals.decide"),
        &json!({ "id": ID, "verdict": { "decision": "allowOnce" } })
    );
    assert!(outcome.out.contains("  | curl x | sh\n"), "{}", outcome.out);
    assert_eq!(outcome.questions, ["Allow it, once?"]);
}

#[tokio::test]
async fn a_command_that_cannot_be_shown_exactly_is_not_allowed() {
    for missing in ["command", "commandArgv", "cwd", "env"] {
        let mut commands = json!([command()]);
        commands[0]["request"].as_object_mut().unwrap().remove(missing).unwrap();
        let stage = Stage::answering([
            ("exec.approval.list", commands),
            to::<rpc::TidegateApprovalsDecide>(decided(None)),
        ]);

        let outcome = stage.run(&["approvals", "allow", "3f2a9c1e", "--yes"]).await;

        assert_eq!(outcome.code, 1, "{missing}");
        assert!(!outcome.was_called("tidegate.approvals.decide"), "{missing}");
    }
}

#[tokio::test]
async fn commands_need_a_person_too_and_an_id_that_fits_one() {
    let waiting = |commands| Stage::answering([to::<rpc::ExecApprovalList>(commands)]);
    let nobody = waiting(vec![command()]).run(&["approvals", "allow", "3f2a9c1e"]).await;
    let other = waiting(vec![command()]).run(&["approvals", "deny", "zzzz"]).await;
    let twice = waiting(vec![command(), command()]).run(&["approvals", "deny", "3f2a"]).await;
    let short = waiting(vec![command()]).run(&["approvals", "deny", "3f"]).await;

    assert_eq!((nobody.code, nobody.requests.len()), (2, 0));
    assert_eq!(other.code, 1);
    assert!(other.err.contains("Nothing waits"), "{}", other.err);
    assert!(twice.err.contains("More than one"), "{}", twice.err);
    assert!(short.err.contains("Nothing waits"), "{}", short.err);
}

const OFFER: &str =
    "Run this, and let agents run contained commands in /work without asking, until you revoke that.";
const SENTENCE: &str = "Agents run contained commands in /work without asking, until you revoke this.";

#[tokio::test]
async fn what_a_request_offers_is_given_by_its_flag() {
    let stage = Stage::answering([
        to::<rpc::ExecApprovalList>(vec![offering()]),
        to::<rpc::TidegateApprovalsDecide>(decided(Some(SENTENCE))),
    ]);

    let outcome = stage.person(true).run(&["approvals", "allow", "3f2a", "--in-folder"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let verdict = json!({ "decision": "permit", "offer": { "kind": "contained" } });
    assert_eq!(outcome.sent("tidegate.approvals.decide"), &json!({ "id": ID, "verdict": verdict }));
    assert!(outcome.out.contains(&format!("  2. --in-folder: {OFFER}\n")), "{}", outcome.out);
    assert!(outcome.out.ends_with(&format!("Allowed. {SENTENCE}\n")), "{}", outcome.out);
    assert_eq!(outcome.questions, [format!("{OFFER} Allow this?")]);
}

#[tokio::test]
async fn what_a_request_does_not_offer_is_not_given() {
    for (waiting, instead) in [
        (offering(), "It offers --in-folder, or once without a flag."),
        (command(), "It can be allowed only once, without a flag."),
    ] {
        let stage = Stage::answering([to::<rpc::ExecApprovalList>(vec![waiting])]);

        let outcome = stage.person(true).run(&["approvals", "allow", "3f2a", "--for-task"]).await;

        assert_eq!((outcome.code, outcome.questions.len(), outcome.requests.len()), (1, 0, 1));
        let begin = "tidegate: This request does not offer --for-task, so nothing was decided. ";
        assert_eq!(outcome.err, format!("{begin}{instead}\n"));
    }
}

#[tokio::test]
async fn a_denial_carries_words_and_can_stop_the_run() {
    let stage = Stage::answering([
        to::<rpc::ExecApprovalList>(vec![command()]),
        to::<rpc::TidegateApprovalsDecide>(decided(None)),
    ]);

    let deny = ["approvals", "deny", "3f2a", "--deny-reason", "Use git mv.", "--stop"];
    let outcome = stage.run(&deny).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Denied; the run is stopped.\n"), "{}", outcome.err);
    let verdict = json!({ "decision": "deny", "words": "Use git mv.", "stop": true });
    assert_eq!(outcome.sent("tidegate.approvals.decide")["verdict"], verdict);
}

#[tokio::test]
async fn a_subagent_is_named_by_its_label() {
    let key = "agent:main:subagent:7";
    let mut waiting = command();
    waiting.request.session_key = key.to_owned();
    let run = ActiveRun {
        run_id: run_id("child"),
        session_key: session_key(key),
        parent: None,
        label: Some("tests".to_owned()),
        since: ago(0),
        activity: RunActivity::Waiting,
    };
    let active = TidegateStatusResult { active: vec![run], ..status() };
    let stage = || {
        Stage::answering([
            to::<rpc::ExecApprovalList>(vec![waiting.clone()]),
            to::<rpc::TidegateStatus>(active.clone()),
        ])
    };

    let list = stage().run(&["approvals", "list"]).await;
    let show = stage().run(&["approvals", "show", "3f2a"]).await;

    assert!(list.out.contains("  subagent \"tests\"  curl x | sh\n"), "{}", list.out);
    assert!(
        show.out.contains("  For      subagent \"tests\"\n  Session  agent:main:subagent:7\n"),
        "{}",
        show.out
    );
}

#[tokio::test]
async fn a_permission_is_revoked_by_the_beginning_of_its_id() {
    let revoked = PermissionRevokedResult { id: ID.to_owned(), saved: false, ended_commands: 2 };
    let stage = || {
        Stage::answering([
            to::<rpc::TidegatePermissionsList>(permissions(false)),
            to::<rpc::TidegatePermissionsRevoke>(revoked.clone()),
        ])
    };

    let outcome = stage().run(&["permissions", "revoke", "3f2a"]).await;
    let unknown = stage().run(&["permissions", "revoke", "zzzz"]).await;

    assert_eq!(outcome.sent("tidegate.permissions.revoke"), &json!({ "id": ID }));
    assert_eq!(
        outcome.out,
        "Revoked. 2 commands that it had allowed were ended.\n\
         It could not be saved, and holds only until Tidegate restarts.\n"
    );
    assert_eq!((unknown.code, unknown.requests.len()), (1, 1));
    assert!(unknown.err.contains("There is no permission with this id."), "{}", unknown.err);
}

#[tokio::test]
async fn permissions_are_used_again_only_after_a_yes() {
    let stage = |ask_everything| {
        Stage::answering([
            to::<rpc::TidegatePermissionsList>(permissions(ask_everything)),
            to::<rpc::TidegatePermissionsUse>(AskEverythingResult { ask_everything: false, saved: true }),
        ])
    };

    let yes = stage(true).person(true).run(&["permissions", "use"]).await;
    let no = stage(true).person(false).run(&["permissions", "use"]).await;
    let nobody = stage(true).run(&["permissions", "use"]).await;
    let already = stage(false).person(true).run(&["permissions", "use"]).await;

    assert!(yes.out.contains(SENTENCE) && yes.out.ends_with("Permissions are used again.\n"), "{}", yes.out);
    assert_eq!((no.code, no.was_called("tidegate.permissions.use")), (1, false));
    assert_eq!((nobody.code, nobody.requests.len()), (2, 0));
    assert!(nobody.err.contains("`tidegate permissions list`"), "{}", nobody.err);
    assert!(!already.was_called("tidegate.permissions.use"));
}

#[tokio::test]
async fn beside_a_desktop_its_dialog_decides_about_using_permissions() {
    let list = permissions(true);
    let stage = Stage::scripted(move |method, _, id| match method {
        "tidegate.permissions.list" => Reply::ok(id, &list),
        _ => desktop_decides(id),
    });

    let outcome = stage.with_desktop().person(true).run(&["permissions", "use"]).await;

    assert_eq!((outcome.code, outcome.questions.len()), (5, 0));
    assert_eq!(outcome.err, "tidegate: Tidegate's dialog was opened; decide there.\n");
}

#[tokio::test]
async fn asking_about_everything_begins_at_once() {
    let on = AskEverythingResult { ask_everything: true, saved: true };
    let stage = Stage::answering([to::<rpc::TidegatePermissionsAskEverything>(on)]);

    let outcome = stage.run(&["permissions", "ask-everything"]).await;

    assert_eq!((outcome.code, outcome.questions.len()), (0, 0));
    assert!(outcome.out.starts_with("You are asked about everything."), "{}", outcome.out);
}
