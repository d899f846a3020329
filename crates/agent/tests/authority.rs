//! Narrowing an authority never widens it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_trust::{FileIdentity, Folder};

fn tools() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(
        prop::sample::select(vec!["read", "write", "exec", "sessions_spawn", "x"]),
        0..5,
    )
    .prop_map(|tools| tools.into_iter().map(str::to_owned).collect())
}

fn directory() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["/", "a", "..", ".", "//", "w", "a/b", "/w", "\0"]), 0..6)
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn a_child_never_has_what_its_parent_has_not(
        steps in prop::collection::vec((prop::option::of(tools()), prop::option::of(directory()), any::<bool>()), 1..5),
        first in tools(),
        is_chosen in any::<bool>(),
        watched in any::<bool>(),
    ) {
        let mut parent = RunAuthority::root(Owner::Guest { name: "g".to_owned() }, PathBuf::from("/w"), first);
        if is_chosen {
            let folder = Folder { path: "/site".into(), identity: FileIdentity { device: 1, inode: 7 } };
            parent = parent.in_folder(folder);
        }
        if !watched {
            parent = parent.unattended();
        }
        for (wanted, directory, leaf) in steps {
            let withheld: &[&str] = if leaf { &["sessions_spawn"] } else { &[] };
            let Ok(child) = parent.narrow(wanted.as_ref(), directory.as_deref().map(Path::new), withheld) else { continue };
            prop_assert!(child.tools().is_subset(parent.tools()));
            prop_assert!(child.workspace().starts_with(parent.workspace()));
            prop_assert!(!child.workspace().components().any(|part| part == std::path::Component::ParentDir));
            prop_assert_eq!(child.folder(), parent.folder());
            prop_assert!(!child.is_owner());
            prop_assert_eq!(child.attendance(), parent.attendance());
            prop_assert!(!(leaf && child.may_use("sessions_spawn")));
            if let Some(wanted) = wanted {
                prop_assert!(child.tools().is_subset(&wanted));
            }
            parent = child;
        }
    }
}
