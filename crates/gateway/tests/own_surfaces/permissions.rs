//! A person, their surfaces and clients with what is allowed for more than one time, over the real gateway.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_agent::approval::{
    ApprovalAnswer, ApprovalGate as _, ApprovalPlan, ApprovalQuestion, ExecPlan, FilePlan,
};
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_gateway::DialogRequest;
use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::permissions::{ApprovalVerdict, PermissionName, PermissionOffer};
use tidegate_protocol::{RunId, SessionKey};
use tidegate_trust::approval::FileAccess;
use tidegate_trust::decision::Desktop;
use tidegate_trust::permissions::{Attendance, RequestContext};
use tidegate_trust::{FileIdentity, Folder};
use tokio::task::JoinHandle;

use crate::support::{PATIENCE, World};

const CONTAINED: ApprovalVerdict = ApprovalVerdict::Permit { offer: PermissionOffer::Contained };

fn command(needs: &[&str], change: impl FnOnce(&mut Confinement)) -> ApprovalPlan {
    let mut confinement = Confinement::plain(CommandClass::Contained, 1800);
    confinement.needs = needs.iter().map(|need| need.parse().unwrap()).collect();
    change(&mut confinement);
    ApprovalPlan::Exec(ExecPlan {
        command: "make".to_owned(),
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".to_owned(), "make".to_owned()],
        directory: PathBuf::from("/project"),
        environment: Vec::new(),
        confinement,
    })
}

fn contained(needs: &[&str]) -> ApprovalPlan {
    command(needs, |_| ())
}

fn read() -> ApprovalPlan {
    ApprovalPlan::File(FilePlan {
        path: PathBuf::from("/project/notes"),
        exists: true,
        trigger: false,
        access: FileAccess::Read,
    })
}

fn question(task: &str, plan: ApprovalPlan) -> ApprovalQuestion {
    let folder = Folder { path: PathBuf::from("/project"), identity: FileIdentity { device: 1, inode: 2 } };
    ApprovalQuestion {
        run: RunId::parse(task).unwrap(),
        session: SessionKey::parse("agent:main:main").unwrap(),
        ancestors: Vec::new(),
        context: RequestContext {
            plain: None,
            not_found: None,
            task: task.to_owned(),
            attendance: Attendance::Attended,
            folders: vec![folder],
            outside: Vec::new(),
        },
        plan,
    }
}

/// A run of a task asks, and waits for a person; its request's id.
async fn waits(world: &World, task: &str, plan: ApprovalPlan) -> (JoinHandle<ApprovalAnswer>, String) {
    let (gate, question) = (world.gate(), question(task, plan));
    let before = world.waiting_ids().len();
    let asked = tokio::spawn(async move { gate.ask(question).await });
    loop {
        let waiting = world.waiting_ids();
        if waiting.len() > before {
            return (asked, waiting.last().unwrap().clone());
        }
        tokio::task::yield_now().await;
    }
}

/// A person is asked about it; then the run is gone.
async fn asks(world: &World, task: &str, plan: ApprovalPlan) {
    let (asked, _) = waits(world, task, plan).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
}

/// What a run is answered at once.
async fn answered(world: &World, task: &str, plan: ApprovalPlan) -> ApprovalAnswer {
    let gate = world.gate();
    let answer = gate.ask(question(task, plan));
    tokio::time::timeout(PATIENCE, answer).await.expect("nobody is asked")
}

fn kind(answer: &ApprovalAnswer) -> Option<PermissionName> {
    match answer {
        ApprovalAnswer::Permitted { permission, .. } => Some(permission.kind),
        _ => None,
    }
}

/// The person gives what a run asks for in the dialog.
async fn given(world: &World, task: &str, plan: ApprovalPlan, verdict: &ApprovalVerdict) -> ApprovalAnswer {
    let digest = plan.digest();
    let (asked, id) = waits(world, task, plan).await;
    world.desktop().decide_approval(&id, &digest, verdict).await.unwrap();
    asked.await.unwrap()
}

#[tokio::test]
async fn a_clients_allow_always_gives_the_shown_needs_for_the_task() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals", "operator.read"]).await;
    let needs = contained(&["network:a.example"]);
    let (asked, id) = waits(&world, "task-1", needs.clone()).await;

    let list = client.request("exec.approval.list", json!({})).await.unwrap();
    let offers: Vec<&Value> =
        list[0]["offers"].as_array().unwrap().iter().map(|one| &one["offer"]["kind"]).collect();
    assert_eq!(offers, ["task", "needs"]);
    let allow_always = json!({ "id": id, "decision": "allow-always" });
    let decided = client.request("exec.approval.resolve", allow_always).await.unwrap();

    let granted = decided["granted"].as_str().unwrap();
    assert!(granted.starts_with("One task") && granted.contains("network:a.example"), "{granted}");
    assert_eq!(kind(&asked.await.unwrap()), Some(PermissionName::Task));
    assert_eq!(kind(&answered(&world, "task-1", needs.clone()).await), Some(PermissionName::Task));
    asks(&world, "task-2", needs).await;
    let told = *world.desktop().client_decisions().borrow();
    assert_eq!((told.approved, told.approved_for_task), (1, 1), "the person hears how long it lasts");
}

