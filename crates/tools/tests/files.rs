//! `read`, `write` and `edit` against paths, links, swaps and special files.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::time::Duration;

use common::{AllowCommands, Fixture, SECRET, Swapper};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::json;

/// How often a swap is raced.
const RACES: usize = 400;

#[tokio::test]
async fn a_file_is_written_read_and_edited_inside_the_workspace() {
    let fixture = Fixture::new();
    let written = fixture.call("write", json!({"path": "a/b/c.txt", "content": "one\ntwo\n"})).await;
    assert!(!written.is_error, "{}", written.text);
    let absolute = fixture.workspace().join("a/b/c.txt");
    let read = fixture.call("read", json!({"path": absolute, "offset": 2})).await;
    assert_eq!(read.text, "two\n");
    let edit = json!({"path": "./a/../a/b/c.txt", "oldText": "two", "newText": "2"});
    let edited = fixture.call("edit", edit).await;
    assert_eq!(edited.text, "Edited ./a/../a/b/c.txt at line 2.");
    assert_eq!(fixture.text("workspace/a/b/c.txt").as_deref(), Some("one\n2\n"));
}

#[tokio::test]
async fn no_path_leads_out_of_the_workspace() {
    let fixture = Fixture::new();
    let outside = fixture.root.join("outside");
    symlink(&outside, fixture.workspace().join("absolute")).expect("linked");
    symlink("../outside", fixture.workspace().join("relative")).expect("linked");
    symlink("../outside/secret", fixture.workspace().join("file")).expect("linked");
    symlink("relative/secret", fixture.workspace().join("twice")).expect("linked");
    symlink("/proc/self/root", fixture.workspace().join("magic")).expect("linked");
    let secret = outside.join("secret");
    let through_proc = format!("/proc/self/root{}", secret.display());
    let through_cwd = "/proc/self/cwd/../outside/secret".to_owned();
    let paths = [
        secret.display().to_string(),
        through_proc,
        through_cwd,
        format!("magic{}", secret.display()),
        format!("{}/../outside/secret", fixture.workspace().display()),
        "../outside/secret".to_owned(),
        "./x/../../outside/secret".to_owned(),
        "absolute/secret".to_owned(),
        "relative/secret".to_owned(),
        "file".to_owned(),
        "twice".to_owned(),
        "..".to_owned(),
        "/".to_owned(),
        "~/secret".to_owned(),
        "a\0b".to_owned(),
        String::new(),
    ];
    for path in &paths {
        let text = fixture.refused("read", json!({"path": path})).await;
        assert!(!text.contains(SECRET), "{path}");
        fixture.refused("write", json!({"path": path, "content": "x"})).await;
        fixture.refused("edit", json!({"path": path, "oldText": "secret", "newText": "x"})).await;
        assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET), "{path}");
        assert_eq!(std::fs::read_dir(&outside).expect("listed").count(), 1, "{path}");
    }
    let text = fixture.refused("read", json!({"path": secret})).await;
    assert!(text.contains("is outside the workspace"), "{text}");
}

#[tokio::test]
async fn a_link_that_stays_inside_is_followed_and_kept() {
    let fixture = Fixture::new();
    fixture.file("workspace/deep/real.txt", "old");
    symlink("deep/real.txt", fixture.workspace().join("link")).expect("linked");
    symlink(fixture.workspace().join("deep"), fixture.workspace().join("dir")).expect("linked");
    let written = fixture.call("write", json!({"path": "link", "content": "new"})).await;
    assert!(!written.is_error, "{}", written.text);
    assert_eq!(fixture.text("workspace/deep/real.txt").as_deref(), Some("new"));
    assert!(fixture.workspace().join("link").is_symlink());
}

