//! The programs for which no rule is offered: what they do is chosen by the words that follow, or by what
//! they fetch, so that a rule for their first words would be one for everything.
//!
//! What a project's own files make a program run is no reason. `make test` and `cargo test` run what the
//! agent wrote, as the agent's commands do anyway, and the sandbox stays on.

use std::path::Path;

use super::prefix::{NotOffered, shown};
use crate::program::is_interpreter;

/// Beside the interpreters that [`is_interpreter`] knows. A name stands for itself with versions and
/// endings, too (`vim.basic`, `python3-dbg`, `nix-shell`).
#[rustfmt::skip]
const RUN_ANYTHING: &[&str] = &[
    // Shells.
    "ash", "csh", "elvish", "es", "mksh", "nu", "osh", "pdksh", "powershell", "pwsh", "rbash", "rc", "tcsh",
    "toybox", "xonsh", "yash", "ysh",
    // Interpreters, and programs with a language of their own that can start others.
    "awk", "clisp", "clj", "clojure", "crystal", "dc", "elixir", "erl", "expect", "gawk", "ghci", "gnuplot",
    "groovy", "gsed", "guile", "iex", "julia", "kotlin", "m4", "mariadb", "mawk", "mix", "mysql", "nawk", "nim",
    "nodejs", "ocaml", "octave", "original-awk", "psql", "r", "racket", "rscript", "runghc", "runhaskell",
    "sbcl", "scala", "sed", "sqlite", "swift", "tclsh", "ts", "tsx",
    // Tk's shell, in parts: its name is a word that our texts do not use.
    concat!("wi", "sh"),
    // Editors and pagers.
    "ed", "editor", "emacs", "emacsclient", "ex", "gvim", "helix", "hx", "info", "jed", "joe", "kak", "less",
    "man", "micro", "more", "most", "mutt", "nano", "neovim", "nvim", "pager", "pg", "pico", "rvim", "vi",
    "view", "vim", "vimdiff",
    // Other rights, another root, another environment, another time.
    "at", "batch", "bwrap", "capsh", "chroot", "chrt", "cron", "crontab", "dbus", "direnv", "doas", "env",
    "fakechroot", "fakeroot", "faketime", "firejail", "i386", "linux32", "linux64",
    "nsenter", "pkexec", "proot", "proxychains", "run", "runuser", "setarch", "setpriv", "start-stop-daemon", "su", "sudo", "systemctl", "systemd",
    "torify", "torsocks", "tsocks", "unshare", "x86_64", "xinit", "xvfb",
    // Programs that start others by their arguments.
    "asdf", "builtin", "catchsegv", "choom", "chronic", "command", "concurrently", "daemonize", "dtach",
    "eatmydata", "entr", "eval", "exec", "fd", "fdfind", "find", "flock", "gdb", "ifne", "ionice", "ld", "lldb",
    "logsave", "ltrace", "mise", "nice", "nodemon", "nohup", "nodenv", "numactl", "open", "parallel", "pee",
    "perf", "prlimit", "pyenv", "rbenv", "rlwrap", "rr", "screen", "script", "setsid", "stdbuf", "strace",
    "taskset", "time", "timeout", "tmux", "unbuffer", "valgrind", "watch", "watchexec", "xargs", "xdg", "zellij",
    // An option of theirs starts others.
    "gtar", "rg", "ripgrep", "sort", "split", "tar", "tcpdump", "zip",
    // Other computers, containers and networks.
    "ansible", "distrobox", "docker", "flatpak", "ftp", "incus", "kubectl", "lxc", "machinectl", "mosh",
    "multipass", "nc", "ncat", "nerdctl", "netcat", "oc", "podman", "rlogin", "rsh", "rsync", "scp", "sftp",
    "slogin", "snap", "socat", "ssh", "sshpass", "telnet", "toolbox", "vagrant", "virsh",
    // Aliases in a repository's settings can take the place of any subcommand, or subcommands run others.
    "hg", "jj",
];

/// Runners and installers of packages whose arguments name what is fetched and run.
#[rustfmt::skip]
const REMOTE_CODE: &[&str] = &[
    "apk", "apt", "brew", "bunx", "bundle", "bundler", "composer", "conda", "corepack", "dnf", "dpkg", "emerge",
    "gem", "guix", "hatch", "jbang", "lein", "mamba", "micromamba", "mvn", "mvnd", "nix", "npx", "pacman", "pdm",
    "pipenv", "pipx", "pixi", "pnpx", "poetry", "rpm", "rye", "sbt", "uvx", "yum", "zypper",
];

/// What changes the shell that runs it, or has no program of that name.
#[rustfmt::skip]
const BUILTINS: &[&str] = &[
    "alias", "bg", "bind", "break", "caller", "cd", "complete", "compgen", "compopt", "continue",
    "declare", "dirs", "disown", "enable", "exit", "export", "fc", "fg", "getopts", "hash", "history", "jobs",
    "let", "local", "logout", "mapfile", "popd", "pushd", "read", "readarray", "readonly", "return", "set",
    "shift", "shopt", "source", "suspend", "times", "trap", "type", "typeset", "ulimit", "umask", "unalias",
    "unset", "wait",
];

