//! The strict reader of commands. It accepts only what every POSIX shell, in whatever locale and mode,
//! splits into the same words and operators, and leaves out much that would be safe.

use std::iter::Peekable;
use std::str::Chars;

use tidegate_protocol::text;

use super::quoting;

/// The most bytes of a plain command: what a person can still read.
pub const MAX_BYTES: usize = 8 * 1024;
/// The most words of a plain command, in all of its segments.
pub const MAX_WORDS: usize = 256;
/// The most programs that a plain command starts.
pub const MAX_SEGMENTS: usize = 16;

/// Beside ASCII letters and digits, what stands for itself outside of quotes. Characters beyond ASCII
/// only do so in quotes: the locale says which bytes are a character, and in some (GBK, Shift JIS) a byte
/// of ours and a letter or `|` behind it are one. A quote is never part of such a character.
const BARE: &str = "_-./:,+=@%";
/// The same for the name of a program.
const IN_PROGRAM_NAMES: &str = "_-./+";
/// What has a meaning in double quotes. `!` has one where a shell keeps a history.
const SPECIAL_IN_DOUBLE_QUOTES: &str = "$`\\!";
/// Words that some shell does not take for a program where one is expected.
const RESERVED: &[&str] = &[
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "namespace",
    "nocorrect",
    "noglob",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

/// A command of words, quotes, and `&&`, `||`, `;` and `|` between its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainCommand {
    segments: Vec<Segment>,
    /// One between each two segments.
    operators: Vec<Operator>,
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The first is the program as it was typed.
    words: Vec<String>,
}

/// What stands between two segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `&&`: if the one before succeeded.
    And,
    /// `||`: if it failed.
    Or,
    /// `;`: in any case.
    Then,
    /// `|`: at the same time, with the output of the one before.
    Pipe,
}

/// Why a command is not plain. Each sentence tells a person why no rule can hold for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPlain {
    #[error("it has no words")]
    Empty,
    #[error("it has {bytes} bytes; rules are for commands of at most {MAX_BYTES}")]
    TooLong { bytes: usize },
    #[error("it has more than {MAX_WORDS} words")]
    TooManyWords,
    #[error("it starts more than {MAX_SEGMENTS} programs")]
    TooManySegments,
    /// The shell may do something for it, such as expand it.
    #[error("it has {character:?} outside of quotes, which can mean more than itself")]
    Special { character: char },
    #[error("it has {:?} outside of quotes, which is not ASCII", shown(.character))]
    NotAscii { character: char },
    #[error("it has {character:?} in double quotes, which can mean more than itself")]
    SpecialInDoubleQuotes { character: char },
    /// A control character, a line end, or one that takes no room or is drawn as nothing.
    #[error("it has the character {}, which cannot be seen", shown(.character))]
    Hidden { character: char },
    #[error("a quote in it is not closed")]
    OpenQuote,
    /// `&` behind a segment.
    #[error("it starts a program in the background")]
    Background,
    #[error("an operator in it has no command on one side")]
    EmptySegment,
    #[error("it sets a variable for a program ({word})")]
    Assignment { word: String },
    #[error("{word:?} is a word of the shell's own language")]
    Reserved { word: String },
    #[error("{word:?} is not a usual name of a program")]
    ProgramName { word: String },
}

impl PlainCommand {
    /// Reads a command.
    ///
    /// # Errors
    /// What in it is not plain; of several reasons the first one from the left.
    pub fn parse(text: &str) -> Result<Self, NotPlain> {
        if text.len() > MAX_BYTES {
            return Err(NotPlain::TooLong { bytes: text.len() });
        }
        Reader::new(text).read()
    }

    /// What runs, from the left.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What stands between the segments: one less than these.
    #[must_use]
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// The command with its words quoted again, each in the one way that [`PlainCommand::parse`] and all
    /// shells read alike.
    #[must_use]
    pub fn requoted(&self) -> String {
        self.joined(self.segments.iter().map(Segment::program))
    }

    /// The command with these in place of the programs. There must be one for each segment.
    pub(super) fn joined<'a>(&self, programs: impl IntoIterator<Item = &'a str>) -> String {
        let mut line = String::new();
        let operators = self.operators.iter().map(|operator| operator.text()).chain([""]);
        for ((segment, operator), program) in self.segments.iter().zip(operators).zip(programs) {
            line.push_str(&quoting::quote(program));
            for argument in segment.arguments() {
                line.push(' ');
                line.push_str(&quoting::quote(argument));
            }
            line.push_str(operator);
        }
        line
    }
}

