//! Commands that wait for a person: no decision is a refusal, and the client that asks cannot allow.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{Client, DecidesOnce as _, World, command_line, key, local_named, record, records, scopes};
use tidegate_protocol::Scope;
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Decision, MAX_WAITING, MAX_WAITING_OF_CLIENT, Operation, Requester,
    ResolveError,
};
use tidegate_trust::decision::Desktop;
use tidegate_trust::{ScopeSet, Session, TrustRecords};

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

fn command(digest: &str) -> ApprovalRequest {
    ApprovalRequest {
        operation: Operation::Exec {
            command: "rm -rf build ".to_owned(),
            command_argv: vec!["rm".to_owned(), "-rf".to_owned(), "build ".to_owned()],
            cwd: "/home/user/project".to_owned(),
            env: Vec::new(),
            confinement: None,
        },
        session_key: "agent:main:main".to_owned(),
        run_id: Some("run".to_owned()),
        ancestors: Vec::new(),
        digest: digest.to_owned(),
        context: None,
    }
}

/// A world with two clients of these scopes.
fn clients(first: &ScopeSet, second: &ScopeSet) -> (World, Session, Session) {
    let devices = vec![record(&key(3), first), record(&key(4), second)];
    let mut world = World::new(TrustRecords { devices, ..records() });
    let session = |world: &mut World, seed, scopes: &ScopeSet| {
        world.admitted(&local_named("ui"), &Client::new(&key(seed)).asks(scopes.iter())).session
    };
    let (first, second) = (session(&mut world, 3, first), session(&mut world, 4, second));
    (world, first, second)
}

fn approver() -> (World, Session) {
    let (world, session, _) = clients(&scopes([Scope::Approvals]), &ScopeSet::none());
    (world, session)
}

fn asked_by(session: &Session) -> Requester {
    Requester::Client { connection: session.connection().clone(), principal: session.principal().clone() }
}

#[test]
fn a_command_is_allowed_once_and_exactly_as_it_was_shown() {
    let (world, approver) = approver();
    let mut queue = ApprovalQueue::default();
    let shown = queue
        .ask_once("id-1".to_owned(), command("d1"), Requester::Run, HALF_AN_HOUR, world.now)
        .expect("waits");
    assert_eq!(shown.command, command("d1"), "every byte, trailing spaces too");
    let resolved = queue
        .resolve(&approver, Desktop::Running, "id-1", Decision::AllowOnce, world.now)
        .expect("it has the scope");
    assert_eq!((resolved.decision, &resolved.waiting.command), (Some(Decision::AllowOnce), &command("d1")));
    assert_eq!(resolved.by.as_deref(), Some(approver.principal().name().as_str()));
    for decision in [Decision::AllowOnce, Decision::Deny] {
        let twice = queue.resolve(&approver, Desktop::Running, "id-1", decision, world.now);
        assert_eq!(twice.err(), Some(ResolveError::Unknown), "the first decision counts");
    }
    assert_eq!(queue.resolved("id-1").expect("lingers").decision, Some(Decision::AllowOnce));
}

#[test]
fn no_decision_is_a_refusal_by_either_clock_and_before_the_next_tick() {
    let (mut world, approver) = approver();
    let mut queue = ApprovalQueue::default();
    let waiting = queue
        .ask_once("id-1".to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now)
        .expect("waits");
    assert_eq!(waiting.expires_at(), world.now.wall.plus(HALF_AN_HOUR));
    world.pass(HALF_AN_HOUR);
    for id in ["id-1", "id-1".get(..4).expect("a prefix")] {
        let late = queue.resolve(&approver, Desktop::Running, id, Decision::AllowOnce, world.now);
        assert_eq!(late.err(), Some(ResolveError::Unknown), "{id}");
    }
    let ended = queue.tick(world.now);
    assert_eq!((ended.len(), ended[0].decision, ended[0].by.clone()), (1, None, None));
    assert!(queue.waiting().is_empty());
    assert!(queue.resolved("id-1").is_some());
    world.pass(Duration::from_secs(15));
    queue.tick(world.now);
    assert!(queue.resolved("id-1").is_none());
}

