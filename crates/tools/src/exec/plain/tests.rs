//! Programs in a folder that stands for a system, and what becomes of rules when they change.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;
use tidegate_protocol::UnixMillis;
use tidegate_trust::Folder;
use tidegate_trust::rules::{PlainRequest, Rule, RuleId, RulePrefix, WhyNot, covers};

use super::*;

/// `system/bin`, `tools/bin` and `workspace` in a folder of their own.
struct Host {
    _directory: TempDir,
    root: PathBuf,
    user: User,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("canonical");
        for name in ["system/bin", "tools/bin", "workspace", "elsewhere"] {
            fs::create_dir_all(root.join(name)).expect("made");
            fs::set_permissions(root.join(name), Permissions::from_mode(0o755)).expect("set");
        }
        let user = User {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            name: "person".to_owned(),
            home: root.join("home"),
        };
        Self { _directory: directory, root, user }
    }

    fn program(&self, path: &str, mode: u32) -> PathBuf {
        let path = self.root.join(path);
        fs::write(&path, "#!/bin/true\n").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        path
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        symlink(target, self.root.join(path)).expect("linked");
    }

    /// Looks in `system/bin`, then in `tools/bin`; both are read-only in a sandbox.
    fn resolve(&self, command: &str) -> Result<ResolvedCommand, ProgramError> {
        let places = ["system/bin", "tools/bin", "workspace"].map(|name| self.root.join(name));
        let search_path = places.each_ref().map(|place| place.display().to_string()).join(":");
        let search = ProgramSearch {
            search_path: &format!("relative:{search_path}:/usr/bin:/bin"),
            read_only: &[vec![self.root.join("system"), self.root.join("tools")], system()].concat(),
            writable: &[self.root.join("workspace")],
            user: &self.user,
        };
        resolve(PlainCommand::parse(command).expect("plain"), &search)
    }

    fn find(&self, name: &str) -> Result<ProgramFile, ProgramError> {
        self.resolve(name).map(|command| command.programs()[0].clone())
    }
}

fn system() -> Vec<PathBuf> {
    SYSTEM_FOLDERS.iter().map(PathBuf::from).collect()
}

#[test]
fn programs_of_the_system_are_found_where_they_are() {
    let host = Host::new();

    let command = host.resolve("sh x && cat 'y z'").expect("found");

    let cat = Path::new("/usr/bin/cat").canonicalize().expect("there");
    assert_eq!(command.programs()[1].file, cat);
    assert!(command.programs().iter().all(|program| program.length > 0 && program.changed_at.seconds > 0));
    let [sh, cat] = command.programs() else { panic!("two") };
    assert_eq!(command.text(), format!("{} x && {} 'y z'", sh.path.display(), cat.path.display()));
}

#[test]
fn the_first_executable_file_of_the_search_path_is_found() {
    let host = Host::new();
    host.program("system/bin/build", 0o644);
    fs::create_dir(host.root.join("system/bin/check")).expect("made");
    let build = host.program("tools/bin/build", 0o755);
    let check = host.program("tools/bin/check", 0o755);

    assert_eq!(host.find("build").expect("found").file, build);
    assert_eq!(host.find("check").expect("found").file, check);
    let first = host.program("system/bin/check2", 0o755);
    host.program("tools/bin/check2", 0o755);
    assert_eq!(host.find("check2").expect("found").path, first);
    assert!(matches!(host.find("absent"), Err(ProgramError::NotFound { .. })));
    assert!(matches!(host.find("tools/bin/check"), Err(ProgramError::Path { .. })));
}

#[test]
fn a_proxy_keeps_the_name_that_it_goes_by() {
    let host = Host::new();
    let proxy = host.program("tools/bin/proxy", 0o755);
    host.link("tools/bin/compile", "../../tools/./bin/proxy");

    let found = host.find("compile").expect("found");

    assert_eq!(found.path, host.root.join("tools/bin/compile"));
    assert_eq!(found.file, proxy);
}

#[test]
fn a_program_where_agents_write_is_not_found() {
    let host = Host::new();
    host.program("workspace/evil", 0o755);

    assert!(matches!(host.find("evil"), Err(ProgramError::NotFound { .. })));
}

#[test]
fn a_link_through_a_place_where_agents_write_is_refused() {
    let host = Host::new();
    let real = host.program("tools/bin/real", 0o755);
    host.program("workspace/script", 0o755);
    host.link("workspace/file", &real);
    host.link("workspace/folder", host.root.join("tools"));
    host.link("tools/bin/a", host.root.join("workspace/file"));
    host.link("tools/bin/b", "../../workspace/folder/bin/real");
    host.link("tools/bin/c", host.root.join("workspace/script"));

    for name in ["a", "b", "c"] {
        let found = host.find(name);
        assert!(matches!(found, Err(ProgramError::Writable { .. })), "{name}: {found:?}");
    }
}

#[test]
fn a_link_to_what_sandboxes_do_not_have_is_refused() {
    let host = Host::new();
    let real = host.program("elsewhere/real", 0o755);
    host.link("elsewhere/link", host.root.join("tools/bin/inside"));
    host.program("tools/bin/inside", 0o755);
    host.link("tools/bin/a", real);
    host.link("tools/bin/b", "../../elsewhere/link");
    host.link("tools/bin/loop", "loop");

    for name in ["a", "b"] {
        let found = host.find(name);
        assert!(matches!(found, Err(ProgramError::NotReadOnly { .. })), "{name}: {found:?}");
    }
    assert!(matches!(host.find("loop"), Err(ProgramError::NotFound { .. })));
}