impl Segment {
    /// The program and its arguments, without quotes.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The program as it was typed; never empty.
    #[must_use]
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words behind the program.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Self::And => " && ",
            Self::Or => " || ",
            Self::Then => "; ",
            Self::Pipe => " | ",
        }
    }
}

/// Whether a character stands for itself outside of quotes.
pub(super) fn is_bare(character: char) -> bool {
    character.is_ascii_alphanumeric() || BARE.contains(character)
}

/// Whether a person does not see a character for what it is.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control() || text::is_invisible(character) || text::is_blank(character)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    segments: Vec<Segment>,
    operators: Vec<Operator>,
    /// Of the segment that is being read.
    words: Vec<String>,
    /// The word that is being read. An empty one began with an empty pair of quotes.
    word: Option<String>,
    /// Words of all segments.
    count: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            segments: Vec::new(),
            operators: Vec::new(),
            words: Vec::new(),
            word: None,
            count: 0,
        }
    }

    fn read(mut self) -> Result<PlainCommand, NotPlain> {
        while let Some(character) = self.rest.next() {
            match character {
                ' ' => self.end_word()?,
                '\'' | '"' => self.read_quoted(character)?,
                '&' | '|' | ';' => self.read_operator(character)?,
                // zsh puts a path in place of such a word.
                '=' if self.word.is_none() => return Err(NotPlain::Special { character }),
                _ if is_bare(character) => self.word.get_or_insert_default().push(character),
                _ if is_hidden(character) => return Err(NotPlain::Hidden { character }),
                _ if !character.is_ascii() => return Err(NotPlain::NotAscii { character }),
                _ => return Err(NotPlain::Special { character }),
            }
        }
        if self.segments.is_empty() && self.words.is_empty() && self.word.is_none() {
            return Err(NotPlain::Empty);
        }
        self.end_segment()?;
        Ok(PlainCommand { segments: self.segments, operators: self.operators })
    }

    /// Reads to the quote that closes, which is the same as the one that opened.
    fn read_quoted(&mut self, quote: char) -> Result<(), NotPlain> {
        let word = self.word.get_or_insert_default();
        for character in self.rest.by_ref() {
            if character == quote {
                return Ok(());
            }
            if is_hidden(character) {
                return Err(NotPlain::Hidden { character });
            }
            if quote == '"' && SPECIAL_IN_DOUBLE_QUOTES.contains(character) {
                return Err(NotPlain::SpecialInDoubleQuotes { character });
            }
            word.push(character);
        }
        Err(NotPlain::OpenQuote)
    }

    fn read_operator(&mut self, first: char) -> Result<(), NotPlain> {
        let is_double = first != ';' && self.rest.next_if_eq(&first).is_some();
        let operator = match (first, is_double) {
            ('&', true) => Operator::And,
            ('&', false) => return Err(NotPlain::Background),
            ('|', true) => Operator::Or,
            ('|', false) => Operator::Pipe,
            _ => Operator::Then,
        };
        self.end_segment()?;
        self.operators.push(operator);
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), NotPlain> {
        let Some(word) = self.word.take() else { return Ok(()) };
        if self.words.is_empty() {
            check_program(&word)?;
        }
        self.count += 1;
        if self.count > MAX_WORDS {
            return Err(NotPlain::TooManyWords);
        }
        self.words.push(word);
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), NotPlain> {
        self.end_word()?;
        if self.words.is_empty() {
            return Err(NotPlain::EmptySegment);
        }
        if self.segments.len() == MAX_SEGMENTS {
            return Err(NotPlain::TooManySegments);
        }
        self.segments.push(Segment { words: std::mem::take(&mut self.words) });
        Ok(())
    }
}

/// Whether every shell looks for a program of this name. Quotes make no difference: a rule has no use for
/// a program that needs them.
fn check_program(word: &str) -> Result<(), NotPlain> {
    let shown = || text::one_line(word, 64);
    if RESERVED.contains(&word) {
        return Err(NotPlain::Reserved { word: shown() });
    }
    if word.contains('=') {
        return Err(NotPlain::Assignment { word: shown() });
    }
    let is_usual =
        |character: char| character.is_ascii_alphanumeric() || IN_PROGRAM_NAMES.contains(character);
    // `.` reads a file of commands.
    let is_dots = word.chars().all(|character| character == '.');
    if is_dots || word.starts_with(['-', '+']) || !word.chars().all(is_usual) {
        return Err(NotPlain::ProgramName { word: shown() });
    }
    Ok(())
}

/// A character for a person, whatever it is.
fn shown(character: &char) -> String {
    text::one_line(&character.to_string(), 16)
}
