//! What a decision grants, for how long, and who may take it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{
    Client, World, audits, closed, command_line, id, key, local_named, person, record, records, remote,
    scopes,
};
use tidegate_protocol::{ClientId, ClientMode, ConnectionId, Scope, UnixMillis};
use tidegate_trust::admission::Admission;
use tidegate_trust::audit::Severity;
use tidegate_trust::authority::{Effect, GrantExpiry};
use tidegate_trust::decision::{
    Choice, Decider, DecisionError, Desktop, GrantLifetime, NotADecider, Verdict,
};
use tidegate_trust::principal::command_line_session;
use tidegate_trust::records::Subject;
use tidegate_trust::scopes::Level;
use tidegate_trust::{Change, ScopeSet, Session, TrustRecords};

const ALL: [Scope; 5] = [Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Pairing];

fn level(level: Level, pairing: bool) -> Choice {
    Choice::Level { level, pairing }
}

fn approve(choice: Choice, duration: GrantLifetime) -> Verdict {
    Verdict::Approve { choice, duration }
}

/// A session of a client that has these scopes, and the world it lives in.
fn client_with(granted: &[Scope]) -> (World, Session) {
    let granted: ScopeSet = granted.iter().cloned().collect();
    let mut world = World::new(TrustRecords { devices: vec![record(&key(50), &granted)], ..records() });
    let session = world.admitted(&local_named("ui"), &Client::new(&key(50)).asks(granted.iter())).session;
    (world, session)
}

fn stored_grants(changes: &[Change]) -> Vec<ScopeSet> {
    let grant = |change: &Change| match change {
        Change::PutDevice(record) => Some(record.grant.granted.clone()),
        Change::PutProgram(record) => Some(record.grant.granted.clone()),
        _ => None,
    };
    changes.iter().filter_map(grant).collect()
}

#[test]
fn everything_that_is_asked_can_be_granted_and_needs_no_second_question() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&ALL);
    let request = world.request(&local_named("tui"), &client);
    let durable = world.approve(&request, Choice::All, GrantLifetime::Always);
    assert_eq!(stored_grants(&durable), [ALL.into_iter().collect()]);
    let session = world.admitted(&local_named("tui"), &client).session;
    assert!(session.scopes().names(&Scope::Pairing) && session.scopes().names(&Scope::Admin));
}

#[test]
fn a_level_answers_every_later_question_about_levels() {
    for (chosen, covered) in [
        (Level::Read, vec![Scope::Read]),
        (Level::Write, vec![Scope::Read, Scope::Write]),
        (Level::Full, vec![Scope::Admin]),
    ] {
        let mut world = World::new(records());
        let request = world.request(&local_named("cli"), &Client::new(&key(3)).asks(&[Scope::Read]));
        world.approve(&request, level(chosen, false), GrantLifetime::Always);
        // One client's commands ask for different scopes: none of them asks a person again.
        for asked in [Scope::Read, Scope::Write, Scope::Admin, Scope::Approvals, Scope::TalkSecrets] {
            let session = world.admitted(&local_named("cli"), &Client::new(&key(3)).asks([&asked])).session;
            assert!(ScopeSet::from(chosen).covers_all(session.scopes()));
            assert_eq!(
                session.scopes().covers(&asked),
                ScopeSet::from(chosen).covers(&asked),
                "{chosen:?} {asked}"
            );
        }
        let session = world.admitted(&local_named("cli"), &Client::new(&key(3)).asks(&covered)).session;
        assert!(covered.iter().all(|scope| session.scopes().covers(scope)));
    }
}

