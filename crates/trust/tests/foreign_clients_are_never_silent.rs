//! The mirror of the subagent client's tests: whatever anyone else claims, nobody is let in or
//! widened without a person, and our own key from elsewhere is an alarm.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;
use support::{Client, SHARED, World, alarms, id, key, program, public, record, records, scopes};
use tidegate_protocol::client::ClientInfo;
use tidegate_protocol::connect::AuthParams;
use tidegate_protocol::refusal::{AuthReason, Refusal};
use tidegate_protocol::{ClientId, ClientMode, Scope, UnixMillis};
use tidegate_trust::admission::{Admission, Admitted};
use tidegate_trust::authority::{Effect, OWN_CLIENT_NAME};
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::program::Ephemeral;
use tidegate_trust::records::{DeviceToken, Grant, ProgramToken};
use tidegate_trust::scopes::Level;
use tidegate_trust::token::Token;
use tidegate_trust::{Principal, ScopeSet, TrustRecords};

const IDS: [ClientId; 17] = [
    ClientId::WebchatUi,
    ClientId::OpenclawControlUi,
    ClientId::OpenclawTui,
    ClientId::Webchat,
    ClientId::Cli,
    ClientId::GatewayClient,
    ClientId::OpenclawMacos,
    ClientId::OpenclawIos,
    ClientId::OpenclawAndroid,
    ClientId::OpenclawLinux,
    ClientId::OpenclawWatchos,
    ClientId::OpenclawBrowserCopilot,
    ClientId::OpenclawWorker,
    ClientId::NodeHost,
    ClientId::Test,
    ClientId::Fingerprint,
    ClientId::OpenclawProbe,
];
const MODES: [ClientMode; 8] = [
    ClientMode::Webchat,
    ClientMode::Cli,
    ClientMode::Ui,
    ClientMode::Backend,
    ClientMode::Node,
    ClientMode::Probe,
    ClientMode::Test,
    ClientMode::Worker,
];
const OWN: u16 = 1;
const NEIGHBOUR: u16 = 2;
const STRANGER: u16 = 3;
const NEIGHBOURS_TOKEN: &str = "the-neighbours-device-token";
const PROGRAMS_TOKEN: &str = "the-programs-own-token";

/// Whose key a client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    None,
    Stranger,
    /// Our own public key, signed with another key.
    OwnForged,
    /// Our own key, copied.
    OwnStolen,
    /// A known device's public key, signed with another key.
    NeighbourForged,
}

fn world() -> World {
    let mut neighbour =
        record(&key(NEIGHBOUR), &ScopeSet::from(Level::Full).union(&scopes([Scope::Pairing])));
    neighbour.token = Some(DeviceToken {
        hash: Some(Token::from_text(NEIGHBOURS_TOKEN).hash()),
        created_at: UnixMillis(1),
        rotated_at: None,
        revoked_at: None,
    });
    let token = ProgramToken {
        id: "7".to_owned(),
        name: "script".to_owned(),
        level: Level::Write,
        pairing: false,
        hash: Token::from_text(PROGRAMS_TOKEN).hash(),
        created_at: UnixMillis(1),
        last_used_at: None,
    };
    let own = record(&key(OWN), &ScopeSet::from(Level::Full));
    let mut world =
        World::new(TrustRecords { devices: vec![neighbour, own], tokens: vec![token], ..records() });
    world.authority.set_own_key(public(&key(OWN)));
    world
}

fn infos() -> impl Strategy<Value = ClientInfo> {
    let name = prop_oneof![
        Just(None),
        Just(Some(OWN_CLIENT_NAME.to_owned())),
        Just(Some("tidegate-subagent-client".to_owned())),
        "\\PC{0,40}".prop_map(Some),
    ];
    let family = prop_oneof![Just(None), "[A-Za-z]{1,8}".prop_map(Some)];
    (prop::sample::select(&IDS[..]), prop::sample::select(&MODES[..]), name, family, "[a-zA-Z0-9 .]{1,12}")
        .prop_map(|(id, mode, display_name, device_family, platform)| ClientInfo {
            display_name,
            device_family,
            platform,
            ..support::info(id, mode)
        })
}

