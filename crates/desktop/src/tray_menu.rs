//! The tray's icon and menu, as a value computed from what is known. A shell draws it and does
//! what a chosen command says; it adds nothing of its own.

use tidegate_protocol::text;

/// The most characters of one line of the menu. Menus do not wrap; longer ones leave the screen.
const MAX_LINE: usize = 60;
/// The most characters of a sentence that says why Tidegate does not run.
const MAX_SENTENCE: usize = 480;
/// The most characters of a tooltip: Windows shows 127.
const MAX_TOOLTIP: usize = 127;

/// How the gateway in this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostState {
    /// It is being built; nothing is served yet.
    Starting,
    /// It serves.
    Ready {
        /// Its port on this computer.
        port: u16,
        /// What waits for the person.
        waiting: Waiting,
    },
    /// It did not start, or it ended by itself. The sentence says why and what to do; it may hold
    /// text from outside.
    Failed(String),
    /// It ends what runs and saves; the process exits then.
    Stopping,
}

/// What waits for the person to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Devices and programs that ask to be let in.
    pub requests: usize,
    /// Commands that agents want to run.
    pub commands: usize,
}

/// The tray's icon: four drawings that differ in outline, so that no state hangs on colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayIcon {
    /// It serves, and nothing waits.
    Ok,
    /// It starts or stops.
    Working,
    /// Something waits for the person.
    Attention,
    /// It does not serve.
    Error,
}

/// What the tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayMenu {
    /// The icon.
    pub icon: TrayIcon,
    /// One line for systems that show a text beside the pointer, at most 127 characters.
    pub tooltip: String,
    /// The menu, from top to bottom. The first entry is always a text: the status line.
    pub entries: Vec<MenuEntry>,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuEntry {
    /// Text that cannot be chosen: one line, without control and invisible characters.
    Text(String),
    /// A line between groups.
    Separator,
    /// Something to do.
    Command {
        /// What it is called.
        label: &'static str,
        /// What it does.
        command: TrayCommand,
        /// Whether it can be chosen now.
        is_enabled: bool,
    },
}

/// What can be chosen in the tray. None of these decides a request: tray events can be forged by
/// programs of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayCommand {
    /// Stop the gateway in order and end the process.
    Quit,
}

impl TrayMenu {
    /// What the tray shows while the gateway is in `state`.
    #[must_use]
    pub fn of(state: &HostState) -> Self {
        let lines = status_lines(state);
        let tooltip = match lines.first() {
            Some(line) => text::one_line(&format!("Tidegate: {line}"), MAX_TOOLTIP),
            None => "Tidegate".to_owned(),
        };
        let mut entries: Vec<MenuEntry> = lines.into_iter().map(MenuEntry::Text).collect();
        entries.push(MenuEntry::Separator);
        entries.push(MenuEntry::Command {
            label: "Quit",
            command: TrayCommand::Quit,
            is_enabled: *state != HostState::Stopping,
        });
        Self { icon: icon(state), tooltip, entries }
    }
}

fn icon(state: &HostState) -> TrayIcon {
    match state {
        HostState::Starting | HostState::Stopping => TrayIcon::Working,
        HostState::Ready { waiting, .. } if *waiting != Waiting::default() => TrayIcon::Attention,
        HostState::Ready { .. } => TrayIcon::Ok,
        HostState::Failed(_) => TrayIcon::Error,
    }
}

/// At least one line.
fn status_lines(state: &HostState) -> Vec<String> {
    match state {
        HostState::Starting => vec!["Starting".to_owned()],
        HostState::Ready { port, waiting } => {
            let mut lines = Vec::new();
            match waiting.requests {
                0 => {}
                1 => lines.push("1 request waits".to_owned()),
                count => lines.push(format!("{count} requests wait")),
            }
            match waiting.commands {
                0 => {}
                1 => lines.push("1 command waits".to_owned()),
                count => lines.push(format!("{count} commands wait")),
            }
            lines.push(format!("Ready on port {port}"));
            lines.push("Decide requests with `tidegate devices`".to_owned());
            if waiting.commands > 0 {
                lines.push("Decide commands with `tidegate approvals`".to_owned());
            }
            lines
        }
        HostState::Failed(sentence) => wrap(&text::one_line(sentence, MAX_SENTENCE), MAX_LINE),
        HostState::Stopping => vec!["Stopping".to_owned()],
    }
}

