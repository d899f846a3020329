//! A person who is asked by runs, with an authority and a queue around them.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_protocol::confinement::{CommandClass, Confinement, Need};
use tidegate_protocol::payload::permissions::PermissionOffer;
use tidegate_trust::approval::{
    ApprovalQueue, ApprovalRequest, Clearance, FileAccess, Operation, PendingApproval, Question, Requester,
};
use tidegate_trust::authority::Effect;
use tidegate_trust::decision::Decider;
use tidegate_trust::permissions::{
    Attendance, Permission, PermissionError, Permitted, RequestContext, WhyAsked,
};
use tidegate_trust::transaction::PreparedTransaction;
use tidegate_trust::{Change, FileIdentity, Folder, TrustRecords};

use crate::support::{World, command_line, person_at_desktop, records};

pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const PROJECT: &str = "/home/ada/project";
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

pub(crate) struct Person {
    pub(crate) world: World,
    pub(crate) queue: ApprovalQueue,
    pub(crate) decider: Decider,
    asked: u64,
}

/// A folder; its inode is made of its name.
pub(crate) fn folder(path: &str) -> Folder {
    let inode = path.bytes().fold(7, |inode: u64, byte| inode.wrapping_mul(31).wrapping_add(byte.into()));
    Folder { path: PathBuf::from(path), identity: FileIdentity { device: 1, inode } }
}

/// A folder and those above it.
pub(crate) fn upwards(path: &str) -> Vec<Folder> {
    PathBuf::from(path).ancestors().map(|path| folder(path.to_str().expect("a text"))).collect()
}

/// A contained command of an attended run of the first task, in the project.
pub(crate) fn command(needs: &[&str]) -> ApprovalRequest {
    let needs: Vec<Need> = needs.iter().map(|need| need.parse().expect("a need")).collect();
    let mut confinement = Confinement::plain(CommandClass::Contained, 1800);
    confinement.repository = needs.contains(&Need::Git).then(|| "/home/ada/main/.git".to_owned());
    confinement.needs = needs;
    let outside = outside(&confinement);
    request(Operation::Exec {
        command: "make".to_owned(),
        command_argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), "make".to_owned()],
        cwd: PROJECT.to_owned(),
        env: Vec::new(),
        confinement: Some(confinement),
    })
    .with_context(|context| context.outside = outside)
}

/// A file in a folder outside the workspace.
pub(crate) fn file(in_folder: &str, access: FileAccess) -> ApprovalRequest {
    let path = format!("{in_folder}/file");
    request(Operation::File { path, exists: true, trigger: false, access }).below(in_folder)
}

fn request(operation: Operation) -> ApprovalRequest {
    ApprovalRequest {
        operation,
        session_key: "agent:main:main".to_owned(),
        run_id: Some("run-1".to_owned()),
        ancestors: Vec::new(),
        digest: "digest".to_owned(),
        context: Some(RequestContext {
            task: "task-1".to_owned(),
            attendance: Attendance::Attended,
            folders: upwards(PROJECT),
            outside: Vec::new(),
            plain: None,
            not_found: None,
        }),
    }
}

/// The folders elsewhere that a command needs.
fn outside(confinement: &Confinement) -> Vec<Folder> {
    let written = confinement.needs.iter().filter_map(|need| match need {
        Need::Write(path) => Some(path),
        _ => None,
    });
    written.chain(&confinement.repository).map(|path| folder(path)).collect()
}

/// The same request, but for something.
pub(crate) trait But: Sized {
    fn with_context(self, change: impl FnOnce(&mut RequestContext)) -> Self;
    fn with_confinement(self, change: impl FnOnce(&mut Confinement)) -> Self;
    fn of_session(self, key: &str) -> Self;
    fn with_digest(self, digest: &str) -> Self;

    fn in_folders(self, folders: Vec<Folder>) -> Self {
        self.with_context(|context| context.folders = folders)
    }

    fn below(self, path: &str) -> Self {
        self.in_folders(upwards(path))
    }

    fn in_task(self, task: &str) -> Self {
        self.with_context(|context| context.task = task.to_owned())
    }

    fn unattended(self) -> Self {
        self.with_context(|context| context.attendance = Attendance::Unattended)
    }
}

