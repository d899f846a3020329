//! Finds model servers on this computer. A program that listens on a well-known port need not be the
//! server that the person knows, so the program and its user are looked up first.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Limited};
use reqwest::Body;
use serde_json::Value;
use tokio::time::timeout;

use crate::base_url::BaseUrl;
use crate::http::{Endpoint, Http};

/// How long one address may take to answer.
pub const DETECTION_TIMEOUT: Duration = Duration::from_millis(400);
/// The most bytes of a list of models.
pub(crate) const LIST_BYTES: usize = 1024 * 1024;
/// The most models of one server.
const MAX_MODELS: usize = 2048;
/// The longest model id that is believed, in bytes.
const MAX_ID_BYTES: usize = 256;

/// A program that serves models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalServerKind {
    /// Ollama, by default on port 11434.
    Ollama,
    /// LM Studio, by default on port 1234.
    LmStudio,
    /// llama.cpp's server, by default on port 8080.
    LlamaCpp,
}

impl LocalServerKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ollama, Self::LmStudio, Self::LlamaCpp];

    /// Its id as a provider, in model names.
    #[must_use]
    pub fn provider_id(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::LmStudio => "lmstudio",
            Self::LlamaCpp => "llamacpp",
        }
    }
}

/// Where a server may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// The program that is expected there.
    pub kind: LocalServerKind,
    /// The address; one that is not loopback is never asked.
    pub address: SocketAddr,
}

impl LocalAddress {
    /// Where the three programs listen by default.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let at = |kind, port| Self { kind, address: (Ipv4Addr::LOCALHOST, port).into() };
        vec![
            at(LocalServerKind::Ollama, 11434),
            at(LocalServerKind::LmStudio, 1234),
            at(LocalServerKind::LlamaCpp, 8080),
        ]
    }
}

/// Who a program that listens on this computer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The user who runs Tidegate.
    OwnUser,
    /// A system account, as a service that was installed for all users has.
    SystemAccount,
    /// Another person's user.
    OtherUser,
    /// An agent started it.
    Tool,
    /// It could not be established.
    Unidentified,
}

impl Standing {
    /// Why such a program is never used as a model server, if so.
    #[must_use]
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::OwnUser | Self::SystemAccount => None,
            Self::OtherUser => Some("it belongs to another user"),
            Self::Tool => Some("an agent started it"),
            Self::Unidentified => Some("it could not be identified"),
        }
    }
}

/// Who listens on a port of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOwner {
    /// The user's number.
    pub user: u32,
    /// Program, process and user in words, cleaned.
    pub words: String,
    /// Who that is.
    pub standing: Standing,
}

impl fmt::Display for ServerOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}

/// What is known of who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    /// The system does not tell. It may be anybody, so nothing is sent there.
    Unknown,
    /// This program listens.
    Is(ServerOwner),
}

/// Looks up who listens.
pub trait ServerOwners: Send + Sync + 'static {
    /// Who listens on a port of loopback. May take some milliseconds and blocks.
    fn owner(&self, port: u16) -> Owner;
}

/// Looks up who listens, without blocking the caller.
pub(crate) async fn owner_of(owners: &Arc<dyn ServerOwners>, port: u16) -> Owner {
    let owners = Arc::clone(owners);
    tokio::task::spawn_blocking(move || owners.owner(port)).await.unwrap_or(Owner::Unknown)
}

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// The program that was expected there.
    pub kind: LocalServerKind,
    /// Where it listens.
    pub address: SocketAddr,
    /// Who runs it.
    pub owner: ServerOwner,
    pub base: BaseUrl,
    /// The ids of its models, in its order; may be empty.
    pub models: Vec<String>,
}

impl LocalServer {
    /// The models that can hold a conversation.
    pub fn chat_models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str).filter(|id| is_chat_model(id))
    }
}

