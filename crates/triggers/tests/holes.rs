//! What an agent's command does so that the person's next `git status` runs its program: real git is
//! the victim, and a file that the program writes is the evidence.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::{Fixture, Place};
use tidegate_triggers::{Action, EndReason, Finding, Notice, Report};

/// Runs the attack once without a guard and with none of its pieces missing: else a test that finds
/// nothing would show nothing.
fn works_without_a_guard(prepare: impl Fn(&Place), attack: &str, victim: &str) {
    let directory = tempfile::tempdir().expect("made");
    let place = Place { root: directory.path().canonicalize().expect("found") };
    for name in ["workspace", "home"] {
        fs::create_dir(place.root.join(name)).expect("made");
    }
    place.program("evil", "echo ran >> \"$(dirname \"$0\")/ran\"");
    prepare(&place);
    place.shell(attack);
    place.git_in(victim, &["status"]);
    assert!(place.marks() > 0, "the attack does not work: {attack}");
}

/// The attack while a command runs; then the person looks, while it still runs and after it.
fn is_stopped(prepare: impl Fn(&Place), attack: &str, victim: &str, at: &str) -> Finding {
    works_without_a_guard(&prepare, attack, victim);
    let fixture = Fixture::prepared(&prepare);
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");

    place.shell(attack);
    let finding = fixture.wait_for(at);
    place.git_in(victim, &["status"]);
    assert_eq!(place.marks(), 0, "it ran while the command ran");
    let report = fixture.guard.finish(command).expect("finished");
    place.git_in(victim, &["status"]);

    assert_eq!(place.marks(), 0, "it ran after the command");
    assert!(report.findings.iter().any(|reported| reported.reason == finding.reason));
    assert!(report.incomplete.is_none() && report.degraded.is_none(), "{report:?}");
    finding
}

/// A command that does this, from its beginning to the last look.
fn ended(fixture: &Fixture, attack: &str) -> Report {
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    fixture.place().shell(attack);
    fixture.guard.finish(command).expect("finished")
}

/// A command leaves a hook in the repository `n`; then the person adds a file.
fn hook_is_set_aside(attack: &str) {
    let fixture = Fixture::new();
    let place = fixture.place();
    ended(&fixture, attack);
    place.write("n/file", "content");
    place.git("n", &["add", "file"]);

    assert_eq!(place.marks(), 0);
    assert!(!place.path("n/.git/hooks/post-index-change").exists());
}

const SETTING: &str = "git -C sub config core.fsmonitor \"$EVIL\"";

#[test]
fn a_setting_in_a_nested_repository_is_taken_back() {
    let finding = is_stopped(|place| place.repository("sub"), SETTING, "sub", "sub/.git/config");

    assert_eq!(finding.action, Action::Restored);
    assert!(
        finding.reason.starts_with("core.fsmonitor in sub/.git/config would run /"),
        "{}",
        finding.reason
    );
    assert!(finding.reason.ends_with("/evil when git looks at the folder"), "{}", finding.reason);
}

#[test]
fn a_repository_that_replaces_a_renamed_one_is_put_in_order() {
    let attack =
        "mv sub sub.away; mkdir sub; cp -a sub.away/. sub/; git -C sub config core.fsmonitor \"$EVIL\"";

    let finding = is_stopped(|place| place.repository("sub"), attack, "sub", "sub/.git/config");

    assert_eq!(finding.action, Action::Restored);
}

#[test]
fn a_commondir_file_is_set_aside() {
    let prepare = |place: &Place| place.repository("sub");
    let attack = "cp -r sub/.git evil-common; git -C evil-common config core.bare false; \
                  git -C evil-common config core.fsmonitor \"$EVIL\"; echo ../../evil-common > sub/.git/commondir";

    let finding = is_stopped(prepare, attack, "sub", "sub/.git/commondir");

    assert_eq!(finding.action, Action::SetAside);
}

