//! The queue of waiting requests: bounds, ids, and the passing of time.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{Client, World, key, local_named, record, records, remote, scopes};
use tidegate_protocol::refusal::Refusal;
use tidegate_protocol::{Scope, UnixMillis};
use tidegate_trust::admission::Admission;
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::{Choice, GrantLifetime};
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::pairing::Ended;
use tidegate_trust::{Timestamp, TrustRecords};

fn asks(seed: u16, scope: &Scope) -> Client {
    Client::new(&key(seed)).asks([scope])
}

fn ended(effects: &[Effect]) -> Vec<(String, Ended)> {
    let end = |effect: &Effect| match effect {
        Effect::Ended { request, how } => Some((request.id.clone(), *how)),
        _ => None,
    };
    effects.iter().filter_map(end).collect()
}

#[test]
fn a_thousand_identical_retries_are_one_request_and_one_notification() {
    let mut world = World::new(records());
    let first = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    let mut requested = 0;
    for _ in 0..1000 {
        world.pass(Duration::from_millis(100));
        let (refusal, effects) = world.refused(&local_named("tui"), &asks(3, &Scope::Read));
        let Refusal::PairingRequired(required) = refusal else { panic!("{refusal:?}") };
        assert_eq!(required.request_id.as_deref(), Some(first.as_str()));
        requested += effects.iter().filter(|effect| matches!(effect, Effect::Requested(_))).count();
    }
    assert_eq!(requested, 0, "only the first is announced");
    world.approve(&first, Choice::All, GrantLifetime::Always);
    world.admitted(&local_named("tui"), &asks(3, &Scope::Read));
}

#[test]
fn a_changed_request_gets_a_new_id_and_ends_the_old_one_visibly() {
    // OpenClaw issue 72006: the approval of what was shown granted what was asked afterwards.
    let mut world = World::new(records());
    let shown = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    let (refusal, effects) = world.refused(&local_named("tui"), &asks(3, &Scope::Admin));
    let Refusal::PairingRequired(required) = refusal else { panic!("{refusal:?}") };
    let new = required.request_id.expect("waits");
    assert_ne!(new, shown);
    assert_eq!(ended(&effects), [(shown.clone(), Ended::Superseded)]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Requested(request) if request.id == new)));
    let verdict =
        tidegate_trust::decision::Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
    assert!(world.decide(&support::person(), &shown, &verdict).is_err());
    assert_eq!(world.authority.devices().count(), 0);
}

#[test]
fn a_narrower_call_in_between_leaves_the_wider_request_as_it_is() {
    // OpenClaw 2026.4.1 asks for less in `gateway status` and `gateway probe`.
    let mut world = World::new(records());
    let client = |scopes: &[Scope]| Client::new(&key(3)).asks(scopes);
    let wide = world.request(&remote(1), &client(&[Scope::Admin, Scope::Pairing]));
    let drawn = world.authority.waiting()[0].details.digest();
    for narrower in [vec![Scope::Read], vec![Scope::Admin], vec![Scope::Pairing, Scope::Write], vec![]] {
        world.pass(Duration::from_mins(1));
        let (refusal, effects) = world.refused(&remote(1), &client(&narrower));
        let Refusal::PairingRequired(required) = refusal else { panic!("{refusal:?}") };
        assert_eq!(required.request_id.as_deref(), Some(wide.as_str()), "{narrower:?}");
        assert!(effects.is_empty(), "nobody is notified of it: {effects:?}");
        assert_eq!(world.authority.waiting()[0].details.digest(), drawn);
    }
    world.pass(Duration::from_mins(4));
    let other_version = {
        let mut client = client(&[Scope::Read]);
        client.info.version = "2".to_owned();
        client
    };
    assert_ne!(world.request(&remote(1), &other_version), wide, "what it says of itself has changed");
    let more = world.request(&remote(1), &client(&[Scope::Read]));
    assert_ne!(world.request(&remote(1), &client(&[Scope::Read, Scope::Pairing])), more);
    assert_eq!(world.authority.waiting().len(), 1);
}

#[test]
fn everything_that_a_person_sees_makes_a_request_another_one() {
    let base = asks(3, &Scope::Read);
    let mut family = base.clone();
    family.info.device_family = Some("iPhone".to_owned());
    let mut version = base.clone();
    version.info.version = "2".to_owned();
    for changed in
        [asks(3, &Scope::Write), base.clone().named("x"), base.clone().platform("darwin"), family, version]
    {
        let mut world = World::new(records());
        let first = world.request(&local_named("tui"), &base);
        let digest = world.authority.waiting()[0].details.digest();
        assert_ne!(world.request(&local_named("tui"), &changed), first);
        assert_ne!(world.authority.waiting()[0].details.digest(), digest);
        assert_eq!(world.authority.waiting().len(), 1);
    }
}

