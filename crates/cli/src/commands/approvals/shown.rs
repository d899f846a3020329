//! What waits, as a person sees it before they decide.

use std::collections::BTreeMap;

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::approvals::{ApprovalCommand, ApprovalFile, FileAction, WaitingApproval};
use tidegate_protocol::payload::permissions::OfferedPermission;
use tidegate_protocol::text::one_line;
use tidegate_protocol::{SessionKey, UnixMillis, rpc};

use super::Context;
use crate::arguments::OfferChoice;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::times;

/// The most characters of a subagent's label.
const MAX_LABEL: usize = 80;

/// What subagents are called by the agents that started them, by the keys of their sessions.
#[derive(Debug, Default)]
pub(in crate::commands) struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Asks for the labels where one of these waits for a subagent.
    pub(in crate::commands) async fn of<W: Wire>(
        context: &mut Context<'_, W>,
        waiting: &[WaitingApproval],
    ) -> Result<Self, Failure> {
        if !waiting.iter().any(|waiting| is_subagent(&waiting.request.session_key)) {
            return Ok(Self::default());
        }
        let status = context.client.ask_keeping::<rpc::TidegateStatus>(&Empty {}).await?;
        let labelled = status.active.into_iter().filter_map(|run| {
            let label = run.label.filter(|label| !label.trim().is_empty())?;
            Some((run.session_key.to_string(), label))
        });
        Ok(Self(labelled.collect()))
    }

    /// Whose session that is. A label is an agent's text: it stands behind our word for what it is.
    fn name(&self, session_key: &str) -> String {
        match self.0.get(session_key) {
            Some(label) if is_subagent(session_key) => {
                format!("subagent \"{}\"", one_line(label, MAX_LABEL).replace('"', "'"))
            }
            _ => session_key.to_owned(),
        }
    }
}

fn is_subagent(session_key: &str) -> bool {
    SessionKey::parse(session_key).is_ok_and(|key| key.is_subagent())
}

