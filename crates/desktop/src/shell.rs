//! The narrow port between the controller and a shell: what a shell tells, and what it has to do.
//! A shell obeys; it decides nothing.

mod subjects;

use std::collections::BTreeMap;

use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_protocol::{SessionKey, UnixMillis};
use tidegate_trust::Level;
use tidegate_trust::approval::PendingApproval;
use tidegate_trust::decision::Verdict;
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::settings::{Setting, ShownSetting};

pub use self::subjects::{FileContent, FileToKeep, FolderToUnshare, WorkspaceToChoose};
use crate::approvals::SessionName;
use crate::dialog::{Attention, Dialog, DialogId, DialogOutcome, Secret};
pub use crate::host_state::HostState;
use crate::press::{Press, Synthetic};
use crate::tray_menu::{TrayCommand, TrayMenu};

/// What a shell tells the controller. The time comes beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The host changed its state.
    Host(HostState),
    /// What waits for the person now, whole: it replaces what was told before. It is kept only
    /// while the host is ready: [`Effect::ReadQueue`] asks for it then.
    Queue(Queue),
    /// What agents do now.
    Work(Work),
    /// Something was chosen in the tray.
    Tray(TrayCommand),
    /// A notification was answered.
    Notification {
        id: NotificationId,
        /// What the person did.
        answer: NotificationAnswer,
    },
    /// Notifications work, or do not; a sentence with what to do.
    NotificationService(Surface),
    /// The tray is seen, or not.
    TrayHost(Surface),
    /// A dialog ended by what the person did in it.
    Dialog {
        id: DialogId,
        outcome: DialogOutcome,
        /// What pressed the button.
        press: Press,
    },
    /// A window or the command line asks that a dialog is opened. That is a request, never a decision.
    DialogRequest(DialogRequest),
    /// How an [`Effect`] that can fail ended.
    Done {
        /// The effect's number.
        task: TaskId,
        /// A new token to show once, or why it did not work, as a sentence for the person.
        result: Result<Option<Secret>, String>,
    },
    /// A second launch of the program.
    SecondLaunch,
    /// The first window opened, or the last one closed.
    Windows {
        /// Whether one is open.
        is_open: bool,
    },
    /// A window got the keyboard, or lost it.
    WindowFocus {
        /// Whether one has it.
        has_focus: bool,
    },
    /// The screen was locked or unlocked, where the system tells.
    Screen {
        /// Whether it is locked.
        is_locked: bool,
    },
    /// Whether Tidegate starts at login.
    Autostart(bool),
    /// Clients to which the person gave the right to manage pairing have decided so often since this
    /// was told last.
    DecidedByClients {
        /// How many they let in.
        let_in: u64,
        /// How many they refused.
        refused: u64,
    },
    /// Clients with permission to approve what agents ask for have decided so often since this was
    /// told last.
    AgentRequestsDecidedByClients {
        /// How many they approved.
        approved: u64,
        /// How many of these they approved until the task ends.
        approved_for_task: u64,
        /// How many they denied.
        denied: u64,
    },
    /// The moment of [`crate::controller::Controller::wake_at`] has come.
    Wake,
}

