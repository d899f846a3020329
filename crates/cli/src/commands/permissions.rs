//! `permissions`: what agents may do without asking the person, and what ran that way.

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::permissions::{
    PermissionEntry, PermissionName, PermissionsListResult, UnaskedEntry,
};
use tidegate_protocol::payload::surface_params::ById;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::PermissionsCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::times;

/// The fewest characters of an id that name a permission.
const SHORTEST_ID: usize = 4;
/// What is shown of an id: enough to name it.
const SHOWN_ID: usize = 8;
/// How much of what ran unasked is listed; `--json` has all that is known.
const SHOWN_UNASKED: usize = 20;
/// What is said of a change that could not be saved.
const NOT_SAVED: &str = "It could not be saved, and holds only until Tidegate restarts.";

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &PermissionsCommand,
) -> Result<(), Failure> {
    match command {
        PermissionsCommand::List => {
            let list = ask(context).await?;
            let now = context.now();
            context.show(&list, || render(&list, now))
        }
        PermissionsCommand::Revoke { id } => revoke(context, id).await,
        PermissionsCommand::AskEverything => {
            let answer = context.client.ask::<rpc::TidegatePermissionsAskEverything>(&Empty {}).await?;
            let note = (!answer.saved).then_some(NOT_SAVED);
            context.done(
                &answer,
                "You are asked about everything. `tidegate permissions use` ends that.",
                note,
            )
        }
        PermissionsCommand::Use { yes } => use_again(context, *yes).await,
    }
}

async fn ask<W: Wire>(context: &mut Context<'_, W>) -> Result<PermissionsListResult, Failure> {
    context.client.ask::<rpc::TidegatePermissionsList>(&Empty {}).await
}

async fn revoke<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let list = ask(context).await?;
    let id = find(&list.permissions, id)?.id.clone();
    let answer = context.client.ask::<rpc::TidegatePermissionsRevoke>(&ById { id }).await?;
    let sentence = match answer.ended_commands {
        0 => "Revoked.".to_owned(),
        1 => "Revoked. One command that it had allowed was ended.".to_owned(),
        many => format!("Revoked. {many} commands that it had allowed were ended."),
    };
    context.done(&answer, &sentence, (!answer.saved).then_some(NOT_SAVED))
}

/// The permission whose id begins like that: exactly one.
fn find<'a>(permissions: &'a [PermissionEntry], id: &str) -> Result<&'a PermissionEntry, Failure> {
    let fits = |permission: &&PermissionEntry| {
        permission.id == id || id.len() >= SHORTEST_ID && permission.id.starts_with(id)
    };
    let mut fitting = permissions.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(permission), None) => Ok(permission),
        (Some(_), Some(_)) => {
            Err(Failure::Failed("More than one id begins like that; give more of the id.".to_owned()))
        }
        (None, _) => Err(Failure::Failed(
            "There is no permission with this id. `tidegate permissions list` shows those that there are."
                .to_owned(),
        )),
    }
}

async fn use_again<W: Wire>(context: &mut Context<'_, W>, yes: bool) -> Result<(), Failure> {
    let list = ask(context).await?;
    if !list.ask_everything {
        return context.show(&list, || "Permissions are in use already.".to_owned());
    }
    let shown = format!(
        "These permissions would be used again.\n\n{}",
        render_permissions(&list.permissions, context.now())
    );
    if !context.ask(&shown, "Use permissions again?", yes).await? {
        return Err(Failure::Failed("Nothing was changed; you are asked about everything.".to_owned()));
    }
    let answer = context.client.ask::<rpc::TidegatePermissionsUse>(&Empty {}).await?;
    context.done(&answer, "Permissions are used again.", (!answer.saved).then_some(NOT_SAVED))
}

fn render(list: &PermissionsListResult, now: UnixMillis) -> String {
    let mut text = render_permissions(&list.permissions, now);
    if list.ask_everything {
        text.push_str(
            "\nYou are asked about everything: permissions are not used. `tidegate permissions use` ends that.\n",
        );
    }
    text.push_str(&render_unasked(&list.unasked, list.unasked_count, now));
    text
}

