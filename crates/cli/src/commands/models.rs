//! `models`.

use serde_json::Value;
use tidegate_protocol::params::ModelsList;
use tidegate_protocol::payload::agents::{ModelListEntry, ModelsListResult};
use tidegate_protocol::payload::surface_params::{AddProvider, ModelChoice, SecretParam, TakeServer};
use tidegate_protocol::payload::surfaces::FoundServer;
use tidegate_protocol::rpc;
use tidegate_protocol::text::one_line;

use super::Context;
use crate::arguments::{AddModelArguments, ModelsCommand};
use crate::client::Wire;
use crate::failure::{Failure, ServerError};
use crate::layout::{Fields, Table};

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &ModelsCommand,
) -> Result<(), Failure> {
    match command {
        ModelsCommand::List => {
            let params = ModelsList::default();
            context.ask_and_show::<rpc::ModelsList>(&params, |models, _| render(models)).await
        }
        ModelsCommand::Add(arguments) => add(context, arguments).await,
        ModelsCommand::Test { model } => test(context, model.as_deref()).await,
        ModelsCommand::Use { model, yes } => use_model(context, model, *yes).await,
    }
}

/// Chooses the model. Where its server was only found on this computer, the person is shown who runs it,
/// and asked.
async fn use_model<W: Wire>(context: &mut Context<'_, W>, model: &str, yes: bool) -> Result<(), Failure> {
    let done = format!("{model} answers from now on, where a session did not choose another.");
    let choice = ModelChoice { model: Some(model.to_owned()) };
    let error = match context.client.ask::<rpc::TidegateModelsUse>(&choice).await {
        Err(Failure::Answered(error)) => error,
        answer => {
            let answer = answer?;
            return context.done(&answer, &done, answer.note.as_deref());
        }
    };
    let Some(server) = server_not_in_use(&error) else { return Err(Failure::Answered(error)) };
    let has_desktop = context.client.greeting().desktop;
    if !yes && !has_desktop && !context.surroundings.person.is_present() {
        return Err(Failure::Usage(format!(
            "The server of {model} was found on this computer and is not in use, and there is no terminal to \
             ask in. `tidegate doctor` says who runs it; pass --yes to take it into use without being asked."
        )));
    }
    if !context.ask(&shown(&server), "Take it into use?", yes).await? {
        return Err(Failure::Failed("It was not taken into use.".to_owned()));
    }
    let params = TakeServer { model: model.to_owned(), owner: Some(server.owner) };
    let answer = context.client.ask::<rpc::TidegateModelsTake>(&params).await?;
    context.done(&answer, &done, answer.note.as_deref())
}

/// The server that a refusal to use its model is about.
fn server_not_in_use(error: &ServerError) -> Option<FoundServer> {
    let is_it = error.details.get("reason").and_then(Value::as_str) == Some("SERVER_NOT_IN_USE");
    let server = error.details.get("server").filter(|_| is_it)?;
    serde_json::from_value(server.clone()).ok()
}

fn shown(server: &FoundServer) -> String {
    let mut fields = Fields::new();
    fields.add("Model", &server.model);
    fields.add("Program", &server.owner);
    fields.add("User", &server.user);
    fields.add("Address", &server.address);
    format!(
        "This server was found on this computer and is not in use:\n{}Everything that is said to agents and what \
         their tools find is sent to it, and agents act on its answers.\n",
        fields.render()
    )
}

fn render(models: &ModelsListResult) -> String {
    if models.models.is_empty() {
        return "There is no model. `tidegate models add` adds a provider.\n".to_owned();
    }
    let mut table = Table::new(&["IN USE", "CONTEXT", "MODEL"]);
    let has = |model: &ModelListEntry, tag: &str| model.tags.iter().any(|own| own == tag);
    for model in &models.models {
        let in_use = match (has(model, "default"), has(model, "found")) {
            (true, _) => "*",
            (false, true) => "found",
            (false, false) => "",
        };
        let context = model.context_window.map_or("-".to_owned(), |tokens| tokens.to_string());
        table.row([in_use, &context, &format!("{}/{}", model.provider, model.id)]);
    }
    let mut text = table.render();
    if let Some(model) = models.models.iter().find(|model| has(model, "found")) {
        let name = one_line(&format!("{}/{}", model.provider, model.id), 200);
        text.push_str(&format!(
            "Servers that were found on this computer are not in use until you choose one of their models: \
             `tidegate models use {name}`. `tidegate doctor` says who runs them.\n"
        ));
    }
    text
}

