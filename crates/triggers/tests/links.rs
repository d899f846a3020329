//! Files of a workspace that other folders hold as well: which are found, and what unsharing does.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{Fixture, Place};
use proptest::prelude::*;
use tidegate_triggers::links::{self, UnshareError};

/// A file in a store beside the workspace, and a name of it in the workspace.
fn link(place: &Place, store: &str, name: &str) {
    let (stored, linked) = (place.root.join("store").join(store), place.path(name));
    if !stored.exists() {
        fs::create_dir_all(stored.parent().expect("inside")).expect("made");
        fs::write(&stored, format!("of the store: {store}")).expect("written");
    }
    fs::create_dir_all(linked.parent().expect("inside")).expect("made");
    fs::hard_link(stored, linked).expect("linked");
}

fn shared(fixture: &Fixture) -> (u64, Vec<PathBuf>) {
    let shared = fixture.guard.shared_files().expect("looked at").files;
    (shared.count(), shared.read_only(links::MAX_READ_ONLY))
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn only_files_with_names_outside_are_shared() {
    let fixture = Fixture::prepared(|place| {
        link(place, "lib.py", "lib.py");
        link(place, "both", "a/both");
        link(place, "both", "b/both");
        place.write("own", "own");
        fs::hard_link(place.path("own"), place.path("a/own")).expect("linked");
        symlink(place.root.join("store/lib.py"), place.path("a/link")).expect("linked");
    });

    assert_eq!(shared(&fixture), (3, paths(&["a/both", "b/both", "lib.py"])));
}

#[test]
fn objects_of_a_local_clone_are_shared() {
    let fixture = Fixture::prepared(|place| {
        link(place, "pack", "sub/.git/objects/pack/pack-1.pack");
        link(place, "loose", "sub/.git/objects/ab/cdef");
    });

    assert_eq!(
        shared(&fixture),
        (2, paths(&["sub/.git/objects/ab/cdef", "sub/.git/objects/pack/pack-1.pack"]))
    );
}

#[test]
fn a_name_that_comes_later_is_found() {
    let fixture = Fixture::new();
    let place = fixture.place();
    assert_eq!(shared(&fixture), (0, Vec::new()));

    link(&place, "lib.py", "new/lib.py");
    assert_eq!(shared(&fixture), (1, paths(&["new/lib.py"])));
    fs::rename(place.path("new"), place.path("moved")).expect("renamed");
    assert_eq!(shared(&fixture), (1, paths(&["moved/lib.py"])));

    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    link(&place, "lib.py", "while/it/runs");
    assert_eq!(shared(&fixture), (2, paths(&["moved/lib.py", "while/it/runs"])));
    fixture.guard.finish(command).expect("finished");
}

#[test]
fn a_folder_that_moves_is_noticed() {
    let fixture = Fixture::prepared(|place| link(place, "lib.py", "a/b/lib.py"));
    let place = fixture.place();
    let moves = || fixture.guard.shared_files().expect("looked at").moves;
    let before = moves();

    place.write("a/new", "a file");
    assert_eq!(moves(), before);
    fs::rename(place.path("a/b"), place.path("c")).expect("renamed");
    assert!(moves() > before);
}

#[test]
fn a_folder_that_hides_its_files_counts_as_shared() {
    if rustix::process::geteuid().is_root() {
        // Nothing is hidden from root.
        return;
    }
    let fixture = Fixture::prepared(|place| {
        for (name, mode) in [("closed", 0o000), ("listed", 0o600), ("entered", 0o300)] {
            link(place, "lib.py", &format!("{name}/below/lib.py"));
            link(place, name, &format!("{name}/lib.py"));
            fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).expect("set");
        }
    });

    let (_, read_only) = shared(&fixture);

    let place = fixture.place();
    for name in ["closed", "listed", "entered"] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o700)).expect("set");
        for path in [format!("{name}/lib.py"), format!("{name}/below/lib.py")] {
            assert!(
                read_only.iter().any(|place| Path::new(&path).starts_with(place)),
                "{path}: {read_only:?}"
            );
        }
    }
}

#[test]
fn folders_that_lie_too_deep_count_as_shared() {
    let deep = "d/".repeat(300);
    let fixture = Fixture::prepared(|place| link(place, "lib.py", &format!("{deep}lib.py")));

    let (count, read_only) = shared(&fixture);

    assert_eq!((count, read_only.len()), (0, 1));
    assert!(Path::new(&deep).starts_with(&read_only[0]));
}

fn unshare(place: &Place) -> links::Unshared {
    let folder = File::open(place.workspace()).expect("opened");
    links::unshare(&folder).expect("unshared")
}

fn no_temporary_file_is_left(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).expect("listed").flatten();
    entries.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with(".tidegate-"))
}

