//! Files in the workspace that other folders hold as well (hard links): no command changes them there.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use common::{Answer, Fixture, Remember};
use serde_json::json;
use tidegate_agent::approval::ApprovalAnswer;
use tidegate_protocol::confinement::SharedFiles;
use tidegate_tools::{SandboxOptions, Sandboxes};
use tidegate_triggers::links;

const CONTENT: &str = "def of_the_store(): pass\n";

/// Puts `count` files of `outside/store` into a folder below the root, by hard links.
fn link(fixture: &Fixture, folder: &str, count: usize) {
    for number in 0..count {
        let name = format!("lib{number}.py");
        let stored = fixture.root.join("outside/store").join(folder).join(&name);
        fs::create_dir_all(stored.parent().expect("inside")).expect("made");
        fs::write(&stored, CONTENT).expect("written");
        fs::set_permissions(&stored, fs::Permissions::from_mode(0o644)).expect("set");
        let folder = fixture.root.join(folder);
        fs::create_dir_all(&folder).expect("made");
        fs::hard_link(&stored, folder.join(&name)).expect("linked");
    }
}

/// What the store is, to the last change of any kind, but for the number of names.
fn store(fixture: &Fixture) -> Vec<(String, String, u32, i64)> {
    let entries = walkdir::WalkDir::new(fixture.root.join("outside/store")).sort_by_file_name();
    let files =
        entries.into_iter().map(|entry| entry.expect("readable")).filter(|it| it.file_type().is_file());
    files
        .map(|file| {
            let (content, status) =
                (fs::read_to_string(file.path()).expect("read"), file.metadata().expect("there"));
            (file.path().display().to_string(), content, status.mode(), status.mtime_nsec() ^ status.mtime())
        })
        .collect()
}

/// Every way by which a program changes a file, in a folder with `lib0.py`. The last ones replace it, which
/// is fine.
const ATTACK: &str = "echo evil > evil
    echo evil > lib0.py; echo evil >> lib0.py; true > lib0.py; truncate -s 1 lib0.py
    dd if=evil of=lib0.py conv=notrunc status=none; cp evil lib0.py; tee lib0.py < evil
    python3 -c \"open('lib0.py', 'r+').write('evil')\"
    python3 -c \"import mmap; mmap.mmap(open('lib0.py', 'r+').fileno(), 0)[:4] = b'evil'\"
    python3 -c \"import os; os.utime('lib0.py', (1, 1))\"; touch lib0.py
    chmod 777 lib0.py; chmod 000 lib0.py; setfattr -n user.evil -v 1 lib0.py
    python3 -c \"import os; os.chmod('lib0.py', 0o777); os.truncate('lib0.py', 0)\"
    exec 9<lib0.py; echo evil > /proc/self/fd/9; chmod 777 /proc/self/fd/9
    ln lib0.py other; echo evil > other; ln lib0.py /tmp/other; echo evil > /tmp/other
    ln -s lib0.py symbolic; echo evil > symbolic; cp -l lib0.py copied; echo evil > copied
    mv lib0.py moved; echo evil > moved; cd ..; mv \"$OLDPWD\" away; for file in */lib0.py; do echo evil > $file; done
    mv away \"$OLDPWD\"; cd \"$OLDPWD\"; mv evil lib0.py; rm -f lib0.py; echo mine > lib0.py; echo tried";

#[tokio::test]
async fn no_command_changes_a_file_that_another_folder_holds() {
    for count in [1, 40] {
        let fixture = Fixture::new();
        link(&fixture, "workspace/sub", count);
        link(&fixture, "workspace/other/deeper", count);
        let before = store(&fixture);

        let output = fixture.call("exec", json!({"command": ATTACK, "workdir": "sub"})).await;

        assert!(output.text.contains("tried\n"), "{}", output.text);
        assert_eq!(store(&fixture), before, "{}", output.text);
    }
}

#[tokio::test]
async fn a_workspace_that_is_shared_all_over_is_only_read() {
    let fixture = Fixture::new();
    link(&fixture, "workspace", 20);
    let before = store(&fixture);

    let output = fixture.call("exec", json!({"command": ATTACK})).await;

    assert!(output.text.contains("tried\n"), "{}", output.text);
    assert_eq!(store(&fixture), before);
    assert!(!fixture.workspace().join("evil").exists());
    assert!(output.text.contains("the whole workspace: read-only for commands"), "{}", output.text);
}

