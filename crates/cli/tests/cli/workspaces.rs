//! The folder of a session: what is shown, what is asked, and what is chosen.

use serde_json::{Value, json};
use tidegate_protocol::payload::sessions::{SessionWorkspaceResult, SessionsDescribeResult};
use tidegate_protocol::rpc;

use crate::support::answers::{ago, session_key};
use crate::support::{Outcome, Reply, Stage, desktop_decides, to};

fn answer(chosen: bool, shared_files: Option<u64>) -> (&'static str, Value) {
    to::<rpc::TidegateSessionsWorkspace>(SessionWorkspaceResult {
        key: session_key("main"),
        label: Some("Notes\u{1b}[1m".to_owned()),
        folder: "/home/ada/site\u{202e}".to_owned(),
        is_default: false,
        before: "/home/ada/w".to_owned(),
        shared_files,
        shared_places: vec!["node_modules".to_owned()],
        digest: "d1gest".to_owned(),
        chosen,
    })
}

fn described(workspace: Option<&str>) -> (&'static str, Value) {
    let described = SessionsDescribeResult { ts: ago(0), session: None };
    let (method, mut answer) = to::<rpc::SessionsDescribe>(described);
    if let Some(folder) = workspace {
        answer["session"] = json!({
            "key": "agent:main:main", "sessionId": "s", "agentId": "main", "kind": "direct", "updatedAt": 5,
            "abortedLastRun": false, "inputTokens": 0, "outputTokens": 0, "totalTokens": 0,
            "totalTokensFresh": true, "workspace": folder
        });
    }
    (method, answer)
}

fn here() -> String {
    std::env::temp_dir().canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// The digests of the requests for a choice, in order.
fn choices(outcome: &Outcome) -> Vec<Value> {
    let is_choice = |(method, _): &&(String, Value)| method == "tidegate.sessions.workspace";
    outcome.requests.iter().filter(is_choice).map(|(_, params)| params["digest"].clone()).collect()
}

#[tokio::test]
async fn a_folder_is_shown_before_the_question_and_chosen_by_its_digest() {
    let arguments = ["sessions", "workspace", "main", &here()];

    let yes = Stage::answering([answer(true, Some(2))]).person(true).run(&arguments).await;
    let no = Stage::answering([answer(false, None)]).person(false).run(&arguments).await;

    assert_eq!(yes.code, 0, "{}", yes.err);
    assert_eq!(yes.questions, ["Let agents work there?"]);
    for part in [
        "  | Notes\\u{1b}[1m\n  | agent:main:main\n",
        "\nFolder\n  | /home/ada/site\\u{202e}\n",
        "\nUntil now\n  | /home/ada/w\n",
        "Agents read and change everything in the folder without asking you",
        "2 files in it are shared with other folders (hard links).",
        "  | node_modules\n",
        "Chosen, from the session's next run on.",
    ] {
        assert!(yes.out.contains(part), "{part}: {}", yes.out);
    }
    assert_eq!(choices(&yes), [Value::Null, json!("d1gest")]);
    assert!(yes.requests.iter().all(|(_, params)| params["folder"] == here()));
    assert_eq!((no.code, choices(&no)), (1, vec![Value::Null]));
    assert!(no.out.contains("could not find out in time"), "{}", no.out);
    assert!(no.err.contains("Nothing was chosen."), "{}", no.err);
}

#[tokio::test]
async fn a_session_goes_back_to_the_folder_of_all_others() {
    let stage = Stage::answering([answer(true, Some(0))]);

    let outcome = stage.run(&["sessions", "workspace", "main", "--default", "--yes"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(choices(&outcome), [Value::Null, json!("d1gest")]);
    assert!(outcome.requests.iter().all(|(_, params)| params.get("folder").is_none()));
}

#[tokio::test]
async fn the_folder_of_a_session_is_shown() {
    let arguments = ["sessions", "workspace", "main"];

    let own = Stage::answering([described(Some("/home/ada/site"))]).run(&arguments).await;
    let none = Stage::answering([described(None)]).run(&arguments).await;

    assert!(own.out.contains("Folder\n  | /home/ada/site\n"), "{}", own.out);
    assert!(none.out.contains("No folder was chosen for this session."), "{}", none.out);
}

#[tokio::test]
async fn nothing_is_asked_about_a_folder_that_is_not_there_or_without_a_terminal() {
    let stage = || Stage::answering([answer(true, None)]);

    let gone = stage().person(true).run(&["sessions", "workspace", "main", "/not/there"]).await;
    let unasked = stage().run(&["sessions", "workspace", "main", "."]).await;
    let agent = stage().run(&["agent", "--message", "hi", "--workspace", "."]).await;

    assert_eq!((gone.code, unasked.code, agent.code), (1, 2, 2), "{}", gone.err);
    assert!(gone.err.contains("/not/there cannot be used"), "{}", gone.err);
    for outcome in [gone, unasked, agent] {
        assert!(choices(&outcome).is_empty());
    }
}

#[tokio::test]
async fn beside_a_desktop_its_dialog_asks_about_the_folder_and_nothing_is_said() {
    for arguments in
        [&["sessions", "workspace", "main", "."][..], &["agent", "--message", "hi", "--workspace", "."][..]]
    {
        let script = |method: &str, _: &Value, id: &str| match method {
            "sessions.describe" => Reply::ok(id, described(None).1),
            _ => desktop_decides(id),
        };

        let outcome = Stage::scripted(script).with_desktop().person(true).run(arguments).await;

        assert_eq!(outcome.code, 5, "{}", outcome.err);
        assert!(outcome.questions.is_empty() && !outcome.was_called("agent"));
    }
}

#[tokio::test]
async fn a_message_waits_for_the_choice_of_its_folder() {
    let arguments = ["agent", "--message", "hi", "--workspace", &here()];

    let no = Stage::answering([described(None), answer(false, None)]).person(false).run(&arguments).await;
    let has_it = Stage::answering([described(Some(&here()))]).person(false).run(&arguments).await;

    assert!(!no.was_called("agent") && choices(&no) == [Value::Null], "{:?}", no.requests);
    assert!(has_it.was_called("agent") && choices(&has_it).is_empty(), "{:?}", has_it.requests);
}