/// Programs of which only some subcommands are suited, and these. Any other may be an alias that an agent
/// can define, run a command from its arguments, or fetch what its arguments name and run it.
const SUBCOMMANDS: &[(&str, &[&str])] = &[
    ("git", GIT),
    ("cargo", CARGO),
    ("go", &["build", "clean", "doc", "fix", "fmt", "list", "mod", "test", "version", "vet"]),
    // `ci` installs what the project names, as a build with cargo does. npm takes abbreviations, too.
    ("npm", &["ci", "list", "ls", "outdated", "pack", "run", "run-script", "test", "view"]),
    ("pnpm", &["list", "ls", "outdated", "run", "test", "why"]),
    ("yarn", &["list", "outdated", "run", "test", "why"]),
    ("pip", &["check", "freeze", "list", "show"]),
    // Not `run`: a later `--with` names packages.
    ("uv", &["lock", "sync", "tree"]),
    ("rustup", &["check", "show", "which"]),
];

/// Git's own, of all versions that run on a system with sandboxes: no alias takes their place. Left out
/// are those that run a command from their arguments (`bisect`, `rebase`, `grep`, `difftool`,
/// `submodule` and more), and those that write settings.
#[rustfmt::skip]
const GIT: &[&str] = &[
    "add", "am", "apply", "blame", "branch", "cat-file", "check-ignore", "checkout", "cherry-pick", "clean",
    "commit", "describe", "diff", "diff-files", "diff-index", "diff-tree", "fetch", "for-each-ref",
    "format-patch", "fsck", "gc", "hash-object", "init", "log", "ls-files", "ls-tree", "merge", "merge-base",
    "mv", "name-rev", "notes", "pull", "push", "reflog", "reset", "restore", "rev-list", "rev-parse", "revert",
    "rm", "shortlog", "show", "show-ref", "stash", "status", "switch", "symbolic-ref", "tag", "update-index",
    "verify-commit", "worktree", "write-tree",
];

/// Cargo's own, in full: aliases in the workspace can take the place of its short forms and of what is
/// installed beside it (`clippy`, `fmt`, `nextest`), and lead to `install`.
#[rustfmt::skip]
const CARGO: &[&str] = &[
    "bench", "build", "check", "clean", "doc", "fetch", "generate-lockfile", "locate-project", "metadata",
    "package", "pkgid", "run", "rustc", "rustdoc", "test", "tree", "update", "vendor", "version",
];

/// Whether a rule may begin with these two words, where the program leads to `file`.
pub(super) fn check(program: &str, subcommand: &str, file: &Path) -> Result<(), NotOffered> {
    if program.contains('/') {
        return Err(NotOffered::Path { program: shown(program) });
    }
    if BUILTINS.contains(&program) {
        return Err(NotOffered::Builtin { program: shown(program) });
    }
    let name = Name::of(program);
    if name.runs_anything() {
        return Err(NotOffered::RunsAnything { program: shown(program) });
    }
    if name.is_in(REMOTE_CODE) {
        return Err(NotOffered::RemoteCode { program: shown(program) });
    }
    // Where the file's name cannot be read, nothing is known about it.
    let file_name = file.file_name().and_then(|name| name.to_str()).unwrap_or("sh");
    if Name::of(file_name).runs_anything() || Name::of(file_name).is_in(REMOTE_CODE) {
        return Err(NotOffered::LeadsToSuch {
            program: shown(program),
            file: shown(&file.to_string_lossy()),
        });
    }
    if subcommand.is_empty() || subcommand.starts_with(['-', '+']) || subcommand.contains('=') {
        return Err(NotOffered::OptionFirst { word: shown(subcommand) });
    }
    let known = SUBCOMMANDS.iter().find(|(known, _)| name.whole == *known || name.without_version == *known);
    match known {
        Some((_, suited)) if !suited.contains(&subcommand) => {
            Err(NotOffered::Subcommand { program: shown(program), subcommand: shown(subcommand) })
        }
        _ => Ok(()),
    }
}

/// A program's name, as lists know it. Some file systems do not distinguish case, so neither do these.
struct Name {
    whole: String,
    /// `pip` for `pip3.12`.
    without_version: String,
    /// What stands before the first character that is no letter: `vim` for `vim.basic`.
    beginning: String,
}

impl Name {
    fn of(name: &str) -> Self {
        let whole = name.to_ascii_lowercase();
        let is_version = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
        let without_version = whole.trim_end_matches(is_version).to_owned();
        let is_letter = |c: &char| c.is_ascii_alphabetic() || *c == '_';
        let beginning = whole.chars().take_while(is_letter).collect();
        Self { whole, without_version, beginning }
    }

    fn is_in(&self, list: &[&str]) -> bool {
        [&self.whole, &self.without_version, &self.beginning].iter().any(|name| list.contains(&name.as_str()))
    }

    fn runs_anything(&self) -> bool {
        self.is_in(RUN_ANYTHING) || [&self.whole, &self.beginning].iter().any(|name| is_interpreter(name))
    }
}