#[test]
fn the_client_that_asks_cannot_allow_but_can_deny() {
    let both = scopes([Scope::Approvals]);
    let (mut world, asking, other) = clients(&both, &both);
    let now = world.now;
    let mut queue = ApprovalQueue::default();
    let ask = |queue: &mut ApprovalQueue, id: &str| {
        queue.ask_once(id.to_owned(), command("d"), asked_by(&asking), HALF_AN_HOUR, now).expect("waits");
    };
    ask(&mut queue, "id-1");
    let own = queue.resolve(&asking, Desktop::Running, "id-1", Decision::AllowOnce, world.now);
    assert_eq!(own.err(), Some(ResolveError::Own));
    assert!(queue.resolve(&other, Desktop::Running, "id-1", Decision::AllowOnce, world.now).is_ok());
    ask(&mut queue, "id-2");
    assert!(queue.resolve(&asking, Desktop::Running, "id-2", Decision::Deny, world.now).is_ok());
    ask(&mut queue, "id-3");
    // The same client on another connection is still the same client.
    let again = world.admitted(&local_named("ui"), &Client::new(&key(3)).asks(&[Scope::Approvals])).session;
    let own = queue.resolve(&again, Desktop::Running, "id-3", Decision::AllowOnce, world.now);
    assert_eq!(own.err(), Some(ResolveError::Own));
}