fn asked() -> impl Strategy<Value = Vec<String>> {
    let known: Vec<String> = Scope::known().iter().map(|scope| scope.name().to_owned()).collect();
    let other = prop::sample::select(vec!["operator.*", "operator.all", "node.invoke", "*", "admin"]);
    let scope = prop_oneof![4 => prop::sample::select(known), 1 => other.prop_map(str::to_owned)];
    prop::collection::vec(scope, 0..6)
}

fn auths() -> impl Strategy<Value = AuthParams> {
    let text = || {
        prop_oneof![
            Just(None),
            Just(Some(SHARED.to_owned())),
            Just(Some(PROGRAMS_TOKEN.to_owned())),
            Just(Some(NEIGHBOURS_TOKEN.to_owned())),
            Just(Some(String::new())),
            Just(Some(" ".to_owned())),
            "[a-z]{1,8}".prop_map(Some),
        ]
    };
    (text(), text(), text(), text()).prop_map(|(token, device_token, password, bootstrap_token)| AuthParams {
        token,
        device_token,
        password,
        bootstrap_token: bootstrap_token.clone(),
        approval_runtime_token: bootstrap_token.clone(),
        agent_runtime_identity_token: bootstrap_token,
    })
}

fn peers() -> impl Strategy<Value = Peer> {
    let ephemeral = prop_oneof![Just(None), Just(Some(Ephemeral::InlineCode))];
    let process =
        (any::<bool>(), prop::option::of(ephemeral)).prop_map(|(same_user, program_is)| Peer::Process {
            uid: if same_user { 1000 } else { 65_534 },
            same_user,
            program: program_is
                .map(|ephemeral| program("/usr/bin/node", Some("/opt/openclaw.mjs"), ephemeral)),
        });
    prop_oneof![
        1 => Just(Peer::NotLookedUp),
        1 => Just(Peer::NotATool),
        1 => prop::option::of(Just(1000)).prop_map(|uid| Peer::Unknown { uid }),
        1 => Just(Peer::Tool { command: "sh -c evil".to_owned() }),
        4 => process,
    ]
}

fn origins() -> impl Strategy<Value = Origin> {
    prop_oneof![
        peers().prop_map(Origin::Loopback),
        peers().prop_map(Origin::LocalSocket),
        Just(Origin::Remote { address: IpAddr::V6(Ipv6Addr::LOCALHOST) }),
        any::<[u8; 4]>().prop_map(|address| Origin::Remote { address: address.into() }),
    ]
}

fn identities() -> impl Strategy<Value = Identity> {
    prop::sample::select(vec![
        Identity::None,
        Identity::Stranger,
        Identity::OwnForged,
        Identity::OwnStolen,
        Identity::NeighbourForged,
    ])
}

fn clients() -> impl Strategy<Value = (Identity, Client)> {
    let role = prop::sample::select(vec![None, Some("operator"), Some("node"), Some("admin")]);
    (identities(), infos(), asked(), auths(), role).prop_map(|(identity, info, scopes, auth, role)| {
        let (key_of, signer) = match identity {
            Identity::None => (None, None),
            Identity::Stranger => (Some(key(STRANGER)), None),
            Identity::OwnForged => (Some(key(OWN)), Some(key(STRANGER))),
            Identity::OwnStolen => (Some(key(OWN)), None),
            Identity::NeighbourForged => (Some(key(NEIGHBOUR)), Some(key(STRANGER))),
        };
        let client = Client {
            key: key_of,
            signs: signer,
            info,
            role: role.map(str::to_owned),
            scopes,
            auth,
            versions: (3, 4),
        };
        (identity, client)
    })
}

/// Whether one of the texts that are looked at is this token.
fn sends(client: &Client, token: &str) -> bool {
    [&client.auth.token, &client.auth.password].into_iter().flatten().any(|text| text.trim() == token)
}

