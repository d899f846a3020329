//! Without a watcher: each command is followed by a walk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::GuardError;
use crate::links::{Links, SharedNow};
use crate::session::{CommandId, Degraded, Report, Session};

pub(super) struct Watcher(Mutex<Session>);

impl Watcher {
    pub(super) fn start(session: Session) -> Result<Self, GuardError> {
        Ok(Self(Mutex::new(session)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Session) -> T) -> Result<T, GuardError> {
        self.0.lock().map(|mut session| act(&mut session)).map_err(|_| GuardError::Ended)
    }

    pub(super) fn begin(&self, run: String, permitted: Vec<PathBuf>) -> Result<CommandId, GuardError> {
        self.with(|session| {
            let walked =
                (!session.is_active()).then(|| session.engine.walk(Path::new(""), None, |_, _, _| {}));
            let id = session.begin(run, permitted, walked);
            session.degraded(Degraded::Unavailable);
            id
        })
    }

    pub(super) fn finish(&self, command: CommandId) -> Result<Report, GuardError> {
        self.with(|session| {
            let found = session.engine.walk(Path::new(""), None, |_, _, _| {});
            session.finish(command, found)
        })
    }

    pub(super) fn shared_files(&self) -> Result<SharedNow, GuardError> {
        self.with(|session| {
            let mut links = Links::default();
            session.engine.walk(Path::new(""), Some(&mut links), |_, _, _| {});
            SharedNow { files: Arc::new(links.into_shared()), moves: 0 }
        })
    }

    pub(super) fn forget_run(&self, run: String) {
        let _ = self.with(|session| session.forget_run(&run));
    }
}
