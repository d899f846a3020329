//! A shell that only notes what it hears, and things that wait.

use std::time::Duration;

use tidegate_desktop_core::controller::{Controller, Launch};
use tidegate_desktop_core::dialog::{
    ApprovalsDialog, ApprovalsOutcome, Attention, Dialog, DialogId, DialogOutcome, ReviewDialog,
    ReviewOutcome, Selection,
};
use tidegate_desktop_core::press::Press;
use tidegate_desktop_core::shell::{
    Effect, HostState, Input, Notification, NotificationAnswer, NotificationId, Queue, TaskId,
};
use tidegate_desktop_core::tray_menu::TrayMenu;
use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{PublicKey, Scope, UnixMillis};
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Operation, PendingApproval, Question, Requester,
};
use tidegate_trust::pairing::{PairingAttempt, PairingRequest, PendingQueue, PendingRequest, Subject};
use tidegate_trust::permissions::{Attendance, Offered, PermissionOffer, RequestContext};
use tidegate_trust::records::{Claims, ProgramIdentity};
use tidegate_trust::settings::{ProposedSetting, SettingState, ShownSetting, WebOrigin};
use tidegate_trust::{ScopeSet, Timestamp};

pub(crate) const PORT: u16 = 18_789;
/// The wall clock at the beginning of a test.
const BEGIN: u64 = 1_700_000_000_000;

/// A moment so long after the beginning.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp { wall: UnixMillis(BEGIN + millis), monotonic: Duration::from_millis(millis) }
}

/// What a new device asks; the seed tells devices apart.
pub(crate) fn device_ask(seed: u8, asked: &[Scope]) -> PairingRequest {
    let key = PublicKey::from_bytes([seed; 32]);
    let asked: ScopeSet = asked.iter().cloned().collect();
    PairingRequest {
        subject: Subject::Device(key.device_id()),
        key: Some(key),
        reason: PairingReason::NotPaired,
        claims: Claims {
            display_name: Some(format!("laptop {seed}")),
            client_id: "cli".to_owned(),
            client_mode: "cli".to_owned(),
            version: "2026.9.6".to_owned(),
            platform: "linux".to_owned(),
            device_family: Some("desktop".to_owned()),
        },
        role: "operator".to_owned(),
        added: asked.clone(),
        asked,
        has: ScopeSet::none(),
        from: "local network, 192.168.1.7".to_owned(),
        source: format!("192.168.1.{seed}"),
        user: String::new(),
        known_name: false,
        unidentified: false,
        ephemeral: None,
    }
}

/// What a new program asks.
pub(crate) fn program_ask(seed: u8, asked: &[Scope]) -> PairingRequest {
    let script = format!("/opt/tools/tool-{seed}.mjs");
    PairingRequest {
        subject: Subject::Program(ProgramIdentity {
            uid: 1000,
            executable: "/usr/bin/node".into(),
            script: Some(script.clone().into()),
        }),
        key: None,
        from: format!("this computer: {script} (run by /usr/bin/node)"),
        ..device_ask(seed, asked)
    }
}

/// The id of a request: its first 8 characters differ.
pub(crate) fn id(number: u32) -> String {
    format!("{number:08x}-3d5f-4e96-8b7d-f5cd144ee719")
}

/// A waiting request.
pub(crate) fn request(number: u32, ask: PairingRequest, now: Timestamp) -> PendingRequest {
    let mut queue = PendingQueue::default();
    let PairingAttempt::Waiting { id, .. } = queue.request_pairing(ask, id(number), now) else {
        panic!("it waits")
    };
    queue.take(&id).expect("it waits")
}

/// A request of a new device that wants to look.
pub(crate) fn device(number: u8, now: Timestamp) -> PendingRequest {
    request(u32::from(number), device_ask(number, &[Scope::Read]), now)
}

pub(crate) fn command_of(text: &str) -> ApprovalRequest {
    ApprovalRequest {
        operation: Operation::Exec {
            command: text.to_owned(),
            command_argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()],
            cwd: "/home/someone/project".to_owned(),
            env: vec![("LANG".to_owned(), "C".to_owned())],
            confinement: None,
        },
        session_key: "agent:main:main".to_owned(),
        run_id: Some("run-3".to_owned()),
        ancestors: vec!["run-2".to_owned(), "run-1".to_owned()],
        digest: format!("digest of {text}"),
        context: None,
    }
}

/// A command of a run that waits for half an hour.
pub(crate) fn waiting(number: u32, command: ApprovalRequest, now: Timestamp) -> PendingApproval {
    waiting_for(number, command, Requester::Run, now)
}

pub(crate) fn waiting_for(
    number: u32,
    command: ApprovalRequest,
    by: Requester,
    now: Timestamp,
) -> PendingApproval {
    asked(number, command, by, Question::default(), now)
}

