//! What the desktop shows and does. The shell tells what happens and carries out what comes back;
//! there is no other rule anywhere in it.
//!
//! Only the outcome of an open review dialog leads to an approval. Everything else that comes in
//! (tray, notifications, dialog requests of windows and of the command line) can be forged by programs of
//! the session, so it opens things, and at most refuses.

mod approvals;
mod dialog_requests;
mod messages;
mod notifications;
mod presses;
mod reviews;
mod tasks;
mod waiting;

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_trust::Timestamp;
use tidegate_trust::timestamp::Deadline;

use self::dialog_requests::DialogRequests;
use self::messages::Messages;
use self::notifications::Notifications;
use self::reviews::Reviews;
use self::tasks::Task;
use self::waiting::WaitingLine;
use crate::dialog::{DialogId, DialogOutcome};
use crate::shell::{Effect, HostState, Input, NotificationId, Page, Surface, TaskId, Work};
use crate::tray_menu::{TrayCommand, TrayMenu, TrayState};

pub use self::dialog_requests::DIALOG_REQUEST_EVERY;
pub use self::messages::TRAY_GRACE;
pub use self::notifications::NOTIFY_EVERY;

/// How often a dialog comes up by itself at most.
pub const UNASKED_EVERY: Duration = Duration::from_secs(10);

/// How the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Launch {
    /// Whether Tidegate never ran here before.
    pub is_first_start: bool,
    /// Whether Tidegate starts at login.
    pub starts_at_login: bool,
}

/// The desktop's logic: a pure state machine. Its state is bounded by what the host can hold.
#[derive(Debug)]
pub struct Controller {
    host: HostState,
    work: Work,
    waiting: WaitingLine,
    reviews: Reviews,
    notifications: Notifications,
    dialog_requests: DialogRequests,
    messages: Messages,
    tasks: BTreeMap<TaskId, Task>,
    numbers: Numbers,
    tray: TrayMenu,
    tray_host: Surface,
    notification_service: Surface,
    starts_at_login: bool,
    is_locked: bool,
    has_window: bool,
    /// Whether a window of ours has the keyboard: the person sees there what waits.
    has_focus: bool,
    is_quitting: bool,
    /// How much had run without a question when the person looked last.
    unasked_seen: u64,
    /// Before this, no dialog comes up by itself.
    unasked: Option<Deadline>,
    /// The moment of the last input.
    now: Timestamp,
}

/// Numbers that were never given before.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
}

impl Numbers {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn dialog(&mut self) -> DialogId {
        DialogId(self.next())
    }

    fn notification(&mut self) -> NotificationId {
        NotificationId(self.next())
    }

    fn task(&mut self) -> TaskId {
        TaskId(self.next())
    }
}

impl Controller {
    /// A controller whose host starts now, and what is to be done first.
    #[must_use]
    pub fn new(launch: Launch, now: Timestamp) -> (Self, Vec<Effect>) {
        let host = HostState::Starting;
        let starts_at_login = launch.starts_at_login;
        let waiting = WaitingLine::default();
        let state = TrayState {
            host: host.clone(),
            waiting: waiting.counts(),
            is_paused: false,
            starts_at_login,
            unasked: 0,
            asks_everything: false,
        };
        let tray = TrayMenu::of(&state);
        let mut effects = vec![Effect::Tray(tray.clone())];
        if launch.is_first_start {
            effects.push(Effect::OpenWindow(Page::Overview));
        }
        let controller = Self {
            host,
            work: Work::default(),
            waiting,
            reviews: Reviews::default(),
            notifications: Notifications::default(),
            dialog_requests: DialogRequests::default(),
            messages: Messages::new(launch.is_first_start),
            tasks: BTreeMap::new(),
            numbers: Numbers::default(),
            tray,
            tray_host: Surface::Unknown,
            notification_service: Surface::Unknown,
            starts_at_login,
            is_locked: false,
            has_window: false,
            has_focus: false,
            unasked_seen: 0,
            is_quitting: false,
            unasked: None,
            now,
        };
        (controller, effects)
    }

