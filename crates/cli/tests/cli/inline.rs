//! `agent` in a terminal: the person decides while the run goes on.

use std::sync::mpsc;

use serde_json::{Value, json};
use tidegate_protocol::payload::approvals::{
    ApprovalCommand, ApprovalDecision, ApprovalResolvedEvent, WaitingApproval,
};
use tidegate_protocol::payload::chat::ChatAbortResult;
use tidegate_protocol::payload::surfaces::{ActiveRun, RunActivity, TidegateStatusResult};
use tidegate_protocol::{ErrorCode, ErrorShape, RunId};

use crate::support::answers::{
    agent_accepted, agent_event, agent_result, ago, decided, offering, run_id, session_key, status,
};
use crate::support::{Reply, Stage, answer, event};

const MESSAGE: [&str; 3] = ["agent", "--message", "hi"];
/// The session of a subagent.
const CHILD: &str = "agent:main:subagent:7";

/// What a run asks for.
fn asks(id: &str, run: &RunId) -> Value {
    let request = ApprovalCommand { run_id: Some(run.to_string()), ..offering().request };
    event("exec.approval.requested", WaitingApproval { id: id.to_owned(), request, ..offering() })
}

/// The same for its subagent.
fn asks_for_child(id: &str, run: &RunId) -> Value {
    let request = ApprovalCommand {
        run_id: Some("child".to_owned()),
        task_id: Some(run.to_string()),
        ancestors: vec!["Tidy my notes".to_owned()],
        session_key: CHILD.to_owned(),
        ..offering().request
    };
    event("exec.approval.requested", WaitingApproval { id: id.to_owned(), request, ..offering() })
}

fn resolved(id: &str, decision: Option<ApprovalDecision>) -> Value {
    let resolved = ApprovalResolvedEvent { id: id.to_owned(), decision, resolved_by: None, ts: ago(0) };
    event("exec.approval.resolved", resolved)
}

/// A run that asks for these, and ends when so many decisions were made.
fn run_asking(ids: &'static [&'static str], decisions: usize) -> Stage {
    let mut agent = None;
    let mut made = 0;
    Stage::scripted(move |method, params, id| match method {
        "agent" => {
            let run = run_id(params["idempotencyKey"].as_str().unwrap());
            let mut frames =
                vec![answer(id, agent_accepted(&run)), event("agent", agent_event(&run, "I ask"))];
            frames.extend(ids.iter().map(|id| asks(id, &run)));
            agent = Some((id.to_owned(), run));
            Reply::Frames(frames)
        }
        "tidegate.approvals.decide" => {
            made += 1;
            let granted = (params["verdict"]["decision"] == "permit").then_some("It may go on.");
            let mut frames = vec![answer(id, decided(granted))];
            if made == decisions {
                let (agent, run) = agent.take().unwrap();
                frames.push(answer(&agent, agent_result(&run, Some("I asked."))));
            }
            Reply::Frames(frames)
        }
        _ => Reply::error(id, &ErrorShape::invalid(method)),
    })
}

#[tokio::test]
async fn a_request_is_shown_whole_and_decided_with_one_key() {
    let outcome = run_asking(&["first"], 1).typing(&["f\n"]).run(&MESSAGE).await;

    assert_eq!((outcome.code, outcome.out.as_str()), (0, "I asked.\n"), "{}", outcome.err);
    let verdict = json!({ "decision": "permit", "offer": { "kind": "contained" } });
    assert_eq!(outcome.sent("tidegate.approvals.decide"), &json!({ "id": "first", "verdict": verdict }));
    assert_eq!(
        outcome.err,
        "\n\nAn agent wants to run this command.\n\
         \nCommand\n\
         \x20 | curl x | sh\n\
         \nRun by /bin/sh, in the directory\n\
         \x20 | /work\n\
         \nFor agent:main:main\n\
         \n\
         \x20 [y] Allow it once, exactly as shown.\n\
         \x20 [f] Run this, and let agents run contained commands in /work without asking, until you revoke that.\n\
         \x20 [n] Deny it. The agent reads what you add: n Use the other folder.\n\
         \x20 [s] Deny it, and stop the run that asked.\n\
         Allowed. It may go on.\n"
    );
    assert_eq!(outcome.questions, ["Your decision [y/f/n/s]:"]);
}

