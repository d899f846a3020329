//! The person's own surfaces are not the person: a window can be injected, and other programs can
//! start the command line. They show and take away. Letting in is for the dialog, or, where no
//! desktop runs, for the command line.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use support::{
    Client, DecidesOnce as _, World, command_line, id, info, key, local_named, local_socket,
    person_at_desktop, record, records, remote, scopes, window,
};
use tidegate_protocol::method::{Access, Power};
use tidegate_protocol::refusal::AuthReason;
use tidegate_protocol::{ClientId, ClientMode, ConnectionId, Event, Method, Scope};
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Decision, Operation, Requester, ResolveError,
};
use tidegate_trust::decision::{Choice, Decider, DecisionError, Desktop, GrantLifetime, Verdict};
use tidegate_trust::management::ManagementError;
use tidegate_trust::principal::{Denied, window_session};
use tidegate_trust::scopes::Level;
use tidegate_trust::{Principal, TrustRecords};

const APPROVE: Verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };

#[test]
fn the_right_to_act_at_a_desktop_is_given_out_once_and_only_where_there_is_one() {
    let mut with = World::new(records());
    assert!(with.authority.take_desktop_key(Desktop::Running).is_some());
    assert!(with.authority.take_desktop_key(Desktop::Running).is_none());
    let mut without = World::new(records());
    assert!(without.authority.take_desktop_key(Desktop::Absent).is_none());
    assert!(without.authority.take_desktop_key(Desktop::Running).is_none());
}

#[test]
fn a_window_is_only_what_the_shell_opened() {
    let world = World::new(records());
    let others = [world.in_process.origin(), local_socket(), local_named("tidegate-desktop"), remote(1)];
    for origin in others {
        let connection = ConnectionId::parse("forged").expect("valid");
        assert!(window_session(connection, &origin, info(ClientId::Cli, ClientMode::Ui)).is_err());
    }
}

#[test]
fn a_windows_connection_gets_nothing_by_connect_not_even_with_our_own_key() {
    let mut world = World::new(records());
    let origin = world.desktop_key().window();
    world.own_session(&key(1));
    for client in [
        Client::new(&key(1)).no_token().asks(&[Scope::Admin]),
        Client::new(&key(1)).asks(&[Scope::Admin]),
        Client::without_device().asks(&[Scope::Read]),
    ] {
        assert_eq!(world.unauthorized(&origin, &client), AuthReason::TokenMismatch);
    }
    assert!(world.authority.waiting().is_empty());
}

#[test]
fn what_decides_or_lets_in_is_known_by_name() {
    let named = |power: Power| -> BTreeSet<&str> {
        let of = Method::ALL.iter().filter(|method| method.power() == power);
        of.map(|method| method.name()).collect()
    };
    assert_eq!(
        named(Power::Widen),
        [
            "device.pair.approve",
            "tidegate.config.confirm",
            "tidegate.devices.unblock",
            "tidegate.files.keep",
            "tidegate.files.unshare",
            "tidegate.models.take",
            "tidegate.permissions.use",
            "tidegate.sessions.workspace",
            "tidegate.token.new"
        ]
        .into()
    );
    assert_eq!(
        named(Power::Decide),
        ["exec.approval.resolve", "tidegate.approvals.decide", "tidegate.devices.decide"].into()
    );
}

#[test]
fn a_window_may_call_what_shows_works_narrows_or_opens_dialogs_and_nothing_else() {
    let mut world = World::new(records());
    let window = window(&world.desktop_key());
    assert!(!window.scopes().covers(&Scope::Admin));
    for &method in Method::ALL {
        let expected = match (method.power(), method.access()) {
            (Power::Widen, _) => Err(Denied::DesktopDecides),
            (Power::Administer, _) => Err(Denied::LocalOnly),
            (_, Access::Scope(scope)) if !window.scopes().covers(&scope) => Err(Denied::MissingScope(scope)),
            (Power::Look | Power::Work | Power::Narrow | Power::Decide | Power::OpenDialog, _) => Ok(()),
        };
        for desktop in [Desktop::Running, Desktop::Absent] {
            assert_eq!(window.authorize(method, desktop), expected, "{method:?}");
        }
    }
    for &event in Event::ALL {
        assert!(window.receives(event), "{event:?}");
    }
}

