//! Taking away, rotating and renaming, and what nobody can do to our own client.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{
    Client, World, closed, command_line, id, key, local_named, public, record, records, remote, scopes,
};
use tidegate_protocol::refusal::AuthReason;
use tidegate_protocol::{DeviceId, Scope};
use tidegate_trust::management::ManagementError;
use tidegate_trust::records::Claims;
use tidegate_trust::scopes::Level;
use tidegate_trust::token::Token;
use tidegate_trust::{Change, ScopeSet, Session, TrustRecords};

fn device(seed: u16) -> DeviceId {
    id(&key(seed))
}

/// A world where device 3 has `of_3`, and device 4 has `of_4` and is connected.
fn two(of_3: &[Scope], of_4: &[Scope]) -> (World, Session) {
    let set = |scopes: &[Scope]| scopes.iter().cloned().collect::<ScopeSet>();
    let devices = vec![record(&key(3), &set(of_3)), record(&key(4), &set(of_4))];
    let mut world = World::new(TrustRecords { devices, ..records() });
    let session = world.admitted(&local_named("ui"), &Client::new(&key(4)).asks(of_4)).session;
    (world, session)
}

/// All changes that a session can try on a device, by name.
fn try_all(
    world: &mut World,
    session: &Session,
    target: DeviceId,
) -> Vec<(&'static str, Option<ManagementError>)> {
    let entropy = world.entropy();
    let now = world.now;
    let authority = &mut world.authority;
    vec![
        ("rename", authority.rename_device(session, target, "a name", now).err()),
        ("rotate", authority.rotate_token(session, target, "operator", &entropy, now).err()),
        ("revoke", authority.revoke_token(session, target, "operator", now).err()),
        ("remove", authority.remove_device(session, target, now).err()),
    ]
}

#[test]
fn our_own_client_is_built_in_for_everyone() {
    let own_record = record(&key(1), &scopes([Scope::Read]));
    let mut world = World::new(TrustRecords { devices: vec![own_record], ..records() });
    let own = world.own_session(&key(1));
    for session in [command_line(), own] {
        for (what, error) in try_all(&mut world, &session, device(1)) {
            assert_eq!(error, Some(ManagementError::BuiltIn), "{what}");
        }
    }
    assert_eq!(world.authority.block_device(device(1), world.now).err(), Some(ManagementError::BuiltIn));
    assert_eq!(world.authority.own_client().expect("there").0, public(&key(1)));
    let origin = world.in_process.origin();
    world.admitted(&origin, &Client::new(&key(1)).asks(&[Scope::Admin]));
}

#[test]
fn the_subagent_client_changes_nothing_about_others() {
    let (mut world, _) = two(&[Scope::Read], &[Scope::Read]);
    let own = world.own_session(&key(1));
    for (what, error) in try_all(&mut world, &own, device(3)) {
        assert!(matches!(error, Some(ManagementError::Denied(_))), "{what}: {error:?}");
    }
}

#[test]
fn others_are_managed_only_with_pairing_by_name_and_everything_that_they_have() {
    for (of_3, of_4, error) in [
        (vec![Scope::Read], vec![Scope::Admin], Some(ManagementError::Denied("device rename"))),
        (vec![Scope::Admin], vec![Scope::Pairing], Some(ManagementError::BeyondCaller(Scope::Admin))),
        (
            vec![Scope::Write],
            vec![Scope::Pairing, Scope::Read],
            Some(ManagementError::BeyondCaller(Scope::Write)),
        ),
        (vec![Scope::Read], vec![Scope::Pairing, Scope::Write], None),
        (vec![Scope::Admin, Scope::Pairing], vec![Scope::Admin, Scope::Pairing], None),
    ] {
        let (mut world, session) = two(&of_3, &of_4);
        world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&of_3));
        let result = try_all(&mut world, &session, device(3));
        match error {
            None => {
                let failed: Vec<_> = result.iter().filter(|(_, error)| error.is_some()).collect();
                assert!(failed.is_empty(), "{failed:?}");
            }
            Some(_) => assert!(result.iter().all(|(_, error)| error.is_some()), "{result:?}"),
        }
        assert_eq!(result[0].1, error);
    }
}

