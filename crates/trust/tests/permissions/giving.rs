//! What a request offers, who may give it, and what becomes of that while it is saved.

use std::time::Duration;

use tidegate_protocol::Scope;
use tidegate_protocol::payload::permissions::PermissionOffer as Offer;
use tidegate_trust::approval::{
    ApprovalRequest, FileAccess, PendingApproval, Question, Requester, ResolveError,
};
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::permissions::{MAX_IN_MEMORY, MAX_STORED, PermissionError, WhyAsked};
use tidegate_trust::principal::Principal;
use tidegate_trust::{Change, Session, TrustRecords};

use crate::person::{But as _, DAY, PROJECT, Person, command, file, folder};
use crate::support::{
    Client, World, command_line, key, local_named, person, record, records, scopes, window,
};

/// A person with two clients that may decide about commands.
fn with_clients() -> (Person, [Session; 2]) {
    let granted = scopes([Scope::Approvals, Scope::Write]);
    let devices = vec![record(&key(3), &granted), record(&key(4), &granted)];
    let mut person = Person::with(TrustRecords { devices, ..records() });
    let sessions = [3, 4].map(|seed| {
        person.world.admitted(&local_named("ui"), &Client::new(&key(seed)).asks(granted.iter())).session
    });
    (person, sessions)
}

fn give_as(
    person: &mut Person,
    session: &Session,
    waiting: &PendingApproval,
    offer: &Offer,
) -> Result<(), PermissionError> {
    let now = person.world.now;
    let (clearance, _) =
        person.queue.clear(session, Desktop::Running, &waiting.id, now).expect("it may decide");
    let entropy = person.world.entropy();
    let given = person.world.authority.give_permission(&clearance, &waiting.command, offer, &entropy, now);
    person.queue.give_back(&clearance);
    person.world.commit(given?);
    Ok(())
}

#[test]
fn a_request_offers_what_would_cover_it() {
    let person = Person::new();
    let notes = "/home/ada/notes";
    let after_network =
        |needs| command(needs).with_confinement(|confinement| confinement.after_network = true);
    for (request, offers) in [
        (command(&[]), vec![Offer::Contained]),
        (command(&["git"]), vec![Offer::Task, Offer::Needs]),
        (command(&["git"]).unattended(), vec![]),
        (after_network(&["git"]), vec![]),
        (after_network(&[]), vec![Offer::Contained]),
        (command(&[]).in_folders(Vec::new()), vec![]),
        (file(notes, FileAccess::Read), vec![Offer::ReadBelow]),
        (file(notes, FileAccess::Read).unattended(), vec![]),
        (file(notes, FileAccess::Read).in_folders(Vec::new()), vec![]),
        (file(notes, FileAccess::Write { content: String::new() }), vec![]),
    ] {
        assert_eq!(person.offers(&request), offers, "{request:?}");
    }
}

#[test]
fn what_a_request_does_not_offer_is_given_to_nobody() {
    let mut person = Person::new();
    let all = [Offer::Task, Offer::Contained, Offer::Needs, Offer::Rule { words: 2 }, Offer::ReadBelow];
    let after_network = command(&["git"]).with_confinement(|confinement| confinement.after_network = true);
    for request in [command(&[]), command(&["git"]), file(PROJECT, FileAccess::Read), after_network] {
        let offered = person.offers(&request);
        for offer in all.iter().filter(|offer| !offered.contains(offer)) {
            let given = person.prepare(&request, offer);
            assert_eq!(given.err(), Some(PermissionError::NotOffered), "{offer:?} of {request:?}");
        }
    }
}

#[test]
fn each_sentence_says_what_is_allowed_where_and_for_how_long() {
    let person = Person::new();
    let hostile = command(&["git"]).below("/home/ada/a\n\u{202e}b");
    let sentences = |request: &ApprovalRequest| {
        let offers = person.world.authority.offers(request).into_iter();
        offers.map(|offered| offered.sentence).collect::<Vec<_>>().join("\n")
    };

    assert!(sentences(&command(&[])).contains("contained commands in /home/ada/project"));
    let needs = sentences(&command(&["git", "network:a.example"]));
    for part in ["until it ends", "for 30 days", "git", "network:a.example", "/home/ada/main/.git"] {
        assert!(needs.contains(part), "{part}: {needs}");
    }
    assert!(!sentences(&hostile).contains(['\u{202e}']), "{}", sentences(&hostile));
    assert_eq!(sentences(&hostile).lines().count(), 2, "a name is no line of its own");
}

