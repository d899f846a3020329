//! Which models there are: configured ones, those of servers on this computer, the offline model.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tidegate_agent::message::Message;
use tidegate_agent::model::{
    Model, ModelDirectory, ModelEntry, ModelError, ModelName, ModelRequest, ModelStream, StreamEvent,
};
use tidegate_protocol::text::one_line;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::base_url::BaseUrl;
use crate::http::{Endpoint, Http};
use crate::key::{KeyError, KeySource, KeyStore};
use crate::local::{LocalAddress, LocalServer, ServerOwner, ServerOwners, detect};
use crate::local_model::{FoundServer, LocalModel, UsedServer, usable_owner};
use crate::model_list::model_list;
use crate::offline::OfflineModel;
use crate::openai::ask;

/// How long a list of local servers is believed.
pub const DETECTION_AGE: Duration = Duration::from_secs(30);
/// The longest time that looking for local servers holds up a run.
pub const DETECTION_WAIT: Duration = Duration::from_millis(500);
/// The question of [`Directory::test`].
const TEST_QUESTION: &str = "Answer with the single word: ready";
/// The most characters of an answer in a [`TestReport`].
const TEST_CHARACTERS: usize = 200;

/// What a person configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The providers, in order. Of several with one id the first counts.
    pub providers: Vec<ProviderConfig>,
    /// The model that is used when nobody chooses.
    pub default: Option<ModelName>,
    /// Where servers on this computer are looked for; empty to look nowhere.
    pub local: Vec<LocalAddress>,
    /// Those that a person took into use. Others are found and shown, and never asked anything but
    /// their list of models.
    pub used: Vec<UsedServer>,
}

/// One OpenAI-compatible provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its id, the part of a model's name before the first `/`. `offline` is taken.
    pub id: String,
    pub base_url: BaseUrl,
    /// Its models. When empty, every model name is tried.
    pub models: Vec<ModelConfig>,
    /// Where its key is; none when it needs none.
    pub key: Option<KeySource>,
    /// Whether the key may cross the network unencrypted.
    pub key_over_http: bool,
}

/// One model of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// The provider's id for it.
    pub id: String,
    /// How many tokens it can read, when known.
    pub context_window: Option<u32>,
}

/// What a test question found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    pub name: ModelName,
    /// From asking to the first piece of the answer.
    pub first_piece: Duration,
    /// From asking to the end of the answer.
    pub total: Duration,
    /// The start of its answer, cleaned.
    pub text: String,
}

/// The models of this installation. Models that were handed out keep the configuration of that
/// moment.
pub struct Directory {
    keys: Arc<dyn KeyStore>,
    owners: Arc<dyn ServerOwners>,
    http: Http,
    config: RwLock<Arc<Config>>,
    detected: Mutex<Option<Detected>>,
}

/// What was found, at which addresses, when.
struct Detected {
    addresses: Vec<LocalAddress>,
    at: Instant,
    servers: Arc<Vec<LocalServer>>,
}

impl Directory {
    /// A directory of `config`. Nothing is asked or read before a model is.
    #[must_use]
    pub fn new(config: Config, keys: Arc<dyn KeyStore>, owners: Arc<dyn ServerOwners>) -> Self {
        let config = RwLock::new(Arc::new(config));
        Self { keys, owners, http: Http::default(), config, detected: Mutex::new(None) }
    }

