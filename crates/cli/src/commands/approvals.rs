//! `approvals`: commands that agents want to run, and files that they want to use outside their
//! workspace.

use tidegate_protocol::params::{Empty, ExecApprovalResolve};
use tidegate_protocol::payload::approvals::{
    ApprovalCommand, ApprovalFile, ExecApprovalResolveResult, FileAction, WaitingApproval,
};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::arguments::ApprovalsCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::times;

/// The fewest characters of an id that name a command.
const SHORTEST_ID: usize = 4;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &ApprovalsCommand,
) -> Result<(), Failure> {
    match command {
        ApprovalsCommand::List => list(context).await,
        ApprovalsCommand::Show { id } => {
            let waiting = find(context, id).await?;
            let now = context.now();
            context.show(&waiting, || render(&waiting, now))
        }
        ApprovalsCommand::Allow { id, yes } => allow(context, id, *yes).await,
        ApprovalsCommand::Deny { id } => {
            let waiting = find(context, id).await?;
            let answer = resolve(context, waiting.id, "deny").await?;
            context.done(&answer, "Refused.", None)
        }
    }
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let waiting = context.client.ask::<rpc::ExecApprovalList>(&Empty {}).await?;
    let now = context.now();
    context.show(&waiting, || render_list(&waiting, now))
}

/// The command whose id begins like that: exactly one. What cannot be shown exactly was not read.
async fn find<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<WaitingApproval, Failure> {
    let all = context.client.ask::<rpc::ExecApprovalList>(&Empty {}).await?;
    let fits =
        |waiting: &WaitingApproval| waiting.id == id || id.len() >= SHORTEST_ID && waiting.id.starts_with(id);
    let mut fitting = all.into_iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(waiting), None) => Ok(waiting),
        (Some(_), Some(_)) => {
            Err(Failure::Failed("More than one id begins like that; give more of the id.".to_owned()))
        }
        (None, _) => Err(Failure::Failed(
            "Nothing waits under this id. `tidegate approvals list` shows what waits.".to_owned(),
        )),
    }
}

async fn allow<W: Wire>(context: &mut Context<'_, W>, id: &str, yes: bool) -> Result<(), Failure> {
    let waiting = find(context, id).await?;
    let shown = render(&waiting, context.now());
    context.confirm(&shown, "Allow it, once?", yes).await?;
    // A command never changes under its whole id, so what runs is what was shown.
    let answer = resolve(context, waiting.id, "allow-once").await?;
    context.done(&answer, "Allowed, once.", None)
}

async fn resolve<W: Wire>(
    context: &mut Context<'_, W>,
    id: String,
    decision: &str,
) -> Result<ExecApprovalResolveResult, Failure> {
    let params = ExecApprovalResolve::new(id, decision.to_owned());
    context.client.ask::<rpc::ExecApprovalResolve>(&params).await
}

