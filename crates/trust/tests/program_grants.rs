//! Programs without a device: a grant hangs on the shared token's generation
//! and on the program as the kernel shows it, or on a token of the program's own.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{Client, SHARED, World, closed, local, person, program, records, remote, scopes};
use tidegate_protocol::refusal::AuthReason;
use tidegate_protocol::{ClientId, ClientMode, Scope};
use tidegate_trust::admission::LookUp;
use tidegate_trust::decision::{Choice, Decider, DecisionError, Desktop, GrantLifetime, Verdict};
use tidegate_trust::management::ManagementError;
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::program::Ephemeral;
use tidegate_trust::scopes::Level;
use tidegate_trust::token::Token;
use tidegate_trust::{Change, Principal, ScopeSet, TrustRecords};

fn cli() -> Origin {
    local(program("/usr/bin/node", Some("/opt/openclaw.mjs"), None))
}

fn cli_with_inline_code() -> Origin {
    local(program("/usr/bin/node", Some("/opt/openclaw.mjs"), Some(Ephemeral::Preload)))
}

fn reader() -> Client {
    Client::without_device().asks(&[Scope::Read])
}

#[test]
fn an_approved_program_is_let_in_without_a_second_question() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    let durable = world.approve(&request, Choice::All, GrantLifetime::Always);
    assert!(matches!(&durable[..], [Change::PutProgram(_)]));
    let admitted = world.admitted(&cli(), &reader());
    assert!(matches!(admitted.session.principal(), Principal::Program(_)));
    assert!(admitted.device_token.is_none(), "there is no device");
}

#[test]
fn another_script_executable_or_user_asks_again() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    let other_script = local(program("/usr/bin/node", Some("/tmp/evil.mjs"), None));
    let no_script = local(program("/usr/bin/node", None, None));
    let other_executable = local(program("/opt/node", Some("/opt/openclaw.mjs"), None));
    let mut other_user = program("/usr/bin/node", Some("/opt/openclaw.mjs"), None);
    other_user.identity.uid = 1001;
    for origin in [other_script, no_script, other_executable, local(other_user)] {
        world.asks_a_person(&origin, &reader());
    }
}

#[test]
fn a_new_shared_token_ends_every_program_grant_and_connection() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    let session = world.admitted(&cli(), &reader()).session;
    let entropy = world.entropy();
    let changed = world.authority.rotate_shared_token(&entropy, world.now);
    assert!(matches!(&changed.durable[..], [Change::PutSharedToken(_), Change::RemoveProgram(_)]));
    assert_eq!(closed(&changed.effects), [session.connection().clone()]);
    assert!(!world.authority.is_live(session.connection()));
    assert_eq!(world.unauthorized(&cli(), &reader().token(SHARED)), AuthReason::TokenMismatch);
    world.asks_a_person(&cli(), &reader().token(changed.value.reveal()));
}

#[test]
fn a_token_from_outside_is_another_generation() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    world.authority.override_shared_token(Token::from_text("outside").hash());
    world.asks_a_person(&cli(), &reader().token("outside"));
}

#[test]
fn what_may_be_anything_the_next_time_is_let_in_only_once() {
    for ephemeral in [
        Ephemeral::NoScript,
        Ephemeral::InlineCode,
        Ephemeral::Preload,
        Ephemeral::WritableByAgent,
        Ephemeral::Replaced,
    ] {
        let origin = local(program("/usr/bin/node", None, Some(ephemeral)));
        let mut world = World::new(records());
        let request = world.request(&origin, &reader());
        assert_eq!(world.authority.waiting()[0].details.ephemeral, Some(ephemeral.sentence()));
        for duration in [GrantLifetime::Always, GrantLifetime::UntilQuit] {
            let verdict = Verdict::Approve { choice: Choice::All, duration };
            let error = world.decide(&person(), &request, &verdict).err();
            assert_eq!(error, Some(DecisionError::OnlyOnce(ephemeral.sentence())));
            assert!(error.unwrap().to_string().contains("--once"));
        }
        assert!(world.approve(&request, Choice::All, GrantLifetime::Once).is_empty());
        world.admitted(&origin, &reader());
        world.asks_a_person(&origin, &reader());
    }
}

