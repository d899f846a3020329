//! `token`. A token goes to the standard output alone, so that scripts can take it; words about it
//! go to the standard error.

use serde::Deserialize;
use serde_json::json;
use tidegate_desktop_core::scope_words;
use tidegate_protocol::{Method, UnixMillis};
use tidegate_trust::{Level, ScopeSet};

use super::{Context, note_of, nothing};
use crate::arguments::TokenCommand;
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::Table;
use crate::moments;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: Option<&TokenCommand>,
) -> Result<(), Failure> {
    match command {
        None | Some(TokenCommand::Show) => show(context).await,
        Some(TokenCommand::New { name, level, pairing }) => new(context, name, *level, *pairing).await,
        Some(TokenCommand::List) => list(context).await,
        Some(TokenCommand::Revoke { id }) => {
            let answer = context.client.call(Method::TidegateTokenRevoke, json!({ "id": id })).await?;
            context.done(&answer, "Revoked. Connections that used this token are closed.")
        }
        Some(TokenCommand::Rotate) => rotate(context).await,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct SharedToken {
    #[serde(default)]
    pub(super) token: Option<String>,
    #[serde(default)]
    sentence: Option<String>,
}

async fn show<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateTokenShow;
    let answer = context.client.call(method, nothing()).await?;
    let shared: SharedToken = read(method.name(), answer.clone())?;
    if let Some(token) = shared.token {
        return context.show(&answer, || Ok(token));
    }
    if context.is_json() {
        context.output().json(&answer)?;
    }
    let why = shared.sentence.filter(|sentence| !sentence.is_empty());
    let default = "The token cannot be shown, because only its hash is kept; `tidegate token rotate` makes a \
                   new one and shows it.";
    Err(Failure::Failed(why.unwrap_or_else(|| default.to_owned())))
}

#[derive(Deserialize)]
struct MadeToken {
    token: String,
}

async fn new<W: Wire>(
    context: &mut Context<'_, W>,
    name: &str,
    level: Level,
    pairing: bool,
) -> Result<(), Failure> {
    let method = Method::TidegateTokenNew;
    let params = json!({ "name": name, "level": level, "pairing": pairing });
    let answer = context.client.call(method, params).await?;
    let made: MadeToken = read(method.name(), answer.clone())?;
    context.show(&answer, || Ok(made.token))?;
    if !context.is_json() {
        let also = if pairing { " It may also let others in." } else { "" };
        let what = scope_words::level_sentence(level);
        context.output().note(&format!("{what}{also} The token is shown only this once."))?;
    }
    Ok(())
}

async fn rotate<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateTokenRotate;
    let answer = context.client.call(method, nothing()).await?;
    let made: MadeToken = read(method.name(), answer.clone())?;
    context.show(&answer, || Ok(made.token))?;
    if !context.is_json() {
        context.output().note("This is the shared token now. The old one opens nothing any more.")?;
        if let Some(note) = note_of(&answer) {
            context.output().note(&note)?;
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    #[serde(default)]
    shared_token: bool,
    #[serde(default)]
    tokens: Vec<ProgramToken>,
    #[serde(default)]
    programs: Vec<Program>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgramToken {
    name: String,
    #[serde(default)]
    scopes: ScopeSet,
    #[serde(default)]
    last_used_at_ms: Option<UnixMillis>,
}

/// A program's grant for the shared token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Program {
    pub(super) id: String,
    executable: String,
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    scopes: ScopeSet,
    #[serde(default)]
    lasting: bool,
    #[serde(default)]
    last_seen_at_ms: Option<UnixMillis>,
}

impl Program {
    /// The file that people know it by.
    pub(super) fn file(&self) -> &str {
        self.script.as_deref().unwrap_or(&self.executable)
    }

    pub(super) fn cells(&self, now: UnixMillis) -> [String; 5] {
        [
            self.id.chars().take(8).collect(),
            scope_words::summary(&self.scopes),
            if self.lasting { "always" } else { "for now" }.to_owned(),
            seen(now, self.last_seen_at_ms),
            self.file().to_owned(),
        ]
    }
}

/// The columns of [`Program::cells`].
pub(super) const PROGRAM_COLUMNS: [&str; 5] = ["ID", "MAY", "LASTS", "SEEN", "PROGRAM"];

fn seen(now: UnixMillis, at: Option<UnixMillis>) -> String {
    at.map_or("never".to_owned(), |at| moments::ago(now, at))
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateTokenList;
    let answer = context.client.call(method, nothing()).await?;
    let now = context.now();
    context.show(&answer, || Ok(render_list(&read(method.name(), answer.clone())?, now)))
}

fn render_list(list: &Tokens, now: UnixMillis) -> String {
    let mut text = match list.shared_token {
        true => "There is a shared token; `tidegate token` shows it where it can.\n".to_owned(),
        false => "There is no shared token; `tidegate token rotate` makes one.\n".to_owned(),
    };
    if list.tokens.is_empty() {
        text.push_str("\nNo program has a token of its own.\n");
    } else {
        let mut table = Table::new(&["MAY", "USED", "NAME"]);
        for token in &list.tokens {
            table.row([&scope_words::summary(&token.scopes), &seen(now, token.last_used_at_ms), &token.name]);
        }
        text.push_str(&format!("\nTokens of programs\n{}", table.render()));
    }
    if !list.programs.is_empty() {
        let mut table = Table::new(&PROGRAM_COLUMNS);
        for program in &list.programs {
            let cells = program.cells(now);
            table.row(cells.each_ref().map(String::as_str));
        }
        text.push_str(&format!("\nPrograms that use the shared token\n{}", table.render()));
    }
    text
}

/// Whether the shared token can be shown, without showing it.
pub(super) async fn can_be_shown<W: Wire>(context: &mut Context<'_, W>) -> Result<bool, Failure> {
    let shared: SharedToken = context.client.ask(Method::TidegateTokenShow, nothing()).await?;
    Ok(shared.token.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_program_name_stays_in_its_cell() {
        let answer = json!({
            "sharedToken": true,
            "tokens": [{
                "id": "0123456789abcdef", "name": "backup", "level": "full", "pairing": true,
                "scopes": ["operator.admin", "operator.read", "operator.pairing"], "lastUsedAtMs": null,
            }],
            "programs": [{
                "id": "fedcba98-7654", "executable": "/usr/bin/node", "script": "/tmp/a\n\u{1b}[31mb.mjs",
                "scopes": ["operator.read"], "lasting": false, "lastSeenAtMs": 1000,
            }],
        });

        let text = render_list(&serde_json::from_value(answer).unwrap(), UnixMillis(61_000));

        assert_eq!(
            text,
            "There is a shared token; `tidegate token` shows it where it can.\n\
             \nTokens of programs\n\
             MAY                          USED   NAME\n\
             full control, let others in  never  backup\n\
             \nPrograms that use the shared token\n\
             ID        MAY   LASTS    SEEN       PROGRAM\n\
             fedcba98  look  for now  1 min ago  /tmp/a\\u{a}\\u{1b}[31mb.mjs\n"
        );
    }
}