#[test]
fn less_than_asked_is_granted_and_the_rest_is_not_asked_again() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    world.approve(&request, Choice::Scopes(scopes([Scope::Read])), GrantLifetime::Always);
    let session = world.admitted(&local_named("tui"), &client).session;
    assert_eq!(session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn a_scope_that_was_not_asked_for_cannot_be_granted() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
    let more = approve(Choice::Scopes(scopes([Scope::Write])), GrantLifetime::Always);
    assert_eq!(world.decide(&person(), &request, &more).err(), Some(DecisionError::NotAsked(Scope::Write)));
    let pairing = approve(level(Level::Full, true), GrantLifetime::Always);
    assert_eq!(
        world.decide(&person(), &request, &pairing).err(),
        Some(DecisionError::NotAsked(Scope::Pairing))
    );
    assert_eq!(world.authority.waiting().len(), 1, "nothing changed");
}

#[test]
fn asking_for_admin_does_not_show_the_right_to_manage_pairing() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let pairing = approve(Choice::Scopes(scopes([Scope::Admin, Scope::Pairing])), GrantLifetime::Always);
    assert_eq!(
        world.decide(&person(), &request, &pairing).err(),
        Some(DecisionError::NotAsked(Scope::Pairing))
    );
    world.approve(&request, Choice::All, GrantLifetime::Always);
    // So asking for it later is a question of its own, and shown as something added.
    let both = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    world.request(&local_named("tui"), &both);
    assert_eq!(world.authority.waiting()[0].details.added, scopes([Scope::Pairing]));
}

#[test]
fn full_without_its_own_line_does_not_manage_pairing() {
    // OpenClaw's command line asks for pairing together with admin, so the lattice's meet of what
    // it asks and "full" must not name what the person left out.
    for choice in [level(Level::Full, false), Choice::Scopes(scopes([Scope::Admin]))] {
        let mut world = World::new(records());
        let client = Client::new(&key(3)).asks(&ALL);
        let request = world.request(&local_named("cli"), &client);
        world.approve(&request, choice, GrantLifetime::Always);
        let session = world.admitted(&local_named("cli"), &client).session;
        assert!(session.scopes().covers(&Scope::Admin));
        assert!(!session.scopes().names(&Scope::Pairing));
        assert_eq!(Decider::of(&session, Desktop::Absent), Err(NotADecider::NotGiven));
    }
}

#[test]
fn a_level_that_is_less_closes_the_connections_that_have_more() {
    let mut world = World::new(TrustRecords {
        devices: vec![record(&key(3), &scopes([Scope::Read, Scope::Write]))],
        ..records()
    });
    let wide = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Write])).session;
    let narrow = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read])).session;
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let (_, effects) = world
        .decide(&person(), &request, &approve(level(Level::Read, false), GrantLifetime::Always))
        .expect("decided");
    assert_eq!(closed(&effects), [wide.connection().clone()]);
    assert!(!world.authority.is_live(wide.connection()));
    assert!(world.authority.is_live(narrow.connection()));
}

#[test]
fn a_grant_until_quit_is_never_stored() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Write]);
    let request = world.request(&local_named("tui"), &client);
    assert!(world.approve(&request, Choice::All, GrantLifetime::UntilQuit).is_empty());
    for _ in 0..3 {
        let admitted = world.admitted(&local_named("tui"), &client);
        assert!(admitted.device_token.is_none());
    }
    assert!(world.authority.take_touched().is_empty());
    let person = command_line();
    let renamed = world.authority.rename_device(&person, id(&key(3)), "phone", world.now).expect("renamed");
    assert!(renamed.durable.is_empty(), "a name makes no grant last");
    let entropy = world.entropy();
    let rotated =
        world.authority.rotate_token(&person, id(&key(3)), "operator", &entropy, world.now).expect("rotated");
    assert!(rotated.durable.is_empty());
    let revoked = world.authority.revoke_token(&person, id(&key(3)), "operator", world.now).expect("revoked");
    assert!(revoked.durable.is_empty());
}

