//! The person's place at a desktop: what the shell sees of the queues, and where the decisions of
//! the native dialog come in. Windows are opened here too, and get less.
//!
//! The composition root takes the key from the new `Authority` (`take_desktop_key`), before that goes
//! into the trust service, and hands the authority that it opens at each gateway to the shell.

use std::sync::PoisonError;

pub use tidegate_access::ClientDecisions;
use tidegate_access::{AllowError, DecideError, TokenError, TrustService};
use tidegate_protocol::payload::files::SharedFolder;
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_protocol::payload::surface_params::{KeepFile, TakeServer};
use tidegate_protocol::payload::surfaces::DesktopStatus;
use tidegate_protocol::{ErrorShape, SessionKey, limits, text};
use tidegate_transport::channel::channel;
use tidegate_transport::{ChannelClient, Transport as _};
use tidegate_trust::Level;
use tidegate_trust::approval::{PendingApproval, ResolveError};
use tidegate_trust::audit::{AuditEvent, AuditKind};
use tidegate_trust::decision::{Decider, DecisionError, Verdict};
use tidegate_trust::management::ManagementError;
use tidegate_trust::origin::{DesktopKey, Origin};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::settings::{Setting, ShownSetting};
use tidegate_trust::token::Token;
use tokio::sync::{mpsc, watch};

use crate::dialog_requests::DialogRequest;
use crate::methods::session_workspace;
use crate::now;
use crate::state::Gateway;

/// The most characters of what a press was about.
const MAX_PRESS: usize = 120;

/// The person's place at a desktop. Only the holder of the [`DesktopKey`] gets one. A cheap handle.
#[derive(Clone)]
pub struct DesktopAuthority {
    gateway: Gateway,
    person: Decider,
    window: Origin,
}

/// Why something that the person decided did not happen. Each is a sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesktopError {
    /// It waits no longer.
    #[error("This no longer waits: its time was up, it was decided elsewhere, or another took its place.")]
    Gone,
    /// It is not what was drawn.
    #[error("This changed since it was shown. Look at it again.")]
    Changed,
    /// A program would get full control with the shared token.
    #[error(
        "A program can get full control only with a token of its own. Choose \u{201c}new token for this \
         program\u{201d}, or less than full control."
    )]
    NeedsOwnToken,
    /// No lasting grant is possible; the sentence says why.
    #[error("{0} Approve it once.")]
    OnlyOnce(&'static str),
    /// A device asks, and only programs get tokens.
    #[error("Only a program can get a token of its own. A device keeps its own key.")]
    NotAProgram,
    /// The token's name is empty or too long.
    #[error("Choose another name: it has 1 to {} visible characters.", tidegate_trust::records::MAX_NAME)]
    Name,
    /// Another token has the name.
    #[error("There is a token with this name already. Choose another name, or revoke that token first.")]
    NameTaken,
    /// The token was revoked while it was saved.
    #[error("The token was revoked while it was saved, so it is not given out. Make another one.")]
    TokenOvertaken,
    /// It is not blocked.
    #[error("This is not blocked any longer.")]
    NotBlocked,
    /// A model server was not taken into use; the sentence says why.
    #[error("The model server is not in use: {0}.")]
    ServerNotTaken(String),
    /// A file that was set aside was not kept; the sentence says why.
    #[error("The file was not put back: {0}.")]
    FileNotKept(String),
    /// A folder's files were not unshared; the sentence says why.
    #[error("The files were not unshared: {0}.")]
    NotUnshared(String),
    /// A session did not get a folder; the sentence says why.
    #[error("The folder was not chosen: {0}")]
    FolderNotChosen(String),
    /// It could not be saved, so it does not count.
    #[error("This could not be saved, so it has no effect: {0}.")]
    NotSaved(String),
    /// The rules do not allow it; the sentence says which.
    #[error("This cannot be done: {0}.")]
    Refused(String),
    /// The gateway is not ready.
    #[error("Tidegate is starting or stopping. Try again in a moment.")]
    NotReady,
}

