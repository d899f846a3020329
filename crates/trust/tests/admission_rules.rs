//! Who is let in, asked about, or refused.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use support::{
    Client, SHARED, World, audits, id, key, local_named, program, record, records, remote, scopes,
};
use tidegate_protocol::refusal::{AuthReason, DeviceProofError, PairingReason, Refusal};
use tidegate_protocol::{ClientId, ClientMode, Dialect, Method, Scope, UnixMillis};
use tidegate_trust::admission::{Admission, LookUp};
use tidegate_trust::audit::Severity;
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::Desktop;
use tidegate_trust::origin::{CommandsAlive, Origin, Peer};
use tidegate_trust::principal::Denied;
use tidegate_trust::records::{Block, DeviceToken, Grant, Subject};
use tidegate_trust::token::Token;
use tidegate_trust::{Change, Principal, ScopeSet, TrustRecords};

fn with_device(granted: &ScopeSet) -> World {
    World::new(TrustRecords { devices: vec![record(&key(3), granted)], ..records() })
}

fn reader() -> Client {
    Client::new(&key(3)).asks(&[Scope::Read])
}

#[test]
fn a_known_key_gets_the_meet_of_what_it_asks_and_was_granted() {
    for (granted, asked, gets) in [
        (scopes([Scope::Admin]), vec![Scope::Read], scopes([Scope::Read])),
        (scopes([Scope::Write]), vec![Scope::Read], scopes([Scope::Read])),
        (scopes([Scope::Read, Scope::Write]), vec![], ScopeSet::none()),
        (scopes([Scope::Admin]), vec![Scope::Admin, Scope::Read], scopes([Scope::Admin, Scope::Read])),
    ] {
        let mut world = with_device(&granted);
        let admitted = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&asked));
        assert_eq!(admitted.session.scopes(), &gets, "granted {granted:?}, asked {asked:?}");
        assert_eq!(admitted.session.principal(), &Principal::Device(id(&key(3))));
    }
}

#[test]
fn a_legacy_record_without_scopes_grants_nothing_and_asks() {
    // Empty means none, never "not configured" (CVE-2026-41388; OpenClaw issue 23690).
    let mut world = with_device(&ScopeSet::none());
    let required = world.asks_a_person(&local_named("tui"), &reader());
    assert_eq!(required.reason, PairingReason::ScopeUpgrade);
    assert_eq!(required.approved, Some(Vec::new()));
    let admitted = world.admitted(&local_named("tui"), &Client::new(&key(3)));
    assert!(admitted.session.scopes().is_empty());
    assert!(admitted.device_token.is_none(), "nothing granted, nothing to come back with");
}

#[test]
fn stored_wildcards_and_unknown_scopes_are_only_themselves() {
    let stored: Vec<Scope> = ["operator.*", "*", "operator.future"]
        .iter()
        .map(|name| Scope::parse(name).expect("a scope"))
        .collect();
    let mut world = with_device(&stored.into_iter().collect());
    world.asks_a_person(&local_named("tui"), &reader());
}

#[test]
fn a_scope_that_was_decided_and_not_granted_is_not_asked_again() {
    let mut known = record(&key(3), &scopes([Scope::Read]));
    known.grant = Grant { decided: scopes([Scope::Admin]), granted: scopes([Scope::Read]) };
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Read, Scope::Approvals]);
    assert_eq!(world.admitted(&local_named("tui"), &client).session.scopes(), &scopes([Scope::Read]));
}

#[test]
fn client_id_mode_name_version_and_system_version_are_refreshed_and_audited() {
    let mut known = record(&key(3), &scopes([Scope::Read]));
    known.claims.platform = "Linux 6.1".to_owned();
    known.token = Some(DeviceToken {
        hash: Some(Token::from_text("mine").hash()),
        created_at: UnixMillis(1),
        rotated_at: None,
        revoked_at: None,
    });
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let mut client = reader().named("new name").platform("linux 6.12.0");
    client.info.id = ClientId::OpenclawTui;
    client.info.mode = ClientMode::Ui;
    client.info.version = "2027.1".to_owned();
    let admitted = world.admitted(&local_named("tui"), &client);
    let kinds: Vec<_> = audits(&admitted.effects).iter().map(|event| event.kind.to_string()).collect();
    assert_eq!(kinds, ["device.refreshed"]);
    let (record, _) = world.authority.devices().next().expect("known");
    assert_eq!(record.claims.display_name.as_deref(), Some("new name"));
    assert_eq!(record.claims.platform, "linux 6.12.0");
    assert_eq!(world.authority.take_touched().len(), 1, "saved at leisure");
}

