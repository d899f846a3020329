//! The watcher on inotify: one thread for each workspace.
//!
//! Folders are watched for names that appear. Files that run when somebody looks at the folder are
//! watched themselves, so that writing to them under another name is seen too, and are read again
//! every few milliseconds while a command runs: writing to memory that a file is mapped to is no
//! event.
mod events;
mod watch;
mod watches;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags};

use super::GuardError;
use crate::links::SharedNow;
use crate::session::{CommandId, Report, Session};
use watch::Watch;

pub(super) struct Watcher {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
}

enum Request {
    Begin { run: String, permitted: Vec<PathBuf>, reply: SyncSender<CommandId> },
    Finish { command: CommandId, reply: SyncSender<Report> },
    SharedFiles { reply: SyncSender<SharedNow> },
    ForgetRun(String),
    Stop { reply: SyncSender<()> },
}

impl Watcher {
    pub(super) fn start(session: Session) -> Result<Self, GuardError> {
        Self::with(session, inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok())
    }

    /// Without `inotify` the workspace is walked again and again while commands run.
    fn with(session: Session, inotify: Option<OwnedFd>) -> Result<Self, GuardError> {
        let wake = Arc::new(
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(std::io::Error::from)?,
        );
        let (requests, received) = channel();
        let watch = Watch::new(session, inotify, Arc::clone(&wake));
        let name = "trigger-files".to_owned();
        std::thread::Builder::new().name(name).spawn(move || watch.run(&received))?;
        Ok(Self { requests, wake })
    }

    fn ask<T>(&self, request: impl FnOnce(SyncSender<T>) -> Request) -> Result<T, GuardError> {
        let (reply, answer) = sync_channel(1);
        self.send(request(reply))?;
        answer.recv().map_err(|_| GuardError::Ended)
    }

    fn send(&self, request: Request) -> Result<(), GuardError> {
        self.requests.send(request).map_err(|_| GuardError::Ended)?;
        // A full counter wakes as well.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        Ok(())
    }

    pub(super) fn begin(&self, run: String, permitted: Vec<PathBuf>) -> Result<CommandId, GuardError> {
        self.ask(|reply| Request::Begin { run, permitted, reply })
    }

    pub(super) fn finish(&self, command: CommandId) -> Result<Report, GuardError> {
        self.ask(|reply| Request::Finish { command, reply })
    }

    pub(super) fn shared_files(&self) -> Result<SharedNow, GuardError> {
        self.ask(|reply| Request::SharedFiles { reply })
    }

    pub(super) fn forget_run(&self, run: String) {
        let _ = self.send(Request::ForgetRun(run));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread does nothing more then. Its end is not waited for: the kernel takes more than ten
        // milliseconds to close what watched folders.
        let _ = self.ask(|reply| Request::Stop { reply });
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::engine::Engine;
    use crate::session::{Degraded, Notice};

    #[test]
    fn a_workspace_that_cannot_be_watched_is_walked_meanwhile() {
        let directory = tempfile::tempdir().expect("made");
        let workspace = directory.path().canonicalize().expect("found").join("workspace");
        let aside = workspace.with_file_name("aside");
        fs::create_dir(&workspace).expect("made");
        fs::create_dir(&aside).expect("made");
        let open = |path| OwnedFd::from(File::open(path).expect("opened"));
        let engine = Engine::new(open(&workspace), workspace.clone(), open(&aside)).expect("made");
        let (sender, notices) = channel();
        let session = Session::new(engine, Arc::new(move |notice| drop(sender.send(notice))));
        let watcher = Watcher::with(session, None).expect("started");
        let command = watcher.begin("run".to_owned(), Vec::new()).expect("begun");

        fs::write(workspace.join(".envrc"), "evil").expect("written");

        assert!(notices.iter().any(|notice| matches!(notice, Notice::Finding(_))));
        assert!(!workspace.join(".envrc").exists());
        let report = watcher.finish(command).expect("finished");
        assert_eq!(report.degraded, Some(Degraded::Unavailable));
        assert_eq!(report.findings.len(), 1);
    }
}
