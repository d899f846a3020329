//! Our reader against git: what it calls plain, git reads the same, and nothing that git would run
//! is plain.
#![allow(clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tidegate_triggers::config::{Form, plain_part, read_plain, remainder};

/// What git reads: names and values in order; `None` when it refuses.
fn git_reads(text: &[u8]) -> Option<Vec<(String, String)>> {
    let mut file = tempfile::NamedTempFile::new().expect("made");
    file.write_all(text).expect("written");
    let output = Command::new("git")
        .args(["config", "--no-includes", "--list", "-z", "-f"])
        .arg(file.path())
        .current_dir("/")
        .stderr(Stdio::null())
        .output()
        .expect("git is installed");
    let text = String::from_utf8(output.stdout).ok()?;
    let entries = text.split_terminator('\0').map(|entry| {
        let (name, value) = entry.split_once('\n').unwrap_or((entry, ""));
        (name.to_owned(), value.to_owned())
    });
    output.status.success().then(|| entries.collect())
}

fn we_read(text: &[u8], form: Form) -> Option<Vec<(String, String)>> {
    let settings = read_plain(text, form).ok()?;
    Some(settings.into_iter().map(|setting| (setting.name(), setting.value)).collect())
}

/// Lines of settings files, ordinary and hostile, broken here and there.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => proptest::sample::select(vec![
            "[core]", "[remote \"origin\"]", "[branch \"main\"]", "[user]", "[submodule \"a b\"]", "[Core]",
            "\tbare = false", "\tfilemode = true", "url = https://example.org/a.git", "\tname = Ada Lovelace",
            "\tfetch = +refs/heads/*:refs/remotes/origin/*", "merge = refs/heads/main", "remote=origin",
            "\temail = a@example.org  ", "# a comment", "; another", "", "\turl = ada@example.org:a/b",
            "repositoryformatversion = 0", "ignorecase\t=\tfalse", "  active = true",
        ]).prop_map(str::to_owned),
        3 => proptest::sample::select(vec![
            "fsmonitor = x", "hooksPath = x", "[include]", "path = x", "[includeIf \"gitdir:/\"]", "[alias]",
            "st = !x", "pager = x", "sshCommand = x", "editor = x", "[credential]", "helper = !x",
            "[filter \"a\"]", "clean = x", "[diff \"a\"]", "command = x", "url = ext::sh -c x", "gitProxy = x",
            "worktree = /", "worktree = ../../../sub", "name = a\\", "name = \"a", "name = a ; b", "name = a#b",
            "[core] bare = false", "[core", "core]", "[remote.origin]", "[remote \"o\\\"x\"]", "bare", "bare =",
            "[a \"b\" ]", "url = -oProxyCommand=x", "url = ssh://-x/y", "name = a\tb", "\u{feff}[core]",
            "name = a\\nb", "[branch \"a]b\"]", "merge = refs/heads/ä", "name = Åda", "\u{b}bare = false",
            "[remote  \"a\"]", "[ core]", "bare = False", "bare = 0", "_x = 1", "1x = 1", "uploadpack = x",
        ]).prop_map(str::to_owned),
        1 => "[a-z\\[\\]\"\\\\=#; \t\r.\u{0}-]{0,12}",
    ];
    proptest::collection::vec(
        (line, proptest::sample::select(vec!["\n", "\n", "\n", "\r\n", "", "\\\n"])),
        0..12,
    )
    .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

