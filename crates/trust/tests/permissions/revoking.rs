//! What takes a permission away, and what is left of one after a restart.

use std::time::Duration;

use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer as Offer};
use tidegate_trust::approval::FileAccess;
use tidegate_trust::authority::Effect;
use tidegate_trust::permissions::{GrantedNeeds, Permission, PermissionError, PermissionKind};
use tidegate_trust::{Change, TrustRecords};

use crate::person::{DAY, PROJECT, Person, command, file, folder};
use crate::support::records;

fn revoked_ids(effects: &[Effect]) -> Vec<&str> {
    fn id(effect: &Effect) -> Option<&str> {
        match effect {
            Effect::PermissionRevoked { id } => Some(id),
            _ => None,
        }
    }
    effects.iter().filter_map(id).collect()
}

#[test]
fn a_revoked_permission_asks_at_the_next_command() {
    let mut person = Person::new();
    let notes = "/home/ada/notes";
    for (request, offer) in [
        (command(&[]), Offer::Contained),
        (command(&["git"]), Offer::Needs),
        (command(&["git"]), Offer::Task),
        (file(notes, FileAccess::Read), Offer::ReadBelow),
    ] {
        let (given, _) = person.gives(&request, &offer);
        assert!(person.is_unasked(&request));

        let (durable, effects) = person.revoke(&given.id).expect("there is one");

        assert_eq!(person.answer(&request), Err(None), "{offer:?}");
        assert_eq!(durable, [Change::RemovePermission(given.id.clone())]);
        assert_eq!(revoked_ids(&effects), [given.id.as_str()], "what runs by it ends");
        assert_eq!(person.revoke(&given.id).err(), Some(PermissionError::Unknown), "once");
    }
}

#[test]
fn what_is_revoked_while_it_is_renewed_stays_revoked() {
    let mut person = Person::new();
    let (first, _) = person.gives(&command(&[]), &Offer::Contained);
    let prepared = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");
    assert!(matches!(&prepared.durable[..], [Change::PutPermission(again)] if again.id == first.id));

    person.revoke(&first.id).expect("there is one");
    assert_eq!(
        person.world.authority.to_commit(&prepared),
        [],
        "it does not reach the disk after the revocation"
    );
    let now = person.world.now;
    let applied = person.world.authority.apply(prepared, now);

    assert_eq!((applied.value, applied.durable), (None, vec![Change::RemovePermission(first.id)]));
    assert_eq!(person.answer(&command(&[])), Err(None));
}

#[test]
fn what_another_one_forgot_meanwhile_overtakes_nothing() {
    let mut person = Person::new();
    person.gives(&command(&["git"]), &Offer::Needs);
    person.world.pass(61 * DAY);
    let folder = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");
    let needs = person.prepare(&command(&["sockets"]), &Offer::Needs).expect("it offers that");
    assert_eq!((folder.durable.len(), needs.durable.len()), (2, 2), "both forget what ended long ago");

    person.world.commit(folder);
    person.world.commit(needs);

    assert!(person.is_unasked(&command(&[])) && person.is_unasked(&command(&["sockets"])));
}

#[test]
fn asking_about_everything_is_not_overwritten_by_an_earlier_change_back() {
    let mut person = Person::new();
    person.ask_everything();
    let now = person.world.now;
    let back = person.world.authority.use_permissions(&person.decider, now).expect("the person");
    assert_eq!(person.world.authority.to_commit(&back), [Change::AskEverything(false)]);

    person.ask_everything();

    assert_eq!(person.world.authority.to_commit(&back), []);
    assert!(person.world.authority.apply(back, now).value.is_none());
}

#[test]
fn two_that_were_given_at_one_moment_are_revoked_together() {
    let mut person = Person::new();
    let one = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");
    let two = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");
    let one = person.world.commit(one);
    let two = person.world.commit(two);
    assert_ne!(one.id, two.id);

    let (durable, effects) = person.revoke(&one.id).expect("there is one");

    assert_eq!(person.answer(&command(&[])), Err(None), "nothing of it is left");
    assert_eq!(durable.len(), 2);
    let mut ended = revoked_ids(&effects);
    ended.sort_unstable();
    let mut both = [one.id.as_str(), &two.id];
    both.sort_unstable();
    assert_eq!(ended, both);
}

