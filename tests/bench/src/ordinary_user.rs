//! What is measured as an ordinary user: for root, sandboxes and look-ups cost something else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user that root measures as; nobody's, on every system that we know.
const NOBODY: u32 = 65_534;

/// A directory of the ordinary user's, removed with this value.
pub(crate) struct OrdinaryUser {
    directory: tempfile::TempDir,
}

impl OrdinaryUser {
    /// Makes the directory, on a disk.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { directory: crate::server::state_directory()? })
    }

    /// The user's own directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Copies a program to where they may start it.
    pub(crate) fn program(&self, program: &Path) -> anyhow::Result<PathBuf> {
        let copy = self.directory().join(program.file_name().unwrap_or_default());
        fs::copy(program, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        Ok(copy)
    }

    /// Gives them everything in their directory.
    pub(crate) fn hand_over(&self) -> anyhow::Result<()> {
        if is_root() {
            hand_over(self.directory())?;
        }
        Ok(())
    }

    /// Starts `command` as them, with no more than they need to find programs.
    pub(crate) fn run(&self, command: &mut Command) -> Command {
        let mut run = if is_root() {
            let id = NOBODY.to_string();
            let mut run = Command::new("setpriv");
            run.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
            run.arg(command.get_program());
            run
        } else {
            Command::new(command.get_program())
        };
        run.args(command.get_args()).env_clear();
        run.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.directory().join("home"));
        run.current_dir(self.directory());
        run
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn hand_over(path: &Path) -> std::io::Result<()> {
    chown(path, Some(NOBODY), Some(NOBODY))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path())?;
        }
    }
    Ok(())
}