#[tokio::test]
async fn a_circle_of_links_is_refused() {
    let fixture = Fixture::new();
    symlink("b", fixture.workspace().join("a")).expect("linked");
    symlink("a", fixture.workspace().join("b")).expect("linked");
    let text = fixture.refused("write", json!({"path": "a", "content": "x"})).await;
    assert!(text.contains("too many symbolic links"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_swapped_for_a_link_while_writing_never_leads_out() {
    let fixture = Fixture::new();
    fixture.file("workspace/real/file", "inside");
    let (place, link) = (fixture.workspace().join("place"), fixture.workspace().join("link"));
    symlink(fixture.root.join("outside"), &link).expect("linked");
    std::fs::rename(fixture.workspace().join("real"), &place).expect("renamed");
    let swapper = Swapper::start(place, link);
    let mut written = 0;
    for round in 0..RACES {
        let name = format!("place/new-{}", round % 7);
        let output = fixture.call("write", json!({"path": name, "content": "x"})).await;
        written += usize::from(!output.is_error);
        let read = fixture.call("read", json!({"path": "place/secret"})).await;
        assert!(!read.text.contains(SECRET));
    }
    swapper.stop();
    assert!(written > 0, "no write met the real directory");
    assert_eq!(std::fs::read_dir(fixture.root.join("outside")).expect("listed").count(), 1);
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_swapped_for_a_link_is_never_followed() {
    let fixture = Fixture::new();
    let (place, link) = (fixture.file("workspace/place", "inside"), fixture.workspace().join("link"));
    symlink(fixture.root.join("outside/secret"), &link).expect("linked");
    let swapper = Swapper::start(place, link);
    for _ in 0..RACES {
        let read = fixture.call("read", json!({"path": "place"})).await;
        assert!(!read.text.contains(SECRET), "the secret was read");
        let edit = json!({"path": "place", "oldText": "secret", "newText": "x"});
        assert!(fixture.call("edit", edit).await.is_error);
    }
    swapper.stop();
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_swapped_for_a_link_to_a_protected_file_is_never_followed() {
    let fixture = Fixture::new();
    let home = fixture.root.join("home");
    fixture.file("home/.ssh/id_ed25519", SECRET);
    let (place, link) = (fixture.file("home/place", "inside"), home.join("link"));
    symlink(".ssh/id_ed25519", &link).expect("linked");
    let swapper = Swapper::start(place, link);
    let mut read = 0;
    for _ in 0..RACES {
        let context = fixture.context_in(&home, AllowCommands);
        let output = fixture.call_in(context, "read", json!({"path": "place"})).await;
        assert!(!output.text.contains(SECRET), "the secret was read");
        read += usize::from(output.text == "inside");
    }
    swapper.stop();
    assert!(read > 0, "no read met the real file");
}

#[tokio::test]
async fn pipes_sockets_and_devices_are_refused_without_waiting() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    rustix::fs::mknodat(CWD, workspace.join("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(workspace.join("socket")).expect("a socket");
    for (path, kind) in [("pipe", "a named pipe"), ("socket", "a socket")] {
        let calls = [
            ("read", json!({"path": path})),
            ("write", json!({"path": path, "content": "x"})),
            ("edit", json!({"path": path, "oldText": "a", "newText": "b"})),
        ];
        for (tool, arguments) in calls {
            let refused = tokio::time::timeout(Duration::from_secs(5), fixture.refused(tool, arguments));
            let text = refused.await.expect("it must not block");
            assert!(text.contains(kind), "{tool} {path}: {text}");
        }
    }
}

#[tokio::test]
async fn protected_places_are_refused_even_inside_the_workspace() {
    let fixture = Fixture::new();
    let home = fixture.root.join("home");
    fixture.file("home/.ssh/id_ed25519", SECRET);
    fixture.file("home/.bashrc", SECRET);
    fixture.file("home/notes.txt", "fine");
    symlink(".ssh", home.join("keys")).expect("linked");
    symlink(".config", home.join("settings")).expect("linked");
    std::fs::create_dir(home.join(".config")).expect("a directory");
    let paths = [
        ".ssh/id_ed25519",
        ".ssh/authorized_keys",
        ".SSH/authorized_keys",
        "keys/id_ed25519",
        "keys/new",
        "./.ssh/../.ssh/config",
        ".bashrc",
        ".zshenv",
        ".config/autostart/evil.desktop",
        "settings/autostart/evil.desktop",
        "settings/systemd/user/evil.service",
        ".local/share/keyrings/login.keyring",
        ".gnupg/private-keys-v1.d/x",
        ".local/bin/ls",
    ];
    for path in paths {
        let calls = [("read", json!({"path": path})), ("write", json!({"path": path, "content": "x"}))];
        for (tool, arguments) in calls {
            let output = fixture.call_in(fixture.context_in(&home, AllowCommands), tool, arguments).await;
            assert!(output.is_error && !output.text.contains(SECRET), "{tool} {path}: {}", output.text);
        }
        let arguments = json!({"path": path, "content": "x"});
        let output = fixture.call_in(fixture.context_in(&home, AllowCommands), "write", arguments).await;
        assert!(output.text.contains("tools never touch it"), "{path}: {}", output.text);
    }
    let fine = fixture.context_in(&home, AllowCommands);
    let output = fixture.call_in(fine, "read", json!({"path": "notes.txt"})).await;
    assert_eq!(output.text, "fine");
}

#[tokio::test]
async fn a_protected_file_is_refused_where_its_link_really_leads() {
    let fixture = Fixture::new();
    let target = fixture.file("workspace/dotfiles/bashrc", "alias");
    symlink(&target, fixture.root.join("home/.bashrc")).expect("linked");
    symlink(fixture.workspace().join("dotfiles/zshrc"), fixture.root.join("home/.zshrc")).expect("linked");
    for path in ["dotfiles/bashrc", "dotfiles/zshrc"] {
        let text = fixture.refused("write", json!({"path": path, "content": "evil"})).await;
        assert!(text.contains("tools never touch it"), "{path}: {text}");
    }
    assert_eq!(fixture.text("workspace/dotfiles/bashrc").as_deref(), Some("alias"));
    assert!(!fixture.workspace().join("dotfiles/zshrc").exists());
}

#[tokio::test]
async fn a_hard_link_to_a_protected_file_is_refused() {
    let fixture = Fixture::new();
    let key = fixture.file("home/.ssh/deep/id", SECRET);
    std::fs::hard_link(&key, fixture.workspace().join("key")).expect("linked");
    std::fs::hard_link(fixture.root.join("config.json"), fixture.workspace().join("config")).expect("linked");
    let fine = fixture.file("workspace/one", "fine");
    std::fs::hard_link(&fine, fixture.workspace().join("two")).expect("linked");
    for path in ["key", "config"] {
        let text = fixture.refused("read", json!({"path": path})).await;
        assert!(text.contains("tools never touch it") && !text.contains(SECRET), "{text}");
        fixture.refused("write", json!({"path": path, "content": "x"})).await;
    }
    assert_eq!(std::fs::read_to_string(key).ok().as_deref(), Some(SECRET));
    assert_eq!(fixture.call("read", json!({"path": "two"})).await.text, "fine");
}

#[tokio::test]
async fn a_workspace_reached_through_a_link_is_refused() {
    let fixture = Fixture::new();
    // What an agent could make, and then name as the working directory of a child.
    let link = fixture.workspace().join("child");
    symlink(fixture.root.join("outside"), &link).expect("linked");
    for (tool, arguments) in [("read", json!({"path": "secret"})), ("exec", json!({"command": "cat secret"}))]
    {
        let output = fixture.call_in(fixture.context_in(&link, AllowCommands), tool, arguments).await;
        assert!(output.is_error && !output.text.contains(SECRET), "{}", output.text);
        assert!(output.text.contains("without symbolic links"), "{}", output.text);
    }
}

#[tokio::test]
async fn replacing_keeps_the_mode_and_drops_set_id_bits() {
    let fixture = Fixture::new();
    let script = fixture.file("workspace/script", "old");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o4750)).expect("mode set");
    let output = fixture.call("write", json!({"path": "script", "content": "new"})).await;
    assert!(!output.is_error, "{}", output.text);
    assert_eq!(script.metadata().expect("exists").mode() & 0o7777, 0o750);
    let leftovers = std::fs::read_dir(fixture.workspace()).expect("listed").count();
    assert_eq!(leftovers, 1, "only the file itself may be there");
}

#[tokio::test]
async fn the_other_names_of_a_hard_linked_file_keep_their_content() {
    let fixture = Fixture::new();
    let outside = fixture.root.join("outside/secret");
    std::fs::hard_link(&outside, fixture.workspace().join("name")).expect("linked");
    let output = fixture.call("write", json!({"path": "name", "content": "new"})).await;
    assert!(!output.is_error, "{}", output.text);
    assert_eq!(fixture.text("outside/secret").as_deref(), Some(SECRET));
}

#[tokio::test]
async fn a_file_marked_read_only_is_not_replaced() {
    let fixture = Fixture::new();
    let file = fixture.file("workspace/kept", "kept");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).expect("mode set");
    let text = fixture.refused("write", json!({"path": "kept", "content": "x"})).await;
    assert!(text.contains("read-only"), "{text}");
    assert_eq!(fixture.text("workspace/kept").as_deref(), Some("kept"));
}

#[tokio::test]
async fn long_files_are_read_in_parts() {
    let fixture = Fixture::new();
    let lines: String = (1..=5000).map(|line| format!("line {line}\n")).collect();
    fixture.file("workspace/long", &lines);
    let first = fixture.call("read", json!({"path": "long"})).await.text;
    assert!(first.contains("line 2000\n") && !first.contains("line 2001\n"));
    assert!(first.ends_with("[Lines 1-2000; more follow. Use offset=2001 to continue.]"), "{first}");
    let last = fixture.call("read", json!({"path": "long", "offset": 4999})).await.text;
    assert_eq!(last, "line 4999\nline 5000\n");
    fixture.file(
        "workspace/wide",
        &"0123456789".repeat(10).split_inclusive('9').collect::<String>().repeat(2000),
    );
    let wide = fixture.call("read", json!({"path": "wide"})).await.text;
    assert!(wide.len() < 51 * 1024, "{}", wide.len());
}

#[tokio::test]
async fn a_file_without_line_ends_is_read_on_by_bytes() {
    let fixture = Fixture::new();
    let content = "0123456789\u{20ac}".repeat(20_000);
    fixture.file("workspace/wide", &content);
    let first = fixture.call("read", json!({"path": "wide"})).await.text;
    let (mut whole, hint) = parts(&first);
    assert!(hint.starts_with("Line 1 is longer than 50 KiB"), "{hint}");
    let mut next = byte_offset(hint);
    while let Some(byte) = next {
        let part = fixture.call("read", json!({"path": "wide", "byteOffset": byte})).await;
        assert!(!part.is_error, "{}", part.text);
        let (text, hint) = parts(&part.text);
        whole.push_str(&text);
        next = byte_offset(hint);
    }
    assert_eq!(whole, content);
}

/// The text of a part of one long line, and the hint behind it.
fn parts(result: &str) -> (String, &str) {
    result.split_once("\n\n[").map_or((result.to_owned(), ""), |(text, hint)| (text.to_owned(), hint))
}

fn byte_offset(hint: &str) -> Option<u64> {
    let (_, rest) = hint.split_once("byteOffset=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[tokio::test]
async fn a_line_and_a_byte_cannot_be_asked_for_together() {
    let fixture = Fixture::new();
    fixture.file("workspace/f", "text");
    let text = fixture.refused("read", json!({"path": "f", "offset": 1, "byteOffset": 0})).await;
    assert!(text.contains("\"offset\" and \"byteOffset\" cannot be given together"), "{text}");
    let text = fixture.refused("read", json!({"path": "f", "byteOffset": 5})).await;
    assert!(text.contains("f has only 4 bytes; byteOffset 5 is behind its end"), "{text}");
}

#[tokio::test]
async fn arguments_under_the_names_of_other_agents_are_understood() {
    let fixture = Fixture::new();
    fixture.call("write", json!({"file_path": "f", "content": "one"})).await;
    let edit = json!({"file_path": "f", "old_string": "one", "new_string": "two"});
    let edited = fixture.call("edit", edit).await;
    assert!(!edited.is_error, "{}", edited.text);
    assert_eq!(fixture.call("read", json!({"file_path": "f"})).await.text, "two");
}

#[tokio::test]
async fn binary_files_are_refused_with_a_sentence() {
    let fixture = Fixture::new();
    std::fs::write(fixture.workspace().join("binary"), b"\x7fELF\0\xff").expect("written");
    for (tool, arguments) in [
        ("read", json!({"path": "binary"})),
        ("edit", json!({"path": "binary", "oldText": "ELF", "newText": "x"})),
    ] {
        let text = fixture.refused(tool, arguments).await;
        assert!(text.contains("binary file or not UTF-8"), "{text}");
    }
}

#[tokio::test]
async fn content_and_files_over_the_limit_are_refused() {
    let fixture = Fixture::new();
    let large = "x".repeat(5 * 1024 * 1024 + 1);
    let text = fixture.refused("write", json!({"path": "large", "content": large})).await;
    assert!(text.contains("at most 5242880"), "{text}");
    assert!(!fixture.workspace().join("large").exists());
    fixture.file("workspace/large", &large);
    let text = fixture.refused("edit", json!({"path": "large", "oldText": "a", "newText": "b"})).await;
    assert!(text.contains("at most 5242880 can be edited"), "{text}");
}

#[tokio::test]
async fn an_edit_tells_how_many_matches_there_are() {
    let fixture = Fixture::new();
    fixture.file("workspace/f", "a b a b a");
    let text = fixture.refused("edit", json!({"path": "f", "oldText": "a", "newText": "c"})).await;
    assert!(text.contains("occurs 3 times"), "{text}");
    assert_eq!(fixture.text("workspace/f").as_deref(), Some("a b a b a"));
}

#[tokio::test]
async fn a_run_without_the_tool_in_its_authority_is_refused() {
    let fixture = Fixture::new();
    fixture.file("workspace/f", "text");
    let tools = ["read", "write", "edit", "ls", "glob", "grep", "exec"];
    for tool in tools {
        let mut context = fixture.context(AllowCommands);
        let others = tools.iter().filter(|other| **other != tool);
        let others = others.map(|other| (*other).to_owned()).collect();
        context.authority = context.authority.narrow(Some(&others), None, &[]).expect("narrower");
        let arguments =
            json!({"path": "f", "content": "x", "oldText": "a", "newText": "b", "command": "true"});
        let output = fixture.call_in(context, tool, arguments).await;
        assert_eq!(output.text, format!("this run may not use {tool}"));
    }
}

#[tokio::test]
async fn every_schema_is_a_closed_object_that_names_what_it_requires() {
    for tool in Fixture::new().tools() {
        let parameters = tool.description().parameters;
        assert_eq!(parameters["additionalProperties"], json!(false));
        let properties = parameters["properties"].as_object().expect("an object");
        let required = parameters["required"].as_array().expect("a list");
        assert!(required.iter().all(|name| properties.contains_key(name.as_str().unwrap_or_default())));
    }
}

#[tokio::test]
async fn what_starts_by_itself_is_protected_also_where_the_environment_moved_it() {
    let mut fixture = Fixture::new();
    let (config, data) = (fixture.workspace().join("settings"), fixture.workspace().join("data"));
    fixture.protected = fixture.protected.clone().and_in(".config", &config).and_in(".local/share", &data);

    for path in
        ["settings/autostart/x.desktop", "settings/systemd/user/x.service", "data/keyrings/login.keyring"]
    {
        let text = fixture.refused("write", json!({"path": path, "content": "x"})).await;
        assert!(text.contains("is refused"), "{path}: {text}");
    }
    let other = fixture.call("write", json!({"path": "settings/other", "content": "x"})).await;
    assert!(!other.is_error, "{}", other.text);
}