impl From<DecideError> for DesktopError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Decision(error) => error.into(),
            DecideError::NotSaved(_) | DecideError::Entropy(_) => Self::NotSaved(error.to_string()),
            DecideError::Overtaken => Self::Gone,
        }
    }
}

impl From<AllowError> for DesktopError {
    fn from(error: AllowError) -> Self {
        match error {
            AllowError::Resolve(error) => error.into(),
            AllowError::Permission(error) => Self::Refused(error.to_string()),
            AllowError::NotSaved(_) | AllowError::Entropy(_) => Self::NotSaved(error.to_string()),
            AllowError::Overtaken => Self::Refused(error.to_string()),
        }
    }
}

impl From<TokenError> for DesktopError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotAProgram => Self::NotAProgram,
            TokenError::Decision(error) => error.into(),
            TokenError::Management(error) => error.into(),
            TokenError::NotSaved(error) => Self::NotSaved(error.to_string()),
            TokenError::Overtaken => Self::TokenOvertaken,
            TokenError::Entropy(error) => Self::NotSaved(error.to_string()),
        }
    }
}

impl From<DecisionError> for DesktopError {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::Unknown => Self::Gone,
            DecisionError::Changed => Self::Changed,
            DecisionError::NeedsOwnToken => Self::NeedsOwnToken,
            DecisionError::OnlyOnce(sentence) => Self::OnlyOnce(sentence),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<ManagementError> for DesktopError {
    fn from(error: ManagementError) -> Self {
        match error {
            ManagementError::Name => Self::Name,
            ManagementError::NameTaken => Self::NameTaken,
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<ResolveError> for DesktopError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Unknown => Self::Gone,
            ResolveError::Changed => Self::Changed,
            error => Self::Refused(error.to_string()),
        }
    }
}

impl Gateway {
    /// The person's place at a desktop.
    #[must_use]
    pub fn desktop(&self, key: &DesktopKey) -> DesktopAuthority {
        DesktopAuthority {
            gateway: self.clone(),
            person: Decider::person_at_desktop(key),
            window: key.window(),
        }
    }
}

impl DesktopAuthority {
    /// A number that grows with every change of what waits, of the pause, of what runs, and of who is
    /// known.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.gateway.inner().trust.changes()
    }

    /// The trust service, as long as this gateway serves: then the next one's authority is the valid one.
    fn trust(&self) -> Result<&TrustService, DesktopError> {
        let inner = self.gateway.inner();
        if inner.stop.is_cancelled() { Err(DesktopError::NotReady) } else { Ok(&inner.trust) }
    }

