//! A person's choice of the folder in which a session works.

use sha2::{Digest as _, Sha256};
use tidegate_protocol::{SessionKey, text};

use crate::audit::{AuditEvent, AuditKind};
use crate::decider::{Decider, Who};
use crate::decision::DecisionError;
use crate::folder::Folder;
use crate::timestamp::Timestamp;

/// Characters of a session's key or a path in the audit log.
const AUDITED: usize = 200;

/// A folder for a session, as a person is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedWorkspace {
    pub session: SessionKey,
    /// `None` for the folder that sessions have when nobody chose one for them.
    pub folder: Option<Folder>,
}

impl ProposedWorkspace {
    /// A digest of exactly this folder, by name and identity, for this session.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.session.as_str());
        if let Some(Folder { path, identity }) = &self.folder {
            hash.update([0]);
            hash.update(identity.device.to_be_bytes());
            hash.update(identity.inode.to_be_bytes());
            hash.update(path.as_os_str().as_encoded_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// A folder for a session that a person chose. Only [`Decider::choose_workspace`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenWorkspace {
    proposed: ProposedWorkspace,
    by: String,
}

impl ChosenWorkspace {
    /// The session that works there from its next run on.
    #[must_use]
    pub fn session(&self) -> &SessionKey {
        &self.proposed.session
    }

    /// `None` for the folder that sessions have when nobody chose one for them.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        self.proposed.folder.as_ref()
    }

    /// What the audit log says of it, once it is saved.
    #[must_use]
    pub fn audit(&self, now: Timestamp) -> AuditEvent {
        let kind = AuditKind::WorkspaceChosen;
        let session = text::one_line(self.session().as_str(), AUDITED);
        let folder = match self.folder() {
            Some(folder) => text::one_line(&folder.path.to_string_lossy(), AUDITED),
            None => "default".to_owned(),
        };
        let line = format!("{kind} session={session} folder={folder} by={}", self.by);
        AuditEvent::new(now.wall, kind, session, line)
    }
}

impl Decider {
    /// The choice of a folder for a session: a person's alone, because everything in it is the agent's to
    /// read and to change unasked. `digest` is that of what the person was shown.
    ///
    /// # Errors
    /// Why it is not chosen.
    pub fn choose_workspace(
        &self,
        proposed: ProposedWorkspace,
        digest: &str,
    ) -> Result<ChosenWorkspace, DecisionError> {
        match self.who() {
            Who::Person => {}
            Who::Surface(_) => return Err(DecisionError::DesktopDecides),
            Who::Client { .. } => return Err(DecisionError::PersonOnly),
        }
        match proposed.digest() == digest {
            true => Ok(ChosenWorkspace { proposed, by: self.name() }),
            false => Err(DecisionError::Changed),
        }
    }
}