#[test]
fn unsharing_copies_with_permissions_and_times_and_leaves_the_store() {
    let fixture = Fixture::prepared(|place| {
        link(place, "lib.py", "a/lib.py");
        link(place, "run.sh", "a/run.sh");
        link(place, "run.sh", "b/run.sh");
        place.write("own", "own");
    });
    let place = fixture.place();
    let (stored, time) =
        (place.root.join("store/run.sh"), SystemTime::UNIX_EPOCH + Duration::new(1_000_000, 7000));
    fs::set_permissions(&stored, fs::Permissions::from_mode(0o4755)).expect("set");
    File::open(&stored).and_then(|file| file.set_times(FileTimes::new().set_modified(time))).expect("set");
    fs::set_permissions(place.path("b"), fs::Permissions::from_mode(0o555)).expect("set");

    let unshared = unshare(&place);

    assert_eq!((unshared.files, unshared.left), (3, 0));
    assert_eq!(shared(&fixture), (0, Vec::new()));
    for name in ["a/run.sh", "b/run.sh"] {
        let copy = fs::metadata(place.path(name)).expect("there");
        assert_eq!((copy.mode() & 0o7777, copy.nlink()), (0o755, 1), "{name}: set-user-ID is not copied");
        assert_eq!(copy.modified().expect("known"), time);
        assert_eq!(place.read(name), "of the store: run.sh");
        assert!(no_temporary_file_is_left(place.path(name).parent().expect("inside")));
    }
    assert_eq!(fs::metadata(place.path("b")).expect("there").mode() & 0o777, 0o555);
    fs::write(place.path("a/lib.py"), "mine").expect("written");
    assert_eq!(fs::read_to_string(place.root.join("store/lib.py")).expect("read"), "of the store: lib.py");
    assert_eq!(fs::metadata(stored).expect("there").mode() & 0o7777, 0o4755);
}

#[test]
fn unsharing_follows_no_link() {
    let fixture = Fixture::prepared(|place| link(place, "lib.py", "a/lib.py"));
    let place = fixture.place();
    let victim = place.root.join("victim");
    fs::create_dir(&victim).expect("made");
    fs::hard_link(place.root.join("store/lib.py"), victim.join("lib.py")).expect("linked");
    symlink(&victim, place.path("b")).expect("linked");
    symlink(victim.join("lib.py"), place.path("c")).expect("linked");

    let unshared = unshare(&place);

    assert_eq!((unshared.files, unshared.left), (1, 0));
    assert_eq!(fs::metadata(victim.join("lib.py")).expect("there").nlink(), 2);
    assert!(no_temporary_file_is_left(&victim));
}

#[test]
fn a_file_that_cannot_be_read_is_left_and_named() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let fixture = Fixture::prepared(|place| {
        link(place, "a", "a");
        link(place, "closed", "closed");
        fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o000)).expect("set");
    });

    let unshared = unshare(&fixture.place());

    assert_eq!((unshared.files, unshared.left, unshared.named), (1, 1, paths(&["closed"])));
    assert_eq!(shared(&fixture), (1, paths(&["closed"])));
}

#[test]
fn copies_that_would_fill_the_disk_are_not_made() {
    let fixture = Fixture::prepared(|place| {
        link(place, "large", "large");
        let large = File::options().write(true).open(place.path("large")).expect("opened");
        // Nothing of it is on the disk.
        large.set_len(1 << 43).expect("made longer");
    });
    let place = fixture.place();
    let folder = File::open(place.workspace()).expect("opened");

    let refused = links::unshare(&folder).expect_err("there is no room");

    assert!(matches!(refused, UnshareError::NoRoom { needed, .. } if needed >= 1 << 43), "{refused}");
    assert!(no_temporary_file_is_left(&place.workspace()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_is_shared_is_found_and_then_unshared(
        names in proptest::collection::btree_map("[ab](/[ab]){0,2}/[xyz]", (0_u8..4, any::<bool>()), 0..25),
    ) {
        let mut expected = 0;
        let fixture = Fixture::prepared(|place| {
            for (name, (file, is_outside)) in &names {
                // Each file of the store has one name more outside; one in the workspace has none.
                let kind = if *is_outside { format!("out{file}") } else { format!("in{file}") };
                link(place, &kind, name);
                expected += u64::from(*is_outside);
            }
            for file in 0..4 {
                let _ = fs::remove_file(place.root.join(format!("store/in{file}")));
            }
        });
        prop_assert_eq!(shared(&fixture).0, expected);

        let unshared = unshare(&fixture.place());

        prop_assert_eq!((unshared.files, unshared.left), (expected, 0));
        prop_assert_eq!(shared(&fixture).0, 0);
    }
}
