use tidegate_testkit::model_server::{Answer, Script, ScriptedModel};

use super::*;

async fn server() -> ScriptedModel {
    let script =
        Script { models: vec!["q".to_owned(), "r".to_owned()], ..Script::always(Answer::text("ready")) };
    ScriptedModel::start(script).await.expect("a server")
}

async fn models(server: &ScriptedModel, configured: Option<&str>) -> Models {
    let store = Store::in_memory().expect("a store");
    let local = vec![LocalAddress { kind: LocalServerKind::Ollama, address: server.address() }];
    Models::load(store, SecretStore::memory(), configured.and_then(ModelName::parse), local).await
}

fn name(text: &str) -> ModelName {
    ModelName::parse(text).expect("a name")
}

async fn default_of(models: &Models) -> String {
    use tidegate_agent::model::ModelDirectory as _;
    models.directory.default_model().await.name().to_string()
}

#[tokio::test]
async fn a_found_server_is_chosen_only_once_it_was_taken_into_use() {
    let server = server().await;
    let models = models(&server, None).await;

    let Err(NotChosen::NotInUse(found)) = models.choose(&name("ollama/q")).await else { panic!("chosen") };
    assert_eq!(default_of(&models).await, "offline/demo", "nothing changed");
    assert!(server.requests().iter().all(|request| request.path == "/v1/models"));
    assert_eq!((found.model.as_str(), found.user.as_str()), ("ollama/q", "your own account"));
    assert_eq!(found.address, server.address().to_string());
    assert!(found.owner.contains(&format!("process {}", std::process::id())), "{}", found.owner);

    let note = models.take(&name("ollama/q"), &found.owner).await.expect("taken");
    assert_eq!(note, format!("ollama is run by {}.", found.owner));
    assert_eq!(default_of(&models).await, "ollama/q");
    models.choose(&name("ollama/r")).await.expect("its other models can be chosen now");
    assert_eq!(default_of(&models).await, "ollama/r");
}

#[tokio::test]
async fn a_server_that_another_program_runs_by_now_is_not_taken() {
    let server = server().await;
    let models = models(&server, None).await;
    let found = models.found_server(&name("ollama/q")).await.expect("found");

    let refused = models.take(&name("ollama/q"), "/usr/bin/ollama (process 1, user 0)").await;

    assert!(refused.is_err_and(|reason| reason.contains(&found.owner)), "it says who runs it now");
    assert_eq!(default_of(&models).await, "offline/demo");
    assert!(models.take(&name("offline/demo"), &found.owner).await.is_err(), "it is no server");
}

#[tokio::test]
async fn the_chosen_model_comes_before_the_configured_one() {
    let server = server().await;
    let models = models(&server, Some("offline/demo")).await;
    let found = models.found_server(&name("ollama/q")).await.expect("found");
    assert_eq!(default_of(&models).await, "offline/demo", "nothing was chosen yet");

    models.take(&name("ollama/q"), &found.owner).await.expect("taken");

    assert_eq!(default_of(&models).await, "ollama/q");
    models.set_configured_default(Some(name("ollama/r"))).await;
    assert_eq!(default_of(&models).await, "ollama/q", "a later default of the file does not replace it");
}

#[tokio::test]
async fn a_provider_has_the_models_that_its_server_lists_by_now() {
    use tidegate_agent::model::ModelDirectory as _;

    let server = server().await;
    let models =
        Models::load(Store::in_memory().expect("a store"), SecretStore::memory(), None, Vec::new()).await;
    let added = |id: &str| AddProvider {
        id: id.to_owned(),
        base_url: format!("http://{}/v1", server.address()),
        models: vec!["q".to_owned()],
        key: None,
        key_ref: None,
    };
    models.add_listed(added("lab")).await.expect("added");
    models.add(added("named")).await.expect("added");
    let listed = async || {
        let entries = models.directory.list().await;
        entries.into_iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>()
    };

    models.renew_lists().await;
    assert_eq!(listed().await, ["lab/q", "named/q", "offline/demo"], "it was asked just now");
    held(&models.listed).clear();
    models.renew_lists().await;

    assert_eq!(listed().await, ["lab/q", "lab/r", "named/q", "offline/demo"], "what a person named stays");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_keeps_its_models() {
    use tidegate_agent::model::ModelDirectory as _;

    let models =
        Models::load(Store::in_memory().expect("a store"), SecretStore::memory(), None, Vec::new()).await;
    let gone = AddProvider {
        id: "gone".to_owned(),
        base_url: "http://127.0.0.1:9/v1".to_owned(),
        models: vec!["q".to_owned()],
        key: None,
        key_ref: None,
    };
    models.add_listed(gone).await.expect("added");
    held(&models.listed).clear();

    models.renew_lists().await;

    assert_eq!(models.directory.list().await[0].name, name("gone/q"));
}