#[tokio::test]
async fn requests_are_asked_about_one_after_the_other() {
    let outcome =
        run_asking(&["first", "second"], 2).typing(&["perhaps\n", "n not now\n", "y\n"]).run(&MESSAGE);
    let outcome = outcome.await;

    let decided: Vec<&Value> = outcome
        .requests
        .iter()
        .filter(|(name, _)| name == "tidegate.approvals.decide")
        .map(|(_, sent)| sent)
        .collect();
    let deny = json!({ "decision": "deny", "words": "not now", "stop": false });
    assert_eq!(
        decided,
        [
            &json!({ "id": "first", "verdict": deny }),
            &json!({ "id": "second", "verdict": { "decision": "allowOnce" } })
        ]
    );
    assert!(outcome.err.contains("Type one of y, f, n, s, then press Enter.\n"), "{}", outcome.err);
    assert!(
        outcome.err.contains("\nDenied.\n") && outcome.err.ends_with("\nAllowed, once.\n"),
        "{}",
        outcome.err
    );
}

#[tokio::test]
async fn a_line_for_a_decided_question_never_answers_the_next() {
    let (person, lines) = mpsc::channel();
    let mut agent = None;
    let stage = Stage::scripted(move |method, params, id| match method {
        "agent" => {
            let run = run_id(params["idempotencyKey"].as_str().unwrap());
            agent = Some((id.to_owned(), run.clone()));
            Reply::Frames(vec![
                answer(id, agent_accepted(&run)),
                asks("first", &run),
                asks_for_child("second", &run),
                resolved("first", Some(ApprovalDecision::Deny)),
            ])
        }
        // Only now is the second about to be shown, and the person typed for the first.
        "tidegate.status" => {
            for line in ["y\n", "n\n"] {
                person.send(line.to_owned()).unwrap();
            }
            Reply::ok(id, status())
        }
        _ => {
            let (agent, run) = agent.take().unwrap();
            Reply::Frames(vec![answer(id, decided(None)), answer(&agent, agent_result(&run, Some("Done.")))])
        }
    });

    let outcome = stage.typed(lines).run(&MESSAGE).await;

    let deny = json!({ "decision": "deny", "words": null, "stop": false });
    assert_eq!(outcome.sent("tidegate.approvals.decide"), &json!({ "id": "second", "verdict": deny }));
    for note in [
        "\nIt was denied elsewhere.\n",
        "\nPress Enter, then decide about this one.\n",
        "\nThat was typed for a question that is decided. Decide about this one:\n",
    ] {
        assert!(outcome.err.contains(note), "{note:?}: {}", outcome.err);
    }
}

#[tokio::test]
async fn a_subagent_that_asks_is_named_by_its_label() {
    let mut agent = None;
    let stage = Stage::scripted(move |method, params, id| match method {
        "agent" => {
            let run = run_id(params["idempotencyKey"].as_str().unwrap());
            agent = Some((id.to_owned(), run.clone()));
            Reply::Frames(vec![answer(id, agent_accepted(&run)), asks_for_child("one", &run)])
        }
        "tidegate.status" => {
            let run = ActiveRun {
                run_id: run_id("child"),
                session_key: session_key(CHILD),
                parent: None,
                label: Some("tests".to_owned()),
                since: ago(0),
                activity: RunActivity::Waiting,
            };
            // What comes before the answer is not lost.
            let (_, parent) = agent.as_ref().unwrap();
            let said = event("agent", agent_event(parent, "Meanwhile."));
            Reply::Frames(vec![said, answer(id, TidegateStatusResult { active: vec![run], ..status() })])
        }
        _ => {
            let (agent, run) = agent.take().unwrap();
            Reply::Frames(vec![answer(id, decided(None)), answer(&agent, agent_result(&run, Some("Done.")))])
        }
    });

    let outcome = stage.typing(&["s\n"]).run(&MESSAGE).await;

    assert!(outcome.err.contains("\nFor subagent \"tests\"\n"), "{}", outcome.err);
    assert!(outcome.err.ends_with("\nDenied; the run is stopped.\n"), "{}", outcome.err);
    assert_eq!(outcome.out, "Meanwhile.\n\nDone.\n");
}

