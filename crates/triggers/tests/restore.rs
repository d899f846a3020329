//! Files that editors and agents obey, and what a person puts back.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use common::{Fixture, Place};
use tidegate_triggers::{Action, Aside, Finding, KeepError, MAX_ASIDE, Notice, Report};

fn run(fixture: &Fixture, script: &str) -> Report {
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    fixture.place().shell(script);
    fixture.guard.finish(command).expect("finished")
}

fn at<'a>(report: &'a Report, place: &str) -> &'a Finding {
    let found = report.findings.iter().find(|finding| finding.place.to_string() == place);
    found.unwrap_or_else(|| panic!("nothing at {place}: {report:#?}"))
}

fn keep(place: &Place, aside: &Aside) -> Result<(), KeepError> {
    let open = |path| File::open(path).expect("opened");
    tidegate_triggers::keep(open(place.workspace()), open(place.root.join("aside")), aside)
}

#[test]
fn a_changed_settings_file_is_restored_with_its_mode() {
    let fixture = Fixture::prepared(|place| {
        place.write(".vscode/tasks.json", "the person's");
        fs::set_permissions(place.path(".vscode/tasks.json"), fs::Permissions::from_mode(0o640))
            .expect("set");
    });

    let report = run(&fixture, "echo evil > .vscode/tasks.json");

    let place = fixture.place();
    assert_eq!(place.read(".vscode/tasks.json"), "the person's");
    let mode = fs::metadata(place.path(".vscode/tasks.json")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let finding = at(&report, ".vscode/tasks.json");
    assert_eq!(finding.action, Action::Restored);
    let aside = finding.aside.as_ref().expect("kept");
    assert_eq!(fs::read_to_string(place.root.join("aside").join(&aside.stored)).expect("read"), "evil\n");
}

#[test]
fn removed_and_renamed_settings_are_put_back() {
    let fixture = Fixture::prepared(|place| {
        place.write(".vscode/tasks.json", "the person's");
        place.write("AGENTS.md", "be kind");
        place.repository("sub");
    });

    let report = run(&fixture, "rm -r .vscode; mv AGENTS.md other.md; mv sub/.git away");

    let place = fixture.place();
    assert_eq!(place.read(".vscode/tasks.json"), "the person's");
    assert_eq!(place.read("AGENTS.md"), "be kind");
    assert_eq!(place.git("sub", &["log", "--format=%s"]), "first\n");
    assert_eq!(at(&report, "sub/.git").action, Action::PutBack);
}

#[test]
fn new_files_that_are_read_in_a_folder_are_set_aside() {
    let fixture = Fixture::new();

    let report = run(
        &fixture,
        "mkdir -p a/b; echo evil > a/b/.envrc; ln -s /tmp .vscode; mkdir .claude; echo x > .claude/s",
    );

    let place = fixture.place();
    for name in ["a/b/.envrc", ".vscode", ".claude/s"] {
        assert_eq!(at(&report, name).action, Action::SetAside, "{name}");
        assert!(!place.path(name).exists() && !place.path(name).is_symlink(), "{name}");
    }
}

#[test]
fn a_file_named_env_at_the_top_and_local_settings_below_count() {
    let fixture = Fixture::prepared(|place| place.write(".env", "A=1"));

    let report = run(
        &fixture,
        "echo evil >> .env; mkdir -p a/.mise; for f in a/.envrc a/mise.toml a/.mise/.env; do echo x > $f; done",
    );

    assert_eq!(fixture.place().read(".env"), "A=1");
    for name in ["a/.envrc", "a/mise.toml", "a/.mise/.env"] {
        assert_eq!(at(&report, name).action, Action::SetAside, "{name}");
    }
}

#[test]
fn what_a_person_allowed_to_write_stays() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let command = fixture.guard.begin("run", vec![".vscode/tasks.json".into()]).expect("begun");
    place.shell("mkdir .vscode; echo ok > .vscode/tasks.json; echo evil > .vscode/settings.json");
    let report = fixture.guard.finish(command).expect("finished");

    assert_eq!(place.read(".vscode/tasks.json"), "ok\n");
    assert_eq!(report.findings.len(), 1);
    at(&report, ".vscode/settings.json");
}