#[test]
fn a_device_may_rotate_and_revoke_its_own_token() {
    // CVE-2026-32922: rotation minted more than the caller had.
    let (mut world, session) = two(&[], &[Scope::Read]);
    let entropy = world.entropy();
    let rotated =
        world.authority.rotate_token(&session, device(4), "operator", &entropy, world.now).expect("its own");
    let token = rotated.value.token.expect("the device itself gets it");
    assert_eq!(rotated.value.scopes, [Scope::Read]);
    assert!(matches!(&rotated.durable[..], [Change::PutDevice(_)]));
    assert_eq!(closed(&rotated.effects), [session.connection().clone()]);
    assert!(!world.authority.is_live(session.connection()));
    let client = Client::new(&key(4)).asks(&[Scope::Admin, Scope::Read]);
    world.asks_a_person(&local_named("ui"), &client.clone().device_token(token.reveal()));
    let reader = Client::new(&key(4)).asks(&[Scope::Read]);
    let session = world.admitted(&local_named("ui"), &reader.clone().device_token(token.reveal())).session;
    let _ = world.authority.revoke_token(&session, device(4), "operator", world.now).expect("its own");
    assert!(!world.authority.is_live(session.connection()));
    let reason = world.unauthorized(&local_named("ui"), &reader.device_token(token.reveal()));
    assert_eq!(reason, AuthReason::DeviceTokenMismatch);
}

#[test]
fn a_rotated_token_ends_the_old_one_at_once() {
    let (mut world, _) = two(&[Scope::Read], &[]);
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let admitted = world.admitted(&local_named("tui"), &reader);
    let (old, _) = world.commit(admitted.device_token.expect("minted"));
    let by_token = world.admitted(&local_named("tui"), &reader.clone().device_token(old.reveal())).session;
    let entropy = world.entropy();
    let rotated = world
        .authority
        .rotate_token(&command_line(), device(3), "operator", &entropy, world.now)
        .expect("the person may");
    let mut ended = closed(&rotated.effects);
    ended.sort();
    let mut expected = vec![admitted.session.connection().clone(), by_token.connection().clone()];
    expected.sort();
    assert_eq!(ended, expected);
    let reason = world.unauthorized(&local_named("tui"), &reader.clone().device_token(old.reveal()));
    assert_eq!(reason, AuthReason::DeviceTokenMismatch);
    let new = rotated.value.token.expect("the person gets it");
    world.admitted(&local_named("tui"), &reader.device_token(new.reveal()));
}

#[test]
fn another_clients_new_token_is_withheld_and_the_device_gets_its_own() {
    let (mut world, session) = two(&[Scope::Read], &[Scope::Pairing, Scope::Read]);
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    world.admitted(&local_named("tui"), &reader);
    let entropy = world.entropy();
    let rotated =
        world.authority.rotate_token(&session, device(3), "operator", &entropy, world.now).expect("allowed");
    assert!(rotated.value.token.is_none());
    let shown = world.authority.devices().find(|(record, _)| record.id == device(3)).expect("known").0;
    assert!(shown.token.as_ref().is_some_and(|token| token.rotated_at == Some(rotated.value.at)));
    assert!(world.admitted(&local_named("tui"), &reader).device_token.is_some());
    assert!(world.admitted(&local_named("tui"), &reader).device_token.is_none(), "it has one now");
}

#[test]
fn a_withheld_token_that_is_revoked_is_not_delivered() {
    let (mut world, session) = two(&[Scope::Read], &[Scope::Pairing, Scope::Read]);
    let entropy = world.entropy();
    let _ =
        world.authority.rotate_token(&session, device(3), "operator", &entropy, world.now).expect("allowed");

    let revoked = world.authority.revoke_token(&session, device(3), "operator", world.now);

    assert!(revoked.is_ok(), "{:?}", revoked.err());
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    assert!(world.admitted(&local_named("tui"), &reader).device_token.is_none());
}

#[test]
fn only_the_operators_role_has_a_token() {
    let (mut world, session) = two(&[], &[Scope::Read]);
    let entropy = world.entropy();
    assert!(world.authority.rotate_token(&session, device(4), "node", &entropy, world.now).is_err());
    assert!(world.authority.revoke_token(&session, device(4), "node", world.now).is_err());
}

