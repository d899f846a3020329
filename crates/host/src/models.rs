//! Which models there are: what a person configured is kept in the store, keys in the keyring.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tidegate_agent::model::ModelName;
use tidegate_protocol::payload::surface_params::AddProvider;
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_protocol::text;
use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::directory::{Config, Directory, ModelConfig, ProviderConfig};
use tidegate_providers::key::{BoundKey, KeyError, KeySource, KeyStore};
use tidegate_providers::local::{LocalAddress, LocalServerKind, Standing};
use tidegate_providers::local_model::UsedServer;
use tidegate_secrets::{Kept, SecretName, SecretReference, SecretStore, SecretText};
use tidegate_store::Store;
use tokio::time::timeout;

use crate::environment;
use crate::process_context::held;
use crate::server_owners::ProcessTable;

/// The store's flag that holds the providers.
const FLAG: &str = "models";
/// How long the list of a provider's models is believed.
const LIST_AGE: Duration = Duration::from_mins(10);
/// How long a list of models waits for the servers whose own lists are old.
const LIST_WAIT: Duration = Duration::from_secs(2);
/// The most characters of who runs a server: no more than the dialog is sent.
const MAX_OWNER: usize = 300;

/// What is stored. Keys are not: only where they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stored {
    providers: Vec<StoredProvider>,
    default: Option<String>,
    /// Servers found on this computer that the person took into use.
    used: Vec<StoredServer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredServer {
    /// The id of its program as a provider.
    provider: String,
    /// The user who ran it then.
    user: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredProvider {
    id: String,
    base_url: String,
    #[serde(default)]
    models: Vec<String>,
    /// Whether the models are those that its server listed: the list is renewed then.
    #[serde(default)]
    is_listed: bool,
    #[serde(default)]
    key: Option<StoredKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StoredKey {
    /// In the keyring.
    Keyring,
    /// A reference, as the person wrote it.
    Reference(String),
}

/// Why a model was not chosen.
#[derive(Debug, PartialEq)]
pub(crate) enum NotChosen {
    /// Its server was found on this computer, and no person took it into use yet.
    NotInUse(Box<FoundServer>),
    /// The sentence says why.
    Refused(String),
}

impl From<String> for NotChosen {
    fn from(sentence: String) -> Self {
        Self::Refused(sentence)
    }
}

/// A server that was found on this computer.
struct Found {
    /// What is kept when it is taken into use.
    server: StoredServer,
    /// What the person is shown of it.
    shown: FoundServer,
}

/// The models of this installation.
pub(crate) struct Models {
    pub(crate) directory: Arc<Directory>,
    store: Store,
    secrets: SecretStore,
    local: Vec<LocalAddress>,
    /// The default in the configuration file, as far as it counts.
    configured_default: Mutex<Option<ModelName>>,
    stored: tokio::sync::Mutex<Stored>,
    /// When each provider's list of models was asked for last.
    listed: Mutex<HashMap<String, Instant>>,
}

impl Models {
    /// Loads what is stored. The model that a person chose comes before the configuration file's.
    pub(crate) async fn load(
        store: Store,
        secrets: SecretStore,
        configured_default: Option<ModelName>,
        local: Vec<LocalAddress>,
    ) -> Self {
        let stored = match store.flag(FLAG).await {
            Ok(Some(text)) => serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::error!(%error, "the stored model providers cannot be read; add them again");
                Stored::default()
            }),
            Ok(None) => Stored::default(),
            Err(error) => {
                tracing::error!(%error, "the stored model providers cannot be read");
                Stored::default()
            }
        };
        let keys = Arc::new(Keys { secrets: secrets.clone() });
        let config = config(&stored, configured_default.as_ref(), &local);
        let directory = Arc::new(Directory::new(config, keys, Arc::new(ProcessTable)));
        Self {
            directory,
            store,
            secrets,
            local,
            configured_default: Mutex::new(configured_default),
            stored: tokio::sync::Mutex::new(stored),
            listed: Mutex::new(HashMap::new()),
        }
    }

    /// From now on the configuration file has this default.
    pub(crate) async fn set_configured_default(&self, name: Option<ModelName>) {
        let stored = self.stored.lock().await;
        *held(&self.configured_default) = name;
        self.reconfigure(&stored);
    }

    /// Adds or replaces a provider with the models that a person named, or any.
    pub(crate) async fn add(&self, new: AddProvider) -> Result<Option<String>, String> {
        self.keep(new, false).await
    }

    /// Adds or replaces a provider with the models that its server lists.
    pub(crate) async fn add_listed(&self, new: AddProvider) -> Result<Option<String>, String> {
        held(&self.listed).insert(new.id.clone(), Instant::now());
        self.keep(new, true).await
    }

    /// Asks the servers that list their models for these again, where the last answer is old. One that
    /// does not answer soon keeps those that it had.
    pub(crate) async fn renew_lists(&self) {
        let old: Vec<StoredProvider> = {
            let stored = self.stored.lock().await;
            let mut listed = held(&self.listed);
            let is_old = |provider: &&StoredProvider| {
                provider.is_listed && listed.get(&provider.id).is_none_or(|at| at.elapsed() >= LIST_AGE)
            };
            let old: Vec<StoredProvider> = stored.providers.iter().filter(is_old).cloned().collect();
            listed.extend(old.iter().map(|provider| (provider.id.clone(), Instant::now())));
            old
        };
        let asked = old.iter().map(|provider| timeout(LIST_WAIT, self.directory.served_by(&provider.id)));
        let served =
            join_all(asked).await.into_iter().map(|answer| answer.ok().flatten().unwrap_or_default());
        let renewed: Vec<(StoredProvider, Vec<String>)> = old
            .into_iter()
            .zip(served)
            .filter(|(provider, models)| !models.is_empty() && *models != provider.models)
            .collect();
        if renewed.is_empty() {
            return;
        }
        let kept = self.change(|stored| {
            for (provider, models) in renewed {
                let is_it = |known: &&mut StoredProvider| {
                    known.id == provider.id && known.base_url == provider.base_url && known.is_listed
                };
                if let Some(known) = stored.providers.iter_mut().find(is_it) {
                    known.models = models;
                }
            }
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "failed to store the renewed lists of models");
        }
    }

    /// The key is kept before the provider is used.
    async fn keep(&self, new: AddProvider, is_listed: bool) -> Result<Option<String>, String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if new.id.is_empty() || new.id.len() > 64 || !new.id.chars().all(is_name) || new.id == "offline" {
            let shown = text::one_line(&new.id, 64);
            return Err(format!(
                "{shown:?} is no provider name: use lower-case letters, digits, -, _ and . (not \"offline\")"
            ));
        }
        let base = BaseUrl::parse(&new.base_url).map_err(|error| error.to_string())?;
        let mut note = None;
        let key = match (new.key, new.key_ref) {
            (Some(_), Some(_)) => return Err("give a key or a reference to one, not both".to_owned()),
            (None, None) => None,
            (None, Some(reference)) => {
                let parsed: Result<SecretReference, _> = reference.parse();
                parsed.map_err(|error| error.to_string())?;
                Some(StoredKey::Reference(reference))
            }
            (Some(key), None) => {
                let key = key.into_inner();
                BoundKey::new(base.clone(), &key).map_err(|error| format!("the key: {error}"))?;
                let name = key_name(&new.id)?;
                // The base URL is stored with the key, so that it is never sent elsewhere.
                let bound = format!("{}\n{}", base_text(&base), key.trim());
                match self.secrets.write(&name, SecretText::new(bound)).await {
                    Ok(Kept::Keyring) => {}
                    Ok(Kept::ThisRunOnly(state)) => {
                        note = Some(format!(
                            "The key is kept in memory only and is gone after a restart. {} {}",
                            state.sentence(),
                            state.advice()
                        ));
                    }
                    Err(error) => return Err(error.to_string()),
                }
                Some(StoredKey::Keyring)
            }
        };
        let provider = StoredProvider {
            id: new.id.clone(),
            base_url: base_text(&base),
            models: new.models,
            is_listed,
            key,
        };
        self.change(|stored| {
            stored.providers.retain(|known| known.id != new.id);
            stored.providers.push(provider);
        })
        .await?;
        Ok(note)
    }

    /// Chooses the default model. One of a server that was found on this computer can be chosen once
    /// that is in use, as its present user runs it; the answer then says who runs it.
    pub(crate) async fn choose(&self, name: &ModelName) -> Result<Option<String>, NotChosen> {
        use tidegate_agent::model::ModelDirectory as _;
        if let Some(found) = self.found(name).await? {
            if !self.stored.lock().await.used.contains(&found.server) {
                return Err(NotChosen::NotInUse(Box::new(found.shown)));
            }
            let note = format!("{} is run by {}.", found.server.provider, found.shown.owner);
            self.change(|stored| stored.default = Some(name.to_string())).await?;
            return Ok(Some(note));
        }
        if self.directory.model(name).await.is_none() {
            let shown = text::one_line(&name.to_string(), 128);
            return Err(NotChosen::Refused(format!(
                "there is no model {shown:?}; `tidegate models list` shows them"
            )));
        }
        self.change(|stored| stored.default = Some(name.to_string())).await?;
        Ok(None)
    }

    /// The server of a model, where it was found on this computer, as a person is asked about it.
    pub(crate) async fn found_server(&self, name: &ModelName) -> Result<FoundServer, String> {
        self.found(name).await?.map(|found| found.shown).ok_or_else(|| nowhere_found(name))
    }

    /// Takes the server of a model into use and chooses the model, if the server is still run by `owner`,
    /// whom the person was shown. The answer says who runs it.
    pub(crate) async fn take(&self, name: &ModelName, owner: &str) -> Result<String, String> {
        let Some(Found { server, shown }) = self.found(name).await? else {
            return Err(nowhere_found(name));
        };
        if shown.owner != owner {
            return Err(format!("who runs it changed since it was shown; now it is {}", shown.owner));
        }
        let note = format!("{} is run by {owner}.", server.provider);
        self.change(|stored| {
            stored.default = Some(name.to_string());
            stored.used.retain(|known| known.provider != server.provider);
            stored.used.push(server);
        })
        .await?;
        tracing::info!(model = %name, %owner, "a model server on this computer was taken into use");
        Ok(note)
    }

    /// The server of a model that is looked for on this computer, as it is at this moment.
    async fn found(&self, name: &ModelName) -> Result<Option<Found>, String> {
        let Some((used, owner)) = self.directory.taken_into_use(name).await? else { return Ok(None) };
        let server = StoredServer { provider: used.kind.provider_id().to_owned(), user: used.user };
        let at = self.local.iter().find(|local| local.kind == used.kind);
        let user = match owner.standing {
            Standing::OwnUser => "your own account",
            Standing::SystemAccount => "a system account, as used by services",
            Standing::OtherUser | Standing::Tool | Standing::Unidentified => "not known",
        };
        let shown = FoundServer {
            model: name.to_string(),
            owner: text::one_line(&owner.words, MAX_OWNER),
            user: user.to_owned(),
            address: at.map(|at| at.address.to_string()).unwrap_or_default(),
        };
        Ok(Some(Found { server, shown }))
    }

    async fn change(&self, change: impl FnOnce(&mut Stored)) -> Result<(), String> {
        let mut stored = self.stored.lock().await;
        let mut changed = stored.clone();
        change(&mut changed);
        let text = serde_json::to_string(&changed).map_err(|error| error.to_string())?;
        self.store.set_flag(FLAG, Some(text)).await.map_err(|error| error.to_string())?;
        self.reconfigure(&changed);
        *stored = changed;
        Ok(())
    }

    fn reconfigure(&self, stored: &Stored) {
        let default = held(&self.configured_default).clone();
        self.directory.reconfigure(config(stored, default.as_ref(), &self.local));
    }
}

