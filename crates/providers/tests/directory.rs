//! Which model is used.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tidegate_agent::message::Message;
use tidegate_agent::model::{Model, ModelDirectory, ModelError, ModelName, ModelRequest};
use tidegate_providers::base_url::BaseUrl;
use tidegate_providers::directory::{
    Config, DETECTION_AGE, DETECTION_WAIT, Directory, ModelConfig, ProviderConfig,
};
use tidegate_providers::key::{BoundKey, KeyError, KeySource, KeyStore};
use tidegate_providers::local::{LocalAddress, LocalServerKind, Owner, ServerOwner, ServerOwners, Standing};
use tidegate_providers::local_model::UsedServer;
use tidegate_testkit::model_server::{Answer, Script, ScriptedModel};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Keys by name, each stored for a base URL.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, (BaseUrl, String)>>);

impl Keys {
    fn with(name: &str, base: &str, secret: &str) -> Arc<Self> {
        let entry = (name.to_owned(), (BaseUrl::parse(base).unwrap(), secret.to_owned()));
        Arc::new(Self(Mutex::new(HashMap::from([entry]))))
    }
}

impl KeyStore for Keys {
    fn resolve<'a>(
        &'a self,
        source: &'a KeySource,
        _: &'a BaseUrl,
    ) -> BoxFuture<'a, Result<BoundKey, KeyError>> {
        let KeySource::Stored { name } = source else { panic!("{source}") };
        let found = self.0.lock().unwrap().get(name).cloned();
        Box::pin(async move {
            let (base, secret) =
                found.ok_or_else(|| KeyError::Missing { source_name: source.to_string() })?;
            BoundKey::new(base, &secret)
        })
    }
}

fn no_keys() -> Arc<Keys> {
    Arc::default()
}

/// Says of every port who listens there.
struct Owners(Mutex<Owner>);

impl Owners {
    fn are(user: u32, standing: Standing) -> Arc<Self> {
        let words = format!("/usr/bin/server (process 812, user {user})");
        Arc::new(Self(Mutex::new(Owner::Is(ServerOwner { user, words, standing }))))
    }

    fn change(&self, user: u32, standing: Standing) {
        let owner = Self::are(user, standing).0.lock().unwrap().clone();
        *self.0.lock().unwrap() = owner;
    }
}

impl ServerOwners for Owners {
    fn owner(&self, _: u16) -> Owner {
        self.0.lock().unwrap().clone()
    }
}

fn anyone() -> Arc<Owners> {
    Owners::are(1000, Standing::OwnUser)
}

fn ollama_of(user: u32) -> Vec<UsedServer> {
    vec![UsedServer { kind: LocalServerKind::Ollama, user }]
}

async fn answer(model: Arc<dyn Model>) -> Result<(), ModelError> {
    let messages = vec![Message::User("hi".to_owned())];
    model.stream(ModelRequest { messages, tools: Vec::new() }).await.map(|_| ())
}

fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

fn provider(id: &str, base: &str, models: &[&str]) -> ProviderConfig {
    ProviderConfig {
        id: id.to_owned(),
        base_url: BaseUrl::parse(base).unwrap(),
        models: models
            .iter()
            .map(|&id| ModelConfig { id: id.to_owned(), context_window: Some(1_000) })
            .collect(),
        key: None,
        key_over_http: false,
    }
}

fn keyed(base: &str) -> ProviderConfig {
    ProviderConfig { key: Some(KeySource::Stored { name: "k".to_owned() }), ..provider("p", base, &["m"]) }
}

fn ollama(address: SocketAddr) -> Vec<LocalAddress> {
    vec![LocalAddress { kind: LocalServerKind::Ollama, address }]
}

async fn server(models: &[&str]) -> ScriptedModel {
    let models = models.iter().map(|&id| id.to_owned()).collect();
    ScriptedModel::start(Script { models, ..Script::always(Answer::text("ready")) }).await.unwrap()
}

