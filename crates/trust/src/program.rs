//! What program is at the other end of a local connection, and whether a grant can hang on it.

use std::path::{Path, PathBuf};

use tidegate_protocol::text;

use crate::records::ProgramIdentity;

/// A program as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its process id, for people.
    pub pid: u32,
    /// The executable and script that a grant is bound to.
    pub identity: ProgramIdentity,
    /// Why no lasting grant can hang on it, if so.
    pub fleeting: Option<Fleeting>,
}

/// Why a program gets no lasting grant: the next one under the same name may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleeting {
    /// An interpreter without a script file, or one that replaced its command line by a title, as
    /// OpenClaw's command line does: then nothing tells which script it runs.
    NoScript,
    /// An interpreter with code on its command line.
    InlineCode,
    /// An interpreter that loads something first.
    Preload,
    /// A script in a place where an agent may write.
    WritableByAgent,
    /// An executable that was replaced or removed while it ran.
    Replaced,
}

impl Fleeting {
    /// A sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoScript => {
                "It is an interpreter that does not show which script it runs, so it can be let in only once; \
                 for a lasting grant give it a token of its own (`tidegate token new`)."
            }
            Self::InlineCode => "It runs code from its command line, so it can be let in only once.",
            Self::Preload => "It loads other code before its own, so it can be let in only once.",
            Self::WritableByAgent => "It lies where an agent may write, so it can be let in only once.",
            Self::Replaced => "Its file was replaced while it ran, so it can be let in only once.",
        }
    }
}

impl Program {
    /// Words for a person: the script where there is one, and the executable.
    #[must_use]
    pub fn describe(&self) -> String {
        let executable = text::one_line(&self.identity.executable.display().to_string(), 200);
        match &self.identity.script {
            Some(script) => {
                format!("{} (run by {executable})", text::one_line(&script.display().to_string(), 200))
            }
            None => executable,
        }
    }
}

/// How a command line invokes a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Not an interpreter that we know.
    Native,
    /// An interpreter with this script argument, as written.
    Script(PathBuf),
    /// An interpreter without one, or with options that make it worthless.
    Fleeting(Fleeting),
}

struct Interpreter {
    names: &'static [&'static str],
    inline: &'static [&'static str],
    preload: &'static [&'static str],
    /// Options whose value is the next argument.
    with_value: &'static [&'static str],
}

const INTERPRETERS: [Interpreter; 6] = [
    Interpreter {
        names: &["node", "nodejs"],
        inline: &["-e", "--eval", "-p", "--print", "-pe", "-i", "--interactive", "-"],
        preload: &["-r", "--require", "--import", "--loader", "--experimental-loader"],
        with_value: &["-C", "--conditions", "--env-file", "--input-type", "--title", "--stack-trace-limit"],
    },
    Interpreter {
        names: &["bun", "deno"],
        inline: &["-e", "--eval", "eval", "-p", "--print", "-", "repl"],
        preload: &["-r", "--preload", "--require"],
        with_value: &["--config", "-c"],
    },
    Interpreter {
        names: &["python", "pypy"],
        inline: &["-c", "-m", "-i", "-"],
        preload: &[],
        with_value: &["-W", "-X", "--check-hash-based-pycs"],
    },
    Interpreter {
        names: &["ruby", "perl", "php", "lua"],
        inline: &["-e", "-E", "-r", "-"],
        preload: &["-I", "-M", "-m", "-d"],
        with_value: &[],
    },
    Interpreter {
        names: &["sh", "bash", "dash", "zsh", "ksh", "fish", "busybox"],
        inline: &["-c", "-s", "-i", "-"],
        preload: &["--rcfile", "--init-file"],
        with_value: &["-o", "+o", "-O", "+O"],
    },
    Interpreter {
        names: &["java", "dotnet", "mono"],
        inline: &[],
        preload: &["-javaagent", "-agentlib", "-agentpath", "--additional-deps"],
        with_value: &["-cp", "-classpath", "--class-path", "-jar"],
    },
];

/// Environment variables that make an interpreter or the loader load code of their choosing.
pub const PRELOAD_VARIABLES: [&str; 9] = [
    "LD_PRELOAD",
    "LD_AUDIT",
    "NODE_OPTIONS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "RUBYOPT",
    "PERL5OPT",
    "BASH_ENV",
    "JAVA_TOOL_OPTIONS",
];

