//! What the review dialog shows, for every kind of pairing request.

use tidegate_desktop_core::dialog::{Extent, ReviewDialog};
use tidegate_desktop_core::review;
use tidegate_protocol::Scope;
use tidegate_protocol::refusal::PairingReason;
use tidegate_trust::decision::GrantLifetime;
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::pairing::{PairingRequest, Subject};
use tidegate_trust::program::{Ephemeral, Program};
use tidegate_trust::records::ProgramIdentity;
use tidegate_trust::{Level, ScopeSet};

use crate::support::{at, device_ask, program_ask, request};

fn shown(ask: PairingRequest) -> ReviewDialog {
    review::of_request(&request(0xed60_98d8, ask, at(0))).dialog
}

fn value<'a>(dialog: &'a ReviewDialog, label: &str) -> Option<&'a str> {
    dialog.fields.iter().find(|field| field.label == label).map(|field| field.value.as_str())
}

fn extents(dialog: &ReviewDialog) -> Vec<Extent> {
    let options = dialog.options.as_ref().expect("it can be narrowed");
    options.extents.iter().map(|option| option.extent).collect()
}

fn durations(dialog: &ReviewDialog) -> Vec<GrantLifetime> {
    let options = dialog.options.as_ref().expect("it can be narrowed");
    options.durations.iter().map(|option| option.duration).collect()
}

#[test]
fn a_new_device_shows_who_it_claims_to_be_and_what_is_known() {
    let dialog = shown(device_ask(1, &[Scope::Read, Scope::Admin]));

    assert_eq!(dialog.heading, "A new device wants to pair.");
    let fields: Vec<_> = dialog.fields.iter().map(|field| (field.label, field.value.as_str())).collect();
    let Some(fingerprint) = value(&dialog, "Fingerprint") else { panic!("{fields:#?}") };
    assert_eq!(fingerprint.len(), 19, "four groups of four");
    assert_eq!(
        fields,
        [
            ("Claimed name", "laptop 1"),
            ("Client (as it says)", "cli, used as cli, version 2026.9.6"),
            ("Platform (as it says)", "linux, desktop"),
            ("Role", "operator"),
            ("Comes from", "local network, 192.168.1.7"),
            ("Fingerprint", fingerprint),
        ]
    );
    assert_eq!(dialog.code, "ed6098d8");
    assert_eq!((dialog.approve, dialog.refuse, dialog.can_block), ("Approve", "Reject", true));
    let rights: Vec<_> = dialog.rights.iter().map(|right| (right.scope.clone(), right.is_added)).collect();
    assert_eq!(rights, [(Scope::Admin, true), (Scope::Read, true)]);
    assert_eq!(dialog.cautions, Vec::<String>::new());
    assert_eq!(
        extents(&dialog),
        [Extent::Asked, Extent::Level(Level::Read), Extent::Level(Level::Write), Extent::Level(Level::Full)]
    );
    assert_eq!(durations(&dialog), [GrantLifetime::Always, GrantLifetime::UntilQuit, GrantLifetime::Once]);
}

#[test]
fn an_upgrade_shows_the_difference() {
    let ask = device_ask(1, &[Scope::Read, Scope::Write]);
    let dialog = shown(PairingRequest {
        reason: PairingReason::ScopeUpgrade,
        has: ScopeSet::from([Scope::Read]),
        added: ScopeSet::from([Scope::Write]),
        ..ask
    });

    assert_eq!(dialog.heading, "A known device asks for more than it has.");
    assert_eq!(
        (value(&dialog, "Has now"), value(&dialog, "Would be added")),
        (Some("look"), Some("talk to agents"))
    );
    let rights: Vec<_> = dialog.rights.iter().map(|right| (right.scope.clone(), right.is_added)).collect();
    assert_eq!(rights, [(Scope::Write, true), (Scope::Read, false)]);
}

#[test]
fn another_role_and_another_kind_of_device_are_said() {
    let role = shown(PairingRequest {
        reason: PairingReason::RoleUpgrade,
        role: "node".to_owned(),
        ..device_ask(1, &[])
    });
    let metadata =
        shown(PairingRequest { reason: PairingReason::MetadataUpgrade, ..device_ask(1, &[Scope::Read]) });

    assert_eq!(role.heading, "A known device asks for another role.");
    assert_eq!(value(&role, "Role"), Some("node"));
    assert_eq!(extents(&role), [Extent::Asked], "levels are an operator's");
    assert_eq!(metadata.heading, "A known device says that it is another kind of device now.");
    assert!(metadata.cautions[0].contains("Somebody else may be using its key"));
}