/// What a shell has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Draw the tray like this.
    Tray(TrayMenu),
    /// Show this notification, in place of the one before, until it is answered or taken away: a service
    /// that is started later or again shows it, too.
    Notify(Notification),
    /// Take the notification away.
    CloseNotification,
    /// Open a dialog.
    OpenDialog {
        id: DialogId,
        /// What it shows.
        dialog: Dialog,
        /// How it comes up.
        attention: Attention,
    },
    /// Show something else in an open dialog; its approving button is dead again for a while, unless what it
    /// approves stays the same.
    UpdateDialog {
        id: DialogId,
        /// What it shows now.
        dialog: Dialog,
    },
    /// Change these two things in an open review dialog. What is asked stays the same, so its
    /// approving button stays as it is, armed or not.
    RefreshDialog {
        id: DialogId,
        /// The new value of [`crate::dialog::ReviewDialog::behind`].
        behind: String,
        /// [`crate::dialog::ReviewDialog::expires_at`] now: its client asked again.
        expires_at: UnixMillis,
    },
    /// Bring an open dialog to the front, with the keyboard: the person asked for it.
    PresentDialog(DialogId),
    /// Close a dialog: it was decided elsewhere, replaced, or its time was up. No outcome follows.
    CloseDialog(DialogId),
    /// Decide about someone who waits: the person did, in the dialog.
    Decide {
        /// Answered by [`Input::Done`].
        task: TaskId,
        request: String,
        /// The digest of what was drawn.
        digest: String,
        verdict: Verdict,
    },
    /// Give a waiting program a token of its own, and end its request.
    GiveToken {
        /// Answered by [`Input::Done`], with the token.
        task: TaskId,
        request: String,
        /// The digest of what was drawn.
        digest: String,
        /// The token's name.
        name: String,
        level: Level,
        /// Whether it may manage pairing.
        pairing: bool,
    },
    /// Allow or deny a command.
    Resolve {
        /// Answered by [`Input::Done`].
        task: TaskId,
        /// The approval's id.
        approval: String,
        /// The digest of what was drawn.
        digest: String,
        verdict: ApprovalVerdict,
    },
    /// Let a value of the configuration file count.
    ConfirmSetting {
        /// Answered by [`Input::Done`].
        task: TaskId,
        setting: Setting,
        /// The digest of what was drawn.
        digest: String,
    },
    /// Refuse a value of the configuration file.
    RejectSetting {
        /// Answered by [`Input::Done`].
        task: TaskId,
        setting: Setting,
        /// The digest of what was drawn.
        digest: String,
    },
    /// Make a program token.
    NewToken {
        /// Answered by [`Input::Done`], with the token.
        task: TaskId,
        name: String,
        level: Level,
        /// Whether it may manage pairing.
        pairing: bool,
    },
    /// Try a model server's key and keep it.
    KeepModelKey {
        /// Answered by [`Input::Done`].
        task: TaskId,
        /// The server's id.
        id: String,
        /// Its base URL.
        base_url: String,
        key: Secret,
    },
    /// Tell [`Input::Queue`] again, soon: the gateway serves again, or the time of something in it
    /// was up.
    ReadQueue,
    /// Record in the audit log that a program pressed an approving button. Comes before the effect
    /// that carries the approval out.
    AuditSyntheticPress {
        /// What would be approved: the id of a request, or our own words.
        about: String,
        /// How it was pressed.
        by: Synthetic,
        /// Whether the press was allowed; if not, nothing was approved.
        is_allowed: bool,
    },
    /// Unblock: the person was asked. The device or program has to ask like any other then.
    Unblock {
        /// Answered by [`Input::Done`].
        task: TaskId,
        /// The block's short id.
        id: String,
    },
    /// Take a model server on this computer into use, and have its model answer: the person was asked.
    TakeServer {
        /// Answered by [`Input::Done`].
        task: TaskId,
        model: String,
        /// Who ran the server when the person was asked. If that changed, nothing is done.
        owner: String,
    },
    /// Put a file that was set aside back where it was: the person was asked.
    KeepFile {
        /// Answered by [`Input::Done`].
        task: TaskId,
        /// The file's id.
        id: String,
        /// The digest of what was drawn. If that changed, nothing is done.
        digest: String,
    },
    /// Give a folder copies of its own of files that others hold as well: the person was asked.
    Unshare {
        /// Answered by [`Input::Done`].
        task: TaskId,
        folder: String,
    },
    /// Have the person asked about everything from now on.
    AskEverything {
        /// Answered by [`Input::Done`].
        task: TaskId,
    },
    /// Use permissions again: the person was asked.
    UsePermissions {
        /// Answered by [`Input::Done`].
        task: TaskId,
    },
    /// Choose the folder in which a session works: the person was asked.
    ChooseWorkspace {
        /// Answered by [`Input::Done`].
        task: TaskId,
        session: SessionKey,
        /// `None` for the folder that sessions have when nobody chose one for them.
        folder: Option<String>,
        /// The digest of what was drawn. If that changed, nothing is done.
        digest: String,
    },
    /// Choose the folder that the person picked for a session.
    PickWorkspace {
        /// Answered by [`Input::Done`].
        task: TaskId,
        session: SessionKey,
        folder: String,
    },
    /// Open the window at a page, or show that page in it and bring it to the front.
    OpenWindow(Page),
    /// Bring the open window to the front as it is.
    RaiseWindow,
    /// Copy the connection lines of the running gateway.
    CopyConnectionLines {
        /// Answered by [`Input::Done`].
        task: TaskId,
    },
    /// Stop or resume new work of agents.
    SetPaused(bool),
    /// Start at login, or not.
    SetAutostart(bool),
    /// Restart the gateway.
    RestartGateway,
    /// Start the gateway on this port until the process ends.
    StartOnPort(u16),
    /// Open the log in the system's viewer.
    OpenLogs {
        /// Answered by [`Input::Done`].
        task: TaskId,
    },
    /// Copy the log's path.
    CopyLogPath,
    /// Stop in order and end the process.
    Quit,
}

