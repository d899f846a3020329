//! What holds whatever comes in, in whatever order: random sequences of inputs against a plain
//! account of what is on the screen.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate_desktop_core::controller::{Controller, Launch, NOTIFY_EVERY, UNASKED_EVERY};
use tidegate_desktop_core::dialog::{
    ARM_AFTER, ApprovalsDialog, ApprovalsOutcome, Attention, Dialog, DialogId, DialogOutcome, Extent,
    ReviewDialog, ReviewOutcome, Secret, Selection,
};
use tidegate_desktop_core::press::{Press, Synthetic};
use tidegate_desktop_core::shell::{
    DialogRequest, Effect, FileContent, FileToKeep, FolderToUnshare, HostState, Input, NotificationAnswer,
    NotificationId, Page, Queue, Surface, TaskId, Work, WorkspaceToChoose,
};
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_protocol::payload::permissions::{ApprovalVerdict, PermissionOffer};
use tidegate_protocol::{Scope, SessionKey, text};
use tidegate_trust::Level;
use tidegate_trust::approval::PendingApproval;
use tidegate_trust::decision::{GrantLifetime, Verdict};
use tidegate_trust::settings::{ShownSetting, ValuePart};

use crate::support::{at, command, device_ask, program_ask, ready, request, setting, side_by_side};

/// What the shell tells, with open dialogs and numbers picked by place.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Host(HostState),
    /// Which of the requests, commands and values of the configuration wait.
    Queue(Vec<u8>, Vec<u8>, Option<bool>),
    /// How many runs are at work, whether new work is paused, and whether a command is not contained.
    Work(usize, bool, bool),
    Tray(TrayCommand),
    Notification(u64, NotificationAnswer),
    Service(bool),
    TrayHost(bool),
    Review(Target, ReviewOutcome, Press),
    /// An outcome about those of the dialog's requests whose bit is set.
    Approvals(Target, u8, Chosen, Press),
    Other(Target, DialogOutcome, Press),
    DialogRequest(DialogRequest),
    Done(u64, Option<bool>),
    SecondLaunch,
    Windows(bool),
    Focus(bool),
    Screen(bool),
    DecidedByClients(u64, u64),
    AgentRequestsDecidedByClients(u64, u64),
}

/// What is chosen in a dialog about agents' requests.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    Once,
    Contained,
    Task,
    Deny(bool),
    Later,
}

/// Which dialog an outcome is for.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// The n-th that is open.
    Open(usize),
    /// Any number, mostly forged or closed long ago.
    Any(u64),
}

fn any_selection() -> impl Strategy<Value = Selection> {
    let extents = prop_oneof![
        3 => Just(Extent::Asked),
        1 => prop_oneof![Just(Level::Read), Just(Level::Write), Just(Level::Full)].prop_map(Extent::Level),
    ];
    let durations =
        prop_oneof![Just(GrantLifetime::Always), Just(GrantLifetime::UntilQuit), Just(GrantLifetime::Once)];
    (extents, any::<bool>(), durations, any::<bool>()).prop_map(|(extent, pairing, duration, own_token)| {
        Selection { extent, scopes: None, pairing, duration, own_token }
    })
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![5 => (0_usize..4).prop_map(Target::Open), 1 => (0_u64..80).prop_map(Target::Any)]
}

fn any_outcome() -> impl Strategy<Value = ReviewOutcome> {
    prop_oneof![
        4 => any_selection().prop_map(ReviewOutcome::Approve),
        1 => Just(ReviewOutcome::Refuse),
        1 => Just(ReviewOutcome::Later),
        1 => Just(ReviewOutcome::Block),
    ]
}

fn any_chosen() -> impl Strategy<Value = Chosen> {
    let refused = any::<bool>().prop_map(Chosen::Deny);
    prop_oneof![
        3 => Just(Chosen::Once),
        3 => Just(Chosen::Contained),
        1 => Just(Chosen::Task),
        2 => refused,
        1 => Just(Chosen::Later),
    ]
}

