//! HTTP to model servers.
//!
//! TLS is rustls with `ring`, the smallest provider. Certificates are checked against the system's
//! store through the platform verifier: reqwest links it in any case, so a bundled root list
//! would only add to the binary, and a company's own authority would not work. Clients for plain
//! HTTP load no certificates, so that looking for local servers stays cheap.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response, redirect};
use tidegate_agent::model::ModelError;
use tidegate_protocol::text::one_line;

use crate::base_url::BaseUrl;
use crate::key::{BoundKey, KeyError};

/// How long a connection, with its encryption, may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// The most characters of a server's own words in an error.
const EXCERPT_CHARACTERS: usize = 300;

/// A server that may be asked, with the key for it. A keyed one takes its address from the key, so
/// that a key can reach no other.
#[derive(Debug, Clone)]
pub struct Endpoint {
    at: At,
}

#[derive(Debug, Clone)]
enum At {
    Open(BaseUrl),
    Keyed(BoundKey),
}

impl Endpoint {
    /// A server that needs no key.
    #[must_use]
    pub fn open(base: BaseUrl) -> Self {
        Self { at: At::Open(base) }
    }

    /// The server that a key belongs to. `key_over_http` allows a key to cross the network
    /// unencrypted.
    ///
    /// # Errors
    /// [`KeyError::Unencrypted`] when it would and must not.
    pub fn keyed(key: BoundKey, key_over_http: bool) -> Result<Self, KeyError> {
        if key_over_http || key.base().is_private() {
            Ok(Self { at: At::Keyed(key) })
        } else {
            Err(KeyError::Unencrypted)
        }
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        match &self.at {
            At::Open(base) => base,
            At::Keyed(key) => key.base(),
        }
    }

    fn key(&self) -> Option<&BoundKey> {
        match &self.at {
            At::Open(_) => None,
            At::Keyed(key) => Some(key),
        }
    }

    /// What can be told of a text that grows by `piece`, without the key. What may be the key's
    /// beginning stays in `held`. `None` when nothing can be told yet.
    pub(crate) fn without_key(&self, held: &mut String, piece: &str) -> Option<String> {
        held.push_str(piece);
        let kept = self.key().map(|key| key.take_out(held)).unwrap_or_default();
        let told = std::mem::replace(held, kept);
        (!told.is_empty()).then_some(told)
    }

    /// The start of what a server said, as one clean line without the key.
    pub(crate) fn excerpt(&self, text: &str, was_cut: bool) -> String {
        let text = self.key().map_or_else(|| text.to_owned(), |key| key.redact(text, was_cut));
        let words: Vec<&str> = text.split_whitespace().take(EXCERPT_CHARACTERS).collect();
        one_line(&words.join(" "), EXCERPT_CHARACTERS)
    }
}

/// The HTTP clients, made when first used. Environment variables for proxies are not read, and
/// redirects are not followed.
#[derive(Debug, Clone, Default)]
pub struct Http {
    clients: Arc<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    plain: OnceLock<Client>,
    encrypted: OnceLock<Client>,
}

impl Http {
    /// Gets a path of the API.
    pub(crate) async fn get(&self, endpoint: &Endpoint, path: &'static str) -> Result<Response, ModelError> {
        let client = self.client(endpoint.base())?;
        send(client.get(endpoint.base().method(path)), endpoint).await
    }

    /// Posts JSON to a path of the API.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        path: &'static str,
        body: Bytes,
    ) -> Result<Response, ModelError> {
        let request = self
            .client(endpoint.base())?
            .post(endpoint.base().method(path))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .body(body);
        send(request, endpoint).await
    }

    fn client(&self, base: &BaseUrl) -> Result<&Client, ModelError> {
        let slot = if base.is_encrypted() { &self.clients.encrypted } else { &self.clients.plain };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = build(base.is_encrypted()).map_err(|error| ModelError::Unreachable {
            address: base.address(),
            reason: format!("encryption cannot be set up: {}", innermost(&error)),
        })?;
        Ok(slot.get_or_init(|| client))
    }
}

fn build(encrypted: bool) -> Result<Client, reqwest::Error> {
    // An error means that a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy();
    let builder = if encrypted { builder.https_only(true) } else { builder.tls_certs_only([]) };
    builder.build()
}

async fn send(request: reqwest::RequestBuilder, endpoint: &Endpoint) -> Result<Response, ModelError> {
    let request = match endpoint.key().and_then(BoundKey::header) {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    };
    request.send().await.map_err(|error| {
        let reason = if error.is_timeout() {
            format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
        } else {
            endpoint.excerpt(&innermost(&error), false)
        };
        ModelError::Unreachable { address: endpoint.base().address(), reason }
    })
}

/// The deepest cause of an error: the outer ones only repeat that a request failed.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
