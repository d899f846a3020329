//! `ls`, `glob` and `grep` against paths, links, swaps, special files, names, sizes and patterns.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{AllowAll, AllowCommands, Answer, Fixture, SECRET, Swapper};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde_json::{Value, json};

/// How often a swap is raced.
const RACES: usize = 200;

impl Fixture {
    /// The text of a call that must succeed, without a question to a person.
    async fn seen(&self, tool: &str, arguments: Value) -> String {
        let nobody = Answer(|_| panic!("a person was asked"));
        let output = self.call_in(self.context(nobody), tool, arguments).await;
        assert!(!output.is_error, "{}", output.text);
        output.text
    }

    /// All that pages of a call show, without hints.
    async fn pages(&self, tool: &str, mut arguments: Value) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let text = self.seen(tool, arguments.clone()).await;
            lines.extend(
                text.lines().filter(|line| !line.is_empty() && !line.starts_with('[')).map(str::to_owned),
            );
            match text.rsplit_once("Use after=") {
                None => return lines,
                Some((_, rest)) => {
                    let quoted = &rest[..=rest[1..].find("\" to continue").expect("a quoted text") + 1];
                    arguments["after"] = serde_json::from_str(quoted).expect("JSON");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_directory_is_listed_in_order_with_sizes_and_kinds() {
    let fixture = Fixture::new();
    fixture.file("workspace/.gitignore", "target/\n");
    fixture.file("workspace/target/x", "");
    fixture.file("workspace/b.txt", "12345");
    fixture.file("workspace/src/a.rs", "");
    symlink("b.txt", fixture.workspace().join("link")).expect("linked");
    rustix::fs::mknodat(CWD, fixture.workspace().join("pipe"), FileType::Fifo, Mode::RWXU, 0)
        .expect("a pipe");
    let expected = ".gitignore\t8\nb.txt\t5\nlink -> b.txt\npipe\t(a named pipe)\nsrc/\ntarget/\t(ignored)\n";
    for path in ["", ".", "src/..", &fixture.workspace().display().to_string()] {
        assert_eq!(fixture.seen("ls", json!({"path": path})).await, expected, "{path}");
    }
    assert_eq!(fixture.seen("ls", json!({})).await, expected);
    assert_eq!(fixture.seen("ls", json!({"path": "b.txt"})).await, "b.txt\t5\n");
    assert_eq!(fixture.seen("ls", json!({"path": "src", "after": "a.rs"})).await, "[Nothing follows.]");
}

#[tokio::test]
async fn files_are_found_by_name_path_and_directory() {
    let fixture = Fixture::new();
    for file in ["a.rs", "src/b.rs", "src/deep/c.rs", "src/c.ts", ".github/ci.yml", ".git/config.rs"] {
        fixture.file(&format!("workspace/{file}"), "");
    }
    let find = |arguments: Value| async { fixture.seen("glob", arguments).await };
    assert_eq!(find(json!({"pattern": "*.rs"})).await, "a.rs\nsrc/b.rs\nsrc/deep/c.rs\n");
    assert_eq!(find(json!({"pattern": "src/*.rs"})).await, "src/b.rs\n");
    assert_eq!(find(json!({"pattern": "**/*.{ts,yml}"})).await, ".github/ci.yml\nsrc/c.ts\n");
    assert_eq!(find(json!({"pattern": "*.rs", "path": "src/deep"})).await, "src/deep/c.rs\n");
    assert_eq!(find(json!({"pattern": "d*/"})).await, "src/deep/\n");
    let absolute = format!("{}/**/b.*", fixture.workspace().display());
    assert_eq!(find(json!({"pattern": absolute})).await, "src/b.rs\n");
    assert_eq!(find(json!({"pattern": "absent/*.rs"})).await, "[Nothing matches.]");
}

#[tokio::test]
async fn matching_lines_are_shown_by_file_with_their_numbers() {
    let fixture = Fixture::new();
    fixture.file("workspace/a.txt", "one\ntwo\nthree\nfour\nfive\nTwo\n");
    fixture.file("workspace/b/c.rs", "let two = 2;\n");
    let search = |arguments: Value| async { fixture.seen("grep", arguments).await };
    assert_eq!(search(json!({"pattern": "two"})).await, "a.txt\n2:two\n\nb/c.rs\n1:let two = 2;\n\n");
    assert_eq!(search(json!({"pattern": "^two$", "ignoreCase": true})).await, "a.txt\n2:two\n6:Two\n\n");
    assert_eq!(search(json!({"pattern": "two", "glob": "*.rs"})).await, "b/c.rs\n1:let two = 2;\n\n");
    assert_eq!(search(json!({"pattern": "two", "filesOnly": true})).await, "a.txt\nb/c.rs\n");
    assert_eq!(search(json!({"pattern": "t.o", "literal": true})).await, "[No line matches.]");
    let around = "a.txt\n1-one\n2:two\n3-three\n--\n5-five\n6:Two\n\n";
    assert_eq!(search(json!({"pattern": "[tT]wo", "path": "a.txt", "context": 1})).await, around);
}

#[tokio::test]
async fn nothing_outside_the_workspace_is_looked_at() {
    let fixture = Fixture::new();
    let (outside, workspace) = (fixture.root.join("outside"), fixture.workspace());
    fixture.file("workspace/inside/file", "text");
    symlink(&outside, workspace.join("absolute")).expect("linked");
    symlink("../outside", workspace.join("relative")).expect("linked");
    symlink("../outside/secret", workspace.join("file")).expect("linked");
    symlink("../../outside", workspace.join("inside/nested")).expect("linked");
    symlink("/proc/self/root", workspace.join("magic")).expect("linked");
    symlink("inside", workspace.join("kind")).expect("linked");
    let paths = [
        outside.display().to_string(),
        "..".to_owned(),
        "../outside".to_owned(),
        "inside/../../outside".to_owned(),
        format!("{}/../outside", workspace.display()),
        "absolute".to_owned(),
        "relative/".to_owned(),
        "inside/nested".to_owned(),
        "file".to_owned(),
        format!("magic{}", outside.display()),
        "kind/file".to_owned(),
        "/".to_owned(),
        "/proc/self/cwd".to_owned(),
        "~".to_owned(),
        "a\0b".to_owned(),
    ];
    for path in &paths {
        for (tool, pattern) in [("ls", None), ("glob", Some("*")), ("grep", Some("secret"))] {
            let mut arguments = json!({"path": path});
            if let Some(pattern) = pattern {
                arguments["pattern"] = json!(pattern);
            }
            let output = fixture.call_in(fixture.context(AllowAll), tool, arguments).await;
            assert!(output.is_error && !output.text.contains(SECRET), "{tool} {path}: {}", output.text);
        }
    }
    let text = fixture.refused("grep", json!({"path": outside, "pattern": "x"})).await;
    assert!(text.contains("look only inside. read can open a file there: it asks a person first"), "{text}");
    let text = fixture.refused("ls", json!({"path": "kind"})).await;
    assert!(text.contains("symbolic link, which is not followed"), "{text}");
    let everything = fixture.seen("grep", json!({"pattern": "."})).await;
    assert!(everything.starts_with("inside/file\n1:text\n") && !everything.contains(SECRET), "{everything}");
    let names = fixture.seen("glob", json!({"pattern": "**"})).await;
    assert_eq!(names, "absolute\nfile\ninside/file\ninside/nested\nkind\nmagic\nrelative\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_swapped_for_a_link_never_leads_out() {
    let fixture = Fixture::new();
    fixture.file("workspace/place/deep/secret", "inside");
    fixture.file("outside/deep/secret", SECRET);
    let link = fixture.workspace().join("link");
    symlink(fixture.root.join("outside"), &link).expect("linked");
    let swapper = Swapper::start(fixture.workspace().join("place"), link);
    let mut found = 0;
    for round in 0..RACES {
        let path = ["", "place", "place/deep", "place/deep/secret"][round % 4];
        let output = fixture.call("grep", json!({"pattern": "inside|secret", "path": path})).await;
        assert!(!output.text.contains(SECRET), "{}", output.text);
        found += usize::from(output.text.contains("1:inside"));
        let listed = fixture.call("ls", json!({"path": "place"})).await.text;
        assert!(!listed.contains("secret"), "{listed}");
    }
    swapper.stop();
    assert!(found > 0, "no search met the real directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_swapped_for_a_link_is_never_followed() {
    let fixture = Fixture::new();
    let (place, link) = (fixture.file("workspace/place", "inside"), fixture.workspace().join("link"));
    symlink(fixture.root.join("outside/secret"), &link).expect("linked");
    let swapper = Swapper::start(place, link);
    let mut found = 0;
    for _ in 0..RACES {
        let text = fixture.call("grep", json!({"pattern": "."})).await.text;
        assert!(!text.contains(SECRET), "{text}");
        found += usize::from(text.contains("1:inside"));
    }
    swapper.stop();
    assert!(found > 0, "no search met the real file");
}

#[tokio::test]
async fn secret_names_are_skipped_and_counted() {
    let fixture = Fixture::new();
    for file in [".env", "sub/.ENV.local", "sub/server.pem", ".ssh/config", "credentials.json"] {
        fixture.file(&format!("workspace/{file}"), SECRET);
    }
    fixture.file("workspace/.env.example", "example of a secret");
    fixture.file("workspace/main.rs", "no secret");
    let listed = fixture.seen("ls", json!({})).await;
    assert!(
        listed.starts_with(".env.example\t19\nmain.rs\t9\nsub/\n\n[Skipped: 3 with names of"),
        "{listed}"
    );
    let found = fixture.seen("glob", json!({"pattern": "**"})).await;
    assert!(found.starts_with(".env.example\nmain.rs\n\n[Skipped: 5 with names of"), "{found}");
    let lines = fixture.seen("grep", json!({"pattern": "secret"})).await;
    assert!(!lines.contains(SECRET) && lines.contains("main.rs\n1:no secret"), "{lines}");
    assert!(lines.contains("[Skipped: 5 with names of files with keys or passwords"), "{lines}");
    for path in [".env", "sub/server.pem", ".ssh", ".ssh/config", "./sub/../.env"] {
        let text = fixture.refused("grep", json!({"path": path, "pattern": "."})).await;
        assert!(text.contains("is skipped") && !text.contains(SECRET), "{path}: {text}");
    }
}

#[tokio::test]
async fn protected_files_are_skipped_under_every_name() {
    let fixture = Fixture::new();
    let home = fixture.root.join("home");
    let key = fixture.file("home/.config/gh/hosts", SECRET);
    fixture.file("home/notes", "secret notes");
    std::fs::hard_link(&key, home.join("hard")).expect("linked");
    let context = || fixture.context_in(&home, AllowCommands);
    let output = fixture.call_in(context(), "grep", json!({"pattern": "secret"})).await;
    assert!(output.text.starts_with("notes\n1:secret notes\n"), "{}", output.text);
    assert!(
        output.text.contains("2 that no tool may touch") && !output.text.contains(SECRET),
        "{}",
        output.text
    );
    for tool in ["ls", "grep"] {
        let mut arguments = json!({"path": ".config/gh"});
        if tool == "grep" {
            arguments["pattern"] = json!("secret");
        }
        let output = fixture.call_in(context(), tool, arguments).await;
        assert!(output.is_error && output.text.contains("tools never touch it"), "{}", output.text);
    }
    let inside =
        fixture.call_in(fixture.context_in(&home.join(".config/gh"), AllowCommands), "ls", json!({}));
    assert!(inside.await.is_error);
}

#[tokio::test]
async fn pipes_and_sockets_are_skipped_without_waiting() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    rustix::fs::mknodat(CWD, workspace.join("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    rustix::fs::mknodat(CWD, workspace.join(".gitignore"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(workspace.join("socket")).expect("a socket");
    fixture.file("workspace/text", "text");
    let text = fixture.seen("grep", json!({"pattern": "."})).await;
    assert!(text.starts_with("text\n1:text\n"), "{text}");
    assert!(text.contains("3 that are links or no regular files; 1 that are ignore files"), "{text}");
    let text = fixture.refused("grep", json!({"pattern": ".", "path": "pipe"})).await;
    assert!(text.contains("a named pipe"), "{text}");
}

#[tokio::test]
async fn names_that_hide_something_are_quoted_and_lead_back() {
    let fixture = Fixture::new();
    let names = ["a\n[Skipped: nothing]", "b\u{202e}txt", " blank", "q\"\\", "\u{1b}[31m"];
    for name in names {
        fixture.file(&format!("workspace/{name}"), "text");
    }
    std::fs::write(fixture.workspace().join(OsStr::from_bytes(b"caf\xe9")), "text").expect("written");
    let found = fixture.seen("glob", json!({"pattern": "*"})).await;
    let (shown, note) = found.split_once("\n\n").expect("a note");
    assert_eq!(note, "[Skipped: 1 whose names are not UTF-8.]");
    let mut read = 0;
    for line in shown.lines() {
        let path: String = serde_json::from_str(line).expect("a quoted path");
        assert!(names.contains(&path.as_str()), "{line}");
        assert_eq!(fixture.call("read", json!({"path": path})).await.text, "text");
        read += 1;
    }
    assert_eq!(read, names.len());
}

#[tokio::test]
async fn pages_of_a_huge_directory_show_every_entry_once() {
    let fixture = Fixture::new();
    let mut expected: Vec<String> = (0..4_500).map(|number| format!("many/file{number}")).collect();
    for path in &expected {
        fixture.file(&format!("workspace/{path}"), "");
    }
    expected.sort_unstable();
    assert_eq!(fixture.pages("glob", json!({"pattern": "file*"})).await, expected);
    let listed = fixture.pages("ls", json!({"path": "many"})).await;
    let names: Vec<_> = listed.iter().map(|line| format!("many/{}", line.trim_end_matches("\t0"))).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn pages_go_on_where_files_have_come_and_gone() {
    let fixture = Fixture::new();
    for number in 0..1500 {
        fixture.file(&format!("workspace/d{}/f{number:04}", number % 3), "");
    }
    let first = fixture.seen("glob", json!({"pattern": "f*"})).await;
    let last = first.lines().nth(999).expect("a thousand").to_owned();
    assert!(first.contains(&format!("Use after=\"{last}\" to continue")), "{first}");
    std::fs::remove_file(fixture.workspace().join(&last)).expect("removed");
    fixture.file("workspace/a/f", "comes before");
    fixture.file("workspace/z/f", "comes after");
    let second = fixture.seen("glob", json!({"pattern": "f*", "after": last})).await;
    let second: Vec<_> = second.lines().collect();
    assert_eq!((second.len(), second.last()), (501, Some(&"z/f")));
    let text = fixture.refused("glob", json!({"pattern": "f*", "path": "d1", "after": "d2/f0002"})).await;
    assert!(text.contains("\"after\" must be what an earlier result"), "{text}");
}

#[tokio::test]
async fn pages_of_matches_show_every_line_once() {
    let fixture = Fixture::new();
    let mut expected = Vec::new();
    for file in ["a:7", "b/c", "d"] {
        let lines: Vec<_> =
            (1..=333).map(|line| format!("line {line} {}", "x".repeat(line % 50 * 7))).collect();
        fixture.file(&format!("workspace/{file}"), &lines.join("\r\n"));
        expected.push(file.to_owned());
        expected.extend(lines.iter().enumerate().map(|(index, line)| format!("{}:{line}", index + 1)));
    }
    let mut shown = fixture.pages("grep", json!({"pattern": "line"})).await;
    shown.dedup_by(|second, first| !second.contains(":line") && first == second);
    let lines: Vec<_> = shown.iter().filter(|line| line.contains(":line")).collect();
    assert_eq!(lines, expected.iter().filter(|line| line.contains(":line")).collect::<Vec<_>>());
    let files = fixture.pages("grep", json!({"pattern": "line", "filesOnly": true})).await;
    assert_eq!(files, ["a:7", "b/c", "d"]);
}

#[tokio::test]
async fn deep_nesting_is_skipped_and_can_be_named() {
    let fixture = Fixture::new();
    let deep: String = "d/".repeat(200);
    fixture.file(&format!("workspace/{deep}file"), "text");
    let text = fixture.seen("grep", json!({"pattern": "text"})).await;
    assert!(text.contains("[No line matches.]") && text.contains("1 too deep"), "{text}");
    let text = fixture.seen("grep", json!({"pattern": "text", "path": "d/".repeat(150)})).await;
    assert_eq!(text, format!("{deep}file\n1:text\n\n"));
}

#[tokio::test]
async fn directories_deeper_than_any_path_do_no_harm() {
    let fixture = Fixture::new();
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let mut directory = rustix::fs::open(fixture.workspace(), flags, Mode::empty()).expect("opened");
    for _ in 0..1_000 {
        rustix::fs::mkdirat(&directory, "deep", Mode::RWXU).expect("made");
        directory = rustix::fs::openat(&directory, "deep", flags, Mode::empty()).expect("opened");
    }
    let text = fixture.seen("glob", json!({"pattern": "*"})).await;
    assert!(text.contains("1 too deep"), "{text}");
    let text = fixture.seen("glob", json!({"pattern": "*", "path": "deep/".repeat(800)})).await;
    assert!(text.contains("1 too deep"), "{text}");
    let text = fixture.refused("glob", json!({"pattern": "*", "path": "deep/".repeat(900)})).await;
    assert!(text.contains("the path has 4500 bytes; at most 4096 are allowed"), "{text}");
    remove_deep(&fixture.workspace());
}

/// Removes `deep/deep/...`, which is too long for a path, by lifting what is below to the top.
fn remove_deep(workspace: &Path) {
    let (top, lifted) = (workspace.join("deep"), workspace.join("lifted"));
    while top.exists() {
        if top.join("deep").exists() {
            std::fs::rename(top.join("deep"), &lifted).expect("lifted");
            std::fs::remove_dir(&top).expect("removed");
            std::fs::rename(&lifted, &top).expect("renamed");
        } else {
            std::fs::remove_dir(&top).expect("removed");
        }
    }
}

#[tokio::test]
async fn patterns_that_cannot_be_used_are_explained() {
    let fixture = Fixture::new();
    fixture.file("workspace/f", "f(x)");
    let nested = format!("{}a{}", "(".repeat(500), ")".repeat(500));
    let bad = ["f(", "[z-a]", "*", r"(\w{1000}){1000}", &nested, &"a".repeat(5000), "", "a\nb"];
    for pattern in bad {
        let text = fixture.refused("grep", json!({"pattern": pattern})).await;
        assert!(text.contains("no usable regular expression") && text.len() < 600, "{pattern}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
    let literal = fixture.seen("grep", json!({"pattern": "f(", "literal": true})).await;
    assert_eq!(literal, "f\n1:f(x)\n\n");
    for glob in ["[z-a]", "{a", "../*"] {
        let text = fixture.refused("glob", json!({"pattern": glob})).await;
        assert!(text.contains("no usable path pattern"), "{glob}: {text}");
    }
}

#[tokio::test]
async fn a_pattern_that_backtracks_elsewhere_comes_to_an_end() {
    let fixture = Fixture::new();
    fixture.file("workspace/f", &"a".repeat(1_000_000));
    let text = fixture.seen("grep", json!({"pattern": "(a*)*(a|aa)+$b"})).await;
    assert_eq!(text, "[No line matches.]");
}

#[tokio::test]
async fn files_in_other_encodings_are_searched_or_counted() {
    let fixture = Fixture::new();
    let utf16: Vec<u8> = "\u{feff}wide word\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&str, &[u8]); 6] = [
        ("binary", b"word\0"),
        ("bom", "\u{feff}word\n".as_bytes()),
        ("crlf", b"word\r\nother\r\n"),
        ("latin", b"caf\xe9 word\n"),
        ("late", &[b"word\n".as_slice(), &vec![b'x'; 200_000], b"\0"].concat()),
        ("utf16", &utf16),
    ];
    for (name, content) in files {
        std::fs::write(fixture.workspace().join(name), content).expect("written");
    }
    let text = fixture.seen("grep", json!({"pattern": r"(^|\b)word$"})).await;
    let expected = "bom\n1:word\n\ncrlf\n1:word\n\nlatin\n1:caf\u{fffd} word\n\nutf16\n1:wide word\n\n\
                    [Skipped: 2 that are not text.]";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_long_line_is_cut_around_the_match_and_can_be_read_on() {
    let fixture = Fixture::new();
    let content = format!("first\n{}needle{}\n", "\u{20ac}".repeat(10_000), "\u{e4}".repeat(10_000));
    fixture.file("workspace/wide", &content);
    let text = fixture.seen("grep", json!({"pattern": "needle"})).await;
    assert!(text.contains("2:\u{2026}\u{20ac}") && text.len() < 700, "{text}");
    let (_, rest) = text.split_once("[of 50006 bytes; read with byteOffset=").expect("a hint");
    let byte: u64 = rest.split(']').next().and_then(|byte| byte.parse().ok()).expect("a number");
    let read = fixture.call("read", json!({"path": "wide", "byteOffset": byte})).await.text;
    assert!(read.starts_with('\u{20ac}') && read.contains("\u{20ac}needle\u{e4}"));
}

#[tokio::test]
async fn a_line_longer_than_is_held_is_counted() {
    let fixture = Fixture::new();
    fixture.file("workspace/one", &format!("word\n{}", "x".repeat(9 * 1024 * 1024)));
    let text = fixture.seen("grep", json!({"pattern": "word"})).await;
    assert!(text.starts_with("one\n1:word\n"), "{text}");
    assert!(text.contains("1 searched only in part"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_grows_while_it_is_searched_has_an_end() {
    use std::io::Write as _;
    let fixture = Fixture::new();
    let path = fixture.file("workspace/log", "start\n");
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::File::options().append(true).open(path).expect("opened");
        let mut left = 2_000;
        while !seen.load(Ordering::Relaxed) && left > 0 {
            file.write_all(&[b'x'; 65_535]).and_then(|()| file.write_all(b"\n")).expect("written");
            left -= 1;
        }
    });
    let text = fixture.seen("grep", json!({"pattern": "start|never"})).await;
    done.store(true, Ordering::Relaxed);
    writer.join().expect("it wrote to its end");
    assert!(text.starts_with("log\n1:start\n"), "{text}");
}

#[tokio::test]
async fn what_ignore_files_leave_out_is_seen_only_where_it_is_named() {
    let fixture = Fixture::new();
    fixture.file("workspace/.gitignore", "/target/\n*.log\n!keep.log\n");
    fixture.file("workspace/.ignore", "generated\n");
    fixture.file("workspace/src/.gitignore", "local\n!*.log\n");
    for file in
        ["target/a", "a.log", "keep.log", "generated/a", "src/local", "src/b.log", "src/a", "src/target/a"]
    {
        fixture.file(&format!("workspace/{file}"), "word");
    }
    let all = fixture.seen("glob", json!({"pattern": "**/[a-z]*"})).await;
    assert_eq!(all, "keep.log\nsrc/a\nsrc/b.log\nsrc/target/a\n");
    let none = fixture.seen("glob", json!({"pattern": "a.log"})).await;
    assert!(none.starts_with("[Nothing matches.]\n[Skipped: 3 that .gitignore or .ignore exclude"), "{none}");
    assert_eq!(fixture.seen("glob", json!({"pattern": "*", "path": "target"})).await, "target/a\n");
    assert_eq!(fixture.seen("glob", json!({"pattern": "generated/**"})).await, "generated/a\n");
    assert_eq!(fixture.seen("grep", json!({"pattern": "word", "path": "a.log"})).await, "a.log\n1:word\n\n");
}

#[tokio::test]
async fn an_ignore_file_that_is_a_link_or_huge_is_not_applied() {
    let fixture = Fixture::new();
    fixture.file("outside/rules", "*\n");
    fixture.file("workspace/file", "");
    symlink(fixture.root.join("outside/rules"), fixture.workspace().join(".gitignore")).expect("linked");
    let text = fixture.seen("glob", json!({"pattern": "f*"})).await;
    assert_eq!(text, "file\n\n[Skipped: 1 that are ignore files, not applied because unusable.]");
    std::fs::remove_file(fixture.workspace().join(".gitignore")).expect("removed");
    fixture.file("workspace/.gitignore", &"file\n".repeat(100_000));
    assert_eq!(fixture.seen("glob", json!({"pattern": "f*"})).await, text);
    fixture.file("workspace/.gitignore", &"*a*b*c*d*\n".repeat(20_000));
    assert_eq!(fixture.seen("glob", json!({"pattern": "f*"})).await, text);
}

#[tokio::test]
async fn a_search_of_many_bytes_goes_on_in_the_next_call() {
    let fixture = Fixture::new();
    for name in ["a", "b", "c"] {
        let file = std::fs::File::create(fixture.workspace().join(name)).expect("made");
        file.set_len(64 * 1024 * 1024).expect("sparse");
    }
    fixture.file("workspace/d", "word");
    let first = fixture.seen("grep", json!({"pattern": "word"})).await;
    assert!(first.starts_with("[Stopped early") && first.contains("Use after=\"b:end\""), "{first}");
    assert_eq!(fixture.pages("grep", json!({"pattern": "word"})).await, ["d", "1:word"]);
}

#[tokio::test]
async fn costly_ignore_rules_end_a_call_early_and_lose_nothing() {
    let fixture = Fixture::new();
    let rules: String = (0..2000).map(|number| format!("*q*{number}*q*\n")).collect();
    fixture.file("workspace/.gitignore", &rules);
    for number in 0..4_000 {
        fixture.file(&format!("workspace/f{number}"), "");
    }
    fixture.file("workspace/z", "");
    let first = fixture.seen("glob", json!({"pattern": "z"})).await;
    assert!(first.starts_with("[Stopped early") && first.contains("Use after=\"f"), "{first}");
    assert_eq!(fixture.pages("glob", json!({"pattern": "z"})).await, ["z"]);
}

#[tokio::test]
async fn a_run_that_was_stopped_sees_nothing_more() {
    let fixture = Fixture::new();
    fixture.file("workspace/file", "text");
    for (tool, arguments) in
        [("ls", json!({})), ("glob", json!({"pattern": "*"})), ("grep", json!({"pattern": "x"}))]
    {
        let context = fixture.context(AllowCommands);
        context.cancelled.cancel();
        let output = fixture.call_in(context, tool, arguments).await;
        assert!(output.is_error && output.text.contains("cancelled"), "{}", output.text);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_counted() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let closed = [fixture.file("workspace/closed/file", "word"), fixture.file("workspace/shut", "word")];
    fixture.file("workspace/open", "word");
    let directory = fixture.workspace().join("closed");
    for path in [&directory, &closed[1]] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("closed");
    }
    let text = fixture.seen("grep", json!({"pattern": "word"})).await;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).expect("opened");
    if rustix::process::geteuid().is_root() {
        assert!(text.contains("shut\n1:word"), "{text}");
    } else {
        assert_eq!(text, "open\n1:word\n\n[Skipped: 2 that could not be opened.]");
    }
}