/// Reads a command line. `arguments` does not hold the program's own name.
#[must_use]
pub fn invocation(executable: &Path, arguments: &[String]) -> Invocation {
    let name = executable.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let Some(interpreter) = INTERPRETERS.iter().find(|known| known.names.contains(&stem)) else {
        return Invocation::Native;
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let option = argument.split('=').next().unwrap_or(argument);
        if argument == "--" {
            break;
        }
        if interpreter.inline.contains(&option) || is_cluster_with_inline(interpreter, argument) {
            return Invocation::Fleeting(Fleeting::InlineCode);
        }
        if interpreter.preload.iter().any(|preload| option == *preload || is_glued(option, preload)) {
            return Invocation::Fleeting(Fleeting::Preload);
        }
        if !argument.starts_with(['-', '+']) {
            return Invocation::Script(PathBuf::from(argument));
        }
        if interpreter.with_value.contains(&argument.as_str()) {
            arguments.next();
        }
    }
    arguments
        .next()
        .map_or(Invocation::Fleeting(Fleeting::NoScript), |script| Invocation::Script(PathBuf::from(script)))
}

/// `-rmodule` for `-r`, `-javaagent:x` for `-javaagent`.
fn is_glued(option: &str, preload: &str) -> bool {
    let short = preload.len() == 2 && option.starts_with(preload) && !option.starts_with("--");
    short || (preload.starts_with("-java") || preload.starts_with("-agent")) && option.starts_with(preload)
}

/// `-ec` and the like: several short options in one argument, one of them taking code.
fn is_cluster_with_inline(interpreter: &Interpreter, argument: &str) -> bool {
    let Some(letters) = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-') && rest.len() > 1)
    else {
        return false;
    };
    if !letters.chars().all(|letter| letter.is_ascii_alphabetic()) {
        return interpreter.inline.iter().any(|inline| inline.len() == 2 && argument.starts_with(inline));
    }
    letters.chars().any(|letter| interpreter.inline.contains(&format!("-{letter}").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        let mut words = line.split(' ').map(str::to_owned);
        let executable = PathBuf::from(words.next().expect("a program"));
        invocation(&executable, &words.collect::<Vec<_>>())
    }

    #[test]
    fn a_script_is_found_behind_options() {
        for line in [
            "/usr/bin/node /opt/openclaw.mjs devices list",
            "/usr/bin/node --disable-warning=ExperimentalWarning /opt/openclaw.mjs health",
            "/usr/bin/python3.11 -W ignore /opt/openclaw.mjs",
            "/bin/sh /opt/openclaw.mjs -c",
            "/usr/bin/node -- /opt/openclaw.mjs",
        ] {
            assert_eq!(read(line), Invocation::Script(PathBuf::from("/opt/openclaw.mjs")), "{line}");
        }
    }

    #[test]
    fn a_program_of_its_own_is_no_interpreter() {
        assert_eq!(read("/usr/local/bin/openclaw-tui --url x"), Invocation::Native);
    }

    #[test]
    fn code_on_the_command_line_gets_no_lasting_grant() {
        for line in [
            "/usr/bin/node -e 1",
            "/usr/bin/node --eval=1",
            "/usr/bin/python3 -c 1",
            "/bin/sh -c x",
            "/bin/bash -ec x",
            "/usr/bin/perl -ne x",
            "/usr/bin/node -",
        ] {
            assert_eq!(read(line), Invocation::Fleeting(Fleeting::InlineCode), "{line}");
        }
    }

    #[test]
    fn preloading_and_bare_interpreters_get_no_lasting_grant() {
        for line in [
            "/usr/bin/node -r /tmp/x.js /opt/a.js",
            "/usr/bin/node --import=/tmp/x.mjs a.mjs",
            "/usr/bin/node -r/tmp/x a.js",
        ] {
            assert_eq!(read(line), Invocation::Fleeting(Fleeting::Preload), "{line}");
        }
        assert_eq!(read("/usr/bin/node"), Invocation::Fleeting(Fleeting::NoScript));
    }
}