#[test]
fn a_grant_for_a_while_neither_takes_away_nor_widens_the_stored_one() {
    for duration in [GrantLifetime::UntilQuit, GrantLifetime::Once] {
        let mut world =
            World::new(TrustRecords { devices: vec![record(&key(3), &scopes([Scope::Read]))], ..records() });
        let more = Client::new(&key(3)).asks(&[Scope::Read, Scope::Admin]);
        let request = world.request(&local_named("tui"), &more);
        assert!(world.approve(&request, Choice::All, duration).is_empty());
        assert!(world.admitted(&local_named("tui"), &more).session.scopes().covers(&Scope::Admin));
        let renamed =
            world.authority.rename_device(&command_line(), id(&key(3)), "phone", world.now).expect("renamed");
        assert_eq!(stored_grants(&renamed.durable), [scopes([Scope::Read])], "{duration:?}");
        assert_eq!(
            stored_grants(&world.authority.take_touched()).pop().unwrap_or(scopes([Scope::Read])),
            scopes([Scope::Read])
        );
        let less = Client::new(&key(3)).asks(&[Scope::Read]);
        assert!(world.admitted(&local_named("tui"), &less).session.scopes().covers(&Scope::Read));
    }
}

#[test]
fn a_lasting_grant_is_not_built_on_one_for_a_while() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    world.approve(&request, Choice::All, GrantLifetime::UntilQuit);
    let custom = Scope::parse("custom.look").expect("a scope");
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks([&custom]));
    let durable = world.approve(&request, Choice::All, GrantLifetime::Always);
    assert_eq!(stored_grants(&durable), [scopes([custom])]);
}

#[test]
fn once_lets_in_once() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    assert!(world.approve(&request, Choice::All, GrantLifetime::Once).is_empty());
    let admitted = world.admitted(&local_named("tui"), &client);
    assert!(admitted.device_token.is_none());
    world.asks_a_person(&local_named("tui"), &client);
}

#[test]
fn once_waits_five_minutes_and_no_longer() {
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    for (wait, in_time) in [(299, true), (300, false)] {
        let mut world = World::new(records());
        let request = world.request(&local_named("tui"), &client);
        world.approve(&request, Choice::All, GrantLifetime::Once);
        world.pass(Duration::from_secs(wait));
        let admitted = matches!(world.connect(&local_named("tui"), &client), Admission::Admitted(_));
        assert_eq!(admitted, in_time, "after {wait} s");
    }
}

#[test]
fn a_passed_once_grant_is_not_made_to_last_by_a_later_decision() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    world.approve(&request, Choice::All, GrantLifetime::Once);
    let custom = Scope::parse("custom.look").expect("a scope");
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks([&custom]));
    world.pass(Duration::from_secs(299));
    world.request(&local_named("tui"), &Client::new(&key(3)).asks([&custom]));
    world.pass(Duration::from_secs(2));
    world.approve(&request, Choice::All, GrantLifetime::Once);
    let (record, lifetime) = world.authority.devices().next().expect("known");
    assert!(matches!(lifetime, GrantExpiry::Once(_)));
    assert_eq!(record.grant.granted, scopes([custom]));
}

#[test]
fn a_device_that_was_let_in_once_can_still_be_removed() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    world.approve(&request, Choice::All, GrantLifetime::Once);
    let session = world.admitted(&local_named("tui"), &client).session;
    let changed =
        world.authority.remove_device(&command_line(), id(&key(3)), world.now).expect("it is connected");
    assert_eq!(closed(&changed.effects), [session.connection().clone()]);
    assert!(!world.authority.is_live(session.connection()));
}

#[test]
fn a_rejected_key_is_not_heard_for_ten_minutes() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    world.decide(&person(), &request, &Verdict::Reject).expect("decided");
    for wait in [0, 1, 598] {
        world.pass(Duration::from_secs(wait));
        let required = world.asks_a_person(&local_named("tui"), &client);
        assert_eq!((required.request_id, required.expect_decision), (None, false));
        assert!(world.authority.waiting().is_empty());
    }
    // Another key is heard, also from the same program.
    world.request(&local_named("tui"), &Client::new(&key(4)).asks(&[Scope::Read]));
    world.pass(Duration::from_secs(2));
    world.request(&local_named("tui"), &client);
}