fn nowhere_found(name: &ModelName) -> String {
    let shown = text::one_line(&name.to_string(), 128);
    format!(
        "{shown:?} is not a model of a server that is looked for on this computer; `tidegate models use` \
         chooses any other"
    )
}

fn key_name(provider: &str) -> Result<SecretName, String> {
    format!("provider/{provider}").parse().map_err(|error: tidegate_secrets::InvalidName| error.to_string())
}

fn base_text(base: &BaseUrl) -> String {
    base.to_string()
}

fn config(stored: &Stored, configured_default: Option<&ModelName>, local: &[LocalAddress]) -> Config {
    let providers = stored.providers.iter().filter_map(|provider| {
        let base_url = match BaseUrl::parse(&provider.base_url) {
            Ok(base_url) => base_url,
            Err(error) => {
                tracing::error!(provider = %provider.id, %error, "a stored provider has no usable address");
                return None;
            }
        };
        let key = match &provider.key {
            None => None,
            Some(StoredKey::Keyring) => Some(KeySource::Stored { name: format!("provider/{}", provider.id) }),
            Some(StoredKey::Reference(reference)) => match reference.parse() {
                Ok(SecretReference::Environment(variable)) => Some(KeySource::Environment { variable }),
                Ok(SecretReference::File(path)) => Some(KeySource::File { path }),
                Err(_) => None,
            },
        };
        let models =
            provider.models.iter().map(|id| ModelConfig { id: id.clone(), context_window: None }).collect();
        Some(ProviderConfig { id: provider.id.clone(), base_url, models, key, key_over_http: false })
    });
    let chosen = stored.default.as_deref().and_then(ModelName::parse);
    Config {
        providers: providers.collect(),
        default: chosen.or_else(|| configured_default.cloned()),
        local: local.to_vec(),
        used: stored.used.iter().filter_map(used).collect(),
    }
}

