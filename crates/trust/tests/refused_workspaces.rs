//! A folder that agents may change unasked never holds what decides about them, or what the person's
//! programs start with.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate_trust::workspace::{RefusedWorkspace, ReservedPlaces};

fn reserved() -> ReservedPlaces {
    let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect();
    ReservedPlaces {
        home: paths(&["/home/ada"]),
        state: paths(&["/home/ada/.local/share/tidegate"]),
        programs: paths(&["/opt/tidegate/bin/tidegate"]),
        search_path: paths(&["/usr/bin", "/home/ada/.cargo/bin"]),
    }
}

#[test]
fn what_decides_or_starts_is_never_in_a_workspace() {
    let search_path =
        |directory: &str| Err(RefusedWorkspace::SearchPath { directory: PathBuf::from(directory) });
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
        ("/home/ada/project", Ok(())),
        ("/home/ada/.local/share/tidegate-workspace", Ok(())),
        ("/home/adam", Ok(())),
        ("/tmp/try", Ok(())),
    ] {
        assert_eq!(reserved().check(Path::new(folder)), verdict, "{folder}");
    }
}

proptest! {
    #[test]
    fn no_folder_above_a_reserved_place_is_allowed(up in 0_usize..6, which in 0_usize..5) {
        let places = reserved();
        let all = [places.home.clone(), places.state.clone(), places.programs.clone(), places.search_path.clone()].concat();
        if let Some(folder) = all[which].ancestors().nth(up) {
            let refused = places.check(folder);
            prop_assert!(refused.is_err(), "{}", folder.display());
            prop_assert!(refused.is_err_and(|refused| refused.to_string().ends_with('.')));
        }
    }
}
