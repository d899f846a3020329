//! Messages and questions: why Tidegate could not start, what would be cut off by quitting, where it
//! lives without a tray. And the windows that are opened for the same reasons.

mod keep_file;
mod unshare;
mod use_permissions;
pub(super) mod workspace;

use std::mem::discriminant;
use std::time::Duration;

use tidegate_protocol::{SessionKey, text};
use tidegate_trust::Timestamp;
use tidegate_trust::timestamp::Deadline;

use super::tasks::Task;
use super::{Controller, UNASKED_EVERY};
use crate::dialog::{Attention, Dialog, DialogId, DialogOutcome, MessageDialog};
use crate::shell::{Effect, FileToKeep, FolderToUnshare, HostState, Page, Surface, Work, WorkspaceToChoose};

/// How long a tray has to appear before the window is opened instead: at login it may come later
/// than we do.
pub const TRAY_GRACE: Duration = Duration::from_secs(3);
/// How many runs a question names.
const MAX_NAMED: usize = 5;
/// The most characters of a run's title.
const MAX_TITLE: usize = 80;
/// The most characters of a sentence from the host.
const MAX_SENTENCE: usize = 480;
/// The most characters of a line about a model server.
const MAX_OWNER: usize = 240;

const QUIT: &str = "Quit";

/// What is known of messages.
#[derive(Debug)]
pub(super) struct Messages {
    /// At most one of a kind.
    open: Vec<Open>,
    /// Why Tidegate could not start, and the port that is offered instead; not shown yet.
    failure: Option<(String, Option<u16>)>,
    /// A folder that a client asked for; not shown yet.
    asked_by_client: Option<WorkspaceToChoose>,
    /// When the window is opened because there is no tray.
    tray_grace: Option<Deadline>,
    /// Whether the window was opened because there is no tray, or because it is the first start.
    was_opened: bool,
}

#[derive(Debug)]
struct Open {
    id: DialogId,
    kind: Kind,
    shown: MessageDialog,
}

/// What a question asks to be approved.
#[derive(Debug, PartialEq, Eq)]
enum Approval {
    /// A block by its short id is taken away.
    Unblock { block: String },
    /// A model server is taken into use, as this owner runs it.
    TakeServer { model: String, owner: String },
    /// A file that was set aside is put back, as it was drawn.
    KeepFile { id: String, digest: String, path: String },
    /// A folder gets copies of its own.
    Unshare { folder: String },
    /// Permissions are used again.
    UsePermissions,
    /// A session works in a folder, as it was drawn; `None` for that of all others.
    ChooseWorkspace { session: SessionKey, folder: Option<String>, digest: String },
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Something did not work.
    Problem,
    Done,
    /// No program opens the log.
    LogNotOpened,
    /// Quit although runs are at work?
    Quit,
    /// Restart although runs are at work?
    Restart,
    /// The window was closed and there is no tray.
    NoTray,
    /// Tidegate could not start.
    Failed {
        /// The port that is offered instead of the one that is taken.
        free: Option<u16>,
    },
    /// Shall this be done?
    Approve(Approval),
}

impl Messages {
    pub(super) fn new(was_opened: bool) -> Self {
        Self { open: Vec::new(), failure: None, asked_by_client: None, tray_grace: None, was_opened }
    }

    pub(super) fn is_open(&self, id: DialogId) -> bool {
        self.open.iter().any(|open| open.id == id)
    }

    /// What the button of the question of this number approves, in the words of the audit log.
    pub(super) fn approved_by(&self, id: DialogId) -> Option<String> {
        let open = self.open.iter().find(|open| open.id == id)?;
        let Kind::Approve(approval) = &open.kind else { return None };
        Some(match approval {
            Approval::Unblock { block } => format!("unblock {block}"),
            Approval::TakeServer { model, .. } => {
                format!("model server of {}", text::one_line(model, MAX_TITLE))
            }
            Approval::KeepFile { path, .. } => format!("keep file {}", text::one_line(path, MAX_TITLE)),
            Approval::Unshare { folder } => {
                format!("unshare the files of {}", text::one_line(folder, MAX_TITLE))
            }
            Approval::UsePermissions => "use permissions again".to_owned(),
            Approval::ChooseWorkspace { session, .. } => {
                format!("folder of {}", text::one_line(session.as_str(), MAX_TITLE))
            }
        })
    }
}

