//! Questions, failures, windows, and the ends of the program.

use std::time::Duration;

use tidegate_desktop_core::controller::{Controller, Launch, TRAY_GRACE};
use tidegate_desktop_core::dialog::{Attention, Dialog, DialogId, DialogOutcome, MessageDialog, Selection};
use tidegate_desktop_core::press::Press;
use tidegate_desktop_core::shell::{Effect, HostState, Input, Page, Surface, Work};
use tidegate_desktop_core::tray_menu::{TrayCommand, TrayIcon};

use crate::support::{Desktop, at, device, opened, opened_one, opened_review, ready, task, tray};

fn missing() -> Surface {
    Surface::Missing("this desktop shows no tray icons".to_owned())
}

fn working(titles: &[&str]) -> Input {
    let running = titles.iter().map(|&title| title.to_owned()).collect();
    Input::Work(Work { running, ..Work::default() })
}

fn message(effects: &[Effect]) -> (DialogId, MessageDialog) {
    match opened_one(effects) {
        (id, Dialog::Message(message)) => (id, message),
        (_, other) => panic!("{other:#?}"),
    }
}

fn proceed(desktop: &mut Desktop, id: DialogId) -> Vec<Effect> {
    desktop.on(Input::Dialog { id, outcome: DialogOutcome::Proceed, press: Press::Device })
}

fn dismiss(desktop: &mut Desktop, id: DialogId) -> Vec<Effect> {
    desktop.on(Input::Dialog { id, outcome: DialogOutcome::Dismissed, press: Press::Device })
}

#[test]
fn the_tray_is_drawn_before_anything_else_and_the_first_start_ever_opens_overview() {
    let (_, first) = Controller::new(Launch { is_first_start: true, starts_at_login: false }, at(0));
    let (_, later) = Controller::new(Launch::default(), at(0));

    assert!(matches!(&first[..], [Effect::Tray(menu), Effect::OpenWindow(Page::Overview)]
        if menu.icon == TrayIcon::Working));
    assert!(matches!(&later[..], [Effect::Tray(_)]));
}

#[test]
fn without_a_tray_every_launch_opens_overview_once() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::TrayHost(missing()));

    let too_soon = desktop.wait(u64::try_from(TRAY_GRACE.as_millis()).expect("short") - 1);
    let then = desktop.wait(1);
    desktop.on(Input::TrayHost(missing()));

    assert_eq!(too_soon, []);
    assert_eq!(then, [Effect::OpenWindow(Page::Overview)]);
    assert_eq!(desktop.wait(60_000), []);
}

#[test]
fn a_tray_that_appears_in_time_keeps_the_window_closed() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::TrayHost(missing()));
    desktop.millis += 1000;

    desktop.on(Input::TrayHost(Surface::Works));

    assert_eq!(desktop.wait(60_000), []);
}

#[test]
fn closing_the_last_window_without_a_tray_says_where_tidegate_lives_or_quits() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::TrayHost(missing()));
    desktop.on(Input::Windows { is_open: true });

    let (id, said) = message(&desktop.on(Input::Windows { is_open: false }));

    assert_eq!(said.heading, "Tidegate is still running.");
    assert_eq!((said.proceed.as_deref(), said.dismiss), (Some("Quit"), "Keep running"));
    assert_eq!(proceed(&mut desktop, id), [Effect::Quit]);
}

#[test]
fn closing_the_last_window_with_a_tray_says_nothing() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::TrayHost(Surface::Works));
    desktop.on(Input::Windows { is_open: true });

    assert_eq!(desktop.on(Input::Windows { is_open: false }), []);
}

#[test]
fn a_second_launch_opens_the_window_or_raises_the_one_that_is_open() {
    let mut desktop = Desktop::ready();

    let closed = desktop.on(Input::SecondLaunch);
    desktop.on(Input::Windows { is_open: true });
    let open = desktop.on(Input::SecondLaunch);

    assert_eq!((closed, open), (vec![Effect::OpenWindow(Page::Overview)], vec![Effect::RaiseWindow]));
}

#[test]
fn quit_ends_at_once_when_nothing_is_at_work() {
    let mut desktop = Desktop::ready();

    assert_eq!(desktop.on(Input::Tray(TrayCommand::Quit)), [Effect::Quit]);
    assert_eq!(desktop.on(Input::Tray(TrayCommand::Quit)), [], "once is enough");
}

#[test]
fn quit_names_what_is_at_work_and_asks() {
    let mut desktop = Desktop::ready();
    desktop.on(working(&["a", "b", "c", "d", "e", "f", "g"]));

    let (id, asked) = message(&desktop.on(Input::Tray(TrayCommand::Quit)));

    let expected = MessageDialog {
        heading: "Quit while agents are running?".to_owned(),
        text: "These runs would be interrupted:\na\nb\nc\nd\ne\nand 2 more".to_owned(),
        proceed: Some("Quit".into()),
        other: None,
        dismiss: "Cancel",
    };
    assert_eq!(asked, expected);
    assert_eq!(dismiss(&mut desktop, id), []);
    let (id, _) = message(&desktop.on(Input::Tray(TrayCommand::Quit)));
    assert_eq!(proceed(&mut desktop, id), [Effect::Quit]);
}

