//! How the commands of a rule begin.

use serde::{Deserialize, Serialize};
use tidegate_protocol::text;

use super::plain::{MAX_BYTES, Segment, is_hidden};
use super::program_file::ProgramFile;
use super::unsuited;

/// The fewest words of a prefix: a program alone would be a rule for all that it can do.
const MIN_WORDS: usize = 2;
/// The most words of a prefix.
const MAX_WORDS: usize = 32;

/// The first words of commands, two or more, compared exactly.
///
/// One that was stored has a possible form, but may be for a program that no rule is offered for any
/// more: a person still sees and revokes it, and [`super::covers`] does not use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct RulePrefix {
    words: Vec<String>,
}

/// Why no rule is offered for a command. Each sentence is for the person who looks for the offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    #[error("a rule needs the program and at least one word behind it")]
    TooShort,
    #[error("a rule has at most {MAX_WORDS} words")]
    TooLong,
    /// In a workspace, everything can be behind a path.
    #[error("{program} is named by its path; rules are for installed programs, by their names")]
    Path { program: String },
    /// A shell, an interpreter, an editor, a program that starts others, or that acts elsewhere.
    #[error("{program} can run any other program or code, so no rule is offered for it")]
    RunsAnything { program: String },
    /// The name that was typed leads to such a program.
    #[error("{program} is {file}, which can run any other program or code, so no rule is offered for it")]
    LeadsToSuch { program: String, file: String },
    /// There is no program that does the same.
    #[error("{program} is a command of the shell itself, so no rule is offered for it")]
    Builtin { program: String },
    #[error("{program} fetches code from elsewhere and runs it, so no rule is offered for it")]
    RemoteCode { program: String },
    /// Neither a subcommand that is known to be the program's own, nor one that only does what the
    /// project says.
    #[error("rules for {program} are offered only for some of its subcommands, not for {subcommand:?}")]
    Subcommand { program: String, subcommand: String },
    /// An option or a setting before the subcommand can change what everything after it means.
    #[error("{word:?} stands directly behind the program, and can change what the rest does")]
    OptionFirst { word: String },
}

/// Why words are not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rule's words must be {MIN_WORDS} to {MAX_WORDS}, together at most {MAX_BYTES} bytes, and visible")]
pub struct InvalidPrefix;

impl RulePrefix {
    /// The first `length` words of a segment that ran, or would run, this program.
    ///
    /// # Errors
    /// Why no rule is offered for these.
    pub fn offer(segment: &Segment, length: usize, program: &ProgramFile) -> Result<Self, NotOffered> {
        if length > MAX_WORDS {
            return Err(NotOffered::TooLong);
        }
        let words = segment.words().get(..length).filter(|words| words.len() >= MIN_WORDS);
        let prefix = Self { words: words.ok_or(NotOffered::TooShort)?.to_vec() };
        prefix.check(program)?;
        Ok(prefix)
    }

    /// Whether rules with this prefix are offered for a program. Asked again whenever one is used: what
    /// an earlier version offered, this one may not.
    ///
    /// # Errors
    /// Why they are not.
    pub fn check(&self, program: &ProgramFile) -> Result<(), NotOffered> {
        let [name, subcommand, ..] = self.words.as_slice() else { return Err(NotOffered::TooShort) };
        unsuited::check(name, subcommand, &program.file)
    }

    /// Whether a segment begins with exactly these words.
    #[must_use]
    pub fn matches(&self, segment: &Segment) -> bool {
        segment.words().starts_with(&self.words)
    }

    /// Two or more; the first is the program.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl TryFrom<Vec<String>> for RulePrefix {
    type Error = InvalidPrefix;

    fn try_from(words: Vec<String>) -> Result<Self, InvalidPrefix> {
        let bytes: usize = words.iter().map(String::len).sum();
        let is_possible = (MIN_WORDS..=MAX_WORDS).contains(&words.len())
            && bytes <= MAX_BYTES
            && words.first().is_some_and(|program| !program.is_empty())
            && !words.iter().any(|word| word.chars().any(is_hidden));
        if is_possible { Ok(Self { words }) } else { Err(InvalidPrefix) }
    }
}

impl From<RulePrefix> for Vec<String> {
    fn from(prefix: RulePrefix) -> Self {
        prefix.words
    }
}

/// A word of a command in a sentence.
pub(super) fn shown(word: &str) -> String {
    text::one_line(word, 64)
}
