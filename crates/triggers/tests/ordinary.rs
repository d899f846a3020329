//! Ordinary work with git while the guard watches: nothing is set aside.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{Fixture, Place};
use tidegate_triggers::{Action, Report};

/// What is reported when a command runs `script`.
fn report(prepare: impl FnOnce(&Place), script: &str) -> (Report, Fixture) {
    let fixture = Fixture::prepared(prepare);
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    fixture.place().shell(script);
    let report = fixture.guard.finish(command).expect("finished");
    (report, fixture)
}

fn nothing_is_found(prepare: impl FnOnce(&Place), script: &str) -> Fixture {
    let (report, fixture) = report(prepare, script);
    assert_eq!(report, Report::default(), "{script}");
    let left: Vec<_> = std::fs::read_dir(fixture.place().root.join("aside")).expect("listed").collect();
    assert!(left.is_empty(), "{left:?}");
    fixture
}

#[test]
fn new_repositories_of_all_kinds_are_left() {
    nothing_is_found(
        |_| {},
        "git init -q; git init -q a; git init -q --bare b.git; git init -q --object-format=sha256 c; \
         mkdir d; git -C d init -q --separate-git-dir ../d-git; git -C a commit -q --allow-empty -m x; \
         git -C d commit -q --allow-empty -m x; git -C a config user.name 'Ada Lovelace'",
    );
}

#[test]
fn clones_are_left() {
    let prepare = |place: &Place| place.repository("origin");

    let fixture = nothing_is_found(
        prepare,
        "git clone -q origin a; git clone -q --bare origin b.git; git clone -q --no-local -o up -b main origin c; \
         git clone -q --mirror origin d.git; git -C c remote add other https://example.org/x.git; \
         git -C c checkout -q -b new --track up/main; git clone -q --separate-git-dir e-git origin e",
    );

    let place = fixture.place();
    assert_eq!(place.git("e", &["log", "--format=%s"]), "first\n");
}

#[test]
fn commits_branches_stashes_and_collections_are_left() {
    nothing_is_found(
        |place| {
            place.repository(".");
            place.git(".", &["config", "alias.st", "status"]);
            place.git(".", &["config", "core.editor", "vi"]);
        },
        "echo more >> file; git commit -q -a -m second; git branch side; git checkout -q side; echo x >> file; \
         git stash -q; git stash pop -q; git commit -q -a -m third; git checkout -q main; git merge -q side; \
         git rebase -q HEAD~1; git gc -q; git tag v1; git remote add origin https://example.org/a.git; \
         git config branch.main.remote origin; git config branch.main.merge refs/heads/main; git branch -D side -q",
    );
}

#[test]
fn worktrees_are_left() {
    let fixture = nothing_is_found(
        |place| place.repository("sub"),
        "git -C sub worktree add -q ../tree; cd tree; echo x >> file; git commit -q -a -m second; \
         git worktree add -q ../other; git worktree remove ../other; git worktree list",
    );

    assert_eq!(fixture.place().git("tree", &["log", "--format=%s"]), "second\nfirst\n");
}

#[test]
fn submodules_are_left() {
    let fixture = nothing_is_found(
        |place| {
            place.repository("lib");
            place.repository("top");
        },
        "git -C top submodule --quiet add ../lib vendor/lib; git -C top commit -q -m module; \
         git clone -q --recurse-submodules top copy; cd top/vendor/lib; echo x >> file; git commit -q -a -m second",
    );

    assert_eq!(fixture.place().git("copy/vendor/lib", &["log", "--format=%s"]), "first\n");
}

#[test]
fn a_repository_that_is_renamed_or_removed_is_left() {
    let fixture = nothing_is_found(
        |place| {
            place.repository("sub");
            place.git("sub", &["config", "alias.st", "status"]);
            place.write("sub/.vscode/settings.json", "{}");
            place.write("sub/.envrc", "export A=1");
            place.repository("gone");
        },
        "mv sub lib; rm -rf gone",
    );

    assert!(fixture.place().git("lib", &["config", "--list"]).contains("alias.st=status"));
}

