//! A gateway that fails is rebuilt in the same process, around the same authority: who waits still
//! waits, and what a person granted until Tidegate quits still holds. Connections do not live on.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{Client, World, id, key, local_named, person, public, records, remote, scopes};
use tidegate_protocol::Scope;
use tidegate_protocol::refusal::{AuthReason, Refusal};
use tidegate_trust::admission::Admission;
use tidegate_trust::decision::{Choice, DecisionError, Desktop, GrantLifetime, Verdict};
use tidegate_trust::program::Ephemeral;
use tidegate_trust::records::{DeviceRecord, SharedToken};
use tidegate_trust::{Change, Principal, Timestamp, TrustRecords};

const ALL: Verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };

fn asks(seed: u16, scope: &Scope) -> Client {
    Client::new(&key(seed)).asks([scope])
}

fn restarted(mut world: World) -> World {
    world.restart_gateway();
    world
}

#[test]
fn our_own_client_is_let_in_silently_after_a_restart() {
    let mut world = World::new(records());
    let before = world.own_session(&key(1));
    let mut world = restarted(world);
    assert!(!world.authority.is_live(before.connection()));

    // Also with another key than before: the keyring answers later or no longer.
    for own in [key(1), key(2)] {
        let session = world.own_session(&own);
        assert_eq!(session.principal(), &Principal::SubagentClient);
        assert!(session.scopes().covers(&Scope::Admin));
        assert!(world.authority.waiting().is_empty());
    }
}

#[test]
fn a_waiting_request_keeps_its_id_its_digest_and_what_it_is_bound_to() {
    let mut world = World::new(records());
    let waits = world.request(&remote(1), &asks(3, &Scope::Read));
    let aside = world.request(&remote(1), &asks(4, &Scope::Read));
    world.decide(&person(), &aside, &Verdict::Later).expect("put aside");
    let before = world.authority.waiting().to_vec();

    let mut world = restarted(world);

    assert_eq!(world.authority.waiting(), before);
    assert_eq!(world.authority.waiting()[0].details.digest(), before[0].details.digest());
    assert_eq!(world.request(&remote(1), &asks(3, &Scope::Read)), waits, "a retry finds it");
    let third = world.asks_a_person(&remote(1), &asks(5, &Scope::Read));
    assert_eq!(third.request_id, None, "the caps count those from before");
    let entropy = world.entropy();
    let other = world.authority.decide(&person(), &waits, Some("other"), &ALL, &entropy, world.now);
    assert_eq!(other.map(|_| ()), Err(DecisionError::Changed));
    world.decide(&person(), &waits, &ALL).expect("decided");
    world.admitted(&remote(1), &asks(3, &Scope::Read));
}

#[test]
fn a_grant_until_quit_or_for_once_still_holds_for_as_long_as_it_did() {
    let mut world = World::new(records());
    let loader = support::program("/usr/bin/tui", None, Some(Ephemeral::Preload));
    let by_program = Client::without_device().asks(&[Scope::Read]);
    for (origin, client, duration) in [
        (remote(1), asks(3, &Scope::Read), GrantLifetime::UntilQuit),
        (remote(2), asks(4, &Scope::Read), GrantLifetime::Once),
        (remote(3), asks(5, &Scope::Read), GrantLifetime::Once),
        (support::local(loader.clone()), by_program.clone(), GrantLifetime::Once),
        (local_named("top"), by_program.clone(), GrantLifetime::UntilQuit),
    ] {
        let request = world.request(&origin, &client);
        assert!(world.approve(&request, Choice::All, duration).is_empty(), "it is never stored");
    }
    world.pass(Duration::from_mins(2));

    let mut world = restarted(world);

    assert_eq!(world.authority.devices().count(), 3);
    for _ in 0..2 {
        world.admitted(&remote(1), &asks(3, &Scope::Read));
        world.admitted(&local_named("top"), &by_program);
    }
    world.admitted(&remote(2), &asks(4, &Scope::Read));
    world.asks_a_person(&remote(2), &asks(4, &Scope::Read));
    world.admitted(&support::local(loader), &by_program);
    world.pass(Duration::from_mins(3));
    world.asks_a_person(&remote(3), &asks(5, &Scope::Read));
}

#[test]
fn nobody_stays_connected_and_nothing_that_connections_hold_is_held() {
    let mut world = World::new(records());
    world.pair(&remote(1), &asks(3, &Scope::Read));
    let paired = world.admitted(&remote(1), &asks(3, &Scope::Read)).session;
    let once = world.request(&remote(2), &asks(4, &Scope::Read));
    world.approve(&once, Choice::All, GrantLifetime::Once);
    let once = world.admitted(&remote(2), &asks(4, &Scope::Read)).session;

    let mut world = restarted(world);

    for (session, seed) in [(paired, 3), (once, 4)] {
        assert!(!world.authority.is_live(session.connection()));
        assert!(!world.authority.is_connected(id(&key(seed))));
    }
    world.admitted(&remote(1), &asks(3, &Scope::Read));
    world.asks_a_person(&remote(2), &asks(4, &Scope::Read));
}

