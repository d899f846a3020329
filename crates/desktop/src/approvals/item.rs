//! What the dialog shows of one request.

use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::permissions::PermissionOffer;
use tidegate_protocol::text;
use tidegate_trust::approval::{FileAccess, Operation, PendingApproval, Requester};
use tidegate_trust::permissions::Offered;

use super::visible::{Block, Part};
use super::{Mark, SessionName, ShownMark};
use crate::dialog::{ApprovalChoice, ApprovalItem};
use crate::review;

/// How many lines a text may have before the dialog says that it has to be scrolled.
const MANY_LINES: usize = 8;
/// How long a command may run when it does not say otherwise: not worth a line.
const USUAL_TIMEOUT_SECONDS: u64 = 1800;
/// What is said of a file in the workspace that a prompt, git, an editor or another agent reads.
const TRIGGER_HEADING: &str = "Change a file that can run commands as you?";
const TRIGGER_CAUTION: &str =
    "Text in this file can run as you, outside the sandbox, when the folder is looked at or opened.";
const NO_FILE: &str = "There is no such file now.";
/// The most runs above a run that are named.
const MAX_ANCESTORS: usize = 16;
/// Shells that run a command line as it is shown.
const SHELLS: [&str; 4] = ["sh", "dash", "bash", "ash"];

/// The part of the dialog about one request. `name`: what its session is called.
pub(super) fn item(waiting: &PendingApproval, name: Option<&SessionName>) -> ApprovalItem {
    let shown = match &waiting.command.operation {
        Operation::Exec { command, command_argv, cwd, env, confinement } => {
            exec(&waiting.requester, command, command_argv, cwd, env, confinement.as_ref())
        }
        Operation::File { path, exists, trigger, access } => file(path, *exists, *trigger, access),
    };
    let mut details = shown.details;
    let who = who_asks(waiting, name, &mut details);
    let is_whole = shown.parts.iter().chain(&details).all(Part::is_whole);
    let hides_in_details = details.iter().any(Part::has_hidden);
    let has_hidden = hides_in_details || shown.parts.iter().chain(&who).any(Part::has_hidden);
    let mut cautions = Vec::new();
    if !is_whole {
        cautions.push("It is too long to be shown whole, so it cannot be allowed here.".to_owned());
    }
    if has_hidden {
        cautions.push("It holds characters that cannot be seen. They are shown as \\u{...}.".to_owned());
    }
    cautions.extend(shown.cautions);
    cautions.extend(waiting.why_asked.as_ref().map(ToString::to_string));
    let fields = shown.parts.into_iter().chain(who).filter_map(Part::field);
    let once = ApprovalChoice {
        permission: None,
        sentence: shown.once.to_owned(),
        approve: shown.approve.to_owned(),
    };
    let offers = waiting.offers.iter().map(choice);
    ApprovalItem {
        id: waiting.id.clone(),
        is_command: matches!(waiting.command.operation, Operation::Exec { .. }),
        heading: shown.heading.to_owned(),
        cautions,
        marks: shown.marks,
        fields: fields.collect(),
        details: details.into_iter().filter_map(Part::field).collect(),
        shows_details: shown.shows_details || hides_in_details,
        choices: if is_whole { std::iter::once(once).chain(offers).collect() } else { Vec::new() },
        can_answer: matches!(waiting.requester, Requester::Run),
        created_at: waiting.created_at,
        expires_at: waiting.expires_at(),
    }
}

/// What is shown of one operation.
struct Shown {
    heading: &'static str,
    cautions: Vec<String>,
    marks: Vec<ShownMark>,
    parts: Vec<Part>,
    details: Vec<Part>,
    shows_details: bool,
    /// What happens when it is allowed once, and what the button says then.
    once: &'static str,
    approve: &'static str,
}

fn exec(
    requester: &Requester,
    command: &str,
    argv: &[String],
    cwd: &str,
    env: &[(String, String)],
    confinement: Option<&Confinement>,
) -> Shown {
    let mut parts = vec![Part::Block("Command", Block::of(command))];
    parts.push(Part::Line("Folder", cwd.to_owned()));
    let mut cautions = Vec::new();
    if let Some(confinement) = confinement {
        parts.extend(conditions(confinement));
        if confinement.class == CommandClass::Unconfined {
            cautions.push(CommandClass::Unconfined.sentence().to_owned());
        }
        cautions.extend(confinement.caution().map(str::to_owned));
    }
    cautions.extend(many_lines("The command", command));
    let arguments = Block::of_lines(argv.iter().cloned());
    let environment = Block::of_lines(env.iter().map(|(name, value)| format!("{name}={value}")));
    Shown {
        heading: match requester {
            Requester::Run => "Run this command?",
            Requester::Client { .. } => "Run this command? A connected client asks.",
        },
        cautions,
        marks: Mark::of(command, cwd).into_iter().map(|mark| mark.within(confinement)).collect(),
        parts,
        details: vec![
            Part::Block("Program and arguments", arguments),
            Part::Block("Environment it changes", environment),
        ],
        shows_details: !is_plain(argv, command) || !env.is_empty(),
        once: "Run this once, exactly as it is shown.",
        approve: "Run once",
    }
}

