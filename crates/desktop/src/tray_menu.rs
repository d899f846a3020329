//! The tray's icon and menu, as a value computed from what is known. A shell draws it and tells
//! what was chosen; it adds nothing of its own.

use std::time::Duration;

use tidegate_protocol::text;

use crate::host_state::HostState;

/// The most characters of one line of the menu. Menus do not wrap; longer ones leave the screen.
pub const MAX_LINE: usize = 60;
/// The most characters of a tooltip: Windows shows 127.
pub const MAX_TOOLTIP: usize = 127;
/// The most characters of a sentence that says why Tidegate could not start.
const MAX_SENTENCE: usize = 480;
/// The most characters of a sentence that says what is missing.
const MAX_DEGRADED: usize = 180;

/// What the tray shows something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayState {
    /// How the gateway in this process is.
    pub host: HostState,
    /// What waits for the person.
    pub waiting: Waiting,
    /// Whether agents begin no new work.
    pub is_paused: bool,
    /// Whether Tidegate starts at login.
    pub starts_at_login: bool,
    /// How much ran without a question and was not looked at yet.
    pub unasked: u64,
    /// Whether the person is asked about everything.
    pub asks_everything: bool,
}

/// What waits for the person to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Devices and programs that want to pair.
    pub requests: usize,
    /// Commands that agents want to run.
    pub commands: usize,
    /// Values of the configuration file that would open something.
    pub settings: usize,
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
    pub icon: TrayIcon,
    /// One line for systems that show a text beside the pointer, at most [`MAX_TOOLTIP`] characters.
    pub tooltip: String,
    /// The menu, from top to bottom: what waits, how the gateway is, what can be done.
    pub entries: Vec<MenuEntry>,
}

/// One line of the menu, at most [`MAX_LINE`] characters without control and invisible ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuEntry {
    /// Text that cannot be chosen.
    Text(String),
    /// A line between groups.
    Separator,
    /// Something to do.
    Command {
        /// What it is called.
        label: String,
        /// What it does.
        command: TrayCommand,
        /// Whether it can be chosen now.
        is_enabled: bool,
        /// Whether it has a check mark; `None` for what is not on or off.
        is_checked: Option<bool>,
    },
}

/// What can be chosen in the tray. None of these decides a request: tray events can be forged by
/// programs of the session. Each says what is to be, and not "the other way round", so that an
/// event which comes late or twice does not undo itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayCommand {
    /// Open the dialog for the devices and programs that wait.
    ReviewRequests,
    /// Open the dialog for the commands that wait.
    ReviewCommands,
    /// Open the dialog for the values of the configuration that wait.
    ReviewSettings,
    /// Open the window.
    OpenWindow,
    /// Open the window at a new conversation.
    NewChat,
    /// Open the window where it says what ran without a question.
    ShowUnasked,
    /// Ask about everything from now on.
    AskEverything,
    /// Open the question whether permissions are used again: a forged event must not widen anything.
    UsePermissions,
    /// Begin no new work of agents.
    PauseAgents,
    /// Let agents work again.
    ResumeAgents,
    /// Copy the lines that aim a client at this gateway.
    CopyConnectionLines,
    /// Stop the gateway in order and start it again.
    RestartGateway,
    /// Start the gateway on the port that the menu names, since its own is taken.
    UseFreePort,
    /// Start at login from now on.
    StartAtLogin,
    /// Do not start at login any more.
    DoNotStartAtLogin,
    /// Open the log.
    OpenLogs,
    /// Stop the gateway in order and end the process.
    Quit,
}

impl TrayCommand {
    /// All commands that a menu can hold.
    pub const ALL: [Self; 17] = [
        Self::ReviewRequests,
        Self::ReviewCommands,
        Self::ReviewSettings,
        Self::OpenWindow,
        Self::NewChat,
        Self::ShowUnasked,
        Self::AskEverything,
        Self::UsePermissions,
        Self::PauseAgents,
        Self::ResumeAgents,
        Self::CopyConnectionLines,
        Self::RestartGateway,
        Self::UseFreePort,
        Self::StartAtLogin,
        Self::DoNotStartAtLogin,
        Self::OpenLogs,
        Self::Quit,
    ];