#[tokio::test]
async fn a_request_that_is_decided_elsewhere_is_not_asked_any_more() {
    let (person, lines) = mpsc::channel();
    let stage = Stage::scripted(move |_, params, id| {
        let run = run_id(params["idempotencyKey"].as_str().unwrap());
        Reply::Frames(vec![
            answer(id, agent_accepted(&run)),
            asks("first", &run),
            resolved("first", Some(ApprovalDecision::AllowOnce)),
            answer(id, agent_result(&run, Some("Done."))),
        ])
    });

    let outcome = stage.typed(lines).run(&MESSAGE).await;

    drop(person);
    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Done.\n"), "{}", outcome.err);
    assert!(outcome.err.ends_with("\nIt was allowed elsewhere.\n"), "{}", outcome.err);
    assert!(!outcome.was_called("tidegate.approvals.decide"));
}

/// A run that asks for these, and ends only when it is aborted.
fn run_until_aborted(ids: &'static [&'static str]) -> Stage {
    let mut agent = None;
    Stage::scripted(move |method, params, id| match method {
        "agent" => {
            let run = run_id(params["idempotencyKey"].as_str().unwrap());
            agent = Some((id.to_owned(), run.clone()));
            let asked = ids.iter().map(|id| asks(id, &run));
            Reply::Frames(std::iter::once(answer(id, agent_accepted(&run))).chain(asked).collect())
        }
        "chat.abort" => {
            let (agent, run) = agent.take().unwrap();
            let aborted = ErrorShape::new(ErrorCode::Unavailable, "aborted");
            Reply::Frames(vec![
                answer(id, ChatAbortResult { ok: true, aborted: true, run_ids: vec![run] }),
                json!({ "type": "res", "id": agent, "ok": false, "error": aborted }),
            ])
        }
        _ => Reply::ok(id, decided(None)),
    })
}

#[tokio::test]
async fn a_closed_input_leaves_what_waits_and_says_how_to_decide() {
    let stage = run_until_aborted(&["first", "second"]).typing(&[]).interrupted_at("approvals deny second");

    let outcome = stage.run(&MESSAGE).await;

    for id in ["first", "second"] {
        let how = format!("`tidegate approvals allow {id}` or `tidegate approvals deny {id}`\n");
        assert!(outcome.err.contains(&how), "{}", outcome.err);
    }
    assert_eq!((outcome.questions.len(), outcome.was_called("tidegate.approvals.decide")), (1, false));
}

#[tokio::test]
async fn ctrl_c_at_a_question_stops_the_run() {
    let (person, lines) = mpsc::channel();

    let outcome =
        run_until_aborted(&["first"]).typed(lines).interrupted_at("[s] Deny it").run(&MESSAGE).await;

    drop(person);
    assert_eq!((outcome.code, outcome.was_called("chat.abort")), (1, true));
    assert!(outcome.err.ends_with("tidegate: Stopped.\n"), "{}", outcome.err);
}

#[tokio::test]
async fn beside_a_desktop_nobody_is_asked_in_the_terminal() {
    let stage = Stage::scripted(|_, params, id| {
        let run = run_id(params["idempotencyKey"].as_str().unwrap());
        let ended = answer(id, agent_result(&run, Some("Done.")));
        Reply::Frames(vec![answer(id, agent_accepted(&run)), asks("first", &run), ended])
    });

    let outcome = stage.with_desktop().typing(&["y\n"]).run(&MESSAGE).await;

    assert_eq!(
        outcome.err,
        "The agent waits for your decision: Tidegate's dialog asks you on the desktop.\n"
    );
    assert_eq!((outcome.questions.len(), outcome.was_called("tidegate.approvals.decide")), (0, false));
}
