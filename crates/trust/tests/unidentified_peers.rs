//! Local programs that cannot be identified are strangers: never refused for that alone, and trusted
//! no further than a key or a token goes. The whole rule as a table of its own, and what a person's
//! approval is good for.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{Client, World, audits, id, key, local_named, record, records, remote, scopes};
use tidegate_protocol::refusal::{AuthReason, PairingReason, Refusal};
use tidegate_protocol::{Scope, limits};
use tidegate_trust::Admission;
use tidegate_trust::ScopeSet;
use tidegate_trust::admission::LookUp;
use tidegate_trust::audit::Severity;
use tidegate_trust::decision::{Choice, Decider, DecisionError, Desktop, GrantLifetime, Verdict};
use tidegate_trust::origin::{CommandsAlive, Origin, Peer};
use tidegate_trust::records::{Subject, TrustRecords};
use tidegate_trust::scopes::Level;

const ALIVE: [CommandsAlive; 3] = [CommandsAlive::None, CommandsAlive::Contained, CommandsAlive::Beyond];

fn unidentified() -> Origin {
    Origin::Loopback(Peer::Unknown { uid: None })
}

fn admin() -> Client {
    Client::new(&key(3)).asks(&[Scope::Admin])
}

/// A world that knows a device with full control, and a token of a program with as much.
fn world(commands: CommandsAlive) -> (World, String) {
    let known = record(&key(3), &scopes([Scope::Admin, Scope::Approvals]));
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let entropy = world.entropy();
    let made =
        world.authority.new_program_token("ci", Level::Full, false, &entropy, world.now).expect("made");
    world.commands = commands;
    let (token, _) = world.commit(made);
    (world, token.reveal().to_owned())
}

fn approve(choice: Choice, duration: GrantLifetime) -> Verdict {
    Verdict::Approve { choice, duration }
}

/// What became of an attempt, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// With the right to decide about commands.
    Admitted,
    Narrowed,
    Asks(PairingReason),
    NeedsDevice,
    LooksUp(LookUp),
    RefusedAsTool,
    RefusedAsUnknown,
}

fn outcome(world: &mut World, origin: &Origin, client: &Client) -> Outcome {
    match world.connect(origin, client) {
        Admission::Admitted(admitted) if admitted.session.scopes().covers(&Scope::Approvals) => {
            Outcome::Admitted
        }
        Admission::Admitted(_) => Outcome::Narrowed,
        Admission::LookUpPeer { depth, .. } => Outcome::LooksUp(depth),
        Admission::Refused { refusal, .. } => match refusal {
            Refusal::PairingRequired(required) => Outcome::Asks(required.reason),
            Refusal::DeviceIdentityRequired => Outcome::NeedsDevice,
            Refusal::Unauthorized { reason: AuthReason::Tool, .. } => Outcome::RefusedAsTool,
            Refusal::Unauthorized { reason: AuthReason::PeerUnknown, .. } => Outcome::RefusedAsUnknown,
            other => panic!("{other:?}"),
        },
    }
}