#[test]
fn another_platform_or_device_family_asks() {
    let mut known = record(&key(3), &scopes([Scope::Read]));
    known.claims.device_family = Some("iPhone".to_owned());
    for (platform, family, asks) in [
        ("linux", Some("iphone "), false),
        ("darwin", Some("iPhone"), true),
        ("linux", Some("iPad"), true),
        ("linux", None, true),
    ] {
        let mut world = World::new(TrustRecords { devices: vec![known.clone()], ..records() });
        let mut client = reader().platform(platform);
        client.info.device_family = family.map(str::to_owned);
        match world.connect(&local_named("tui"), &client) {
            Admission::Admitted(_) => assert!(!asks, "{platform} {family:?}"),
            Admission::Refused { refusal: Refusal::PairingRequired(required), .. } => {
                assert!(asks, "{platform} {family:?}");
                assert_eq!(required.reason, PairingReason::MetadataUpgrade);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_approved_platform_is_let_in_afterwards_however_odd_it_is() {
    for platform in ["darwin", &"x".repeat(128), "a\tb\u{202e}c", " Linux\u{200b}"] {
        let mut world = with_device(&scopes([Scope::Read]));
        let mut client = reader().platform(platform);
        client.info.device_family = Some(format!("{}\u{7}", "y".repeat(100)));
        if let Admission::Refused { refusal: Refusal::PairingRequired(required), .. } =
            world.connect(&local_named("tui"), &client)
        {
            let request = required.request_id.expect("waits");
            let choice = tidegate_trust::decision::Choice::All;
            world.approve(&request, choice, tidegate_trust::decision::GrantLifetime::Always);
        }
        world.admitted(&local_named("tui"), &client);
        world.admitted(&local_named("tui"), &client);
    }
}

#[test]
fn a_platform_let_in_once_is_not_pinned() {
    use tidegate_trust::decision::{Choice, GrantLifetime};
    let mut world = with_device(&scopes([Scope::Read]));
    let other = reader().platform("darwin");
    let request = world.request(&local_named("tui"), &other);
    world.approve(&request, Choice::All, GrantLifetime::Once);
    world.admitted(&local_named("tui"), &other);
    world.admitted(&local_named("tui"), &reader());
    assert_eq!(world.asks_a_person(&local_named("tui"), &other).reason, PairingReason::MetadataUpgrade);
}

#[test]
fn a_new_key_under_a_name_that_a_person_gave_to_another_asks_with_a_caution() {
    for (name, caution) in [("My Phone", true), ("my  phone ", true), ("ＭＹ Phone", true), ("Other", false)]
    {
        let mut known = record(&key(4), &scopes([Scope::Read]));
        known.label = Some("My phone".to_owned());
        let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
        world.request(&local_named("tui"), &reader().named(name));
        assert_eq!(world.authority.waiting()[0].details.known_name, caution, "{name}");
    }
}

#[test]
fn a_wrong_proof_is_named_and_leaves_no_request() {
    let check = |change: &dyn Fn(&mut tidegate_protocol::device::DeviceClaim), expected: DeviceProofError| {
        use tidegate_protocol::device::Nonce;
        let mut world = World::new(records());
        let nonce = Nonce::from_entropy([9; 16]);
        let mut params = reader().params(&nonce, world.now.wall);
        change(params.device.as_mut().expect("a device"));
        let connection = tidegate_protocol::ConnectionId::parse("c").expect("valid");
        let origin = remote(1);
        let attempt = tidegate_trust::Attempt::new(connection, origin, &params, &nonce, world.now.wall);
        let entropy = world.entropy();
        match world.authority.admit(&attempt, &entropy, world.now) {
            Admission::Refused { refusal, delay, .. } => {
                assert_eq!(refusal, Refusal::DeviceProof(expected));
                assert_eq!(delay, Duration::from_millis(250));
            }
            other => panic!("{other:?}"),
        }
        assert!(world.authority.waiting().is_empty());
    };
    check(&|device| device.public_key = "AAAA".to_owned(), DeviceProofError::PublicKeyInvalid);
    check(&|device| device.id = id(&key(4)).to_string(), DeviceProofError::IdMismatch);
    check(&|device| device.signed_at += 120_001, DeviceProofError::SignatureStale);
    check(&|device| device.signed_at -= 120_001, DeviceProofError::SignatureStale);
    check(&|device| device.nonce = "  ".to_owned(), DeviceProofError::NonceMissing);
    check(&|device| device.nonce = "other".to_owned(), DeviceProofError::NonceMismatch);
    check(&|device| device.signature = "A".repeat(86), DeviceProofError::SignatureInvalid);
    check(&|device| device.signed_at += 1, DeviceProofError::SignatureInvalid);
}

#[test]
fn a_key_of_small_order_signs_for_nobody() {
    // The neutral point as key, and a signature that plain verification accepts for every text.
    let mut world = World::new(records());
    let client = reader();
    let nonce = tidegate_protocol::device::Nonce::from_entropy([9; 16]);
    let mut params = client.params(&nonce, world.now.wall);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = tidegate_protocol::PublicKey::from_bytes(neutral);
    let device = params.device.as_mut().expect("a device");
    device.public_key = weak.to_string();
    device.id = weak.device_id().to_string();
    let mut signature = [0; 64];
    signature[0] = 1;
    device.signature = tidegate_protocol::SignatureBytes(signature).encode();
    let connection = tidegate_protocol::ConnectionId::parse("c").expect("valid");
    let origin = remote(1);
    let attempt = tidegate_trust::Attempt::new(connection, origin, &params, &nonce, world.now.wall);
    let entropy = world.entropy();
    let admission = world.authority.admit(&attempt, &entropy, world.now);
    assert!(
        matches!(&admission, Admission::Refused { refusal: Refusal::DeviceProof(_), .. }),
        "{admission:?}"
    );
}

#[test]
fn a_token_is_compared_and_never_only_present() {
    // CVE-2026-28472: the check was skipped when a token was merely there.
    for (token, reason) in [
        (None, AuthReason::TokenMissing),
        (Some(""), AuthReason::TokenMissing),
        (Some(" "), AuthReason::TokenMissing),
        (Some("wrong"), AuthReason::TokenMismatch),
    ] {
        let mut world = with_device(&scopes([Scope::Read]));
        let mut client = reader();
        client.auth.token = token.map(str::to_owned);
        assert_eq!(world.unauthorized(&local_named("tui"), &client), reason, "{token:?}");
    }
    let mut world = with_device(&scopes([Scope::Read]));
    world.admitted(&local_named("tui"), &reader().token(&format!(" {SHARED} ")));
    let mut with_password = reader().no_token();
    with_password.auth.password = Some(SHARED.to_owned());
    assert_eq!(world.admitted(&local_named("tui"), &with_password).method, "token");
}

#[test]
fn a_token_from_outside_stands_in_for_the_stored_one() {
    let mut world = with_device(&scopes([Scope::Read]));
    world.authority.override_shared_token(Token::from_text("outside").hash());
    assert_eq!(world.unauthorized(&local_named("tui"), &reader()), AuthReason::TokenMismatch);
    world.admitted(&local_named("tui"), &reader().token("outside"));
}

#[test]
fn a_device_token_is_minted_once_and_lets_its_own_device_in() {
    let mut world = World::new(records());
    world.pair(&local_named("tui"), &reader());
    let admitted = world.admitted(&local_named("tui"), &reader());
    let made = admitted.device_token.expect("newly minted");
    assert!(matches!(&made.durable[..], [Change::PutDevice(record)] if record.token.is_some()));
    let (token, _) = world.commit(made);
    let again = world.admitted(&local_named("tui"), &reader());
    assert!(again.device_token.is_none(), "only when newly minted");

    let explicit = world.admitted(&local_named("tui"), &reader().device_token(token.reveal()));
    assert_eq!((explicit.method, explicit.uses_shared_token), ("device-token", false));
    let as_token = world.admitted(&local_named("tui"), &reader().token(token.reveal()));
    assert_eq!(as_token.method, "device-token");

    let other = Client::new(&key(4)).asks(&[Scope::Read]);
    let reason = world.unauthorized(&local_named("tui"), &other.clone().device_token(token.reveal()));
    assert_eq!(reason, AuthReason::DeviceTokenMismatch, "another's token");
    assert_eq!(
        world.unauthorized(&local_named("tui"), &other.token(token.reveal())),
        AuthReason::TokenMismatch
    );
    let without = Client::without_device().asks(&[Scope::Read]).token(token.reveal());
    assert_eq!(world.unauthorized(&local_named("tui"), &without), AuthReason::TokenMismatch);
}

#[test]
fn a_revoked_device_token_lets_nobody_in() {
    let mut known = record(&key(3), &scopes([Scope::Read]));
    known.token = Some(DeviceToken {
        hash: Some(Token::from_text("mine").hash()),
        created_at: UnixMillis(1),
        rotated_at: None,
        revoked_at: Some(UnixMillis(2)),
    });
    let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
    let explicit = reader().device_token("mine");
    assert_eq!(world.unauthorized(&local_named("tui"), &explicit), AuthReason::DeviceTokenMismatch);
    assert_eq!(world.unauthorized(&local_named("tui"), &reader().token("mine")), AuthReason::TokenMismatch);
    let with_shared = world.admitted(&local_named("tui"), &reader());
    assert!(with_shared.device_token.is_none(), "a revoked token does not come back by itself");
}

#[test]
fn a_wrong_shared_token_tells_a_device_that_it_could_use_its_own() {
    let mut world = with_device(&scopes([Scope::Read]));
    let can_retry = |refusal| match refusal {
        Refusal::Unauthorized { can_retry_with_device_token, .. } => can_retry_with_device_token,
        other => panic!("{other:?}"),
    };
    assert!(can_retry(world.refused(&remote(1), &reader().token("wrong")).0));
    let mut both = reader().token("wrong");
    both.auth.device_token = Some("wrong too".to_owned());
    assert!(!can_retry(world.refused(&remote(1), &both).0));
    assert!(!can_retry(world.refused(&remote(1), &Client::without_device().token("wrong")).0));
}

#[test]
fn who_asks_for_nothing_is_a_visitor_whom_only_health_answers() {
    let mut probe = Client::without_device().asks(&[Scope::Admin]);
    probe.info.mode = ClientMode::Probe;
    for client in [probe, Client::without_device()] {
        for origin in [local_named("tui"), remote(1), Origin::Loopback(Peer::NotATool)] {
            let mut world = World::new(records());
            let admitted = world.admitted(&origin, &client);
            assert_eq!(admitted.session.principal(), &Principal::Visitor);
            for &method in Method::ALL {
                let expected = match method {
                    Method::Health => Ok(()),
                    other => match other.access() {
                        tidegate_protocol::method::Access::Scope(scope) => Err(Denied::MissingScope(scope)),
                        _ => Err(Denied::LocalOnly),
                    },
                };
                assert_eq!(admitted.session.authorize(method, Desktop::Absent), expected, "{method:?}");
            }
            let guarded = tidegate_protocol::Event::ALL.iter().filter(|event| event.guard().is_some());
            assert!(guarded.clone().all(|&event| !admitted.session.receives(event)));
            assert!(world.authority.waiting().is_empty());
            assert!(!admitted.effects.iter().any(|effect| matches!(effect, Effect::Requested(_))));
        }
    }
}

#[test]
fn a_new_key_that_asks_for_nothing_asks_a_person_all_the_same() {
    let mut world = World::new(records());
    assert_eq!(world.asks_a_person(&remote(1), &Client::new(&key(3))).reason, PairingReason::NotPaired);
}

#[test]
fn who_has_no_device_and_is_not_local_is_refused() {
    let client = Client::without_device().asks(&[Scope::Read]);
    let other_user = Peer::Process {
        uid: 65_534,
        same_user: false,
        program: Some(program("/usr/bin/openclaw", None, None)),
    };
    let no_program = Peer::Process { uid: 1000, same_user: true, program: None };
    for origin in [remote(1), Origin::Loopback(other_user), Origin::Loopback(no_program)] {
        let mut world = World::new(records());
        let (refusal, _) = world.refused(&origin, &client);
        assert_eq!(refusal, Refusal::DeviceIdentityRequired, "{origin:?}");
        assert!(world.authority.waiting().is_empty());
    }
    let mut world = World::new(records());
    let (refusal, _) = world.refused(&local_named("tui"), &client.no_token());
    assert_eq!(refusal, Refusal::DeviceIdentityRequired);
}

#[test]
fn another_role_is_not_served() {
    for role in ["node", "admin", "Operator", ""] {
        let mut world = with_device(&scopes([Scope::Admin]));
        let mut client = Client::new(&key(3)).asks(&[Scope::Admin]);
        client.role = Some(role.to_owned());
        assert_eq!(world.refused(&local_named("tui"), &client).0, Refusal::InvalidRole, "{role}");
    }
    let mut world = with_device(&scopes([Scope::Admin]));
    let mut client = reader();
    client.role = None;
    world.admitted(&local_named("tui"), &client);
}

#[test]
fn versions_that_do_not_meet_are_refused_before_anything_else() {
    let mut world = with_device(&scopes([Scope::Read]));
    for versions in [(99, 99), (1, 2), (5, 6), (4, 3)] {
        let mut client = reader();
        client.versions = versions;
        let (refusal, _) = world.refused(&local_named("tui"), &client);
        assert!(matches!(refusal, Refusal::ProtocolMismatch { .. }), "{versions:?}");
    }
    for (versions, dialect) in [((3, 3), Dialect::V3), ((3, 4), Dialect::V4), ((4, 9), Dialect::V4)] {
        let mut client = reader();
        client.versions = versions;
        assert_eq!(world.admitted(&local_named("tui"), &client).session.dialect(), dialect);
    }
}

#[test]
fn a_blocked_key_is_refused_whatever_else_it_has() {
    let block = Block { subject: Subject::Device(id(&key(3))), name: String::new(), at: UnixMillis(1) };
    let known = record(&key(3), &scopes([Scope::Admin]));
    let mut world = World::new(TrustRecords { devices: vec![known], blocks: vec![block], ..records() });
    match world.connect(&local_named("tui"), &reader()) {
        Admission::Refused { refusal, delay, .. } => {
            assert!(matches!(refusal, Refusal::Unauthorized { reason: AuthReason::Blocked, .. }));
            assert_eq!(delay, Duration::from_millis(250), "counted");
        }
        other => panic!("{other:?}"),
    }
    assert!(world.authority.waiting().is_empty());
}

#[test]
fn tools_are_refused_whatever_they_hold() {
    let tool = Peer::Tool { command: "node openclaw.mjs".to_owned() };
    for origin in [Origin::Loopback(tool.clone()), Origin::LocalSocket(tool)] {
        let mut known = record(&key(3), &scopes([Scope::Admin, Scope::Pairing]));
        known.token = Some(DeviceToken {
            hash: Some(Token::from_text("mine").hash()),
            created_at: UnixMillis(1),
            rotated_at: None,
            revoked_at: None,
        });
        let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
        let entropy = world.entropy();
        let made = world
            .authority
            .new_program_token("ci", tidegate_trust::scopes::Level::Full, true, &entropy, world.now)
            .expect("made");
        let program_token = world.commit(made).0.reveal().to_owned();
        for client in [
            reader(),
            Client { role: Some("node".to_owned()), ..reader() },
            reader().device_token("mine"),
            Client::new(&key(4)).asks(&[Scope::Read]),
            Client::without_device().asks(&[Scope::Read]),
            Client::without_device().asks(&[Scope::Admin]).token(&program_token),
            Client::without_device(),
        ] {
            let (refusal, effects) = world.refused(&origin, &client);
            assert!(matches!(refusal, Refusal::Unauthorized { reason: AuthReason::Tool, .. }), "{refusal:?}");
            let lines = audits(&effects);
            assert_eq!((lines[0].kind.name(), lines[0].severity), ("tool.refused", Severity::Warn));
            assert!(world.authority.waiting().is_empty(), "no request");
        }
    }
}

#[test]
fn the_peer_is_looked_up_only_as_far_as_it_decides() {
    let not_looked_up = Origin::Loopback(Peer::NotLookedUp);
    let no_tool = Origin::Loopback(Peer::NotATool);
    let mut world = with_device(&scopes([Scope::Read]));
    let stranger = Client::new(&key(4)).asks(&[Scope::Read]);
    world.admitted(&not_looked_up, &reader());
    assert_eq!(world.look_up(&not_looked_up, &stranger), LookUp::Program);
    assert_eq!(world.look_up(&not_looked_up, &Client::without_device()), LookUp::Ancestry);
    for commands in [CommandsAlive::Contained, CommandsAlive::Beyond] {
        world.commands = commands;
        assert_eq!(world.look_up(&not_looked_up, &reader()), LookUp::Ancestry);
        world.admitted(&no_tool, &reader());
    }
    assert_eq!(world.look_up(&no_tool, &stranger), LookUp::Program);
    assert_eq!(world.look_up(&no_tool, &Client::without_device().asks(&[Scope::Read])), LookUp::Program);
    // Nothing is looked up for a client without a credential.
    assert_eq!(world.unauthorized(&no_tool, &stranger.token("wrong")), AuthReason::TokenMismatch);
    assert!(world.authority.waiting().is_empty());
}

#[test]
fn wrong_credentials_are_delayed_by_source_and_a_right_one_never() {
    let mut world = with_device(&scopes([Scope::Read]));
    let delay = |world: &mut World, origin: &Origin, client: &Client| match world.connect(origin, client) {
        Admission::Refused { delay, .. } => u64::try_from(delay.as_millis()).expect("small"),
        other => panic!("{other:?}"),
    };
    let wrong = reader().token("wrong");
    let delays: Vec<_> = (0..7).map(|_| delay(&mut world, &remote(1), &wrong)).collect();
    assert_eq!(delays, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    assert_eq!(delay(&mut world, &remote(2), &wrong), 250, "another address");
    world.admitted(&remote(1), &reader());
    assert_eq!(delay(&mut world, &remote(1), &wrong), 250, "a right one forgets");
    // Another device id, client id or a made-up device token is no way around.
    for seed in 10..15 {
        let mut client = Client::new(&key(seed)).asks(&[Scope::Read]).token("wrong");
        client.info.id = ClientId::OpenclawIos;
        client.auth.device_token = Some("made up".to_owned());
        assert!(delay(&mut world, &remote(1), &client) >= 500);
    }
    // Needing a person is no failure.
    assert_eq!(delay(&mut world, &remote(3), &Client::new(&key(20)).asks(&[Scope::Read])), 0);
}

#[test]
fn one_address_is_one_source_however_it_is_written() {
    let plain = Origin::Remote { address: "192.168.1.7".parse().expect("an address") };
    let mapped = Origin::Remote { address: "::ffff:192.168.1.7".parse().expect("an address") };
    assert_eq!(plain.source(), mapped.source());
    assert!(mapped.describe().starts_with("local network"), "{}", mapped.describe());
}

#[test]
fn another_user_on_this_computer_asks_and_the_person_sees_which() {
    let other = Origin::Loopback(Peer::Process { uid: 65_534, same_user: false, program: None });
    let mut world = World::new(records());
    world.request(&other, &reader());
    let from = &world.authority.waiting()[0].details.from;
    assert!(from.contains("another user (65534)"), "{from}");
}

#[test]
fn names_from_outside_are_cleaned_and_bounded_before_anyone_sees_them() {
    let mut world = World::new(records());
    let name = format!("\u{202e}Tidegate\u{200b}\n\u{1b}[31m{}", "x".repeat(10_000));
    world.request(&local_named("tui"), &reader().named(&name));
    let ask = &world.authority.waiting()[0].details;
    let shown = ask.claims.display_name.as_deref().expect("a name");
    assert!(shown.chars().count() <= 65 && shown.is_ascii() || shown.ends_with('\u{2026}'), "{shown}");
    assert!(!shown.contains(['\u{202e}', '\u{200b}', '\n', '\u{1b}']));
}

#[test]
fn the_subagent_client_acts_for_no_owner_by_its_connection() {
    let mut world = World::new(records());
    assert!(!world.own_session(&key(1)).is_owner());
    let mut world = with_device(&scopes([Scope::Admin]));
    let admin = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin])).session;
    assert!(admin.is_owner());
}

#[test]
fn the_persons_own_methods_exist_for_nobody_else() {
    let mut world = with_device(&scopes([Scope::Admin]));
    let admin = world.admitted(&local_named("tui"), &Client::new(&key(3)).asks(&[Scope::Admin])).session;
    let own = world.own_session(&key(1));
    let cli = support::command_line();
    for &method in Method::ALL {
        assert_eq!(cli.authorize(method, Desktop::Absent), Ok(()), "{method:?}");
        if !method.is_advertised() {
            assert_eq!(admin.authorize(method, Desktop::Absent), Err(Denied::LocalOnly));
            assert_eq!(own.authorize(method, Desktop::Absent), Err(Denied::LocalOnly));
        }
    }
}