#[tokio::test]
async fn a_person_is_shown_what_is_shared_and_the_model_why_it_cannot_write() {
    let fixture = Fixture::new();
    link(&fixture, "workspace/web/node_modules/a/dist", 25);
    link(&fixture, "workspace/web/node_modules/b", 1);
    fixture.file("workspace/own.py", "own");
    fs::hard_link(fixture.workspace().join("own.py"), fixture.workspace().join("web/own.py"))
        .expect("linked");
    let gate = Remember::default();
    let command = "echo more >> own.py; echo new > web/new && echo evil > web/node_modules/b/lib0.py";

    let output = fixture.call_in(fixture.context(gate.clone()), "exec", json!({"command": command})).await;

    let shared = SharedFiles { files: 26, places: vec!["web/node_modules".to_owned()] };
    assert_eq!(gate.only_command().confinement.shared, Some(shared));
    let told = format!(
        "[web/node_modules: read-only for commands, because other folders hold the same files (hard links) or because \
         it could not be looked into; the person can give the folder copies of its own with `tidegate files unshare \
         {}`]",
        fixture.workspace().display()
    );
    assert!(output.text.contains(&told), "{}", output.text);
    assert_eq!(fixture.text("workspace/own.py").as_deref(), Some("ownmore\n"));
    assert_eq!(fixture.text("workspace/web/new").as_deref(), Some("new\n"));
    let quiet = fixture.call("exec", json!({"command": "cat web/node_modules/b/lib0.py"})).await;
    assert_eq!(quiet.text, format!("{CONTENT}[exit code 0]"));
}

#[tokio::test]
async fn unshared_files_are_written_and_the_store_stays() {
    let fixture = Fixture::new();
    link(&fixture, "workspace/sub", 3);
    let before = store(&fixture);
    let folder = File::open(fixture.workspace()).expect("opened");
    assert_eq!(links::unshare(&folder).expect("unshared").files, 3);

    let output = fixture.call("exec", json!({"command": "echo mine | tee sub/*.py"})).await;

    assert_eq!(output.text, "mine\n[exit code 0]");
    assert_eq!(fixture.text("workspace/sub/lib2.py").as_deref(), Some("mine\n"));
    assert_eq!(store(&fixture), before);
}

#[tokio::test]
async fn files_of_a_granted_folder_are_held_as_well() {
    let fixture = Fixture::new();
    link(&fixture, "outside/granted/sub", 2);
    let (before, granted) = (store(&fixture), fixture.root.join("outside/granted"));
    let gate = Remember::default();
    let need = format!("write:{}", granted.display());
    let arguments = json!({
        "command": format!("echo new > {0}/new; cd {0}/sub; {ATTACK}", granted.display()),
        "needs": [need], "reason": "the site goes there",
    });

    let output = fixture.call_in(fixture.context(gate.clone()), "exec", arguments).await;

    assert!(output.text.contains("tried\n"), "{}", output.text);
    assert_eq!(store(&fixture), before);
    assert_eq!(fixture.text("outside/granted/new").as_deref(), Some("new\n"));
    let places = ["lib0.py", "lib1.py"].map(|name| granted.join("sub").join(name).display().to_string());
    let shared = SharedFiles { files: 2, places: places.to_vec() };
    assert_eq!(gate.only_command().confinement.shared, Some(shared));
}