impl Controller {
    pub(super) fn asked_to_quit(&mut self, effects: &mut Vec<Effect>) {
        match quit_question(&self.work) {
            Some(question) => self.say(Kind::Quit, question, Attention::Asked, effects),
            None => self.quit(effects),
        }
    }

    pub(super) fn asked_to_restart(&mut self, effects: &mut Vec<Effect>) {
        match restart_question(&self.work) {
            Some(question) => self.say(Kind::Restart, question, Attention::Asked, effects),
            None => effects.push(Effect::RestartGateway),
        }
    }

    pub(super) fn asked_to_unblock(&mut self, block: String, name: &str, effects: &mut Vec<Effect>) {
        self.ask_once(Approval::Unblock { block }, unblock_question(name), effects);
    }

    pub(super) fn asked_to_take_server(
        &mut self,
        model: String,
        owner: String,
        user: &str,
        address: &str,
        effects: &mut Vec<Effect>,
    ) {
        let question = take_server_question(&model, &owner, user, address);
        self.ask_once(Approval::TakeServer { model, owner }, question, effects);
    }

    pub(super) fn asked_to_keep_file(&mut self, file: FileToKeep, effects: &mut Vec<Effect>) {
        let question = keep_file::question(&file);
        let FileToKeep { id, digest, path, .. } = file;
        self.ask_once(Approval::KeepFile { id, digest, path }, question, effects);
    }

    pub(super) fn asked_to_unshare(&mut self, shared: FolderToUnshare, effects: &mut Vec<Effect>) {
        let question = unshare::question(&shared);
        self.ask_once(Approval::Unshare { folder: shared.folder }, question, effects);
    }

    pub(super) fn asked_to_use_permissions(&mut self, effects: &mut Vec<Effect>) {
        self.ask_once(Approval::UsePermissions, use_permissions::question(), effects);
    }

    pub(super) fn asked_to_choose_workspace(&mut self, asked: WorkspaceToChoose, effects: &mut Vec<Effect>) {
        if asked.by_client {
            // The person did not ask for it: it waits like all that comes up by itself.
            self.messages.asked_by_client.get_or_insert(asked);
            return;
        }
        let question = workspace::question(&asked);
        self.ask_once(choose_workspace(asked), question, effects);
    }

    pub(super) fn say_problem(&mut self, sentence: &str, effects: &mut Vec<Effect>) {
        let mut message = said("That did not work.", sentence);
        // An earlier problem that nobody has read yet stays readable.
        if let Some(open) = self.messages.open.iter().find(|open| open.kind == Kind::Problem) {
            let earlier = open.shown.text.lines().filter(|line| *line != message.text).take(MAX_NAMED);
            let lines: Vec<&str> = std::iter::once(message.text.as_str()).chain(earlier).collect();
            message.text = lines.join("\n");
        }
        self.say(Kind::Problem, message, Attention::Asked, effects);
    }

    /// `place`: where the log is, as a sentence.
    pub(super) fn say_log_not_opened(&mut self, place: &str, effects: &mut Vec<Effect>) {
        let message = MessageDialog {
            proceed: Some("Copy path".into()),
            dismiss: "Close",
            ..said("No program is set for log files.", place)
        };
        self.say(Kind::LogNotOpened, message, Attention::Asked, effects);
    }

    pub(super) fn say_done(&mut self, heading: &str, sentence: &str, effects: &mut Vec<Effect>) {
        self.say(Kind::Done, said(heading, sentence), Attention::Asked, effects);
    }