#[test]
fn a_flood_keeps_the_earlier_requests_and_stays_bounded() {
    let mut world = World::new(records());
    let honest = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    for seed in 0..1000_u16 {
        let origin = remote(u8::try_from(seed % 250).expect("small"));
        world.refused(&origin, &asks(100 + seed, &Scope::Admin));
        assert!(world.authority.waiting().len() <= 8);
    }
    assert_eq!(world.authority.waiting().len(), 8);
    assert_eq!(world.authority.waiting()[0].id, honest, "oldest first, and still there");
    let required = world.asks_a_person(&remote(251), &asks(2000, &Scope::Read));
    assert_eq!((required.request_id, required.expect_decision), (None, true), "full: try again");
    world.approve(&honest, Choice::All, GrantLifetime::Always);
    world.admitted(&local_named("tui"), &asks(3, &Scope::Read));
}

#[test]
fn one_program_user_or_address_has_two_requests_at_most() {
    for origin in [remote(1), local_named("tui")] {
        let mut world = World::new(records());
        world.request(&origin, &asks(3, &Scope::Read));
        world.request(&origin, &asks(4, &Scope::Read));
        assert_eq!(world.asks_a_person(&origin, &asks(5, &Scope::Read)).request_id, None);
        world.request(&remote(9), &asks(5, &Scope::Read));
    }
}

#[test]
fn copies_of_a_program_leave_a_place_to_another_program() {
    // In every order in which four copies, with two keys each, can come.
    for order in 0..256_u16 {
        let mut world = World::new(records());
        let mut came = [0; 4];
        for turn in 0..16_u16 {
            let copy = usize::from((order >> (2 * (turn % 4))) % 4 + turn / 4) % 4;
            world.refused(&local_named(&format!("p{copy}")), &asks(100 + turn, &Scope::Read));
            came[copy] += 1;
        }
        assert!(came.iter().all(|&times| times >= 2), "{came:?}");
        let earlier: Vec<_> = world.authority.waiting().iter().map(|request| request.id.clone()).collect();
        let honest = world.asks_a_person(&local_named("openclaw"), &asks(3, &Scope::Read));
        assert!(honest.request_id.is_some(), "{came:?}: {} wait", earlier.len());
        let waiting: Vec<_> = world.authority.waiting().iter().map(|request| &request.id).collect();
        assert!(earlier.iter().all(|id| waiting.contains(&id)), "an earlier one stays");
    }
}

#[test]
fn copies_without_end_leave_a_place_to_another_user() {
    let mut world = World::new(records());
    for copy in 0..100 {
        world.refused(&local_named(&format!("p{copy}")), &asks(100 + copy, &Scope::Read));
    }
    assert_eq!(world.authority.waiting().len(), 7);
    let other = Origin::Loopback(Peer::Process { uid: 1001, same_user: false, program: None });
    world.request(&other, &asks(3, &Scope::Read));
}

#[test]
fn programs_that_nobody_can_identify_count_as_their_user() {
    let mut world = World::new(records());
    let of = |uid| Origin::Loopback(Peer::Unknown { uid: Some(uid) });
    for copy in 0..100 {
        world.refused(&of(1001), &asks(100 + copy, &Scope::Read));
    }

    world.request(&of(1000), &asks(3, &Scope::Read));

    let identified = Origin::Loopback(Peer::Process { uid: 1001, same_user: false, program: None });
    let required = world.asks_a_person(&identified, &asks(4, &Scope::Read));
    assert_eq!(required.request_id, None, "the room of that user is taken");
}

#[test]
fn a_second_request_that_changes_keeps_its_place() {
    let mut world = World::new(records());
    world.request(&remote(1), &asks(3, &Scope::Read));
    world.request(&remote(1), &asks(4, &Scope::Read));
    for address in 2..8 {
        world.request(&remote(address), &asks(u16::from(address) + 10, &Scope::Read));
    }
    world.request(&remote(1), &asks(4, &Scope::Write));
    assert_eq!(world.authority.waiting().len(), 8);
}

