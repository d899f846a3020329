//! `files`: trigger files that commands of agents planted and that were set aside, and files that commands
//! only read, because other folders hold them as well.

mod unshare;

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::files::{
    FilesListResult, SetAsideAction, SetAsideFile, SetAsideFileDetails, SetAsideKind,
};
use tidegate_protocol::payload::surface_params::{ById, KeepFile};
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use super::approvals::push_barred;
use crate::arguments::FilesCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::times;

/// The fewest characters of an id that name a file.
const SHORTEST_ID: usize = 4;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &FilesCommand,
) -> Result<(), Failure> {
    match command {
        FilesCommand::List => {
            let render = |list: &FilesListResult, now| render_list(&list.files, now);
            context.ask_and_show::<rpc::TidegateFilesList>(&Empty {}, render).await
        }
        FilesCommand::Show { id } => {
            let details = show(context, id).await?;
            let now = context.now();
            context.show(&details, || render(&details, now))
        }
        FilesCommand::Keep { id, yes } => keep(context, id, *yes).await,
        FilesCommand::Unshare { folder, yes } => unshare::run(context, folder.as_deref(), *yes).await,
        FilesCommand::Discard { id } => {
            let id = find(context, id).await?;
            context.ask_and_say::<rpc::TidegateFilesDiscard>(&ById { id }, "Discarded.").await
        }
    }
}

/// The whole id of the file whose id begins like that: exactly one.
async fn find<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<String, Failure> {
    let all = context.client.ask::<rpc::TidegateFilesList>(&Empty {}).await?;
    let fits = |file: &SetAsideFile| file.id == id || id.len() >= SHORTEST_ID && file.id.starts_with(id);
    let mut fitting = all.files.into_iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(file), None) => Ok(file.id),
        (Some(_), Some(_)) => {
            Err(Failure::Failed("More than one id begins like that; give more of the id.".to_owned()))
        }
        (None, _) => Err(Failure::Failed(
            "No file is set aside under this id. `tidegate files list` shows those that are.".to_owned(),
        )),
    }
}

async fn show<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<SetAsideFileDetails, Failure> {
    let id = find(context, id).await?;
    context.client.ask::<rpc::TidegateFilesShow>(&ById { id }).await
}

async fn keep<W: Wire>(context: &mut Context<'_, W>, id: &str, yes: bool) -> Result<(), Failure> {
    let details = show(context, id).await?;
    if !details.file.can_keep {
        return Err(Failure::Failed(
            "Only files and links can be kept. Look at it where it is stored, in sandbox/aside of the state \
             directory."
                .to_owned(),
        ));
    }
    let shown = render(&details, context.now());
    context.confirm(&shown, "Put it back?", yes).await?;
    // Bound to exactly what was shown: anything else is refused.
    let params = KeepFile { id: details.file.id, digest: Some(details.digest) };
    context.ask_and_say::<rpc::TidegateFilesKeep>(&params, "Kept: it is back where it was.").await
}