    /// Replaces the configuration, for models that are chosen from now on.
    pub fn reconfigure(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// The servers found on this computer, at most [`DETECTION_AGE`] old.
    pub async fn local_servers(&self) -> Arc<Vec<LocalServer>> {
        let config = self.config();
        // One looks, the others wait for what it finds.
        let mut detected = self.detected.lock().await;
        if let Some(found) = &*detected
            && found.addresses == config.local
            && found.at.elapsed() < DETECTION_AGE
        {
            return Arc::clone(&found.servers);
        }
        let servers = Arc::new(detect(&self.http, &config.local, &self.owners).await);
        let addresses = config.local.clone();
        *detected = Some(Detected { addresses, at: Instant::now(), servers: Arc::clone(&servers) });
        servers
    }

    /// The servers found on this computer that no configured provider stands for, and whether they are
    /// in use.
    pub async fn found(&self) -> Vec<FoundServer> {
        let config = self.config();
        let servers = self.local_servers_soon().await;
        let is_free = |server: &&LocalServer| !config.has_provider(server.kind.provider_id());
        let found =
            |server: &LocalServer| FoundServer { is_in_use: config.uses(server), server: server.clone() };
        servers.iter().filter(is_free).map(found).collect()
    }

    /// What has to be kept when a person takes the server of a model into use; `None` when the model
    /// is not one of a server that is looked for on this computer.
    ///
    /// # Errors
    /// With a sentence, when no such server runs, when it must not be used, or does not have the model.
    pub async fn taken_into_use(
        &self,
        name: &ModelName,
    ) -> Result<Option<(UsedServer, ServerOwner)>, String> {
        let config = self.config();
        let is_it = |local: &&LocalAddress| local.kind.provider_id() == name.provider;
        let Some(at) = config.local.iter().find(is_it).filter(|_| !config.has_provider(&name.provider))
        else {
            return Ok(None);
        };
        let provider = &name.provider;
        let Some(owner) = usable_owner(&self.owners, provider, at.address.port()).await? else {
            return Err(format!("nothing listens on {}; start {provider}, then try again", at.address));
        };
        let found = detect(&self.http, &[*at], &self.owners).await.into_iter().next();
        let Some(server) = found else {
            return Err(format!("{owner} listens on {} and does not answer like {provider}", at.address));
        };
        if !server.models.contains(&name.model) {
            let shown = one_line(&name.model, 128);
            return Err(format!(
                "{provider} has no model {shown:?}; `tidegate models list` shows what it has"
            ));
        }
        Ok(Some((UsedServer { kind: server.kind, user: server.owner.user }, server.owner)))
    }

    /// Asks a model one tiny question.
    ///
    /// # Errors
    /// What the model answers; [`ModelError::UnknownModel`] when there is none of that name.
    pub async fn test(&self, name: &ModelName) -> Result<TestReport, ModelError> {
        let model =
            self.model(name).await.ok_or_else(|| ModelError::UnknownModel { model: name.to_string() })?;
        let messages = vec![Message::User(TEST_QUESTION.to_owned())];
        let begun = Instant::now();
        let mut stream = model.stream(ModelRequest { messages, tools: Vec::new() }).await?;
        let mut first_piece = None;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            let event = event?;
            first_piece.get_or_insert_with(|| begun.elapsed());
            if let StreamEvent::Text(more) = event
                && text.len() < 4 * TEST_CHARACTERS
            {
                text.push_str(&more);
            }
        }
        let total = begun.elapsed();
        let text = one_line(text.trim(), TEST_CHARACTERS);
        Ok(TestReport { name: model.name(), first_piece: first_piece.unwrap_or(total), total, text })
    }

    /// The models that a configured provider serves now, asked from its server; `None` where there is no
    /// such provider, its key cannot be had, or its server gives no list.
    pub async fn served_by(&self, provider: &str) -> Option<Vec<String>> {
        let config = self.config();
        let provider = config.providers.iter().find(|known| known.id == provider)?;
        let endpoint = endpoint(provider, &*self.keys).await.ok()?;
        model_list(&self.http, &endpoint).await.ok()
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn local_servers_soon(&self) -> Arc<Vec<LocalServer>> {
        timeout(DETECTION_WAIT, self.local_servers()).await.unwrap_or_default()
    }

    fn configured(&self, provider: &ProviderConfig, model: &ModelConfig) -> Arc<dyn Model> {
        Arc::new(ConfiguredModel {
            name: ModelName { provider: provider.id.clone(), model: model.id.clone() },
            context_window: model.context_window,
            provider: provider.clone(),
            keys: Arc::clone(&self.keys),
            http: self.http.clone(),
        })
    }

    /// The model that is used when nobody chooses, by name.
    async fn default_name(&self, config: &Config) -> ModelName {
        if let Some(name) = &config.default {
            return name.clone();
        }
        let configured = config
            .providers
            .iter()
            .find_map(|provider| Some((provider.id.as_str(), provider.models.first()?.id.as_str())));
        if let Some((provider, model)) = configured {
            return ModelName { provider: provider.to_owned(), model: model.to_owned() };
        }
        if config.used.is_empty() {
            return OfflineModel::model_name();
        }
        let local = self.local_servers_soon().await;
        let in_use = local.iter().filter(|server| config.uses(server)).find_map(|server| {
            let model = server.chat_models().next()?.to_owned();
            Some(ModelName { provider: server.kind.provider_id().to_owned(), model })
        });
        in_use.unwrap_or_else(OfflineModel::model_name)
    }

    async fn find(&self, config: &Config, name: &ModelName) -> Option<Arc<dyn Model>> {
        if *name == OfflineModel::model_name() {
            return Some(Arc::new(OfflineModel));
        }
        if let Some(provider) = config.providers.iter().find(|provider| provider.id == name.provider) {
            let unlisted = || {
                provider
                    .models
                    .is_empty()
                    .then(|| ModelConfig { id: name.model.clone(), context_window: None })
            };
            let model =
                provider.models.iter().find(|model| model.id == name.model).cloned().or_else(unlisted)?;
            return Some(self.configured(provider, &model));
        }
        let at = *config.local.iter().find(|local| local.kind.provider_id() == name.provider)?;
        let servers = self.local_servers_soon().await;
        // One that is not running says so when it is asked, and works once it runs.
        if servers.iter().any(|server| server.kind == at.kind && !server.models.contains(&name.model)) {
            return None;
        }
        let user = config.used.iter().find(|used| used.kind == at.kind).map(|used| used.user);
        Some(Arc::new(LocalModel {
            name: name.clone(),
            endpoint: Endpoint::open(BaseUrl::of_local_server(at.address)?),
            http: self.http.clone(),
            port: at.address.port(),
            user,
            owners: Arc::clone(&self.owners),
        }))
    }
}

impl Config {
    fn has_provider(&self, id: &str) -> bool {
        self.providers.iter().any(|provider| provider.id == id)
    }