#[test]
fn removing_closes_exactly_the_devices_connections_and_it_has_to_ask_again() {
    let (mut world, other) = two(&[Scope::Read], &[Scope::Read]);
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let sessions: Vec<_> = (0..3).map(|_| world.admitted(&local_named("tui"), &reader).session).collect();
    let changed = world.authority.remove_device(&command_line(), device(3), world.now).expect("known");
    assert_eq!(changed.durable, [Change::RemoveDevice(device(3))]);
    let mut ended = closed(&changed.effects);
    ended.sort();
    let mut expected: Vec<_> = sessions.iter().map(|session| session.connection().clone()).collect();
    expected.sort();
    assert_eq!(ended, expected);
    assert!(sessions.iter().all(|session| !world.authority.is_live(session.connection())));
    assert!(world.authority.is_live(other.connection()));
    world.asks_a_person(&local_named("tui"), &reader);
}

#[test]
fn a_blocked_device_is_out_at_once_and_unknown_ones_can_be_blocked_too() {
    let (mut world, other) = two(&[Scope::Read], &[Scope::Read]);
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let session = world.admitted(&local_named("tui"), &reader).session;
    let request = world.request(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin]));
    let changed = world.authority.block_device(device(3), world.now).expect("not built in");
    assert!(matches!(&changed.durable[..], [Change::PutBlock(_), Change::RemoveDevice(_)]));
    assert_eq!(closed(&changed.effects), [session.connection().clone()]);
    assert!(world.authority.waiting().is_empty(), "{request} ended");
    assert!(world.authority.is_live(other.connection()));
    assert_eq!(world.unauthorized(&local_named("tui"), &reader), AuthReason::Blocked);
    let _ = world.authority.block_device(device(9), world.now).expect("also who never came");
    assert_eq!(
        world.unauthorized(&remote(1), &Client::new(&key(9)).asks(&[Scope::Read])),
        AuthReason::Blocked
    );
}

#[test]
fn what_does_not_exist_cannot_be_changed() {
    let (mut world, _) = two(&[], &[]);
    for (what, error) in try_all(&mut world, &command_line(), device(99)) {
        assert_eq!(error, Some(ManagementError::UnknownDevice), "{what}");
    }
    assert!(world.authority.remove_program("none", world.now).is_err());
}

#[test]
fn names_of_devices_are_visible_and_bounded() {
    for (name, valid) in [
        ("phone", true),
        (" phone ", true),
        ("", false),
        (" ", false),
        ("a\u{202e}b", false),
        ("a\u{200b}b", false),
        ("\u{2800}", false),
        ("a\u{301}\u{301}\u{301}", false),
        ("a\nb", false),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
    ] {
        let (mut world, _) = two(&[Scope::Read], &[]);
        let renamed = world.authority.rename_device(&command_line(), device(3), name, world.now);
        assert_eq!(renamed.is_ok(), valid, "{name:?}");
        if let Ok(renamed) = renamed {
            assert_eq!(renamed.value, name.trim());
        }
    }
}

#[test]
fn a_claimed_name_never_looks_empty() {
    for (name, kept) in [
        ("\u{2800}\u{3164}", Some("\\u{2800}\\u{3164}")),
        ("\u{301}\u{301}", Some("\\u{301}\\u{301}")),
        (" \t ", None),
        ("", None),
    ] {
        let claims = Claims::of(&Client::new(&key(3)).named(name).info);
        assert_eq!(claims.display_name.as_deref(), kept, "{name:?}");
    }
}

#[test]
fn a_new_shared_token_closes_what_came_with_the_old_one_and_nothing_else() {
    let (mut world, by_shared) = two(&[Scope::Read], &[Scope::Read]);
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let minted = world.admitted(&local_named("tui"), &reader);
    let (token, _) = world.commit(minted.device_token.expect("minted"));
    let by_device = world.admitted(&local_named("tui"), &reader.clone().device_token(token.reveal())).session;
    let own = world.own_session(&key(1));
    let visitor = world.admitted(&remote(1), &Client::without_device()).session;
    let entropy = world.entropy();
    let changed = world.authority.rotate_shared_token(&entropy, world.now);
    let mut ended = closed(&changed.effects);
    ended.sort();
    let mut expected: Vec<_> =
        [&by_shared, &minted.session, &visitor].map(|session| session.connection().clone()).into();
    expected.sort();
    assert_eq!(ended, expected);
    assert!(world.authority.is_live(by_device.connection()) && world.authority.is_live(own.connection()));
    // Paired devices stay paired.
    world.admitted(&local_named("tui"), &reader.clone().token(changed.value.reveal()));
    world.admitted(&local_named("tui"), &reader.device_token(token.reveal()));
}

