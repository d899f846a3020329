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
    pub ephemeral: Option<Ephemeral>,
}

/// Why a program gets no lasting grant: the next one under the same name may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ephemeral {
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

impl Ephemeral {
    /// A sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoScript => {
                "It is an interpreter that does not show which script it runs, so it can be approved only once; \
                 for a lasting grant give it a token of its own (`tidegate token new`)."
            }
            Self::InlineCode => "It runs code from its command line, so it can be approved only once.",
            Self::Preload => "It loads other code before its own, so it can be approved only once.",
            Self::WritableByAgent => "It lies where an agent may write, so it can be approved only once.",
            Self::Replaced => "Its file was replaced while it ran, so it can be approved only once.",
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
    Ephemeral(Ephemeral),
}

struct Interpreter {
    names: &'static [&'static str],
    inline: &'static [&'static str],
    preload: &'static [&'static str],
    /// Options whose value is the next argument.
    with_value: &'static [&'static str],
}

const INTERPRETERS: [Interpreter; 9] = [
    Interpreter {
        names: &["node", "nodejs"],
        inline: &["-e", "--eval", "-p", "--print", "-pe", "-i", "--interactive", "-"],
        preload: &[
            "-r",
            "--require",
            "--import",
            "--loader",
            "--experimental-loader",
            // A file of variables may hold NODE_OPTIONS, and so may a configuration file.
            "--env-file",
            "--env-file-if-exists",
            "--experimental-config-file",
            "--experimental-default-config-file",
            "--openssl-config",
            "--snapshot-blob",
            // A debugger that attaches brings code.
            "--inspect",
            "--inspect-brk",
            "--inspect-wait",
            "--inspect-port",
        ],
        with_value: &["-C", "--conditions", "--input-type", "--title", "--stack-trace-limit"],
    },
    Interpreter {
        names: &["bun", "deno"],
        inline: &["-e", "--eval", "eval", "-p", "--print", "-", "repl"],
        preload: &[
            "-r",
            "--preload",
            "--require",
            "--import",
            "--env-file",
            "--config",
            "-c",
            "--inspect",
            "--inspect-brk",
            "--inspect-wait",
        ],
        with_value: &[],
    },
    Interpreter {
        names: &["python", "pypy"],
        inline: &["-c", "-m", "-i", "-"],
        preload: &[],
        with_value: &["-W", "-X", "--check-hash-based-pycs"],
    },
    Interpreter {
        names: &["ruby", "perl"],
        inline: &["-e", "-E", "-r", "-"],
        preload: &["-I", "-M", "-m", "-d"],
        with_value: &[],
    },
    Interpreter {
        names: &["php"],
        inline: &["-r", "-B", "-R", "-F", "-E", "-a", "-"],
        preload: &["-c", "-d", "-z"],
        with_value: &[],
    },
    Interpreter {
        names: &["lua", "luajit"],
        inline: &["-e", "-i", "-"],
        preload: &["-l", "-j"],
        with_value: &[],
    },
    Interpreter {
        names: &["fish"],
        inline: &["-c", "--command", "-C", "--init-command", "-i", "-"],
        preload: &[],
        with_value: &["-d", "--debug", "-f", "--features"],
    },
    Interpreter {
        names: &["sh", "bash", "dash", "zsh", "ksh", "busybox"],
        inline: &["-c", "-s", "-i", "-"],
        preload: &["--rcfile", "--init-file"],
        with_value: &["-o", "+o", "-O", "+O"],
    },
    Interpreter {
        names: &["java", "dotnet", "mono"],
        inline: &["-m", "--module"],
        preload: &[
            "-javaagent",
            "-agentlib",
            "-agentpath",
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "-Xbootclasspath",
            "--additional-deps",
            "--additionalprobingpath",
            "--depsfile",
        ],
        with_value: &[],
    },
];

/// Environment variables that make an interpreter or the loader load code of their choosing.
pub const PRELOAD_VARIABLES: &[&str] = &[
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "BUN_OPTIONS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "RUBYOPT",
    "RUBYLIB",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "BASH_ENV",
    "ZDOTDIR",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "CORECLR_PROFILER_PATH",
    "MONO_PATH",
    "OPENSSL_CONF",
    "GCONV_PATH",
];

