//! The folder of a session is chosen by a person, for exactly what was shown, and by nobody else.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use proptest::prelude::*;
use support::{Client, World, command_line, key, person, person_at_desktop, records, remote};
use tidegate_protocol::{Scope, SessionKey};
use tidegate_trust::decision::{Decider, DecisionError, Desktop};
use tidegate_trust::workspace::ProposedWorkspace;
use tidegate_trust::{FileIdentity, Folder};

fn proposed(session: &str, path: &str, inode: u64) -> ProposedWorkspace {
    let folder = Folder { path: path.into(), identity: FileIdentity { device: 1, inode } };
    ProposedWorkspace { session: SessionKey::parse(session).expect("a key"), folder: Some(folder) }
}

#[test]
fn a_person_chooses_the_folder_that_was_shown() {
    let mut world = World::new(records());
    let site = proposed("main", "/home/ada/site", 7);
    for decider in [person(), person_at_desktop(&mut world)] {
        let chosen = decider.choose_workspace(site.clone(), &site.digest()).expect("a person may");

        assert_eq!((chosen.session(), chosen.folder()), (&site.session, site.folder.as_ref()));
        assert_eq!(
            chosen.audit(world.now).line,
            "workspace.chosen session=agent:main:main folder=/home/ada/site by=person"
        );
    }
}

#[test]
fn nobody_but_the_person_chooses() {
    let mut world = World::new(records());
    let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    world.pair(&remote(1), &client);
    let device = world.admitted(&remote(1), &client).session;
    let own = world.own_session(&key(9));
    let window = support::window(&world.desktop_key());
    let site = proposed("main", "/home/ada/site", 7);

    assert!(Decider::of(&own, Desktop::Absent).is_err(), "our own client decides nothing");
    for (session, desktop, refused) in [
        (&device, Desktop::Absent, DecisionError::PersonOnly),
        (&window, Desktop::Absent, DecisionError::DesktopDecides),
        (&window, Desktop::Running, DecisionError::DesktopDecides),
        (&command_line(), Desktop::Running, DecisionError::DesktopDecides),
    ] {
        let decider = Decider::of(session, desktop).expect("it decides other things");
        assert_eq!(decider.choose_workspace(site.clone(), &site.digest()), Err(refused));
    }
}

proptest! {
    #[test]
    fn a_choice_is_for_one_session_and_one_folder(
        shown in ("[ab]", "/[ab]{1,3}", 0_u64..3), now in ("[ab]", "/[ab]{1,3}", 0_u64..3)
    ) {
        let shown = proposed(&shown.0, &shown.1, shown.2);
        let now = proposed(&now.0, &now.1, now.2);
        let nowhere = ProposedWorkspace { folder: None, ..now.clone() };

        let chosen = person().choose_workspace(now.clone(), &shown.digest());

        prop_assert_eq!(chosen.is_ok(), now == shown);
        prop_assert_eq!(person().choose_workspace(nowhere, &shown.digest()), Err(DecisionError::Changed));
    }
}