/// Whether git runs something, or reads on elsewhere, because of a setting.
fn runs(name: &str, value: &str) -> bool {
    const KEYS: &[&str] = &[
        "fsmonitor",
        "hookspath",
        "path",
        "pager",
        "sshcommand",
        "editor",
        "helper",
        "clean",
        "smudge",
        "process",
        "command",
        "textconv",
        "gitproxy",
        "askpass",
        "vcs",
        "uploadpack",
        "receivepack",
        "insteadof",
        "program",
        "cmd",
        "driver",
        "st",
    ];
    let key = name.rsplit('.').next().unwrap_or_default();
    KEYS.contains(&key)
        || name.starts_with("alias.")
        || value.contains("::")
        || value.starts_with("!")
        || value.starts_with('-') && key == "url"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_plain_git_reads_the_same_and_runs_nothing(text in text(), is_module in any::<bool>()) {
        let form = if is_module { Form::Module } else { Form::DotGit };
        if let Some(ours) = we_read(text.as_bytes(), form) {
            prop_assert_eq!(Some(ours.clone()), git_reads(text.as_bytes()), "{:?}", text);
            prop_assert!(!ours.iter().any(|(name, value)| runs(name, value)), "{:?}", text);
        }
    }

    #[test]
    fn the_plain_part_is_plain_and_git_reads_it(text in text()) {
        let plain = plain_part(text.as_bytes(), Form::DotGit);

        let ours = we_read(plain.as_bytes(), Form::DotGit);
        prop_assert!(ours.is_some(), "{:?} of {:?}", plain, text);
        prop_assert_eq!(ours, git_reads(plain.as_bytes()), "{:?} of {:?}", plain, text);
    }

    #[test]
    fn equal_remainders_mean_equal_settings_but_for_plain_ones(one in text(), other in text()) {
        let rest = |text: &str| remainder(text.as_bytes(), Form::DotGit);
        // Plain lines added below a header of their own change nothing else.
        let added = format!("[branch \"x\"]\n\tremote = origin\n{one}");
        if let Some(before) = rest(&one)
            && rest(&added) == Some(before)
            && let (Some(read), Some(read_after)) = (git_reads(one.as_bytes()), git_reads(added.as_bytes()))
        {
            prop_assert_eq!(&read_after[1..], &read[..], "{:?}", one);
        }
        if rest(&one).is_some() && rest(&one) == rest(&other) {
            let dangerous = |text: &str| {
                let read = git_reads(text.as_bytes()).unwrap_or_default();
                read.into_iter().filter(|(name, value)| runs(name, value)).collect::<Vec<_>>()
            };
            prop_assert_eq!(dangerous(&one), dangerous(&other), "{:?} and {:?}", one, other);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_plain(&bytes, Form::Shaped);
        let plain = plain_part(&bytes, Form::Shaped);
        prop_assert!(read_plain(plain.as_bytes(), Form::Shaped).is_ok());
        let _ = remainder(&bytes, Form::Shaped);
    }
}

#[test]
fn what_git_would_run_is_not_plain() {
    for setting in [
        "core.fsmonitor",
        "core.hooksPath",
        "include.path",
        "includeIf.onbranch:main.path",
        "alias.st",
        "core.pager",
        "core.sshCommand",
        "core.editor",
        "core.askPass",
        "core.gitProxy",
        "core.worktree",
        "core.alternateRefsCommand",
        "core.attributesFile",
        "core.excludesFile",
        "credential.helper",
        "credential.https://example.org.helper",
        "filter.lfs.clean",
        "filter.lfs.smudge",
        "filter.lfs.process",
        "diff.external",
        "diff.a.command",
        "diff.a.textconv",
        "merge.a.driver",
        "mergetool.a.cmd",
        "difftool.a.cmd",
        "gpg.program",
        "gpg.ssh.program",
        "pager.log",
        "sequence.editor",
        "interactive.diffFilter",
        "remote.origin.uploadpack",
        "remote.origin.receivepack",
        "remote.origin.vcs",
        "remote.origin.proxy",
        "url.ext::x.insteadOf",
        "submodule.a.update",
        "uploadpack.packObjectsHook",
        "protocol.ext.allow",
        "trailer.a.command",
        "man.a.cmd",
        "browser.a.cmd",
        "sendemail.smtpServer",
        "init.templateDir",
        "extensions.worktreeConfig",
        "log.showSignature",
        "http.proxy",
        "ssh.variant",
        "commit.template",
        "tar.a.command",
        "receive.procReceiveRefs",
        "instaweb.httpd",
    ] {
        let file = tempfile::NamedTempFile::new().expect("made");
        let set =
            Command::new("git").args(["config", "-f"]).arg(file.path()).args([setting, "true"]).status();
        assert!(set.expect("git is installed").success(), "{setting}");
        let text = std::fs::read(file.path()).expect("read");

        for form in [Form::DotGit, Form::Shaped, Form::Module] {
            assert!(read_plain(&text, form).is_err(), "{setting}");
            assert_eq!(plain_part(&text, form), "", "{setting}");
        }
    }
}

#[test]
fn addresses_that_start_programs_are_not_plain() {
    let is_plain = |url: &str| {
        read_plain(format!("[remote \"origin\"]\n\turl = {url}\n").as_bytes(), Form::DotGit).is_ok()
    };
    for url in [
        "https://example.org/a.git",
        "ssh://ada@example.org:22/a",
        "ada@example.org:a/b.git",
        "git://example.org/a",
        "/home/ada/a",
        "../a",
        "file:///home/ada/a",
        "https://ada@example.org/%20",
    ] {
        assert!(is_plain(url), "{url}");
    }
    for url in [
        "ext::sh -c x",
        "fd::3",
        "https::x",
        "transport::https://example.org",
        "-oProxyCommand=x",
        "ssh://-x/a",
        "ada@-x:a",
        "example.org:a",
        "-x@example.org:a",
        "ada@example.org:-x",
        "https:///a",
        "foo://example.org/a",
        "https://example.org/$(x)",
        "https://example.org/a b",
        "",
        "\"https://example.org\"",
        "../a::b",
    ] {
        assert!(!is_plain(url), "{url}");
    }
}