#[test]
fn a_rejected_upgrade_leaves_what_was_granted() {
    let mut world =
        World::new(TrustRecords { devices: vec![record(&key(3), &scopes([Scope::Read]))], ..records() });
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    world.decide(&person(), &request, &Verdict::Reject).expect("decided");
    world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
}

#[test]
fn later_puts_aside_and_asking_for_something_else_is_no_way_around() {
    let mut world = World::new(records());
    let first = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
    world.decide(&person(), &first, &Verdict::Later).expect("decided");
    assert!(world.authority.waiting()[0].later);
    assert_eq!(world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read])), first);
    let second = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    assert_ne!(first, second);
    assert!(world.authority.waiting()[0].later, "still put aside");
    world.approve(&second, Choice::All, GrantLifetime::Always);
}

#[test]
fn a_blocked_key_is_refused_without_a_question_and_forgotten_for_good() {
    let mut world =
        World::new(TrustRecords { devices: vec![record(&key(3), &scopes([Scope::Read]))], ..records() });
    let live = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read])).session;
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let (durable, effects) = world.decide(&person(), &request, &Verdict::Block).expect("decided");
    assert!(matches!(&durable[0], Change::PutBlock(_)));
    assert!(
        durable.contains(&Change::RemoveDevice(id(&key(3)))),
        "or unblocking after a restart would let it in"
    );
    assert_eq!(closed(&effects), [live.connection().clone()]);
    assert!(!world.authority.is_live(live.connection()));
    let reason = world.unauthorized(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
    assert_eq!(reason, tidegate_protocol::refusal::AuthReason::Blocked);
    assert!(world.authority.waiting().is_empty());
    // Unblocked, it has to ask like anyone else, and is heard at once.
    let _ = world.authority.unblock(&Subject::Device(id(&key(3))), world.now).expect("blocked");
    world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
}

#[test]
fn a_decision_is_about_what_was_drawn_and_about_one_request() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
    let digest = world.authority.waiting()[0].details.digest();
    let entropy = world.entropy();
    let verdict = approve(Choice::All, GrantLifetime::Always);
    let wrong = world.authority.decide(&person(), &request, Some("00"), &verdict, &entropy, world.now);
    assert_eq!(wrong.err(), Some(DecisionError::Changed));
    let decided = world
        .authority
        .decide(&person(), &request, Some(&digest), &verdict, &entropy, world.now)
        .expect("as it was drawn");
    let twice = world.authority.decide(&person(), &request, Some(&digest), &verdict, &entropy, world.now);
    assert_eq!(twice.err(), Some(DecisionError::Unknown), "one approval consumes one request");
    let _ = world.authority.apply(decided, world.now);
    let again = world.authority.decide(&person(), &request, None, &verdict, &entropy, world.now);
    assert_eq!(again.err(), Some(DecisionError::Unknown));
}

#[test]
fn there_is_no_approving_the_latest() {
    let mut world = World::new(records());
    let request = world.request(&local_named("a"), &Client::new(&key(3)).asks(&[Scope::Read]));
    world.request(&local_named("b"), &Client::new(&key(4)).asks(&[Scope::Admin]));
    let verdict = approve(Choice::All, GrantLifetime::Always);
    for id in ["", "latest", &request[..8], &request.to_uppercase()] {
        assert_eq!(world.decide(&person(), id, &verdict).err(), Some(DecisionError::Unknown), "{id}");
    }
    world.decide(&person(), &request, &verdict).expect("by its id");
    assert_eq!(world.authority.devices().map(|(record, _)| record.id).collect::<Vec<_>>(), [id(&key(3))]);
}

#[test]
fn a_decision_that_could_not_be_saved_changes_nothing_and_can_be_taken_again() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Read]);
    let request = world.request(&local_named("tui"), &client);
    let entropy = world.entropy();
    let verdict = approve(Choice::All, GrantLifetime::Always);
    let decided =
        world.authority.decide(&person(), &request, None, &verdict, &entropy, world.now).expect("decided");
    world.asks_a_person(&local_named("tui"), &client);
    world.authority.roll_back(decided);
    assert_eq!(world.request(&local_named("tui"), &client), request);
    world.approve(&request, Choice::All, GrantLifetime::Always);
    world.admitted(&local_named("tui"), &client);
}