#[test]
fn moving_a_request_to_another_address_is_no_way_around_the_cap() {
    let mut world = World::new(records());
    world.request(&remote(1), &asks(3, &Scope::Read));
    world.request(&remote(1), &asks(4, &Scope::Read));
    let elsewhere = world.request(&remote(2), &asks(5, &Scope::Read));
    assert_eq!(world.asks_a_person(&remote(1), &asks(5, &Scope::Write)).request_id, None);
    let waiting: Vec<_> = world.authority.waiting().iter().map(|request| request.id.clone()).collect();
    assert_eq!(waiting.len(), 3);
    assert!(waiting.contains(&elsewhere), "the earlier one stays");
}

#[test]
fn a_request_ends_five_minutes_after_the_last_attempt_and_fifteen_in_all() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    world.pass(Duration::from_secs(299));
    assert!(world.authority.tick(world.now).is_empty());
    world.pass(Duration::from_secs(1));
    let effects = world.authority.tick(world.now);
    assert_eq!(ended(&effects), [(request, Ended::Expired)]);

    let first = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    for _ in 0..3 {
        world.pass(Duration::from_secs(290));
        assert_eq!(world.request(&local_named("tui"), &asks(3, &Scope::Read)), first);
    }
    world.pass(Duration::from_secs(30));
    assert_ne!(world.request(&local_named("tui"), &asks(3, &Scope::Read)), first, "15 minutes in all");
}

#[test]
fn a_request_that_keeps_changing_lives_no_longer() {
    let mut world = World::new(records());
    for turn in 0..30 {
        let scope = if turn % 2 == 0 { Scope::Read } else { Scope::Write };
        world.request(&local_named("tui"), &asks(3, &scope));
        world.pass(Duration::from_secs(29));
    }
    world.pass(Duration::from_secs(30));
    world.authority.tick(world.now);
    assert!(world.authority.waiting().is_empty());
}

#[test]
fn the_earlier_of_two_clocks_ends_a_request() {
    for (wall, monotonic) in [(301_i64, 0_u64), (0, 301), (-10, 0), (-4, 301)] {
        let mut world = World::new(records());
        world.request(&local_named("tui"), &asks(3, &Scope::Read));
        world.now = Timestamp {
            wall: UnixMillis(world.now.wall.0.saturating_add_signed(wall * 1000)),
            monotonic: world.now.monotonic + Duration::from_secs(monotonic),
        };
        assert_eq!(world.authority.tick(world.now).len(), 1, "wall {wall} s, monotonic {monotonic} s");
    }
}

#[test]
fn a_request_being_decided_does_not_expire_under_the_decision() {
    let mut world = World::new(records());
    let request = world.request(&local_named("tui"), &asks(3, &Scope::Read));
    let entropy = world.entropy();
    let verdict =
        tidegate_trust::decision::Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
    let decided = world
        .authority
        .decide(&support::person(), &request, None, &verdict, &entropy, world.now)
        .expect("decided");
    world.pass(Duration::from_mins(20));
    assert!(world.authority.tick(world.now).is_empty());
    let _ = world.authority.apply(decided, world.now);
    world.admitted(&local_named("tui"), &asks(3, &Scope::Read));
}

#[test]
fn an_upgrade_shows_what_it_has_and_what_is_added() {
    let known = record(&key(3), &scopes([Scope::Read]));
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let client = Client::new(&key(3)).asks(&[Scope::Read, Scope::Write, Scope::Approvals]);
    let required = world.asks_a_person(&local_named("tui"), &client);
    let ask = &world.authority.waiting()[0].details;
    assert_eq!(ask.has, scopes([Scope::Read]));
    assert_eq!(ask.added, scopes([Scope::Write, Scope::Approvals]));
    assert_eq!(required.approved, Some(vec![Scope::Read]));
}

#[test]
fn a_request_tells_its_place_and_its_code() {
    let mut world = World::new(records());
    let request = world.request(&local_named("openclaw-tui"), &asks(3, &Scope::Read));
    let waiting = &world.authority.waiting()[0];
    assert_eq!(waiting.details.from, "this computer: /usr/bin/openclaw-tui");
    let parts: Vec<usize> = request.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "a UUID, whose first 8 characters are the code");
    assert_eq!(waiting.expires_at(), world.now.wall.plus(Duration::from_mins(5)));
}

#[test]
fn a_forged_signature_or_a_wrong_token_makes_no_request() {
    let mut world = World::new(records());
    for seed in 0..50 {
        let mut forged = asks(100 + seed, &Scope::Read);
        forged.signs = Some(key(3));
        world.refused(&remote(1), &forged);
        let wrong = asks(200 + seed, &Scope::Read).token("wrong");
        assert!(matches!(world.connect(&remote(1), &wrong), Admission::Refused { .. }));
    }
    assert!(world.authority.waiting().is_empty());
}
