//! A folder that agents may change unasked never holds what decides about them, or what the person's
//! programs start with.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate_trust::workspace::{
    FoundFolder, LostWorkspace, RefusedWorkspace, ReservedPlaces, WorkspaceChange,
};
use tidegate_trust::{FileIdentity, Folder};

fn reserved() -> ReservedPlaces {
    let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect();
    ReservedPlaces {
        home: paths(&["/home/ada"]),
        state: paths(&["/home/ada/.local/share/tidegate"]),
        programs: paths(&["/opt/tidegate/bin/tidegate"]),
        search_path: paths(&["/usr/bin", "/home/ada/.cargo/bin"]),
        protected: paths(&["/home/ada/.ssh", "/home/ada/.config/autostart"]),
        run_by_others: paths(&["/home/ada/.rustup"]),
    }
}

#[test]
fn what_decides_or_starts_is_never_in_a_workspace() {
    let search_path =
        |directory: &str| Err(RefusedWorkspace::SearchPath { directory: PathBuf::from(directory) });
    let protected = |place: &str| Err(RefusedWorkspace::Protected { place: PathBuf::from(place) });
    let run_by_others = |place: &str| Err(RefusedWorkspace::RunByOthers { place: PathBuf::from(place) });
    for (folder, verdict) in [
        ("/home/ada", Err(RefusedWorkspace::Home)),
        ("/home", Err(RefusedWorkspace::AboveHome)),
        ("/", Err(RefusedWorkspace::AboveHome)),
        ("/home/ada/.local/share/tidegate", Err(RefusedWorkspace::State)),
        ("/home/ada/.local/share/tidegate/logs", Err(RefusedWorkspace::State)),
        ("/home/ada/.local", Err(RefusedWorkspace::State)),
        ("/opt/tidegate", Err(RefusedWorkspace::Program)),
        ("/opt/tidegate/bin", Err(RefusedWorkspace::Program)),
        ("/usr", search_path("/usr/bin")),
        ("/usr/bin", search_path("/usr/bin")),
        ("/home/ada/.cargo", search_path("/home/ada/.cargo/bin")),
        ("/home/ada/.ssh", protected("/home/ada/.ssh")),
        ("/home/ada/.ssh/hosts", protected("/home/ada/.ssh")),
        ("/home/ada/.config", protected("/home/ada/.config/autostart")),
        ("/home/ada/.rustup", run_by_others("/home/ada/.rustup")),
        ("/home/ada/.rustup/toolchains/stable", run_by_others("/home/ada/.rustup")),
        ("/home/ada/.sshx", Ok(())),
        ("/home/ada/.config/notes", Ok(())),
        ("/home/ada/project", Ok(())),
        ("/home/ada/.local/share/tidegate-workspace", Ok(())),
        ("/home/adam", Ok(())),
        ("/tmp/try", Ok(())),
    ] {
        assert_eq!(reserved().check(Path::new(folder)), verdict, "{folder}");
    }
}

fn folder(path: &str, inode: u64) -> Folder {
    Folder { path: PathBuf::from(path), identity: FileIdentity { device: 1, inode } }
}

#[test]
fn a_session_gets_only_a_folder_that_exists_and_can_be_shown() {
    let site = folder("/home/ada/site", 7);
    for (found, verdict) in [
        (FoundFolder::Folder(site.clone()), Ok(site)),
        (FoundFolder::Missing, Err(RefusedWorkspace::Missing)),
        (FoundFolder::NotAFolder, Err(RefusedWorkspace::NotAFolder)),
        (FoundFolder::Folder(folder("/home/ada", 7)), Err(RefusedWorkspace::Home)),
        (FoundFolder::Folder(folder("/home/ada/a\nb", 7)), Err(RefusedWorkspace::NotShowable)),
        (FoundFolder::Folder(folder("/home/ada/a\u{202e}b", 7)), Err(RefusedWorkspace::NotShowable)),
    ] {
        assert_eq!(reserved().eligible(found.clone()), verdict, "{found:?}");
    }
}

#[test]
fn a_chosen_folder_counts_only_while_it_is_the_one() {
    let chosen = folder("/home/ada/site", 7);
    let mut moved_home = reserved();
    moved_home.home.push("/home/ada/site".into());
    for (reserved, found, verdict) in [
        (reserved(), FoundFolder::Folder(chosen.clone()), Ok(())),
        (reserved(), FoundFolder::Missing, Err(WorkspaceChange::Missing)),
        (reserved(), FoundFolder::NotAFolder, Err(WorkspaceChange::NotAFolder)),
        (reserved(), FoundFolder::Folder(folder("/home/ada/site", 8)), Err(WorkspaceChange::Replaced)),
        // The very folder, moved, and a link in its place.
        (reserved(), FoundFolder::Folder(folder("/srv/site", 7)), Err(WorkspaceChange::LeadsElsewhere)),
        (
            moved_home,
            FoundFolder::Folder(chosen.clone()),
            Err(WorkspaceChange::Refused(RefusedWorkspace::Home)),
        ),
    ] {
        assert_eq!(reserved.still(&chosen, found.clone()), verdict, "{found:?}");
    }
}

#[test]
fn a_lost_workspace_is_a_sentence_that_says_what_to_do() {
    let lost =
        LostWorkspace { folder: PathBuf::from("/home/ada/\u{1b}[1msite"), change: WorkspaceChange::Missing };

    assert_eq!(
        lost.to_string(),
        "The workspace of this session, /home/ada/\\u{1b}[1msite, is not used, so nothing was started. It is gone: \
         it was moved or deleted, or its disk is not attached. Put it back. Then send the message again, or choose \
         another folder for this session: send /workspace FOLDER, or use `tidegate sessions workspace`."
    );
}

proptest! {
    #[test]
    fn no_found_folder_is_used_in_place_of_another(
        chosen in ("[a-c/]{1,4}", 0_u64..3), found in ("[a-c/]{1,4}", 0_u64..3)
    ) {
        let (chosen, found) = (folder(&chosen.0, chosen.1), folder(&found.0, found.1));
        let verdict = ReservedPlaces::default().still(&chosen, FoundFolder::Folder(found.clone()));
        prop_assert_eq!(verdict.is_ok(), chosen == found);
    }

    #[test]
    fn no_folder_above_a_reserved_place_is_allowed(up in 0_usize..6, which in 0_usize..8) {
        let places = reserved();
        let all = [places.home.clone(), places.state.clone(), places.programs.clone(), places.search_path.clone(), places.protected.clone(), places.run_by_others.clone()].concat();
        if let Some(folder) = all[which].ancestors().nth(up) {
            let refused = places.check(folder);
            prop_assert!(refused.is_err(), "{}", folder.display());
            prop_assert!(refused.is_err_and(|refused| refused.to_string().ends_with('.')));
        }
    }
}
