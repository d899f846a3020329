//! `token`. A token goes to the standard output alone, so that scripts can take it; words about it
//! go to the standard error.

use tidegate_desktop_core::scope_words;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surface_params::{ById, Level, TokenNew};
use tidegate_protocol::payload::surfaces::{ProgramEntry, TokenListResult};
use tidegate_protocol::{Scope, UnixMillis, rpc};

use super::Context;
use crate::arguments::TokenCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::times;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: Option<&TokenCommand>,
) -> Result<(), Failure> {
    match command {
        None | Some(TokenCommand::Show) => show(context).await,
        Some(TokenCommand::New { name, level, pairing }) => new(context, name, *level, *pairing).await,
        Some(TokenCommand::List) => {
            context.ask_and_show::<rpc::TidegateTokenList>(&Empty {}, render_list).await
        }
        Some(TokenCommand::Revoke { id }) => {
            let answer = context.client.ask::<rpc::TidegateTokenRevoke>(&ById { id: id.clone() }).await?;
            let sentence = "Revoked. Connections that used this token are closed.";
            context.done(&answer, sentence, answer.note.as_deref())
        }
        Some(TokenCommand::Rotate) => rotate(context).await,
    }
}

async fn show<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let shared = context.client.ask::<rpc::TidegateTokenShow>(&Empty {}).await?;
    if let Some(token) = &shared.token {
        return context.show(&shared, || token.clone());
    }
    if context.is_json() {
        context.output().json(&shared)?;
    }
    let why = shared.sentence.filter(|sentence| !sentence.is_empty());
    let default = "The token cannot be shown, because only its hash is kept; `tidegate token rotate` makes a \
                   new one and shows it.";
    Err(Failure::Failed(why.unwrap_or_else(|| default.to_owned())))
}

async fn new<W: Wire>(
    context: &mut Context<'_, W>,
    name: &str,
    level: Level,
    pairing: bool,
) -> Result<(), Failure> {
    let params = TokenNew { name: name.to_owned(), level, pairing };
    let made = context.client.ask::<rpc::TidegateTokenNew>(&params).await?;
    context.show(&made, || made.token.clone())?;
    if !context.is_json() {
        let also = if pairing { " It may also manage pairing." } else { "" };
        let what = scope_words::level_sentence(level);
        context.output().note(&format!("{what}{also} The token is shown only this once."))?;
    }
    Ok(())
}

async fn rotate<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let made = context.client.ask::<rpc::TidegateTokenRotate>(&Empty {}).await?;
    context.show(&made, || made.token.clone())?;
    if !context.is_json() {
        context.output().note("This is the shared token now. The old one opens nothing any more.")?;
        if let Some(note) = &made.note {
            context.output().note(note)?;
        }
    }
    Ok(())
}

/// A program's grant for the shared token, as a row.
pub(super) fn program_cells(program: &ProgramEntry, now: UnixMillis) -> [String; 5] {
    [
        program.id.chars().take(8).collect(),
        may(&program.scopes),
        if program.lasting { "always" } else { "for now" }.to_owned(),
        seen(now, program.last_seen_at_ms),
        // The file that people know it by.
        program.script.as_ref().unwrap_or(&program.executable).clone(),
    ]
}

/// The columns of [`program_cells`].
pub(super) const PROGRAM_COLUMNS: [&str; 5] = ["ID", "MAY", "LASTS", "SEEN", "PROGRAM"];

/// Scopes in a few words.
pub(super) fn may(scopes: &[Scope]) -> String {
    scope_words::summary(&scopes.iter().cloned().collect())
}

fn seen(now: UnixMillis, at: Option<UnixMillis>) -> String {
    at.map_or("never".to_owned(), |at| times::ago(now, at))
}

fn render_list(list: &TokenListResult, now: UnixMillis) -> String {
    let mut text = match list.shared_token {
        true => "There is a shared token; `tidegate token` shows it where it can.\n".to_owned(),
        false => "There is no shared token; `tidegate token rotate` makes one.\n".to_owned(),
    };
    if list.tokens.is_empty() {
        text.push_str("\nNo program has a token of its own.\n");
    } else {
        let mut table = Table::new(&["MAY", "USED", "NAME"]);
        for token in &list.tokens {
            table.row([&may(&token.scopes), &seen(now, token.last_used_at_ms), &token.name]);
        }
        text.push_str(&format!("\nTokens of programs\n{}", table.render()));
    }
    if !list.programs.is_empty() {
        let mut table = Table::new(&PROGRAM_COLUMNS);
        for program in &list.programs {
            let cells = program_cells(program, now);
            table.row(cells.each_ref().map(String::as_str));
        }
        text.push_str(&format!("\nPrograms that use the shared token\n{}", table.render()));
    }
    text
}

/// Whether the shared token can be shown, without showing it.
pub(super) async fn can_be_shown<W: Wire>(context: &mut Context<'_, W>) -> Result<bool, Failure> {
    Ok(context.client.ask::<rpc::TidegateTokenShow>(&Empty {}).await?.token.is_some())
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::payload::surfaces::ProgramTokenEntry;

    use super::*;

    #[test]
    fn a_hostile_program_name_stays_in_its_cell() {
        let list = TokenListResult {
            shared_token: true,
            tokens: vec![ProgramTokenEntry {
                id: "0123456789abcdef".to_owned(),
                name: "backup".to_owned(),
                level: Level::Full,
                pairing: true,
                scopes: vec![Scope::Admin, Scope::Read, Scope::Pairing],
                created_at_ms: UnixMillis(0),
                last_used_at_ms: None,
            }],
            programs: vec![ProgramEntry {
                id: "fedcba98-7654".to_owned(),
                executable: "/usr/bin/node".to_owned(),
                script: Some("/tmp/a\n\u{1b}[31mb.mjs".to_owned()),
                uid: 1000,
                scopes: vec![Scope::Read],
                client_id: "cli".to_owned(),
                lasting: false,
                approved_at_ms: UnixMillis(0),
                last_seen_at_ms: Some(UnixMillis(1000)),
            }],
        };

        let text = render_list(&list, UnixMillis(61_000));

        assert_eq!(
            text,
            "There is a shared token; `tidegate token` shows it where it can.\n\
             \nTokens of programs\n\
             MAY                           USED   NAME\n\
             full control, manage pairing  never  backup\n\
             \nPrograms that use the shared token\n\
             ID        MAY   LASTS    SEEN       PROGRAM\n\
             fedcba98  look  for now  1 min ago  /tmp/a\\u{a}\\u{1b}[31mb.mjs\n"
        );
    }
}