#[test]
fn a_client_manages_with_what_it_was_granted_also_when_it_asks_for_pairing_alone() {
    // OpenClaw 2026.9.6 asks for operator.pairing only when it renames or removes a device.
    let (mut world, _) = two(&[Scope::Admin], &[Scope::Pairing, Scope::Admin]);
    let by_device = Client::new(&key(4)).asks(&[Scope::Pairing]);
    let by_device = world.admitted(&local_named("cli"), &by_device).session;
    let entropy = world.entropy();
    let made = world.authority.new_program_token("openclaw", Level::Full, true, &entropy, world.now);
    let (token, _) = world.commit(made.expect("a new name"));
    let by_token = Client::without_device().token(token.reveal()).asks(&[Scope::Pairing]);
    let by_token = world.admitted(&local_named("cli"), &by_token).session;
    for session in [&by_device, &by_token] {
        assert!(!session.scopes().covers(&Scope::Admin));
        assert!(world.authority.rename_device(session, device(3), "a name", world.now).is_ok());
    }
    let _ = world.authority.revoke_program_token("openclaw", world.now).expect("known");
    let gone = world.authority.remove_device(&by_token, device(3), world.now).err();
    assert_eq!(gone, Some(ManagementError::BeyondCaller(Scope::Admin)), "a revoked token grants nothing");
    assert!(world.authority.remove_device(&by_device, device(3), world.now).is_ok());
}

#[test]
fn what_was_granted_is_not_the_use_of_it() {
    let (mut world, _) = two(&[Scope::Read], &[Scope::Pairing, Scope::Admin]);
    let reader = world.admitted(&local_named("ui"), &Client::new(&key(4)).asks(&[Scope::Read])).session;
    for (what, error) in try_all(&mut world, &reader, device(3)) {
        assert!(matches!(error, Some(ManagementError::Denied(_))), "{what}: {error:?}");
    }
}

#[test]
fn a_device_token_that_was_not_saved_is_replaced_by_the_next() {
    let devices = vec![support::record(&key(3), &support::scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, ..support::records() });
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let lost = world.next_token();
    let made = world.admitted(&local_named("tui"), &reader).device_token.expect("made");
    let [Change::PutDevice(record)] = made.durable.as_slice() else { panic!("{:?}", made.durable) };
    assert_eq!(record.token.as_ref().and_then(|token| token.hash), Some(lost.hash()));

    world.authority.roll_back(made);

    let with_lost = reader.clone().device_token(lost.reveal());
    assert_eq!(world.unauthorized(&local_named("tui"), &with_lost), AuthReason::DeviceTokenMismatch);
    assert!(world.admitted(&local_named("tui"), &reader).device_token.is_some());
}

#[test]
fn a_device_token_revoked_while_saved_stays_revoked() {
    let devices = vec![support::record(&key(3), &support::scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, ..support::records() });
    let reader = Client::new(&key(3)).asks(&[Scope::Read]);
    let made = world.admitted(&local_named("tui"), &reader).device_token.expect("made");
    let _ = world
        .authority
        .revoke_token(&support::command_line(), device(3), "operator", world.now)
        .expect("it has one");

    world.authority.roll_back(made);

    assert!(world.admitted(&local_named("tui"), &reader).device_token.is_none(), "a person revoked it");
}

#[test]
fn a_program_token_that_was_not_saved_is_gone() {
    let mut world = World::new(support::records());
    let entropy = world.entropy();
    let made =
        world.authority.new_program_token("ci", Level::Read, false, &entropy, world.now).expect("made");
    let lost = Token::from_entropy(entropy.token);

    world.authority.roll_back(made);

    let with_lost = Client::without_device().token(lost.reveal()).asks(&[Scope::Read]);
    assert_eq!(world.unauthorized(&local_named("ci"), &with_lost), AuthReason::TokenMismatch);
    assert!(world.authority.tokens().is_empty());
}