impl But for ApprovalRequest {
    fn with_context(mut self, change: impl FnOnce(&mut RequestContext)) -> Self {
        change(self.context.as_mut().expect("of a run"));
        self
    }

    fn with_confinement(mut self, change: impl FnOnce(&mut Confinement)) -> Self {
        let Operation::Exec { confinement: Some(confinement), .. } = &mut self.operation else {
            panic!("no command");
        };
        change(confinement);
        let outside = outside(confinement);
        self.with_context(|context| context.outside = outside)
    }

    fn of_session(mut self, key: &str) -> Self {
        key.clone_into(&mut self.session_key);
        self
    }

    fn with_digest(mut self, digest: &str) -> Self {
        digest.clone_into(&mut self.digest);
        if let Operation::Exec { command, .. } = &mut self.operation {
            *command = format!("make {digest}");
        }
        self
    }
}

impl Person {
    pub(crate) fn new() -> Self {
        Self::with(records())
    }

    pub(crate) fn with(records: TrustRecords) -> Self {
        let mut world = World::new(records);
        let decider = person_at_desktop(&mut world);
        Self { world, queue: ApprovalQueue::default(), decider, asked: 0 }
    }

    /// What is used unasked, or why a person is asked.
    pub(crate) fn answer(&mut self, request: &ApprovalRequest) -> Result<Permitted, Option<WhyAsked>> {
        self.world.authority.permitted(request, self.world.now)
    }

    pub(crate) fn is_unasked(&mut self, request: &ApprovalRequest) -> bool {
        self.answer(request).is_ok()
    }

    pub(crate) fn offers(&self, request: &ApprovalRequest) -> Vec<PermissionOffer> {
        self.world.authority.offers(request).into_iter().map(|offered| offered.offer).collect()
    }

    /// A run asks, whatever is allowed.
    pub(crate) fn waits(&mut self, request: &ApprovalRequest) -> PendingApproval {
        self.asked += 1;
        let id = format!("{:08}", self.asked);
        let question = Question { offers: self.world.authority.offers(request), why_asked: None };
        let asked =
            self.queue.ask(id, request.clone(), Requester::Run, question, HALF_AN_HOUR, self.world.now);
        asked.expect("there is room")
    }

    /// The person's right to allow something that waits.
    pub(crate) fn cleared(&mut self, waiting: &PendingApproval) -> Clearance {
        let digest = &waiting.command.digest;
        let cleared = self.queue.clear_shown(&self.decider, &waiting.id, digest, self.world.now);
        cleared.expect("it waits").0
    }

    /// Prepares what the person gives with a request.
    pub(crate) fn prepare(
        &mut self,
        request: &ApprovalRequest,
        offer: &PermissionOffer,
    ) -> Result<PreparedTransaction<Permission>, PermissionError> {
        let waiting = self.waits(request);
        let clearance = self.cleared(&waiting);
        let entropy = self.world.entropy();
        let prepared =
            self.world.authority.give_permission(&clearance, request, offer, &entropy, self.world.now);
        match &prepared {
            Ok(_) => drop(self.queue.allow(clearance, Some("given".to_owned()), self.world.now)),
            Err(_) => self.queue.give_back(&clearance),
        }
        prepared
    }

    /// The person allows with a request what it offers. What is stored of that.
    pub(crate) fn gives(
        &mut self,
        request: &ApprovalRequest,
        offer: &PermissionOffer,
    ) -> (Permission, Vec<Change>) {
        let mut prepared = self.prepare(request, offer).expect("it offers that");
        let durable = std::mem::take(&mut prepared.durable);
        (self.world.commit(prepared), durable)
    }

    pub(crate) fn revoke(&mut self, id: &str) -> Result<(Vec<Change>, Vec<Effect>), PermissionError> {
        let revoked = self.world.authority.revoke_permission(&command_line(), id, self.world.now)?;
        Ok((revoked.durable, revoked.effects))
    }

    pub(crate) fn ask_everything(&mut self) -> Vec<Change> {
        let asked = self.world.authority.ask_everything(&command_line(), self.world.now);
        asked.expect("anyone may").durable
    }

    /// The ids of what is in effect.
    pub(crate) fn in_effect(&self) -> Vec<String> {
        let (permissions, _) = self.world.authority.permissions(self.world.now);
        permissions.into_iter().map(|permission| permission.id.clone()).collect()
    }
}