#[test]
fn code_before_a_granted_script_does_not_use_the_scripts_grant() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &Client::without_device().asks(&[Scope::Read, Scope::Write]));
    world.approve(&request, Choice::All, GrantLifetime::Always);
    let request = world.request(&cli_with_inline_code(), &reader());
    assert!(world.authority.waiting()[0].details.has.is_empty());
    world.approve(&request, Choice::All, GrantLifetime::Once);
    // What was shown was reading; the script's right to write was not.
    world.asks_a_person(&cli_with_inline_code(), &Client::without_device().asks(&[Scope::Write]));
    // And letting it in once takes nothing from the script.
    let writer = Client::without_device().asks(&[Scope::Write]);
    assert!(world.admitted(&cli(), &writer).session.scopes().covers(&Scope::Write));
    world.admitted(&cli_with_inline_code(), &reader());
}

#[test]
fn a_request_of_a_script_is_not_the_request_of_code_before_it() {
    let mut world = World::new(records());
    let plain = world.request(&cli(), &reader());
    let ephemeral = world.request(&cli_with_inline_code(), &reader());
    assert_ne!(plain, ephemeral, "what a person sees differs");
}

#[test]
fn admin_needs_a_token_of_the_programs_own() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &Client::without_device().asks(&[Scope::Admin, Scope::Read]));
    for choice in [Choice::All, Choice::Level { level: Level::Full, pairing: false }] {
        let verdict = Verdict::Approve { choice, duration: GrantLifetime::Once };
        assert_eq!(world.decide(&person(), &request, &verdict).err(), Some(DecisionError::NeedsOwnToken));
    }
    world.approve(&request, Choice::Level { level: Level::Write, pairing: false }, GrantLifetime::Always);
    let session = world.admitted(&cli(), &Client::without_device().asks(&[Scope::Admin])).session;
    assert_eq!(session.scopes(), &ScopeSet::from(Level::Write), "the meet of admin and the level");
}

#[test]
fn a_token_of_its_own_grants_its_level_from_everywhere() {
    for level in [Level::Read, Level::Write, Level::Full] {
        let mut world = World::new(records());
        let entropy = world.entropy();
        let made = world.authority.new_program_token("ci", level, false, &entropy, world.now).expect("made");
        assert!(matches!(&made.durable[..], [Change::PutToken(_)]));
        let (token, record) = world.commit(made);
        let all = [Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Pairing];
        let client = Client::without_device().asks(&all).token(token.reveal());
        for origin in [cli(), remote(1), Origin::Loopback(Peer::NotATool)] {
            let session = world.admitted(&origin, &client).session;
            assert_eq!(session.principal(), &Principal::ProgramToken(record.id.clone()));
            assert!(ScopeSet::from(level).covers_all(session.scopes()));
            assert!(session.scopes().covers_all(&ScopeSet::from(level)));
            assert!(!session.scopes().names(&Scope::Pairing), "its own line");
            assert!(Decider::of(&session, Desktop::Absent).is_err());
        }
    }
}

#[test]
fn a_revoked_program_token_serves_nobody_any_more() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let made = world.authority.new_program_token("ci", Level::Full, true, &entropy, world.now).expect("made");
    let made = world.commit(made);
    let client = Client::without_device().asks(&[Scope::Read]).token(made.0.reveal());
    let session = world.admitted(&remote(1), &client).session;
    let changed = world.authority.revoke_program_token("ci", world.now).expect("known");
    assert_eq!(changed.durable, [Change::RemoveToken(made.1.id)]);
    assert_eq!(closed(&changed.effects), [session.connection().clone()]);
    assert!(!world.authority.is_live(session.connection()));
    assert_eq!(world.unauthorized(&remote(1), &client), AuthReason::TokenMismatch);
    assert!(world.authority.revoke_program_token("ci", world.now).is_err());
}

#[test]
fn names_of_program_tokens_are_unique_visible_and_bounded() {
    let mut world = World::new(records());
    for (name, valid) in [
        ("ci", true),
        (" ci ", false),
        ("", false),
        ("  ", false),
        ("a\u{202e}b", false),
        ("a\nb", false),
        (&"x".repeat(65), false),
        (&"x".repeat(64), true),
    ] {
        let entropy = world.entropy();
        let made = world.authority.new_program_token(name, Level::Read, false, &entropy, world.now);
        assert_eq!(made.is_ok(), valid, "{name:?}");
    }
}

#[test]
fn a_name_of_another_token_is_refused_with_its_own_sentence() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let _ = world.authority.new_program_token("ci", Level::Read, false, &entropy, world.now).expect("made");
    let again = world.authority.new_program_token(" ci ", Level::Read, false, &entropy, world.now);
    let error = again.expect_err("taken");
    assert_eq!(error, ManagementError::NameTaken);
    assert!(error.to_string().contains("already"), "{error}");
}