/// One that waits, with what can be given with it.
pub(crate) fn asked(
    number: u32,
    command: ApprovalRequest,
    by: Requester,
    question: Question,
    now: Timestamp,
) -> PendingApproval {
    let mut queue = ApprovalQueue::default();
    let id = format!("command-{number}");
    queue.ask(id, command, by, question, Duration::from_mins(30), now).expect("there is room")
}

/// A command of a run of its own.
pub(crate) fn command(number: u32, now: Timestamp) -> PendingApproval {
    let command = command_of(&format!("make {number}"));
    waiting(number, ApprovalRequest { run_id: Some(format!("run of {number}")), ..command }, now)
}

/// A contained command of a task, with the offer to allow such commands in the folder.
pub(crate) fn side_by_side(number: u32, task: &str, now: Timestamp) -> PendingApproval {
    let operation = Operation::Exec {
        command: format!("make {number}"),
        command_argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("make {number}")],
        cwd: FOLDER.to_owned(),
        env: Vec::new(),
        confinement: Some(Confinement::plain(CommandClass::Contained, 1800)),
    };
    let context = RequestContext {
        task: task.to_owned(),
        attendance: Attendance::Attended,
        folders: Vec::new(),
        outside: Vec::new(),
        plain: None,
        not_found: None,
    };
    let command = ApprovalRequest {
        operation,
        run_id: Some(format!("{task}-run")),
        context: Some(context),
        ..command_of(&format!("make {number}"))
    };
    let question = Question { offers: vec![in_folder()], why_asked: None };
    asked(number, command, Requester::Run, question, now)
}

/// The folder of [`side_by_side`].
pub(crate) const FOLDER: &str = "/home/someone/project";

pub(crate) fn in_folder() -> Offered {
    let sentence = format!(
        "Run this, and let agents run contained commands in {FOLDER} without asking, until you revoke that."
    );
    Offered { offer: PermissionOffer::Contained, sentence }
}

pub(crate) fn queue(requests: &[PendingRequest], commands: &[PendingApproval]) -> Queue {
    Queue { requests: requests.to_vec(), commands: commands.to_vec(), ..Queue::default() }
}

pub(crate) fn ready() -> HostState {
    HostState::Ready { port: PORT, degraded: Vec::new() }
}

/// A value of the configuration that waits: these origins.
pub(crate) fn setting(origins: &[&str], present: &[&str], now: Timestamp) -> ShownSetting {
    let of = |texts: &[&str]| {
        ProposedSetting::origins(texts.iter().map(|origin| WebOrigin::parse(origin).expect("an origin")))
    };
    ShownSetting {
        proposed: of(origins),
        present: of(present).value,
        state: SettingState::Waiting,
        since: now.wall,
    }
}

/// A controller and the moment, with what it last told.
pub(crate) struct Desktop {
    pub(crate) controller: Controller,
    pub(crate) millis: u64,
}

impl Desktop {
    /// One whose host is ready.
    pub(crate) fn ready() -> Self {
        let mut desktop = Self::starting();
        desktop.on(Input::Host(ready()));
        desktop
    }

    pub(crate) fn starting() -> Self {
        Self { controller: Controller::new(Launch::default(), at(0)).0, millis: 0 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.millis)
    }

    pub(crate) fn on(&mut self, input: Input) -> Vec<Effect> {
        let now = self.now();
        self.controller.on(input, now)
    }

    /// Lets time pass, waking the controller whenever it wants to be woken.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<Effect> {
        let end = self.millis + millis;
        let mut effects = Vec::new();
        while let Some(deadline) = self.controller.wake_at() {
            let left = u64::try_from(deadline.remaining(self.now()).as_millis()).expect("soon").max(1);
            if self.millis + left > end {
                break;
            }
            self.millis += left;
            effects.extend(self.on(Input::Wake));
        }
        self.millis = end;
        effects
    }

    pub(crate) fn tell(&mut self, requests: &[PendingRequest], commands: &[PendingApproval]) -> Vec<Effect> {
        self.on(Input::Queue(queue(requests, commands)))
    }

    pub(crate) fn tell_setting(&mut self, setting: &ShownSetting) -> Vec<Effect> {
        self.on(Input::Queue(Queue { settings: vec![setting.clone()], ..Queue::default() }))
    }

    pub(crate) fn review(&mut self, id: DialogId, outcome: ReviewOutcome) -> Vec<Effect> {
        self.on(Input::Dialog { id, outcome: DialogOutcome::Review(outcome), press: Press::Device })
    }

    pub(crate) fn decide(&mut self, id: DialogId, outcome: ApprovalsOutcome) -> Vec<Effect> {
        self.on(Input::Dialog { id, outcome: DialogOutcome::Approvals(outcome), press: Press::Device })
    }

    /// Allows these once the button is armed.
    pub(crate) fn allow(
        &mut self,
        id: DialogId,
        items: &[&str],
        permission: Option<PermissionOffer>,
    ) -> Vec<Effect> {
        self.millis += 1500;
        let items = items.iter().map(|&item| item.to_owned()).collect();
        self.decide(id, ApprovalsOutcome::Allow { items, permission })
    }

    /// Denies these without words.
    pub(crate) fn deny(&mut self, id: DialogId, items: &[&str]) -> Vec<Effect> {
        let items = items.iter().map(|&item| item.to_owned()).collect();
        self.decide(id, ApprovalsOutcome::Deny { items, words: None, stop: false })
    }

    /// Presses the approving button once it is armed.
    pub(crate) fn approve(&mut self, id: DialogId, selection: Selection) -> Vec<Effect> {
        self.millis += 1500;
        self.review(id, ReviewOutcome::Approve(selection))
    }

    pub(crate) fn answer(&mut self, id: NotificationId, answer: NotificationAnswer) -> Vec<Effect> {
        self.on(Input::Notification { id, answer })
    }

    pub(crate) fn done(&mut self, task: TaskId) -> Vec<Effect> {
        self.on(Input::Done { task, result: Ok(None) })
    }

    pub(crate) fn fail(&mut self, task: TaskId, sentence: &str) -> Vec<Effect> {
        self.on(Input::Done { task, result: Err(sentence.to_owned()) })
    }
}