fn render_permissions(permissions: &[PermissionEntry], now: UnixMillis) -> String {
    if permissions.is_empty() {
        return "No permissions: you are asked about every command.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "KIND", "GIVEN", "LAST USED", "EXPIRES", "WHAT"]);
    for permission in permissions {
        let id: String = permission.id.chars().take(SHOWN_ID).collect();
        let given = times::ago(now, permission.granted_at_ms);
        let used = permission.last_used_at_ms.map_or("never".to_owned(), |at| times::ago(now, at));
        let ends = permission.expires_at_ms.map_or("-".to_owned(), |at| times::left(now, at));
        table.row([&id, kind(permission.kind), &given, &used, &ends, &permission.sentence]);
    }
    table.render()
}

fn kind(kind: PermissionName) -> &'static str {
    match kind {
        PermissionName::Contained => "folder",
        PermissionName::Rule => "rule",
        PermissionName::Needs => "needs",
        PermissionName::Task => "task",
        PermissionName::Read => "reading",
    }
}

fn render_unasked(unasked: &[UnaskedEntry], count: u64, now: UnixMillis) -> String {
    let Some(newest) = unasked.get(..unasked.len().min(SHOWN_UNASKED)).filter(|newest| !newest.is_empty())
    else {
        return "\nNothing ran without asking you since Tidegate started.\n".to_owned();
    };
    let times = if count == 1 { "time" } else { "times" };
    let shown = match newest.len() as u64 == count {
        true => String::new(),
        false => format!(", the newest {}", newest.len()),
    };
    let mut table = Table::new(&["WHEN", "SESSION", "WHAT"]);
    for entry in newest {
        let what = one_line(&entry.title, 120);
        table.row([&times::ago(now, entry.at_ms), &entry.session_key, &what]);
    }
    format!("\nNot asked {count} {times} since Tidegate started{shown}:\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission() -> PermissionEntry {
        PermissionEntry {
            id: "3f2a9c1e-0000-4000-8000-000000000000".to_owned(),
            kind: PermissionName::Needs,
            folder: "/work".to_owned(),
            needs: vec![],
            prefix: None,
            program: None,
            session_key: None,
            sentence: "Agents run contained commands in /work\u{202e}, also with git, for 30 days."
                .to_owned(),
            granted_at_ms: UnixMillis(0),
            expires_at_ms: Some(UnixMillis(30 * 86_400_000)),
            last_used_at_ms: Some(UnixMillis(86_400_000)),
        }
    }

    #[test]
    fn a_list_says_what_is_allowed_for_how_long_and_what_ran() {
        let list = PermissionsListResult {
            permissions: vec![permission()],
            ask_everything: true,
            unasked: vec![UnaskedEntry {
                at_ms: UnixMillis(86_400_000),
                session_key: "agent:main:main".to_owned(),
                run_id: None,
                title: "make\n[y] all".to_owned(),
                digest: "d".to_owned(),
                permissions: vec![],
            }],
            unasked_count: 7,
        };

        assert_eq!(
            render(&list, UnixMillis(86_460_000)),
            "ID        KIND   GIVEN      LAST USED  EXPIRES       WHAT\n\
             3f2a9c1e  needs  1 day ago  1 min ago  28 days left  Agents run contained commands in \
             /work\\u{202e}, also with git, for 30 days.\n\
             \nYou are asked about everything: permissions are not used. `tidegate permissions use` ends that.\n\
             \nNot asked 7 times since Tidegate started, the newest 1:\n\
             WHEN       SESSION          WHAT\n\
             1 min ago  agent:main:main  make\\u{a}[y] all\n"
        );
    }

    #[test]
    fn an_empty_list_says_what_that_means() {
        let list = PermissionsListResult {
            permissions: vec![],
            ask_everything: false,
            unasked: vec![],
            unasked_count: 0,
        };

        assert_eq!(
            render(&list, UnixMillis(0)),
            "No permissions: you are asked about every command.\n\
             \nNothing ran without asking you since Tidegate started.\n"
        );
    }
}