#[test]
fn a_program_that_others_may_change_is_refused() {
    let host = Host::new();
    host.program("tools/bin/by-others", 0o757);
    assert!(matches!(host.find("by-others"), Err(ProgramError::Permissions { .. })));

    host.program("tools/bin/below", 0o755);
    for folder in ["tools/bin", "tools"] {
        fs::set_permissions(host.root.join(folder), Permissions::from_mode(0o777)).expect("set");
        let found = host.find("below");
        assert!(matches!(found, Err(ProgramError::Permissions { .. })), "{folder}: {found:?}");
        fs::set_permissions(host.root.join(folder), Permissions::from_mode(0o755)).expect("set");
    }
    assert!(host.find("below").is_ok());
}

#[test]
fn a_group_may_change_programs_only_if_it_is_the_persons_own() {
    let mut host = Host::new();
    let file = host.program("tools/bin/shared", 0o775);
    let gid = fs::metadata(&file).expect("there").gid();

    host.user.gid = gid.wrapping_add(1);
    assert!(matches!(host.find("shared"), Err(ProgramError::Permissions { .. })));
    host.user.gid = gid;
    let is_private = host.user.uid == gid;
    assert_eq!(host.find("shared").is_ok(), is_private, "only a group of the user's number is private");
}

#[test]
fn a_program_of_another_user_is_refused() {
    let mut host = Host::new();
    host.program("tools/bin/theirs", 0o755);
    // The same by turning it round: the files stay ours, and the person is another.
    host.user.uid = host.user.uid.wrapping_add(1);

    let found = host.find("theirs");

    let is_refused = matches!(found, Err(ProgramError::Owner { .. }));
    assert_eq!(is_refused, !rustix::process::getuid().is_root(), "everybody trusts root: {found:?}");
}

mod as_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_link_or_program_of_another_user_is_refused() {
        let host = Host::new();
        let file = host.program("tools/bin/theirs", 0o755);
        host.link("tools/bin/link", "theirs");
        assert!(host.find("link").is_ok());

        std::os::unix::fs::lchown(host.root.join("tools/bin/link"), Some(1), None).expect("given away");
        assert!(matches!(host.find("link"), Err(ProgramError::Owner { .. })));
        std::os::unix::fs::lchown(file, Some(1), None).expect("given away");
        assert!(matches!(host.find("theirs"), Err(ProgramError::Owner { .. })));
    }
}

/// A rule for the program as it is now, and whether it still allows the same command after `change`.
fn after(change: impl FnOnce(&Host, &Path)) -> Result<(), WhyNot> {
    let host = Host::new();
    let file = host.program("tools/bin/build", 0o755);
    let before = host.resolve("build all").expect("found");
    let program = before.programs()[0].clone();
    let folder = Folder { path: host.root.join("workspace"), identity: FileIdentity { device: 1, inode: 1 } };
    let rule = Rule {
        id: RuleId("1".to_owned()),
        folder: folder.clone(),
        prefix: RulePrefix::offer(&before.command().segments()[0], 2, &program).expect("offered"),
        program: program.clone(),
        needs: BTreeSet::new(),
        created_at: UnixMillis(1),
    };
    wait_for_the_clock_of_files(&host, program.changed_at);
    change(&host, &file);
    let command = host.resolve("build all -v").expect("found");
    let request =
        PlainRequest { command: &command, folder: &folder, needs: &BTreeSet::new(), sets_variables: false };
    covers(&[&rule], &request).map(|_| ())
}

/// File systems count in steps of some milliseconds: until a change now would be seen.
fn wait_for_the_clock_of_files(host: &Host, since: FileTime) {
    loop {
        host.program("elsewhere/clock", 0o644);
        let now = fs::metadata(host.root.join("elsewhere/clock")).expect("there");
        if (now.ctime(), now.ctime_nsec()) > (since.seconds, since.nanoseconds.into()) {
            return;
        }
    }
}

#[test]
fn a_program_that_stayed_the_same_is_covered() {
    assert_eq!(after(|_, _| ()), Ok(()));
    let read = after(|_, file| drop(fs::read(file).expect("read")));
    assert_eq!(read, Ok(()));
}

#[test]
fn a_program_with_a_new_file_under_its_name_is_not_covered() {
    let replaced = after(|host, file| {
        let new = host.program("tools/bin/new", 0o755);
        fs::rename(new, file).expect("replaced");
    });
    assert!(matches!(replaced, Err(WhyNot::ProgramChanged { .. })), "{replaced:?}");
    let shadowed = after(|host, _| drop(host.program("system/bin/build", 0o755)));
    assert!(matches!(shadowed, Err(WhyNot::ProgramChanged { .. })), "{shadowed:?}");
    let led_away = after(|host, file| {
        let moved = host.root.join("tools/bin/moved");
        fs::rename(file, &moved).expect("moved");
        symlink(moved, file).expect("linked");
    });
    assert!(matches!(led_away, Err(WhyNot::ProgramChanged { .. })), "{led_away:?}");
}

/// The attacker keeps file, length and time of the content.
#[test]
fn a_program_that_was_written_in_place_is_not_covered() {
    let changed = after(|_, file| {
        let modified = fs::metadata(file).expect("there").modified().expect("known");
        fs::write(file, "#!/bin/fals\n").expect("written");
        File::options().write(true).open(file).expect("open").set_modified(modified).expect("set back");
    });
    assert!(matches!(changed, Err(WhyNot::ProgramChanged { .. })), "{changed:?}");
}