/// What the names of models have that embed, rank, hear, speak or draw.
const OTHER_MODELS: [&str; 16] = [
    "embed",
    "rerank",
    "whisper",
    "parakeet",
    "tts",
    "kokoro",
    "piper",
    "bark",
    "flux",
    "stable-diffusion",
    "sdxl",
    "dall-e",
    "gpt-image",
    "clip",
    "bge-",
    "moderation",
];

/// Whether a model can hold a conversation. A list does not tell, but other models carry it in their names.
pub(crate) fn is_chat_model(id: &str) -> bool {
    let id = id.to_lowercase();
    !OTHER_MODELS.iter().any(|part| id.contains(part))
}

/// Asks all addresses at once for their models (`GET /v1/models`) and returns those that answer
/// like a model server within [`DETECTION_TIMEOUT`], in the order given. Programs whose
/// [`Standing`] refuses them are not asked.
pub async fn detect(
    http: &Http,
    addresses: &[LocalAddress],
    owners: &Arc<dyn ServerOwners>,
) -> Vec<LocalServer> {
    let asked = addresses.iter().map(|&at| async move {
        timeout(DETECTION_TIMEOUT, detect_one(http, at, owners)).await.ok().flatten()
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn detect_one(http: &Http, at: LocalAddress, owners: &Arc<dyn ServerOwners>) -> Option<LocalServer> {
    let base = BaseUrl::of_local_server(at.address)?;
    let Owner::Is(owner) = owner_of(owners, at.address.port()).await else { return None };
    if owner.standing.refusal().is_some() {
        return None;
    }
    let response = http.get(&Endpoint::open(base.clone()), "/models").await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let body = Limited::new(Body::from(response), LIST_BYTES).collect().await.ok()?.to_bytes();
    let mut models = model_ids(&body)?;
    // What is proposed is the first one.
    models.sort_by_key(|id| !is_chat_model(id));
    Some(LocalServer { kind: at.kind, address: at.address, owner, base, models })
}

/// The ids in a list of models; `None` when the body is no such list, as of any other web server
/// on the port.
pub(crate) fn model_ids(body: &[u8]) -> Option<Vec<String>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    if list["object"] != "list" {
        return None;
    }
    // Ollama without any model answers null.
    let models = match &list["data"] {
        Value::Null if list.get("data").is_some() => &[],
        data => data.as_array()?.as_slice(),
    };
    let ids: Vec<&str> = models.iter().map(|model| model["id"].as_str()).collect::<Option<_>>()?;
    let usable = |id: &&str| {
        !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    Some(ids.into_iter().filter(usable).take(MAX_MODELS).map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_list_of_models_is_one() {
        let ids = |text: &str| model_ids(text.as_bytes());
        assert_eq!(ids(r#"{"object":"list","data":[{"id":"a"},{"id":"b\n"}]}"#), Some(vec!["a".to_owned()]));
        assert_eq!(ids(r#"{"object":"list","data":null}"#), Some(vec![]));
        for other in ["", "<html>", "{}", "[]", r#"{"data":[{"id":"a"}]}"#, r#"{"object":"list","data":[1]}"#]
        {
            assert_eq!(ids(other), None, "{other}");
        }
    }

    #[test]
    fn models_for_other_things_are_not_for_conversations() {
        let others =
            ["nomic-embed-text:latest", "whisper-large-v3", "flux.1-schnell", "kokoro-tts", "bge-m3"];
        let models = others.into_iter().chain(["qwen3:8b"]).map(ToOwned::to_owned).collect();
        let base = BaseUrl::parse("http://127.0.0.1:1/v1").unwrap();
        let owner = ServerOwner { user: 1, words: String::new(), standing: Standing::SystemAccount };
        let address = (Ipv4Addr::LOCALHOST, 1).into();
        let server = LocalServer { kind: LocalServerKind::Ollama, address, owner, base, models };
        assert_eq!(server.chat_models().collect::<Vec<_>>(), ["qwen3:8b"]);
    }

    proptest! {
        #[test]
        fn no_body_makes_the_check_fail(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = model_ids(&body);
        }
    }
}
