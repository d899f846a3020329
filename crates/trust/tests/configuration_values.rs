//! Values of the configuration file that open Tidegate: they count once a person
//! has confirmed exactly what was shown, and nobody else can confirm.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;

use support::{Client, World, command_line, key, person, person_at_desktop, records, remote};
use tidegate_protocol::Scope;
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::{Decider, DecisionError, Desktop};
use tidegate_trust::records::SettingRecord;
use tidegate_trust::settings::{
    NotAnOrigin, ProposedSetting, Setting, SettingState, ShownSetting, WebOrigin,
};
use tidegate_trust::{Change, TrustRecords};

const ORIGINS: Setting = Setting::AllowedOrigins;
const UI: &str = "https://ui.example";
const OTHER: &str = "http://127.0.0.1:5173";

fn proposal(origins: &[&str]) -> ProposedSetting {
    ProposedSetting::origins(origins.iter().map(|origin| WebOrigin::parse(origin).expect("an origin")))
}

fn proposing(origins: &[&str]) -> World {
    let mut world = World::new(records());
    world.authority.propose(vec![proposal(origins)], world.now);
    world
}

fn shown(world: &World) -> ShownSetting {
    world.authority.settings().pop().expect("it is proposed")
}

fn confirm(world: &mut World, decider: &Decider) -> Result<Vec<Change>, DecisionError> {
    let digest = shown(world).proposed.digest();
    let mut confirmed = world.authority.confirm_setting(decider, ORIGINS, &digest, world.now)?;
    let durable = std::mem::take(&mut confirmed.durable);
    let effects = world.authority.apply(confirmed, world.now).effects;
    assert!(matches!(&effects[..], [Effect::Audit(_)]), "{effects:?}");
    Ok(durable)
}