#[test]
fn a_changed_gitfile_of_a_submodule_is_restored() {
    let prepare = |place: &Place| {
        place.repository("origin");
        place.repository("top");
        place.git("top", &["submodule", "--quiet", "add", "../origin", "lib"]);
        place.git("top", &["commit", "-q", "-m", "module"]);
    };
    let attack = "cp -r top/.git/modules/lib top/mylib; git config -f top/mylib/config core.worktree ../lib; \
                  git config -f top/mylib/config core.fsmonitor \"$EVIL\"; echo 'gitdir: ../mylib' > top/lib/.git";

    let finding = is_stopped(prepare, attack, "top", "top/lib/.git");

    assert_eq!(finding.action, Action::Restored);
}

#[test]
fn a_new_gitfile_to_a_hostile_folder_loses_its_setting() {
    let attack = "mkdir n; git -C n init -q --separate-git-dir ../hidden; \
                  git config -f hidden/config core.fsmonitor \"$EVIL\"";

    let finding = is_stopped(|_| {}, attack, "n", "hidden/config");

    assert_eq!(finding.action, Action::PlainPartKept);
}

#[test]
fn a_folder_in_the_shape_of_a_repository_loses_its_setting() {
    let attack = "git init -q --bare shape; git config -f shape/config core.bare false; \
                  git config -f shape/config core.worktree .; git config -f shape/config core.fsmonitor \"$EVIL\"";

    is_stopped(|_| {}, attack, "shape", "shape/config");
}

#[test]
fn a_shape_that_is_completed_last_loses_its_setting() {
    let attack = "git init -q --bare a; git config -f a/config core.bare false; git config -f a/config core.worktree .; \
                  mkdir shape; mv a/config a/refs a/objects shape/; \
                  git config -f shape/config core.fsmonitor \"$EVIL\"; mv a/HEAD shape/HEAD";

    is_stopped(|_| {}, attack, "shape", "shape/config");
}

#[test]
fn a_hostile_repository_moved_in_place_loses_its_setting() {
    let attack =
        "git init -q t; git config -f t/.git/config core.fsmonitor \"$EVIL\"; mkdir n; mv t/.git n/.git";

    let fixture = Fixture::new();
    let place = fixture.place();
    let report = ended(&fixture, attack);
    place.git("n", &["status"]);

    assert_eq!(place.marks(), 0);
    assert!(report.findings.iter().any(|finding| finding.action == Action::PlainPartKept), "{report:?}");
}

#[test]
fn included_settings_and_redirected_hooks_are_taken_out() {
    for setting in [
        "include.path ../../evil-settings",
        "includeIf.gitdir:/.path ../../evil-settings",
        "includeIf.onbranch:main.path ../../evil-settings",
        "core.hooksPath ../hooks",
        "core.worktree ../x",
        "alias.st !x",
    ] {
        let fixture = Fixture::new();
        let place = fixture.place();
        let report = ended(&fixture, &format!("git init -q n; git -C n config {setting}"));

        let finding = report.findings.first().expect("found");
        assert_eq!(finding.action, Action::PlainPartKept, "{setting}");
        let listed = place.git("n", &["config", "--list", "--local"]);
        assert!(listed.contains("core.repositoryformatversion=0"), "{listed}");
        let name = setting.split(' ').next().expect("a name").to_lowercase();
        assert!(!listed.to_lowercase().contains(&name), "{listed}");
    }
}

#[test]
fn a_new_hook_is_set_aside_and_a_changed_one_restored() {
    let fixture = Fixture::prepared(|place| {
        place.repository("sub");
        place.write("sub/.git/hooks/pre-push", "#!/bin/sh\n# the person's\n");
    });
    let place = fixture.place();
    let report = ended(
        &fixture,
        "cp \"$EVIL\" sub/.git/hooks/post-index-change; echo evil >> sub/.git/hooks/pre-push",
    );
    place.git("sub", &["status"]);

    assert_eq!(place.marks(), 0);
    assert_eq!(place.read("sub/.git/hooks/pre-push"), "#!/bin/sh\n# the person's\n");
    assert!(!place.path("sub/.git/hooks/post-index-change").exists());
    let actions: Vec<_> = report.findings.iter().map(|finding| &finding.action).collect();
    assert!(actions.contains(&&Action::SetAside) && actions.contains(&&Action::Restored), "{report:?}");
}