/// The rule once more, written as a table: who comes, as whom the kernel shows them, and what is alive.
fn expected(who: &str, peer: &Peer, commands: CommandsAlive) -> Outcome {
    use CommandsAlive::{Beyond, None};
    match (who, peer, commands) {
        (_, Peer::Tool { .. }, _) => Outcome::RefusedAsTool,
        ("known key", Peer::NotLookedUp, None) => Outcome::Admitted,
        ("new key", Peer::NotLookedUp, None) => Outcome::LooksUp(LookUp::Program),
        (_, Peer::NotLookedUp, _) => Outcome::LooksUp(LookUp::Ancestry),
        ("known key", Peer::Unknown { .. }, Beyond) => Outcome::Asks(PairingReason::Unidentified),
        ("known key", ..) => Outcome::Admitted,
        ("new key", Peer::NotATool, _) => Outcome::LooksUp(LookUp::Program),
        ("new key", ..) => Outcome::Asks(PairingReason::NotPaired),
        ("token of its own", Peer::Unknown { .. }, Beyond) => Outcome::Narrowed,
        ("token of its own", ..) => Outcome::Admitted,
        ("shared token", Peer::NotATool, _) => Outcome::LooksUp(LookUp::Program),
        ("shared token", Peer::Process { program: Some(_), .. }, _) => {
            Outcome::Asks(PairingReason::NotPaired)
        }
        ("shared token", ..) => Outcome::NeedsDevice,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_client_is_treated_as_the_table_says() {
    let Origin::Loopback(identified) = local_named("tui") else { panic!("loopback") };
    let tool = Peer::Tool { command: "sh".to_owned() };
    let of_a_user = Peer::Unknown { uid: Some(1000) };
    let nobodys = Peer::Unknown { uid: None };
    for peer in [Peer::NotLookedUp, Peer::NotATool, nobodys, of_a_user, tool, identified] {
        for commands in ALIVE {
            let (_, token) = world(commands);
            for (who, client) in [
                ("known key", admin()),
                ("new key", Client::new(&key(4)).asks(&[Scope::Admin])),
                ("token of its own", Client::without_device().asks(&[Scope::Admin]).token(&token)),
                ("shared token", Client::without_device().asks(&[Scope::Read])),
            ] {
                let (mut world, _) = world(commands);
                let found = outcome(&mut world, &Origin::Loopback(peer.clone()), &client);
                assert_eq!(found, expected(who, &peer, commands), "{who}, {peer:?}, {commands:?}");
            }
        }
    }
}

#[test]
fn a_token_from_an_unidentified_peer_only_reads_beside_a_command() {
    for (commands, writes) in
        [(CommandsAlive::None, true), (CommandsAlive::Contained, true), (CommandsAlive::Beyond, false)]
    {
        let (mut world, token) = world(commands);
        let client = Client::without_device().asks(&[Scope::Admin, Scope::Write]).token(&token);

        let admitted = world.admitted(&unidentified(), &client);

        let scopes = admitted.session.scopes();
        assert!(scopes.covers(&Scope::Read), "{commands:?}");
        assert_eq!(scopes.covers(&Scope::Write), writes, "{commands:?}");
        let told = audits(&admitted.effects);
        let told: Vec<_> = told.iter().map(|event| (event.kind.name(), event.severity)).collect();
        let expected = [("program-token.unidentified", Severity::Warn)];
        assert_eq!(told, if writes { &expected[..0] } else { &expected }, "{commands:?}");
    }
}

#[test]
fn the_event_of_a_limited_token_names_the_token_and_its_limit() {
    let (mut world, token) = world(CommandsAlive::Beyond);
    let client = Client::without_device().asks(&[Scope::Write]).token(&token);

    let admitted = world.admitted(&unidentified(), &client);

    let told = audits(&admitted.effects);
    let [event] = told[..] else { panic!("one event: {told:?}") };
    assert_eq!(event.subject, "ci");
    assert!(event.line.contains("name=ci") && event.line.contains("scopes=operator.read"), "{event:?}");
}

#[test]
fn nobody_remote_is_asked_about_because_a_command_runs() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    assert_eq!(outcome(&mut world, &remote(1), &admin()), Outcome::Admitted);
}

#[test]
fn an_unidentified_peer_is_not_accused_in_the_audit() {
    for commands in ALIVE {
        let (mut world, token) = world(commands);
        for client in [
            admin(),
            Client::new(&key(4)).asks(&[Scope::Read]),
            Client::without_device().asks(&[Scope::Read]).token(&token),
            Client::without_device().asks(&[Scope::Read]),
        ] {
            let effects = match world.connect(&unidentified(), &client) {
                Admission::Admitted(admitted) => admitted.effects,
                Admission::Refused { effects, .. } | Admission::LookUpPeer { effects, .. } => effects,
            };
            let lines = audits(&effects);
            assert!(lines.iter().all(|event| event.kind.name() != "tool.refused"), "{lines:?}");
            assert!(lines.iter().all(|event| !event.line.contains("agent")), "{lines:?}");
        }
    }
}

#[test]
fn the_local_socket_is_closed_to_unidentified_peers() {
    for commands in ALIVE {
        let (mut world, _) = world(commands);
        let origin = Origin::LocalSocket(Peer::Unknown { uid: None });
        assert_eq!(outcome(&mut world, &origin, &admin()), Outcome::RefusedAsUnknown);
    }
}

#[test]
fn approval_of_an_unidentified_peer_admits_once_whatever_it_lasts() {
    for duration in [GrantLifetime::Once, GrantLifetime::UntilQuit, GrantLifetime::Always] {
        for client in [admin(), Client::new(&key(4)).asks(&[Scope::Admin, Scope::Approvals])] {
            let (mut world, _) = world(CommandsAlive::Beyond);
            let request = world.request(&unidentified(), &client);
            assert!(world.authority.waiting()[0].details.unidentified);
            world.approve(&request, Choice::All, duration);

            assert_eq!(outcome(&mut world, &unidentified(), &client), Outcome::Admitted, "{duration:?}");
            let again = outcome(&mut world, &unidentified(), &client);

            assert!(matches!(again, Outcome::Asks(_)), "{duration:?}: {again:?}");
        }
    }
}

fn has(world: &World) -> (bool, ScopeSet) {
    let (device, _) = world.authority.devices().next().expect("known");
    (device.grant.granted.names(&Scope::Admin), device.grant.granted.clone())
}

#[test]
fn an_unidentified_device_is_admitted_with_what_was_left_ticked() {
    for duration in [GrantLifetime::Once, GrantLifetime::UntilQuit, GrantLifetime::Always] {
        let (mut world, _) = world(CommandsAlive::Beyond);
        let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Read]);
        let before = has(&world);
        let request = world.request(&unidentified(), &client);
        world.approve(&request, Choice::Scopes(scopes([Scope::Read])), duration);

        let session = world.admitted(&unidentified(), &client).session;

        assert_eq!(session.scopes(), &scopes([Scope::Read]), "{duration:?}");
        assert!(before.0 && has(&world).0, "the device itself keeps what it has");
    }
}

