//! Asking a server for its models with a key that was just typed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::Ipv4Addr;

use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::http::{Endpoint, Http};
use tidegate_providers::key::BoundKey;
use tidegate_providers::model_list::{ListError, model_list};
use tidegate_testkit::model_server::{Answer, Script, ScriptedModel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers one request with these bytes.
async fn answers(answer: String) -> Endpoint {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(answer.as_bytes()).await;
    });
    Endpoint::keyed(BoundKey::new(base, "typed-key").unwrap(), false).unwrap()
}

fn with_status(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_models_that_can_talk_are_listed_and_the_key_is_sent() {
    let models = ["chat-large", "text-embedding-3"].map(str::to_owned).to_vec();
    let server = ScriptedModel::start(Script { models, ..Script::always(Answer::Hang) }).await.unwrap();
    let base = BaseUrl::parse(&server.base_url()).unwrap();
    let endpoint = Endpoint::keyed(BoundKey::new(base, "typed-key").unwrap(), false).unwrap();

    let listed = model_list(&Http::default(), &endpoint).await.unwrap();

    assert_eq!(listed, ["chat-large"]);
    let asked = &server.requests()[0];
    assert_eq!(asked.path, "/v1/models");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer typed-key"));
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_said_to_be_that_and_not_repeated() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let endpoint = answers(with_status(status, "bad key typed-key")).await;

        let error = model_list(&Http::default(), &endpoint).await.unwrap_err();

        assert!(matches!(error, ListError::Refused { .. }), "{error}");
        assert!(!error.to_string().contains("typed-key"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_model_server_is_said_to_be_none() {
    for answer in [
        with_status("200 OK", "<html>"),
        with_status("404 Not Found", ""),
        with_status("302 Found", ""),
        with_status("200 OK", "{\"object\":\"list\",\"data\":[1]}"),
    ] {
        let error = model_list(&Http::default(), &answers(answer).await).await.unwrap_err();

        assert!(matches!(error, ListError::NotAList { .. }), "{error}");
    }
    let nobody = Endpoint::open(BaseUrl::parse("http://127.0.0.1:1/v1").unwrap());
    let error = model_list(&Http::default(), &nobody).await.unwrap_err();
    assert!(matches!(error, ListError::Unreachable(_)), "{error}");
}
