//! `config`: values of the configuration file that would open Tidegate to others.

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::{ConfirmSetting, RejectSetting};
use tidegate_protocol::payload::surfaces::{ConfigListResult, SettingEntry};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::ConfigCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::times;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &ConfigCommand,
) -> Result<(), Failure> {
    match command {
        ConfigCommand::List => {
            context.ask_and_show::<rpc::TidegateConfigList>(&Empty {}, |list, _| render_list(list)).await
        }
        ConfigCommand::Confirm { key, yes } => confirm(context, key, *yes).await,
        ConfigCommand::Reject { key } => {
            let params = RejectSetting { key: key.clone(), digest: None };
            let answer = context.client.ask::<rpc::TidegateConfigReject>(&params).await?;
            let stays = match key == "gateway.controlUi.allowedOrigins" {
                true => "Who is connected stays so; revoke their devices.",
                false => "Runs that have begun go on as they began.",
            };
            let sentence = format!("Rejected: it does not count. {stays}");
            context.done(&answer, &sentence, answer.note.as_deref())
        }
    }
}

async fn confirm<W: Wire>(context: &mut Context<'_, W>, key: &str, yes: bool) -> Result<(), Failure> {
    let configuration = context.client.ask::<rpc::TidegateConfigList>(&Empty {}).await?;
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
    let params = ConfirmSetting { key: setting.key.clone(), digest: setting.digest.clone() };
    let answer = context.client.ask::<rpc::TidegateConfigConfirm>(&params).await?;
    context.done(&answer, "Confirmed: it counts from now on.", answer.note.as_deref())
}

fn render_list(configuration: &ConfigListResult) -> String {
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
fn render(setting: &SettingEntry, now: UnixMillis) -> String {
    let list = |values: &[String]| match values.is_empty() {
        true => "none".to_owned(),
        false => values.join(", "),
    };
    let mut fields = Fields::new();
    fields.add("Key", &setting.key);
    fields.add("Now", &list(&setting.present));
    fields.add("Would be", &list(&setting.value));
    fields.add("What it opens", &setting.opens);
    fields.add("State", &format!("{}, known {}", setting.state, times::ago(now, setting.since_ms)));
    format!(
        "The configuration file requests a security change. Any program of yours can write this file: confirm only \
         what you put there yourself.\n{}",
        fields.render()
    )
}
