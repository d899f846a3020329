//! For which commands rules are offered.

// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use tidegate_trust::FileIdentity;
use tidegate_trust::rules::{FileTime, NotOffered, PlainCommand, ProgramFile, RulePrefix};

/// A program in `/usr/bin` that leads to another file.
fn leading_to(name: &str, file: &str) -> ProgramFile {
    ProgramFile {
        path: Path::new("/usr/bin").join(name),
        file: PathBuf::from(file),
        identity: FileIdentity { device: 1, inode: 2 },
        length: 1000,
        changed_at: FileTime { seconds: 1, nanoseconds: 2 },
    }
}

fn plain(text: &str) -> PlainCommand {
    PlainCommand::parse(text).unwrap_or_else(|why| panic!("{text:?} is not plain: {why}"))
}

/// Whether a rule for all words of `text` is offered, where the program is `file`.
fn offer_for(text: &str, file: &str) -> Result<RulePrefix, NotOffered> {
    let command = plain(text);
    let segment = &command.segments()[0];
    RulePrefix::offer(segment, segment.words().len(), &leading_to(segment.program(), file))
}

fn offer(text: &str) -> Result<RulePrefix, NotOffered> {
    offer_for(text, &format!("/usr/bin/{}", text.split(' ').next().unwrap_or_default()))
}

#[test]
#[rustfmt::skip]
fn rules_for_ordinary_work_are_offered() {
    for text in [
        "cargo test", "cargo build --release", "git status", "git push origin", "npm run lint",
        "go test ./...", "make test", "pytest tests", "ls src", "pip3 list",
    ] {
        let prefix = offer(text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
        assert!(prefix.matches(&plain(text).segments()[0]), "{text}");
    }
}

#[test]
#[rustfmt::skip]
fn no_rule_is_offered_for_what_runs_anything() {
    for text in [
        "sh x", "bash x", "dash x", "zsh x", "fish x", "ksh93 x", "csh x", "busybox sh", "python x",
        "python3.12 x", "pypy3 x", "perl x", "perl5.36.0 x", "ruby3.1 x", "node x", "nodejs x",
        "deno run", "bun run", "lua5.4 x", "php8.2 x", "tclsh8.6 x", "Rscript x", "R x", "julia x",
        "pwsh x", "awk x", "gawk x", "mawk x", "sed x", "ed x", "vi x", "vim.basic x", "vim x",
        "emacs x", "nano x", "less x", "more x", "man x", "sudo make", "doas make", "su x", "pkexec x",
        "runuser x", "setpriv x", "chroot x", "unshare x", "nsenter x", "env x", "xargs rm", "nohup x",
        "timeout 5", "nice x", "ionice x", "stdbuf x", "setsid x", "watch x", "parallel x", "strace x",
        "gdb x", "gdb-multiarch x", "find .", "fd x", "ssh host", "scp a", "rsync a", "docker run",
        "docker-compose up", "podman run", "kubectl get", "nerdctl run", "lxc exec", "virsh start",
        "systemd-run x", "at now", "batch x", "crontab x", "tar xf", "sort x", "rg x", "hg status",
        "jj log", "PYTHON3 x", "x86_64 x", "linux64 x", "ld-linux-x86-64.so.2 x", "python3-dbg x",
        "java x", "m4 x",
    ] {
        assert!(matches!(offer(text), Err(NotOffered::RunsAnything { .. })), "{text}: {:?}", offer(text));
    }
}

#[test]
#[rustfmt::skip]
fn no_rule_is_offered_for_code_from_elsewhere() {
    for text in [
        "npx x", "pnpx x", "bunx x", "uvx x", "pipx run", "poetry run", "mvn test", "gem install",
        "nix-shell x",
    ] {
        assert!(matches!(offer(text), Err(NotOffered::RemoteCode { .. })), "{text}: {:?}", offer(text));
    }
    for text in [
        "npm exec", "npm x", "npm init", "npm create", "npm install", "npm i", "npm exe", "pnpm dlx",
        "yarn dlx", "uv tool", "uv run", "uv pip", "cargo install", "cargo add", "go run", "go install",
        "go get", "pip install", "pip3.12 download", "rustup run",
    ] {
        assert!(matches!(offer(text), Err(NotOffered::Subcommand { .. })), "{text}: {:?}", offer(text));
    }
}

#[test]
#[rustfmt::skip]
fn subcommands_that_can_be_aliases_are_not_offered() {
    for text in [
        "git lg", "git st", "git x", "cargo t", "cargo clippy", "cargo nextest", "git bisect",
        "git submodule", "git rebase", "git config", "git grep",
    ] {
        assert!(matches!(offer(text), Err(NotOffered::Subcommand { .. })), "{text}: {:?}", offer(text));
    }
}

#[test]
#[rustfmt::skip]
fn a_word_that_changes_the_rest_cannot_follow_the_program() {
    for text in [
        "git -c", "git -C", "cargo +nightly", "make -f", "git --exec-path=.", "make CC=x", "make ''",
        "go -C",
    ] {
        assert!(matches!(offer(text), Err(NotOffered::OptionFirst { .. })), "{text}: {:?}", offer(text));
    }
}

#[test]
fn programs_by_path_and_shell_commands_are_not_offered() {
    for text in ["./run me", "/usr/bin/git status", "bin/x y", "../x y"] {
        assert!(matches!(offer(text), Err(NotOffered::Path { .. })), "{text}");
    }
    for text in ["cd sub", "export A", "source x", "trap x", "alias x"] {
        assert!(matches!(offer(text), Err(NotOffered::Builtin { .. })), "{text}: {:?}", offer(text));
    }
}

#[test]
fn a_harmless_name_for_an_interpreter_is_not_offered() {
    for file in ["/usr/bin/python3.11", "/bin/busybox", "/usr/bin/env", "/usr/bin/vim.basic", "/opt/npx"] {
        let offered = offer_for("report today", file);
        assert!(matches!(offered, Err(NotOffered::LeadsToSuch { .. })), "{file}: {offered:?}");
    }
    assert!(offer_for("cargo test", "/home/ada/.cargo/bin/rustup").is_ok(), "proxies go by their name");
}

#[test]
fn a_prefix_has_two_words_or_more_of_its_segment() {
    let command = plain("cargo test -p core");
    let offer =
        |length| RulePrefix::offer(&command.segments()[0], length, &leading_to("cargo", "/usr/bin/cargo"));

    assert_eq!(offer(0), Err(NotOffered::TooShort));
    assert_eq!(offer(1), Err(NotOffered::TooShort));
    assert_eq!(offer(3).expect("offered").words(), ["cargo", "test", "-p"]);
    assert_eq!(offer(5), Err(NotOffered::TooShort));
    assert_eq!(offer(1000), Err(NotOffered::TooLong));
}