fn record(durable: &[Change]) -> SettingRecord {
    match durable {
        [Change::PutSetting(record)] => (**record).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proposed_value_counts_only_once_a_person_confirmed_it() {
    let mut world = proposing(&[UI, OTHER]);
    assert_eq!(shown(&world).state, SettingState::Waiting);
    assert!(!world.authority.allows_origin(UI));

    let durable = confirm(&mut world, &person()).expect("a person may");

    assert_eq!(record(&durable).confirmed, proposal(&[UI, OTHER]).value);
    assert_eq!(shown(&world).state, SettingState::Confirmed);
    assert!(world.authority.waiting_settings().is_empty());
    for (origin, allowed) in [
        (UI, true),
        (OTHER, true),
        ("null", false),
        ("*", false),
        ("", false),
        ("https://ui.example.evil", false),
    ] {
        assert_eq!(world.authority.allows_origin(origin), allowed, "{origin}");
    }
    assert_eq!(confirm(&mut world, &person()), Err(DecisionError::Unknown), "there is nothing to confirm");
}

#[test]
fn nobody_but_the_person_confirms() {
    let mut world = proposing(&[UI]);
    let client = Client::new(&key(3)).asks(&[Scope::Admin, Scope::Pairing]);
    world.pair(&remote(1), &client);
    let device = world.admitted(&remote(1), &client).session;
    let own = world.own_session(&key(9));
    let desktop = world.desktop_key();
    let window = support::window(&desktop);

    assert!(Decider::of(&own, Desktop::Absent).is_err(), "our own client decides nothing");
    for (session, desktop, refused) in [
        (&device, Desktop::Absent, DecisionError::PersonOnly),
        (&window, Desktop::Running, DecisionError::DesktopDecides),
        (&command_line(), Desktop::Running, DecisionError::DesktopDecides),
    ] {
        let decider = Decider::of(session, desktop).expect("it decides other things");
        assert_eq!(confirm(&mut world, &decider), Err(refused));
        assert!(!world.authority.allows_origin(UI));
    }
    let device = Decider::of(&device, Desktop::Absent).expect("it may manage pairing");
    let rejected = world.authority.reject_setting(&device, ORIGINS, None, world.now);
    assert_eq!(rejected.map(|_| ()), Err(DecisionError::PersonOnly), "nor does it refuse");
    assert_eq!(shown(&world).state, SettingState::Waiting);
}

#[test]
fn a_confirmation_is_for_exactly_what_was_shown() {
    let mut world = proposing(&[UI]);
    let digest = shown(&world).proposed.digest();
    // The file changed and the gateway started again while the dialog was open.
    world.authority.propose(vec![proposal(&[UI, OTHER])], world.now);

    let late = world.authority.confirm_setting(&person(), ORIGINS, &digest, world.now);

    assert_eq!(late.map(|_| ()), Err(DecisionError::Changed));
    assert!(!world.authority.allows_origin(UI));
    confirm(&mut world, &person()).expect("what is shown now");
}

#[test]
fn a_value_that_grew_asks_again_and_one_that_shrank_does_not() {
    let mut world = proposing(&[UI]);
    confirm(&mut world, &person()).expect("confirmed");

    world.authority.propose(vec![proposal(&[UI, OTHER])], world.now);
    assert_eq!(shown(&world).state, SettingState::Waiting);
    assert_eq!(shown(&world).present, proposal(&[UI]).value, "what was confirmed still counts");
    assert!(world.authority.allows_origin(UI) && !world.authority.allows_origin(OTHER));

    confirm(&mut world, &person()).expect("confirmed");
    world.authority.propose(vec![proposal(&[OTHER])], world.now);
    assert_eq!(shown(&world).state, SettingState::Confirmed);
    assert!(!world.authority.allows_origin(UI), "the file tightens by itself");
    world.authority.propose(Vec::new(), world.now);
    assert!(!world.authority.allows_origin(OTHER) && world.authority.settings().is_empty());
}

#[test]
fn a_rejected_value_is_not_asked_about_again_and_a_confirmed_one_can_be_taken_back() {
    let mut world = proposing(&[UI]);
    let window = support::window(&world.desktop_key());
    let surface = Decider::of(&window, Desktop::Running).expect("it refuses");
    let changed = world.authority.reject_setting(&surface, ORIGINS, None, world.now).expect("rejected");
    let rejected = record(&changed.durable);
    assert_eq!(shown(&world).state, SettingState::Rejected);
    let mut next = World::new(TrustRecords { settings: vec![rejected], ..records() });
    next.authority.propose(vec![proposal(&[UI])], next.now);
    assert_eq!(shown(&next).state, SettingState::Rejected, "after a restart too");

    let id = next.authority.ask_again(ORIGINS).expect("it is not confirmed");
    assert_eq!((shown(&next).state, shown(&next).id()), (SettingState::Waiting, id));
    assert!(!next.authority.allows_origin(UI), "to be asked about is not to count");
    confirm(&mut next, &person()).expect("a person thinks better of it");
    assert_eq!(next.authority.ask_again(ORIGINS), None);

    let changed = next.authority.reject_setting(&surface, ORIGINS, None, next.now).expect("taken back");
    assert!(!next.authority.allows_origin(UI), "at once, before it is saved");
    assert_eq!(record(&changed.durable).confirmed, BTreeSet::new());
    let mut stored = TrustRecords::default();
    assert!(!stored.apply_unsaved(&changed.durable[0]), "there is nothing to take from");
}

#[test]
fn a_confirmation_that_could_not_be_saved_does_not_count() {
    let mut world = proposing(&[UI]);
    let digest = shown(&world).proposed.digest();
    let confirmed = world.authority.confirm_setting(&person(), ORIGINS, &digest, world.now).expect("taken");
    let other = world.authority.reject_setting(&person(), ORIGINS, None, world.now);
    assert_eq!(other.map(|_| ()), Err(DecisionError::Unknown), "one decision at a time");
    world.authority.roll_back(confirmed);
    assert!(!world.authority.allows_origin(UI));
    assert_eq!(shown(&world).state, SettingState::Waiting);
    let desktop = person_at_desktop(&mut world);
    confirm(&mut world, &desktop).expect("it can be tried again, in the dialog");
    world.restart_gateway();
    world.authority.propose(vec![proposal(&[UI])], world.now);
    assert!(world.authority.allows_origin(UI));
}

#[test]
fn a_page_of_a_confirmed_origin_is_a_stranger() {
    let mut world = proposing(&[UI]);
    confirm(&mut world, &person()).expect("confirmed");
    world.asks_a_person(&remote(1), &Client::new(&key(3)).asks(&[Scope::Read]));
}

#[test]
fn only_what_a_browser_sends_for_one_page_is_an_origin() {
    for origin in
        ["https://ui.example", "http://localhost:18789", "http://[::1]:8080", "https://a-b.c_d.example:444"]
    {
        assert_eq!(WebOrigin::parse(origin).map(String::from).as_deref(), Ok(origin));
    }
    for (text, reason) in [
        ("*", NotAnOrigin::Every),
        ("https://*.example", NotAnOrigin::Every),
        ("null", NotAnOrigin::Null),
        ("", NotAnOrigin::Form),
        ("ui.example", NotAnOrigin::Form),
        ("https://", NotAnOrigin::Form),
        ("https://UI.example", NotAnOrigin::Form),
        ("https://ui.example/", NotAnOrigin::Form),
        ("https://ui.example:443", NotAnOrigin::Form),
        ("https://ui.example:0", NotAnOrigin::Form),
        ("https://ui.example:080", NotAnOrigin::Form),
        ("https://ui.example:99999", NotAnOrigin::Form),
        ("https://a@ui.example", NotAnOrigin::Form),
        ("https://ui.example https://evil.example", NotAnOrigin::Form),
        ("https://ui\u{200b}.example", NotAnOrigin::Form),
        ("http://[::1", NotAnOrigin::Form),
        ("http://[0::1]", NotAnOrigin::Form),
        ("http://[::1]x", NotAnOrigin::Form),
        ("file://", NotAnOrigin::Form),
    ] {
        assert_eq!(WebOrigin::parse(text), Err(reason), "{text}");
    }
}
