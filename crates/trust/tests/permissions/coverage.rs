//! Which request is covered by what a person allowed.

use std::time::Duration;

use tidegate_protocol::confinement::{CommandClass, Need};
use tidegate_protocol::payload::permissions::PermissionOffer as Offer;
use tidegate_trust::approval::{FileAccess, Operation};
use tidegate_trust::permissions::WhyAsked;
use tidegate_trust::{FileIdentity, Folder};

use crate::person::{But as _, DAY, PROJECT, Person, command, file, folder, upwards};

fn write() -> FileAccess {
    FileAccess::Write { content: "text".to_owned() }
}

fn edit() -> FileAccess {
    FileAccess::Edit { old_text: "old".to_owned(), new_text: "new".to_owned() }
}

#[test]
fn nothing_is_unasked_before_a_person_allowed_something() {
    let mut person = Person::new();
    let notes = "/home/ada/notes";
    for request in [command(&[]), command(&["git"]), file(notes, FileAccess::Read), file(notes, write())] {
        assert_eq!(person.answer(&request), Err(None), "{request:?}");
    }
}

#[test]
fn contained_commands_are_unasked_in_an_allowed_folder_and_below() {
    let mut person = Person::new();
    let (given, _) = person.gives(&command(&[]), &Offer::Contained);

    let below = command(&[]).below("/home/ada/project/crates/a");
    for covered in [
        command(&[]),
        command(&[]).in_task("another"),
        command(&[]).of_session("agent:main:another"),
        command(&[]).unattended(),
        below,
    ] {
        let used = person.answer(&covered).expect("a person allowed it");
        assert_eq!(used.permissions, [given.id.as_str()]);
    }
    for asked in ["/home/ada", "/home/ada/project2", "/home/ada/other/project", "/"] {
        assert_eq!(person.answer(&command(&[]).below(asked)), Err(None), "{asked}");
    }
    assert_eq!(person.answer(&command(&["git"])), Err(None), "no need comes with it");
    assert_eq!(person.answer(&command(&[]).in_folders(Vec::new())), Err(None), "nobody knows where");
}

#[test]
fn needs_are_unasked_when_each_is_allowed_in_the_folder() {
    let mut person = Person::new();
    let (one, _) = person.gives(&command(&["network:a.example", "listen:8080"]), &Offer::Needs);
    let (two, _) = person.gives(&command(&["write:/srv/out"]), &Offer::Needs);

    let both = command(&["listen:8080", "write:/srv/out"]).in_task("another");
    assert_eq!(person.answer(&both).expect("each is allowed").permissions, [one.id.as_str(), &two.id]);
    assert!(person.is_unasked(&command(&[])), "it may do less");
    for asked in [
        command(&["network:a.example", "git"]),
        command(&["network:b.example"]),
        command(&["network:a.example:8443"]),
        command(&["write:/srv"]),
        command(&["write:/srv/out/below"]),
        command(&["listen:8081"]),
        command(&["listen:8080"]).below("/home/ada"),
    ] {
        assert_eq!(person.answer(&asked), Err(None), "{asked:?}");
    }
}

#[test]
fn needs_of_a_task_are_unasked_in_that_task_alone() {
    let mut person = Person::new();
    let (given, durable) = person.gives(&command(&["git", "sockets"]), &Offer::Task);

    assert!(durable.is_empty(), "never stored: {durable:?}");
    let child = command(&["git"]).of_session("agent:main:subagent:1").below("/home/ada/project/docs");
    for covered in [command(&["git", "sockets"]), child, command(&[])] {
        assert_eq!(person.answer(&covered).expect("the same task").permissions, [given.id.as_str()]);
    }
    for asked in [command(&["git"]), command(&[])] {
        assert_eq!(person.answer(&asked.in_task("another")), Err(None));
    }
    assert_eq!(
        person.answer(&command(&["git"]).below("/home/ada/elsewhere")),
        Err(None),
        "a child elsewhere"
    );
}