#[test]
fn a_client_gives_needs_for_the_task_and_nothing_more() {
    let (mut person, [client, _]) = with_clients();
    let needs = person.waits(&command(&["git"]));
    let plain = person.waits(&command(&[]));
    let read = person.waits(&file("/home/ada/notes", FileAccess::Read));

    for (waiting, offer) in [(&needs, Offer::Needs), (&plain, Offer::Contained), (&read, Offer::ReadBelow)] {
        let refused = give_as(&mut person, &client, waiting, &offer);
        assert_eq!(refused, Err(PermissionError::PersonOnly), "{offer:?}");
    }
    assert_eq!(give_as(&mut person, &client, &plain, &Offer::Task), Err(PermissionError::NotOffered));
    assert_eq!(give_as(&mut person, &client, &needs, &Offer::Task), Ok(()));
    assert!(person.is_unasked(&command(&["git"])));
}

#[test]
fn what_a_client_gave_ends_with_its_access() {
    let ways: [fn(&mut Person, &Session) -> Vec<Effect>; 2] = [
        |person, client| {
            let Principal::Device(device) = client.principal() else { panic!("a device") };
            let revoked =
                person.world.authority.revoke_token(&command_line(), *device, "operator", person.world.now);
            revoked.map(|revoked| revoked.effects).unwrap_or_else(|_| {
                let removed =
                    person.world.authority.remove_device(&command_line(), *device, person.world.now);
                removed.expect("it is known").effects
            })
        },
        |person, client| {
            let Principal::Device(device) = client.principal() else { panic!("a device") };
            person.world.authority.block_device(*device, person.world.now).expect("a client").effects
        },
    ];
    for revoke in ways {
        let (mut person, [client, other]) = with_clients();
        let request = |need| command(&[need]);
        for (session, need) in [(&client, "git"), (&other, "sockets")] {
            let waiting = person.waits(&request(need));
            give_as(&mut person, session, &waiting, &Offer::Task).expect("it may");
        }
        let (persons, _) = person.gives(&request("listen:80"), &Offer::Task);
        let [by_client, ..] = &person.in_effect()[..] else { panic!("three") };
        let by_client = by_client.clone();

        let effects = revoke(&mut person, &client);

        assert!(effects.contains(&Effect::PermissionRevoked { id: by_client }), "what runs by it ends");
        assert_eq!(person.answer(&request("git")), Err(None));
        assert!(person.is_unasked(&request("sockets")), "another client's");
        assert!(person.is_unasked(&request("listen:80")), "the person's: {persons:?}");
    }
}

#[test]
fn what_the_person_allowed_is_not_a_clients_by_being_allowed_again() {
    let (mut person, [client, _]) = with_clients();
    person.gives(&command(&["git"]), &Offer::Task);
    let waiting = person.waits(&command(&["git"]));
    give_as(&mut person, &client, &waiting, &Offer::Task).expect("it may");
    let Principal::Device(device) = client.principal() else { panic!("a device") };

    let removed = person.world.authority.remove_device(&command_line(), *device, person.world.now);

    assert!(!removed.expect("it is known").effects.is_empty());
    assert!(person.is_unasked(&command(&["git"])));
}

#[test]
fn what_a_client_gives_while_its_access_is_revoked_is_not_given() {
    let (mut person, [client, _]) = with_clients();
    let waiting = person.waits(&command(&["git"]));
    let now = person.world.now;
    let (clearance, _) =
        person.queue.clear(&client, Desktop::Running, &waiting.id, now).expect("it may decide");
    let entropy = person.world.entropy();
    let authority = &mut person.world.authority;
    let prepared = authority
        .give_permission(&clearance, &waiting.command, &Offer::Task, &entropy, now)
        .expect("it is offered");
    let Principal::Device(device) = client.principal() else { panic!("a device") };
    let removed = authority.remove_device(&command_line(), *device, now).expect("it is known");
    assert!(!removed.effects.is_empty());

    let applied = authority.apply(prepared, now);

    assert!(applied.value.is_none());
    assert_eq!(person.answer(&command(&["git"])), Err(None));
}

