//! The checkout, and the programs that are started in it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Where we are, and what the environment of each program holds beside ours.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    root: PathBuf,
    cache: PathBuf,
    variables: BTreeMap<OsString, OsString>,
}

impl Session {
    /// # Errors
    /// Where no home directory is known, or the current directory is not the top of the checkout.
    pub(crate) fn new() -> Result<Self> {
        let root = env::current_dir().context("the current directory cannot be read")?;
        if !root.join("xtask/Cargo.toml").exists() {
            bail!("call ./dev, or cargo xtask in the top directory of the checkout.");
        }
        let cache = match (set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(cache), _) => PathBuf::from(cache),
            (None, Some(home)) => Path::new(&home).join(".cache"),
            (None, None) => bail!("HOME is not set, so there is no place for the build cache."),
        };
        Ok(Self { root, cache: cache.join("tidegate"), variables: BTreeMap::new() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of everything that is kept between runs.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Whether continuous integration calls.
    pub(crate) fn is_ci(&self) -> bool {
        env::var_os("CI").is_some_and(|value| value == "true")
    }

    /// A variable as the started programs see it.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(OsStr::new(name)).cloned().or_else(|| set(name))
    }

    /// Sets a variable for all programs that are started from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Looks for programs in `directory` before all others.
    ///
    /// # Errors
    /// Where the name of the directory cannot stand in `PATH`.
    pub(crate) fn search_first(&mut self, directory: &Path) -> Result<()> {
        let before = self.variable("PATH").unwrap_or_default();
        let paths = std::iter::once(directory.to_owned()).chain(env::split_paths(&before));
        let joined = env::join_paths(paths)?;
        self.set("PATH", joined);
        Ok(())
    }

    /// Where `program` is found, if it is.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.variable("PATH")?;
        env::split_paths(&path).map(|directory| directory.join(program)).find(|file| is_executable(file))
    }

    pub(crate) fn has(&self, program: &str) -> bool {
        self.find(program).is_some()
    }

    /// The directory that cargo builds in.
    ///
    /// # Errors
    /// Where none was chosen yet.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let target = self.variable("CARGO_TARGET_DIR").map(PathBuf::from);
        // A name from the caller may be relative to where we are.
        Ok(self.root.join(target.context("no build directory was chosen")?))
    }

    /// A program in the checkout.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Program {
        let mut command = Command::new(program.as_ref());
        command.current_dir(&self.root).envs(&self.variables);
        Program { name: program.as_ref().to_string_lossy().into_owned(), command }
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Program {
        self.command("cargo").args(arguments)
    }
}

/// A variable of ours that is not empty.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// A program that is to be started.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    command: Command,
}

impl Program {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Where it cannot be started, or fails.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.command.status().with_context(|| format!("{} cannot be started", self.name))?;
        self.success(status)
    }

    /// Runs it to its end, and exits as it does.
    ///
    /// # Errors
    /// Where it cannot be started, or a signal ends it.
    pub(crate) fn exit_code(mut self) -> Result<ExitCode> {
        let status = self.command.status().with_context(|| format!("{} cannot be started", self.name))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.with_context(|| format!("{} ended with {status}", self.name))?))
    }

    /// Whether it succeeds; what it prints is not shown.
    pub(crate) fn succeeds(mut self) -> bool {
        let quiet = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    /// What it prints where it succeeds; what it says of errors is not shown.
    pub(crate) fn quiet_output(mut self) -> Option<String> {
        let output = self.command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What it prints, without the white space at its end.
    ///
    /// # Errors
    /// Where it cannot be started, or fails.
    pub(crate) fn output(mut self) -> Result<String> {
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().with_context(|| format!("{} cannot be started", self.name))?;
        self.success(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs it to its end and gives each line that it prints, on either stream, to `line`.
    ///
    /// # Errors
    /// Where it cannot be started, or fails.
    pub(crate) fn lines(mut self, mut line: impl FnMut(&str)) -> Result<()> {
        use std::io::{BufRead, BufReader};

        let (reader, writer) = std::io::pipe().context("no pipe can be opened")?;
        self.command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self.command.spawn().with_context(|| format!("{} cannot be started", self.name))?;
        // Holds the writing ends, without which the pipe ends with the last program that has it.
        self.command = Command::new("");
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            bytes.clear();
        }
        let status = child.wait()?;
        self.success(status)
    }

    /// Becomes it: signals reach it directly. Returns only where it cannot be started.
    #[cfg(unix)]
    pub(crate) fn replace(mut self) -> anyhow::Error {
        use std::os::unix::process::CommandExt;

        anyhow::Error::from(self.command.exec()).context(format!("{} cannot be started", self.name))
    }

    /// Runs it and ends as it does.
    #[cfg(not(unix))]
    pub(crate) fn replace(mut self) -> anyhow::Error {
        match self.command.status() {
            Ok(status) => std::process::exit(status.code().unwrap_or(1)),
            Err(error) => anyhow::Error::from(error).context(format!("{} cannot be started", self.name)),
        }
    }

    fn success(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }
}
