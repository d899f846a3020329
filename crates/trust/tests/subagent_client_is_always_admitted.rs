//! OpenClaw issue 59428: `sessions_spawn` died with "pairing required", because the gateway's own
//! client asked for the least scope of each method, was paired at that by its first call, and
//! could not click when a later call needed more. Here our own client is let in silently in every
//! order of its calls, from every state of the records.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use ed25519_dalek::SigningKey;
use support::{Client, World, audits, id, key, local_named, public, record, records, remote, scopes};
use tidegate_protocol::method::Access;
use tidegate_protocol::{ClientId, ClientMode, Method, Scope, UnixMillis};
use tidegate_trust::authority::OWN_CLIENT_NAME;
use tidegate_trust::decision::{Desktop, Verdict};
use tidegate_trust::records::{Block, Claims, Grant, Subject};
use tidegate_trust::scopes::Level;
use tidegate_trust::{Principal, ScopeSet, TrustRecords};

const CALLS: [Method; 6] = [
    Method::SessionsList,
    Method::SessionsPatch,
    Method::Agent,
    Method::AgentWait,
    Method::ChatHistory,
    Method::SessionsDelete,
];

fn own() -> SigningKey {
    key(1)
}

/// All orders of the six calls, by Heap's algorithm.
fn orders() -> Vec<[Method; 6]> {
    fn permute(count: usize, calls: &mut [Method; 6], orders: &mut Vec<[Method; 6]>) {
        if count <= 1 {
            orders.push(*calls);
            return;
        }
        for index in 0..count {
            permute(count - 1, calls, orders);
            calls.swap(if count.is_multiple_of(2) { index } else { 0 }, count - 1);
        }
    }
    let mut orders = Vec::new();
    permute(6, &mut CALLS.clone(), &mut orders);
    orders
}

/// OpenClaw's own client as it describes itself.
fn caller(asks: &[Scope]) -> Client {
    let mut client = Client::new(&own()).no_token().asks(asks);
    client.info = support::info(ClientId::GatewayClient, ClientMode::Backend);
    client
}

fn scope_of(method: Method) -> Scope {
    match method.access() {
        Access::Scope(scope) => scope,
        other => panic!("{method:?} has no scope: {other:?}"),
    }
}

/// Lets our own client do all calls in all orders, each with a handshake of its own, from a state.
fn every_call_in_every_order_is_admitted(state: impl Fn() -> World) {
    let orders = orders();
    assert_eq!(orders.iter().collect::<std::collections::BTreeSet<_>>().len(), 720);
    for order in &orders {
        for least_scope in [false, true] {
            let mut world = state();
            world.authority.set_own_key(public(&own()));
            let waiting = world.authority.waiting().to_vec();
            let devices = world.authority.devices().count();
            for &method in order {
                let asks = if least_scope { scope_of(method) } else { Scope::Admin };
                let origin = world.in_process.origin();
                let admitted = world.admitted(&origin, &caller(&[asks]));
                assert_eq!(admitted.session.principal(), &Principal::SubagentClient);
                assert_eq!(
                    admitted.session.authorize(method, Desktop::Absent),
                    Ok(()),
                    "{method:?} in {order:?}"
                );
                assert!(admitted.device_token.is_none(), "admission depends on no write");
                let kinds: Vec<_> =
                    audits(&admitted.effects).iter().map(|event| event.kind.to_string()).collect();
                assert_eq!(kinds, ["own-client.admitted"], "each silent admission is audited");
                assert_eq!(admitted.effects.len(), 1, "nothing but the audit line");
            }
            assert_eq!(world.authority.waiting(), waiting, "no request of ours waits, no other is touched");
            assert_eq!(world.authority.devices().count(), devices);
            assert!(world.authority.take_touched().is_empty());
        }
    }
}

fn own_record(granted: &ScopeSet) -> TrustRecords {
    let mut own = record(&own(), granted);
    own.claims = Claims::of(&support::info(ClientId::GatewayClient, ClientMode::Backend));
    TrustRecords { devices: vec![own], ..records() }
}

#[test]
fn issue_59428_with_a_new_store() {
    every_call_in_every_order_is_admitted(|| World::new(records()));
}

#[test]
fn issue_59428_with_an_empty_store_and_no_shared_token() {
    every_call_in_every_order_is_admitted(|| World::new(TrustRecords::default()));
}

