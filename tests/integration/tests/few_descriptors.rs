//! The real program where the system allows few open files, and clients that take all they can get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{self, Program, Ready, TOKEN, choose_offline_model};
use tidegate_protocol::Scope;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;
use tokio::net::TcpStream;

const BINARY: &str = "tidegate-under-test";

/// The program under limits that `ulimit` sets, with devices 0 to 3 paired.
async fn started(place: &Place, limits: &str) -> (Program, Ready) {
    choose_offline_model(&place.state_dir());
    let paired = (0..4).map(|number| {
        let key = device::public_key(&DeviceIdentity::numbered(number));
        Change::PutDevice(Box::new(record(key, "device", &[Scope::Read])))
    });
    device::commit(&place.state_dir(), paired.collect()).await;
    let script = place.outside().join("limited");
    fs::write(&script, format!("#!/bin/sh\n{limits}\nexec {} \"$@\"\n", program::built(BINARY))).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let mut program = Program::start(script.to_str().unwrap(), place);
    let ready = program.ready().await;
    (program, ready)
}

/// Connects until it is refused, at most `most` times.
async fn connect_all(ready: Ready, options: &ConnectOptions, most: usize) -> Vec<GatewayClient> {
    let mut connected = Vec::new();
    while connected.len() < most {
        let mut client = GatewayClient::open(&ready.url()).await.unwrap();
        match client.connect(options).await {
            Ok(_) => connected.push(client),
            Err(ClientError::Answer(error)) => {
                assert_eq!(error["details"]["code"], "TOO_MANY_CONNECTIONS", "{error}");
                return connected;
            }
            Err(error) => panic!("{error} after {} connections", connected.len()),
        }
    }
    connected
}

fn reader(number: u64) -> ConnectOptions {
    let device = DeviceIdentity::numbered(number);
    ConnectOptions::default().device(&device).token(TOKEN).scopes(&["operator.read"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_take_every_connection_leave_the_command_line_in() {
    let place = Place::new();
    let (program, ready) = started(&place, "ulimit -n 320").await;

    let visitors = connect_all(ready, &ConnectOptions::default().token(TOKEN), 1000).await;
    assert!((1..40).contains(&visitors.len()), "{} visitors", visitors.len());
    let first = connect_all(ready, &reader(0), 1000).await;
    let mut second = connect_all(ready, &reader(1), 1000).await;
    assert!(!second.is_empty(), "one device takes {} connections and all there are", first.len());
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(("127.0.0.1", ready.port)).await.unwrap());
    }

    for arguments in [&["status"][..], &["devices", "list"], &["token", "list"]] {
        let output = program::run(BINARY, &place, arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let open = second.last_mut().unwrap();
    assert_eq!(open.request("health", json!({})).await.unwrap()["ok"], true);
    assert_eq!(program.terminate(Duration::from_mins(1)).await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_low_soft_limit_is_raised_to_what_the_system_allows() {
    let place = Place::new();
    let (program, ready) = started(&place, "ulimit -Sn 200; ulimit -Hn 2048").await;

    let connected = connect_all(ready, &reader(0), 300).await;

    assert_eq!(connected.len(), 300);
    assert_eq!(program.terminate(Duration::from_mins(1)).await.unwrap(), Some(0));
}
