//! The person at the keyboard.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

/// The most bytes that are read from the standard input: no key is longer.
const MAX_INPUT: u64 = 64 * 1024;

/// Asks the person. All calls block.
pub trait Person: Send + Sync {
    /// Whether someone can be asked: standard input and standard error are a terminal.
    fn is_present(&self) -> bool;

    /// Asks a question that is answered with yes or no; anything but a clear yes is a no.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    fn confirm(&self, question: &str) -> io::Result<bool>;

    /// Asks for a line; `None` at the end of the input. What was typed before the question answers
    /// nothing: it is dropped.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    fn line(&self, prompt: &str) -> io::Result<Option<String>>;

    /// Asks for a secret, without showing it.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    fn secret(&self, prompt: &str) -> io::Result<String>;

    /// Reads the standard input to its end.
    ///
    /// # Errors
    /// When it cannot be read, is not text, or has more than 64 KiB.
    fn input(&self) -> io::Result<String>;
}

/// The process's own terminal and standard input.
#[derive(Debug, Clone, Copy)]
pub struct Terminal;

impl Person for Terminal {
    fn is_present(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn confirm(&self, question: &str) -> io::Result<bool> {
        let mut err = io::stderr();
        write!(err, "{question} [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    fn line(&self, prompt: &str) -> io::Result<Option<String>> {
        drop_typed()?;
        let mut err = io::stderr();
        write!(err, "{prompt} ")?;
        err.flush()?;
        let mut line = String::new();
        let bytes = io::stdin().lock().take(MAX_INPUT).read_line(&mut line)?;
        Ok((bytes > 0).then_some(line))
    }

    fn secret(&self, prompt: &str) -> io::Result<String> {
        rpassword::prompt_password(prompt)
    }

    fn input(&self) -> io::Result<String> {
        let mut text = String::new();
        io::stdin().lock().take(MAX_INPUT + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_INPUT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more than 64 KiB"));
        }
        Ok(text)
    }
}

#[cfg(unix)]
fn drop_typed() -> io::Result<()> {
    Ok(rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush)?)
}

#[cfg(not(unix))]
fn drop_typed() -> io::Result<()> {
    Ok(())
}
