//! Trigger files that a person has as symbolic links.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use common::{Fixture, Place};
use tidegate_triggers::{Action, Report};

fn run(fixture: &Fixture, script: &str) -> Report {
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    fixture.place().shell(script);
    fixture.guard.finish(command).expect("finished")
}

fn link(place: &Place, target: &str, name: &str) {
    fs::create_dir_all(place.path(name).parent().expect("inside")).expect("made");
    symlink(target, place.path(name)).expect("linked");
}

fn target(place: &Place, name: &str) -> PathBuf {
    fs::read_link(place.path(name)).expect("it is a link")
}

/// As a person has who keeps their settings elsewhere.
#[test]
fn a_link_that_is_replaced_removed_or_turned_is_put_back() {
    for attack in ["rm NAME; echo evil > NAME", "rm NAME", "ln -sfn \"$EVIL\" NAME", "mv NAME other"] {
        for name in [".envrc", "sub/.envrc", ".vscode/tasks.json", "AGENTS.md"] {
            let fixture = Fixture::prepared(|place| link(place, "/home/person/settings", name));
            let report = run(&fixture, &attack.replace("NAME", name));

            let place = fixture.place();
            assert_eq!(target(&place, name), Path::new("/home/person/settings"), "{attack}: {report:?}");
            let finding = report.findings.first().expect("it is reported");
            assert!(matches!(finding.action, Action::Restored | Action::PutBack), "{attack}: {finding:?}");
        }
    }
}

#[test]
fn a_repository_behind_a_link_loses_its_setting() {
    let prepare = |place: &Place| {
        place.repository("top");
        fs::rename(place.path("top/.git"), place.path("store")).expect("moved");
        link(place, "../store", "top/.git");
    };
    let fixture = Fixture::prepared(prepare);
    let report = run(&fixture, "git -C top config core.fsmonitor \"$EVIL\"");
    fixture.place().git_in("top", &["status"]);
    assert_eq!(fixture.place().marks(), 0, "{report:?}");
}

/// The attack must work without a guard; with one, the person looks when the command has ended.
fn is_restored(prepare: impl Fn(&Place), attack: &str, victim: impl Fn(&Place)) {
    let alone = Fixture::prepared(&prepare);
    alone.place().shell(attack);
    victim(&alone.place());
    assert!(alone.place().marks() > 0, "the attack proves nothing: {attack}");

    let fixture = Fixture::prepared(&prepare);
    let report = run(&fixture, attack);
    victim(&fixture.place());

    assert_eq!(fixture.place().marks(), 0, "{attack}: {report:?}");
    assert!(!report.findings.is_empty(), "{attack}");
}

fn looks(place: &Place) {
    place.git_in("top", &["status"]);
}

fn adds(place: &Place) {
    place.write("top/file", "changed");
    place.git_in("top", &["add", "file"]);
}

#[test]
fn settings_of_git_behind_links_are_restored() {
    let prepare = |place: &Place| {
        place.repository("top");
        fs::rename(place.path("top/.git/config"), place.path("top/settings")).expect("moved");
        link(place, "settings", "top/on-the-way");
        link(place, "../on-the-way", "top/.git/config");
    };
    for attack in [
        "printf '[core]\n fsmonitor = %s\n' \"$EVIL\" >> top/settings",
        "cp top/settings top/x; printf '[core]\n fsmonitor = %s\n' \"$EVIL\" >> top/x; mv top/x top/settings",
        "cp top/settings top/x; printf '[core]\n fsmonitor = %s\n' \"$EVIL\" >> top/x; ln -sfn x top/on-the-way",
    ] {
        is_restored(prepare, attack, looks);
    }
}

#[test]
fn hooks_behind_links_are_restored_and_new_ones_set_aside() {
    let folder = |place: &Place| {
        place.repository("top");
        place.write("top/githooks/other", "#!/bin/sh\n");
        fs::remove_dir_all(place.path("top/.git/hooks")).expect("removed");
        link(place, "../githooks", "top/.git/hooks");
    };
    is_restored(
        folder,
        "printf '#!/bin/sh\n%s\n' \"$EVIL\" > h; chmod +x h; mv h top/githooks/post-index-change",
        adds,
    );
    let file = |place: &Place| {
        place.repository("top");
        place.write("top/scripts/check", "#!/bin/sh\n");
        fs::set_permissions(place.path("top/scripts/check"), fs::Permissions::from_mode(0o755)).expect("set");
        link(place, "../../scripts/check", "top/.git/hooks/post-index-change");
    };
    is_restored(file, "printf '#!/bin/sh\n%s\n' \"$EVIL\" > top/scripts/check", adds);
}

#[test]
fn what_prompts_and_agents_read_through_a_link_is_restored() {
    for (link_name, target_name, file) in [
        (".envrc", "scripts/envrc", "scripts/envrc"),
        ("AGENTS.md", "docs/agents.md", "docs/agents.md"),
        (".claude/commands", "../docs/commands", "docs/commands/a.md"),
    ] {
        let fixture = Fixture::prepared(|place| {
            place.write(file, "mine");
            link(place, target_name, link_name);
        });
        let report = run(&fixture, &format!("echo evil > {file}"));
        assert_eq!(fixture.place().read(file), "mine", "{link_name}: {report:?}");
    }
}

#[test]
fn a_file_behind_a_link_is_restored_while_the_command_runs() {
    let fixture = Fixture::prepared(|place| {
        place.write("scripts/envrc", "mine");
        link(place, "scripts/envrc", ".envrc");
    });
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");

    fixture.place().shell("echo evil > scripts/envrc");
    let finding = fixture.wait_for("scripts/envrc");

    assert_eq!((finding.action, fixture.place().read(".envrc").as_str()), (Action::Restored, "mine"));
    fixture.guard.finish(command).expect("finished");
}

#[test]
fn ordinary_work_behind_links_is_left() {
    let fixture = Fixture::prepared(|place| {
        place.repository("top");
        // What git writes itself, a folder around the link, one of a whole project, and what is not there.
        fs::rename(place.path("top/.git/index"), place.path("index")).expect("moved");
        link(place, "../../index", "top/.git/index");
        link(place, "..", ".claude/everything");
        for number in 0..300 {
            place.write(&format!("project/{number}"), "");
        }
        link(place, "project", ".cursor");
        link(place, "nowhere", ".exrc");
        link(place, ".lvimrc", ".lvimrc");
    });
    let report = run(
        &fixture,
        "echo x > top/new; git -C top add new; git -C top commit -q -m x; echo x > project/7; echo y > new",
    );
    assert_eq!(report, Report::default());
    assert_eq!(fixture.place().read("project/7"), "x\n");
}