#[test]
fn a_setting_written_under_another_name_is_seen() {
    let fixture = Fixture::prepared(|place| place.repository("sub"));
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");

    place.shell("ln sub/.git/config other");
    let finding = fixture.wait_for("sub/.git/config");
    place.shell("printf '[core]\\n fsmonitor = %s\\n' \"$EVIL\" > other");
    place.git("sub", &["status"]);
    fixture.guard.finish(command).expect("finished");

    assert_eq!(place.marks(), 0);
    assert_eq!(finding.action, Action::Restored);
}

#[test]
fn a_setting_written_to_mapped_memory_is_seen() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    let script = "import mmap,sys,os\n\
        os.system('git init -q n')\n\
        plain=b'[core]\\n\\tbare = false\\n'\n\
        evil=('[core]\\n fsmonitor = %s\\n'%os.environ['EVIL']).encode()\n\
        f=open('n/.git/config','r+b');f.truncate(0);f.write(plain+b'#'*(400-len(plain)));f.flush()\n\
        m=mmap.mmap(f.fileno(),400)\n\
        input()\n\
        m[:400]=evil+b'#'*(400-len(evil))\n\
        input()\n";
    let mut agent = place
        .command("python3")
        .args(["-c", script])
        .env("EVIL", place.root.join("evil"))
        .current_dir(place.workspace())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("python is installed");
    let mut input = agent.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, b"\n").expect("written");

    let finding = fixture.wait_for("n/.git/config");
    place.git("n", &["status"]);
    std::io::Write::write_all(&mut input, b"\n").expect("written");
    agent.wait().expect("ended");
    fixture.guard.finish(command).expect("finished");

    assert_eq!(finding.action, Action::PlainPartKept);
    assert_eq!(place.marks(), 0);
}

#[test]
fn a_second_plant_of_a_place_ends_the_commands() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    place.shell("git init -q n; git -C n config core.fsmonitor x");
    fixture.wait_for("n/.git/config");
    place.shell("git -C n config core.fsmonitor x");
    let report = fixture.guard.finish(command).expect("finished");

    let end = |notice| matches!(notice, Notice::EndCommands { ref runs, .. } if runs == &["run"]);
    assert!(fixture.notices.try_iter().any(end));
    assert!(matches!(report.end, Some(EndReason::Again(_))), "{report:?}");
}

#[test]
fn links_in_place_of_what_git_reads_are_set_aside() {
    let attack = "git init -q elsewhere; git -C elsewhere config core.fsmonitor \"$EVIL\"; mkdir n m; \
                  ln -s ../elsewhere/.git n/.git; git init -q m; rm m/.git/config; \
                  ln -s ../../elsewhere/.git/config m/.git/config";
    let fixture = Fixture::new();
    let place = fixture.place();
    ended(&fixture, attack);
    for folder in ["n", "m", "elsewhere"] {
        place.git_in(folder, &["status"]);
    }

    assert_eq!(place.marks(), 0);
    assert!(!place.path("n/.git").is_symlink() && !place.path("m/.git/config").is_symlink());
}