async fn default_of(config: Config) -> String {
    Directory::new(config, no_keys(), anyone()).default_model().await.name().to_string()
}

#[tokio::test]
async fn without_anything_the_offline_model_answers() {
    let directory = Directory::new(Config::default(), no_keys(), anyone());
    let entries = directory.list().await;
    assert_eq!(directory.default_model().await.name(), name("offline/demo"));
    assert_eq!(entries.len(), 1);
    assert!(entries[0].is_default && entries[0].is_offline);
}

#[tokio::test]
async fn the_default_is_the_chosen_model_else_a_configured_one_else_a_local_one() {
    let running = server(&["nomic-embed-text", "qwen3:8b"]).await;
    let providers = vec![provider("p", "https://a.example/v1", &["m", "n"])];
    let local = ollama(running.address());
    let everything = Config { providers, default: Some(name("p/n")), local, used: ollama_of(1000) };
    assert_eq!(default_of(everything.clone()).await, "p/n");
    assert_eq!(default_of(Config { default: None, ..everything.clone() }).await, "p/m");
    let without_provider = Config { default: None, providers: vec![], ..everything };
    assert_eq!(default_of(without_provider.clone()).await, "ollama/qwen3:8b");
    assert_eq!(default_of(Config { used: vec![], ..without_provider }).await, "offline/demo");
}

#[tokio::test]
async fn a_found_server_hears_nothing_before_it_is_taken_into_use() {
    let running = server(&["qwen3:8b"]).await;
    let config = Config { local: ollama(running.address()), ..Config::default() };
    let directory = Directory::new(config.clone(), no_keys(), anyone());
    assert_eq!(directory.list().await.len(), 1, "the offline model alone");
    let found = directory.found().await;
    assert_eq!((found.len(), found[0].is_in_use), (1, false));

    let error = answer(directory.model(&name("ollama/qwen3:8b")).await.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("`tidegate models use ollama/qwen3:8b`"), "{error}");
    assert!(running.requests().iter().all(|request| request.path == "/v1/models"));

    let (used, owner) = directory.taken_into_use(&name("ollama/qwen3:8b")).await.unwrap().unwrap();
    assert_eq!((used, owner.user), (ollama_of(1000)[0], 1000));
    directory.reconfigure(Config { used: vec![used], ..config });
    answer(directory.default_model().await).await.unwrap();
    assert!(directory.found().await[0].is_in_use);
    assert_eq!(running.requests().last().unwrap().path, "/v1/chat/completions");
}

#[tokio::test]
async fn programs_of_others_and_of_agents_are_never_asked() {
    for standing in [Standing::OtherUser, Standing::Tool, Standing::Unidentified] {
        let running = server(&["qwen3:8b"]).await;
        let config = Config { local: ollama(running.address()), used: ollama_of(1001), ..Config::default() };
        let directory = Directory::new(config, no_keys(), Owners::are(1001, standing));
        assert_eq!(directory.default_model().await.name(), name("offline/demo"), "{standing:?}");
        assert_eq!(directory.found().await, []);
        let error = answer(directory.model(&name("ollama/qwen3:8b")).await.unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("/usr/bin/server (process 812, user 1001)"), "{error}");
        let refused = directory.taken_into_use(&name("ollama/qwen3:8b")).await.unwrap_err();
        assert!(refused.contains("`tidegate models add`"), "{refused}");
        assert_eq!(running.requests(), [], "{standing:?}");
    }
}