#[test]
fn a_client_gives_nothing_to_what_it_asked_itself() {
    let (mut person, [asking, other]) = with_clients();
    let mut request = command(&["git"]);
    request.context = None;
    let requester =
        Requester::Client { connection: asking.connection().clone(), principal: asking.principal().clone() };
    let question = Question { offers: person.world.authority.offers(&request), why_asked: None };
    let now = person.world.now;
    let timeout = Duration::from_mins(30);
    let waiting = person.queue.ask("of-a-client".to_owned(), request, requester, question, timeout, now);
    let waiting = waiting.expect("there is room");

    let own = person.queue.clear(&asking, Desktop::Running, &waiting.id, now);
    assert_eq!(own.err(), Some(ResolveError::Own));
    assert_eq!(give_as(&mut person, &other, &waiting, &Offer::Task), Err(PermissionError::NotOffered));
}

#[test]
fn our_own_client_gives_and_changes_nothing() {
    let mut person = Person::new();
    let own = person.world.own_session(&key(1));
    let (given, _) = person.gives(&command(&[]), &Offer::Contained);
    let waiting = person.waits(&command(&["git"]));
    let now = person.world.now;

    let cleared = person.queue.clear(&own, Desktop::Absent, &waiting.id, now);
    let revoked = person.world.authority.revoke_permission(&own, &given.id, now);
    let everything = person.world.authority.ask_everything(&own, now);

    assert_eq!(cleared.err(), Some(ResolveError::SubagentClient));
    assert_eq!(revoked.err(), Some(PermissionError::SubagentClient));
    assert_eq!(everything.err(), Some(PermissionError::SubagentClient));
    assert!(person.is_unasked(&command(&[])));
}

#[test]
fn nobody_decides_while_what_was_given_is_being_saved() {
    let mut person = Person::new();
    let waiting = person.waits(&command(&[]));
    let clearance = person.cleared(&waiting);
    let now = person.world.now;

    let again = person.queue.clear_shown(&person.decider, &waiting.id, "digest", now);
    let denied = person.queue.deny(&command_line(), &waiting.id, None, now);
    assert_eq!(again.err(), Some(ResolveError::Deciding));
    assert_eq!(denied.err(), Some(ResolveError::Deciding));
    assert!(person.queue.permit(&waiting.id, vec!["another".to_owned()], now).is_none());

    person.queue.give_back(&clearance);
    assert!(person.queue.allow(clearance, None, now).is_some(), "it could not be saved, and waits on");
}

#[test]
fn who_is_gone_while_it_is_saved_runs_nothing() {
    let mut person = Person::new();
    let cancelled = person.waits(&command(&[]));
    let late = person.waits(&command(&[]));
    let clearances = [person.cleared(&cancelled), person.cleared(&late)];

    person.queue.withdraw(&cancelled.id, person.world.now).expect("it waited");
    person.world.pass(Duration::from_mins(30));
    person.queue.tick(person.world.now);

    for clearance in clearances {
        assert!(person.queue.allow(clearance, Some("given".to_owned()), person.world.now).is_none());
    }
}

#[test]
fn what_could_not_be_saved_allows_nothing() {
    let mut person = Person::new();
    let prepared = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");

    person.world.authority.roll_back(prepared);

    assert_eq!(person.answer(&command(&[])), Err(None));
}

#[test]
fn asking_about_everything_uses_and_offers_nothing() {
    let mut person = Person::new();
    person.gives(&command(&[]), &Offer::Contained);

    assert_eq!(person.ask_everything(), [Change::AskEverything(true)]);

    assert_eq!(person.answer(&command(&[])), Err(Some(WhyAsked::Everything)));
    assert_eq!(person.offers(&command(&[])), []);
    let given = person.prepare(&command(&["git"]), &Offer::Needs);
    assert_eq!(given.err(), Some(PermissionError::NotOffered), "also where it was offered before");
    assert_eq!(person.in_effect().len(), 1, "nothing was revoked");
}

#[test]
fn only_the_person_ends_asking_about_everything() {
    let (mut world, client) = {
        let granted = scopes([Scope::Admin, Scope::Approvals, Scope::Pairing]);
        let mut world = World::new(TrustRecords { devices: vec![record(&key(3), &granted)], ..records() });
        let client = Client::new(&key(3)).asks(granted.iter());
        let client = world.admitted(&local_named("ui"), &client).session;
        (world, client)
    };
    let window = window(&world.desktop_key());
    let now = world.now;
    for session in [client, window.clone(), command_line()] {
        assert!(world.authority.ask_everything(&session, now).is_ok(), "{session:?}");
        let Some(decider) = Decider::of(&session, Desktop::Running).ok() else { continue };
        let used = world.authority.use_permissions(&decider, now);
        assert_eq!(used.err(), Some(PermissionError::DesktopDecides), "{session:?}");
    }
    assert!(world.authority.asks_everything());

    let prepared = world.authority.use_permissions(&person(), now).expect("no desktop runs");
    assert_eq!(prepared.durable, [Change::AskEverything(false)]);
    assert!(world.authority.asks_everything(), "not before it is saved");
    world.commit(prepared);
    assert!(!world.authority.asks_everything());
}