    fn uses(&self, server: &LocalServer) -> bool {
        self.used.contains(&UsedServer { kind: server.kind, user: server.owner.user })
    }
}

impl ModelDirectory for Directory {
    /// The chosen model; else the first configured one; else the first of a server on this computer
    /// that was taken into use; else the offline model. A chosen one that does not exist is never replaced by another:
    /// asking it is an error.
    fn default_model(&self) -> BoxFuture<'_, Arc<dyn Model>> {
        Box::pin(async move {
            let config = self.config();
            let name = self.default_name(&config).await;
            match self.find(&config, &name).await {
                Some(model) => model,
                None => Arc::new(MissingModel(name)),
            }
        })
    }

    fn model(&self, name: &ModelName) -> BoxFuture<'_, Option<Arc<dyn Model>>> {
        let name = name.clone();
        Box::pin(async move { self.find(&self.config(), &name).await })
    }

    fn list(&self) -> BoxFuture<'_, Vec<ModelEntry>> {
        Box::pin(async move {
            let config = self.config();
            let default = self.default_name(&config).await;
            let servers = self.local_servers_soon().await;
            let in_use: Vec<_> = servers.iter().filter(|server| config.uses(server)).collect();
            entries(&config, &in_use, &default)
        })
    }
}

fn entries(config: &Config, servers: &[&LocalServer], default: &ModelName) -> Vec<ModelEntry> {
    let name =
        |provider: &str, model: &str| ModelName { provider: provider.to_owned(), model: model.to_owned() };
    let offline = OfflineModel::model_name();
    let mut models = Vec::new();
    for provider in &config.providers {
        models.extend(
            provider.models.iter().map(|model| (name(&provider.id, &model.id), model.context_window)),
        );
    }
    for server in servers {
        let id = server.kind.provider_id();
        if !config.has_provider(id) {
            models.extend(server.chat_models().map(|model| (name(id, model), None)));
        }
    }
    models.push((offline.clone(), None));
    let entry = |(name, context_window)| ModelEntry {
        is_default: name == *default,
        is_offline: name == offline,
        name,
        context_window,
    };
    models.into_iter().map(entry).collect()
}

/// A model of a provider whose key is read when it is asked.
struct ConfiguredModel {
    name: ModelName,
    context_window: Option<u32>,
    provider: ProviderConfig,
    keys: Arc<dyn KeyStore>,
    http: Http,
}

/// The provider's server, with its key.
async fn endpoint(provider: &ProviderConfig, keys: &dyn KeyStore) -> Result<Endpoint, KeyError> {
    let base = &provider.base_url;
    let Some(source) = &provider.key else { return Ok(Endpoint::open(base.clone())) };
    let key = keys.resolve(source, base).await?;
    if key.base() != base {
        return Err(KeyError::BoundElsewhere { stored_for: key.base().to_string() });
    }
    Endpoint::keyed(key, provider.key_over_http)
}

impl Model for ConfiguredModel {
    fn name(&self) -> ModelName {
        self.name.clone()
    }

    fn context_window(&self) -> Option<u32> {
        self.context_window
    }

    fn is_local(&self) -> bool {
        self.provider.base_url.is_nearby()
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let endpoint = endpoint(&self.provider, &*self.keys).await.map_err(|error| {
                ModelError::NoKey { address: self.provider.base_url.address(), reason: error.to_string() }
            })?;
            ask(&self.http, &endpoint, &self.name.model, &request).await
        })
    }
}

/// A model that was chosen and does not exist.
struct MissingModel(ModelName);

impl Model for MissingModel {
    fn name(&self) -> ModelName {
        self.0.clone()
    }

    fn stream(&self, _: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(std::future::ready(Err(ModelError::UnknownModel { model: self.0.to_string() })))
    }
}