#[test]
fn settings_of_a_new_clone_stay_and_are_named() {
    let (report, fixture) = report(
        |place| {
            place.repository("origin");
            place.write("origin/.vscode/tasks.json", "{}");
            place.write("origin/AGENTS.md", "be kind");
            place.git("origin", &["add", "."]);
            place.git("origin", &["commit", "-q", "-m", "settings"]);
        },
        "git clone -q origin copy; mkdir -p node_modules/x/.vscode; echo '{}' > node_modules/x/.vscode/tasks.json",
    );

    let mut named: Vec<_> = report.findings.iter().map(|finding| finding.place.to_string()).collect();
    named.sort();
    assert_eq!(named, ["copy/.vscode/tasks.json", "copy/AGENTS.md"]);
    assert!(report.findings.iter().all(|finding| finding.action == Action::Named && finding.aside.is_none()));
    assert_eq!(fixture.place().read("copy/AGENTS.md"), "be kind");
}

#[test]
fn python_environments_are_made_and_removed() {
    nothing_is_found(
        |place| place.write(".venv/pyvenv.cfg", "home = /usr/bin\n"),
        "rm -r .venv; mkdir -p venv/bin other/bin; echo x > venv/pyvenv.cfg; ln -s /usr/bin/python3 venv/bin/python",
    );
}

#[test]
fn files_named_env_below_the_top_are_left() {
    let fixture = nothing_is_found(
        |place| {
            place.write("app/.env", "A=1");
            place.write("old/.env", "A=1");
        },
        "echo B=2 >> app/.env; mkdir -p packages/web; echo A=1 > packages/web/.env; rm old/.env
         git init -q new; echo A=1 > new/.env; mkdir -p node_modules/x; echo A=1 > node_modules/x/.env",
    );
    assert_eq!(fixture.place().read("app/.env"), "A=1B=2\n");
    assert!(fixture.place().path("packages/web/.env").exists());
}

/// A repository with settings of editors and instructions of agents that differ between two branches.
fn two_branches(place: &Place) {
    place.repository("top");
    place.write("top/.vscode/tasks.json", "of main");
    place.write("top/AGENTS.md", "of main");
    place.git("top", &["add", "."]);
    place.git("top", &["commit", "-q", "-m", "settings"]);
    place.git("top", &["checkout", "-q", "-b", "side"]);
    place.write("top/.vscode/tasks.json", "of side");
    place.write("top/.vscode/launch.json", "of side");
    place.git("top", &["rm", "-q", "AGENTS.md"]);
    place.git("top", &["add", "."]);
    place.git("top", &["commit", "-q", "-m", "other settings"]);
    place.git("top", &["checkout", "-q", "main"]);
}

/// Waits until nothing that was made up to now can be a command's any more.
fn grow_old(place: &Place) {
    place.write("young", "");
    let made = std::fs::metadata(place.path("young")).and_then(|it| it.modified()).expect("made");
    std::fs::remove_file(place.path("young")).expect("removed");
    while made.elapsed().is_ok_and(|age| age < Duration::from_millis(150)) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The person's tree is what the branch says, so that nothing is restored to what another says.
#[test]
fn settings_that_git_checks_out_stay_and_are_named() {
    for pack in ["true", "git -C top gc -q"] {
        let prepare = |place: &Place| {
            two_branches(place);
            place.shell(pack);
            grow_old(place);
        };
        let (report, fixture) = report(prepare, "git -C top checkout -q side");

        let place = fixture.place();
        assert_eq!(place.git("top", &["status", "--porcelain"]), "", "{report:?}");
        assert_eq!(place.read("top/.vscode/tasks.json"), "of side", "{report:?}");
        let mut named: Vec<_> = report.findings.iter().map(|finding| finding.place.to_string()).collect();
        named.sort();
        assert_eq!(
            named,
            ["top/.vscode/launch.json", "top/.vscode/tasks.json", "top/AGENTS.md"],
            "{report:?}"
        );
        assert!(report.findings.iter().all(|finding| finding.action == Action::Named), "{report:?}");
    }
}

#[test]
fn settings_that_a_command_commits_itself_are_restored() {
    let prepare = |place: &Place| {
        two_branches(place);
        grow_old(place);
    };
    let attack = "echo evil > top/.vscode/tasks.json; echo evil > top/.vscode/new.json
        git -C top add .; git -C top commit -q -m evil; git -C top checkout -q side; git -C top checkout -q main";

    let (report, fixture) = report(prepare, attack);

    let place = fixture.place();
    assert_eq!(place.read("top/.vscode/tasks.json"), "of main", "{report:?}");
    assert!(!place.path("top/.vscode/new.json").exists(), "{report:?}");
}