fn render_list(files: &[SetAsideFile], now: UnixMillis) -> String {
    if files.is_empty() {
        return "No file is set aside.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "SET ASIDE", "FILE", "WHY"]);
    for file in files {
        let id = file.id.get(..8).unwrap_or(&file.id);
        table.row([id, &times::ago(now, file.set_aside_at_ms), &file.path, &file.reason]);
    }
    format!("{}\n`tidegate files show ID` shows what is in it.\n", table.render())
}

fn render(details: &SetAsideFileDetails, now: UnixMillis) -> String {
    let file = &details.file;
    let mut text = "A command of an agent planted this file, and it was set aside.\n".to_owned();
    let parts = [
        ("File", &file.path),
        ("In the workspace", &file.workspace),
        ("Why", &file.reason),
        ("If you keep it", &file.effect),
    ];
    for (heading, part) in parts {
        text.push_str(&format!("\n{heading}\n"));
        push_barred(&mut text, part);
    }
    match (&details.content, &file.target, file.kind) {
        (Some(content), _, _) => {
            text.push_str("\nIts content\n");
            push_barred(&mut text, content.strip_suffix('\n').unwrap_or(content));
            if details.cut {
                text.push_str("\nIt has more than is shown here.\n");
            }
        }
        (None, Some(target), _) => {
            text.push_str("\nIt is a link to\n");
            push_barred(&mut text, target);
        }
        (None, None, SetAsideKind::File) => text.push_str("\nIts content is no text, and is not shown.\n"),
        (None, None, SetAsideKind::Folder) => text.push_str("\nIt is a folder.\n"),
        (None, None, SetAsideKind::Link | SetAsideKind::Other) => text.push_str("\nIt is no file.\n"),
    }
    let mut fields = Fields::new();
    fields.add("Id", &file.id);
    fields.add("Set aside", &times::ago(now, file.set_aside_at_ms));
    fields.add("Discarded", &times::left(now, file.expires_at_ms));
    fields.add(
        "There now",
        match file.action {
            SetAsideAction::SetAside => "nothing",
            SetAsideAction::PlainPartKept => "its harmless settings",
            SetAsideAction::Restored => "what was there before",
        },
    );
    if let Some(size) = file.size {
        let executable = if file.executable { ", can be executed" } else { "" };
        fields.add("Size", &format!("{size} bytes{executable}"));
    }
    for command in &file.commands {
        fields.add("Session", &command.session_key);
        fields.add("Command", &command.command);
    }
    fields.add("Digest", &details.digest);
    format!("{text}\n{}", fields.render())
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::payload::files::SetAsideCommand;

    use super::*;

    fn details() -> SetAsideFileDetails {
        SetAsideFileDetails {
            file: SetAsideFile {
                id: "3f2a9c1e00112233".to_owned(),
                path: "a\\u{a}b/.envrc".to_owned(),
                workspace: "/home/a/work".to_owned(),
                action: SetAsideAction::SetAside,
                kind: SetAsideKind::File,
                reason: "a/.envrc is read by shells".to_owned(),
                effect: "It can run commands.".to_owned(),
                can_keep: true,
                size: Some(12),
                executable: true,
                target: None,
                commands: vec![SetAsideCommand {
                    session_key: "agent:main:main".to_owned(),
                    run_id: "run-1".to_owned(),
                    tool_call_id: "call-1".to_owned(),
                    command: "make".to_owned(),
                }],
                set_aside_at_ms: UnixMillis(0),
                expires_at_ms: UnixMillis(600_000),
            },
            digest: "abcd".to_owned(),
            content: Some("export A=1\n\u{202e}b\n".to_owned()),
            binary: false,
            cut: true,
        }
    }

    #[test]
    fn a_file_is_shown_with_its_content_and_hostile_characters_are_visible() {
        assert_eq!(
            render(&details(), UnixMillis(60_000)),
            "A command of an agent planted this file, and it was set aside.\n\
             \nFile\n\
             \x20 | a\\u{a}b/.envrc\n\
             \nIn the workspace\n\
             \x20 | /home/a/work\n\
             \nWhy\n\
             \x20 | a/.envrc is read by shells\n\
             \nIf you keep it\n\
             \x20 | It can run commands.\n\
             \nIts content\n\
             \x20 | export A=1\n\
             \x20 | \\u{202e}b\n\
             \nIt has more than is shown here.\n\
             \n\
             \x20 Id         3f2a9c1e00112233\n\
             \x20 Set aside  1 min ago\n\
             \x20 Discarded  9 min left\n\
             \x20 There now  nothing\n\
             \x20 Size       12 bytes, can be executed\n\
             \x20 Session    agent:main:main\n\
             \x20 Command    make\n\
             \x20 Digest     abcd\n"
        );
    }

    #[test]
    fn the_list_keeps_each_file_on_its_line() {
        let text = render_list(&[details().file], UnixMillis(0));

        assert_eq!(
            text,
            "ID        SET ASIDE  FILE            WHY\n\
             3f2a9c1e  just now   a\\u{a}b/.envrc  a/.envrc is read by shells\n\
             \n`tidegate files show ID` shows what is in it.\n"
        );
        assert_eq!(render_list(&[], UnixMillis(0)), "No file is set aside.\n");
    }
}
