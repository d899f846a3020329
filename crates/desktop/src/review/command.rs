//! A command that an agent, or a client, wants to run.

use tidegate_protocol::text;
use tidegate_trust::approval::{Command, Requester, WaitingCommand};

use super::{MAX_BLOCK, Review, Rule, code};
use crate::dialog::{Field, FieldStyle, ReviewDialog};

/// How many lines a command may have before the dialog says that it has to be scrolled.
const MANY_LINES: usize = 8;
/// The most runs above a run that are named.
const MAX_ANCESTORS: usize = 16;

/// The dialog for a waiting command.
#[must_use]
pub fn of_command(waiting: &WaitingCommand) -> Review {
    let command = &waiting.command;
    let blocks = [
        ("Command", Block::of(&command.command)),
        ("Program and arguments", arguments(command)),
        ("Environment it changes", environment(command)),
    ];
    let is_whole = blocks.iter().all(|(_, block)| block.is_whole);
    let dialog = ReviewDialog {
        title: "Tidegate: a command waits",
        heading: match waiting.requester {
            Requester::Run => "An agent wants to run a command on this computer.".to_owned(),
            Requester::Client { .. } => {
                "A connected client asks whether a command may run on this computer.".to_owned()
            }
        },
        cautions: cautions(&blocks, is_whole),
        fields: fields(waiting, blocks),
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

fn cautions(blocks: &[(&'static str, Block); 3], is_whole: bool) -> Vec<String> {
    let mut cautions = Vec::new();
    if !is_whole {
        cautions.push("It is too long to be shown whole, so it cannot be allowed here.".to_owned());
    }
    if blocks.iter().any(|(_, block)| block.has_hidden) {
        cautions.push("It holds characters that cannot be seen. They are shown as \\u{...}.".to_owned());
    }
    let lines = blocks[0].1.text.lines().count();
    if lines > MANY_LINES {
        cautions.push(format!("It has {lines} lines. Scroll to read all of it."));
    }
    cautions
}

fn fields(waiting: &WaitingCommand, blocks: [(&'static str, Block); 3]) -> Vec<Field> {
    let command = &waiting.command;
    let [shell_text, arguments, environment] = blocks.map(|(label, block)| block.field(label));
    let mut fields = Vec::new();
    fields.extend(shell_text);
    fields.extend(command.command_argv.first().and_then(|program| code("Program", program)));
    fields.extend(arguments);
    fields.extend(code("Directory", &command.cwd));
    fields.extend(environment);
    if let Requester::Client { principal, .. } = &waiting.requester {
        fields.extend(code("Asked by", &principal.name()));
    }
    fields.extend(code("Session", &command.session_key));
    fields.extend(command.run_id.as_deref().and_then(|run| code("Run", run)));
    fields.extend(words_of_ancestors(&command.ancestors));
    fields
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
fn arguments(command: &Command) -> Block {
    lines(command.command_argv.iter().map(|argument| one_argument(argument)))
}

fn environment(command: &Command) -> Block {
    lines(command.env.iter().map(|(name, value)| one_argument(&format!("{name}={value}"))))
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