    /// Takes an input, and tells what is to be done, in this order.
    #[must_use]
    pub fn on(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let before = std::mem::replace(&mut self.now, now);
        match input {
            Input::Host(state) => self.host_changed(state, &mut effects),
            Input::Queue(queue) => self.queue_changed(queue, now),
            Input::Work(work) => self.work_changed(work, &mut effects),
            Input::Tray(command) => self.tray_chosen(command, &mut effects),
            Input::Notification { id, answer } => self.notification_answered(id, answer, now, &mut effects),
            Input::NotificationService(service) => self.notification_service = service,
            Input::TrayHost(host) => self.tray_host_changed(host, now),
            Input::Dialog { id, outcome, press } => {
                if self.may_press(id, &outcome, press, &mut effects) {
                    self.dialog_ended(id, outcome, now, &mut effects);
                } else {
                    self.press_refused(id, outcome, &mut effects);
                }
            }
            Input::DialogRequest(request) => self.dialog_requested(request, now, &mut effects),
            Input::Done { task, result } => self.task_done(task, result, &mut effects),
            Input::SecondLaunch => effects.push(match self.has_window {
                true => Effect::RaiseWindow,
                false => Effect::OpenWindow(Page::Overview),
            }),
            Input::Windows { is_open } => self.windows_changed(is_open, &mut effects),
            Input::WindowFocus { has_focus } => self.has_focus = has_focus,
            Input::Screen { is_locked } => self.is_locked = is_locked,
            Input::Autostart(starts_at_login) => self.starts_at_login = starts_at_login,
            Input::DecidedByClients { let_in, refused } => self.decided_by_clients(let_in, refused),
            Input::AgentRequestsDecidedByClients { approved, approved_for_task, denied } => {
                self.agent_requests_decided_by_clients(approved, approved_for_task, denied);
            }
            Input::Wake => {}
        }
        if self.waiting.has_end_between(before.wall, now.wall) {
            effects.push(Effect::ReadQueue);
        }
        self.settle(now, &mut effects);
        effects
    }

    /// When [`Input::Wake`] is to come, at the latest; `None` when nothing waits for time to pass.
    /// Any input before makes it void: ask again after each.
    #[must_use]
    pub fn wake_at(&self) -> Option<Deadline> {
        let now = self.now;
        let end = self.waiting.next_end(now.wall).map(|end| end.since(now.wall));
        let waits = [
            self.next_unasked_review(now),
            self.next_unasked_message(now),
            self.next_notification(now),
            self.next_tray_grace(now),
            end,
        ];
        waits.into_iter().flatten().min().map(|wait| now.deadline(wait))
    }

    /// Brings every surface in line with what is known.
    fn settle(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.is_quitting {
            self.settle_messages(now, effects);
            self.settle_dialog_requests(now, effects);
            self.settle_reviews(now, effects);
        }
        self.settle_notifications(now, effects);
        let tray = TrayMenu::of(&TrayState {
            host: self.host.clone(),
            waiting: self.waiting.counts(),
            is_paused: self.work.is_paused,
            starts_at_login: self.starts_at_login,
            unasked: self.work.unasked.saturating_sub(self.unasked_seen),
            asks_everything: self.work.asks_everything,
        });
        if tray != self.tray {
            effects.push(Effect::Tray(tray.clone()));
            self.tray = tray;
        }
    }

    fn host_changed(&mut self, state: HostState, effects: &mut Vec<Effect>) {
        if self.host == state {
            return;
        }
        let was_ready = self.is_ready();
        self.host = state;
        if self.is_ready() && !was_ready {
            effects.push(Effect::ReadQueue);
        }
        if self.restarts() {
            // What waits waits on, and its dialogs stay. What runs is not known until it is back.
            self.work.has_commands_beyond_contained = true;
        } else if !self.is_ready() {
            let ended = self.waiting.replace(crate::shell::Queue::default(), self.now.wall);
            if was_ready && self.is_locked {
                self.ended_unseen(ended);
            }
            self.close_review(effects);
            self.close_notification(effects);
            self.work.running.clear();
            self.work.has_commands_beyond_contained = false;
        }
        if self.host == HostState::Stopping {
            self.is_quitting = true;
        }
        self.failure_changed(effects);
    }

