//! The load generator against the bare server, with small counts.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::time::Duration;

use tidegate_testkit::bare_server::{self, ReplySizes};
use tidegate_testkit::client::ConnectOptions;
use tidegate_testkit::load::{
    self, AnswerSize, CrowdReport, HostileCrowd, LoadConnection, LoadDevice, LoadError, connect_all,
};

const SIZES: ReplySizes = ReplySizes { hello: 2000, health: 400 };

async fn bare_server() -> u16 {
    let listener = bare_server::bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(bare_server::serve(listener, SIZES));
    port
}

fn devices(count: u64) -> Vec<ConnectOptions> {
    (0..count).map(|number| LoadDevice::numbered(number).options(&["operator.read"])).collect()
}

#[tokio::test]
async fn answers_are_as_long_as_the_bare_server_was_told() {
    let port = bare_server().await;

    let (mut connection, hello) = LoadConnection::connected(port, &devices(1)[0]).await.unwrap();
    let health = connection.health().await.unwrap();

    assert_eq!((hello, health), (AnswerSize(SIZES.hello), AnswerSize(SIZES.health)));
}

#[tokio::test]
async fn handshakes_and_requests_are_all_answered() {
    let port = bare_server().await;

    load::handshakes(port, &devices(3), 20, 4).await.unwrap();
    let connections = connect_all(port, devices(5), 2).await.unwrap();
    let connections = load::health(connections, 100).await.unwrap();

    assert_eq!(connections.len(), 5);
}

#[tokio::test]
async fn a_signature_that_is_not_the_devices_is_not_let_in() {
    let port = bare_server().await;
    let other = LoadDevice::numbered(2).identity;
    let forged = devices(1)[0].clone().tampered(move |params| {
        params["device"]["publicKey"] = other.public_key().into();
    });

    let refused = LoadConnection::connected(port, &forged).await;

    assert!(matches!(refused, Err(LoadError::Closed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_crowd_counts_what_it_offered() {
    let port = bare_server().await;
    // Socket 0 never finishes its request's head, socket 1 says nothing after the upgrade.
    let crowd = HostileCrowd {
        port,
        sockets: 2,
        renew_after: Duration::from_millis(10),
        lasts: Duration::from_millis(50),
    };

    let report = crowd.run().await;

    assert_eq!(report, CrowdReport { offered: 2, admitted: 0 });
}