/// What waits for the person, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queue {
    /// Devices and programs that want to pair.
    pub requests: Vec<PendingRequest>,
    /// Commands that agents want to run.
    pub commands: Vec<PendingApproval>,
    /// Values of the configuration file that would open something.
    pub settings: Vec<ShownSetting>,
    /// What the sessions of these commands are called, by their keys, as far as that is known.
    pub names: BTreeMap<String, SessionName>,
}

/// What agents do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// Whether new work is paused.
    pub is_paused: bool,
    /// The titles of the runs at work; may be hostile text.
    pub running: Vec<String>,
    /// Whether a command of an agent runs that is not contained: such a command may reach the display,
    /// and press what is on it.
    pub has_commands_beyond_contained: bool,
    /// How much ran without a question since Tidegate started, by what the person allowed before.
    pub unasked: u64,
    /// Whether the person wants to be asked about everything.
    pub asks_everything: bool,
}

/// What a surface of the desktop can do at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surface {
    /// Nobody looked yet.
    Unknown,
    Works,
    /// It does not; the sentence says why and what to do.
    Missing(String),
}

/// Names one notification that was shown; an answer to an older one is recognised by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotificationId(pub u64);

/// Names one effect that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

/// A notification: a hint, with generic text. Its buttons are always Review and Deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    /// The first line: our own words.
    pub title: String,
    /// More: our own words.
    pub body: String,
    /// Whether it has the buttons; one that only tells something has none.
    pub has_actions: bool,
}

/// What the person did with a notification. Programs of the session can forge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationAnswer {
    /// Open the dialog.
    Review,
    /// Refuse what it told of.
    Deny,
    /// It was closed, or faded.
    Closed,
}

/// A dialog that a window or the command line requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogRequest {
    /// The dialog of one request, command or value of the configuration by its id, or of the first
    /// that waits.
    Review(Option<String>),
    /// The dialog for a new program token.
    NewToken {
        /// The name to begin with; hostile text.
        name: String,
        /// The level to begin with.
        level: Level,
        /// Whether it would manage pairing.
        pairing: bool,
    },
    /// The dialog for a model server's key.
    ModelKey {
        /// The server's id to begin with; hostile text.
        id: String,
        /// The base URL to begin with; hostile text.
        base_url: String,
    },
    /// The question whether to unblock something.
    Unblock {
        /// The block's short id.
        id: String,
        /// The name it had; hostile text.
        name: String,
    },
    /// The question whether to take a model server on this computer into use.
    TakeServer {
        /// The model that was chosen; hostile text.
        model: String,
        /// Its program, process and user; hostile text.
        owner: String,
        /// Whose user that is; our own words.
        user: String,
        /// Where it listens.
        address: String,
    },
    /// The question whether to keep a file that was set aside.
    KeepFile(Box<FileToKeep>),
    /// The question whether to give a folder copies of its own of files that others hold as well.
    Unshare(FolderToUnshare),
    /// The question whether permissions are used again.
    UsePermissions,
    /// The question whether the agents of a session may work in a folder.
    ChooseWorkspace(Box<WorkspaceToChoose>),
    /// The chooser of the folder of a session.
    PickWorkspace {
        session: SessionKey,
        /// Its label; hostile text.
        label: Option<String>,
        /// The folder that it has; hostile text.
        present: String,
    },
    /// A page of the window.
    Window(Page),
}

/// A page of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// How Tidegate is.
    Overview,
    Requests,
    /// Who is let in.
    Devices,
    Chat,
    /// A conversation that begins.
    NewChat,
    /// What agents do.
    Activity,
    /// What the person allowed, and what ran by that.
    Permissions,
}