    pub(super) fn message_ended(&mut self, id: DialogId, outcome: &DialogOutcome, effects: &mut Vec<Effect>) {
        let Some(position) = self.messages.open.iter().position(|open| open.id == id) else { return };
        let open = self.messages.open.remove(position);
        match (open.kind, outcome) {
            // It was asked in this very dialog.
            (Kind::Quit, DialogOutcome::Proceed) => self.quit(effects),
            (Kind::NoTray, DialogOutcome::Proceed) => self.asked_to_quit(effects),
            (Kind::LogNotOpened, DialogOutcome::Proceed) => effects.push(Effect::CopyLogPath),
            // The one that its button named.
            (Kind::Failed { free: Some(port) }, DialogOutcome::Proceed) => {
                effects.push(Effect::StartOnPort(port));
            }
            (Kind::Restart | Kind::Failed { .. }, DialogOutcome::Proceed)
            | (Kind::Failed { .. }, DialogOutcome::Other) => effects.push(Effect::RestartGateway),
            (Kind::Approve(approval), DialogOutcome::Proceed) => self.approved(approval, effects),
            // It was shown so because nothing could be seen of the process.
            (Kind::Failed { .. }, _) if open.shown.dismiss == QUIT => self.quit(effects),
            _ => {}
        }
    }

    fn approved(&mut self, approval: Approval, effects: &mut Vec<Effect>) {
        effects.push(match approval {
            Approval::Unblock { block: id } => Effect::Unblock { task: self.begin(Task::Unblock), id },
            Approval::TakeServer { model, owner } => {
                let task = self.begin(Task::TakeServer { model: model.clone() });
                Effect::TakeServer { task, model, owner }
            }
            Approval::KeepFile { id, digest, .. } => {
                Effect::KeepFile { task: self.begin(Task::KeepFile), id, digest }
            }
            Approval::Unshare { folder } => Effect::Unshare { task: self.begin(Task::Unshare), folder },
            Approval::UsePermissions => Effect::UsePermissions { task: self.begin(Task::UsePermissions) },
            Approval::ChooseWorkspace { session, folder, digest } => {
                Effect::ChooseWorkspace { task: self.begin(Task::ChooseWorkspace), session, folder, digest }
            }
        });
    }

    /// The host changed its state: the message about a failure goes with it.
    pub(super) fn failure_changed(&mut self, effects: &mut Vec<Effect>) {
        match &self.host {
            HostState::Failed(sentence) => self.messages.failure = Some((sentence.clone(), None)),
            HostState::PortTaken { reason, free } => {
                self.messages.failure = Some((reason.clone(), Some(*free)));
            }
            _ => {
                self.messages.failure = None;
                self.close_messages(|kind| matches!(kind, Kind::Failed { .. }), effects);
            }
        }
        if self.host == HostState::Stopping {
            self.messages.asked_by_client = None;
            self.close_messages(|_| true, effects);
        }
    }

    pub(super) fn work_changed(&mut self, work: Work, effects: &mut Vec<Effect>) {
        self.work = work;
        for (kind, question) in
            [(Kind::Quit, quit_question(&self.work)), (Kind::Restart, restart_question(&self.work))]
        {
            let Some(open) = self.messages.open.iter_mut().find(|open| open.kind == kind) else { continue };
            // The question stays although nothing is at work any more: the person is about to answer.
            let text = question
                .map_or_else(|| "No agents are running any more.".to_owned(), |question| question.text);
            if open.shown.text != text {
                open.shown.text = text;
                effects
                    .push(Effect::UpdateDialog { id: open.id, dialog: Dialog::Message(open.shown.clone()) });
            }
        }
    }

    pub(super) fn tray_host_changed(&mut self, host: Surface, now: Timestamp) {
        let is_missing = matches!(host, Surface::Missing(_));
        match is_missing {
            true if !self.messages.was_opened => {
                self.messages.tray_grace.get_or_insert(now.deadline(TRAY_GRACE));
            }
            true => {}
            false => self.messages.tray_grace = None,
        }
        self.tray_host = host;
    }

