//! A command that an agent, or a client, wants to run, or a file that an agent wants to use outside
//! its workspace.

use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::text;
use tidegate_trust::approval::{FileAccess, Operation, PendingApproval, Requester};

use super::{MAX_BLOCK, Review, Rule, code};
use crate::dialog::{Field, FieldStyle, ReviewDialog};

/// How many lines a text may have before the dialog says that it has to be scrolled.
const MANY_LINES: usize = 8;
/// How long a command may run when it does not say otherwise: not worth a line.
const USUAL_TIMEOUT_SECONDS: u64 = 1800;
/// What is said of a file in the workspace that a prompt, git, an editor or another agent reads.
const TRIGGER_HEADING: &str = "Change a file that can run commands as you?";
const TRIGGER_CAUTION: &str =
    "Text in this file can run as you, outside the sandbox, when the folder is looked at or opened.";
/// The most runs above a run that are named.
const MAX_ANCESTORS: usize = 16;

/// The dialog for a waiting command or file.
#[must_use]
pub fn of_command(waiting: &PendingApproval) -> Review {
    let shown = match &waiting.command.operation {
        Operation::Exec { command, command_argv, cwd, env, confinement } => {
            exec(&waiting.requester, command, command_argv, cwd, env, confinement.as_ref())
        }
        Operation::File { path, exists, trigger, access } => file(path, *exists, *trigger, access),
    };
    let is_whole = shown.parts.iter().all(Part::is_whole);
    let dialog = ReviewDialog {
        title: shown.title,
        heading: shown.heading.to_owned(),
        cautions: cautions(&shown, is_whole),
        fields: fields(waiting, shown.parts),
        rights: Vec::new(),
        code: String::new(),
        created_at: waiting.created_at,
        expires_at: waiting.expires_at(),
        behind: String::new(),
        options: None,
        approve: "Allow once",
        refuse: "Deny",
        can_block: false,
    };
    Review { dialog, rule: Rule::Command { is_whole } }
}

/// What the dialog shows of one operation.
struct Shown {
    title: &'static str,
    heading: &'static str,
    cautions: Vec<String>,
    parts: Vec<Part>,
}

/// A part of an operation, in the order of drawing.
enum Part {
    Line(&'static str, String),
    Block(&'static str, Block),
}

impl Part {
    fn is_whole(&self) -> bool {
        match self {
            Self::Line(_, text) => text.chars().count() <= super::MAX_PATH,
            Self::Block(_, block) => block.is_whole,
        }
    }

    fn has_hidden(&self) -> bool {
        match self {
            Self::Line(_, text) => text.trim_matches(' ') != text || text.chars().any(deceives),
            Self::Block(_, block) => block.has_hidden,
        }
    }
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
    if let Some(confinement) = confinement {
        parts.extend(conditions(confinement));
    }
    parts.extend(argv.first().map(|program| Part::Line("Program", program.clone())));
    parts.push(Part::Block("Program and arguments", arguments(argv)));
    parts.push(Part::Line("Directory", cwd.to_owned()));
    parts.push(Part::Block("Environment it changes", environment(env)));
    Shown {
        title: "Tidegate: command request",
        heading: match requester {
            Requester::Run => "Run this command?",
            Requester::Client { .. } => "Run this command? A connected client asks.",
        },
        cautions: confinement
            .filter(|confinement| confinement.class == CommandClass::Unconfined)
            .map(|_| CommandClass::Unconfined.sentence().to_owned())
            .into_iter()
            .chain(many_lines("It", command))
            .collect(),
        parts,
    }
}

/// What the command can do, why it needs that, and how long it may run.
fn conditions(confinement: &Confinement) -> Vec<Part> {
    let mut parts = Vec::new();
    if confinement.class != CommandClass::Unconfined {
        parts.push(Part::Block("What it can do", Block::of(&confinement.sentences().join("\n"))));
    }
    let reason = confinement.reason.as_deref();
    parts.extend(reason.map(|reason| Part::Block("Why, in the agent's words", Block::of(reason))));
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
        FileAccess::Read => {
            ("Read a file outside the workspace?", vec![file], Vec::new(), Some("There is no such file now."))
        }
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
            Some("There is no such file now."),
        ),
    };
    let missing = missing.filter(|_| !exists).map(str::to_owned);
    let heading = if trigger { TRIGGER_HEADING } else { heading };
    let runs = trigger.then(|| TRIGGER_CAUTION.to_owned());
    Shown {
        title: "Tidegate: file access request",
        heading,
        cautions: runs.into_iter().chain(missing).chain(long).collect(),
        parts,
    }
}