async fn add<W: Wire>(context: &mut Context<'_, W>, arguments: &AddModelArguments) -> Result<(), Failure> {
    let key = match &arguments.key_ref {
        Some(_) => None,
        None => key(context, arguments).await?.map(SecretParam::new),
    };
    let id = &arguments.id;
    let params = AddProvider {
        id: id.clone(),
        base_url: arguments.base_url.clone(),
        models: arguments.models.clone(),
        key,
        key_ref: arguments.key_ref.clone(),
    };
    let answer = context.client.ask::<rpc::TidegateModelsAdd>(&params).await?;
    let sentence = format!(
        "Added {id}. `tidegate models list` shows its models; `tidegate models test {id}/MODEL` tries one."
    );
    context.done(&answer, &sentence, answer.note.as_deref())
}

/// The key that the person gives, on one of the two ways that other programs cannot read.
async fn key<W: Wire>(
    context: &mut Context<'_, W>,
    arguments: &AddModelArguments,
) -> Result<Option<String>, Failure> {
    if arguments.no_key {
        return Ok(None);
    }
    let person = context.surroundings.person.clone();
    if arguments.key_stdin {
        let given = context.client.meanwhile(move || person.input()).await?.map_err(Failure::Input)?;
        return match given.trim() {
            "" => Err(Failure::Usage(
                "The standard input holds no key. Pass --no-key if none is needed.".to_owned(),
            )),
            key => Ok(Some(key.to_owned())),
        };
    }
    let prompt = format!("Key for {} (not shown; empty for none): ", arguments.id);
    let prompt = one_line(&prompt, 200);
    let given = context.client.meanwhile(move || person.secret(&prompt)).await?.map_err(Failure::Input)?;
    Ok(Some(given.trim().to_owned()).filter(|key| !key.is_empty()))
}

async fn test<W: Wire>(context: &mut Context<'_, W>, model: Option<&str>) -> Result<(), Failure> {
    let params = ModelChoice { model: model.map(str::to_owned) };
    let report = context.client.ask::<rpc::TidegateModelsTest>(&params).await?;
    if report.ok {
        let took = |label: &str, ms: Option<u64>| ms.map(|ms| format!("{label} after {ms} ms"));
        let times: Vec<String> = took("first text", report.first_byte_ms)
            .into_iter()
            .chain(took("done", report.total_ms))
            .collect();
        return context.show(&report, || format!("{} answers: {}.", report.model, times.join(", ")));
    }
    if context.is_json() {
        context.output().json(&report)?;
    }
    let why = report.error.unwrap_or_else(|| "no reason was given".to_owned());
    Err(Failure::Failed(format!("{} does not answer: {why}", report.model)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(provider: &str, id: &str, context_window: Option<u32>, tag: Option<&str>) -> ModelListEntry {
        ModelListEntry {
            id: id.to_owned(),
            name: id.to_owned(),
            provider: provider.to_owned(),
            context_window,
            reasoning: false,
            available: tag != Some("found"),
            tags: tag.map(str::to_owned).into_iter().collect(),
        }
    }

    #[test]
    fn found_models_are_marked_and_a_line_says_how_to_use_them() {
        let demo = model("offline", "demo", None, Some("default"));
        let found = model("ollama", "qwen3", None, Some("found"));

        let text = render(&ModelsListResult { models: vec![demo, found] });

        assert!(text.contains("found   -        ollama/qwen3\n"), "{text}");
        assert!(text.contains("`tidegate models use ollama/qwen3`"), "{text}");
    }

    #[test]
    fn the_model_in_use_is_marked() {
        let used = model("ollama", "qwen3", Some(40960), Some("default"));
        let other = model("offline", "demo\u{7}", None, None);

        let text = render(&ModelsListResult { models: vec![used, other] });

        assert_eq!(
            text,
            "IN USE  CONTEXT  MODEL\n\
             *       40960    ollama/qwen3\n\
             \x20       -        offline/demo\\u{7}\n"
        );
    }
}