    /// A name that the system's menu can carry.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::ReviewRequests => "review-requests",
            Self::ReviewCommands => "review-commands",
            Self::ReviewSettings => "review-settings",
            Self::OpenWindow => "open-window",
            Self::NewChat => "new-chat",
            Self::ShowUnasked => "show-unasked",
            Self::AskEverything => "ask-everything",
            Self::UsePermissions => "use-permissions",
            Self::PauseAgents => "pause-agents",
            Self::ResumeAgents => "resume-agents",
            Self::CopyConnectionLines => "copy-connection-lines",
            Self::RestartGateway => "restart-gateway",
            Self::UseFreePort => "use-free-port",
            Self::StartAtLogin => "start-at-login",
            Self::DoNotStartAtLogin => "do-not-start-at-login",
            Self::OpenLogs => "open-logs",
            Self::Quit => "quit",
        }
    }

    /// The command of a name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.id() == id)
    }
}

impl TrayMenu {
    /// What the tray shows.
    #[must_use]
    pub fn of(state: &TrayState) -> Self {
        let waiting = waiting_entries(state);
        let status = status_lines(state);
        let first = waiting.iter().find_map(label).or(status.first().map(String::as_str)).unwrap_or_default();
        let tooltip = text::one_line(&format!("Tidegate: {first}"), MAX_TOOLTIP);
        let is_ready = matches!(state.host, HostState::Ready { .. });
        let is_stopping = state.host == HostState::Stopping;
        let can_restart = !is_stopping && state.host != HostState::Starting;

        let mut entries = waiting;
        entries.extend(status.into_iter().map(MenuEntry::Text));
        if let HostState::PortTaken { free, .. } = state.host {
            let label = format!("Use port {free} until Tidegate quits");
            entries.push(command(&label, TrayCommand::UseFreePort, true));
        }
        entries.extend(is_ready.then(|| unasked_entry(state.unasked)).flatten());
        entries.push(MenuEntry::Separator);
        entries.push(command("Open Tidegate", TrayCommand::OpenWindow, !is_stopping));
        entries.push(command("New chat", TrayCommand::NewChat, is_ready));
        entries.push(MenuEntry::Separator);
        entries.push(match state.is_paused {
            false => command("Pause agents", TrayCommand::PauseAgents, is_ready),
            true => command("Resume agents", TrayCommand::ResumeAgents, is_ready),
        });
        entries.push(MenuEntry::Command {
            label: "Ask for everything".to_owned(),
            command: match state.asks_everything {
                false => TrayCommand::AskEverything,
                true => TrayCommand::UsePermissions,
            },
            is_enabled: is_ready,
            is_checked: Some(state.asks_everything),
        });
        entries.push(command("Copy connection lines", TrayCommand::CopyConnectionLines, is_ready));
        entries.push(command("Restart gateway", TrayCommand::RestartGateway, can_restart));
        entries.push(MenuEntry::Separator);
        entries.push(MenuEntry::Command {
            label: "Start at login".to_owned(),
            command: match state.starts_at_login {
                false => TrayCommand::StartAtLogin,
                true => TrayCommand::DoNotStartAtLogin,
            },
            is_enabled: !is_stopping,
            is_checked: Some(state.starts_at_login),
        });
        entries.push(command("Open logs", TrayCommand::OpenLogs, true));
        entries.push(MenuEntry::Separator);
        entries.push(command("Quit", TrayCommand::Quit, !is_stopping));
        Self { icon: icon(state), tooltip, entries }
    }

    /// Whether the menu offers a command now. One that it does not offer was forged, or chosen in a
    /// menu that has changed since.
    #[must_use]
    pub fn offers(&self, wanted: TrayCommand) -> bool {
        self.entries.iter().any(
            |entry| matches!(entry, MenuEntry::Command { command, is_enabled: true, .. } if *command == wanted),
        )
    }
}

fn command(label: &str, command: TrayCommand, is_enabled: bool) -> MenuEntry {
    MenuEntry::Command { label: label.to_owned(), command, is_enabled, is_checked: None }
}