    /// The requests that wait, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<PendingRequest> {
        let trust = &self.gateway.inner().trust;
        trust.tick();
        trust.authority().waiting().to_vec()
    }

    /// The commands that wait, oldest first.
    #[must_use]
    pub fn commands(&self) -> Vec<PendingApproval> {
        let trust = &self.gateway.inner().trust;
        trust.tick();
        trust.approvals().waiting().to_vec()
    }

    /// The values of the configuration file that wait for the person.
    #[must_use]
    pub fn settings(&self) -> Vec<ShownSetting> {
        self.gateway.inner().trust.authority().waiting_settings()
    }

    /// Confirms a value of the configuration file, bound to what was drawn. It counts from now on.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn confirm_setting(&self, setting: Setting, digest: &str) -> Result<(), DesktopError> {
        self.trust()?.confirm_setting(&self.person, setting, digest).await?;
        self.gateway.inner().host.settings_changed().await;
        Ok(())
    }

    /// Rejects a value of the configuration file, bound to what was drawn. Whether that also survives
    /// a restart.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn reject_setting(&self, setting: Setting, digest: &str) -> Result<bool, DesktopError> {
        let saved = self.trust()?.reject_setting(&self.person, setting, Some(digest)).await?;
        self.gateway.inner().host.settings_changed().await;
        Ok(saved)
    }

    /// The dialogs that windows and the command line request. `None` when it was taken already: there
    /// is one listener.
    #[must_use]
    pub fn dialog_requests(&self) -> Option<mpsc::Receiver<DialogRequest>> {
        self.gateway.inner().dialog_requests.take_listener()
    }

    /// What clients decided without the person, who is to be told of it. The counts hold it until they
    /// are read, so that none is lost however many come at once.
    #[must_use]
    pub fn client_decisions(&self) -> watch::Receiver<ClientDecisions> {
        self.gateway.inner().trust.client_decisions()
    }

    /// Decides about someone who waits, bound to what was drawn.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn decide(
        &self,
        request_id: &str,
        digest: &str,
        verdict: &Verdict,
    ) -> Result<(), DesktopError> {
        Ok(self.trust()?.decide(&self.person, request_id, Some(digest), verdict).await?)
    }

    /// Gives a program that waits a token of its own instead of a grant, and ends its request as
    /// rejected: with the token it need not ask.
    ///
    /// # Errors
    /// A sentence for the person. There is no token then.
    pub async fn give_token(
        &self,
        request_id: &str,
        digest: &str,
        name: &str,
        level: Level,
        pairing: bool,
    ) -> Result<Token, DesktopError> {
        Ok(self.trust()?.give_token(&self.person, request_id, digest, name, level, pairing).await?)
    }

    /// Makes a token for one program. It is shown this once.
    ///
    /// # Errors
    /// A sentence for the person. There is no token then.
    pub async fn new_token(&self, name: &str, level: Level, pairing: bool) -> Result<Token, DesktopError> {
        let (token, _) = self.trust()?.new_token(name, level, pairing).await?;
        Ok(token)
    }

    /// Unblocks, by the short id that [`DialogRequest::Unblock`] names. It has to ask
    /// like anyone else afterwards. Whether that also survives a restart.
    ///
    /// # Errors
    /// When nothing is blocked under that id.
    pub async fn unblock(&self, id: &str) -> Result<bool, DesktopError> {
        let trust = self.trust()?;
        let changed = {
            let mut authority = trust.authority();
            let subject = authority.block(id).map(|block| block.subject.clone());
            let subject = subject.ok_or(DesktopError::NotBlocked)?;
            authority.unblock(&subject, now::timestamp()).map_err(|_| DesktopError::NotBlocked)?
        };
        let ((), saved) = trust.settle(changed, None).await;
        Ok(saved)
    }

    /// Takes a model server on this computer into use and has its model answer, if it is still run by
    /// whom [`DialogRequest::TakeServer`] named.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn take_server(&self, model: &str, owner: &str) -> Result<(), DesktopError> {
        let server = TakeServer { model: model.to_owned(), owner: Some(owner.to_owned()) };
        let taken = crate::methods::desktop::take_server(&self.gateway, server).await;
        taken.map(|_| ()).map_err(|error| DesktopError::ServerNotTaken(error.message))
    }

    /// Puts a file that was set aside back where it was, bound to what was drawn.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn keep_file(&self, id: &str, digest: &str) -> Result<(), DesktopError> {
        let file = KeepFile { id: id.to_owned(), digest: Some(digest.to_owned()) };
        let kept = crate::methods::files::keep(self.gateway.inner(), file, "tidegate-desktop").await;
        kept.map(|_| ()).map_err(|error| DesktopError::FileNotKept(error.message))
    }

    /// Gives a folder copies of its own of files that others hold as well.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn unshare(&self, folder: &str) -> Result<SharedFolder, DesktopError> {
        let done = crate::methods::files::unshare(self.gateway.inner(), folder, "tidegate-desktop").await;
        done.map_err(|error| DesktopError::NotUnshared(error.message))
    }

    /// Chooses the folder in which a session works, bound to what was drawn; without one it is the folder
    /// that sessions have when nobody chose one for them.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn choose_workspace(
        &self,
        session: SessionKey,
        folder: Option<&str>,
        digest: &str,
    ) -> Result<(), DesktopError> {
        self.trust()?;
        let refused = |error: ErrorShape| DesktopError::FolderNotChosen(error.message);
        let proposed = session_workspace::propose(&self.gateway, session, folder).await.map_err(refused)?;
        let chosen = session_workspace::choose(&self.gateway, &self.person, proposed, digest).await;
        chosen.map(|_| ()).map_err(refused)
    }

    /// Asks about the folder that the person picked in the chooser of [`DialogRequest::PickWorkspace`]: a link
    /// may lead elsewhere, and the person sees where, and what other folders hold of it.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn pick_workspace(&self, session: SessionKey, folder: &str) -> Result<(), DesktopError> {
        self.trust()?;
        let refused = |error: ErrorShape| DesktopError::FolderNotChosen(error.message);
        let shown = session_workspace::look(&self.gateway, session, Some(folder)).await.map_err(refused)?;
        let request = DialogRequest::ChooseWorkspace { shown: Box::new(shown), by_client: false };
        self.gateway.inner().dialog_requests.make(request).map_err(refused)
    }

    /// Decides about a command or a file, bound to what was drawn.
    ///
    /// # Errors
    /// A sentence for the person. Nothing was decided then.
    pub async fn decide_approval(
        &self,
        approval_id: &str,
        digest: &str,
        verdict: &ApprovalVerdict,
    ) -> Result<(), DesktopError> {
        let (trust, person) = (self.trust()?, &self.person);
        let offer = match verdict {
            ApprovalVerdict::Deny { words, stop } => {
                return Ok(trust.deny_shown(person, approval_id, digest, words.as_deref(), *stop)?);
            }
            ApprovalVerdict::AllowOnce => None,
            ApprovalVerdict::Permit { offer } => Some(offer),
        };
        trust.allow_shown(person, approval_id, digest, offer).await?;
        Ok(())
    }

    /// Uses permissions again, after the person was to be asked about everything.
    ///
    /// # Errors
    /// A sentence for the person. Nothing changed then.
    pub async fn use_permissions(&self) -> Result<(), DesktopError> {
        Ok(self.trust()?.use_permissions_again(&self.person).await?)
    }

    /// The person is asked about everything from now on. Whether that also survives a restart.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn ask_everything(&self) -> Result<bool, DesktopError> {
        Ok(self.trust()?.ask_everything_as(&self.person).await)
    }

    /// Records that a program pressed an approving button in a dialog (`by`: how), whether or not
    /// that was allowed. `about` is the id of what would be approved, or the shell's own words.
    pub fn audit_synthetic_press(&self, about: &str, by: &str, is_allowed: bool) {
        let kind = match is_allowed {
            true => AuditKind::DialogPressedByProgram,
            false => AuditKind::DialogPressRefused,
        };
        let about = text::one_line(about, MAX_PRESS);
        let line = format!("{kind} about={about} by={by}");
        self.gateway.inner().trust.audit(AuditEvent::new(now::wall(), kind, about, line));
    }

    /// Stops or resumes new work of agents.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn set_paused(&self, paused: bool) -> Result<(), DesktopError> {
        crate::methods::local::pause(&self.gateway, paused)
            .await
            .map(|_| ())
            .map_err(|error| DesktopError::NotSaved(error.message))
    }

    /// Opens a connection as a window. The first frame is the event `tidegate.welcome`; there is no
    /// `connect`.
    #[must_use]
    pub fn open_window(&self) -> ChannelClient {
        let (mut server, client) = channel();
        server.set_limit(limits::MAX_PAYLOAD);
        let (gateway, origin) = (self.gateway.clone(), self.window.clone());
        self.gateway.inner().tasks.spawn(crate::connection::serve_window(gateway, server, origin));
        client
    }

    /// What the shell says of tray, notifications and start at login: `desktop` in `tidegate.status`.
    pub fn set_surfaces(&self, surfaces: DesktopStatus) {
        let inner = self.gateway.inner();
        *inner.surfaces.lock().unwrap_or_else(PoisonError::into_inner) = Some(surfaces);
        inner.trust.changed();
    }
}