/// `sentence` in lines of at most `limit` characters, broken between words where there are any.
fn wrap(sentence: &str, limit: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split_whitespace() {
        for (index, piece) in pieces(word, limit).into_iter().enumerate() {
            let Some(line) = lines.last_mut() else { break };
            let length = line.chars().count();
            if length == 0 {
                line.push_str(&piece);
            } else if index == 0 && length + 1 + piece.chars().count() <= limit {
                line.push(' ');
                line.push_str(&piece);
            } else {
                lines.push(piece);
            }
        }
    }
    lines
}

/// A word that is longer than a line, in parts that are not.
fn pieces(word: &str, limit: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(limit.max(1)).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ready(requests: usize, commands: usize) -> HostState {
        HostState::Ready { port: 18_789, waiting: Waiting { requests, commands } }
    }

    fn texts(menu: &TrayMenu) -> Vec<&str> {
        let texts = menu.entries.iter().filter_map(|entry| match entry {
            MenuEntry::Text(text) => Some(text.as_str()),
            MenuEntry::Separator | MenuEntry::Command { .. } => None,
        });
        texts.collect()
    }

    #[test]
    fn a_gateway_that_serves_shows_its_port_and_where_to_decide() {
        let menu = TrayMenu::of(&ready(0, 0));

        assert_eq!(menu.icon, TrayIcon::Ok);
        assert_eq!(menu.tooltip, "Tidegate: Ready on port 18789");
        assert_eq!(texts(&menu), ["Ready on port 18789", "Decide requests with `tidegate devices`"]);
    }

    #[test]
    fn what_waits_comes_first_and_changes_the_icon() {
        let one = TrayMenu::of(&ready(1, 0));
        let two = TrayMenu::of(&ready(2, 0));
        let command = TrayMenu::of(&ready(0, 1));

        assert_eq!(texts(&one)[0], "1 request waits");
        assert_eq!(texts(&two)[0], "2 requests wait");
        assert_eq!(texts(&command)[0], "1 command waits");
        assert!(texts(&command).contains(&"Decide commands with `tidegate approvals`"));
        for menu in [one, two, command] {
            assert_eq!(menu.icon, TrayIcon::Attention);
        }
    }

    #[test]
    fn a_failed_start_shows_the_whole_sentence_in_lines_that_fit() {
        let sentence = "Tidegate already runs with the state directory /home/someone/.local/share/tidegate; \
                        `tidegate status` shows it, `tidegate stop` stops it";

        let menu = TrayMenu::of(&HostState::Failed(sentence.to_owned()));

        assert_eq!(menu.icon, TrayIcon::Error);
        assert_eq!(texts(&menu).join(" "), sentence);
        assert!(texts(&menu).len() > 1);
    }

    #[test]
    fn a_gateway_that_stops_cannot_be_told_to_quit_again() {
        let quit = |menu: TrayMenu| menu.entries.last().cloned();

        let while_stopping = quit(TrayMenu::of(&HostState::Stopping));
        let before = quit(TrayMenu::of(&HostState::Starting));

        let expected =
            |is_enabled| Some(MenuEntry::Command { label: "Quit", command: TrayCommand::Quit, is_enabled });
        assert_eq!(while_stopping, expected(false));
        assert_eq!(before, expected(true));
    }

    proptest! {
        #[test]
        fn whatever_a_failure_says_becomes_short_plain_lines(sentence in any::<String>()) {
            let menu = TrayMenu::of(&HostState::Failed(sentence));

            prop_assert!(!texts(&menu).is_empty());
            prop_assert!(menu.tooltip.chars().count() <= MAX_TOOLTIP);
            for line in texts(&menu) {
                prop_assert!(line.chars().count() <= MAX_LINE, "{line:?}");
                prop_assert!(!line.chars().any(|c| c.is_control() || text::is_invisible(c)), "{line:?}");
            }
        }
    }
}