/// Whether a program of this name runs what a file or its command line says. `name` has no directory.
pub(crate) fn is_interpreter(name: &str) -> bool {
    interpreter(name).is_some()
}

/// Names come with versions: `python3.12`, `lua5.4`.
fn interpreter(name: &str) -> Option<&'static Interpreter> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.iter().find(|known| known.names.contains(&stem))
}

/// Reads a command line. `arguments` does not hold the program's own name.
#[must_use]
pub fn invocation(executable: &Path, arguments: &[String]) -> Invocation {
    let name = executable.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(interpreter) = interpreter(name) else {
        return Invocation::Native;
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let option = argument.split('=').next().unwrap_or(argument);
        if argument == "--" {
            break;
        }
        if interpreter.inline.contains(&option) || is_cluster_with_inline(interpreter, argument) {
            return Invocation::Ephemeral(Ephemeral::InlineCode);
        }
        if interpreter.preload.iter().any(|preload| option == *preload || is_glued(option, preload)) {
            return Invocation::Ephemeral(Ephemeral::Preload);
        }
        if !argument.starts_with(['-', '+']) {
            return Invocation::Script(PathBuf::from(argument));
        }
        if interpreter.with_value.contains(&argument.as_str()) {
            arguments.next();
        }
    }
    arguments.next().map_or(Invocation::Ephemeral(Ephemeral::NoScript), |script| {
        Invocation::Script(PathBuf::from(script))
    })
}

/// `-rmodule` for `-r`, `-javaagent:x` for `-javaagent`.
fn is_glued(option: &str, preload: &str) -> bool {
    let short = preload.len() == 2 && option.starts_with(preload) && !option.starts_with("--");
    let long = ["-java", "-agent", "-Xboot"].iter().any(|start| preload.starts_with(start));
    short || long && option.starts_with(preload)
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
            "/usr/bin/luajit /opt/openclaw.mjs",
            "/usr/bin/java -jar /opt/openclaw.mjs /opt/another",
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
            "/usr/bin/fish -C x /opt/a.fish",
            "/usr/bin/php -r x",
            "/usr/bin/java -m module/Main /opt/a",
        ] {
            assert_eq!(read(line), Invocation::Ephemeral(Ephemeral::InlineCode), "{line}");
        }
    }

    #[test]
    fn preloading_and_bare_interpreters_get_no_lasting_grant() {
        for line in [
            "/usr/bin/node -r /tmp/x.js /opt/a.js",
            "/usr/bin/node --import=/tmp/x.mjs a.mjs",
            "/usr/bin/node -r/tmp/x a.js",
            "/usr/bin/node --env-file=/tmp/x.env /opt/a.js",
            "/usr/bin/node --env-file /tmp/x.env /opt/a.js",
            "/usr/bin/node --env-file-if-exists=/tmp/x.env /opt/a.js",
            "/usr/bin/node --experimental-config-file=/tmp/x.json /opt/a.js",
            "/usr/bin/node --inspect /opt/a.js",
            "/usr/bin/node --inspect-brk=0 /opt/a.js",
            "/usr/bin/node --openssl-config=/tmp/x.cnf /opt/a.js",
            "/usr/bin/bun --config=/tmp/bunfig.toml /opt/a.js",
            "/usr/bin/php -c /tmp/php.ini /opt/a.php",
            "/usr/bin/php -z /tmp/x.so /opt/a.php",
            "/usr/bin/lua5.4 -l x /opt/a.lua",
            "/usr/bin/java -cp /tmp/x.jar /opt/Tool.java",
            "/usr/bin/java -Xbootclasspath/a:/tmp/x.jar -jar /opt/tool.jar",
            "/usr/bin/dotnet --additionalprobingpath /tmp /opt/tool.dll",
        ] {
            assert_eq!(read(line), Invocation::Ephemeral(Ephemeral::Preload), "{line}");
        }
        assert_eq!(read("/usr/bin/node"), Invocation::Ephemeral(Ephemeral::NoScript));
    }
}