#[test]
fn a_removed_program_grant_closes_its_connections_also_those_let_in_once() {
    for duration in [GrantLifetime::Always, GrantLifetime::UntilQuit, GrantLifetime::Once] {
        let mut world = World::new(records());
        let request = world.request(&cli(), &reader());
        world.approve(&request, Choice::All, duration);
        let session = world.admitted(&cli(), &reader()).session;
        let Principal::Program(grant) = session.principal().clone() else { panic!("{session:?}") };
        let changed = world.authority.remove_program(&grant, world.now).expect("known");
        assert_eq!(closed(&changed.effects), [session.connection().clone()], "{duration:?}");
        assert!(!world.authority.is_live(session.connection()));
        world.asks_a_person(&cli(), &reader());
        assert!(world.authority.remove_program(&grant, world.now).is_err());
    }
}

#[test]
fn a_program_that_was_let_in_is_blocked_by_the_id_of_its_grant() {
    for duration in [GrantLifetime::Always, GrantLifetime::UntilQuit] {
        let mut world = World::new(records());
        let request = world.request(&cli(), &reader());
        world.approve(&request, Choice::All, duration);
        let session = world.admitted(&cli(), &reader()).session;
        let Principal::Program(grant) = session.principal().clone() else { panic!("{session:?}") };
        let waits = world.request(&cli(), &Client::without_device().asks(&[Scope::Write]));

        let changed = world.authority.block_program(&grant, world.now).expect("known");

        assert!(matches!(&changed.durable[..], [Change::PutBlock(_), Change::RemoveProgram(_)]));
        assert_eq!(closed(&changed.effects), [session.connection().clone()], "{duration:?}");
        assert!(world.authority.waiting().is_empty(), "{waits} ended");
        assert_eq!(world.authority.programs().count(), 0);
        assert_eq!(world.unauthorized(&cli(), &reader()), AuthReason::Blocked);
        assert!(world.authority.block_program(&grant, world.now).is_err(), "it has no grant any more");
        let block = world.authority.blocks()[0].subject.clone();
        let _ = world.authority.unblock(&block, world.now).expect("blocked");
        world.asks_a_person(&cli(), &reader());
    }
}

#[test]
fn a_blocked_program_is_refused_without_a_question_and_its_connections_end() {
    for duration in [GrantLifetime::Always, GrantLifetime::Once] {
        let mut world = World::new(records());
        let request = world.request(&cli(), &reader());
        world.approve(&request, Choice::All, duration);
        let session = world.admitted(&cli(), &reader()).session;
        let request = world.request(&cli(), &Client::without_device().asks(&[Scope::Write]));
        let (durable, effects) = world.decide(&person(), &request, &Verdict::Block).expect("decided");
        assert!(matches!(&durable[0], Change::PutBlock(_)));
        assert_eq!(durable.len(), if duration == GrantLifetime::Always { 2 } else { 1 }, "{durable:?}");
        assert_eq!(closed(&effects), [session.connection().clone()]);
        assert_eq!(world.unauthorized(&cli(), &reader()), AuthReason::Blocked);
        assert!(world.authority.waiting().is_empty());
    }
}

#[test]
fn a_program_does_not_decide_about_itself_even_when_it_was_let_in_only_once() {
    for duration in [GrantLifetime::Always, GrantLifetime::Once] {
        let mut world = World::new(records());
        let asks = Client::without_device().asks(&[Scope::Read, Scope::Pairing]);
        let request = world.request(&cli(), &asks);
        world.approve(&request, Choice::All, duration);
        let session = world.admitted(&cli(), &asks).session;
        let decider = Decider::of(&session, Desktop::Running).expect("it was given pairing");
        let more = Client::without_device().asks(&[Scope::Read, Scope::Pairing, Scope::Questions]);
        let request = world.request(&cli(), &more);
        let verdict = Verdict::Approve {
            choice: Choice::Scopes(scopes([Scope::Read])),
            duration: GrantLifetime::Always,
        };
        assert_eq!(
            world.decide(&decider, &request, &verdict).err(),
            Some(DecisionError::Own),
            "{duration:?}"
        );
    }
}

#[test]
fn a_program_with_a_token_of_its_own_does_not_decide_about_its_request_with_the_shared_one() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let made = world.authority.new_program_token("helper", Level::Read, true, &entropy, world.now);
    let (token, _) = world.commit(made.expect("a new name"));
    let with_token = Client::without_device().token(token.reveal()).asks(&[Scope::Read, Scope::Pairing]);
    let nobody_looked = Origin::Loopback(Peer::NotATool);
    assert_eq!(world.look_up(&nobody_looked, &with_token), LookUp::Program, "which program it is counts");
    let only_reads = Client::without_device().token(token.reveal()).asks(&[Scope::Read]);
    world.admitted(&nobody_looked, &only_reads);
    let session = world.admitted(&cli(), &with_token).session;
    let decider = Decider::of(&session, Desktop::Running).expect("it was given pairing");
    let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };

    let own = world.request(&cli(), &reader());
    assert_eq!(world.decide(&decider, &own, &verdict).err(), Some(DecisionError::Own));
    let others = world.request(&support::local_named("another"), &reader());
    assert!(world.decide(&decider, &others, &verdict).is_ok());
}