#[test]
fn what_is_kept_is_back_and_stays() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let report = run(&fixture, "echo export > .envrc; git init -q n; git -C n config core.editor vi");
    let stored = serde_json::to_string(&report.findings).expect("stored");
    let findings: Vec<Finding> = serde_json::from_str(&stored).expect("read");
    assert_eq!(findings, report.findings);

    for finding in &findings {
        let aside = finding.aside.as_ref().expect("kept");
        keep(&place, aside).expect("put back");
    }

    assert_eq!(place.read(".envrc"), "export\n");
    assert_eq!(place.git("n", &["config", "core.editor"]), "vi\n");
    assert_eq!(run(&fixture, "true"), Report::default());
    assert_eq!(place.read(".envrc"), "export\n");
    assert!(fs::read_dir(place.root.join("aside")).expect("listed").next().is_none());
}

#[test]
fn nothing_is_put_back_over_something_else() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let report = run(
        &fixture,
        "mkdir d; echo a > .envrc; echo a > d/.envrc; git init -q n; git -C n config core.editor vi",
    );
    let keep = |name: &str| keep(&place, at(&report, name).aside.as_ref().expect("kept"));
    place.write(".envrc", "the person's");
    place.git("n", &["config", "user.name", "Ada"]);
    fs::remove_dir(place.path("d")).expect("removed");

    let kept = keep(".envrc");
    assert!(matches!(kept, Err(KeepError::Taken(_))), "{kept:?}");
    assert!(matches!(keep("n/.git/config"), Err(KeepError::Taken(_))));
    assert!(matches!(keep("d/.envrc"), Err(KeepError::NoFolder(_))));

    assert_eq!(place.read(".envrc"), "the person's");
    assert_eq!(place.git("n", &["config", "user.name"]), "Ada\n");
    let left: Vec<_> =
        fs::read_dir(place.workspace()).expect("listed").flatten().map(|it| it.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".tidegate")), "{left:?}");
}

#[test]
fn only_what_was_set_aside_is_put_back() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let report = run(&fixture, "echo a > .envrc");
    let aside = at(&report, ".envrc").aside.clone().expect("kept");
    let stored = place.root.join("aside").join(&aside.stored);
    fs::write(&stored, "something else").expect("written");

    let kept = keep(&place, &aside);

    assert!(matches!(kept, Err(KeepError::Changed(_))));
    assert!(!place.path(".envrc").exists());
    fs::remove_file(&stored).expect("removed");
    symlink("/etc/passwd", &stored).expect("linked");
    assert!(matches!(keep(&place, &aside), Err(KeepError::Changed(_))));
}

#[test]
fn many_plants_in_one_run_end_its_commands() {
    let fixture = Fixture::new();

    let report =
        run(&fixture, &format!("for i in $(seq {MAX_ASIDE}); do mkdir d$i; echo x > d$i/.envrc; done"));

    assert_eq!(report.findings.len(), MAX_ASIDE);
    assert!(report.end.is_some());
    assert!(fixture.notices.try_iter().any(|notice| matches!(notice, Notice::EndCommands { .. })));
}

#[test]
fn what_a_person_does_between_commands_stays() {
    let fixture = Fixture::new();
    let place = fixture.place();
    assert_eq!(run(&fixture, "true"), Report::default());
    place.repository("mine");
    place.git("mine", &["config", "core.editor", "vi"]);
    place.write(".envrc", "mine");

    assert_eq!(run(&fixture, "true"), Report::default());

    place.write(".envrc", "mine, changed");
    assert_eq!(run(&fixture, "true"), Report::default());
    assert_eq!(place.read(".envrc"), "mine, changed");
    let report = run(&fixture, "echo evil > .envrc");
    assert_eq!(at(&report, ".envrc").action, Action::Restored);
    assert_eq!(place.read(".envrc"), "mine, changed");
}

#[test]
fn names_that_hide_are_shown_as_they_are() {
    let fixture = Fixture::new();

    let report = run(&fixture, "d=$(printf 'a\\nb\\033[31m'); mkdir \"$d\"; echo x > \"$d/.envrc\"");

    let line = report.findings.first().expect("found").to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.starts_with("a\\u{a}b\\u{1b}[31m/.envrc is read by shells"), "{line}");
}