#[test]
fn asking_about_everything_overtakes_its_end_that_is_being_saved() {
    let mut person = Person::new();
    person.ask_everything();
    let now = person.world.now;
    let prepared = person.world.authority.use_permissions(&person.decider, now).expect("the person");

    person.ask_everything();
    let applied = person.world.authority.apply(prepared, now);

    assert_eq!((applied.value, applied.durable), (None, vec![Change::AskEverything(true)]));
    assert!(person.world.authority.asks_everything());
}

#[test]
fn too_many_permissions_are_refused_until_some_have_ended() {
    let mut person = Person::new();
    for number in 0..MAX_STORED {
        person.gives(&command(&["git"]).below(&format!("/srv/{number}")), &Offer::Needs);
    }

    let refused = person.prepare(&command(&[]), &Offer::Contained);
    assert_eq!(refused.err(), Some(PermissionError::TooMany));
    person.gives(&command(&["git"]).below("/srv/7"), &Offer::Needs);
    person.gives(&command(&["sockets"]), &Offer::Task);
    person.world.pass(30 * DAY);
    let (_, durable) = person.gives(&command(&[]), &Offer::Contained);
    assert_eq!(durable.len(), 1, "what has ended is remembered for a while, to say why it asks");
    person.world.pass(31 * DAY);

    let (given, durable) = person.gives(&command(&["listen:80"]), &Offer::Needs);

    let removed = durable.iter().filter(|change| matches!(change, Change::RemovePermission(_))).count();
    assert_eq!(removed, MAX_STORED);
    assert!(person.in_effect().contains(&given.id));
}

#[test]
fn of_permissions_in_memory_the_oldest_gives_way() {
    let mut person = Person::new();
    let in_task = |number: usize| command(&["git"]).in_task(&format!("task-{number}"));
    person.gives(&command(&[]), &Offer::Contained);
    for number in 0..=MAX_IN_MEMORY {
        person.gives(&in_task(number), &Offer::Task);
    }

    assert!(!person.is_unasked(&in_task(0)));
    assert!(person.is_unasked(&in_task(1)) && person.is_unasked(&in_task(MAX_IN_MEMORY)));
    assert!(person.is_unasked(&command(&[])), "what is stored stays");
}

#[test]
fn what_is_given_again_is_one_permission_under_the_same_id() {
    let mut person = Person::new();
    let (first, _) = person.gives(&command(&["git"]), &Offer::Needs);
    person.world.pass(29 * DAY);

    let (again, durable) = person.gives(&command(&["git"]), &Offer::Needs);

    assert_eq!(again.id, first.id, "so that commands which run by it end when it is revoked");
    assert_eq!(durable, [Change::PutPermission(Box::new(again))]);
    assert_eq!(person.in_effect().len(), 1);
    person.world.pass(29 * DAY);
    assert!(person.is_unasked(&command(&["git"])), "30 days from the last time");
}

#[test]
fn a_replaced_folder_that_is_allowed_takes_the_old_ones_place() {
    let mut person = Person::new();
    let (first, _) = person.gives(&command(&[]), &Offer::Contained);
    let mut other = folder(PROJECT);
    other.identity.inode += 1;

    let (again, _) = person.gives(&command(&[]).in_folders(vec![other.clone()]), &Offer::Contained);

    assert_eq!((again.id.as_str(), person.in_effect().len()), (first.id.as_str(), 1));
    assert!(person.is_unasked(&command(&[]).in_folders(vec![other])));
    assert!(!person.is_unasked(&command(&[])));
}

#[test]
fn giving_is_audited_with_who_and_what() {
    let mut person = Person::new();
    let prepared = person.prepare(&command(&[]), &Offer::Contained).expect("it offers that");
    let now = person.world.now;
    let applied = person.world.authority.apply(prepared, now);
    let audit = applied.effects.iter().find_map(|effect| match effect {
        Effect::Audit(event) => Some(event.line.clone()),
        _ => None,
    });
    let line = audit.expect("a line");
    assert!(line.contains("by=person") && line.contains("kind=contained folder=/home/ada/project"), "{line}");
}
