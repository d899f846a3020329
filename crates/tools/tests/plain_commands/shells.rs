//! Shells that report how they split commands.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;
use tidegate_trust::FileIdentity;
use tidegate_trust::rules::{FileTime, PlainCommand, ProgramFile, ResolvedCommand};

use super::{Reports, report_arguments, status_of};

/// Names under which the shells have functions that report their arguments. Some take the place of
/// builtins.
pub(super) const FUNCTIONS: &[&str] = &["p0", "p1", "git", "echo", "cd", "test", "x_9", "alias"];

/// Words of the shells' language: if one was accepted as a program, they would say so.
const KEYWORDS: &[&str] = &["coproc", "function", "if", "in", "select", "time"];

/// Whether something that reports can stand for a program of this name. A path leads past it, and builtins,
/// whose names are lower case letters, come first.
pub(super) fn can_report(program: &str) -> bool {
    let may_be_builtin = program.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_known = FUNCTIONS.contains(&program) || KEYWORDS.contains(&program);
    !program.contains('/') && (is_known || !may_be_builtin)
}

/// Shells that are tried where they are installed, and in which locales.
const KNOWN: &[(&[&str], &[&str])] = &[
    (&["dash"], LOCALES),
    (&["bash"], LOCALES),
    (&["bash", "--posix"], LOCALES),
    (&["busybox", "sh"], LOCALES),
    (&["mksh"], LOCALES),
    (&["zsh", "--emulate", "sh"], LOCALES),
    // These two are no system's /bin/sh. With bytes that are no characters, ksh adds backslashes, and yash
    // reads nothing.
    (&["ksh"], UTF_8),
    (&["yash"], UTF_8),
];
/// What decides about characters; a system has few of them.
const LOCALES: &[&str] = &["C", "C.UTF-8", "zh_CN.GBK", "zh_TW.BIG5", "ja_JP.SJIS", "en_US.ISO-8859-1"];
const UTF_8: &[&str] = &["C.UTF-8"];

/// A shell that is installed.
pub(super) struct Shell {
    words: &'static [&'static str],
    locales: &'static [&'static str],
}

/// A folder with files that a pattern would find, and the programs that commands name.
pub(super) struct Playground {
    root: TempDir,
    reporter: PathBuf,
    linked: Mutex<BTreeSet<String>>,
}

impl Playground {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for name in ["a", "b", "ab", "a b", "x", "home", "p0"] {
            fs::write(root.path().join(name), "").expect("written");
        }
        fs::create_dir(root.path().join(Self::PROGRAMS)).expect("made");
        Self { root, reporter: report_arguments(), linked: Mutex::default() }
    }

    /// Makes a program of this name that reports.
    pub(super) fn link(&self, name: &str) {
        if self.linked.lock().expect("unpoisoned").insert(name.to_owned()) {
            symlink(&self.reporter, self.programs().join(name)).expect("linked");
        }
    }

    fn programs(&self) -> PathBuf {
        self.root.path().join(Self::PROGRAMS)
    }

    const PROGRAMS: &str = "it's a \"$HOME\" `p0` \\ \u{fc} {a,b} #";

    /// What runs by a rule, with the program that reports in place of each of the command's.
    pub(super) fn with_paths(&self, command: &PlainCommand) -> String {
        let programs = command.segments().iter().map(|segment| {
            let name = segment.program();
            let path = self.programs().join(name);
            ProgramFile {
                path,
                file: self.reporter.clone(),
                identity: FileIdentity { device: 1, inode: 1 },
                length: 1,
                changed_at: FileTime { seconds: 1, nanoseconds: 1 },
            }
        });
        ResolvedCommand::new(command.clone(), programs.collect()).expect("they belong together").text()
    }
}

impl Shell {
    /// All that are installed, at least one.
    pub(super) fn all_here() -> Vec<Self> {
        let works = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).args(["-c", ":"]).stdin(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let known = KNOWN.iter().filter(|(words, _)| works(words));
        let shells: Vec<_> = known.map(|&(words, locales)| Self { words, locales }).collect();
        assert!(!shells.is_empty(), "no shell is installed");
        shells
    }

    pub(super) fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Runs texts one after the other in one shell. Gives what each of them reported, as far as the shell
    /// got, and what it complained about.
    pub(super) fn run(&self, playground: &Playground, texts: &[&str]) -> (Vec<Reports>, String) {
        let root = playground.root.path();
        let (script, report) = (root.join(".script"), root.join(".report"));
        fs::write(&report, "").expect("written");
        fs::write(&script, script_of(texts)).expect("written");
        let locale = self.locales[texts.first().map_or(0, |text| text.len()) % self.locales.len()];
        let others = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(playground.programs()).chain(std::env::split_paths(&others));
        let search_path = std::env::join_paths(places).expect("no colons");
        let output = Command::new(self.words[0])
            .args(&self.words[1..])
            .arg(&script)
            .current_dir(root)
            .env("REPORT", &report)
            .env("HOME", root.join("home"))
            .env("LC_ALL", locale)
            .env("PATH", search_path)
            .envs([("a", "1 2"), ("b", "*"), ("x", "y")])
            .env_remove("ENV")
            .env_remove("BASH_ENV")
            .stdin(Stdio::null())
            .output()
            .expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr).chars().take(400).collect();
        (read_reports(&fs::read(&report).expect("read")), errors)
    }
}

/// Functions, and then the texts with a mark before each and after the last. In a pipeline, each function
/// first waits for the end of the one before.
fn script_of(texts: &[&str]) -> String {
    let mut script = "exec 3>>\"$REPORT\"\nmark() { printf '%s\\0' 0 '' >&3; }\n".to_owned();
    for name in FUNCTIONS {
        let status = status_of(name);
        script.push_str(&format!(
            "{name}() {{ while read -r line; do :; done; printf '%s\\0' \"$#\" {name} \"$@\" >&3; return {status}; }}\n"
        ));
    }
    for text in texts {
        // Whatever is not a whole command by itself does not end before `fi`.
        script.push_str(&format!("mark\nif :; then\n{text}\nfi\n"));
    }
    script.push_str("mark\n");
    script
}

/// The reports between each two marks.
fn read_reports(bytes: &[u8]) -> Vec<Reports> {
    let mut fields = bytes.split(|&byte| byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    let mut cases = Vec::new();
    let mut current: Option<Reports> = None;
    while let Some(count) = fields.next().and_then(|count| count.parse::<usize>().ok()) {
        let words: Vec<String> = fields.by_ref().take(count + 1).collect();
        if words == [""] {
            cases.extend(current.replace(Vec::new()));
        } else if let Some(reports) = &mut current {
            reports.push(words);
        }
    }
    cases
}
