//! The tray's menu in every state, compared whole.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_desktop_core::shell::HostState;
use tidegate_desktop_core::tray_menu::{
    MAX_LINE, MAX_TOOLTIP, MenuEntry, TrayCommand, TrayIcon, TrayMenu, TrayState, Waiting,
};
use tidegate_protocol::text;

use crate::support::ready;

fn state(host: HostState) -> TrayState {
    TrayState {
        host,
        waiting: Waiting::default(),
        is_paused: false,
        starts_at_login: false,
        unasked: 0,
        asks_everything: false,
    }
}

fn waiting(requests: usize, commands: usize) -> TrayState {
    TrayState { waiting: Waiting { requests, commands, settings: 0 }, ..state(ready()) }
}

fn line(text: &str) -> MenuEntry {
    MenuEntry::Text(text.to_owned())
}

fn command(label: &str, command: TrayCommand, is_enabled: bool) -> MenuEntry {
    MenuEntry::Command { label: label.to_owned(), command, is_enabled, is_checked: None }
}

fn at_login(is_checked: bool, is_enabled: bool) -> MenuEntry {
    let command = if is_checked { TrayCommand::DoNotStartAtLogin } else { TrayCommand::StartAtLogin };
    MenuEntry::Command {
        label: "Start at login".to_owned(),
        command,
        is_enabled,
        is_checked: Some(is_checked),
    }
}

fn everything(is_checked: bool, is_enabled: bool) -> MenuEntry {
    let command = if is_checked { TrayCommand::UsePermissions } else { TrayCommand::AskEverything };
    MenuEntry::Command {
        label: "Ask for everything".to_owned(),
        command,
        is_enabled,
        is_checked: Some(is_checked),
    }
}

/// The part below the status lines of a gateway that is ready (`serves`), or is not.
fn below(serves: bool, can_restart: bool, stops: bool) -> Vec<MenuEntry> {
    vec![
        MenuEntry::Separator,
        command("Open Tidegate", TrayCommand::OpenWindow, !stops),
        command("New chat", TrayCommand::NewChat, serves),
        MenuEntry::Separator,
        command("Pause agents", TrayCommand::PauseAgents, serves),
        everything(false, serves),
        command("Copy connection lines", TrayCommand::CopyConnectionLines, serves),
        command("Restart gateway", TrayCommand::RestartGateway, can_restart),
        MenuEntry::Separator,
        at_login(false, !stops),
        command("Open logs", TrayCommand::OpenLogs, true),
        MenuEntry::Separator,
        command("Quit", TrayCommand::Quit, !stops),
    ]
}

fn menu(icon: TrayIcon, tooltip: &str, top: Vec<MenuEntry>, below: Vec<MenuEntry>) -> TrayMenu {
    TrayMenu { icon, tooltip: tooltip.to_owned(), entries: [top, below].concat() }
}

#[test]
fn a_gateway_that_serves_shows_its_port_and_everything_can_be_chosen() {
    let shown = TrayMenu::of(&state(ready()));

    let top = vec![line("Ready on port 18789")];
    assert_eq!(shown, menu(TrayIcon::Ok, "Tidegate: Ready on port 18789", top, below(true, true, false)));
}

#[test]
fn what_waits_is_the_first_line_opens_the_dialog_and_changes_the_icon() {
    let shown = TrayMenu::of(&waiting(2, 1));

    let top = vec![
        command("2 requests wait", TrayCommand::ReviewRequests, true),
        command("1 request of an agent waits", TrayCommand::ReviewCommands, true),
        line("Ready on port 18789"),
    ];
    let expected = menu(TrayIcon::Attention, "Tidegate: 2 requests wait", top, below(true, true, false));
    assert_eq!(shown, expected);
}

#[test]
fn one_and_many_are_worded_as_a_person_would() {
    let first = |requests, commands| TrayMenu::of(&waiting(requests, commands)).entries[0].clone();

    assert_eq!(first(1, 0), command("1 request waits", TrayCommand::ReviewRequests, true));
    assert_eq!(first(0, 3), command("3 requests of agents wait", TrayCommand::ReviewCommands, true));
}

#[test]
fn a_gateway_that_starts_offers_neither_chat_nor_lines_to_copy() {
    let shown = TrayMenu::of(&state(HostState::Starting));

    let top = vec![line("Starting")];
    assert_eq!(shown, menu(TrayIcon::Working, "Tidegate: Starting", top, below(false, false, false)));
}

#[test]
fn a_gateway_that_stops_cannot_be_told_to_quit_again() {
    let shown = TrayMenu::of(&state(HostState::Stopping));

    let top = vec![line("Stopping")];
    assert_eq!(shown, menu(TrayIcon::Working, "Tidegate: Stopping", top, below(false, false, true)));
}

#[test]
fn a_gateway_that_failed_and_starts_again_says_when_and_why() {
    let host =
        HostState::BackingOff { pause: Duration::from_millis(1200), reason: "the store is gone".to_owned() };

    let shown = TrayMenu::of(&state(host));

    let first = "The gateway failed; it starts again in 2 s";
    let top = vec![line(first), line("the store is gone")];
    let expected = menu(TrayIcon::Error, &format!("Tidegate: {first}"), top, below(false, true, false));
    assert_eq!(shown, expected);
}