#[test]
fn the_subagent_client_resolves_nothing() {
    let (mut world, _) = approver();
    let own = world.own_session(&key(1));
    let mut queue = ApprovalQueue::default();
    queue.ask_once("id-1".to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    for decision in [Decision::AllowOnce, Decision::Deny] {
        for desktop in [Desktop::Running, Desktop::Absent] {
            let result = queue.resolve(&own, desktop, "id-1", decision, world.now);
            assert_eq!(result.err(), Some(ResolveError::SubagentClient));
        }
    }
    assert_eq!(queue.waiting().len(), 1);
}

#[test]
fn the_command_line_allows_only_where_no_desktop_runs() {
    let (world, _) = approver();
    let mut queue = ApprovalQueue::default();
    for id in ["id-1", "id-2"] {
        queue.ask_once(id.to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    }
    let cli = command_line();
    let allowed = queue.resolve(&cli, Desktop::Running, "id-1", Decision::AllowOnce, world.now);
    assert_eq!(allowed.err(), Some(ResolveError::DesktopDecides));
    assert!(queue.resolve(&cli, Desktop::Running, "id-1", Decision::Deny, world.now).is_ok());
    assert!(queue.resolve(&cli, Desktop::Absent, "id-2", Decision::AllowOnce, world.now).is_ok());
}

#[test]
fn allowing_needs_the_scope() {
    let (world, writer, admin) = clients(&scopes([Scope::Write, Scope::Pairing]), &scopes([Scope::Admin]));
    let mut queue = ApprovalQueue::default();
    queue.ask_once("id-1".to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    let result = queue.resolve(&writer, Desktop::Absent, "id-1", Decision::AllowOnce, world.now);
    assert_eq!(result.err(), Some(ResolveError::MissingScope));
    assert!(queue.resolve(&admin, Desktop::Absent, "id-1", Decision::AllowOnce, world.now).is_ok());
}

#[test]
fn a_prefix_of_an_id_must_be_long_enough_and_unambiguous() {
    let (world, approver) = approver();
    let mut queue = ApprovalQueue::default();
    for id in ["abcd-1", "abcd-2", "wxyz-1"] {
        queue.ask_once(id.to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    }
    let mut resolve = |id: &str| {
        queue
            .resolve(&approver, Desktop::Running, id, Decision::Deny, world.now)
            .map(|resolved| resolved.waiting.id)
    };
    assert_eq!(resolve(""), Err(ResolveError::Unknown));
    assert_eq!(resolve("wxy"), Err(ResolveError::Unknown));
    assert_eq!(resolve("wxyz"), Ok("wxyz-1".to_owned()));
    assert_eq!(resolve("abcd-"), Err(ResolveError::Ambiguous));
    assert_eq!(resolve("abcd-2"), Ok("abcd-2".to_owned()));
    assert_eq!(resolve("abcd-"), Ok("abcd-1".to_owned()));
}

#[test]
fn ids_are_used_once_at_a_time_and_the_queue_is_bounded() {
    let (world, _) = approver();
    let mut queue = ApprovalQueue::default();
    for number in 0..MAX_WAITING {
        let id = format!("id-{number:02}");
        queue.ask_once(id, command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    }
    assert!(
        queue
            .ask_once("one-more".to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now)
            .is_none()
    );
    queue.withdraw("id-00", world.now).expect("known");
    assert!(
        queue.ask_once("id-01".to_owned(), command("e"), Requester::Run, HALF_AN_HOUR, world.now).is_none()
    );
    assert_eq!(queue.waiting()[0].command.digest, "d", "it never changes under its id");
}

#[test]
fn a_decision_is_never_that_of_the_next_command_under_the_same_id() {
    let both = scopes([Scope::Approvals]);
    let (mut world, first, second) = clients(&both, &both);
    for (end, decision) in [("allowed", Some(Decision::AllowOnce)), ("withdrawn", None)] {
        let mut queue = ApprovalQueue::default();
        queue
            .ask_once("id-1".to_owned(), command("d1"), asked_by(&first), HALF_AN_HOUR, world.now)
            .expect("waits");
        match decision {
            Some(decision) => {
                queue
                    .resolve(&second, Desktop::Running, "id-1", decision, world.now)
                    .expect("another client");
            }
            None => {
                queue.withdraw("id-1", world.now).expect("known");
            }
        }
        for asking in [&first, &second] {
            let again =
                queue.ask_once("id-1".to_owned(), command("d2"), asked_by(asking), HALF_AN_HOUR, world.now);
            assert!(again.is_none(), "while the first one's outcome can be asked for: {end}");
        }
        world.pass(Duration::from_secs(15));
        queue.tick(world.now);
        let later =
            queue.ask_once("id-1".to_owned(), command("d2"), asked_by(&first), HALF_AN_HOUR, world.now);
        assert!(later.is_some() && queue.resolved("id-1").is_none(), "{end}");
    }
}

#[test]
fn no_id_is_the_beginning_of_another() {
    let (world, _) = approver();
    let mut queue = ApprovalQueue::default();
    let mut ask = |id: &str| {
        queue.ask_once(id.to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).is_some()
    };
    assert!(ask("030e251a-3d5f-4e96-8b7d-f5cd144ee719"));
    // What a person types who reads the first characters of an id.
    assert!(!ask("030e251a") && !ask("030e"));
    assert!(!ask("030e251a-3d5f-4e96-8b7d-f5cd144ee719-more"), "else the whole id would be ambiguous");
    assert!(ask("030e251b-3d5f-4e96-8b7d-f5cd144ee719"));
}

#[test]
fn one_client_leaves_room_for_others_and_for_the_agents() {
    let both = scopes([Scope::Approvals]);
    let (mut world, flooding, other) = clients(&both, &both);
    let again = world.admitted(&local_named("ui"), &Client::new(&key(3)).asks(&[Scope::Approvals])).session;
    let mut queue = ApprovalQueue::default();
    let mut number = 0;
    let mut ask = |requester: Requester| {
        number += 1;
        let id = format!("id-{number:03}");
        queue.ask_once(id, command("d"), requester, HALF_AN_HOUR, world.now).is_some()
    };
    let asked = (0..MAX_WAITING).filter(|_| ask(asked_by(&flooding))).count();
    assert_eq!(asked, MAX_WAITING_OF_CLIENT);
    assert!(!ask(asked_by(&again)), "another connection is no other client");
    assert!(ask(asked_by(&other)));
    assert!((1..MAX_WAITING - asked).all(|_| ask(Requester::Run)), "the agents have the rest");
    assert!(!ask(Requester::Run));
}

#[test]
fn the_commands_of_a_connection_that_is_gone_are_withdrawn() {
    let both = scopes([Scope::Approvals]);
    let (world, first, second) = clients(&both, &both);
    let mut queue = ApprovalQueue::default();
    queue
        .ask_once("id-1".to_owned(), command("d"), asked_by(&first), HALF_AN_HOUR, world.now)
        .expect("waits");
    queue
        .ask_once("id-2".to_owned(), command("d"), asked_by(&second), HALF_AN_HOUR, world.now)
        .expect("waits");
    queue.ask_once("id-3".to_owned(), command("d"), Requester::Run, HALF_AN_HOUR, world.now).expect("waits");
    let withdrawn = queue.withdraw_connection(first.connection(), world.now);
    assert_eq!(withdrawn.len(), 1);
    assert_eq!((withdrawn[0].waiting.id.as_str(), withdrawn[0].decision), ("id-1", None));
    assert_eq!(queue.waiting().len(), 2);
}

#[test]
fn a_log_names_of_a_command_the_program_alone() {
    let logged = |text: &str| {
        let mut command = command("d1");
        if let Operation::Exec { command, .. } = &mut command.operation {
            *command = text.to_owned();
        }
        command.operation.logged()
    };

    assert_eq!(logged("curl -H 'Authorization: Bearer hush' https://a.example"), "curl");
    assert_eq!(logged("  /usr/bin/env\thush"), "/usr/bin/env");
    for secret in
        ["TOKEN=hush curl", "hush:hush@host", "'hush'", "$(hush)", "", "hush\u{202e}", &"h".repeat(65)]
    {
        assert_eq!(logged(secret), "(not shown)", "{secret}");
    }
}
