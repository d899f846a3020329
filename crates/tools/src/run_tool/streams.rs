//! What a command reads and writes: nothing and this process's error output, or a terminal of its own.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread::{self, JoinHandle};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::Winsize;

use super::protocol::{Plan, Work};

/// The size of a terminal, in characters. Programs wrap their output at it.
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// The character that Ctrl-C types.
const CONTROL_C: u8 = 3;

/// The streams of a command.
pub(super) struct Streams {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
}

/// The outer end of a command's terminal.
pub(super) struct Terminal {
    master: File,
    copying: JoinHandle<()>,
}

impl Streams {
    /// Those that the plan asks for.
    pub(super) fn of(plan: &Plan) -> io::Result<(Self, Option<Terminal>)> {
        let has_terminal = matches!(&plan.work, Work::Command { exec, .. } if exec.confinement.pty);
        if has_terminal {
            let (streams, terminal) = Self::terminal()?;
            return Ok((streams, Some(terminal)));
        }
        let output = || io::stderr().as_fd().try_clone_to_owned();
        let input = File::open("/dev/null")?.into();
        Ok((Self { input, output: output()?, errors: output()? }, None))
    }

    fn terminal() -> io::Result<(Self, Terminal)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let size = Winsize { ws_col: COLUMNS, ws_row: ROWS, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let streams = Self { input: slave.try_clone()?, output: slave.try_clone()?, errors: slave };
        let master = File::from(master);
        let from = master.try_clone()?;
        let copying = thread::spawn(move || copy(from));
        Ok((streams, Terminal { master, copying }))
    }
}

impl Terminal {
    /// Sends Ctrl-C to what runs in the foreground of the terminal.
    pub(super) fn interrupt(&self) {
        let _ = (&self.master).write_all(&[CONTROL_C]);
    }

    /// Waits until everything that was written is copied. Called when nothing has it open any more.
    pub(super) fn finish(self) {
        let _ = self.copying.join();
    }
}

/// Copies until no process has the terminal open, which reading tells as an error.
fn copy(mut from: File) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if io::stderr().write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