#[test]
fn beside_a_desktop_the_command_line_may_call_all_but_what_lets_in() {
    let session = command_line();
    for &method in Method::ALL {
        let expected = match method.power() {
            Power::Widen => Err(Denied::DesktopDecides),
            _ => Ok(()),
        };
        assert_eq!(session.authorize(method, Desktop::Running), expected, "{method:?}");
    }
}

#[test]
fn surfaces_refuse_put_aside_and_block_but_never_approve() {
    let approvals = [
        APPROVE,
        Verdict::Approve { choice: Choice::Scopes(scopes([Scope::Read])), duration: GrantLifetime::Once },
        Verdict::Approve {
            choice: Choice::Level { level: Level::Read, pairing: false },
            duration: GrantLifetime::UntilQuit,
        },
    ];
    let mut world = World::new(records());
    let window = window(&world.desktop_key());
    for (number, session) in [window, command_line()].into_iter().enumerate() {
        let surface = Decider::of(&session, Desktop::Running).expect("it may refuse");
        for (step, verdict) in [Verdict::Later, Verdict::Reject, Verdict::Block].into_iter().enumerate() {
            let seed = u16::try_from(10 + number * 10 + step).expect("small");
            let origin = remote(u8::try_from(seed).expect("small"));
            let client = Client::new(&key(seed)).asks(&[Scope::Read]);
            let request = world.request(&origin, &client);
            for approval in &approvals {
                let refused = world.decide(&surface, &request, approval).err();
                assert_eq!(refused, Some(DecisionError::DesktopDecides), "{session:?}");
            }
            assert!(world.authority.waiting().iter().any(|waiting| waiting.id == request), "it waits on");
            world.decide(&surface, &request, &verdict).expect("it narrows");
        }
    }
    assert_eq!(world.authority.devices().count(), 0);
    assert_eq!(world.authority.blocks().len(), 2);
}