pub(super) fn render_list(waiting: &[WaitingApproval], labels: &Labels, now: UnixMillis) -> String {
    if waiting.is_empty() {
        return "Nothing waits.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "ASKED", "FOR", "WHAT"]);
    for command in waiting {
        let id: String = command.id.chars().take(8).collect();
        let title = command.request.file.as_ref().map_or_else(|| command.request.command.clone(), title);
        let whose = labels.name(&command.request.session_key);
        table.row([&id, &times::ago(now, command.created_at_ms), &whose, &title]);
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
pub(in crate::commands) fn render(waiting: &WaitingApproval, labels: &Labels, now: UnixMillis) -> String {
    let request = &waiting.request;
    let mut text = request.file.as_ref().map_or_else(|| render_command(request), render_file);
    push_why_asked(&mut text, waiting);
    push_offers(&mut text, &waiting.offers);
    let mut fields = Fields::new();
    fields.add("Id", &waiting.id);
    let left = times::left(now, waiting.expires_at_ms);
    fields.add("Asked", &format!("{}, {left}", times::ago(now, waiting.created_at_ms)));
    let whose = labels.name(&request.session_key);
    if whose != request.session_key {
        fields.add("For", &whose);
    }
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

/// The same for who reads it between the lines of an answer: without what only repeats the command.
pub(in crate::commands) fn render_brief(waiting: &WaitingApproval, labels: &Labels) -> String {
    let request = &waiting.request;
    let mut text = match &request.file {
        Some(file) => render_file(file),
        None => {
            let mut text = render_effects(request);
            match plain_shell(request) {
                Some(shell) => {
                    text.push_str(&format!("\nRun by {}, in the directory\n", one_line(shell, usize::MAX)))
                }
                None => {
                    push_arguments(&mut text, request);
                    text.push_str("\nIn the directory\n");
                }
            }
            push_barred(&mut text, &request.cwd);
            if !request.env.is_empty() {
                push_variables(&mut text, request);
            }
            text
        }
    };
    push_why_asked(&mut text, waiting);
    text.push_str(&format!("\nFor {}\n", one_line(&labels.name(&request.session_key), usize::MAX)));
    text
}

/// The shell, where it is given the command as it is shown and nothing else.
fn plain_shell(request: &ApprovalCommand) -> Option<&str> {
    match request.command_argv.as_slice() {
        [shell, flag, command] if flag == "-c" && command == &request.command => Some(shell),
        _ => None,
    }
}

fn push_why_asked(text: &mut String, waiting: &WaitingApproval) {
    if let Some(why) = &waiting.why_asked {
        text.push_str("\nWhy you are asked\n");
        push_barred(text, why);
    }
}

/// What can be given, by numbers and the flags of `tidegate approvals allow`.
fn push_offers(text: &mut String, offers: &[OfferedPermission]) {
    if offers.is_empty() {
        return;
    }
    text.push_str("\nHow you can allow it\n  1. Once, exactly as shown.\n");
    for (number, offered) in (2..).zip(offers) {
        let flag = OfferChoice::flag_of(&offered.offer);
        text.push_str(&format!("  {number}. {flag}: {}\n", one_line(&offered.sentence, usize::MAX)));
    }
}

fn render_command(request: &ApprovalCommand) -> String {
    let mut text = render_effects(request);
    push_arguments(&mut text, request);
    text.push_str("\nIn the directory\n");
    push_barred(&mut text, &request.cwd);
    if request.env.is_empty() {
        text.push_str("\nIt changes no environment variable.\n");
    } else {
        push_variables(&mut text, request);
    }
    text
}

fn render_effects(request: &ApprovalCommand) -> String {
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
    text
}

fn push_arguments(text: &mut String, request: &ApprovalCommand) {
    text.push_str("\nProgram and arguments, one a line\n");
    for argument in &request.command_argv {
        push_barred(text, argument);
    }
}

fn push_variables(text: &mut String, request: &ApprovalCommand) {
    text.push_str("\nEnvironment variables that it sets\n");
    for (name, value) in &request.env {
        push_barred(text, &format!("{name}={value}"));
    }
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
pub(in crate::commands) fn push_barred(text: &mut String, part: &str) {
    for line in part.split('\n') {
        text.push_str(&format!("  | {}\n", one_line(line, usize::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::confinement::{CommandClass, Confinement, Need};
    use tidegate_protocol::payload::permissions::PermissionOffer;

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
                task_id: None,
                ancestors: ["run-1", "run-0"].map(str::to_owned).to_vec(),
                digest: "abcd".to_owned(),
                file: None,
                confinement: None,
                effects: None,
            },
            offers: vec![],
            why_asked: None,
            created_at_ms: UnixMillis(0),
            expires_at_ms: UnixMillis(1_800_000),
        }
    }

    #[test]
    fn a_command_is_shown_whole_and_its_hostile_characters_are_visible() {
        let text = render(
            &waiting("rm -rf \u{1b}[2Kx\u{202e}\n  | Allowed\tby you"),
            &Labels::default(),
            UnixMillis(60_000),
        );

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

        let (text, list) = (
            render(&waiting, &Labels::default(), UnixMillis(0)),
            render_list(&[waiting], &Labels::default(), UnixMillis(0)),
        );

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
            after_network: false,
        });
        waiting.request.effects =
            Some(vec!["It runs in a sandbox.".to_owned(), "It can change /srv/out.".to_owned()]);

        let text = render(&waiting, &Labels::default(), UnixMillis(0));

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

        let text = render(&waiting(&long), &Labels::default(), UnixMillis(0));

        assert!(text.contains(&long));
    }

    #[test]
    fn the_list_keeps_each_command_on_its_line() {
        let text = render_list(&[waiting("a\nb")], &Labels::default(), UnixMillis(0));

        assert_eq!(
            text,
            "ID        ASKED     FOR                    WHAT\n\
             3f2a9c1e  just now  agent:main:subagent:1  a\\u{a}b\n\
             \n`tidegate approvals show ID` shows exactly what would be done.\n"
        );
    }

    #[test]
    fn offers_are_numbered_and_named_by_their_flags() {
        let mut waiting = waiting("make");
        waiting.why_asked = Some("The folder was replaced.".to_owned());
        waiting.offers = vec![OfferedPermission {
            offer: PermissionOffer::Contained,
            sentence: "Agents run contained commands in /work\n  3. --rule without asking.".to_owned(),
        }];

        let text = render(&waiting, &Labels::default(), UnixMillis(0));

        let expected = "\nWhy you are asked\n\
             \x20 | The folder was replaced.\n\
             \nHow you can allow it\n\
             \x20 1. Once, exactly as shown.\n\
             \x20 2. --in-folder: Agents run contained commands in /work\\u{a}  3. --rule without asking.\n\
             \n\x20 Id ";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_label_cannot_pass_for_another_session() {
        let key = "agent:main:subagent:1".to_owned();
        let labels = Labels([(key.clone(), "main\" (you)\n".to_owned())].into());
        let other = Labels([("agent:main:main".to_owned(), "you".to_owned())].into());

        assert_eq!(labels.name(&key), "subagent \"main' (you)\\u{a}\"");
        assert_eq!(other.name("agent:main:main"), "agent:main:main");
    }
}
