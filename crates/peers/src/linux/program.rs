//! What program a process runs, and whether a grant can hang on it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use tidegate_trust::program::{Ephemeral, Invocation, PRELOAD_VARIABLES, Program, invocation};
use tidegate_trust::records::ProgramIdentity;

use super::processes::{self, Environment};

/// Reads what a process runs; `None` when it became another one meanwhile, or is not shown to us.
/// Programs in one of `agent_writable` get no lasting grant.
pub(super) fn describe(pid: u32, uid: u32, agent_writable: &[PathBuf]) -> Option<Program> {
    let before = processes::stat(pid).ok()?;
    let program = read_program(pid, uid, agent_writable).ok()?;
    let is_same = processes::stat(pid).ok()?.started == before.started;
    (processes::user(pid).ok()? == uid && is_same).then_some(program)
}

/// # Errors
/// When the process ended, is not shown to us, or sees other files than we do under the same names.
fn read_program(pid: u32, uid: u32, agent_writable: &[PathBuf]) -> io::Result<Program> {
    let own = processes::own_pid();
    for place in ["ns/mnt", "root"] {
        if processes::link(pid, place)? != processes::link(own, place)? {
            return Err(io::ErrorKind::Unsupported.into());
        }
    }
    let running = processes::link(pid, "exe")?;
    let command_line = processes::command_line(pid)?;
    let environment = processes::environment(pid)?;
    let directory = processes::link(pid, "cwd")?;
    if processes::link(pid, "exe")? != running {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let (executable, is_replaced) = without_deleted(running);
    let (script, doubt) = script(&executable, &command_line, &environment, &directory);
    let preloads =
        || PRELOAD_VARIABLES.iter().any(|name| environment.get(name).is_some_and(|value| !value.is_empty()));
    let is_writable = |path: &Path| agent_writable.iter().any(|directory| path.starts_with(directory));
    let ephemeral = if is_replaced {
        Some(Ephemeral::Replaced)
    } else if preloads() {
        Some(Ephemeral::Preload)
    } else if doubt.is_some() {
        doubt
    } else {
        is_writable(script.as_ref().unwrap_or(&executable)).then_some(Ephemeral::WritableByAgent)
    };
    Ok(Program { pid, identity: ProgramIdentity { uid, executable, script }, ephemeral })
}

/// The path of an executable, and whether its file is gone.
fn without_deleted(path: PathBuf) -> (PathBuf, bool) {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => (PathBuf::from(text), true),
        None => (path, false),
    }
}

/// The script that an interpreter runs, resolved, or why there is none to rely on.
fn script(
    executable: &Path,
    command_line: &[String],
    environment: &Environment,
    directory: &Path,
) -> (Option<PathBuf>, Option<Ephemeral>) {
    let arguments: Vec<String> =
        command_line.iter().skip(1).filter(|word| !word.is_empty()).cloned().collect();
    let found = match invocation(executable, &arguments) {
        Invocation::Native => return (None, None),
        Invocation::Script(path) => resolved(&directory.join(path)),
        Invocation::Ephemeral(Ephemeral::NoScript) if is_overwritten(executable, command_line) => {
            environment.get("_").and_then(|path| started_by_name(Path::new(path), executable))
        }
        Invocation::Ephemeral(ephemeral) => return (None, Some(ephemeral)),
    };
    match found {
        Some(path) => (Some(path), None),
        None => (None, Some(Ephemeral::NoScript)),
    }
}

fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_file())
}

/// Whether a process gave itself a title in place of its command line, as OpenClaw's CLI does
/// (`process.title` of Node.js): then the arguments are gone.
fn is_overwritten(executable: &Path, command_line: &[String]) -> bool {
    let name = command_line.first().map(Path::new).and_then(Path::file_name);
    command_line.len() > 1 || name != executable.file_name()
}

/// What a shell says it started, if that is a script for this interpreter. As easily forged as a
/// command line, and as good: the tripwire is for programs that do not lie.
fn started_by_name(path: &Path, interpreter: &Path) -> Option<PathBuf> {
    const MAX_FIRST_LINE: u64 = 256;
    let path = path.is_absolute().then(|| resolved(path))??;
    let mut line = Vec::new();
    io::BufReader::new(fs::File::open(&path).ok()?.take(MAX_FIRST_LINE)).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
    let mut named = Path::new(words.next()?).file_name()?;
    if named == "env" {
        named = words.map(OsStr::new).find(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
    }
    let interpreter = interpreter.file_name()?.as_encoded_bytes();
    interpreter.starts_with(named.as_encoded_bytes()).then_some(path)
}