#[test]
fn an_expired_request_cannot_be_approved_even_before_the_next_tick() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Read]));
    world.pass(Duration::from_mins(5));
    let verdict = approve(Choice::All, GrantLifetime::Always);
    assert_eq!(world.decide(&person(), &request, &verdict).err(), Some(DecisionError::Unknown));
}

#[test]
fn the_subagent_client_decides_nothing_whatever_its_scopes() {
    let mut world = World::new(records());
    let session = world.own_session(&key(1));
    for desktop in [Desktop::Absent, Desktop::Running] {
        assert_eq!(Decider::of(&session, desktop), Err(NotADecider::SubagentClient));
    }
    let origin = world.in_process.origin();
    let everything = world.admitted(&origin, &Client::new(&key(1)).no_token().asks(&ALL)).session;
    assert!(everything.scopes().names(&Scope::Pairing));
    assert_eq!(Decider::of(&everything, Desktop::Absent), Err(NotADecider::SubagentClient));
}

#[test]
fn being_admin_is_not_the_right_to_manage_pairing() {
    let (_, admin) = client_with(&[Scope::Admin]);
    assert!(admin.scopes().covers(&Scope::Pairing), "for reading the list");
    assert_eq!(Decider::of(&admin, Desktop::Absent), Err(NotADecider::NotGiven));
    let (_, pairing) = client_with(&[Scope::Pairing]);
    assert!(Decider::of(&pairing, Desktop::Running).is_ok());
}

#[test]
fn a_client_approves_only_up_to_its_own_scopes() {
    // CVE-2026-35639, CVE-2026-33579: approvers granted more than they had.
    let (mut world, session) = client_with(&[Scope::Pairing, Scope::Read]);
    let decider = Decider::of(&session, Desktop::Running).expect("it was given pairing");
    for (asks, choice, beyond) in [
        (vec![Scope::Admin], Choice::All, Some(Scope::Admin)),
        (vec![Scope::Read, Scope::Write], Choice::All, Some(Scope::Write)),
        (vec![Scope::Read], level(Level::Write, false), Some(Scope::Write)),
        (vec![Scope::Read], level(Level::Full, false), Some(Scope::Admin)),
        (vec![Scope::Read, Scope::Pairing], Choice::All, None),
        (vec![Scope::Admin, Scope::Read], Choice::Scopes(scopes([Scope::Read])), None),
        (vec![Scope::Admin, Scope::Read], level(Level::Read, false), None),
    ] {
        let request = world.request(&remote(1), &Client::new(&key(3)).asks(&asks));
        let result = world.decide(&decider, &request, &approve(choice.clone(), GrantLifetime::Always));
        match beyond {
            Some(scope) => {
                assert_eq!(result.err(), Some(DecisionError::BeyondDecider(scope)), "{asks:?} {choice:?}");
                world
                    .decide(
                        &person(),
                        &request,
                        &approve(Choice::Scopes(ScopeSet::none()), GrantLifetime::Once),
                    )
                    .expect("cleared");
            }
            None => assert!(result.is_ok(), "{asks:?} {choice:?}"),
        }
        let _ = world.authority.remove_device(&command_line(), id(&key(3)), world.now);
    }
}

#[test]
fn an_admin_who_was_not_given_pairing_by_name_cannot_pass_it_on() {
    let (mut world, session) = client_with(&[Scope::Pairing, Scope::Admin]);
    let decider = Decider::of(&session, Desktop::Running).expect("given");
    let request = world.request(&remote(1), &Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]));
    world.decide(&decider, &request, &approve(Choice::All, GrantLifetime::Always)).expect("it has both");
}

