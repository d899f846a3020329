//! The loop of the watcher's thread: requests, walks, and what is checked when.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Request;
use super::watches::{FOLDER, Watches, add_watch};
use crate::links::{Links, SharedFiles, SharedNow};
use crate::object::Identity;
use crate::session::{CommandId, Degraded, Report, Session};
use crate::walk::Found;

/// How often held files are read while a command runs.
const READ_AGAIN: Duration = Duration::from_millis(5);
/// How much is read at once while commands run that could go on making events.
const SOME_BATCHES: usize = 4;
/// More than the system keeps for us at once.
const ALL_BATCHES: usize = 64;
/// How often a workspace is walked that cannot be watched, while a command runs.
const WALK_AGAIN: Duration = Duration::from_millis(500);

/// A file that is open, and what was in it.
pub(super) struct Held {
    pub(super) file: File,
    pub(super) identity: Identity,
    pub(super) content: Vec<u8>,
}

pub(super) struct Watch {
    pub(super) session: Session,
    /// `None` where the system has none left for us.
    pub(super) inotify: Option<OwnedFd>,
    wake: Arc<OwnedFd>,
    pub(super) watched: Watches,
    pub(super) held: BTreeMap<PathBuf, Held>,
    /// Something changed since the last walk that only a walk can tell.
    pub(super) is_stale: bool,
    /// Files that other folders hold as well, while no name has come or moved since they were looked for.
    pub(super) shared: Option<Arc<SharedFiles>>,
    /// How many folders were moved.
    pub(super) moves: u64,
    degraded: Option<Degraded>,
    walked: Option<Instant>,
}

impl Watch {
    pub(super) fn new(session: Session, inotify: Option<OwnedFd>, wake: Arc<OwnedFd>) -> Self {
        Self {
            session,
            inotify,
            wake,
            watched: Watches::default(),
            held: BTreeMap::new(),
            is_stale: true,
            shared: None,
            moves: 0,
            degraded: None,
            walked: None,
        }
    }

    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        // Watched from the start, so that the first command waits for less.
        self.session.found = self.walk_with_links();
        loop {
            if !self.wait() {
                return;
            }
            self.drain(SOME_BATCHES);
            self.read_again();
            if self.degraded.is_some()
                && self.session.is_active()
                && self.walked.is_none_or(|walked| walked.elapsed() >= WALK_AGAIN)
            {
                self.check_all();
            }
            while let Ok(request) = requests.try_recv() {
                match request {
                    Request::Begin { run, permitted, reply } => {
                        let id = self.begin(run, permitted);
                        let _ = reply.send(id);
                    }
                    Request::Finish { command, reply } => {
                        let report = self.finish(command);
                        let _ = reply.send(report);
                    }
                    Request::SharedFiles { reply } => {
                        let shared = self.shared_files();
                        let _ = reply.send(shared);
                    }
                    Request::ForgetRun(run) => self.session.forget_run(&run),
                    Request::Stop { reply } => {
                        let _ = reply.send(());
                        return;
                    }
                }
            }
        }
    }

    /// Waits for events, requests, or the next time to look. Whether to go on.
    fn wait(&mut self) -> bool {
        let timeout = match (self.session.is_active(), self.held.is_empty(), self.degraded) {
            (true, false, _) => Some(READ_AGAIN),
            (true, true, Some(_)) => Some(WALK_AGAIN),
            _ => None,
        };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut waiting = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        waiting.extend(self.inotify.as_ref().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        true
    }

    fn begin(&mut self, run: String, permitted: Vec<PathBuf>) -> CommandId {
        self.drain(ALL_BATCHES);
        let is_first = !self.session.is_active();
        let must_walk = is_first && (self.is_stale || self.degraded.is_some());
        if must_walk {
            // Watches may have become free again.
            self.degraded = None;
        }
        let walked = must_walk.then(|| self.walk_with_links());
        let id = self.session.begin(run, permitted, walked);
        if let Some(why) = self.degraded {
            self.session.degraded(why);
        }
        if is_first {
            self.held.clear();
            for path in self.session.engine.watched_files() {
                self.hold(&path);
            }
        }
        id
    }

    fn finish(&mut self, command: CommandId) -> Report {
        self.drain(ALL_BATCHES);
        let found = self.walk();
        let report = self.session.finish(command, found);
        self.is_stale = report.findings.iter().any(Session::is_done);
        if !self.session.is_active() {
            self.held.clear();
        }
        report
    }

    /// What other folders hold as well: looked for again when names have come or moved meanwhile.
    fn shared_files(&mut self) -> SharedNow {
        self.drain(ALL_BATCHES);
        if let Some(shared) = self.shared.as_ref().filter(|_| self.degraded.is_none()) {
            return SharedNow { files: Arc::clone(shared), moves: self.moves };
        }
        let found = self.walk_with_links();
        if self.session.is_active() {
            self.take(&found);
        } else {
            self.session.found = found;
        }
        SharedNow { files: self.shared.clone().unwrap_or_default(), moves: self.moves }
    }

    /// Walks the workspace and watches each folder before its names are read.
    fn walk(&mut self) -> Found {
        self.walked = Some(Instant::now());
        self.is_stale = false;
        self.walk_below(Path::new(""))
    }

    /// The same, and looks at each file for its number of names.
    fn walk_with_links(&mut self) -> Found {
        self.walked = Some(Instant::now());
        self.is_stale = false;
        let mut links = Links::default();
        let found = self.walk_noting(Path::new(""), Some(&mut links));
        self.shared = Some(Arc::new(links.into_shared()));
        found
    }

    pub(super) fn walk_below(&mut self, path: &Path) -> Found {
        self.walk_noting(path, None)
    }

    fn walk_noting(&mut self, path: &Path, links: Option<&mut Links>) -> Found {
        let Self { session, inotify, watched, .. } = self;
        let mut problem = inotify.is_none().then_some(Degraded::Unavailable);
        let found = session.engine.walk(path, links, |folder, inode, path| {
            let Some(inotify) = inotify.as_ref().filter(|_| !watched.has(inode, path)) else { return };
            match add_watch(inotify, folder, FOLDER) {
                Ok(watch) => watched.add_folder(watch, inode, path),
                Err(_) => problem = Some(Degraded::Limit),
            }
        });
        self.degrade(problem);
        found
    }

    pub(super) fn degrade(&mut self, problem: Option<Degraded>) {
        if let Some(problem) = problem.filter(|_| self.degraded.is_none()) {
            self.degraded = Some(problem);
            self.session.degraded(problem);
        }
    }

    /// A walk while commands run.
    pub(super) fn check_all(&mut self) {
        let found = self.walk();
        self.take(&found);
    }

    /// Deals with what a walk found.
    pub(super) fn take(&mut self, found: &Found) {
        if !self.session.is_active() {
            self.is_stale |=
                !found.files.is_empty() || !found.repositories.is_empty() || !found.folders.is_empty();
            for repository in &found.repositories {
                self.session.engine.repositories.insert(repository.path.clone(), repository.form);
            }
            return;
        }
        let findings = self.session.engine.check(found, false);
        self.session.add(findings);
        self.hold_seen();
    }

    /// Keeps what was just checked in view.
    pub(super) fn hold_seen(&mut self) {
        for path in std::mem::take(&mut self.session.engine.seen) {
            self.hold(&path);
        }
    }
}