    pub(super) fn windows_changed(&mut self, is_open: bool, effects: &mut Vec<Effect>) {
        let was_closed = self.has_window && !is_open;
        self.has_window = is_open;
        if is_open {
            self.close_messages(|kind| *kind == Kind::NoTray, effects);
        }
        if was_closed && matches!(self.tray_host, Surface::Missing(_)) && !self.is_quitting {
            self.say(Kind::NoTray, no_tray(), Attention::Asked, effects);
        }
    }

    /// Opens what time or the screen held back.
    pub(super) fn settle_messages(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.messages.tray_grace.is_some_and(|grace| grace.has_passed(now)) {
            self.messages.tray_grace = None;
            self.messages.was_opened = true;
            effects.push(Effect::OpenWindow(Page::Overview));
        }
        if self.may_open_unasked(now)
            && let Some((sentence, free)) = self.messages.failure.take()
        {
            let message = failed(&sentence, free, self.is_invisible());
            self.unasked = Some(now.deadline(UNASKED_EVERY));
            self.close_messages(|kind| matches!(kind, Kind::Failed { .. }), effects);
            self.say(Kind::Failed { free }, message, Attention::Unasked, effects);
        }
        if self.may_open_unasked(now)
            && let Some(asked) = self.messages.asked_by_client.take()
        {
            let question = workspace::question(&asked);
            let approval = choose_workspace(asked);
            if self.asking_alike(&approval).is_none() {
                self.unasked = Some(now.deadline(UNASKED_EVERY));
                self.say(Kind::Approve(approval), question, Attention::Unasked, effects);
            }
        }
    }

    /// Whether a message waits only for its time.
    pub(super) fn next_unasked_message(&self, now: Timestamp) -> Option<Duration> {
        let waits = self.messages.failure.is_some() || self.messages.asked_by_client.is_some();
        let waits = waits && !self.is_locked && !self.is_quitting;
        waits.then(|| self.unasked.map_or(Duration::ZERO, |gate| gate.remaining(now)))
    }

    /// Whether the window waits only for the tray's time to be up.
    pub(super) fn next_tray_grace(&self, now: Timestamp) -> Option<Duration> {
        let grace = self.messages.tray_grace.filter(|_| !self.is_quitting);
        grace.map(|grace| grace.remaining(now))
    }

    fn quit(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.is_quitting, true) {
            effects.push(Effect::Quit);
        }
    }

    /// Whether a person sees nothing of Tidegate.
    fn is_invisible(&self) -> bool {
        matches!(self.tray_host, Surface::Missing(_)) && !self.has_window
    }

    /// A question about one thing stays until it is answered: it never turns into one about another.
    fn ask_once(&mut self, approval: Approval, question: MessageDialog, effects: &mut Vec<Effect>) {
        match self.asking_alike(&approval) {
            Some(id) => effects.push(Effect::PresentDialog(id)),
            None => self.say(Kind::Approve(approval), question, Attention::Asked, effects),
        }
    }

    /// The open question of the same kind.
    fn asking_alike(&self, approval: &Approval) -> Option<DialogId> {
        let asks_alike = |open: &&Open| match &open.kind {
            Kind::Approve(other) => discriminant(other) == discriminant(approval),
            _ => false,
        };
        self.messages.open.iter().find(asks_alike).map(|open| open.id)
    }

    fn say(&mut self, kind: Kind, message: MessageDialog, attention: Attention, effects: &mut Vec<Effect>) {
        let Some(open) = self.messages.open.iter_mut().find(|open| open.kind == kind) else {
            let id = self.numbers.dialog();
            effects.push(Effect::OpenDialog { id, dialog: Dialog::Message(message.clone()), attention });
            self.messages.open.push(Open { id, kind, shown: message });
            return;
        };
        if open.shown != message {
            open.shown = message;
            effects.push(Effect::UpdateDialog { id: open.id, dialog: Dialog::Message(open.shown.clone()) });
        }
        effects.push(Effect::PresentDialog(open.id));
    }

    fn close_messages(&mut self, which: impl Fn(&Kind) -> bool, effects: &mut Vec<Effect>) {
        self.messages.open.retain(|open| {
            let closes = which(&open.kind);
            if closes {
                effects.push(Effect::CloseDialog(open.id));
            }
            !closes
        });
    }
}