    fn queue_changed(&mut self, queue: crate::shell::Queue, now: Timestamp) {
        // What is reported of a gateway that has ended is not about the next one.
        if !self.is_ready() {
            return;
        }
        let ended = self.waiting.replace(queue, now.wall);
        if self.is_locked {
            self.ended_unseen(ended);
        }
    }

    fn tray_chosen(&mut self, command: TrayCommand, effects: &mut Vec<Effect>) {
        if !self.tray.offers(command) {
            return;
        }
        match command {
            TrayCommand::ReviewRequests => {
                let keys = self.keys_where(|entry| matches!(entry.key, waiting::Key::Request(_)));
                self.ask_for_reviews(keys, effects);
            }
            TrayCommand::ReviewCommands => {
                let keys = self.keys_where(|entry| matches!(entry.key, waiting::Key::Command(_)));
                self.ask_for_reviews(keys, effects);
            }
            TrayCommand::ReviewSettings => {
                let keys = self.keys_where(|entry| matches!(entry.key, waiting::Key::Setting(..)));
                self.ask_for_reviews(keys, effects);
            }
            TrayCommand::OpenWindow => effects.push(Effect::OpenWindow(Page::Overview)),
            TrayCommand::NewChat => effects.push(Effect::OpenWindow(Page::NewChat)),
            TrayCommand::ShowUnasked => {
                self.unasked_seen = self.work.unasked;
                effects.push(Effect::OpenWindow(Page::Permissions));
            }
            TrayCommand::AskEverything => {
                effects.push(Effect::AskEverything { task: self.begin(Task::AskEverything) });
            }
            TrayCommand::UsePermissions => self.asked_to_use_permissions(effects),
            TrayCommand::PauseAgents => effects.push(Effect::SetPaused(true)),
            TrayCommand::ResumeAgents => effects.push(Effect::SetPaused(false)),
            TrayCommand::CopyConnectionLines => {
                effects.push(Effect::CopyConnectionLines { task: self.begin(Task::CopyConnectionLines) });
            }
            TrayCommand::RestartGateway => self.asked_to_restart(effects),
            TrayCommand::UseFreePort => {
                if let HostState::PortTaken { free, .. } = self.host {
                    effects.push(Effect::StartOnPort(free));
                }
            }
            TrayCommand::StartAtLogin => effects.push(Effect::SetAutostart(true)),
            TrayCommand::DoNotStartAtLogin => effects.push(Effect::SetAutostart(false)),
            TrayCommand::OpenLogs => {
                effects.push(Effect::OpenLogs { task: self.begin(Task::OpenLogs) });
            }
            TrayCommand::Quit => self.asked_to_quit(effects),
        }
    }

    fn dialog_ended(
        &mut self,
        id: DialogId,
        outcome: DialogOutcome,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.reviews.open_id() == Some(id) {
            self.review_ended(outcome, now, effects);
        } else if self.dialog_requests.is_open(id) {
            self.requested_dialog_ended(id, outcome, effects);
        } else if self.messages.is_open(id) {
            self.message_ended(id, &outcome, effects);
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.host, HostState::Ready { .. })
    }

    /// Whether the gateway is on its way back, with everything that waits.
    fn restarts(&self) -> bool {
        matches!(self.host, HostState::Starting | HostState::BackingOff { .. })
    }

    /// Whether a dialog about what waits may be opened.
    fn may_open(&self) -> bool {
        self.is_ready() && !self.is_locked && !self.is_quitting
    }

    /// Whether a dialog may come up by itself.
    fn may_open_unasked(&self, now: Timestamp) -> bool {
        !self.is_locked && self.unasked.is_none_or(|gate| gate.has_passed(now))
    }
}