fn check_admitted(identity: Identity, origin: &Origin, client: &Client, admitted: &Admitted) {
    let session = &admitted.session;
    assert_eq!(identity, Identity::None, "no key that nobody approved is let in: {session:?}");
    assert!(admitted.device_token.is_none());
    assert!(!matches!(origin.peer(), Some(Peer::NotLookedUp | Peer::Tool { .. })));
    assert!(!matches!(origin, Origin::LocalSocket(Peer::Unknown { .. })));
    match session.principal() {
        Principal::Visitor => {
            assert!(sends(client, SHARED) || sends(client, PROGRAMS_TOKEN));
            assert!(session.scopes().is_empty(), "a visitor has nothing: {session:?}");
        }
        Principal::ProgramToken(id) => {
            assert_eq!(id, "7");
            assert!(sends(client, PROGRAMS_TOKEN));
            assert!(ScopeSet::from(Level::Write).covers_all(session.scopes()), "{session:?}");
        }
        other => panic!("let in as {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn nobody_else_is_let_in_without_a_person(origin in origins(), (identity, client) in clients()) {
        let mut world = world();
        let devices: Vec<_> = world.authority.devices().map(|(record, _)| record.clone()).collect();

        let admission = world.connect(&origin, &client);

        let after: Vec<_> = world.authority.devices().map(|(record, _)| record.clone()).collect();
        prop_assert_eq!(devices, after, "no record is made or changed");
        prop_assert_eq!(world.authority.programs().count(), 0);
        match &admission {
            Admission::Admitted(admitted) => check_admitted(identity, &origin, &client, admitted),
            Admission::LookUpPeer { effects, .. } => {
                prop_assert!(matches!(origin.peer(), Some(Peer::NotLookedUp | Peer::NotATool)));
                prop_assert!(effects.is_empty());
                prop_assert!(world.authority.waiting().is_empty());
            }
            Admission::Refused { refusal, effects, .. } => {
                let asks = matches!(refusal, Refusal::PairingRequired(_));
                prop_assert_eq!(world.authority.waiting().len(), usize::from(asks));
                if asks {
                    let credential = sends(&client, SHARED) || sends(&client, PROGRAMS_TOKEN);
                    prop_assert!(credential, "a request exists only after a valid credential");
                    prop_assert!(matches!(identity, Identity::None | Identity::Stranger));
                }
                let stolen = identity == Identity::OwnStolen;
                prop_assert_eq!(alarms(effects), usize::from(stolen), "{:?}", effects);
                let own = Refusal::Unauthorized {
                    reason: AuthReason::OwnKeyElsewhere,
                    can_retry_with_device_token: false,
                };
                prop_assert_eq!(refusal == &own, stolen);
            }
        }
    }

    #[test]
    fn a_known_device_never_gets_more_than_it_was_granted(
        origin in origins(),
        info in infos(),
        asked in asked(),
        granted in asked(),
        refused in asked(),
    ) {
        let set = |names: &[String]| -> ScopeSet {
            names.iter().map(|name| Scope::parse(name).expect("a scope")).collect()
        };
        let mut known = record(&key(STRANGER), &set(&granted));
        known.grant = Grant { decided: set(&granted).union(&set(&refused)), granted: set(&granted) };
        let mut world = World::new(TrustRecords { devices: vec![known], ..records() });
        let mut client = Client::new(&key(STRANGER));
        client.info = info;
        client.scopes = asked.clone();

        match world.connect(&origin, &client) {
            Admission::Admitted(admitted) => {
                let scopes = admitted.session.scopes();
                prop_assert!(set(&granted).covers_all(scopes), "{scopes:?} within {granted:?}");
                prop_assert!(set(&asked).covers_all(scopes), "{scopes:?} within {asked:?}");
                let may_let_in = scopes.names(&Scope::Pairing);
                prop_assert!(!may_let_in || set(&granted).names(&Scope::Pairing));
            }
            Admission::Refused { .. } | Admission::LookUpPeer { .. } => {
                let (record, _) = world.authority.devices().next().expect("still known");
                prop_assert_eq!(&record.grant.granted, &set(&granted));
            }
        }
    }
}

#[test]
fn a_stolen_own_key_is_refused_and_raises_an_alarm_from_everywhere_and_in_every_role() {
    for origin in [
        support::local_named("copy"),
        support::local_socket(),
        support::remote(9),
        Origin::Loopback(Peer::NotLookedUp),
        Origin::Loopback(Peer::Tool { command: "sh".to_owned() }),
    ] {
        for role in ["operator", "node"] {
            let mut world = world();
            let mut client = Client::new(&key(OWN)).asks(&[Scope::Admin]);
            client.role = Some(role.to_owned());
            let (refusal, effects) = world.refused(&origin, &client);
            assert!(
                matches!(refusal, Refusal::Unauthorized { reason: AuthReason::OwnKeyElsewhere, .. }),
                "{origin:?} {role}: {refusal:?}"
            );
            assert_eq!(alarms(&effects), 1);
            assert!(world.authority.waiting().is_empty());
        }
    }
}

#[test]
fn the_in_process_channel_alone_is_no_proof_either() {
    let mut world = world();
    let origin = world.in_process.origin();
    let with_another_key = Client::new(&key(NEIGHBOUR)).asks(&[Scope::Admin]);
    assert_eq!(world.unauthorized(&origin, &with_another_key), AuthReason::TokenMismatch);
    let mut forged = Client::new(&key(OWN)).asks(&[Scope::Admin]);
    forged.signs = Some(key(NEIGHBOUR));
    assert!(matches!(world.refused(&origin, &forged).0, Refusal::DeviceProof(_)));
    let without = Client::without_device().asks(&[Scope::Admin]);
    assert!(matches!(world.refused(&origin, &without).0, Refusal::DeviceIdentityRequired));
    let mut as_node = Client::new(&key(OWN)).asks(&[Scope::Admin]);
    as_node.role = Some("node".to_owned());
    assert!(matches!(world.refused(&origin, &as_node).0, Refusal::InvalidRole));
    assert!(world.authority.waiting().is_empty());
}

#[test]
fn a_signature_for_another_nonce_or_another_time_proves_nothing() {
    use tidegate_protocol::ConnectionId;
    use tidegate_protocol::device::Nonce;
    use tidegate_trust::Attempt;
    let mut world = world();
    let (nonce, other) = (Nonce::from_entropy([1; 16]), Nonce::from_entropy([2; 16]));
    let stale = UnixMillis(world.now.wall.0 - 120_001);
    for (signed_for, at) in [(&other, world.now.wall), (&nonce, stale)] {
        let client = Client::new(&key(OWN)).no_token().asks(&[Scope::Admin]);
        let params = client.params(signed_for, at);
        let connection = ConnectionId::parse("replay").expect("valid");
        let origin = world.in_process.origin();
        let attempt = Attempt::new(connection, origin.clone(), &params, &nonce, world.now.wall);
        let entropy = world.entropy();
        let admission = world.authority.admit(&attempt, &entropy, world.now);
        assert!(
            matches!(admission, Admission::Refused { refusal: Refusal::DeviceProof(_), .. }),
            "{admission:?}"
        );
    }
}

#[test]
fn a_shared_token_does_not_make_a_browser_or_a_backend_silent() {
    // GHSA-9hjh-fr4f-gxc4, CVE-2026-35625: labels and the shared token widened silently.
    for (id_claimed, mode) in
        [(ClientId::GatewayClient, ClientMode::Backend), (ClientId::OpenclawControlUi, ClientMode::Webchat)]
    {
        let mut world = World::new(TrustRecords {
            devices: vec![record(&key(STRANGER), &scopes([Scope::Read]))],
            ..records()
        });
        let mut client = Client::new(&key(STRANGER)).asks(&[Scope::Admin]);
        client.info = support::info(id_claimed, mode);
        let (refusal, effects) = world.refused(&support::local_named("browser"), &client);
        let Refusal::PairingRequired(required) = refusal else { panic!("{refusal:?}") };
        assert_eq!(required.device, Some(id(&key(STRANGER))));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Requested(_))));
    }
}