fn any_dialog_request() -> impl Strategy<Value = DialogRequest> {
    prop_oneof![
        Just(DialogRequest::Review(None)),
        (0_u32..12).prop_map(|number| DialogRequest::Review(Some(crate::support::id(number)))),
        Just(DialogRequest::NewToken { name: "a\u{202e}\n%s".to_owned(), level: Level::Full, pairing: true }),
        Just(DialogRequest::ModelKey { id: "\u{0}".to_owned(), base_url: "http://x/\u{7}".to_owned() }),
        (0_u8..3).prop_map(|block| DialogRequest::Unblock {
            id: block.to_string(),
            name: "\u{202e}\n".to_owned()
        }),
        (0_u8..3).prop_map(|server| DialogRequest::TakeServer {
            model: format!("ollama/{server}\u{202e}"),
            owner: "/tmp/x\n (process 1, user 1)".to_owned(),
            user: "1".to_owned(),
            address: "127.0.0.1:11434".to_owned(),
        }),
        (0_u8..3).prop_map(|file| DialogRequest::KeepFile(Box::new(FileToKeep {
            id: file.to_string(),
            digest: format!("digest of {file}"),
            path: format!("{file}\u{202e}\n/.envrc"),
            workspace: "/w\n".to_owned(),
            reason: "\u{0}".to_owned(),
            effect: String::new(),
            content: FileContent::Text { text: "Keep\n\u{7}".repeat(40), is_cut: false },
        }))),
        (0_u8..3).prop_map(|folder| DialogRequest::Unshare(FolderToUnshare {
            folder: format!("/{folder}\u{202e}\n"),
            files: 12,
            bytes: u64::MAX,
            places: vec!["Unshare\n".to_owned(); 20],
        })),
        (0_u8..3, any::<bool>()).prop_map(|(number, by_client)| {
            DialogRequest::ChooseWorkspace(Box::new(workspace(number, by_client)))
        }),
        (0_u8..3).prop_map(|number| DialogRequest::PickWorkspace {
            session: session(number),
            label: Some("Use this folder\n".to_owned()),
            present: "/\u{202e}\n".to_owned(),
        }),
        Just(DialogRequest::Window(Page::Chat)),
    ]
}

fn session(number: u8) -> SessionKey {
    SessionKey::parse(&format!("agent:main:{number}")).expect("a key")
}

fn workspace(number: u8, by_client: bool) -> WorkspaceToChoose {
    WorkspaceToChoose {
        session: session(number),
        label: None,
        folder: format!("/{number}\u{202e}\n"),
        is_default: false,
        before: "Folder: /0\n".to_owned(),
        shared_files: Some(u64::MAX),
        shared_places: vec!["Folder: /0\n".to_owned(); 20],
        digest: format!("digest of {number}"),
        by_client,
    }
}

fn any_host() -> impl Strategy<Value = HostState> {
    prop_oneof![
        6 => Just(ready()),
        1 => Just(HostState::Starting),
        1 => Just(HostState::BackingOff {
            pause: std::time::Duration::from_secs(1),
            reason: "\u{1b}[31m failed".to_owned(),
        }),
        1 => Just(HostState::Failed("no\nspace\u{202e}".to_owned())),
        1 => Just(HostState::PortTaken { reason: "port\ntaken\u{202e}".to_owned(), free: 18_790 }),
    ]
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..3, 1 => Just(u64::MAX)]
}