#[test]
fn the_question_follows_what_is_at_work() {
    let mut desktop = Desktop::ready();
    desktop.on(working(&["a"]));
    let (id, mut asked) = message(&desktop.on(Input::Tray(TrayCommand::Quit)));

    let effects = desktop.on(working(&[]));

    asked.text = "No agents are running any more.".to_owned();
    assert_eq!(effects, [Effect::UpdateDialog { id, dialog: Dialog::Message(asked) }]);
}

#[test]
fn asking_twice_brings_the_question_to_the_front() {
    let mut desktop = Desktop::ready();
    desktop.on(working(&["a"]));
    let (id, _) = message(&desktop.on(Input::Tray(TrayCommand::Quit)));

    assert_eq!(desktop.on(Input::Tray(TrayCommand::Quit)), [Effect::PresentDialog(id)]);
}

#[test]
fn a_restart_that_would_interrupt_agents_is_asked_about() {
    let mut desktop = Desktop::ready();
    assert_eq!(desktop.on(Input::Tray(TrayCommand::RestartGateway)), [Effect::RestartGateway]);
    desktop.on(working(&["a"]));

    let (id, asked) = message(&desktop.on(Input::Tray(TrayCommand::RestartGateway)));

    assert_eq!(asked.proceed.as_deref(), Some("Restart"));
    assert_eq!(proceed(&mut desktop, id), [Effect::RestartGateway]);
}

#[test]
fn a_start_that_failed_is_shown_in_a_message_and_in_the_tray() {
    let mut desktop = Desktop::starting();

    let effects = desktop.on(Input::Host(HostState::Failed("the port is taken".to_owned())));

    let (id, said) = message(&effects);
    assert_eq!(
        (said.heading.as_str(), said.text.as_str()),
        ("Tidegate could not start.", "the port is taken")
    );
    assert_eq!((said.proceed.as_deref(), said.other, said.dismiss), (Some("Try again"), None, "Close"));
    assert_eq!(tray(&effects).map(|menu| menu.icon), Some(TrayIcon::Error));
    assert_eq!(proceed(&mut desktop, id), [Effect::RestartGateway]);
}

#[test]
fn a_port_that_is_taken_can_be_changed_for_a_free_one_in_the_message_and_in_the_tray() {
    let mut desktop = Desktop::starting();
    let taken = HostState::PortTaken { reason: "Port 18789 is in use.".to_owned(), free: 18_790 };

    let effects = desktop.on(Input::Host(taken));

    let (id, said) = message(&effects);
    assert_eq!(said.text, "Port 18789 is in use.");
    assert_eq!(
        (said.proceed.as_deref(), said.other, said.dismiss),
        (Some("Use port 18790"), Some("Try again"), "Close")
    );
    assert_eq!(desktop.on(Input::Tray(TrayCommand::UseFreePort)), [Effect::StartOnPort(18_790)]);
    assert_eq!(proceed(&mut desktop, id), [Effect::StartOnPort(18_790)]);
}

#[test]
fn a_port_that_is_taken_can_be_tried_again() {
    let mut desktop = Desktop::starting();
    let taken = HostState::PortTaken { reason: "Port 18789 is in use.".to_owned(), free: 18_790 };
    let (id, _) = message(&desktop.on(Input::Host(taken)));

    let effects = desktop.on(Input::Dialog { id, outcome: DialogOutcome::Other, press: Press::Device });

    assert_eq!(effects, [Effect::RestartGateway]);
}

#[test]
fn a_free_port_that_is_not_offered_is_not_taken() {
    let mut desktop = Desktop::starting();
    let taken = HostState::PortTaken { reason: "Port 18789 is in use.".to_owned(), free: 18_790 };
    assert_eq!(desktop.on(Input::Tray(TrayCommand::UseFreePort)), []);
    desktop.on(Input::Host(taken));

    let failed = desktop.on(Input::Host(HostState::Failed("no space".to_owned())));

    assert_eq!(desktop.on(Input::Tray(TrayCommand::UseFreePort)), []);
    assert_eq!(opened(&failed), [], "the next one comes by itself in a while only");
    let (_, said) = message(&desktop.wait(10_000));
    assert_eq!(
        (said.text.as_str(), said.proceed.as_deref(), said.other),
        ("no space", Some("Try again"), None)
    );
}

#[test]
fn a_failure_that_nobody_would_see_ends_the_process_with_its_message() {
    let mut desktop = Desktop::starting();
    desktop.on(Input::TrayHost(missing()));

    let (id, said) = message(&desktop.on(Input::Host(HostState::Failed("no space".to_owned()))));

    assert_eq!(said.dismiss, "Quit");
    assert_eq!(dismiss(&mut desktop, id), [Effect::Quit]);
}

