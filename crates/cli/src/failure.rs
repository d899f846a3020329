//! How a command fails: what the person reads, and the exit code.

use std::io;

use serde_json::Value;
use tidegate_protocol::text;

use crate::output::Output;

/// The most characters of a sentence from the gateway that are shown.
const MAX_SENTENCE: usize = 600;

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was called in a way that cannot work.
    #[error("{0}")]
    Usage(String),
    /// Nothing listens on the socket.
    #[error(
        "Tidegate is not running. Start it with `tidegate serve`, or open the Tidegate application{}.",
        if *.with_state_dir { "; if it runs with another state directory, name that with --state-dir" } else { "" }
    )]
    NotRunning {
        /// Whether a state directory was named, so that it may be the wrong one.
        with_state_dir: bool,
    },
    /// The gateway, or the file system in front of it, turned the caller away: a tool of an agent,
    /// or another user.
    #[error("Tidegate refused this command: {}", end(&text::one_line(.0, MAX_SENTENCE)))]
    Refused(String),
    /// The gateway answered with an error.
    #[error("{}", capital(&end(&text::one_line(&.0.message, MAX_SENTENCE))))]
    Answered(ServerError),
    /// A person decides this at the desktop, where the dialog was opened.
    #[error("Tidegate's dialog was opened; decide there.")]
    DesktopDecides,
    /// The operation itself failed; the sentence says how.
    #[error("{}", end(&text::one_line(.0, MAX_SENTENCE)))]
    Failed(String),
    /// The gateway closed the connection before it answered.
    #[error(
        "Tidegate closed the connection before it answered. `tidegate status` shows whether it still runs."
    )]
    ConnectionClosed,
    /// The gateway did not answer in time.
    #[error("Tidegate did not answer within {0} seconds. `tidegate logs` may show why.")]
    NoAnswer(u64),
    /// The gateway answered something else than this version of the command understands.
    #[error(
        "Tidegate's answer to {method} could not be read ({problem}). The gateway and this command \
         may be of different versions: restart Tidegate."
    )]
    UnreadableAnswer {
        /// The method that was called.
        method: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },
    /// Interrupted by Ctrl-C.
    #[error("Stopped.")]
    Interrupted,
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    /// The keyboard or the standard input could not be read.
    #[error("the input could not be read: {0}")]
    Input(io::Error),
}

/// An error answer of the gateway. Whatever code it has: its sentence is for the person.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ServerError {
    /// The top-level code.
    #[serde(default)]
    pub code: String,
    /// A sentence, or the protocol's wording.
    #[serde(default)]
    pub message: String,
    /// A finer code and what belongs to it.
    #[serde(default)]
    pub details: Value,
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error.details.get("reason").and_then(Value::as_str) {
            Some("DESKTOP_DECIDES") => Self::DesktopDecides,
            _ => Self::Answered(error),
        }
    }
}

impl Failure {
    /// The exit code that scripts see.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // The reader has seen enough: `tidegate logs | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) => 2,
            Self::NotRunning { .. } => 3,
            Self::Refused(_) => 4,
            Self::DesktopDecides => 5,
            Self::Answered(_)
            | Self::Failed(_)
            | Self::ConnectionClosed
            | Self::NoAnswer(_)
            | Self::UnreadableAnswer { .. }
            | Self::Interrupted
            | Self::Output(_)
            | Self::Input(_) => 1,
        }
    }
}

/// Tells the person what went wrong, if anything did, and returns the exit code.
pub fn report(result: Result<(), Failure>, output: &mut Output) -> u8 {
    let Err(failure) = result else { return 0 };
    let code = failure.exit_code();
    if code != 0 {
        // Where even this cannot be written, the exit code still tells.
        let _ = output.note(&format!("tidegate: {failure}"));
    }
    code
}

/// A sentence with its full stop.
fn end(sentence: &str) -> String {
    match sentence.chars().last() {
        Some('.' | '!' | '?' | '\u{2026}') => sentence.to_owned(),
        Some(_) => format!("{sentence}."),
        None => "no reason was given.".to_owned(),
    }
}

/// A sentence that begins with a capital letter, unless its first word is a name in code.
fn capital(sentence: &str) -> String {
    let first_word = sentence.split(' ').next().unwrap_or_default();
    if !first_word.chars().all(|letter| letter.is_ascii_lowercase()) {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