#[test]
fn what_a_program_says_of_itself_changes_nothing() {
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    world.approve(&request, Choice::Scopes(ScopeSet::none()), GrantLifetime::Always);
    let mut backend = reader();
    backend.info = support::info(ClientId::GatewayClient, ClientMode::Backend);
    assert!(world.admitted(&cli(), &backend).session.scopes().is_empty());
}

#[test]
fn connections_of_a_revoked_program_token_are_closed() {
    let devices = vec![support::record(&support::key(3), &scopes([Scope::Read]))];
    let mut world = World::new(TrustRecords { devices, ..records() });
    let entropy = world.entropy();
    let made = world.authority.new_program_token("ci", Level::Read, false, &entropy, world.now);
    let (token, _) = world.commit(made.expect("a new name"));
    let token = token.reveal();
    let visitor = world.admitted(&cli(), &Client::without_device().token(token)).session;
    let device = Client::new(&support::key(3)).token(token).asks(&[Scope::Read]);
    let device = world.admitted(&support::remote(1), &device).session;
    let program = world.admitted(&cli(), &reader().token(token)).session;
    let shared = Client::new(&support::key(3)).asks(&[Scope::Read]);
    let shared = world.admitted(&support::remote(2), &shared).session;

    let changed = world.authority.revoke_program_token("ci", world.now).expect("known");

    let mut closed = closed(&changed.effects);
    closed.sort();
    let mut expected: Vec<_> =
        [visitor, device, program].iter().map(|session| session.connection().clone()).collect();
    expected.sort();
    assert_eq!(closed, expected);
    assert!(world.authority.is_live(shared.connection()), "the device itself was not revoked");
}

#[test]
fn when_a_token_was_last_used_is_saved_at_leisure_once_for_many_uses() {
    let mut world = World::new(records());
    let entropy = world.entropy();
    let made =
        world.authority.new_program_token("ci", Level::Read, false, &entropy, world.now).expect("made");
    let client = reader().token(world.commit(made).0.reveal());
    assert!(world.authority.take_touched().is_empty(), "making it is no use of it");
    for _ in 0..3 {
        world.pass(std::time::Duration::from_secs(1));
        assert!(world.admitted(&remote(1), &client).device_token.is_none(), "nothing waits for it");
    }

    let touched = world.authority.take_touched();

    let [Change::PutToken(stored)] = &touched[..] else { panic!("{touched:?}") };
    assert_eq!(stored.last_used_at, Some(world.now.wall));
    assert!(world.authority.take_touched().is_empty());
    world.admitted(&remote(1), &client);
    let _ = world.authority.revoke_program_token("ci", world.now).expect("known");
    assert!(world.authority.take_touched().is_empty(), "a revoked one does not come back by it");
}

#[test]
fn when_a_program_was_last_seen_is_saved_only_for_a_lasting_grant_and_never_beside_a_decision() {
    for (duration, saved) in
        [(GrantLifetime::Always, 1), (GrantLifetime::UntilQuit, 0), (GrantLifetime::Once, 0)]
    {
        let mut world = World::new(records());
        let request = world.request(&cli(), &reader());
        world.approve(&request, Choice::All, duration);
        world.admitted(&cli(), &reader());
        assert_eq!(world.authority.take_touched().len(), saved, "{duration:?}");
    }
    let mut world = World::new(records());
    let request = world.request(&cli(), &reader());
    world.approve(&request, Choice::All, GrantLifetime::Always);
    world.admitted(&cli(), &reader());
    let more = world.request(&cli(), &Client::without_device().asks(&[Scope::Write]));
    let entropy = world.entropy();
    let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
    let decided =
        world.authority.decide(&person(), &more, None, &verdict, &entropy, world.now).expect("decided");
    assert!(world.authority.take_touched().is_empty(), "the new grant may be saved already");
    let _ = world.authority.apply(decided, world.now);
    let touched = world.authority.take_touched();
    let [Change::PutProgram(stored)] = &touched[..] else { panic!("{touched:?}") };
    assert!(stored.grant.granted.covers(&Scope::Write));
}
