//! What the gateway needs of the process around it.

use std::path::Path;

use futures_util::future::BoxFuture;
use tidegate_protocol::ErrorShape;
use tidegate_protocol::params::LogsTail;
use tidegate_protocol::payload::agents::ModelsListResult;
use tidegate_protocol::payload::files::{
    FileDecidedResult, FilesListResult, SetAsideFileDetails, SharedFolder,
};
use tidegate_protocol::payload::surface_params::{AddProvider, KeepFile, ModelChoice, TakeServer};
use tidegate_protocol::payload::surfaces::{
    ConfigListResult, DoctorResult, FoundServer, ModelsAddResult, ModelsTestResult, ModelsUseResult,
    SelfTestResult, SharedTokenResult, TidegateStatusResult,
};
use tidegate_protocol::payload::system::{ConfigGetResult, LogsTailResult};
use tidegate_trust::Folder;
use tidegate_trust::token::Token;

/// An answer of the host.
pub type HostAnswer<'a, T> = BoxFuture<'a, Result<T, ErrorShape>>;

/// The process around the gateway: models, configuration, log, secrets, files that were set aside. Who may
/// ask for what was decided before.
pub trait Host: Send + Sync + 'static {
    /// The whole state, but for the desktop's part.
    fn status(&self) -> HostAnswer<'_, TidegateStatusResult>;

    /// Checks of every part.
    fn checks(&self) -> BoxFuture<'_, DoctorResult>;

    /// A spawn through the whole path, which leaves no history.
    fn self_test(&self) -> HostAnswer<'_, SelfTestResult>;

    /// Begins to stop the process.
    fn stop(&self);

    /// The shared token, where it can be shown.
    fn shared_token(&self) -> BoxFuture<'_, SharedTokenResult>;

    /// Keeps a new shared token where it can be shown again, when there is such a place.
    fn keep_shared_token<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, ()>;

    /// The models, with those of servers that were found and are not in use.
    fn models(&self) -> HostAnswer<'_, ModelsListResult>;

    /// Adds a model provider.
    fn add_provider(&self, provider: AddProvider) -> HostAnswer<'_, ModelsAddResult>;

    /// Chooses the model, unless its server was only found on this computer.
    fn use_model(&self, choice: ModelChoice) -> HostAnswer<'_, ModelsUseResult>;

    /// Takes a server that was found on this computer into use, if it is still run by whom the person was
    /// shown.
    fn take_server(&self, server: TakeServer) -> HostAnswer<'_, ModelsUseResult>;

    /// Asks a model one small question.
    fn test_model(&self, choice: ModelChoice) -> HostAnswer<'_, ModelsTestResult>;

    /// The server of a model, where it was found on this computer, as a person is asked about it.
    fn found_server<'a>(&'a self, model: &'a str) -> HostAnswer<'a, FoundServer>;

    /// The configuration file without secrets.
    fn config(&self) -> ConfigGetResult;

    /// Where the configuration file is and what of it never counts. What became of the rest, the gateway
    /// knows.
    fn config_file(&self) -> ConfigListResult;

    /// Takes over what counts of the configuration file since a person decided about a value of it.
    /// The answer to the decision waits for this.
    fn settings_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// A slice of the log.
    fn log_tail(&self, params: LogsTail) -> HostAnswer<'_, LogsTailResult>;

    /// The files that were set aside.
    fn set_aside_files(&self) -> HostAnswer<'_, FilesListResult>;

    /// A file that was set aside, as a person is asked about it.
    fn set_aside_file<'a>(&'a self, id: &'a str) -> HostAnswer<'a, SetAsideFileDetails>;

    /// Puts such a file back where it was.
    fn keep_file(&self, file: KeepFile) -> HostAnswer<'_, FileDecidedResult>;

    /// Removes such a file for good.
    fn discard_file(&self, id: String) -> HostAnswer<'_, FileDecidedResult>;

    /// The folder of a name, if sessions may have it as their workspace. `~` is the home directory.
    fn workspace_at<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, Folder>;

    /// Agents may write in a folder from now on: a program there is nobody's.
    fn agents_may_write(&self, folder: &Path);

    /// What of a folder other folders hold as well, as a person is asked about it.
    fn shared_folder<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder>;

    /// Gives a folder copies of its own of such files.
    fn unshare<'a>(&'a self, folder: &'a str) -> HostAnswer<'a, SharedFolder>;
}
