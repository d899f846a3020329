//! A device token that is made when a device connects: it is given out once it is saved, and taken back when
//! nobody waits for it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;
use tidegate_access::{StoreKind, TrustService};
use tidegate_clock as now;
use tidegate_protocol::device::{DeviceClaim, Nonce, PayloadVersion, SignedFields};
use tidegate_protocol::{ConnectParams, ConnectionId, PublicKey, Scope, SignatureBytes, UnixMillis};
use tidegate_store::Store;
use tidegate_trust::admission::Admitted;
use tidegate_trust::decision::Desktop;
use tidegate_trust::records::{Claims, DeviceRecord, Grant, SharedToken};
use tidegate_trust::token::Token;
use tidegate_trust::{Admission, Attempt, Authority, Change, Origin, ScopeSet, TrustRecords};

const SHARED: &str = "the-shared-token";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn public() -> PublicKey {
    PublicKey::from_bytes(key().verifying_key().to_bytes())
}

/// A service and its store, which know the shared token and a device without a token of its own.
async fn known_device() -> (TrustService, Store) {
    let granted: ScopeSet = [Scope::Read].into_iter().collect();
    let device = DeviceRecord {
        id: public().device_id(),
        key: public(),
        claims: Claims::default(),
        label: None,
        grant: Grant { decided: granted.clone(), granted },
        token: None,
        created_at: UnixMillis(1),
        approved_at: UnixMillis(1),
        last_seen_at: None,
        last_seen_from: None,
    };
    let shared =
        SharedToken { hash: Token::from_text(SHARED).hash(), generation: 1, created_at: UnixMillis(1) };
    let store = Store::in_memory().expect("a store");
    let changes = vec![Change::from(&device), Change::PutSharedToken(shared)];
    store.commit_trust(changes).await.expect("saved");
    let service = TrustService::new(Authority::new(TrustRecords::default()).0, Desktop::Absent);
    service.open(store.clone(), StoreKind::OnDisk, false).await;
    (service, store)
}

/// The device connects, from another computer and with the shared token.
fn connect(service: &TrustService) -> Admitted {
    let (nonce, at) = (Nonce::from_entropy([1; 16]), now::timestamp());
    let mut params: ConnectParams = serde_json::from_value(json!({
        "minProtocol": 3, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
        "auth": {"token": SHARED},
    }))
    .expect("parameters");
    let fields = SignedFields {
        device: public().device_id(),
        client: &params.client,
        role: params.role(),
        scopes: &params.scopes,
        signed_at: at.wall.0,
        token: params.signed_token(),
        nonce: nonce.as_str(),
    };
    let signature = key().sign(fields.payload(PayloadVersion::V3).as_bytes());
    params.device = Some(DeviceClaim {
        id: public().device_id().to_string(),
        public_key: public().to_string(),
        signature: SignatureBytes(signature.to_bytes()).encode(),
        signed_at: at.wall.0,
        nonce: nonce.as_str().to_owned(),
    });
    let origin = Origin::Remote { address: [192, 0, 2, 1].into() };
    let connection = ConnectionId::parse("connection").expect("an id");
    let attempt = Attempt::new(connection, origin, &params, &nonce, at.wall);
    let entropy = now::entropy().expect("random bytes");
    match service.authority().admit(&attempt, &entropy, at) {
        Admission::Admitted(admitted) => *admitted,
        other => panic!("expected to be admitted: {other:?}"),
    }
}

async fn stored(store: &Store) -> DeviceRecord {
    store.load_trust().await.expect("read").records.devices.remove(0)
}

/// Waits until the device has no token, in memory and in the store.
async fn taken_back(service: &TrustService, store: &Store) {
    let taken_back = async {
        let has_token = || service.authority().devices().any(|(record, _)| record.token.is_some());
        while has_token() || stored(store).await.token.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), taken_back).await.expect("it is taken back");
}

#[tokio::test]
async fn a_device_gets_its_token_once_it_is_saved() {
    let (service, store) = known_device().await;
    let made = connect(&service).device_token.expect("it has none");

    let (token, _) = service.commit_admission(made).await.expect("saved").expect("it was not overtaken");

    let hash = stored(&store).await.token.and_then(|token| token.hash);
    assert_eq!(hash, Some(token.hash()));
}

#[tokio::test]
async fn a_device_that_left_while_saving_gets_a_token_next_time() {
    let (service, store) = known_device().await;
    let made = connect(&service).device_token.expect("it has none");

    {
        let mut commit = pin!(service.commit_admission(made));
        // Its connection ends here, and with it who would get the answer.
        let _ = std::future::poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_pending())).await;
    }

    taken_back(&service, &store).await;
    assert!(connect(&service).device_token.is_some());
}

#[tokio::test]
async fn a_device_gets_no_token_that_is_not_saved() {
    let (service, store) = known_device().await;
    let made = connect(&service).device_token.expect("it has none");
    store.close().await;

    assert!(service.commit_admission(made).await.is_err());

    assert!(connect(&service).device_token.is_some(), "the next one may be saved");
}