#[tokio::test]
async fn where_no_task_is_offered_allow_always_is_once_and_says_so() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.approvals", "operator.read"]).await;
    let unconfined = command(&["unconfined"], |confinement| confinement.class = CommandClass::Unconfined);
    let partial = command(&[], |confinement| confinement.class = CommandClass::Partial);
    let after_network = command(&["sockets"], |confinement| confinement.after_network = true);
    for (number, plan) in [contained(&[]), unconfined, partial, after_network, read()].into_iter().enumerate()
    {
        let task = format!("task-{number}");
        let (asked, id) = waits(&world, &task, plan.clone()).await;

        let allow_always = json!({ "id": id, "decision": "allow-always" });
        let decided = client.request("exec.approval.resolve", allow_always).await.unwrap();

        assert!(decided["granted"].as_str().unwrap().starts_with("Allowed this once"), "{decided}");
        let digest = plan.digest();
        assert_eq!(asked.await.unwrap(), ApprovalAnswer::Allowed { digest });
    }
    let mut asking = world.let_in(2, &["operator.approvals"]).await;
    let id = world.ask_command(&mut asking, Duration::from_secs(60)).await;
    let own = asking.request("exec.approval.resolve", json!({ "id": id, "decision": "allow-always" })).await;
    assert!(own.is_err(), "{own:?}");
    let decided =
        client.request("exec.approval.resolve", json!({ "id": id, "decision": "allow-always" })).await;
    assert!(decided.unwrap()["granted"].as_str().unwrap().starts_with("Allowed this once"));
    let listed = world.window().await.call("tidegate.permissions.list", json!({})).await.unwrap();
    assert_eq!((&listed["permissions"], &listed["unaskedCount"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn a_folder_is_allowed_in_the_dialog_listed_and_revoked_in_a_window() {
    let world = World::with_desktop().await;
    let mut window = world.window().await;
    assert_eq!(
        kind(&given(&world, "task-1", contained(&[]), &CONTAINED).await),
        Some(PermissionName::Contained)
    );
    let used = answered(&world, "task-2", contained(&[])).await;
    let ApprovalAnswer::Permitted { permission, .. } = &used else { panic!("{used:?}") };

    let listed = window.call("tidegate.permissions.list", json!({})).await.unwrap();
    let entry = &listed["permissions"][0];
    assert_eq!((&entry["kind"], &entry["folder"]), (&json!("contained"), &json!("/project")));
    assert_eq!((&listed["unasked"][0]["title"], &listed["unaskedCount"]), (&json!("make"), &json!(1)));
    let status = window.call("tidegate.status", json!({})).await.unwrap();
    assert_eq!(status["gateway"]["askEverything"], false);
    let id = json!({ "id": entry["id"] });
    let revoked = window.call("tidegate.permissions.revoke", id.clone()).await.unwrap();

    assert_eq!((&revoked["saved"], &revoked["endedCommands"]), (&json!(true), &json!(1)));
    assert!(permission.revoked.is_cancelled());
    assert!(window.call("tidegate.permissions.revoke", id).await.is_err(), "once");
    asks(&world, "task-2", contained(&[])).await;
}

#[tokio::test]
async fn surfaces_and_clients_permit_nothing_that_the_dialog_gives() {
    let world = World::with_desktop().await;
    let mut client = world.let_in(1, &["operator.admin", "operator.approvals", "operator.pairing"]).await;
    let (asked, id) = waits(&world, "task-1", contained(&[])).await;

    for offer in ["contained", "needs", "task", "readBelow"] {
        let permit = json!({ "id": id, "verdict": { "decision": "permit", "offer": { "kind": offer } } });
        let by_window = world.window().await.call("tidegate.approvals.decide", permit.clone()).await;
        let by_line = world.command_line().await.call("tidegate.approvals.decide", permit.clone()).await;
        let by_client = client.request("tidegate.approvals.decide", permit.clone()).await;
        let by_own = world.subagents.call("tidegate.approvals.decide", permit).await;
        assert!(by_window.is_err() && by_line.is_err() && by_client.is_err() && by_own.is_err(), "{offer}");
    }
    for method in ["list", "askEverything", "use"] {
        let method = format!("tidegate.permissions.{method}");
        assert!(client.request(&method, json!({})).await.is_err(), "{method}");
    }
    assert_eq!(world.desktop().commands().len(), 1);
    assert!(!asked.is_finished());
    let listed = world.window().await.call("tidegate.permissions.list", json!({})).await.unwrap();
    assert_eq!(listed["permissions"], json!([]));
    asked.abort();
}

#[tokio::test]
async fn where_no_desktop_runs_the_command_line_is_the_persons_place() {
    let world = World::start(Desktop::Absent).await;
    let mut line = world.command_line().await;
    let (asked, id) = waits(&world, "task-1", contained(&[])).await;

    let permit = json!({ "id": id, "verdict": { "decision": "permit", "offer": { "kind": "contained" } } });
    let decided = line.call("tidegate.approvals.decide", permit).await.unwrap();

    assert!(decided["granted"].as_str().unwrap().contains("/project"), "{decided}");
    assert_eq!(kind(&asked.await.unwrap()), Some(PermissionName::Contained));
    line.call("tidegate.permissions.askEverything", json!({})).await.unwrap();
    let (asked, _) = waits(&world, "task-2", contained(&[])).await;
    line.call("tidegate.permissions.use", json!({})).await.unwrap();
    assert_eq!(kind(&asked.await.unwrap()), Some(PermissionName::Contained), "it is permitted again");
}

#[tokio::test]
async fn words_of_a_denial_reach_the_model_and_it_is_not_asked_again_in_its_task() {
    let world = World::with_desktop().await;
    let mut window = world.window().await;
    let (asked, id) = waits(&world, "task-1", contained(&[])).await;

    let verdict = json!({ "decision": "deny", "words": "use make test", "stop": false });
    window.call("tidegate.approvals.decide", json!({ "id": id, "verdict": verdict })).await.unwrap();

    let ApprovalAnswer::Denied { reason } = asked.await.unwrap() else { panic!("it was denied") };
    assert!(reason.ends_with("and says: use make test"), "{reason}");
    let again = answered(&world, "task-1", contained(&[])).await;
    let ApprovalAnswer::Denied { reason } = again else { panic!("{again:?}") };
    assert!(reason.contains("not asked again in this task"), "{reason}");
    asks(&world, "task-2", contained(&[])).await;
    let other = contained(&["sockets"]);
    asks(&world, "task-1", other).await;
}

#[tokio::test]
async fn anyone_asks_about_everything_and_only_the_dialog_ends_it() {
    let world = World::with_desktop().await;
    let mut window = world.window().await;
    let mut dialogs = world.desktop().dialog_requests().unwrap();
    given(&world, "task-1", contained(&[]), &CONTAINED).await;

    let own = world.subagents.call("tidegate.permissions.askEverything", json!({})).await;
    assert!(own.is_err(), "{own:?}");
    window.call("tidegate.permissions.askEverything", json!({})).await.unwrap();

    let (asked, id) = waits(&world, "task-1", contained(&[])).await;
    let list = world.window().await.call("exec.approval.list", json!({})).await.unwrap();
    assert_eq!(
        (&list[0]["offers"], &list[0]["whyAsked"]),
        (&json!([]), &json!("You chose to be asked about everything."))
    );
    for surface in [&mut window, &mut world.command_line().await] {
        assert!(surface.call("tidegate.permissions.use", json!({})).await.is_err());
        assert_eq!(dialogs.recv().await, Some(DialogRequest::UsePermissions));
    }
    let digest = contained(&[]).digest();
    let not_offered = world.desktop().decide_approval(&id, &digest, &CONTAINED).await;
    assert!(not_offered.is_err(), "it would not be used");
    world.desktop().use_permissions().await.unwrap();
    assert_eq!(kind(&asked.await.unwrap()), Some(PermissionName::Contained));
}

#[tokio::test]
async fn a_run_that_is_gone_while_it_is_allowed_leaves_nothing_that_waits() {
    let world = World::with_desktop().await;
    let digest = contained(&[]).digest();
    let (asked, id) = waits(&world, "task-1", contained(&[])).await;

    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());

    assert!(world.desktop().commands().is_empty());
    assert!(world.desktop().decide_approval(&id, &digest, &CONTAINED).await.is_err());
    let (asked, id) = waits(&world, "task-1", contained(&[])).await;
    world.desktop().decide_approval(&id, &digest, &CONTAINED).await.unwrap();
    assert_eq!(kind(&asked.await.unwrap()), Some(PermissionName::Contained));
}