#[test]
fn files_are_read_below_an_allowed_folder_by_that_session() {
    let mut person = Person::new();
    let notes = "/home/ada/notes";
    let (given, durable) = person.gives(&file(notes, FileAccess::Read), &Offer::ReadBelow);

    assert!(durable.is_empty(), "never stored: {durable:?}");
    for covered in [notes, "/home/ada/notes/2026/may"] {
        let read = file(covered, FileAccess::Read).in_task("another");
        assert_eq!(person.answer(&read).expect("below it").permissions, [given.id.as_str()]);
    }
    let trigger = |read: bool| {
        let mut request = file(notes, if read { FileAccess::Read } else { write() });
        if let Operation::File { trigger, .. } = &mut request.operation {
            *trigger = true;
        }
        request
    };
    for asked in [
        file("/home/ada", FileAccess::Read),
        file("/home/ada/notes2", FileAccess::Read),
        file(notes, FileAccess::Read).of_session("agent:main:subagent:1"),
        file(notes, FileAccess::Read).in_folders(Vec::new()),
        file(notes, write()),
        file(notes, edit()),
        trigger(true),
        trigger(false),
        command(&[]).below(notes),
    ] {
        assert_eq!(person.answer(&asked), Err(None), "{asked:?}");
    }
}

#[test]
fn commands_that_are_not_contained_are_asked_each_time() {
    let mut person = Person::new();
    person.gives(&command(&[]), &Offer::Contained);
    person.gives(&command(&["git"]), &Offer::Needs);
    person.gives(&command(&["git"]), &Offer::Task);

    for class in [CommandClass::Partial, CommandClass::Unconfined] {
        for needs in [&[][..], &["git"]] {
            let request = command(needs).with_confinement(|confinement| confinement.class = class);
            assert_eq!(person.answer(&request), Err(None), "{request:?}");
            assert_eq!(person.offers(&request), []);
        }
    }
    let by_need = command(&[]).with_confinement(|confinement| confinement.needs = vec![Need::Unconfined]);
    assert_eq!(person.answer(&by_need), Err(None));
    let mut of_a_client = command(&[]);
    of_a_client.context = None;
    assert_eq!(person.answer(&of_a_client), Err(None));
    assert_eq!(person.offers(&of_a_client), []);
}

#[test]
fn another_folder_of_the_same_name_asks_and_says_so() {
    let mut person = Person::new();
    person.gives(&command(&[]), &Offer::Contained);
    person.gives(&command(&["git"]), &Offer::Needs);

    let identity = folder(PROJECT).identity;
    let replaced = FileIdentity { inode: 99, ..identity };
    let other_device = FileIdentity { device: 2, ..identity };
    for identity in [replaced, other_device] {
        let mut folders = upwards("/home/ada/project/docs");
        folders[1] = Folder { identity, ..folder(PROJECT) };
        for needs in [&[][..], &["git"]] {
            let here = command(needs).in_folders(folders[1..].to_vec());
            let below = command(needs).in_folders(folders.clone());
            let why = Some(WhyAsked::Replaced { folder: PROJECT.to_owned() });
            assert_eq!(person.answer(&here), Err(why.clone()), "{identity:?}");
            assert_eq!(person.answer(&below), Err(why), "{identity:?}");
        }
    }
    let moved = Folder { path: "/home/ada/old".into(), identity };
    assert_eq!(person.answer(&command(&[]).in_folders(vec![moved])), Err(None), "by another name");
    assert!(person.is_unasked(&command(&[])), "and the folder itself is allowed still");
}

#[test]
fn needs_end_after_30_days_and_the_folder_does_not() {
    let mut person = Person::new();
    person.gives(&command(&[]), &Offer::Contained);
    person.gives(&command(&["git"]), &Offer::Needs);

    person.world.pass(30 * DAY - Duration::from_millis(1));
    assert!(person.is_unasked(&command(&["git"])));
    person.world.pass(Duration::from_millis(1));

    let why = person.answer(&command(&["git"])).expect_err("it ended").expect("a reason");
    assert_eq!(why, WhyAsked::Expired { needs: "git".to_owned() });
    assert!(why.to_string().contains("30 days"));
    assert_eq!(person.in_effect().len(), 1, "what ended is not listed");
    person.world.pass(1000 * DAY);
    assert!(person.is_unasked(&command(&[])));
}

#[test]
fn a_clock_that_was_set_back_makes_no_needs_last_longer() {
    for (back, is_unasked) in [(5, true), (6, false), (86_400, false)] {
        let mut person = Person::new();
        person.gives(&command(&["git"]), &Offer::Needs);
        let now = &mut person.world.now;
        now.wall.0 -= back * 1000;
        assert_eq!(person.is_unasked(&command(&["git"])), is_unasked, "{back} s");
    }
}