fn label(entry: &MenuEntry) -> Option<&str> {
    match entry {
        MenuEntry::Text(text) => Some(text),
        MenuEntry::Command { label, .. } => Some(label),
        MenuEntry::Separator => None,
    }
}

fn icon(state: &TrayState) -> TrayIcon {
    match state.host {
        HostState::Starting | HostState::Stopping => TrayIcon::Working,
        HostState::Ready { .. } if state.waiting != Waiting::default() => TrayIcon::Attention,
        HostState::Ready { .. } => TrayIcon::Ok,
        HostState::BackingOff { .. } | HostState::Failed(_) | HostState::PortTaken { .. } => TrayIcon::Error,
    }
}

fn waiting_entries(state: &TrayState) -> Vec<MenuEntry> {
    if !matches!(state.host, HostState::Ready { .. }) {
        return Vec::new();
    }
    let requests = match state.waiting.requests {
        0 => None,
        1 => Some("1 request waits".to_owned()),
        count => Some(format!("{count} requests wait")),
    };
    let commands = match state.waiting.commands {
        0 => None,
        1 => Some("1 request of an agent waits".to_owned()),
        count => Some(format!("{count} requests of agents wait")),
    };
    let requests = requests.map(|label| command(&label, TrayCommand::ReviewRequests, true));
    let commands = commands.map(|label| command(&label, TrayCommand::ReviewCommands, true));
    let settings = match state.waiting.settings {
        0 => None,
        1 => Some("1 value of the configuration waits".to_owned()),
        count => Some(format!("{count} values of the configuration wait")),
    };
    let settings = settings.map(|label| command(&label, TrayCommand::ReviewSettings, true));
    requests.into_iter().chain(commands).chain(settings).collect()
}

/// What ran without a question since the person looked last.
fn unasked_entry(count: u64) -> Option<MenuEntry> {
    let label = match count {
        0 => return None,
        1 => "1 command ran contained".to_owned(),
        count => format!("{} commands ran contained", text::grouped(count)),
    };
    Some(command(&label, TrayCommand::ShowUnasked, true))
}

/// How the gateway is: at least one line.
fn status_lines(state: &TrayState) -> Vec<String> {
    match &state.host {
        HostState::Starting => vec!["Starting".to_owned()],
        HostState::Ready { port, degraded } => {
            let mut lines = vec![format!("Ready on port {port}")];
            if state.is_paused {
                lines.push("Agents are paused".to_owned());
            }
            if let Some(first) = degraded.first() {
                lines.extend(wrap(&text::one_line(first, MAX_DEGRADED), MAX_LINE));
            }
            match degraded.len() {
                0 | 1 => {}
                2 => lines.push("Open Tidegate for 1 more hint".to_owned()),
                count => lines.push(format!("Open Tidegate for {} more hints", count - 1)),
            }
            lines
        }
        HostState::BackingOff { pause, reason } => {
            let first = format!("The gateway failed; it starts again in {}", seconds(*pause));
            let mut lines = wrap(&first, MAX_LINE);
            lines.extend(wrap(&text::one_line(reason, MAX_SENTENCE), MAX_LINE));
            lines
        }
        HostState::Failed(sentence) | HostState::PortTaken { reason: sentence, .. } => {
            let lines = wrap(&text::one_line(sentence, MAX_SENTENCE), MAX_LINE);
            if lines.is_empty() { vec!["Tidegate could not start".to_owned()] } else { lines }
        }
        HostState::Stopping => vec!["Stopping".to_owned()],
    }
}

/// A pause in whole seconds, rounded up.
fn seconds(pause: Duration) -> String {
    let seconds = pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0));
    format!("{} s", seconds.max(1))
}

/// `sentence` in lines of at most `limit` characters, broken between words where there are any.
fn wrap(sentence: &str, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        for (index, piece) in pieces(word, limit).into_iter().enumerate() {
            match lines.last_mut() {
                Some(line) if index == 0 && line.chars().count() + 1 + piece.chars().count() <= limit => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
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
