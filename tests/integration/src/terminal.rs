//! The command line in a terminal, as a person sits before it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::eventually::PATIENCE;
use crate::program;
use crate::serving::{BINARY, Serving};

/// A command of the person whose standard input and standard error are a terminal. Its standard output is a
/// pipe, so that the answer stands alone.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: mpsc::UnboundedReceiver<String>,
    seen: String,
}

impl Terminal {
    /// Starts a command.
    ///
    /// # Panics
    /// When there are no terminals here.
    #[must_use]
    pub fn run(serving: &Serving, arguments: &[&str]) -> Self {
        let (keyboard, end) = pair().unwrap();
        let child = program::command(BINARY, &serving.place)
            .args(arguments)
            .stdin(Stdio::from(end.try_clone().unwrap()))
            .stderr(Stdio::from(end))
            .spawn()
            .unwrap();
        let (to, screen) = mpsc::unbounded_channel();
        let from = keyboard.try_clone().unwrap();
        std::thread::spawn(move || copy(from, &to));
        Self { child, keyboard, screen, seen: String::new() }
    }

    /// Waits until the screen shows this, behind what was waited for before.
    ///
    /// # Panics
    /// When it never does.
    pub async fn until(&mut self, text: &str) -> String {
        let shown = timeout(PATIENCE, async {
            while !self.seen.contains(text) {
                let more = self.screen.recv().await;
                self.seen
                    .push_str(&more.unwrap_or_else(|| panic!("{text:?} was never shown: {}", self.seen)));
            }
        });
        shown.await.unwrap_or_else(|_| panic!("{text:?} is not shown: {}", self.seen));
        let end = self.seen.find(text).unwrap_or_default() + text.len();
        let rest = self.seen.split_off(end);
        std::mem::replace(&mut self.seen, rest)
    }

    /// Types a line.
    ///
    /// # Panics
    /// When nothing reads it any more.
    pub fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the end, and returns what was printed to the standard output.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(self) -> String {
        let output = timeout(PATIENCE, self.child.wait_with_output()).await;
        String::from_utf8(output.expect("the command ends").unwrap().stdout).unwrap()
    }
}

/// A terminal: the person's side, and the program's.
fn pair() -> io::Result<(File, File)> {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&person)?;
    unlockpt(&person)?;
    let name = ptsname(&person, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = rustix::fs::open(&name, flags, Mode::empty())?;
    Ok((File::from(person), File::from(program)))
}

/// Passes on what is shown, until no program has the terminal open.
fn copy(mut from: File, to: &mpsc::UnboundedSender<String>) {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let shown = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if to.send(shown).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