#[tokio::test]
async fn a_port_that_changed_hands_hears_no_question() {
    let running = server(&["qwen3:8b"]).await;
    let config = Config { local: ollama(running.address()), used: ollama_of(998), ..Config::default() };
    let owners = Owners::are(998, Standing::SystemAccount);
    let directory = Directory::new(config, no_keys(), owners.clone());
    let model = directory.default_model().await;
    answer(model.clone()).await.unwrap();
    let asked = running.requests().len();
    for (user, standing) in [(13, Standing::SystemAccount), (1000, Standing::OwnUser), (998, Standing::Tool)]
    {
        owners.change(user, standing);
        let error = answer(model.clone()).await.unwrap_err();
        assert!(matches!(&error, ModelError::NotInUse { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("process 812, user {user}")), "{error}");
    }
    assert_eq!(running.requests().len(), asked);
}

#[tokio::test]
async fn where_the_system_does_not_tell_who_listens_nobody_is_asked() {
    let running = server(&["qwen3:8b"]).await;
    let config = Config { local: ollama(running.address()), used: ollama_of(1000), ..Config::default() };
    let owners = anyone();
    let directory = Directory::new(config, no_keys(), owners.clone());
    let model = directory.model(&name("ollama/qwen3:8b")).await.unwrap();
    answer(model.clone()).await.unwrap();
    let asked = running.requests().len();

    *owners.0.lock().unwrap() = Owner::Unknown;

    let error = answer(model).await.unwrap_err();
    assert!(matches!(&error, ModelError::NotInUse { .. }), "{error:?}");
    let port = running.address().port().to_string();
    for text in [error.to_string(), directory.taken_into_use(&name("ollama/qwen3:8b")).await.unwrap_err()] {
        assert!(text.contains("the system does not tell") && text.contains(&port), "{text}");
    }
    assert_eq!(running.requests().len(), asked);
}

#[tokio::test]
async fn a_chosen_model_that_does_not_exist_is_not_replaced_by_another() {
    let config = Config {
        default: Some(name("p/gone")),
        providers: vec![provider("p", "https://a.example/", &["m"])],
        ..Config::default()
    };
    let model = Directory::new(config, no_keys(), anyone()).default_model().await;
    let request = ModelRequest { messages: vec![], tools: vec![] };
    let error = model.stream(request).await.err();
    assert_eq!(error, Some(ModelError::UnknownModel { model: "p/gone".to_owned() }));
}

#[tokio::test]
async fn the_list_marks_the_default_and_hides_what_cannot_talk() {
    let running = server(&["nomic-embed-text", "qwen3:8b"]).await;
    let config = Config {
        providers: vec![provider("p", "https://a.example/v1", &["vendor/m"])],
        default: Some(name("ollama/qwen3:8b")),
        local: ollama(running.address()),
        used: ollama_of(1000),
    };
    let entries = Directory::new(config, no_keys(), anyone()).list().await;
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.to_string(), entry.is_default, entry.context_window))
        .collect();
    let expected =
        [("p/vendor/m", false, Some(1_000)), ("ollama/qwen3:8b", true, None), ("offline/demo", false, None)];
    assert_eq!(entries, expected.map(|(name, is_default, window)| (name.to_owned(), is_default, window)));
}

#[tokio::test]
async fn models_are_found_by_name() {
    let running = server(&["qwen3:8b"]).await;
    let free = provider("any", "https://b.example/v1", &[]);
    let config = Config {
        providers: vec![provider("p", "https://a.example/v1", &["vendor/m"]), free],
        default: None,
        local: ollama(running.address()),
        used: ollama_of(1000),
    };
    let directory = Directory::new(config, no_keys(), anyone());
    for (text, exists) in [
        ("p/vendor/m", true),
        ("p/other", false),
        ("any/thing", true),
        ("ollama/qwen3:8b", true),
        ("ollama/other", false),
        ("lmstudio/x", false),
        ("offline/demo", true),
    ] {
        assert_eq!(directory.model(&name(text)).await.is_some(), exists, "{text}");
    }
}