fn render_list(waiting: &[WaitingApproval], now: UnixMillis) -> String {
    if waiting.is_empty() {
        return "Nothing waits.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "ASKED", "SESSION", "WHAT"]);
    for command in waiting {
        let id: String = command.id.chars().take(8).collect();
        let title = command.request.file.as_ref().map_or_else(|| command.request.command.clone(), title);
        table.row([&id, &times::ago(now, command.created_at_ms), &command.request.session_key, &title]);
    }
    format!("{}\n`tidegate approvals show ID` shows exactly what would be done.\n", table.render())
}

fn title(file: &ApprovalFile) -> String {
    let tool = match file.action {
        FileAction::Read => "read",
        FileAction::Write => "write",
        FileAction::Edit => "edit",
    };
    format!("{tool} {}", file.path)
}

/// Everything that would be done, whole. What stands behind the bar is the command's; nothing in it can
/// pass for a line of ours.
fn render(waiting: &WaitingApproval, now: UnixMillis) -> String {
    let request = &waiting.request;
    let mut text = request.file.as_ref().map_or_else(|| render_command(request), render_file);
    let mut fields = Fields::new();
    fields.add("Id", &waiting.id);
    let left = times::left(now, waiting.expires_at_ms);
    fields.add("Asked", &format!("{}, {left}", times::ago(now, waiting.created_at_ms)));
    fields.add("Session", &request.session_key);
    fields.add_some("Run", request.run_id.as_deref());
    if !request.ancestors.is_empty() {
        fields.add("Started by", &request.ancestors.join(", which was started by "));
    }
    fields.add_some("Digest", Some(&request.digest));
    text.push('\n');
    text.push_str(&fields.render());
    text
}

fn render_command(request: &ApprovalCommand) -> String {
    let mut text = String::from("An agent wants to run this command.\n\nCommand\n");
    push_barred(&mut text, &request.command);
    if let Some(confinement) = &request.confinement {
        text.push_str("\nWhat it can do\n");
        for effect in request.effects.iter().flatten() {
            push_barred(&mut text, effect);
        }
        if let Some(reason) = &confinement.reason {
            text.push_str("\nWhy, in the agent's words\n");
            push_barred(&mut text, reason);
        }
        let minutes = confinement.timeout_seconds.div_ceil(60);
        text.push_str(&format!("\nIt is ended after {minutes} minutes at the latest.\n"));
    }
    text.push_str("\nProgram and arguments, one a line\n");
    for argument in &request.command_argv {
        push_barred(&mut text, argument);
    }
    text.push_str("\nIn the directory\n");
    push_barred(&mut text, &request.cwd);
    if request.env.is_empty() {
        text.push_str("\nIt changes no environment variable.\n");
    } else {
        text.push_str("\nEnvironment variables that it sets\n");
        for (name, value) in &request.env {
            push_barred(&mut text, &format!("{name}={value}"));
        }
    }
    text
}

fn render_file(file: &ApprovalFile) -> String {
    let heading = match (file.action, file.exists) {
        _ if file.trigger => {
            "An agent wants to change this file. Its text can run as you, outside the sandbox, when the folder is \
             looked at or opened."
        }
        (FileAction::Read, _) => "An agent wants to read this file outside its workspace.",
        (FileAction::Write, true) => "An agent wants to replace this file outside its workspace.",
        (FileAction::Write, false) => "An agent wants to make this file outside its workspace.",
        (FileAction::Edit, _) => "An agent wants to change this file outside its workspace.",
    };
    let mut text = format!("{heading}\n\nFile\n");
    push_barred(&mut text, &file.path);
    if !file.exists && file.action != FileAction::Write {
        text.push_str("\nThere is no such file now.\n");
    }
    let parts =
        [("Its new content", &file.content), ("Old text", &file.old_text), ("New text", &file.new_text)];
    for (label, part) in parts {
        if let Some(part) = part {
            text.push_str(&format!("\n{label}\n"));
            push_barred(&mut text, part);
        }
    }
    text
}

/// Appends a text whole: each of its lines behind a bar, what is invisible made visible.
pub(super) fn push_barred(text: &mut String, part: &str) {
    for line in part.split('\n') {
        text.push_str(&format!("  | {}\n", one_line(line, usize::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::confinement::{CommandClass, Confinement, Need};

    use super::*;

    fn waiting(command: &str) -> WaitingApproval {
        WaitingApproval {
            id: "3f2a9c1e-0000-4000-8000-000000000000".to_owned(),
            request: ApprovalCommand {
                command: command.to_owned(),
                command_argv: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
                cwd: "/home/a/work\u{202e}".to_owned(),
                env: [("PATH".to_owned(), "/tmp/\u{200b}bin".to_owned())].into(),
                host: "gateway".to_owned(),
                security: "allowlist".to_owned(),
                ask: "always".to_owned(),
                agent_id: "main".to_owned(),
                session_key: "agent:main:subagent:1".to_owned(),
                run_id: Some("run-2".to_owned()),
                ancestors: ["run-1", "run-0"].map(str::to_owned).to_vec(),
                digest: "abcd".to_owned(),
                file: None,
                confinement: None,
                effects: None,
            },
            created_at_ms: UnixMillis(0),
            expires_at_ms: UnixMillis(1_800_000),
        }
    }

    #[test]
    fn a_command_is_shown_whole_and_its_hostile_characters_are_visible() {
        let text = render(&waiting("rm -rf \u{1b}[2Kx\u{202e}\n  | Allowed\tby you"), UnixMillis(60_000));

        assert_eq!(
            text,
            "An agent wants to run this command.\n\
             \nCommand\n\
             \x20 | rm -rf \\u{1b}[2Kx\\u{202e}\n\
             \x20 |   | Allowed\\u{9}by you\n\
             \nProgram and arguments, one a line\n\
             \x20 | /bin/sh\n\
             \x20 | -c\n\
             \x20 | rm -rf \\u{1b}[2Kx\\u{202e}\n\
             \x20 |   | Allowed\\u{9}by you\n\
             \nIn the directory\n\
             \x20 | /home/a/work\\u{202e}\n\
             \nEnvironment variables that it sets\n\
             \x20 | PATH=/tmp/\\u{200b}bin\n\
             \n\
             \x20 Id          3f2a9c1e-0000-4000-8000-000000000000\n\
             \x20 Asked       1 min ago, 29 min left\n\
             \x20 Session     agent:main:subagent:1\n\
             \x20 Run         run-2\n\
             \x20 Started by  run-1, which was started by run-0\n\
             \x20 Digest      abcd\n"
        );
    }

    #[test]
    fn a_file_is_shown_with_its_whole_content_and_its_hostile_characters_are_visible() {
        let mut waiting = waiting("write /home/a/notes\nfirst\n\u{202e}second");
        waiting.request.file = Some(ApprovalFile {
            action: FileAction::Write,
            path: "/home/a/notes\u{200b}".to_owned(),
            exists: true,
            trigger: false,
            content: Some("first\n\u{202e}second".to_owned()),
            old_text: None,
            new_text: None,
        });

        let (text, list) = (render(&waiting, UnixMillis(0)), render_list(&[waiting], UnixMillis(0)));

        let expected = "An agent wants to replace this file outside its workspace.\n\
             \nFile\n\
             \x20 | /home/a/notes\\u{200b}\n\
             \nIts new content\n\
             \x20 | first\n\
             \x20 | \\u{202e}second\n\
             \n\x20 Id ";
        assert!(text.starts_with(expected), "{text}");
        assert!(list.contains("  write /home/a/notes\\u{200b}\n"), "{list}");
    }

    #[test]
    fn what_a_command_can_do_is_shown_with_its_reason() {
        let mut waiting = waiting("make");
        waiting.request.confinement = Some(Confinement {
            class: CommandClass::Contained,
            needs: vec![Need::Write("/srv/out".to_owned())],
            reason: Some("the site\u{202e} goes there".to_owned()),
            pty: false,
            timeout_seconds: 90,
            repository: None,
            shared: None,
        });
        waiting.request.effects =
            Some(vec!["It runs in a sandbox.".to_owned(), "It can change /srv/out.".to_owned()]);

        let text = render(&waiting, UnixMillis(0));

        let expected = "\nWhat it can do\n\
             \x20 | It runs in a sandbox.\n\
             \x20 | It can change /srv/out.\n\
             \nWhy, in the agent's words\n\
             \x20 | the site\\u{202e} goes there\n\
             \nIt is ended after 2 minutes at the latest.\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_long_command_is_never_cut() {
        let long = format!("echo {} && rm -rf /", "x".repeat(100_000));

        let text = render(&waiting(&long), UnixMillis(0));

        assert!(text.contains(&long));
    }

    #[test]
    fn the_list_keeps_each_command_on_its_line() {
        let text = render_list(&[waiting("a\nb")], UnixMillis(0));

        assert_eq!(
            text,
            "ID        ASKED     SESSION                WHAT\n\
             3f2a9c1e  just now  agent:main:subagent:1  a\\u{a}b\n\
             \n`tidegate approvals show ID` shows exactly what would be done.\n"
        );
    }
}