#[test]
fn the_person_at_the_desktop_approves_what_was_drawn() {
    let mut world = World::new(records());
    let person = person_at_desktop(&mut world);
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    let drawn = world.authority.waiting()[0].details.digest();
    let entropy = world.entropy();

    let other = world.authority.decide(&person, &request, Some("other"), &APPROVE, &entropy, world.now);
    assert_eq!(other.err(), Some(DecisionError::Changed));
    let decided = world.authority.decide(&person, &request, Some(&drawn), &APPROVE, &entropy, world.now);
    let effects = world.authority.apply(decided.expect("the person"), world.now).effects;

    assert!(support::audits(&effects)[0].line.ends_with("by=person"));
    assert_eq!(world.admitted(&local_named("tui"), &client).session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn a_window_takes_devices_away_and_changes_nothing_else_of_them() {
    let devices = vec![record(&key(3), &scopes([Scope::Admin])), record(&key(4), &scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, ..records() });
    let window = window(&world.desktop_key());
    world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let (now, entropy) = (world.now, world.entropy());
    let (first, second) = (id(&key(3)), id(&key(4)));

    let renamed = world.authority.rename_device(&window, first, "Anna", now);
    let rotated = world.authority.rotate_token(&window, first, "operator", &entropy, now);
    assert!(matches!(renamed, Err(ManagementError::Denied(_))));
    assert!(matches!(rotated, Err(ManagementError::Denied(_))));
    assert!(world.authority.revoke_token(&window, first, "operator", now).is_ok());
    assert!(world.authority.remove_device(&window, first, now).is_ok());
    assert!(world.authority.block_device(second, now).is_ok());
    assert_eq!(world.authority.devices().count(), 0);
}

fn command(digest: &str) -> ApprovalRequest {
    ApprovalRequest {
        operation: Operation::Exec {
            command: "make".to_owned(),
            command_argv: vec!["make".to_owned()],
            cwd: "/home/user".to_owned(),
            env: Vec::new(),
            confinement: None,
        },
        session_key: "agent:main:main".to_owned(),
        run_id: None,
        ancestors: Vec::new(),
        digest: digest.to_owned(),
        context: None,
    }
}

fn waiting(world: &World) -> ApprovalQueue {
    let mut queue = ApprovalQueue::default();
    for (id, digest) in [("command-1", "d1"), ("command-2", "d2")] {
        let timeout = Duration::from_mins(30);
        queue.ask_once(id.to_owned(), command(digest), Requester::Run, timeout, world.now).expect("room");
    }
    queue
}

#[test]
fn surfaces_deny_commands_and_never_allow_one() {
    let mut world = World::new(records());
    for session in [window(&world.desktop_key()), command_line()] {
        let mut queue = waiting(&world);
        let allowed = queue.resolve(&session, Desktop::Running, "command-1", Decision::AllowOnce, world.now);
        assert_eq!(allowed.err(), Some(ResolveError::DesktopDecides), "{session:?}");
        let denied = queue.resolve(&session, Desktop::Running, "command-1", Decision::Deny, world.now);
        assert_eq!(denied.expect("it narrows").decision, Some(Decision::Deny));
    }
}

#[test]
fn the_person_allows_exactly_the_command_that_was_drawn() {
    let mut world = World::new(records());
    let person = person_at_desktop(&mut world);
    let mut queue = waiting(&world);
    let now = world.now;

    for (id, digest, error) in [
        ("command-1", "d2", ResolveError::Changed),
        ("command", "d1", ResolveError::Unknown),
        ("command-3", "d1", ResolveError::Unknown),
    ] {
        let refused = queue.resolve_shown(&person, id, digest, Decision::AllowOnce, now);
        assert_eq!(refused.err(), Some(error), "{id} {digest}");
    }
    let allowed = queue.resolve_shown(&person, "command-1", "d1", Decision::AllowOnce, now);
    assert_eq!(allowed.expect("the person").by.as_deref(), Some("person"));
    world.pass(Duration::from_mins(30));
    let late = queue.resolve_shown(&person, "command-2", "d2", Decision::AllowOnce, world.now);
    assert_eq!(late.err(), Some(ResolveError::Unknown), "no decision was a refusal");
}

#[test]
fn nobody_else_decides_the_persons_way() {
    let granted = scopes([Scope::Pairing, Scope::Approvals, Scope::Admin]);
    let mut world = World::new(TrustRecords { devices: vec![record(&key(3), &granted)], ..records() });
    let client = Client::new(&key(3)).asks(granted.iter());
    let client = world.admitted(&local_named("ui"), &client).session;
    let window = window(&world.desktop_key());
    for session in [client, window, command_line()] {
        let decider = Decider::of(&session, Desktop::Running).expect("it decides something");
        let mut queue = waiting(&world);
        let refused = queue.resolve_shown(&decider, "command-1", "d1", Decision::AllowOnce, world.now);
        assert_eq!(refused.err(), Some(ResolveError::NotThePerson), "{session:?}");
    }
}

#[test]
fn what_waits_says_when_the_first_of_it_ends() {
    let mut world = World::new(records());
    assert_eq!(world.authority.next_expiry(world.now), None);
    let first = Client::new(&key(3)).asks(&[Scope::Read]);
    world.request(&remote(1), &first);
    world.pass(Duration::from_mins(2));
    world.request(&remote(2), &Client::new(&key(4)).asks(&[Scope::Read]));
    assert_eq!(world.authority.next_expiry(world.now), Some(Duration::from_mins(3)));

    world.request(&remote(1), &first);
    assert_eq!(world.authority.next_expiry(world.now), Some(Duration::from_mins(5)), "asked for again");
    world.pass(Duration::from_mins(5));
    assert_eq!(world.authority.tick(world.now).len(), 2);
    assert_eq!(world.authority.next_expiry(world.now), None);
    assert_eq!(waiting(&world).next_expiry(world.now), Some(Duration::from_mins(30)));
}

#[test]
fn a_window_speaks_for_the_owner_and_for_nobody_else() {
    let mut world = World::new(records());
    let window = window(&world.desktop_key());
    assert!(window.is_owner());
    assert_eq!(window.principal(), &Principal::Window);
}