fn choose_workspace(asked: WorkspaceToChoose) -> Approval {
    let WorkspaceToChoose { session, folder, is_default, digest, .. } = asked;
    Approval::ChooseWorkspace { session, folder: (!is_default).then_some(folder), digest }
}

fn said(heading: &str, sentence: &str) -> MessageDialog {
    MessageDialog {
        heading: heading.to_owned(),
        text: text::one_line(sentence, MAX_SENTENCE),
        proceed: None,
        other: None,
        dismiss: "OK",
    }
}

fn no_tray() -> MessageDialog {
    MessageDialog {
        heading: "Tidegate is still running.".to_owned(),
        text: "This desktop shows no tray icons. Start Tidegate again from the menu of programs to get its \
               window back."
            .to_owned(),
        proceed: Some(QUIT.into()),
        other: None,
        dismiss: "Keep running",
    }
}

/// `free`: the port that could be used instead of one that is taken.
fn failed(sentence: &str, free: Option<u16>, is_invisible: bool) -> MessageDialog {
    const AGAIN: &str = "Try again";

    MessageDialog {
        heading: "Tidegate could not start.".to_owned(),
        text: text::one_line(sentence, MAX_SENTENCE),
        proceed: Some(free.map_or(AGAIN.into(), |port| format!("Use port {port}").into())),
        other: free.map(|_| AGAIN),
        dismiss: if is_invisible { QUIT } else { "Close" },
    }
}

fn unblock_question(name: &str) -> MessageDialog {
    let name = text::one_line(name.trim(), MAX_TITLE);
    MessageDialog {
        heading: "Unblock this device or program?".to_owned(),
        text: match name.is_empty() {
            true => "It had no name.\nIt can then ask to pair again, and you decide.".to_owned(),
            false => format!("It called itself: {name}\nIt can then ask to pair again, and you decide."),
        },
        proceed: Some("Unblock".into()),
        other: None,
        dismiss: "Cancel",
    }
}

fn take_server_question(model: &str, owner: &str, user: &str, address: &str) -> MessageDialog {
    let line = |text: &str| text::one_line(text.trim(), MAX_OWNER);
    MessageDialog {
        heading: "Use this model server?".to_owned(),
        text: format!(
            "Model: {}\nProgram: {}\nUser: {}\nAddress: {}, on this computer\n\nEverything that is said to \
             agents and what their tools find is sent to it, and agents act on its answers. Use it only if you \
             know this program.",
            line(model),
            line(owner),
            line(user),
            line(address)
        ),
        proceed: Some("Use it".into()),
        other: None,
        dismiss: "Cancel",
    }
}

fn quit_question(work: &Work) -> Option<MessageDialog> {
    question(work, "Quit while agents are running?", QUIT)
}

fn restart_question(work: &Work) -> Option<MessageDialog> {
    question(work, "Restart the gateway while agents are running?", "Restart")
}

/// `None` when nothing is at work.
fn question(work: &Work, heading: &str, proceed: &'static str) -> Option<MessageDialog> {
    let titles = work.running.iter().take(MAX_NAMED).map(|title| text::one_line(title, MAX_TITLE));
    let mut lines: Vec<String> = titles.collect();
    if lines.is_empty() {
        return None;
    }
    lines.insert(0, "These runs would be interrupted:".to_owned());
    match work.running.len().saturating_sub(MAX_NAMED) {
        0 => {}
        more => lines.push(format!("and {more} more")),
    }
    Some(MessageDialog {
        heading: heading.to_owned(),
        text: lines.join("\n"),
        proceed: Some(proceed.into()),
        other: None,
        dismiss: "Cancel",
    })
}