#[test]
fn links_in_place_of_what_git_writes_are_set_aside() {
    let attack = "git init -q n; git -C n commit -q --allow-empty -m x; git -C n branch side/x
        rm -f n/.git/COMMIT_EDITMSG n/.git/logs/HEAD n/.git/logs/refs/heads/side/x
        for name in COMMIT_EDITMSG logs/HEAD logs/refs/heads/side/x; do ln -s $PWD/../home/rc n/.git/$name; done
        echo 'echo ran' > n/.git/MERGE_MSG";
    let write = |place: &Place| {
        place.git_in("n", &["commit", "--allow-empty", "-m", "mine"]);
        place.git_in("n", &["checkout", "-B", "side/x"]);
        place.path("../home/rc").exists()
    };
    let alone = Fixture::new();
    alone.place().shell(attack);
    assert!(write(&alone.place()), "the attack proves nothing");

    let fixture = Fixture::new();
    let place = fixture.place();
    let report = ended(&fixture, attack);

    assert_eq!(report.findings.len(), 3, "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.action == Action::SetAside), "{report:?}");
    assert!(!write(&place));
}

#[test]
fn a_repositorys_shape_hides_no_trigger_files() {
    let fixture = Fixture::prepared(|place| {
        place.write("src/file", "");
        place.write(".vscode/tasks.json", "the person's");
    });
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    let plants = [
        ".envrc",
        "src/.envrc",
        "objects/aa/.envrc",
        "modules/x/.envrc",
        ".git/x/.envrc",
        ".cursor/mcp.json",
        ".vscode/a/.envrc",
    ];
    let mut script =
        "mkdir -p objects/aa refs src .cursor modules/x .git/x .vscode/a .vscode/.git; echo ref: refs/heads/x > HEAD; \
         echo evil > .vscode/tasks.json; printf '[core]\\n fsmonitor = x\\n' > .vscode/.git/config".to_owned();
    for plant in plants {
        script.push_str(&format!("; echo evil > {plant}"));
    }

    place.shell(&script);
    let report = fixture.guard.finish(command).expect("finished");

    let found: Vec<_> = report.findings.iter().map(|finding| finding.place.to_string()).collect();
    for plant in plants {
        assert!(
            found.iter().any(|place| place == plant) && !place.path(plant).exists(),
            "{plant}: {found:?}"
        );
    }
    assert_eq!(place.read(".vscode/tasks.json"), "the person's");
    assert_eq!(place.read(".vscode/.git/config"), "");
}

#[test]
fn a_shape_inside_a_repository_hides_none_of_its_hooks() {
    let fixture = Fixture::prepared(|place| place.repository("sub"));
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    let hooks = "sub/.git/hooks";
    place.shell(&format!("mkdir {hooks}/objects {hooks}/refs; echo 'ref: refs/heads/x' > {hooks}/HEAD"));
    fixture.wait_for(&format!("{hooks}/HEAD"));

    place.shell(&format!("cp \"$EVIL\" {hooks}/post-index-change"));
    let finding = fixture.wait_for(&format!("{hooks}/post-index-change"));
    place.git("sub", &["status"]);
    fixture.guard.finish(command).expect("finished");

    assert_eq!(finding.action, Action::SetAside);
    assert_eq!(place.marks(), 0);
}

#[test]
fn a_changed_envrc_is_restored_while_the_command_runs() {
    let fixture = Fixture::prepared(|place| place.write("sub/.envrc", "the person's"));
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");

    place.shell("echo evil >> sub/.envrc");
    let finding = fixture.wait_for("sub/.envrc");

    assert_eq!(finding.action, Action::Restored);
    assert_eq!(place.read("sub/.envrc"), "the person's");
    fixture.guard.finish(command).expect("finished");
}

#[test]
fn a_folder_that_its_owner_cannot_list_hides_nothing() {
    for (prepare, victim) in [("mkdir -m 333 q", "q/r"), ("chmod 333 .", "r")] {
        let fixture = Fixture::new();
        let place = fixture.place();
        let report = ended(
            &fixture,
            &format!("{prepare}; git init -q {victim}; git -C {victim} config core.fsmonitor \"$EVIL\""),
        );
        place.git_in(victim, &["status"]);

        assert_eq!(place.marks(), 0, "{prepare}: {report:?}");
        assert_eq!(report.incomplete, None, "{prepare}");
        assert!(report.findings.iter().any(|finding| finding.action == Action::PlainPartKept), "{report:?}");
    }
}

#[test]
fn hooks_in_a_folder_that_cannot_be_listed_are_set_aside() {
    hook_is_set_aside(
        "git init -q n; rm -r n/.git/hooks; mkdir -m 333 n/.git/hooks; cp \"$EVIL\" n/.git/hooks/post-index-change",
    );
}

#[test]
fn a_setting_in_a_folder_that_cannot_be_written_is_taken_out() {
    let fixture = Fixture::new();
    let place = fixture.place();
    ended(
        &fixture,
        "mkdir -p n/.git/objects n/.git/refs; echo 'ref: refs/heads/main' > n/.git/HEAD; exec 3> n/.git/config; \
         chmod 555 n/.git; printf '[core]\\n fsmonitor = %s\\n' \"$EVIL\" >&3",
    );
    place.git_in("n", &["status"]);

    let mode = fs::metadata(place.path("n/.git")).expect("there").permissions().mode();
    // So that the test can be cleaned up.
    place.shell("chmod 755 n/.git");
    assert_eq!(mode & 0o777, 0o555, "the folder is as it was");
    assert_eq!(place.marks(), 0);
}

#[test]
fn a_hook_among_many_files_is_set_aside() {
    hook_is_set_aside(
        "git init -q n; mkdir h; cd h; seq 1200 | xargs touch; cp \"$EVIL\" post-index-change; seq 2001 3200 | xargs touch; \
         cd ..; rm -r n/.git/hooks; mv h n/.git/hooks",
    );
}

#[test]
fn many_interpreters_and_repositories_hide_no_settings() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let report = ended(
        &fixture,
        "mkdir -p .venv/bin env/bin .idea .vscode .zed; (cd .venv/bin; seq -f python%g 1200 | xargs touch); \
         (cd env/bin; seq -f python%g 20100 | xargs touch); echo evil | tee .idea/a .vscode/tasks.json > .zed/tasks.json",
    );

    for file in [".idea/a", ".vscode/tasks.json", ".zed/tasks.json"] {
        assert!(!place.path(file).exists(), "{file} is left: {report:?}");
    }
}