#[test]
fn an_approved_unidentified_device_gets_no_more_than_was_shown() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &Client::new(&key(3)).asks(&[Scope::Read]));
    world.approve(&request, Choice::All, GrantLifetime::Always);

    let session = world.admitted(&unidentified(), &admin()).session;

    assert_eq!(session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn an_unidentified_device_is_admitted_with_the_level_chosen() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &admin());
    world.approve(&request, Choice::Level { level: Level::Write, pairing: false }, GrantLifetime::Once);

    let session = world.admitted(&unidentified(), &admin()).session;

    assert!(session.scopes().covers(&Scope::Write) && !session.scopes().covers(&Scope::Approvals));
}

#[test]
fn no_full_control_makes_up_for_pairing_that_was_not_left_ticked() {
    let granted = scopes([Scope::Admin, Scope::Pairing]);
    let known = record(&key(3), &granted);
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    world.commands = CommandsAlive::Beyond;
    let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    for left in [Scope::Admin, Scope::Pairing] {
        let request = world.request(&unidentified(), &client);
        world.approve(&request, Choice::Scopes(ScopeSet::from([left.clone()])), GrantLifetime::Always);

        let session = world.admitted(&unidentified(), &client).session;

        assert_eq!(session.scopes(), &ScopeSet::from([left]));
    }
}

#[test]
fn a_level_above_what_was_asked_admits_with_what_was_asked() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &Client::new(&key(3)).asks(&[Scope::Read]));
    world.approve(&request, Choice::Level { level: Level::Full, pairing: false }, GrantLifetime::Always);

    let session = world.admitted(&unidentified(), &admin()).session;

    assert_eq!(session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn approval_of_an_unidentified_device_is_for_its_next_connection() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &admin());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    // Whom the person meant comes when it can be told who it is.
    world.admitted(&local_named("tui"), &admin());

    let found = outcome(&mut world, &unidentified(), &admin());

    assert_eq!(found, Outcome::Asks(PairingReason::Unidentified));
}

#[test]
fn approval_of_an_unidentified_device_ends_with_a_rejection() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &admin());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    let more = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    let request = world.request(&unidentified(), &more);
    world.decide(&support::person(), &request, &Verdict::Reject).expect("a person may decide");

    let found = outcome(&mut world, &unidentified(), &admin());

    assert_ne!(found, Outcome::Admitted);
}