/// The dialogs that were opened.
pub(crate) fn opened(effects: &[Effect]) -> Vec<(DialogId, Dialog, Attention)> {
    let opened = effects.iter().filter_map(|effect| match effect {
        Effect::OpenDialog { id, dialog, attention } => Some((*id, dialog.clone(), *attention)),
        _ => None,
    });
    opened.collect()
}

/// The review dialog that was opened.
pub(crate) fn opened_review(effects: &[Effect]) -> (DialogId, ReviewDialog, Attention) {
    let reviews: Vec<_> = opened(effects)
        .into_iter()
        .filter_map(|(id, dialog, attention)| match dialog {
            Dialog::Review(review) => Some((id, *review, attention)),
            _ => None,
        })
        .collect();
    assert_eq!(reviews.len(), 1, "{effects:#?}");
    reviews.into_iter().next().expect("one was opened")
}

/// The dialog about agents' requests that was opened.
pub(crate) fn opened_approvals(effects: &[Effect]) -> (DialogId, ApprovalsDialog, Attention) {
    let found = opened(effects).into_iter().find_map(|(id, dialog, attention)| match dialog {
        Dialog::Approvals(approvals) => Some((id, *approvals, attention)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{effects:#?}"))
}

/// The one dialog that was opened.
pub(crate) fn opened_one(effects: &[Effect]) -> (DialogId, Dialog) {
    let opened = opened(effects);
    assert_eq!(opened.len(), 1, "{effects:#?}");
    opened.into_iter().next().map(|(id, dialog, _)| (id, dialog)).expect("one was opened")
}

pub(crate) fn notified(effects: &[Effect]) -> Option<Notification> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify(notification) => Some(notification.clone()),
        _ => None,
    })
}

pub(crate) fn tray(effects: &[Effect]) -> Option<TrayMenu> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Tray(menu) => Some(menu.clone()),
        _ => None,
    })
}

/// The effects that decide something.
pub(crate) fn decisions(effects: &[Effect]) -> Vec<Effect> {
    let decides = |effect: &&Effect| {
        matches!(
            effect,
            Effect::Decide { .. }
                | Effect::Resolve { .. }
                | Effect::GiveToken { .. }
                | Effect::ConfirmSetting { .. }
                | Effect::RejectSetting { .. }
        )
    };
    effects.iter().filter(decides).cloned().collect()
}

/// The number of the one effect that is answered.
pub(crate) fn task(effects: &[Effect]) -> TaskId {
    let tasks: Vec<TaskId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Decide { task, .. }
            | Effect::Resolve { task, .. }
            | Effect::ConfirmSetting { task, .. }
            | Effect::RejectSetting { task, .. }
            | Effect::GiveToken { task, .. }
            | Effect::NewToken { task, .. }
            | Effect::KeepModelKey { task, .. }
            | Effect::Unblock { task, .. }
            | Effect::TakeServer { task, .. }
            | Effect::KeepFile { task, .. }
            | Effect::Unshare { task, .. }
            | Effect::ChooseWorkspace { task, .. }
            | Effect::PickWorkspace { task, .. }
            | Effect::AskEverything { task }
            | Effect::UsePermissions { task }
            | Effect::CopyConnectionLines { task }
            | Effect::OpenLogs { task } => Some(*task),
            _ => None,
        })
        .collect();
    assert_eq!(tasks.len(), 1, "{effects:#?}");
    tasks[0]
}