#[test]
fn a_hook_that_comes_while_others_are_set_aside_is_seen() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    // The first files keep the watch busy until the others are there, and those until the hook is.
    place.shell(
        "git init -q m; git init -q n; rm -r n/.git/hooks; mkdir a b; truncate -s 60M a/1 a/2 a/3 b/1 b/2 b/3 b/4; \
         mv a/* m/.git/hooks || :; mkdir n/.git/hooks; mv b/* n/.git/hooks || :; cd n/.git/hooks; \
         while [ -e 1 ] && [ -e 2 ] && [ -e 3 ] && [ -e 4 ]; do sleep 0.01; done; cp \"$EVIL\" post-index-change",
    );
    fixture.wait_for("n/.git/hooks/post-index-change");
    fixture.guard.finish(command).expect("finished");

    assert!(!place.path("n/.git/hooks/post-index-change").exists());
}

#[test]
fn a_hook_too_large_for_another_file_system_is_removed() {
    let memory = tempfile::tempdir_in("/dev/shm").expect("made");
    let fixture = Fixture::new();
    let place = fixture.place();
    let (sender, _notices) = std::sync::mpsc::channel();
    let open = |path: &std::path::Path| fs::File::open(path).expect("opened");
    let notify = std::sync::Arc::new(move |notice| drop(sender.send(notice)));
    let aside = place.root.join("aside");
    let guard = tidegate_triggers::Guard::start(open(memory.path()), memory.path(), open(&aside), notify)
        .expect("watched over");
    let command = guard.begin("run", Vec::new()).expect("begun");
    let hook = memory.path().join("n/.git/hooks/post-index-change");
    place.shell(&format!(
        "cd {}; git init -q n; cp \"$EVIL\" x; echo exit >> x; truncate -s 65M x; mv x {}",
        memory.path().display(),
        hook.display()
    ));
    let report = guard.finish(command).expect("finished");

    assert!(!hook.exists(), "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.action == Action::SetAside), "{report:?}");
}