/// Whether a shell runs the command line as it is shown, so that the arguments say nothing more.
fn is_plain(argv: &[String], command: &str) -> bool {
    let [program, option, line] = argv else { return false };
    let name = program.rsplit('/').next().unwrap_or_default();
    SHELLS.contains(&name) && option == "-c" && line == command
}

/// What the command can do, why it needs that, and how long it may run.
fn conditions(confinement: &Confinement) -> Vec<Part> {
    let mut parts = Vec::new();
    if confinement.class != CommandClass::Unconfined {
        parts.push(Part::Sentences("What it can do", confinement.sentences()));
    }
    let reason = confinement.reason.as_deref();
    parts.extend(reason.map(|reason| Part::Quote("The agent says", Block::of(reason))));
    if confinement.timeout_seconds != USUAL_TIMEOUT_SECONDS {
        let minutes = confinement.timeout_seconds.div_ceil(60);
        let unit = if minutes == 1 { "minute" } else { "minutes" };
        parts.push(Part::Line("It is ended after", format!("{minutes} {unit}")));
    }
    parts
}

fn file(path: &str, exists: bool, trigger: bool, access: &FileAccess) -> Shown {
    let block = |label, text: &str| match text.is_empty() {
        true => Part::Line(label, "(nothing)".to_owned()),
        false => Part::Block(label, Block::of(text)),
    };
    let file = Part::Line("File", path.to_owned());
    let (heading, parts, long, missing) = match access {
        FileAccess::Read => ("Read a file outside the workspace?", vec![file], Vec::new(), Some(NO_FILE)),
        FileAccess::Write { content } => (
            match exists {
                true => "Replace a file outside the workspace?",
                false => "Create a file outside the workspace?",
            },
            vec![file, block("Its new content", content)],
            many_lines("The content", content).into_iter().collect(),
            None,
        ),
        FileAccess::Edit { old_text, new_text } => (
            "Change a file outside the workspace?",
            vec![file, block("Old text", old_text), block("New text", new_text)],
            many_lines("The old text", old_text)
                .into_iter()
                .chain(many_lines("The new text", new_text))
                .collect(),
            Some(NO_FILE),
        ),
    };
    let (once, approve) = match access {
        FileAccess::Read => ("The agent reads this file once, as it is then.", "Read once"),
        FileAccess::Write { .. } => ("This file gets exactly this content, once.", "Write once"),
        FileAccess::Edit { .. } => ("This text is replaced once, exactly as it is shown.", "Change once"),
    };
    let missing = missing.filter(|_| !exists).map(str::to_owned);
    let runs = trigger.then(|| TRIGGER_CAUTION.to_owned());
    Shown {
        heading: if trigger { TRIGGER_HEADING } else { heading },
        cautions: runs.into_iter().chain(missing).chain(long).collect(),
        marks: Vec::new(),
        parts,
        details: Vec::new(),
        shows_details: false,
        once,
        approve,
    }
}

fn many_lines(what: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MANY_LINES).then(|| format!("{what} has {lines} lines. Scroll to read all of it."))
}

/// Who asks, by name; ids go to the details.
fn who_asks(waiting: &PendingApproval, name: Option<&SessionName>, details: &mut Vec<Part>) -> Vec<Part> {
    let command = &waiting.command;
    let mut who = Vec::new();
    if let Requester::Client { principal, .. } = &waiting.requester {
        who.push(Part::Line("Client", principal.name()));
    }
    if let Some(name) = name {
        who.push(Part::Quote("Chat", Block::of(&text::one_line(&name.chat, review::MAX_WORDS))));
        let subagent = name.subagent.as_deref();
        let subagent = subagent.map(|label| Block::of(&text::one_line(label, review::MAX_WORDS)));
        who.extend(subagent.map(|label| Part::Quote("Subagent", label)));
    }
    details.push(Part::Line("Session", command.session_key.clone()));
    details.extend(command.run_id.clone().map(|run| Part::Line("Run", run)));
    details.extend(ancestors(&command.ancestors));
    who
}

fn ancestors(ancestors: &[String]) -> Option<Part> {
    let shown: Vec<String> =
        ancestors.iter().take(MAX_ANCESTORS).map(|run| text::one_line(run, 64)).collect();
    let more = match ancestors.len().saturating_sub(MAX_ANCESTORS) {
        0 => String::new(),
        more => format!(", and {more} above"),
    };
    let joined = shown.join(", which was started by ");
    (!shown.is_empty()).then(|| Part::Line("Started by", format!("{joined}{more}")))
}

/// An offer of the request as a choice.
fn choice(offered: &Offered) -> ApprovalChoice {
    let approve = match offered.offer {
        PermissionOffer::Task => "Allow for this task",
        PermissionOffer::Contained => "Allow in this folder",
        PermissionOffer::Needs => "Allow for 30 days",
        PermissionOffer::Rule { .. } => "Allow with this rule",
        PermissionOffer::ReadBelow => "Allow for this session",
    };
    ApprovalChoice {
        permission: Some(offered.offer.clone()),
        sentence: offered.sentence.clone(),
        approve: approve.to_owned(),
    }
}
