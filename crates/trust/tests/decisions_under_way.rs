//! What happens while a decision is being saved: a revocation then is the later
//! word, and the decision lets in nobody.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{Client, World, closed, command_line, id, key, local, program, record, records, scopes};
use tidegate_protocol::refusal::{AuthReason, PairingReason};
use tidegate_protocol::{Scope, UnixMillis};
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};
use tidegate_trust::management::NewProgramToken;
use tidegate_trust::origin::Origin;
use tidegate_trust::records::{Block, Subject};
use tidegate_trust::scopes::Level;
use tidegate_trust::token::Token;
use tidegate_trust::transaction::{PreparedTransaction, Transaction};
use tidegate_trust::{Change, TrustRecords};

const APPROVE: Verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };

fn tui() -> Origin {
    support::local_named("tui")
}

fn script() -> Origin {
    local(program("/usr/bin/node", Some("/opt/tool.mjs"), None))
}

fn asks(scopes: &[Scope]) -> Client {
    Client::new(&key(3)).asks(scopes)
}

/// A device that reads and asks for more; the person has approved, and that is being saved.
fn an_upgrade_under_way() -> (World, PreparedTransaction<()>) {
    let devices = vec![record(&key(3), &scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, ..records() });
    let request = world.request(&tui(), &asks(&[Scope::Read, Scope::Admin]));
    let decided = decide(&mut world, &request);
    (world, decided)
}

fn decide(world: &mut World, request: &str) -> PreparedTransaction<()> {
    let entropy = world.entropy();
    let person = support::person();
    world.authority.decide(&person, request, None, &APPROVE, &entropy, world.now).expect("it waits")
}

fn resolved(effects: &[Effect]) -> Vec<bool> {
    let resolution = |effect: &Effect| match effect {
        Effect::Resolved { approved, .. } => Some(*approved),
        _ => None,
    };
    effects.iter().filter_map(resolution).collect()
}

/// The decision did not count, and the store hears what stands instead.
fn assert_overtaken(completed: &Transaction<Option<()>>, right: &[Change]) {
    assert!(completed.value.is_none());
    assert_eq!(completed.durable, right);
    assert!(resolved(&completed.effects).is_empty(), "that was told when it was taken away");
    assert_eq!(support::audits(&completed.effects)[0].kind.name(), "pairing.overtaken");
}

#[test]
fn a_device_that_is_removed_stays_removed() {
    let (mut world, decided) = an_upgrade_under_way();
    let client = asks(&[Scope::Read]);
    let connected = world.admitted(&tui(), &client).session;

    let removed = world.authority.remove_device(&command_line(), id(&key(3)), world.now).expect("known");
    assert_eq!(world.authority.to_commit(&decided), [], "nothing of it is saved after the removal");
    let completed = world.authority.apply(decided, world.now);

    assert_eq!(resolved(&removed.effects), [false], "its request ends");
    assert_eq!(closed(&removed.effects), [connected.connection().clone()]);
    assert_overtaken(&completed, &[Change::RemoveDevice(id(&key(3)))]);
    assert_eq!(world.asks_a_person(&tui(), &client).reason, PairingReason::NotPaired);
}

#[test]
fn a_device_that_is_blocked_has_nothing_when_the_block_ends() {
    let (mut world, decided) = an_upgrade_under_way();

    let _ = world.authority.block_device(id(&key(3)), world.now).expect("not built in");
    let completed = world.authority.apply(decided, world.now);

    assert_overtaken(&completed, &[Change::RemoveDevice(id(&key(3)))]);
    let client = asks(&[Scope::Read]);
    assert_eq!(world.unauthorized(&tui(), &client), AuthReason::Blocked);
    let block = world.authority.blocks()[0].subject.clone();
    let _ = world.authority.unblock(&block, world.now).expect("blocked");
    assert_eq!(world.asks_a_person(&tui(), &client).reason, PairingReason::NotPaired);
}

#[test]
fn a_new_device_that_is_blocked_has_nothing_either() {
    let mut world = World::new(records());
    let request = world.request(&tui(), &asks(&[Scope::Admin]));
    let decided = decide(&mut world, &request);

    let _ = world.authority.block_device(id(&key(3)), world.now).expect("not built in");
    let completed = world.authority.apply(decided, world.now);

    assert_overtaken(&completed, &[Change::RemoveDevice(id(&key(3)))]);
    assert_eq!(world.authority.devices().count(), 0);
}

/// What a store holds after these changes of devices, saved in their order.
fn stored(changes: Vec<Change>) -> TrustRecords {
    let mut stored = records();
    for change in changes {
        let removed = match &change {
            Change::PutDevice(record) => record.id,
            Change::RemoveDevice(device) => *device,
            other => {
                stored.apply_unsaved(other);
                continue;
            }
        };
        stored.devices.retain(|known| known.id != removed);
        if let Change::PutDevice(record) = change {
            stored.devices.push(*record);
        }
    }
    stored
}