#[test]
fn what_is_used_together_holds_as_long_as_all_of_it() {
    let mut person = Person::new();
    let (one, _) = person.gives(&command(&["git"]), &Offer::Needs);
    let (two, _) = person.gives(&command(&["sockets"]), &Offer::Task);
    let both = [one.id.clone(), two.id.clone()];
    let hold = |person: &Person, ids: &[String]| person.world.authority.hold(ids, person.world.now);

    assert_eq!(hold(&person, &both), Some(PermissionName::Task));
    assert_eq!(hold(&person, &both[..1]), Some(PermissionName::Needs));
    assert_eq!(hold(&person, &[]), None);
    person.world.pass(30 * DAY);
    assert_eq!(hold(&person, &both), None, "one has ended");
    assert_eq!(hold(&person, &both[1..]), Some(PermissionName::Task));
    person.ask_everything();
    assert_eq!(hold(&person, &both[1..]), None);
    person.revoke(&two.id).expect("there is one");
    let now = person.world.now;
    let used = person.world.authority.use_permissions(&person.decider, now).expect("the person");
    person.world.commit(used);
    assert_eq!(hold(&person, &both[1..]), None);
}

#[test]
fn a_restart_keeps_what_is_stored_and_nothing_else() {
    let mut person = Person::new();
    let notes = "/home/ada/notes";
    let mut stored = records();
    for (request, offer) in [
        (command(&[]), Offer::Contained),
        (command(&["git"]), Offer::Needs),
        (command(&["sockets"]), Offer::Task),
        (file(notes, FileAccess::Read), Offer::ReadBelow),
    ] {
        for change in person.gives(&request, &offer).1 {
            match change {
                Change::PutPermission(permission) => stored.permissions.push(*permission),
                other => panic!("{other:?}"),
            }
        }
    }

    person.world.authority.start_over(stored);

    assert!(person.is_unasked(&command(&[])) && person.is_unasked(&command(&["git"])));
    assert!(!person.is_unasked(&command(&["sockets"])));
    assert!(!person.is_unasked(&file(notes, FileAccess::Read)));
}

#[test]
fn a_store_that_says_more_than_was_stored_allows_no_more() {
    let needs = ["git".parse().expect("a need")].into();
    let repository = "/home/ada/main/.git";
    let granted =
        GrantedNeeds { needs, repository: Some(repository.to_owned()), outside: vec![folder(repository)] };
    let planted = [
        PermissionKind::Task { task: "task-1".to_owned(), granted },
        PermissionKind::Read { session_key: "agent:main:main".to_owned() },
    ];
    let planted = planted.map(|kind| Permission {
        id: "planted".to_owned(),
        folder: folder(PROJECT),
        kind,
        granted_at: tidegate_protocol::UnixMillis(1),
        given_by: None,
        last_used_at: None,
    });
    let mut person = Person::with(TrustRecords { permissions: planted.to_vec(), ..records() });

    assert_eq!(person.answer(&command(&["git"])), Err(None));
    assert_eq!(person.answer(&file(PROJECT, FileAccess::Read)), Err(None));
}

#[test]
fn asking_about_everything_is_read_from_what_is_stored() {
    let mut person = Person::new();
    let (given, _) = person.gives(&command(&[]), &Offer::Contained);
    let stored = TrustRecords { permissions: vec![given], ask_everything: true, ..records() };

    let mut next = Person::with(stored);

    assert!(next.world.authority.asks_everything() && !next.is_unasked(&command(&[])));
}

#[test]
fn when_a_permission_was_used_is_stored_at_leisure() {
    let mut person = Person::new();
    let (given, _) = person.gives(&command(&[]), &Offer::Contained);
    person.gives(&command(&["git"]), &Offer::Task);
    assert_eq!(person.world.authority.take_touched(), []);
    person.world.pass(Duration::from_secs(9));

    assert!(person.is_unasked(&command(&[])) && person.is_unasked(&command(&["git"])));

    let used = Permission { last_used_at: Some(person.world.now.wall), ..given.clone() };
    assert_eq!(person.world.authority.take_touched(), [Change::PutPermission(Box::new(used))]);
    assert!(person.is_unasked(&command(&[])));
    person.revoke(&given.id).expect("there is one");
    assert_eq!(person.world.authority.take_touched(), [], "it does not come back by that");
}

#[test]
fn what_was_allowed_for_a_task_ends_with_it() {
    let mut person = Person::new();
    let commit = command(&["git"]);
    person.gives(&commit, &Offer::Task);
    let (lasting, _) = person.gives(&command(&[]), &Offer::Contained);

    person.world.authority.end_task("task-2");
    assert!(person.is_unasked(&commit), "another task ended");
    person.world.authority.end_task("task-1");

    assert_eq!(person.answer(&commit), Err(None));
    assert_eq!(person.in_effect(), [lasting.id]);
}