#[test]
fn the_message_of_a_failure_goes_when_the_gateway_comes_back() {
    let mut desktop = Desktop::starting();
    let (id, _) = message(&desktop.on(Input::Host(HostState::Failed("no space".to_owned()))));

    let effects = desktop.on(Input::Host(ready()));

    assert!(effects.contains(&Effect::CloseDialog(id)));
}

#[test]
fn a_failure_while_the_screen_is_locked_is_shown_afterwards() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Screen { is_locked: true });
    let locked = desktop.on(Input::Host(HostState::Failed("no space".to_owned())));

    let unlocked = desktop.on(Input::Screen { is_locked: false });

    assert_eq!(opened(&locked), []);
    assert_eq!(opened(&unlocked).len(), 1);
    assert_eq!(opened(&unlocked)[0].2, Attention::Unasked);
}

#[test]
fn a_gateway_that_stops_leaves_no_dialog_behind() {
    let mut desktop = Desktop::ready();
    desktop.on(working(&["a"]));
    let review = opened(&desktop.tell(&[device(1, at(0))], &[]))[0].0;
    let (question, _) = message(&desktop.on(Input::Tray(TrayCommand::Quit)));

    let effects = desktop.on(Input::Host(HostState::Stopping));

    assert!(effects.contains(&Effect::CloseDialog(review)));
    assert!(effects.contains(&Effect::CloseDialog(question)));
    assert_eq!(desktop.wait(60_000), []);
}

#[test]
fn each_command_of_the_tray_does_what_it_says() {
    for (command, effect) in [
        (TrayCommand::OpenWindow, Effect::OpenWindow(Page::Overview)),
        (TrayCommand::NewChat, Effect::OpenWindow(Page::NewChat)),
        (TrayCommand::PauseAgents, Effect::SetPaused(true)),
        (TrayCommand::StartAtLogin, Effect::SetAutostart(true)),
    ] {
        assert_eq!(Desktop::ready().on(Input::Tray(command)), [effect]);
    }
    let mut paused = Desktop::ready();
    paused.on(Input::Work(Work { is_paused: true, ..Work::default() }));
    assert_eq!(paused.on(Input::Tray(TrayCommand::ResumeAgents)), [Effect::SetPaused(false)]);
    let mut chosen = Desktop::ready();
    chosen.on(Input::Autostart(true));
    assert_eq!(chosen.on(Input::Tray(TrayCommand::DoNotStartAtLogin)), [Effect::SetAutostart(false)]);
}

#[test]
fn a_log_that_no_program_opens_has_its_path_copied() {
    let mut desktop = Desktop::ready();
    let opening = task(&desktop.on(Input::Tray(TrayCommand::OpenLogs)));

    let (dialog, said) = message(&desktop.fail(opening, "The log is at /state/logs/tidegate.log."));

    assert_eq!(said.heading, "No program is set for log files.");
    assert_eq!(said.text, "The log is at /state/logs/tidegate.log.");
    assert_eq!(proceed(&mut desktop, dialog), [Effect::CopyLogPath]);
}

#[test]
fn a_log_that_is_open_says_nothing() {
    let mut desktop = Desktop::ready();
    let opening = task(&desktop.on(Input::Tray(TrayCommand::OpenLogs)));

    assert_eq!(desktop.done(opening), []);
}

#[test]
fn connection_lines_that_cannot_be_copied_are_a_problem() {
    let mut desktop = Desktop::ready();
    let copying = task(&desktop.on(Input::Tray(TrayCommand::CopyConnectionLines)));

    let (_, said) = message(&desktop.fail(copying, "The gateway is starting."));

    assert_eq!(said.text, "The gateway is starting.");
}

#[test]
fn nothing_has_to_be_woken_while_nothing_waits() {
    let desktop = Desktop::ready();

    assert_eq!(desktop.controller.wake_at(), None);
}

#[test]
fn what_waits_for_its_time_is_woken_for() {
    let mut desktop = Desktop::ready();
    desktop.tell(&[device(1, at(0)), device(2, at(0))], &[]);

    let wake = desktop.controller.wake_at().expect("the requests end some time");

    assert_eq!(wake.remaining(desktop.now()), Duration::from_mins(5));
}

#[test]
fn a_second_problem_does_not_hide_the_first() {
    let mut desktop = Desktop::ready();
    let mut failed = |number: u8, sentence: &str| {
        let (dialog, ..) = opened_review(&desktop.tell(&[device(number, desktop.now())], &[]));
        let effects = desktop.approve(dialog, Selection::default());
        desktop.tell(&[], &[]);
        desktop.wait(20_000);
        desktop.fail(task(&effects), sentence)
    };

    let (id, _) = message(&failed(1, "the first"));
    let effects = failed(2, "the second");

    let Effect::UpdateDialog { id: updated, dialog: Dialog::Message(said) } = &effects[0] else {
        panic!("{effects:#?}")
    };
    assert_eq!(*updated, id);
    assert_eq!(said.text, "Nothing was allowed: the second\nNothing was allowed: the first");
}
