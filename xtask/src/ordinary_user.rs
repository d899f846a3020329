//! The user who runs the tests where root calls. The system refuses root nothing, so root sees none of the faults that
//! everybody else meets. This user has no other rights and no groups, and works in a copy of the checkout below the
//! user's home.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::session::{Program, Session};

const NAME: &str = "tidegate-test";
/// The copy of the checkout, the archive, what is unpacked from it, and the desktop's programs.
const MINIMUM_FREE_GIB: u64 = 6;
/// Variables of the caller that choose what is tested and how it is shown.
const KEPT_VARIABLES: &[&str] = &[
    "CI",
    "TERM",
    "CARGO_TERM_COLOR",
    "RUST_BACKTRACE",
    "NEXTEST_TEST_THREADS",
    "PROPTEST_CASES",
    "PROPTEST_RNG_SEED",
    "TIDEGATE_SEED",
    "TIDEGATE_SPAWNS",
    "TIDEGATE_KILL_CYCLES",
    "TIDEGATE_ENDINGS",
    "TIDEGATE_COMMANDS",
    "TIDEGATE_PLAIN_COMMANDS",
    "TIDEGATE_TRUST_SEED",
    "TIDEGATE_TRUST_STEPS",
    "TIDEGATE_PERMISSION_SEED",
    "TIDEGATE_PERMISSION_STEPS",
];

/// The user, with a directory for one run. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct TestUser {
    home: PathBuf,
    user: String,
    group: String,
    directory: PathBuf,
}

/// Whether root calls, on a system where the tests can run as another user.
pub(crate) fn is_needed(session: &Session) -> Result<bool> {
    Ok(cfg!(target_os = "linux") && session.command("id").arg("-u").output()? == "0")
}

impl TestUser {
    /// Makes the user where there is none, and a directory with a copy of the checkout.
    ///
    /// # Errors
    /// Where a program, a home directory or room is missing; the sentence says what to do.
    pub(crate) fn prepare(session: &Session) -> Result<Self> {
        for program in ["useradd", "setpriv", "getent"] {
            if !session.has(program) {
                bail!(
                    "{program} is missing (Debian: apt-get install passwd util-linux libc-bin). Without it, call \
                     ./dev test as an ordinary user."
                );
            }
        }
        let exists = || session.command("id").args(["-u", NAME]).succeeds();
        if !exists() {
            println!("Making the user {NAME}, who runs the tests (to remove it: userdel --remove {NAME}).");
            let made = session
                .command("useradd")
                .args(["--create-home", "--user-group", "--shell", "/bin/bash", NAME])
                .finish();
            // Another run may make it at the same moment.
            if made.is_err() && !exists() {
                bail!(
                    "the user {NAME} cannot be made: see above. Make it yourself, or call ./dev test as an ordinary \
                     user."
                );
            }
        }
        let entry = session.command("getent").args(["passwd", NAME]).output()?;
        let home = entry.split(':').nth(5).map(PathBuf::from).context("getent tells no home directory")?;
        if !home.is_dir() {
            let home = home.display();
            bail!("{NAME} has no home directory; make it: mkdir -m 755 {home} && chown {NAME}: {home}");
        }
        if cache::free_kib(session, &home)? < MINIMUM_FREE_GIB * 1024 * 1024 {
            bail!(
                "less than {MINIMUM_FREE_GIB} GiB are free in {}, where the tests are unpacked; make room there.",
                home.display()
            );
        }
        // Of runs that were killed.
        let old =
            ["-maxdepth", "1", "-name", "run-????????", "-mmin", "+1440", "-exec", "rm", "-rf", "{}", "+"];
        session.command("find").arg(&home).args(old).finish()?;

        let id = |option: &str| session.command("id").args([option, NAME]).output();
        let mut user = Self { home, user: id("-u")?, group: id("-g")?, directory: PathBuf::from("/") };
        let made = user.run(session, "mktemp").arg("-d").arg(user.home.join("run-XXXXXXXX")).output()?;
        user.directory = PathBuf::from(made);
        user.copy_checkout(session)?;
        println!("The tests run as the user {NAME}, in {}.", user.directory.display());
        Ok(user)
    }

    /// The directory of this run.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The copy of the checkout, which the user can read.
    pub(crate) fn checkout(&self) -> PathBuf {
        self.directory.join("checkout")
    }

    /// A directory for programs that the user may start.
    pub(crate) fn programs(&self) -> PathBuf {
        self.directory.join("programs")
    }

    /// A program that runs as the user, as if the user had logged in.
    pub(crate) fn run(&self, session: &Session, program: impl AsRef<std::ffi::OsStr>) -> Program {
        let named = |name: &str, value: &str| format!("{name}={value}");
        let kept = KEPT_VARIABLES.iter().filter_map(|name| {
            let value = session.variable(name)?;
            Some(named(name, value.to_str()?))
        });
        session
            .command("sh")
            .args(["-c", "umask 022; exec \"$@\" </dev/null", "sh", "setpriv"])
            .arg(format!("--reuid={}", self.user))
            .arg(format!("--regid={}", self.group))
            .args(["--clear-groups", "--inh-caps=-all", "env", "-i"])
            .arg(named("HOME", &self.home.to_string_lossy()))
            .args([named("USER", NAME), named("LOGNAME", NAME), named("SHELL", "/bin/bash")])
            .args(["LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"])
            .args(kept)
            .arg(program)
            .directory(&self.directory)
    }

    fn copy_checkout(&self, session: &Session) -> Result<()> {
        let directories = [self.checkout(), self.programs()];
        readable(&self.directory)?;
        directories.iter().try_for_each(fs::create_dir)?;
        // Build directories say in a file of their own that they can be left out.
        let copy = "set -o pipefail
            tar --exclude-vcs --exclude-caches-all --exclude=node_modules -cf - . |
                tar --no-same-owner -C \"$1\" -xf -";
        session.command("bash").args(["-c", copy, "bash"]).arg(self.checkout()).finish()?;
        session.command("chmod").args(["-R", "a+rX"]).arg(&self.directory).finish()
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        if self.directory.starts_with(&self.home) {
            let mut remove = std::process::Command::new("rm");
            if remove.args(["-rf", "--one-file-system"]).arg(&self.directory).status().is_err() {
                println!("{} could not be removed.", self.directory.display());
            }
        }
    }
}

/// Lets everybody read and enter or start `path`.
#[cfg(unix)]
pub(crate) fn readable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// There is no test user on this system.
#[cfg(not(unix))]
pub(crate) fn readable(_path: &Path) -> Result<()> {
    Ok(())
}