#[test]
fn a_known_name_with_another_key_is_the_first_caution() {
    let dialog = shown(PairingRequest { known_name: true, ..device_ask(1, &[Scope::Pairing]) });

    assert!(dialog.cautions[0].starts_with("You gave this name to another device."));
    assert!(dialog.cautions[1].contains("approve other devices"));
}

#[test]
fn a_program_shows_its_files_and_can_have_a_token_of_its_own() {
    let dialog = shown(program_ask(1, &[Scope::Read]));

    assert_eq!(dialog.heading, "A new program wants to pair.");
    let fields: Vec<_> = dialog.fields.iter().map(|field| (field.label, field.value.as_str())).collect();
    assert_eq!(
        fields,
        [
            ("Claimed name", "laptop 1"),
            ("Client (as it says)", "cli, used as cli, version 2026.9.6"),
            ("Platform (as it says)", "linux, desktop"),
            ("Role", "operator"),
            ("Comes from", "this computer, your own user (1000)"),
            ("Script", "/opt/tools/tool-1.mjs"),
            ("Program file", "/usr/bin/node"),
        ],
        "each fact once"
    );
    assert!(dialog.cautions[0].contains("a tripwire and no proof"), "{:?}", dialog.cautions);
    assert!(dialog.options.is_some_and(|options| options.can_have_token));
}

#[test]
fn a_program_of_another_user_is_said_to_be_one_whatever_its_path() {
    let script = "/tmp/this computer, your own user: /usr/bin/x.mjs";
    let identity =
        ProgramIdentity { uid: 1001, executable: "/usr/bin/node".into(), script: Some(script.into()) };
    let program = Program { pid: 7, identity: identity.clone(), ephemeral: None };
    let peer = Peer::Process { uid: 1001, same_user: false, program: Some(program) };
    let dialog = shown(PairingRequest {
        subject: Subject::Program(identity),
        from: Origin::Loopback(peer).describe(),
        ..program_ask(1, &[Scope::Read])
    });

    assert_eq!(value(&dialog, "Comes from"), Some("this computer, another user (1001)"));
    assert_eq!(value(&dialog, "Script"), Some(script));
    assert_eq!(dialog.cautions[0], "Another user of this computer runs it.");
}

#[test]
fn full_control_is_offered_to_a_program_only_with_a_token_of_its_own() {
    let dialog = shown(program_ask(1, &[Scope::Admin]));

    assert!(!extents(&dialog).contains(&Extent::Asked), "what it asks for cannot be granted");
    let options = dialog.options.expect("it can be narrowed");
    let full = options.extents.iter().find(|option| option.extent == Extent::Level(Level::Full));
    assert_eq!(full.map(|option| option.label), Some("Full: only with a token of its own."));
    assert!(dialog.cautions.contains(&"Full control needs a token of its own.".to_owned()));
}

#[test]
fn a_ephemeral_program_can_be_let_in_only_once_and_the_dialog_says_why() {
    let sentence = Ephemeral::InlineCode.sentence();
    let dialog = shown(PairingRequest { ephemeral: Some(sentence), ..program_ask(1, &[Scope::Read]) });

    assert_eq!(durations(&dialog), [GrantLifetime::Once]);
    assert!(dialog.cautions.contains(&sentence.to_owned()));
}

#[test]
fn another_user_of_this_computer_and_the_internet_are_cautions() {
    let peer = Peer::Process { uid: 1001, same_user: false, program: None };
    let user = shown(PairingRequest { from: Origin::Loopback(peer).describe(), ..device_ask(1, &[]) });
    let address = "203.0.113.9".parse().expect("an address");
    let internet =
        shown(PairingRequest { from: Origin::Remote { address }.describe(), ..device_ask(1, &[]) });
    let own = Peer::Process { uid: 1000, same_user: true, program: None };
    let own = shown(PairingRequest { from: Origin::Loopback(own).describe(), ..device_ask(1, &[]) });

    assert_eq!(value(&user, "Comes from"), Some("this computer, another user (1001)"));
    assert_eq!(user.cautions, ["Another user of this computer runs it."]);
    assert_eq!(internet.cautions, ["It comes from the internet."]);
    assert_eq!(own.cautions, Vec::<String>::new());
}

#[test]
fn managing_pairing_can_be_granted_with_a_level_only_when_it_was_shown() {
    let can_pair = |ask: PairingRequest| shown(ask).options.is_some_and(|options| options.can_pair);

    assert!(!can_pair(device_ask(1, &[Scope::Admin])));
    assert!(can_pair(device_ask(1, &[Scope::Pairing])));
    assert!(can_pair(PairingRequest {
        has: ScopeSet::from([Scope::Pairing]),
        ..device_ask(1, &[Scope::Read])
    }));
}
