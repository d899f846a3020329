//! Rules as permissions: offered with a plain command, and used while everything is what was shown.

use tidegate_protocol::payload::permissions::PermissionOffer as Offer;
use tidegate_trust::FileIdentity;
use tidegate_trust::approval::{ApprovalRequest, Operation};
use tidegate_trust::permissions::WhyAsked;
use tidegate_trust::rules::{FileTime, PlainCommand, ProgramFile, ResolvedCommand};

use crate::person::{But as _, PROJECT, Person, command, folder};

const RULE: Offer = Offer::Rule { words: 2 };

fn program(name: &str) -> ProgramFile {
    ProgramFile {
        path: format!("/usr/bin/{name}").into(),
        file: format!("/usr/bin/{name}").into(),
        identity: FileIdentity { device: 1, inode: 7 },
        length: 1000,
        changed_at: FileTime { seconds: 1_700_000_000, nanoseconds: 0 },
    }
}

fn command_of(text: &str) -> ApprovalRequest {
    command(&[]).with_digest(text)
}

/// A contained command that is plain, with what it needs.
fn plain(text: &str, needs: &[&str], programs: impl Fn(&str) -> ProgramFile) -> ApprovalRequest {
    let read = PlainCommand::parse(text).expect("plain");
    let found = read.segments().iter().map(|segment| programs(segment.program())).collect();
    let resolved = ResolvedCommand::new(read, found).expect("its programs");
    let mut request = command(needs).with_digest(text).with_context(|context| context.plain = Some(resolved));
    if let Operation::Exec { command, .. } = &mut request.operation {
        text.clone_into(command);
    }
    request
}

#[test]
fn a_rule_covers_its_commands_in_its_folder() {
    let mut person = Person::new();
    let test = plain("cargo test --lib", &[], program);

    assert!(person.offers(&test).contains(&RULE));
    let (given, durable) = person.gives(&test, &RULE);

    assert_eq!(durable.len(), 1, "it outlives the process");
    for covered in ["cargo test", "cargo test --lib", "cargo test 'a b'", "cargo test && cargo test --doc"] {
        assert!(person.is_unasked(&plain(covered, &[], program)), "{covered}");
    }
    assert!(person.is_unasked(&test.clone().below(&format!("{PROJECT}/crates"))), "a folder below is in it");
    for asked in ["cargo build", "cargo", "cargo test; rm -r target"] {
        assert!(!person.is_unasked(&plain(asked, &[], program)), "{asked}");
    }
    assert!(!person.is_unasked(&test.clone().in_folders(vec![folder("/elsewhere")])));
    assert_eq!(person.answer(&test.clone().unattended()), Err(Some(WhyAsked::Unattended)));
    person.revoke(&given.id).expect("there is one");
    assert!(!person.is_unasked(&test));
}

#[test]
fn a_rule_carries_needs_for_the_very_command_that_was_shown() {
    let mut person = Person::new();
    let network = &["network:example.org"];
    let fetch = plain("cargo fetch --locked", network, program);
    assert!(!person.offers(&fetch).contains(&RULE), "what follows two words could use the needs");
    person.gives(&fetch, &Offer::Rule { words: 3 });

    assert!(person.is_unasked(&fetch));
    assert!(person.is_unasked(&plain("cargo fetch --locked --offline", &[], program)), "it needs nothing");
    for (text, needs) in [
        ("cargo fetch --locked", &["network:example.com"]),
        ("cargo fetch --locked --config x", network),
        ("cargo fetch --locked && cargo fetch --locked --config x", network),
    ] {
        let answer = person.answer(&plain(text, needs, program));
        assert!(matches!(answer, Err(Some(WhyAsked::Rule(_)))), "{text}: {answer:?}");
    }
    // A second program would get the first one's needs.
    assert!(!person.is_unasked(&plain("cargo fetch --locked && cargo test", network, program)));
}

#[test]
fn a_program_that_is_gone_is_asked_about_with_the_reason() {
    let mut person = Person::new();
    person.gives(&plain("cargo test", &[], program), &RULE);
    let gone = |text: &str| {
        let command = PlainCommand::parse(text).expect("plain");
        command_of(text).with_context(|context| context.not_found = Some(command))
    };

    let why = WhyAsked::ProgramGone { program: "/usr/bin/cargo".to_owned() };
    assert_eq!(person.answer(&gone("cargo test --lib")), Err(Some(why)));
    assert_eq!(person.answer(&gone("make test")), Err(None), "there was no rule for that");
}

#[test]
fn a_replaced_program_is_asked_about_with_the_reason() {
    let mut person = Person::new();
    person.gives(&plain("cargo test", &[], program), &RULE);
    let replaced = |name: &str| ProgramFile { length: 1001, ..program(name) };

    let answer = person.answer(&plain("cargo test", &[], replaced));

    let Err(Some(why)) = answer else { panic!("{answer:?}") };
    assert!(why.to_string().contains("was replaced or changed"), "{why}");
}

#[test]
fn no_rule_is_offered_for_programs_that_run_others() {
    let person = Person::new();
    for text in ["sh -c id", "env cargo test", "git -C / log", "sudo cargo test", "ssh host id", "npx thing"]
    {
        let offers = person.offers(&plain(text, &[], program));
        assert!(!offers.iter().any(|offer| matches!(offer, Offer::Rule { .. })), "{text}: {offers:?}");
    }
    let joined = person.offers(&plain("cargo test; cargo build", &[], program));
    assert!(!joined.contains(&RULE), "one rule would not cover both: {joined:?}");
}