#[tokio::test]
async fn files_that_come_or_move_while_a_person_is_asked_are_held() {
    let fixture = Fixture::new();
    link(&fixture, "workspace/first/sub", 2);
    let root = fixture.root.clone();
    let gate = Answer(move |question: tidegate_agent::approval::ApprovalQuestion| {
        fs::rename(root.join("workspace/first"), root.join("workspace/moved")).expect("renamed");
        fs::create_dir_all(root.join("workspace/first/sub")).expect("made");
        fs::write(root.join("workspace/first/sub/lib0.py"), "in its place").expect("written");
        fs::write(root.join("outside/store/late"), CONTENT).expect("written");
        fs::hard_link(root.join("outside/store/late"), root.join("workspace/late")).expect("linked");
        ApprovalAnswer::Allowed { digest: question.plan.digest() }
    });
    let command = "for file in late */sub/lib0.py; do echo evil > $file; done; echo tried";

    let output = fixture.call_in(fixture.context(gate), "exec", json!({"command": command})).await;

    assert!(output.text.contains("tried\n"), "{}", output.text);
    assert!(store(&fixture).iter().all(|(_, content, ..)| content == CONTENT), "{}", output.text);
    assert_eq!(fixture.text("workspace/first/sub/lib0.py").as_deref(), Some("evil\n"));
}

/// While one command moves folders about, another one never gets at what they hold.
#[tokio::test]
async fn a_command_that_moves_folders_opens_no_way_for_another() {
    let fixture = Fixture::new();
    link(&fixture, "workspace/first/sub", 1);
    let before = store(&fixture);
    let moving = "touch moving; while [ ! -e done ]; do mv first second; mkdir -p first/sub; echo decoy > first/sub/lib0.py
        rm -r first; mv second first; done";
    let writing =
        "for n in $(seq 200); do for file in */sub/lib0.py; do echo evil > $file; done; done 2>/dev/null";
    let mover = fixture.call("exec", json!({"command": moving, "timeoutSeconds": 60}));
    let writers = async {
        common::until("the folders move", || fixture.workspace().join("moving").exists()).await;
        let mut texts = Vec::new();
        for _ in 0..8 {
            texts.push(fixture.call("exec", json!({"command": writing})).await.text);
        }
        fs::write(fixture.workspace().join("done"), "").expect("written");
        texts
    };

    let (mover, writers) = tokio::join!(mover, writers);

    assert_eq!(store(&fixture), before, "{} {writers:?}", mover.text);
}

/// Permissions and times are not Landlock's.
#[tokio::test]
async fn without_a_sandbox_landlock_holds_what_is_shared() {
    let mut fixture = Fixture::new();
    let options =
        SandboxOptions { bubblewrap: Some("/nonexistent/bwrap".into()), ..SandboxOptions::default() };
    let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), common::person(&fixture.root));
    fixture.sandboxes = std::sync::Arc::new(sandboxes.with_options(options));
    link(&fixture, "workspace/sub/deeper", 1);
    let before = store(&fixture);
    let attack = "echo evil > sub/deeper/lib0.py; truncate -s 0 sub/deeper/lib0.py
        python3 -c \"open('sub/deeper/lib0.py', 'r+').write('evil')\"
        mv sub moved; echo evil > moved/deeper/lib0.py; ln sub/deeper/lib0.py other; echo evil > other
        mkdir new; ln sub/deeper/lib0.py new/other; echo evil > new/other; echo mine > own; echo tried";
    fixture.file("workspace/own", "");

    let output = fixture.call("exec", json!({"command": attack})).await;

    assert!(output.text.contains("tried\n") && output.text.contains("confined in part"), "{}", output.text);
    assert_eq!(store(&fixture), before, "{}", output.text);
    assert_eq!(fixture.text("workspace/own").as_deref(), Some("mine\n"));
}

#[tokio::test]
async fn file_tools_replace_a_shared_file_and_the_store_stays() {
    let fixture = Fixture::new();
    link(&fixture, "workspace", 2);
    let before = store(&fixture);

    let written = fixture.call("write", json!({"path": "lib0.py", "content": "mine\n"})).await;
    let edit = json!({"path": "lib1.py", "oldText": "of_the_store", "newText": "of_mine"});
    let edited = fixture.call("edit", edit).await;

    assert!(!written.is_error && !edited.is_error, "{} {}", written.text, edited.text);
    assert_eq!(store(&fixture), before);
    assert_eq!(fixture.text("workspace/lib0.py").as_deref(), Some("mine\n"));
    assert!(links_of(&fixture.workspace().join("lib1.py")) == 1);
}

fn links_of(path: &Path) -> u64 {
    fs::metadata(path).expect("there").nlink()
}