fn any_press() -> impl Strategy<Value = Press> {
    let synthetic = [Synthetic::TestDevice, Synthetic::SentEvent, Synthetic::NoEvent];
    prop_oneof![
        2 => Just(Press::Device),
        1 => prop::sample::select(synthetic.to_vec()).prop_map(Press::Synthetic),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let answers = prop_oneof![
        Just(NotificationAnswer::Review),
        Just(NotificationAnswer::Deny),
        Just(NotificationAnswer::Closed)
    ];
    let others = prop_oneof![
        Just(DialogOutcome::Proceed),
        Just(DialogOutcome::Dismissed),
        Just(DialogOutcome::NewToken { name: "n".to_owned(), level: Level::Full, pairing: true }),
        Just(DialogOutcome::Folder { path: "/picked\n".to_owned() }),
        Just(DialogOutcome::ModelKey {
            id: "m".to_owned(),
            base_url: "http://x".to_owned(),
            key: Secret::new("k".to_owned())
        }),
    ];
    let tray: Vec<TrayCommand> =
        TrayCommand::ALL.into_iter().filter(|command| *command != TrayCommand::Quit).collect();
    prop_oneof![
        6 => prop_oneof![0_u64..3_000, 0_u64..30_000, 0_u64..400_000].prop_map(Step::Wait),
        2 => any_host().prop_map(Step::Host),
        8 => (prop::collection::vec(0_u8..12, 0..6), prop::collection::vec(0_u8..6, 0..4), any::<Option<bool>>())
            .prop_map(|(requests, commands, setting)| Step::Queue(requests, commands, setting)),
        2 => (0_usize..8, any::<bool>(), any::<bool>())
            .prop_map(|(running, is_paused, has_commands)| Step::Work(running, is_paused, has_commands)),
        3 => prop::sample::select(tray).prop_map(Step::Tray),
        4 => (0_u64..60, answers).prop_map(|(id, answer)| Step::Notification(id, answer)),
        1 => any::<bool>().prop_map(Step::Service),
        1 => any::<bool>().prop_map(Step::TrayHost),
        8 => (any_target(), any_outcome(), any_press())
            .prop_map(|(target, outcome, press)| Step::Review(target, outcome, press)),
        8 => (any_target(), any::<u8>(), any_chosen(), any_press())
            .prop_map(|(target, which, chosen, press)| Step::Approvals(target, which, chosen, press)),
        3 => (any_target(), others, any_press())
            .prop_map(|(target, outcome, press)| Step::Other(target, outcome, press)),
        3 => any_dialog_request().prop_map(Step::DialogRequest),
        3 => (0_u64..80, any::<Option<bool>>()).prop_map(|(task, result)| Step::Done(task, result)),
        1 => Just(Step::SecondLaunch),
        1 => any::<bool>().prop_map(Step::Windows),
        1 => any::<bool>().prop_map(Step::Focus),
        2 => any::<bool>().prop_map(Step::Screen),
        2 => (any_count(), any_count()).prop_map(|(let_in, refused)| Step::DecidedByClients(let_in, refused)),
        1 => (any_count(), any_count())
            .prop_map(|(approved, denied)| Step::AgentRequestsDecidedByClients(approved, denied)),
    ]
}

/// What is on the screen, as a person sees it.
struct World {
    controller: Controller,
    millis: u64,
    open: BTreeMap<DialogId, (Dialog, u64)>,
    /// For each review dialog on the screen, what it is about and the digest of what it shows.
    subjects: BTreeMap<String, String>,
    /// Since when each request of an agent is on the screen, by its dialog.
    shown_since: BTreeMap<(DialogId, String), u64>,
    /// What was allowed together with a permission for another.
    allowed_with: BTreeSet<String>,
    last_unasked: Option<u64>,
    has_commands_beyond_contained: bool,
    last_notified: Option<u64>,
    used: BTreeSet<u64>,
}

/// Whether an effect approves something.
fn approves(effect: &Effect) -> bool {
    match effect {
        Effect::Decide { verdict, .. } => matches!(verdict, Verdict::Approve { .. }),
        Effect::Resolve { verdict, .. } => !matches!(verdict, ApprovalVerdict::Deny { .. }),
        Effect::GiveToken { .. }
        | Effect::ConfirmSetting { .. }
        | Effect::NewToken { .. }
        | Effect::KeepModelKey { .. }
        | Effect::Unblock { .. }
        | Effect::TakeServer { .. }
        | Effect::KeepFile { .. }
        | Effect::Unshare { .. }
        | Effect::ChooseWorkspace { .. }
        | Effect::PickWorkspace { .. } => true,
        _ => false,
    }
}

/// Requests 0 to 11: six subjects with two asks each, so that some supersede others.
fn request_of(number: u8) -> tidegate_trust::pairing::PendingRequest {
    let scope = if number < 6 { Scope::Read } else { Scope::Admin };
    let (seed, number) = (number % 6, u32::from(number));
    let ask = if seed < 4 { device_ask(seed, &[scope]) } else { program_ask(seed, &[scope]) };
    request(number, ask, at(u64::from(number)))
}

/// Commands 0 to 5: those with even numbers belong to one task.
fn command_of_number(number: u32) -> PendingApproval {
    let now = at(u64::from(number));
    if number.is_multiple_of(2) { side_by_side(number, "task", now) } else { command(number, now) }
}

/// Two values of one setting, of which the second takes the first's place.
fn setting_of(is_second: bool) -> ShownSetting {
    setting(if is_second { &["https://b.example"] } else { &["https://a.example"] }, &[], at(3))
}

impl World {
    fn new() -> Self {
        let (controller, _) = Controller::new(Launch::default(), at(0));
        let mut world = Self {
            controller,
            millis: 0,
            open: BTreeMap::new(),
            subjects: (0..12)
                .map(request_of)
                .map(|request| (request.id.clone(), request.details.digest()))
                .chain((0..6).map(|number| {
                    let command = command_of_number(number);
                    (command.id.clone(), command.command.digest)
                }))
                .chain([false, true].map(setting_of).map(|shown| (shown.id(), shown.proposed.digest())))
                .collect(),
            shown_since: BTreeMap::new(),
            allowed_with: BTreeSet::new(),
            last_unasked: None,
            has_commands_beyond_contained: false,
            last_notified: None,
            used: BTreeSet::new(),
        };
        world.input(Input::Host(ready())).expect("it starts");
        world
    }

    fn dialog_of(&self, target: Target) -> DialogId {
        match target {
            Target::Any(id) => DialogId(id),
            Target::Open(place) => {
                let ids: Vec<_> = self.open.keys().copied().collect();
                ids.get(place % ids.len().max(1)).copied().unwrap_or(DialogId(0))
            }
        }
    }

    /// What a person chose about those of a dialog's requests whose bit is set.
    fn outcome_of(&self, id: DialogId, which: u8, chosen: Chosen) -> ApprovalsOutcome {
        let items = match self.open.get(&id) {
            Some((Dialog::Approvals(shown), _)) => {
                let is_chosen = |at: usize| which & (1 << (at % 8)) != 0;
                let items = shown.items.iter().enumerate().filter(|(at, _)| is_chosen(*at));
                items.map(|(_, item)| item.id.clone()).collect()
            }
            _ => vec![format!("command-{}", which % 6)],
        };
        match chosen {
            Chosen::Once => ApprovalsOutcome::Allow { items, permission: None },
            Chosen::Contained => {
                ApprovalsOutcome::Allow { items, permission: Some(PermissionOffer::Contained) }
            }
            Chosen::Task => ApprovalsOutcome::Allow { items, permission: Some(PermissionOffer::Task) },
            Chosen::Deny(stop) => ApprovalsOutcome::Deny { items, words: Some("no\n".to_owned()), stop },
            Chosen::Later => ApprovalsOutcome::Later,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let input = match step {
            Step::Wait(millis) => {
                let end = self.millis + millis;
                while let Some(deadline) = self.controller.wake_at() {
                    let left = u64::try_from(deadline.remaining(at(self.millis)).as_millis());
                    let wake = self.millis + left.unwrap_or(u64::MAX / 2).max(1);
                    if wake > end {
                        break;
                    }
                    self.millis = wake;
                    self.input(Input::Wake)?;
                }
                self.millis = end;
                Input::Wake
            }
            Step::Host(state) => Input::Host(state),
            Step::Queue(requests, commands, setting) => {
                let requests: BTreeSet<u8> = requests.into_iter().collect();
                let commands: BTreeSet<u8> = commands.into_iter().collect();
                let commands = commands.into_iter().map(u32::from);
                Input::Queue(Queue {
                    requests: requests.into_iter().map(request_of).collect(),
                    commands: commands.map(command_of_number).collect(),
                    settings: setting.map(setting_of).into_iter().collect(),
                    ..Queue::default()
                })
            }
            Step::Work(running, is_paused, has_commands_beyond_contained) => Input::Work(Work {
                is_paused,
                running: vec!["run\n\u{202e}".to_owned(); running],
                has_commands_beyond_contained,
                ..Work::default()
            }),
            Step::Tray(command) => Input::Tray(command),
            Step::Notification(id, answer) => Input::Notification { id: NotificationId(id), answer },
            Step::Service(true) => Input::NotificationService(Surface::Works),
            Step::Service(false) => Input::NotificationService(Surface::Missing("gone".to_owned())),
            Step::TrayHost(true) => Input::TrayHost(Surface::Works),
            Step::TrayHost(false) => Input::TrayHost(Surface::Missing("gone".to_owned())),
            Step::Review(target, outcome, press) => {
                Input::Dialog { id: self.dialog_of(target), outcome: DialogOutcome::Review(outcome), press }
            }
            Step::Approvals(target, which, chosen, press) => {
                let id = self.dialog_of(target);
                let outcome = DialogOutcome::Approvals(self.outcome_of(id, which, chosen));
                Input::Dialog { id, outcome, press }
            }
            Step::Other(target, outcome, press) => {
                Input::Dialog { id: self.dialog_of(target), outcome, press }
            }
            Step::DialogRequest(request) => Input::DialogRequest(request),
            Step::Done(task, None) => Input::Done { task: TaskId(task), result: Ok(None) },
            Step::Done(task, Some(true)) => {
                let token = Secret::new("tg_token".to_owned());
                Input::Done { task: TaskId(task), result: Ok(Some(token)) }
            }
            Step::Done(task, Some(false)) => {
                Input::Done { task: TaskId(task), result: Err("it \u{0} did not\nwork".to_owned()) }
            }
            Step::SecondLaunch => Input::SecondLaunch,
            Step::Focus(has_focus) => Input::WindowFocus { has_focus },
            Step::Windows(is_open) => Input::Windows { is_open },
            Step::Screen(is_locked) => Input::Screen { is_locked },
            Step::DecidedByClients(let_in, refused) => Input::DecidedByClients { let_in, refused },
            Step::AgentRequestsDecidedByClients(approved, denied) => {
                Input::AgentRequestsDecidedByClients { approved, approved_for_task: approved / 2, denied }
            }
        };
        self.input(input)
    }

    fn input(&mut self, input: Input) -> Result<(), TestCaseError> {
        // A dialog that ends leaves the screen, whatever follows.
        let ended = match &input {
            Input::Dialog { id, outcome, .. } => self.open.remove(id).map(|open| (open, outcome.clone())),
            _ => None,
        };
        match &input {
            Input::Work(work) => self.has_commands_beyond_contained = work.has_commands_beyond_contained,
            // Its commands end with it.
            Input::Host(state) if *state != ready() => self.has_commands_beyond_contained = false,
            _ => {}
        }
        if let Some((_, DialogOutcome::Approvals(ApprovalsOutcome::Allow { items, permission: Some(_) }))) =
            &ended
        {
            self.allowed_with.extend(items.iter().cloned());
        }
        let effects = self.controller.on(input.clone(), at(self.millis));
        self.check_press(&input, &effects)?;
        for effect in effects {
            self.check_texts(&effect)?;
            self.check_decision(&input, ended.as_ref(), &effect)?;
            self.show(effect)?;
        }
        let is_review = |dialog: &Dialog| matches!(dialog, Dialog::Review(_) | Dialog::Approvals(_));
        let reviews = self.open.values().filter(|(dialog, _)| is_review(dialog)).count();
        prop_assert!(reviews <= 1, "{reviews} review dialogs are open");
        Ok(())
    }

    /// A program's press approves nothing while a command runs that is not contained, and is recorded
    /// before what it approves.
    fn check_press(&self, input: &Input, effects: &[Effect]) -> Result<(), TestCaseError> {
        let Input::Dialog { press: Press::Synthetic(synthetic), .. } = input else { return Ok(()) };
        let Some(approval) = effects.iter().position(approves) else { return Ok(()) };
        prop_assert!(!self.has_commands_beyond_contained, "{:?} led to {:?}", input, effects);
        let is_recorded = |effect: &Effect| matches!(effect, Effect::AuditSyntheticPress { by, is_allowed: true, .. } if by == synthetic);
        prop_assert!(effects[..approval].iter().any(is_recorded), "{effects:?}");
        Ok(())
    }

    /// Approvals come from an outcome of the dialog that showed just that; tray, notifications and
    /// dialog requests decide nothing, except that Deny refuses.
    fn check_decision(
        &self,
        input: &Input,
        ended: Option<&((Dialog, u64), DialogOutcome)>,
        effect: &Effect,
    ) -> Result<(), TestCaseError> {
        let id: String;
        let (item, digest, approves, puts_aside) = match effect {
            Effect::Decide { request, digest, verdict, .. } => {
                (request, digest, matches!(verdict, Verdict::Approve { .. }), *verdict == Verdict::Later)
            }
            Effect::GiveToken { request, digest, .. } => (request, digest, true, false),
            Effect::Resolve { approval, digest, verdict, .. } => {
                (approval, digest, !matches!(verdict, ApprovalVerdict::Deny { .. }), false)
            }
            Effect::ConfirmSetting { digest, .. } | Effect::RejectSetting { digest, .. } => {
                id = digest.chars().take(16).collect();
                (&id, digest, matches!(effect, Effect::ConfirmSetting { .. }), false)
            }
            Effect::NewToken { .. } => {
                let is_its =
                    matches!(ended, Some(((Dialog::NewToken(_), _), DialogOutcome::NewToken { .. })));
                prop_assert!(is_its, "a token without its dialog: {input:?}");
                return Ok(());
            }
            Effect::KeepModelKey { .. } => {
                let is_its =
                    matches!(ended, Some(((Dialog::ModelKey(_), _), DialogOutcome::ModelKey { .. })));
                prop_assert!(is_its, "a key without its dialog: {input:?}");
                return Ok(());
            }
            Effect::Unblock { .. } => {
                let is_its = matches!(ended, Some(((Dialog::Message(shown), _), DialogOutcome::Proceed))
                    if shown.proceed.as_deref() == Some("Unblock"));
                prop_assert!(is_its, "unblocked without its question: {input:?}");
                return Ok(());
            }
            Effect::TakeServer { model, .. } => {
                let number = &model["ollama/".len()..="ollama/".len()];
                let is_its = matches!(ended, Some(((Dialog::Message(shown), _), DialogOutcome::Proceed))
                    if shown.proceed.as_deref() == Some("Use it")
                        && shown.text.starts_with(&format!("Model: ollama/{number}")));
                prop_assert!(is_its, "taken into use without its question: {input:?}");
                return Ok(());
            }
            Effect::KeepFile { id, digest, .. } => {
                let is_its = matches!(ended, Some(((Dialog::Message(shown), _), DialogOutcome::Proceed))
                    if shown.proceed.as_deref() == Some("Keep")
                        && shown.text.starts_with(&format!("File: {id}\\u{{202e}}")));
                prop_assert!(is_its, "kept without its question: {input:?}");
                prop_assert_eq!(digest, &format!("digest of {id}"), "the digest of what was drawn");
                return Ok(());
            }
            Effect::Unshare { folder, .. } => {
                let number = &folder[1..2];
                let is_its = matches!(ended, Some(((Dialog::Message(shown), _), DialogOutcome::Proceed))
                    if shown.proceed.as_deref() == Some("Unshare")
                        && shown.text.starts_with(&format!("Folder: /{number}\\u{{202e}}")));
                prop_assert!(is_its, "unshared without its question: {input:?}");
                return Ok(());
            }
            Effect::ChooseWorkspace { session, digest, .. } => {
                let number = session.as_str().trim_start_matches("agent:main:");
                let is_its = matches!(ended, Some(((Dialog::Message(shown), _), DialogOutcome::Proceed))
                if shown.proceed.as_deref() == Some("Use this folder")
                    && shown.text.starts_with(&format!(
                        "Session: agent:main:{number}\nFolder: /{number}\\u{{202e}}"
                    )));
                prop_assert!(is_its, "a folder was chosen without its question: {input:?}");
                prop_assert_eq!(digest, &format!("digest of {number}"), "the digest of what was drawn");
                return Ok(());
            }
            Effect::PickWorkspace { session, folder, .. } => {
                let is_its = matches!(ended, Some(((Dialog::Folder(shown), _), DialogOutcome::Folder { path }))
                    if path == folder && shown.text.contains(&format!("({session})\n")));
                prop_assert!(is_its, "a folder was chosen without its chooser: {input:?}");
                return Ok(());
            }
            _ => return Ok(()),
        };
        prop_assert_eq!(Some(digest), self.subjects.get(item), "the digest of what it is about");
        if let Effect::Resolve { approval, verdict, .. } = effect {
            if let (Some(((Dialog::Approvals(shown), _), outcome)), Input::Dialog { id, .. }) = (ended, input)
            {
                return self.check_allowed(*id, shown, outcome, approval, verdict);
            }
            if matches!(input, Input::Done { .. }) && *verdict == ApprovalVerdict::AllowOnce {
                prop_assert!(self.allowed_with.contains(approval), "{approval} was not allowed with another");
                return Ok(());
            }
        }
        if let Some(((Dialog::Review(shown), opened_at), outcome)) = ended {
            let code: String = item.chars().take(8).collect();
            prop_assert!(shown.code.is_empty() || shown.code == code, "{item} was not shown: {shown:#?}");
            let is_request = matches!(effect, Effect::Decide { .. } | Effect::GiveToken { .. });
            prop_assert_eq!(shown.code.is_empty(), !is_request);
            if approves {
                prop_assert!(matches!(outcome, DialogOutcome::Review(ReviewOutcome::Approve(_))));
                prop_assert!(self.millis - opened_at >= 1500, "armed after {ARM_AFTER:?}");
                if let Effect::ConfirmSetting { digest, .. } = effect {
                    let [a, b] = [false, true].map(setting_of);
                    let meant = if *digest == a.proposed.digest() { a } else { b };
                    let value = shown.fields.iter().find(|field| field.label == "Would be");
                    let origin = meant.proposed.value.first().map(ValuePart::as_str);
                    prop_assert_eq!(value.map(|field| field.value.as_str()), origin);
                }
            }
            return Ok(());
        }
        let is_deny = matches!(input, Input::Notification { answer: NotificationAnswer::Deny, .. });
        prop_assert!(is_deny && !approves && !puts_aside, "{input:?} led to {effect:?}");
        Ok(())
    }

    /// What is decided about agents' requests was shown for long enough, and chosen.
    fn check_allowed(
        &self,
        dialog: DialogId,
        shown: &ApprovalsDialog,
        outcome: &DialogOutcome,
        approval: &str,
        verdict: &ApprovalVerdict,
    ) -> Result<(), TestCaseError> {
        let item = shown.items.iter().find(|item| item.id == approval);
        let number = approval.trim_start_matches("command-");
        let field = item.map(|item| item.fields[0].value.clone());
        prop_assert_eq!(field, Some(format!("make {number}")), "what is shown of it");
        let (chosen, is_allowed) = match outcome {
            DialogOutcome::Approvals(ApprovalsOutcome::Allow { items, permission }) => {
                let several = items.len() > 1;
                let lasts = permission.as_ref().is_some_and(|offer| *offer != PermissionOffer::Contained);
                prop_assert!(!(several && lasts), "something that lasts for several: {outcome:?}");
                (items, true)
            }
            DialogOutcome::Approvals(ApprovalsOutcome::Deny { items, .. }) => (items, false),
            _ => return Err(TestCaseError::fail(format!("{outcome:?} led to {verdict:?}"))),
        };
        prop_assert!(chosen.iter().any(|id| id == approval), "{approval} was not chosen");
        prop_assert_eq!(is_allowed, !matches!(verdict, ApprovalVerdict::Deny { .. }));
        let since = self.shown_since.get(&(dialog, approval.to_owned())).copied().unwrap_or(u64::MAX);
        prop_assert!(!is_allowed || self.millis.saturating_sub(since) >= 1500, "armed after {ARM_AFTER:?}");
        Ok(())
    }

    /// Notes since when each request is on the screen; those that stay keep their time.
    fn note_shown(&mut self, id: DialogId, dialog: &Dialog) {
        let Dialog::Approvals(shown) = dialog else { return };
        self.shown_since.retain(|(of, item), _| *of != id || shown.items.iter().any(|now| now.id == *item));
        for item in &shown.items {
            self.shown_since.entry((id, item.id.clone())).or_insert(self.millis);
        }
    }

    fn show(&mut self, effect: Effect) -> Result<(), TestCaseError> {
        match effect {
            Effect::OpenDialog { id, dialog, attention } => {
                prop_assert!(self.used.insert(id.0), "{id:?} was given before");
                if attention == Attention::Unasked {
                    let gap = self.last_unasked.map(|last| u128::from(self.millis - last));
                    prop_assert!(gap.is_none_or(|gap| gap >= UNASKED_EVERY.as_millis()), "{gap:?}");
                    self.last_unasked = Some(self.millis);
                }
                self.note_shown(id, &dialog);
                self.open.insert(id, (dialog, self.millis));
            }
            Effect::UpdateDialog { id, dialog } => {
                self.note_shown(id, &dialog);
                let before = self.open.insert(id, (dialog.clone(), self.millis)).map(|(dialog, _)| dialog);
                prop_assert!(before.is_some(), "{id:?} is not open");
                if let (Dialog::Review(now), Some(Dialog::Review(before))) = (dialog, before) {
                    let timeless =
                        ReviewDialog { expires_at: before.expires_at, behind: before.behind.clone(), ..*now };
                    prop_assert_eq!(timeless, *before, "what is asked never changes under a number");
                }
            }
            Effect::RefreshDialog { id, .. } | Effect::PresentDialog(id) => {
                prop_assert!(self.open.contains_key(&id), "{id:?} is not open");
            }
            Effect::CloseDialog(id) => {
                prop_assert!(self.open.remove(&id).is_some(), "{id:?} is not open");
            }
            Effect::Notify(notification) => {
                let gap = self.last_notified.map(|last| u128::from(self.millis - last));
                prop_assert!(gap.is_none_or(|gap| gap >= NOTIFY_EVERY.as_millis()), "{gap:?}");
                self.last_notified = Some(self.millis);
                prop_assert!(self.used.insert(notification.id.0));
            }
            _ => {}
        }
        Ok(())
    }

    /// No text of any effect holds control characters, or what turns text round.
    fn check_texts(&self, effect: &Effect) -> Result<(), TestCaseError> {
        let texts: Vec<String> = match effect {
            Effect::Notify(notification) => vec![notification.title.clone(), notification.body.clone()],
            Effect::RefreshDialog { behind, .. } => vec![behind.clone()],
            Effect::OpenDialog { dialog, .. } | Effect::UpdateDialog { dialog, .. } => match dialog {
                Dialog::Review(review) => {
                    let fields = review.fields.iter().map(|field| field.value.replace('\n', ""));
                    fields.chain(review.cautions.clone()).chain([review.heading.clone()]).collect()
                }
                Dialog::Approvals(shown) => {
                    let fields = shown.items.iter().flat_map(|item| item.fields.iter().chain(&item.details));
                    let fields = fields.map(|field| field.value.replace('\n', ""));
                    let cautions = shown.items.iter().flat_map(|item| item.cautions.clone());
                    fields.chain(cautions).chain([shown.heading.clone(), shown.problem.clone()]).collect()
                }
                Dialog::NewToken(dialog) => vec![dialog.heading.clone(), dialog.name.clone()],
                Dialog::Token(dialog) => vec![dialog.heading.clone(), dialog.explanation.clone()],
                Dialog::ModelKey(dialog) => {
                    vec![dialog.id.clone(), dialog.base_url.clone(), dialog.problem.clone()]
                }
                Dialog::Folder(dialog) => vec![dialog.heading.clone(), dialog.text.replace('\n', "")],
                Dialog::Message(dialog) => vec![dialog.heading.clone(), dialog.text.replace('\n', "")],
            },
            _ => Vec::new(),
        };
        for text in texts {
            let hides = |c: char| c.is_control() || text::is_invisible(c);
            prop_assert!(!text.contains(hides), "{text:?}");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_only_the_open_dialog_approves_just_what_it_shows(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step)?;
        }
    }
}