#[test]
fn a_device_changed_while_blocked_is_gone_after_unblocking() {
    for rotate in [false, true] {
        let known = record(&key(3), &scopes([Scope::Read]));
        let mut changes = vec![Change::from(&known)];
        let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
        let client = asks(&[Scope::Read]);
        let session = world.admitted(&tui(), &client).session;
        let request = world.request(&tui(), &asks(&[Scope::Read, Scope::Admin]));
        let (entropy, now, device) = (world.entropy(), world.now, id(&key(3)));
        let block = Verdict::Block;
        let decided = world.authority.decide(&support::person(), &request, None, &block, &entropy, now);
        let mut blocked = decided.expect("it waits");
        changes.append(&mut blocked.durable);

        changes.extend(if rotate {
            world
                .authority
                .rotate_token(&session, device, "operator", &entropy, now)
                .expect("its own")
                .durable
        } else {
            world.authority.rename_device(&session, device, "Anna's phone", now).expect("its own").durable
        });
        changes.extend(world.authority.apply(blocked, now).durable);

        world.authority.start_over(stored(changes));
        assert_eq!(world.unauthorized(&tui(), &client), AuthReason::Blocked, "rotate: {rotate}");
        let block = world.authority.blocks()[0].subject.clone();
        let _ = world.authority.unblock(&block, now).expect("blocked");
        assert_eq!(world.asks_a_person(&tui(), &client).reason, PairingReason::NotPaired, "rotate: {rotate}");
    }
}

/// A process that ends at that moment leaves both in the store.
#[test]
fn a_device_stored_beside_its_block_is_gone_after_unblocking() {
    let device = id(&key(3));
    let block = Block { subject: Subject::Device(device), name: String::new(), at: UnixMillis(1) };
    let devices = vec![record(&key(3), &scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, blocks: vec![block.clone()], ..records() });

    let unblocked = world.authority.unblock(&block.subject, world.now).expect("blocked");

    assert_eq!(unblocked.durable, [Change::RemoveDevice(device), Change::RemoveBlock(block.subject)]);
    assert_eq!(world.asks_a_person(&tui(), &asks(&[Scope::Read])).reason, PairingReason::NotPaired);
}

#[test]
fn a_program_that_is_removed_stays_removed() {
    let mut world = World::new(records());
    let reader = Client::without_device().asks(&[Scope::Read]);
    world.pair(&script(), &reader);
    let grant = world.authority.programs().next().expect("granted").0.id.clone();
    let writer = Client::without_device().asks(&[Scope::Write]);
    let request = world.request(&script(), &writer);
    let decided = decide(&mut world, &request);

    let _ = world.authority.remove_program(&grant, world.now).expect("known");
    let completed = world.authority.apply(decided, world.now);

    assert_overtaken(&completed, &[Change::RemoveProgram(grant)]);
    assert_eq!(world.asks_a_person(&script(), &reader).reason, PairingReason::NotPaired);
}

#[test]
fn a_program_grant_hangs_on_the_token_that_it_was_decided_with() {
    let mut world = World::new(records());
    let reader = Client::without_device().asks(&[Scope::Read]);
    let request = world.request(&script(), &reader);
    let decided = decide(&mut world, &request);

    let entropy = world.entropy();
    let _ = world.authority.rotate_shared_token(&entropy, world.now);
    let completed = world.authority.apply(decided, world.now);

    assert!(completed.value.is_none());
    assert!(matches!(completed.durable.as_slice(), [Change::RemoveProgram(_)]), "{:?}", completed.durable);
    assert_eq!(world.authority.programs().count(), 0);
}