#[test]
fn a_failed_start_shows_the_whole_sentence_in_lines_that_fit() {
    let sentence = "Tidegate already runs with the state directory /home/someone/.local/share/tidegate; \
                    `tidegate status` shows it, `tidegate stop` stops it";

    let shown = TrayMenu::of(&state(HostState::Failed(sentence.to_owned())));

    let top = vec![
        line("Tidegate already runs with the state directory"),
        line("/home/someone/.local/share/tidegate; `tidegate status` shows"),
        line("it, `tidegate stop` stops it"),
    ];
    let tooltip = "Tidegate: Tidegate already runs with the state directory";
    assert_eq!(shown, menu(TrayIcon::Error, tooltip, top, below(false, true, false)));
}

#[test]
fn a_port_that_is_taken_comes_with_one_to_use_instead() {
    let host = HostState::PortTaken { reason: "Port 18789 is in use".to_owned(), free: 18_790 };

    let shown = TrayMenu::of(&state(host));

    let label = "Use port 18790 until Tidegate quits";
    let top = vec![line("Port 18789 is in use"), command(label, TrayCommand::UseFreePort, true)];
    assert_eq!(
        shown,
        menu(TrayIcon::Error, "Tidegate: Port 18789 is in use", top, below(false, true, false))
    );
}

#[test]
fn a_failure_without_words_is_still_shown() {
    let shown = TrayMenu::of(&state(HostState::Failed(String::new())));

    assert_eq!(shown.entries[0], line("Tidegate could not start"));
}

#[test]
fn what_is_missing_is_said_below_the_port() {
    let degraded = vec![
        "The keyring is locked, so keys of model servers cannot be read; unlock it".to_owned(),
        "another".to_owned(),
        "a third".to_owned(),
    ];

    let shown = TrayMenu::of(&state(HostState::Ready { port: 1, degraded }));

    let top = vec![
        line("Ready on port 1"),
        line("The keyring is locked, so keys of model servers cannot be"),
        line("read; unlock it"),
        line("Open Tidegate for 2 more hints"),
    ];
    assert_eq!(shown, menu(TrayIcon::Ok, "Tidegate: Ready on port 1", top, below(true, true, false)));
}

#[test]
fn paused_agents_are_said_and_can_be_resumed() {
    let shown = TrayMenu::of(&TrayState { is_paused: true, ..state(ready()) });

    assert_eq!(shown.entries[1], line("Agents are paused"));
    assert!(shown.entries.contains(&command("Resume agents", TrayCommand::ResumeAgents, true)));
    assert!(shown.offers(TrayCommand::ResumeAgents) && !shown.offers(TrayCommand::PauseAgents));
}

#[test]
fn starting_at_login_is_a_check_mark_that_says_what_choosing_it_does() {
    let shown = TrayMenu::of(&TrayState { starts_at_login: true, ..state(ready()) });

    assert!(shown.entries.contains(&at_login(true, true)));
    assert!(shown.offers(TrayCommand::DoNotStartAtLogin) && !shown.offers(TrayCommand::StartAtLogin));
}

#[test]
fn every_command_is_found_by_its_name_and_nothing_else_is() {
    for command in TrayCommand::ALL {
        assert_eq!(TrayCommand::from_id(command.id()), Some(command));
    }
    for forged in ["", "approve", "text", "Quit", "quit ", "review-requests\0"] {
        assert_eq!(TrayCommand::from_id(forged), None, "{forged:?}");
    }
}

fn any_host() -> impl Strategy<Value = HostState> {
    prop_oneof![
        Just(HostState::Starting),
        Just(HostState::Stopping),
        any::<String>().prop_map(HostState::Failed),
        (any::<u16>(), any::<String>()).prop_map(|(free, reason)| HostState::PortTaken { reason, free }),
        (any::<u64>(), any::<String>())
            .prop_map(|(pause, reason)| HostState::BackingOff { pause: Duration::from_secs(pause), reason }),
        (any::<u16>(), prop::collection::vec(any::<String>(), 0..4))
            .prop_map(|(port, degraded)| HostState::Ready { port, degraded }),
    ]
}

proptest! {
    #[test]
    fn whatever_the_host_says_becomes_short_plain_lines(
        host in any_host(),
        requests in any::<usize>(),
        commands in any::<usize>(),
        settings in any::<usize>(),
    ) {
        let waiting = Waiting { requests, commands, settings };
        let shown = TrayMenu::of(&TrayState { waiting, ..state(host) });

        prop_assert!(shown.tooltip.chars().count() <= MAX_TOOLTIP);
        for entry in &shown.entries {
            let label = match entry {
                MenuEntry::Separator => continue,
                MenuEntry::Text(label) | MenuEntry::Command { label, .. } => label,
            };
            prop_assert!(!label.is_empty() && label.chars().count() <= MAX_LINE, "{label:?}");
            prop_assert!(!label.chars().any(|c| c.is_control() || text::is_invisible(c)), "{label:?}");
        }
    }
}

#[test]
fn what_ran_without_a_question_is_a_line_that_opens_where_it_stands() {
    let shown = |unasked| TrayMenu::of(&TrayState { unasked, ..state(ready()) });

    assert_eq!(shown(1).entries[1], command("1 command ran contained", TrayCommand::ShowUnasked, true));
    assert_eq!(
        shown(1203).entries[1],
        command("1,203 commands ran contained", TrayCommand::ShowUnasked, true)
    );
    assert!(!shown(0).offers(TrayCommand::ShowUnasked));
    assert_eq!(shown(3).icon, TrayIcon::Ok, "nothing is to be decided about it");
}

#[test]
fn asking_for_everything_is_a_check_mark_that_says_what_choosing_it_does() {
    let shown = TrayMenu::of(&TrayState { asks_everything: true, ..state(ready()) });

    assert!(shown.entries.contains(&everything(true, true)));
    assert!(shown.offers(TrayCommand::UsePermissions) && !shown.offers(TrayCommand::AskEverything));
}