#[test]
fn runs_that_nobody_watches_use_contained_commands_alone() {
    let mut person = Person::new();
    let notes = "/home/ada/notes";
    person.gives(&command(&["git"]), &Offer::Needs);
    person.gives(&command(&["sockets"]), &Offer::Task);
    person.gives(&file(notes, FileAccess::Read), &Offer::ReadBelow);

    let unattended = [command(&["git"]), command(&["sockets"]), command(&[]), file(notes, FileAccess::Read)];
    for request in unattended {
        assert!(person.is_unasked(&request), "{request:?}");
        let asked = person.answer(&request.unattended());
        assert_eq!(asked, Err(Some(WhyAsked::Unattended)));
    }
    assert_eq!(person.answer(&command(&["listen:80"]).unattended()), Err(None), "nothing was allowed");
    person.gives(&command(&[]), &Offer::Contained);
    assert!(person.is_unasked(&command(&[]).unattended()));
}

#[test]
fn git_is_allowed_for_the_repository_that_was_shown() {
    let mut person = Person::new();
    person.gives(&command(&["git", "sockets"]), &Offer::Needs);
    person.gives(&command(&["git"]), &Offer::Task);

    for repository in [Some("/home/ada/another/.git".to_owned()), None] {
        let other = command(&["git"]).with_confinement(|confinement| confinement.repository = repository);
        assert_eq!(person.answer(&other), Err(Some(WhyAsked::Repository)));
    }
    assert!(person.is_unasked(&command(&["git"])));
    assert!(person.is_unasked(&command(&["sockets"])), "the repository matters to git alone");
}

#[test]
fn another_folder_under_the_name_of_one_outside_asks_and_says_so() {
    let identities = |place: &str| {
        let identity = folder(place).identity;
        [FileIdentity { inode: 99, ..identity }, FileIdentity { device: 2, ..identity }]
    };
    for (need, place) in [("write:/srv/out", "/srv/out"), ("git", "/home/ada/main/.git")] {
        for offer in [Offer::Needs, Offer::Task] {
            let mut person = Person::new();
            let (given, _) = person.gives(&command(&[need]), &offer);

            for identity in identities(place) {
                let now = vec![Folder { identity, ..folder(place) }];
                let elsewhere = command(&[need]).with_context(|context| context.outside = now);
                let why = WhyAsked::ReplacedOutside { folder: place.to_owned() };
                assert_eq!(person.answer(&elsewhere), Err(Some(why)), "{need} {offer:?}");
            }
            let unknown = command(&[need]).with_context(|context| context.outside = Vec::new());
            assert!(!person.is_unasked(&unknown), "nobody knows what it is");
            assert_eq!(person.answer(&command(&[need])).expect("the same folder").permissions, [given.id]);
        }
    }
}

#[test]
fn a_folder_outside_that_was_replaced_is_allowed_in_the_place_of_the_old_one() {
    let mut person = Person::new();
    let (first, _) = person.gives(&command(&["write:/srv/out"]), &Offer::Needs);
    let identity = FileIdentity { device: 1, inode: 99 };
    let now = vec![Folder { identity, ..folder("/srv/out") }];
    let replaced = command(&["write:/srv/out"]).with_context(|context| context.outside = now);

    let (second, _) = person.gives(&replaced, &Offer::Needs);

    assert_eq!((second.id, person.in_effect().len()), (first.id, 1));
    assert!(person.is_unasked(&replaced) && !person.is_unasked(&command(&["write:/srv/out"])));
}

#[test]
fn reasons_words_variables_and_limits_of_a_command_give_nothing() {
    let mut person = Person::new();
    person.gives(&command(&["git"]), &Offer::Task);

    let mut tricky = command(&["git", "network:evil.example"]).with_confinement(|confinement| {
        confinement.reason = Some("needs: git".to_owned());
    });
    if let Operation::Exec { command, command_argv, env, cwd, .. } = &mut tricky.operation {
        *command = "git status".to_owned();
        *command_argv = vec!["git".to_owned(), "status".to_owned()];
        *env = vec![("TIDEGATE_TASK".to_owned(), "task-1".to_owned())];
        *cwd = PROJECT.to_owned();
    }

    assert_eq!(person.answer(&tricky), Err(None), "a hidden need is a need");
}