#[test]
fn what_was_refused_revoked_or_blocked_stays_so() {
    let mut world = World::new(records());
    let rejected = world.request(&remote(1), &asks(3, &Scope::Read));
    world.decide(&person(), &rejected, &Verdict::Reject).expect("rejected");
    world.pair(&remote(2), &asks(4, &Scope::Read));
    // Revoking counts before it is saved: the change is not even looked at here.
    let now = world.now;
    drop(world.authority.remove_device(&support::command_line(), id(&key(4)), now).expect("removed"));
    drop(world.authority.block_device(id(&key(5)), now).expect("blocked"));
    let stranger = asks(6, &Scope::Read).token("wrong");
    let delay = |world: &mut World| match world.connect(&remote(4), &stranger) {
        Admission::Refused { delay, refusal: Refusal::Unauthorized { .. }, .. } => delay,
        other => panic!("{other:?}"),
    };
    let first = delay(&mut world);

    let mut world = restarted(world);

    assert_eq!(world.asks_a_person(&remote(1), &asks(3, &Scope::Read)).request_id, None, "silenced");
    world.asks_a_person(&remote(2), &asks(4, &Scope::Read));
    assert_eq!(world.unauthorized(&remote(3), &asks(5, &Scope::Read)), AuthReason::Blocked);
    assert!(delay(&mut world) > first, "guessing is not made faster");
}

#[test]
fn what_expired_in_between_is_gone() {
    let mut world = World::new(records());
    let expired = world.request(&remote(1), &asks(3, &Scope::Read));
    let once = world.request(&remote(2), &asks(4, &Scope::Read));
    world.approve(&once, Choice::All, GrantLifetime::Once);
    // The computer slept: only the wall clock went on.
    world.now = Timestamp { wall: world.now.wall.plus(Duration::from_mins(6)), ..world.now };

    let mut world = restarted(world);

    assert!(world.authority.waiting().is_empty());
    assert_eq!(world.authority.devices().count(), 0);
    assert_eq!(world.decide(&person(), &expired, &ALL).map(|_| ()), Err(DecisionError::Unknown));
}

#[test]
fn a_decision_that_is_being_saved_counts_after_a_restart() {
    let mut world = World::new(records());
    let request = world.request(&remote(1), &asks(3, &Scope::Read));
    let entropy = world.entropy();
    let decided = world.authority.decide(&person(), &request, None, &ALL, &entropy, world.now);

    let mut world = restarted(world);

    let again = world.decide(&person(), &request, &ALL);
    assert_eq!(again.map(|_| ()), Err(DecisionError::Unknown), "it is decided about already");
    assert!(world.authority.apply(decided.expect("it waits"), world.now).value.is_some());
    world.admitted(&remote(1), &asks(3, &Scope::Read));
}

#[test]
fn the_right_to_act_for_the_person_is_given_out_once() {
    let mut world = World::new(records());
    let _key = world.desktop_key();

    let mut world = restarted(world);
    world.authority.start_over(records());

    assert!(world.authority.take_desktop_key(Desktop::Running).is_none());
}

#[test]
fn starting_over_leaves_what_is_stored_and_our_own_client() {
    let mut world = World::new(records());
    let own = world.own_session(&key(1));
    world.request(&remote(1), &asks(3, &Scope::Read));
    let until_quit = world.request(&remote(2), &asks(4, &Scope::Read));
    world.approve(&until_quit, Choice::All, GrantLifetime::UntilQuit);
    let stored = support::record(&key(5), &scopes([Scope::Read]));

    world.authority.start_over(TrustRecords { devices: vec![stored], ..records() });

    assert!(!world.authority.is_live(own.connection()));
    assert!(world.authority.waiting().is_empty());
    world.admitted(&remote(3), &asks(5, &Scope::Read));
    world.asks_a_person(&remote(2), &asks(4, &Scope::Read));
    assert_eq!(world.authority.own_client().map(|(key, _)| key), Some(public(&key(1))));
}

#[test]
fn a_shared_token_made_after_starting_over_is_of_a_new_generation() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let generation = |world: &mut World| {
        let rotated = world.authority.rotate_shared_token(&entropy, world.now);
        match &rotated.durable[0] {
            Change::PutSharedToken(token) => token.generation,
            other => panic!("{other:?}"),
        }
    };
    let before = generation(&mut world);

    world.authority.start_over(TrustRecords::default());

    assert!(generation(&mut world) > before, "what hung on that one would count again");
}

#[test]
fn a_request_under_the_key_that_becomes_our_own_ends() {
    let mut world = World::new(records());
    world.authority.set_own_key(public(&key(1)));
    world.request(&remote(1), &asks(2, &Scope::Admin));
    world.request(&remote(1), &asks(3, &Scope::Read));

    let mut world = restarted(world);
    world.authority.set_own_key(public(&key(2)));

    let waiting = world.authority.waiting();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].details.key, Some(public(&key(3))));
    assert_eq!(world.unauthorized(&remote(1), &asks(2, &Scope::Admin)), AuthReason::OwnKeyElsewhere);
}

#[test]
fn what_could_not_be_saved_takes_away_from_what_is_stored_and_lets_nobody_in() {
    let (known, stranger) =
        (support::record(&key(3), &scopes([Scope::Read])), support::record(&key(4), &scopes([Scope::Read])));
    let mut records = TrustRecords { devices: vec![known.clone()], ..records() };
    let renamed = DeviceRecord { label: Some("desk".to_owned()), ..known.clone() };

    assert!(records.apply_unsaved(&Change::PutDevice(Box::new(renamed.clone()))));
    assert!(!records.apply_unsaved(&Change::PutDevice(Box::new(stranger))), "unknown here");
    assert_eq!(records.devices, [renamed]);
    let older = SharedToken { generation: 0, ..support::shared_token() };
    let newer = SharedToken { generation: 2, ..support::shared_token() };
    assert!(!records.apply_unsaved(&Change::PutSharedToken(older)));
    assert!(records.apply_unsaved(&Change::PutSharedToken(newer.clone())));
    assert_eq!(records.shared_token, Some(newer));
    assert!(records.apply_unsaved(&Change::RemoveDevice(known.id)));
    assert_eq!(records.devices, []);

    let mut world = World::new(records);
    world.asks_a_person(&remote(1), &asks(3, &Scope::Read));
}