#[tokio::test]
async fn a_local_server_that_is_not_running_says_so_when_asked() {
    let local = ollama((Ipv4Addr::LOCALHOST, 1).into());
    let config = Config { local, used: ollama_of(1000), ..Config::default() };
    let error = Directory::new(config, no_keys(), anyone()).test(&name("ollama/qwen3:8b")).await.unwrap_err();
    assert!(matches!(error, ModelError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_key_goes_to_its_own_server() {
    let running = server(&[]).await;
    let config = Config { providers: vec![keyed(&running.base_url())], ..Config::default() };
    let directory = Directory::new(config, Keys::with("k", &running.base_url(), "sk-1"), anyone());
    let report = directory.test(&name("p/m")).await.unwrap();
    assert_eq!((report.text.as_str(), report.name), ("ready", name("p/m")));
    assert!(report.first_piece <= report.total);
    assert_eq!(running.requests()[0].authorization.as_deref(), Some("Bearer sk-1"));
}

#[tokio::test]
async fn a_key_stored_for_another_server_is_sent_nowhere() {
    let (own, other) = (server(&[]).await, server(&[]).await);
    let config = Config { providers: vec![keyed(&other.base_url())], ..Config::default() };
    let directory = Directory::new(config, Keys::with("k", &own.base_url(), "sk-1"), anyone());
    let error = directory.test(&name("p/m")).await.unwrap_err();
    let ModelError::NoKey { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains(&own.base_url()), "{reason}");
    assert_eq!((own.requests(), other.requests()), (vec![], vec![]));
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_sent() {
    let running = server(&[]).await;
    let config = Config { providers: vec![keyed(&running.base_url())], ..Config::default() };
    let error = Directory::new(config, no_keys(), anyone()).test(&name("p/m")).await.unwrap_err();
    assert!(error.to_string().contains("the stored key \"k\" does not exist"), "{error}");
    assert_eq!(running.requests(), []);
}

#[tokio::test]
async fn a_new_configuration_counts_from_the_next_choice_on() {
    let directory = Directory::new(Config::default(), no_keys(), anyone());
    directory.reconfigure(Config {
        providers: vec![provider("p", "https://a.example/v1", &["m"])],
        default: Some(name("p/m")),
        ..Config::default()
    });
    assert_eq!(directory.default_model().await.name(), name("p/m"));
    directory.reconfigure(Config::default());
    assert_eq!(directory.default_model().await.name(), name("offline/demo"));
}

#[tokio::test]
async fn local_servers_are_looked_for_again_after_a_while() {
    let running = server(&["m"]).await;
    let directory =
        Directory::new(Config { local: ollama(running.address()), ..Config::default() }, no_keys(), anyone());
    for (wait, lookups) in [(0, 1), (1, 1), (DETECTION_AGE.as_secs(), 2)] {
        // The clock is a real one while a server is asked: a paused one runs ahead of what is on its way.
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(wait)).await;
        tokio::time::resume();
        directory.local_servers().await;
        assert_eq!(running.requests().len(), lookups, "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn looking_for_silent_servers_holds_nobody_up_for_long() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let local = ollama(silent.local_addr().unwrap());
    let config = Config { local, used: ollama_of(1000), ..Config::default() };
    let directory = Arc::new(Directory::new(config, no_keys(), anyone()));
    let begun = Instant::now();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move { directory.default_model().await.name() })
        })
        .collect();
    for task in waiting {
        assert_eq!(task.await.unwrap(), name("offline/demo"));
    }
    assert!(begun.elapsed() <= DETECTION_WAIT + std::time::Duration::from_millis(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_offline_model_can_be_tested_and_talked_to() {
    let directory = Directory::new(Config::default(), no_keys(), anyone());
    let report = directory.test(&name("offline/demo")).await.unwrap();
    assert!(report.text.starts_with("Offline demo: "), "{}", report.text);
    let request = ModelRequest { messages: vec![Message::User("hi".to_owned())], tools: vec![] };
    let mut stream = directory.default_model().await.stream(request).await.unwrap();
    assert!(stream.next().await.is_some_and(|event| event.is_ok()));
}