#[test]
fn a_token_revoked_while_an_approval_is_saved_lets_nobody_unidentified_in() {
    let (mut world, _) = world(CommandsAlive::None);
    // Gives it a token.
    world.admitted(&unidentified(), &admin());
    world.commands = CommandsAlive::Beyond;
    let request = world.request(&unidentified(), &admin());
    let (person, verdict, entropy) =
        (support::person(), approve(Choice::All, GrantLifetime::Always), world.entropy());
    let decided = world.authority.decide(&person, &request, None, &verdict, &entropy, world.now);
    let decided = decided.expect("a person may decide");
    let session = support::command_line();
    let _ = world.authority.revoke_token(&session, id(&key(3)), "operator", world.now).expect("a person may");
    let _ = world.authority.apply(decided, world.now);

    let found = outcome(&mut world, &unidentified(), &admin());

    assert_eq!(found, Outcome::Asks(PairingReason::Unidentified));
}

#[test]
fn approval_of_an_unidentified_device_ends_with_its_access() {
    for end in ["remove", "block", "revoke its token"] {
        let (mut world, _) = world(CommandsAlive::None);
        // Gives it a token.
        world.admitted(&unidentified(), &admin());
        world.commands = CommandsAlive::Beyond;
        let request = world.request(&unidentified(), &admin());
        world.approve(&request, Choice::All, GrantLifetime::Always);
        let (device, now) = (id(&key(3)), world.now);
        let ended = match end {
            "remove" => world.authority.remove_device(&support::command_line(), device, now).map(drop),
            "block" => world.authority.block_device(device, now).map(drop),
            _ => {
                let session = support::command_line();
                world.authority.revoke_token(&session, device, "operator", now).map(drop)
            }
        };
        ended.expect("a person may");
        if end == "block" {
            let blocked = Subject::Device(device);
            let _ = world.authority.unblock(&blocked, world.now).expect("it is blocked");
        }
        if end != "revoke its token" {
            // Known again, by its owner's doing.
            world.pair(&local_named("tui"), &admin());
        }

        let found = outcome(&mut world, &unidentified(), &admin());

        assert_eq!(found, Outcome::Asks(PairingReason::Unidentified), "{end}");
    }
}

#[test]
fn approval_of_an_unidentified_peer_that_is_not_used_expires() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &admin());
    world.approve(&request, Choice::All, GrantLifetime::Always);

    world.pass(limits::ONCE_LIFE + Duration::from_secs(1));

    let found = outcome(&mut world, &unidentified(), &admin());
    assert_eq!(found, Outcome::Asks(PairingReason::Unidentified));
}

#[test]
fn approval_for_an_identified_peer_is_none_for_an_unidentified_one() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let more = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    world.pair(&local_named("tui"), &more);

    let found = outcome(&mut world, &unidentified(), &more);

    assert_eq!(found, Outcome::Asks(PairingReason::Unidentified));
}

#[test]
fn a_client_approves_an_unidentified_device_only_up_to_its_own_scopes() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let manager = Client::new(&key(50)).asks(&[Scope::Read, Scope::Pairing]);
    world.pair(&remote(1), &manager);
    let session = world.admitted(&remote(1), &manager).session;
    let decider = Decider::of(&session, Desktop::Absent).expect("it manages pairing");
    let request = world.request(&unidentified(), &admin());

    let refused = world.decide(&decider, &request, &approve(Choice::All, GrantLifetime::Always));

    assert!(matches!(refused, Err(DecisionError::BeyondDecider(_))), "{refused:?}");
}

#[test]
fn a_rejected_unidentified_device_keeps_what_it_has() {
    let (mut world, _) = world(CommandsAlive::Beyond);
    let request = world.request(&unidentified(), &admin());
    world.decide(&support::person(), &request, &Verdict::Reject).expect("a person may decide");

    world.commands = CommandsAlive::None;

    assert_eq!(outcome(&mut world, &unidentified(), &admin()), Outcome::Admitted);
    let (device, _) = world.authority.devices().next().expect("known");
    assert_eq!((device.id, &device.grant.granted), (id(&key(3)), &scopes([Scope::Admin, Scope::Approvals])));
}