fn used(server: &StoredServer) -> Option<UsedServer> {
    let kind = LocalServerKind::ALL.into_iter().find(|kind| kind.provider_id() == server.provider)?;
    Some(UsedServer { kind, user: server.user })
}

/// Reads keys where they are kept.
struct Keys {
    secrets: SecretStore,
}

impl Keys {
    async fn read(&self, source: &KeySource, base: &BaseUrl) -> Result<BoundKey, KeyError> {
        let unreadable = |reason: String| KeyError::Unreadable { source_name: source.to_string(), reason };
        let reference = match source {
            KeySource::Stored { name } => {
                let name: SecretName = name
                    .parse()
                    .map_err(|error: tidegate_secrets::InvalidName| unreadable(error.to_string()))?;
                let found = self.secrets.read(&name).await.map_err(|error| unreadable(error.to_string()))?;
                let found = found.ok_or_else(|| KeyError::Missing { source_name: source.to_string() })?;
                let (bound_to, key) = found.expose().split_once('\n').ok_or(KeyError::Malformed)?;
                let bound_to = BaseUrl::parse(bound_to).map_err(|error| unreadable(error.to_string()))?;
                return BoundKey::new(bound_to, key);
            }
            KeySource::Environment { variable } => SecretReference::Environment(variable.clone()),
            KeySource::File { path } => SecretReference::File(path.clone()),
        };
        let found =
            reference.resolve(environment::lookup).await.map_err(|error| unreadable(error.to_string()))?;
        BoundKey::new(base.clone(), found.expose())
    }
}

impl KeyStore for Keys {
    fn resolve<'a>(
        &'a self,
        source: &'a KeySource,
        base: &'a BaseUrl,
    ) -> BoxFuture<'a, Result<BoundKey, KeyError>> {
        Box::pin(self.read(source, base))
    }
}

#[cfg(test)]
mod tests;