#[test]
fn a_request_waits_on_when_a_new_shared_token_overtakes_it() {
    let mut world = World::new(records());
    let reader = Client::without_device().asks(&[Scope::Read]);
    let request = world.request(&script(), &reader);
    let decided = decide(&mut world, &request);
    let entropy = world.entropy();
    let rotated = world.authority.rotate_shared_token(&entropy, world.now);

    let _ = world.authority.apply(decided, world.now);

    world.approve(&request, Choice::All, GrantLifetime::Always);
    let reader = reader.token(rotated.value.reveal());
    assert_eq!(world.admitted(&script(), &reader).session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn a_token_that_was_revoked_or_rotated_does_not_come_back() {
    for rotate in [false, true] {
        let mut known = record(&key(3), &scopes([Scope::Read]));
        known.token = Some(tidegate_trust::records::DeviceToken {
            hash: Some(Token::from_text("the old one").hash()),
            created_at: known.created_at,
            rotated_at: None,
            revoked_at: None,
        });
        let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
        let request = world.request(&tui(), &asks(&[Scope::Read, Scope::Write]));
        let decided = decide(&mut world, &request);

        let (cli, device, now) = (command_line(), id(&key(3)), world.now);
        let entropy = world.entropy();
        if rotate {
            let _ = world.authority.rotate_token(&cli, device, "operator", &entropy, now).expect("known");
        } else {
            let _ = world.authority.revoke_token(&cli, device, "operator", now).expect("known");
        }
        let _ = world.authority.rename_device(&cli, device, "Anna's phone", now).expect("known");
        let late = world.authority.to_commit(&decided);
        let completed = world.authority.apply(decided, now);

        assert!(completed.value.is_some(), "what was decided counts");
        assert!(late.contains(&completed.durable[0]), "saved late, it has what was changed since: {late:?}");
        let [Change::PutDevice(stored)] = completed.durable.as_slice() else {
            panic!("the store has the token from before: {:?}", completed.durable)
        };
        assert_eq!(stored.grant.granted, scopes([Scope::Read, Scope::Write]));
        assert_eq!(stored.label.as_deref(), Some("Anna's phone"));
        let old = asks(&[Scope::Read]).device_token("the old one");
        assert_eq!(world.unauthorized(&tui(), &old), AuthReason::DeviceTokenMismatch, "rotate: {rotate}");
    }
}

#[test]
fn a_program_token_revoked_while_saved_stays_revoked() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let made =
        world.authority.new_program_token("ci", Level::Read, false, &entropy, world.now).expect("made");

    let token = world.authority.tokens()[0].id.clone();
    let _ = world.authority.revoke_program_token("ci", world.now).expect("known");
    assert_eq!(world.authority.to_commit(&made), []);
    let completed = world.authority.apply(made, world.now);

    assert!(completed.value.is_none(), "nobody gets its text");
    assert_eq!(completed.durable, [Change::RemoveToken(token)], "it may be saved after its revocation");
    assert!(completed.effects.is_empty());
}

#[test]
fn a_device_token_revoked_or_rotated_while_saved_is_withheld() {
    for rotate in [false, true] {
        let devices = vec![record(&key(3), &scopes([Scope::Read]))];
        let mut world = World::new(TrustRecords { devices, ..records() });
        let made = world.admitted(&tui(), &asks(&[Scope::Read])).device_token.expect("it had none");

        let (cli, device, entropy, now) = (command_line(), id(&key(3)), world.entropy(), world.now);
        if rotate {
            let _ = world.authority.rotate_token(&cli, device, "operator", &entropy, now).expect("known");
        } else {
            let _ = world.authority.revoke_token(&cli, device, "operator", now).expect("it has one");
        }
        let completed = world.authority.apply(made, now);

        assert!(completed.value.is_none() && completed.durable.is_empty(), "rotate: {rotate}");
    }
}

#[test]
fn a_request_waits_on_when_its_token_is_revoked_while_saved() {
    let mut world = World::new(records());
    let request = world.request(&script(), &Client::without_device().asks(&[Scope::Read]));
    let entropy = world.entropy();
    let digest = world.authority.waiting()[0].details.digest();
    let (person, new) =
        (support::person(), NewProgramToken { name: "tool", level: Level::Read, pairing: false });
    let given = world.authority.give_program_token(&person, &request, &digest, &new, &entropy, world.now);
    let given = given.expect("it waits");

    let _ = world.authority.revoke_program_token("tool", world.now).expect("known");
    let completed = world.authority.apply(given, world.now);

    assert!(completed.value.is_none() && resolved(&completed.effects).is_empty());
    world.approve(&request, Choice::All, GrantLifetime::Always);
}

#[test]
fn a_request_is_not_replaced_while_it_is_decided() {
    let mut world = World::new(records());
    let request = world.request(&tui(), &asks(&[Scope::Read]));
    let decided = decide(&mut world, &request);

    let more = world.asks_a_person(&tui(), &asks(&[Scope::Read, Scope::Admin]));
    assert_eq!((more.request_id, more.expect_decision), (None, true), "it is asked to come again");
    let completed = world.authority.apply(decided, world.now);

    assert!(completed.value.is_some() && completed.durable.is_empty());
    assert_eq!(resolved(&completed.effects), [true]);
    assert_eq!(world.admitted(&tui(), &asks(&[Scope::Read])).session.scopes(), &scopes([Scope::Read]));
    let again = world.asks_a_person(&tui(), &asks(&[Scope::Read, Scope::Admin]));
    assert_eq!(again.reason, PairingReason::ScopeUpgrade);
    assert_ne!(again.request_id.expect("a request waits"), request);
}