#[test]
fn what_someone_had_before_it_was_removed_counts_for_nothing() {
    let custom = Scope::parse("custom.look").expect("a scope");
    let (mut world, session) = client_with(&[Scope::Pairing, custom.clone()]);
    let decider = Decider::of(&session, Desktop::Running).expect("given");
    world.pair(&remote(1), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let request = world.request(&remote(1), &Client::new(&key(3)).asks(&[Scope::Admin, custom]));
    let _ = world.authority.remove_device(&command_line(), id(&key(3)), world.now).expect("known");
    let result = world.decide(&decider, &request, &approve(Choice::All, GrantLifetime::Always));
    assert_eq!(result.err(), Some(DecisionError::BeyondDecider(Scope::Admin)));
}

#[test]
fn nobody_decides_about_their_own_key() {
    let (mut world, session) = client_with(&[Scope::Pairing, Scope::Read]);
    let decider = Decider::of(&session, Desktop::Running).expect("given");
    let request = world.request(&local_named("ui"), &Client::new(&key(50)).asks(&[Scope::Write]));
    for verdict in
        [approve(Choice::All, GrantLifetime::Once), Verdict::Reject, Verdict::Later, Verdict::Block]
    {
        assert_eq!(world.decide(&decider, &request, &verdict).err(), Some(DecisionError::Own), "{verdict:?}");
    }
}

#[test]
fn only_the_person_blocks_and_clients_decisions_are_something_to_look_at() {
    let (mut world, session) = client_with(&[Scope::Pairing, Scope::Read]);
    let decider = Decider::of(&session, Desktop::Running).expect("given");
    let request = world.request(&remote(1), &Client::new(&key(3)).asks(&[Scope::Read]));
    assert_eq!(world.decide(&decider, &request, &Verdict::Block).err(), Some(DecisionError::PersonOnly));
    let (_, effects) = world
        .decide(&decider, &request, &approve(Choice::All, GrantLifetime::Always))
        .expect("within its scopes");
    let lines = audits(&effects);
    assert_eq!((lines[0].kind.name(), lines[0].severity), ("pairing.approved", Severity::Warn));
    assert!(lines[0].line.contains(&format!("by=device {}", id(&key(50)))), "{}", lines[0].line);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Resolved { approved: true, .. })));
}

#[test]
fn the_command_line_is_a_person_only_on_the_local_socket_as_our_user_and_no_tool() {
    use tidegate_trust::Origin;
    use tidegate_trust::origin::Peer;
    let process = |same_user| Peer::Process { uid: 1000, same_user, program: None };
    let tool = Peer::Tool { command: "sh".to_owned() };
    for (origin, person) in [
        (Origin::LocalSocket(process(true)), true),
        (Origin::LocalSocket(process(false)), false),
        (Origin::LocalSocket(tool), false),
        (Origin::LocalSocket(Peer::Unknown { uid: None }), false),
        (Origin::LocalSocket(Peer::NotLookedUp), false),
        (Origin::LocalSocket(Peer::NotATool), false),
        (Origin::Loopback(process(true)), false),
        (remote(1), false),
    ] {
        let connection = ConnectionId::parse("x").expect("valid");
        let info = support::info(ClientId::Cli, ClientMode::Cli);
        assert_eq!(command_line_session(connection, &origin, info).is_ok(), person, "{origin:?}");
    }
}

#[test]
fn a_decision_keeps_what_is_known_of_a_device_and_counts_from_now() {
    let mut known = record(&key(3), &scopes([Scope::Read]));
    known.label = Some("phone".to_owned());
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Write]));
    world.approve(&request, Choice::All, GrantLifetime::Always);
    let (record, _) = world.authority.devices().next().expect("known");
    assert_eq!((record.label.as_deref(), record.created_at), (Some("phone"), UnixMillis(1)));
    assert_eq!(record.approved_at, world.now.wall);
    assert_eq!(record.grant.granted, scopes([Scope::Read, Scope::Write]));
}
