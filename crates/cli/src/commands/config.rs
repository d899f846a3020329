//! `config`: values of the configuration file that would open Tidegate to others.

use serde::Deserialize;
use serde_json::json;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{Method, UnixMillis};

use super::{Context, nothing};
use crate::arguments::ConfigCommand;
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::moments;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &ConfigCommand,
) -> Result<(), Failure> {
    match command {
        ConfigCommand::List => list(context).await,
        ConfigCommand::Confirm { key, yes } => confirm(context, key, *yes).await,
        ConfigCommand::Reject { key } => {
            let answer = context.client.call(Method::TidegateConfigReject, json!({ "key": key })).await?;
            let stays = match key == "gateway.controlUi.allowedOrigins" {
                true => "Who is connected stays so; revoke their devices.",
                false => "Runs that have begun go on as they began.",
            };
            context.done(&answer, &format!("Rejected: it does not count. {stays}"))
        }
    }
}

#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(default)]
    path: String,
    #[serde(default)]
    settings: Vec<Setting>,
    #[serde(default)]
    refused: Vec<Refused>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Setting {
    key: String,
    state: String,
    #[serde(default)]
    value: Vec<String>,
    #[serde(default)]
    present: Vec<String>,
    #[serde(default)]
    opens: String,
    digest: String,
    since_ms: UnixMillis,
}

#[derive(Debug, Deserialize)]
struct Refused {
    key: String,
    reason: String,
}

async fn ask<W: Wire>(context: &mut Context<'_, W>) -> Result<Configuration, Failure> {
    context.client.ask(Method::TidegateConfigList, nothing()).await
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateConfigList;
    let answer = context.client.call(method, nothing()).await?;
    context.show(&answer, || Ok(render_list(&read(method.name(), answer.clone())?)))
}

async fn confirm<W: Wire>(context: &mut Context<'_, W>, key: &str, yes: bool) -> Result<(), Failure> {
    let configuration = ask(context).await?;
    let Some(setting) = configuration.settings.iter().find(|setting| setting.key == key) else {
        return Err(Failure::Failed(match configuration.refused.iter().find(|refused| refused.key == key) {
            Some(refused) => format!("This cannot be confirmed. {}", one_line(&refused.reason, 480)),
            None => "The configuration proposes nothing under this key. `tidegate config list` shows it."
                .to_owned(),
        }));
    };
    let shown = render(setting, context.now());
    context.confirm(&shown, "Let this count?", yes).await?;
    // Bound to exactly what was shown: another value is refused.
    let params = json!({ "key": setting.key, "digest": setting.digest });
    let answer = context.client.call(Method::TidegateConfigConfirm, params).await?;
    context.done(&answer, "Confirmed: it counts from now on.")
}

fn render_list(configuration: &Configuration) -> String {
    if configuration.settings.is_empty() && configuration.refused.is_empty() {
        return "The configuration opens nothing.\n".to_owned();
    }
    let mut text = String::new();
    if !configuration.settings.is_empty() {
        let mut table = Table::new(&["STATE", "KEY", "VALUE"]);
        for setting in &configuration.settings {
            table.row([&setting.state, &setting.key, &setting.value.join(", ")]);
        }
        text.push_str(&format!(
            "{}\n`tidegate config confirm KEY` shows it in full, and asks.\n",
            table.render()
        ));
    }
    if !configuration.refused.is_empty() {
        let mut table = Table::new(&["NEVER APPLIED", "WHY"]);
        for refused in &configuration.refused {
            table.row([&refused.key, &refused.reason]);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table.render());
    }
    text.push_str(&format!("\nThe file: {}\n", one_line(&configuration.path, 4096)));
    text
}

/// A value in full.
fn render(setting: &Setting, now: UnixMillis) -> String {
    let list = |values: &[String]| match values.is_empty() {
        true => "none".to_owned(),
        false => values.join(", "),
    };
    let mut fields = Fields::new();
    fields.add("Key", &setting.key);
    fields.add("Now", &list(&setting.present));
    fields.add("Would be", &list(&setting.value));
    fields.add("What it opens", &setting.opens);
    fields.add("State", &format!("{}, known {}", setting.state, moments::ago(now, setting.since_ms)));
    format!(
        "The configuration file would open something. Any program of yours can write this file: confirm only \
         what you put there yourself.\n{}",
        fields.render()
    )
}
