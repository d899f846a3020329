//! What a person denied is not asked again in the same task.

use std::time::Duration;

use tidegate_protocol::payload::permissions::PermissionOffer as Offer;
use tidegate_trust::approval::{Decision, MAX_WORDS, ResolveError};
use tidegate_trust::decision::{Decider, Desktop};

use crate::person::{But as _, Person, command};
use crate::support::command_line;

fn deny(person: &mut Person, words: Option<&str>) -> Option<String> {
    let waiting = person.waits(&command(&[]));
    let now = person.world.now;
    let denied = person.queue.deny_shown(&person.decider, &waiting.id, "digest", words, now);
    let denied = denied.expect("it waits");
    assert_eq!((denied.decision, denied.permissions.len()), (Some(Decision::Deny), 0));
    denied.words
}

#[test]
fn a_denial_counts_for_exactly_that_in_that_task() {
    let mut person = Person::new();
    deny(&mut person, None);

    assert!(person.queue.was_denied(&command(&[])));
    assert!(
        person.queue.was_denied(&command(&[]).of_session("agent:main:subagent:1")),
        "a child asks for it"
    );
    assert!(!person.queue.was_denied(&command(&[]).in_task("task-2")), "the next task may ask");
    assert!(!person.queue.was_denied(&command(&[]).with_digest("other")));
    let mut of_a_client = command(&[]);
    of_a_client.context = None;
    assert!(!person.queue.was_denied(&of_a_client));
}

#[test]
fn nothing_but_a_denial_counts_as_one() {
    let mut person = Person::new();
    let withdrawn = person.waits(&command(&[]));
    person.queue.withdraw(&withdrawn.id, person.world.now).expect("it waited");
    let allowed = person.waits(&command(&[]));
    let clearance = person.cleared(&allowed);
    person.queue.allow(clearance, None, person.world.now).expect("it waited");
    person.waits(&command(&[]));
    person.world.pass(Duration::from_mins(30));
    person.queue.tick(person.world.now);

    assert!(!person.queue.was_denied(&command(&[])));
}

#[test]
fn words_for_the_model_are_one_clean_line_of_bounded_length() {
    let mut person = Person::new();
    assert_eq!(deny(&mut person, None), None);
    assert_eq!(deny(&mut person, Some(" \n\t")), None);
    assert_eq!(deny(&mut person, Some(" use make test ")).as_deref(), Some("use make test"));
    let long = format!("a\n{}\u{202e}", "ö".repeat(5000));
    let words = deny(&mut person, Some(&long)).expect("words");
    assert_eq!(words.chars().count(), MAX_WORDS);
    assert!(!words.contains(['\n', '\u{202e}']));
}

#[test]
fn a_permission_that_comes_later_allows_no_copy_of_what_was_denied() {
    let mut person = Person::new();
    let copy = person.waits(&command(&[]));
    let other = person.waits(&command(&[]).with_digest("other"));
    deny(&mut person, None);
    let (given, _) = person.gives(&command(&[]).with_digest("third"), &Offer::Contained);
    let now = person.world.now;

    assert!(person.queue.permit(&copy.id, vec![given.id.clone()], now).is_none());
    let permitted = person.queue.permit(&other.id, vec![given.id.clone()], now).expect("it waits");
    assert_eq!((permitted.decision, permitted.permissions), (Some(Decision::AllowAlways), vec![given.id]));
}

#[test]
fn only_the_person_decides_about_what_was_drawn() {
    let mut person = Person::new();
    let waiting = person.waits(&command(&[]));
    let now = person.world.now;
    let other = Decider::of(&command_line(), Desktop::Running).expect("it decides something");

    let denied = person.queue.deny_shown(&other, &waiting.id, "digest", None, now);
    let cleared = person.queue.clear_shown(&other, &waiting.id, "digest", now);
    let changed = person.queue.clear_shown(&person.decider, &waiting.id, "another digest", now);

    assert_eq!(denied.err(), Some(ResolveError::NotThePerson));
    assert_eq!(cleared.err(), Some(ResolveError::NotThePerson));
    assert_eq!(changed.err(), Some(ResolveError::Changed));
}