#[test]
fn issue_59428_and_23690_with_our_own_legacy_record_without_scopes() {
    every_call_in_every_order_is_admitted(|| World::new(own_record(&ScopeSet::none())));
}

#[test]
fn issue_59428_with_our_own_record_paired_at_read() {
    every_call_in_every_order_is_admitted(|| World::new(own_record(&scopes([Scope::Read]))));
}

#[test]
fn issue_70195_with_our_own_record_paired_at_write() {
    every_call_in_every_order_is_admitted(|| World::new(own_record(&scopes([Scope::Read, Scope::Write]))));
}

#[test]
fn issue_59428_when_a_person_decided_that_our_own_record_gets_nothing() {
    every_call_in_every_order_is_admitted(|| {
        let mut records = own_record(&ScopeSet::none());
        records.devices[0].grant = Grant { decided: ScopeSet::of_all_levels(), granted: ScopeSet::none() };
        World::new(records)
    });
}

#[test]
fn issue_59428_with_our_own_key_in_the_block_list() {
    every_call_in_every_order_is_admitted(|| {
        let block = Block {
            subject: Subject::Device(id(&own())),
            name: OWN_CLIENT_NAME.to_owned(),
            at: UnixMillis(1),
        };
        World::new(TrustRecords { blocks: vec![block], ..own_record(&scopes([Scope::Read])) })
    });
}

#[test]
fn issue_59428_with_a_foreign_device_of_our_name() {
    every_call_in_every_order_is_admitted(|| {
        let mut other = record(&key(2), &scopes([Scope::Read]));
        other.label = Some(OWN_CLIENT_NAME.to_owned());
        other.claims.display_name = Some(OWN_CLIENT_NAME.to_owned());
        other.claims.client_id = ClientId::GatewayClient.name().to_owned();
        World::new(TrustRecords { devices: vec![other], ..records() })
    });
}

#[test]
fn issue_59428_when_someone_else_has_every_grant() {
    every_call_in_every_order_is_admitted(|| {
        let all = ScopeSet::from(Level::Full).union(&scopes([Scope::Pairing]));
        World::new(TrustRecords { devices: vec![record(&key(2), &all)], ..records() })
    });
}

#[test]
fn issue_59428_among_hundreds_of_devices() {
    let devices = (2..302).map(|seed| record(&key(seed), &scopes([Scope::Read]))).collect();
    let records = TrustRecords { devices, ..records() };
    every_call_in_every_order_is_admitted(|| World::new(records.clone()));
}

#[test]
fn issue_59428_with_the_queue_of_requests_full() {
    every_call_in_every_order_is_admitted(|| {
        let mut world = World::new(records());
        for seed in 0..8 {
            let origin = remote(u8::try_from(seed).expect("small"));
            world.request(&origin, &Client::new(&key(10 + seed)).asks(&[Scope::Read]));
        }
        assert_eq!(world.authority.waiting().len(), 8);
        world
    });
}

#[test]
fn issue_59428_when_our_own_id_was_rejected_a_moment_ago() {
    every_call_in_every_order_is_admitted(|| {
        let mut world = World::new(records());
        let request = world.request(&local_named("tui"), &Client::new(&own()).asks(&[Scope::Read]));
        world.decide(&support::person(), &request, &Verdict::Reject).expect("decided");
        world
    });
}

#[test]
fn issue_59428_with_both_protocol_versions_and_whatever_token_it_sends() {
    for versions in [(3, 3), (4, 4), (3, 4)] {
        for token in [None, Some("wrong"), Some(support::SHARED)] {
            let mut world = World::new(records());
            world.authority.set_own_key(public(&own()));
            let mut client = caller(&[Scope::Admin]);
            client.versions = versions;
            client.auth.token = token.map(str::to_owned);
            let origin = world.in_process.origin();
            let admitted = world.admitted(&origin, &client);
            assert!(admitted.session.scopes().covers(&Scope::Admin));
        }
    }
}

#[test]
fn our_own_client_is_one_built_in_row_and_no_device_whatever_the_store_says() {
    let mut world = World::new(own_record(&scopes([Scope::Read])));
    world.authority.set_own_key(public(&own()));
    assert_eq!(world.authority.devices().count(), 0);
    assert_eq!(world.authority.own_client().expect("known").0, public(&own()));
    let waiting: Vec<_> = world.authority.waiting().iter().map(|request| &request.details.subject).collect();
    assert!(!waiting.contains(&&Subject::Device(id(&own()))));
}