fn many_lines(what: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MANY_LINES).then(|| format!("{what} has {lines} lines. Scroll to read all of it."))
}

fn cautions(shown: &Shown, is_whole: bool) -> Vec<String> {
    let mut cautions = Vec::new();
    if !is_whole {
        cautions.push("It is too long to be shown whole, so it cannot be allowed here.".to_owned());
    }
    if shown.parts.iter().any(Part::has_hidden) {
        cautions.push("It holds characters that cannot be seen. They are shown as \\u{...}.".to_owned());
    }
    cautions.extend(shown.cautions.iter().cloned());
    cautions
}

fn fields(waiting: &PendingApproval, parts: Vec<Part>) -> Vec<Field> {
    let command = &waiting.command;
    let mut fields: Vec<Field> = parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Line(label, text) => code(label, &with_visible_ends(&text)),
            Part::Block(label, block) => block.field(label),
        })
        .collect();
    if let Requester::Client { principal, .. } = &waiting.requester {
        fields.extend(code("Asked by", &principal.name()));
    }
    fields.extend(code("Session", &command.session_key));
    fields.extend(command.run_id.as_deref().and_then(|run| code("Run", run)));
    fields.extend(words_of_ancestors(&command.ancestors));
    fields
}

/// A path with the spaces at its ends made visible: they belong to it.
fn with_visible_ends(text: &str) -> String {
    let (start, end) = (text.trim_start_matches(' '), text.trim_end_matches(' '));
    if start.is_empty() {
        return String::new();
    }
    let space = |count: usize| "\\u{20}".repeat(count);
    format!("{}{}{}", space(text.len() - start.len()), text.trim_matches(' '), space(text.len() - end.len()))
}

fn words_of_ancestors(ancestors: &[String]) -> Option<Field> {
    let shown: Vec<String> =
        ancestors.iter().take(MAX_ANCESTORS).map(|run| text::one_line(run, 64)).collect();
    let more = match ancestors.len().saturating_sub(MAX_ANCESTORS) {
        0 => String::new(),
        more => format!(", and {more} above"),
    };
    let joined = shown.join(", which was started by ");
    (!shown.is_empty()).then(|| Field {
        label: "Started by",
        value: format!("{joined}{more}"),
        style: FieldStyle::Code,
    })
}

/// Text with its line breaks, everything else that hides made visible.
struct Block {
    text: String,
    is_whole: bool,
    has_hidden: bool,
}

impl Block {
    fn of(text: &str) -> Self {
        let mut block = Self { text: String::new(), is_whole: true, has_hidden: false };
        let mut length = 0;
        for character in text.chars() {
            let hides = (character.is_control() && character != '\n') || text::is_invisible(character);
            let (piece, width) = match hides {
                true => {
                    let piece = format!("\\u{{{:x}}}", u32::from(character));
                    let width = piece.len();
                    (piece, width)
                }
                false => (character.to_string(), 1),
            };
            if length + width > MAX_BLOCK {
                block.text.push_str("\n\u{2026}");
                block.is_whole = false;
                return block;
            }
            block.has_hidden |= deceives(character);
            length += width;
            block.text.push_str(&piece);
        }
        block
    }

    fn field(self, label: &'static str) -> Option<Field> {
        let Self { text, .. } = self;
        (!text.is_empty()).then_some(Field { label, value: text, style: FieldStyle::Block })
    }
}

/// Whether a character deserves a caution: scripts have tabs and line breaks for good reasons.
fn deceives(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t')) || text::is_invisible(character)
}

/// One argument a line; a line break inside one is made visible, so that it cannot pass for two.
fn arguments(argv: &[String]) -> Block {
    lines(argv.iter().map(|argument| one_argument(argument)))
}

fn environment(env: &[(String, String)]) -> Block {
    lines(env.iter().map(|(name, value)| one_argument(&format!("{name}={value}"))))
}

/// An argument on one line, and whether something in it hides.
fn one_argument(argument: &str) -> (String, bool) {
    (text::one_line(argument, usize::MAX), argument.chars().any(deceives))
}

fn lines(arguments: impl Iterator<Item = (String, bool)>) -> Block {
    let (lines, hidden): (Vec<String>, Vec<bool>) = arguments.unzip();
    let mut block = Block::of(&lines.join("\n"));
    block.has_hidden = hidden.contains(&true);
    block
}
