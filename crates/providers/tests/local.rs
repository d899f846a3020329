//! Finding model servers on this computer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_providers::http::Http;
use tidegate_providers::local::{
    DETECTION_TIMEOUT, LocalAddress, LocalServerKind, Owner, ServerOwner, ServerOwners, Standing, detect,
};
use tidegate_testkit::model_server::{Answer, Script, ScriptedModel};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

fn at(kind: LocalServerKind, address: SocketAddr) -> LocalAddress {
    LocalAddress { kind, address }
}

async fn model_server(models: &[&str]) -> ScriptedModel {
    let models = models.iter().map(|&id| id.to_owned()).collect();
    ScriptedModel::start(Script { models, ..Script::always(Answer::Hang) }).await.unwrap()
}

struct Anyone;

impl ServerOwners for Anyone {
    fn owner(&self, _: u16) -> Owner {
        Owner::Is(ServerOwner { user: 1000, words: "a program".to_owned(), standing: Standing::OwnUser })
    }
}

fn anyone() -> Arc<dyn ServerOwners> {
    Arc::new(Anyone)
}

/// A server that answers every connection with these bytes; with none it stays silent.
async fn other_server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            if answer.is_empty() {
                silent.push(socket);
            } else {
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn running_servers_are_found_with_their_models() {
    let ollama = model_server(&["qwen3:8b", "nomic-embed-text"]).await;
    let lm_studio = model_server(&[]).await;
    let addresses = [
        at(LocalServerKind::Ollama, ollama.address()),
        at(LocalServerKind::LmStudio, lm_studio.address()),
        at(LocalServerKind::LlamaCpp, (Ipv4Addr::LOCALHOST, 1).into()),
    ];
    let found = detect(&Http::default(), &addresses, &anyone()).await;
    let found: Vec<_> =
        found.iter().map(|server| (server.kind, server.base.to_string(), server.models.len())).collect();
    assert_eq!(
        found,
        [
            (LocalServerKind::Ollama, ollama.base_url(), 2),
            (LocalServerKind::LmStudio, lm_studio.base_url(), 0)
        ]
    );
    assert_eq!(ollama.requests()[0].path, "/v1/models");
}

#[tokio::test]
async fn other_programs_on_the_ports_are_no_model_servers() {
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>hi</html>";
    let json = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";
    let redirect = "HTTP/1.1 302 Found\r\nlocation: https://a.example/\r\ncontent-length: 0\r\n\r\n";
    let mut addresses = Vec::new();
    for answer in [page, json, redirect, "220 mail ready\r\n"] {
        addresses.push(at(LocalServerKind::LlamaCpp, other_server(answer).await));
    }
    assert_eq!(detect(&Http::default(), &addresses, &anyone()).await, []);
}

#[tokio::test]
async fn listeners_that_say_nothing_cost_one_timeout_together() {
    let mut addresses = Vec::new();
    for _ in 0..3 {
        addresses.push(at(LocalServerKind::LlamaCpp, other_server("").await));
    }
    let http = Http::default();
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(detect(&http, &addresses, &anyone()).await, []);
    let took = begun.elapsed();
    assert!(took >= DETECTION_TIMEOUT && took < 2 * DETECTION_TIMEOUT, "{took:?}");
}

#[tokio::test]
async fn an_address_of_another_computer_is_never_asked() {
    let elsewhere = at(LocalServerKind::Ollama, (Ipv4Addr::UNSPECIFIED, 11434).into());
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(detect(&Http::default(), &[elsewhere], &anyone()).await, []);
    assert_eq!(begun.elapsed().as_nanos(), 0);
}
