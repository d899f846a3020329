//! From the arguments of a call to a plan in which nothing is left open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidegate_agent::approval::ExecPlan;
use tidegate_agent::authority::RunAuthority;
use tidegate_protocol::confinement::{CommandClass, Confinement, MAX_NEEDS, MAX_REASON, Need, NeedError};
use tidegate_proxy::NetworkGrant;
use tidegate_proxy::grants::NetworkGrantError;
use tidegate_trust::Folder;
use tidegate_trust::rules::{PlainCommand, ResolvedCommand};

use super::environment::{self, EnvironmentError};
use super::plain::{self, ProgramSearch};
use super::repository::{self, NotOwn, Repository};
use super::sandboxes::{Sandboxes, pinned};
use super::shared_files::WritableFolder;
use super::{listen, local_sockets};
use crate::arguments::{ArgumentError, Arguments};
use crate::folders;
use crate::identity::Identity;
use crate::protected::Protected;
use crate::workspace::{PathError, Workspace};

/// The longest time that a call may ask for.
pub(super) const MAX_TIMEOUT_SECONDS: u64 = 86_400;
const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;
/// Bytes of a command: more than a person reads, less than systems take as one argument.
const MAX_COMMAND: usize = 64 * 1024;
const SHELL: &str = "/bin/sh";

/// Why a call cannot become a plan. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error("command must not be empty")]
    NoCommand,
    #[error("command has {bytes} bytes; at most {MAX_COMMAND} are allowed; write a script and run that")]
    TooLong { bytes: usize },
    #[error("command contains a NUL character, which no shell takes")]
    Nul,
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("workdir: {0}")]
    Directory(#[from] PathError),
    #[error("workdir has a name that is not UTF-8, so that it could not be shown to a person")]
    NotUtf8,
    #[error("{SHELL} cannot be used: {0}")]
    Shell(std::io::Error),
    #[error("needs: {0}")]
    Need(#[from] NeedError),
    #[error("git cannot be granted: the workspace has no repository; `git init` needs nothing")]
    NoRepository,
    #[error("git cannot be granted: {0}")]
    Repository(#[from] NotOwn),
    #[error("sockets cannot be granted: {0}; end that program or name other folders")]
    Sockets(#[from] local_sockets::InReach),
    #[error("needs: {0}")]
    Network(#[from] NetworkGrantError),
    #[error("needs has {count} entries; at most {MAX_NEEDS} are allowed")]
    TooManyNeeds { count: usize },
    #[error("reason is missing: say in a sentence why the command needs {needs}; a person reads it")]
    NoReason { needs: String },
    #[error("reason has {bytes} bytes; at most {MAX_REASON} are allowed")]
    LongReason { bytes: usize },
    #[error(
        "{need} cannot be granted, because this system has no sandbox ({problem}); leave it out, or ask with \
         needs [\"unconfined\"]"
    )]
    NeedsSandbox { need: Need, problem: String },
    #[error(transparent)]
    Port(#[from] listen::PortRefused),
    #[error("the workspace {path} cannot hold commands: {problem}; choose another folder")]
    Workspace { path: PathBuf, problem: &'static str },
    #[error("write:{path} cannot be granted: {problem}")]
    Write { path: String, problem: String },
}

/// A call, checked by itself.
#[derive(Debug, Clone)]
pub(super) struct Request {
    command: String,
    workdir: Option<String>,
    environment: BTreeMap<String, String>,
    needs: Vec<Need>,
    reason: Option<String>,
    pty: bool,
    /// How long the command may run.
    pub(super) timeout: Duration,
}

impl Request {
    /// Reads the arguments of a call.
    pub(super) fn parse(arguments: Value) -> Result<Self, RequestError> {
        let mut arguments = Arguments::new(
            arguments,
            &["command", "workdir", "env", "needs", "reason", "pty", "timeoutSeconds"],
        )?;
        let command = arguments.text("command")?;
        let workdir = arguments.optional_text("workdir")?;
        let environment = arguments.optional_texts("env")?;
        let needs = arguments.optional_list("needs")?;
        let reason = arguments.optional_text("reason")?.filter(|reason| !reason.trim().is_empty());
        let pty = arguments.optional_flag("pty")?;
        let seconds = arguments.optional_number("timeoutSeconds", 1, MAX_TIMEOUT_SECONDS)?;
        if command.trim().is_empty() {
            return Err(RequestError::NoCommand);
        }
        if command.len() > MAX_COMMAND {
            return Err(RequestError::TooLong { bytes: command.len() });
        }
        if command.contains('\0') {
            return Err(RequestError::Nul);
        }
        environment::check(&environment)?;
        let needs = parse_needs(&needs)?;
        match &reason {
            None if !needs.is_empty() => return Err(RequestError::NoReason { needs: joined(&needs) }),
            Some(reason) if reason.len() > MAX_REASON => {
                return Err(RequestError::LongReason { bytes: reason.len() });
            }
            _ => {}
        }
        let timeout = Duration::from_secs(seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS));
        Ok(Self { command, workdir, environment, needs, reason, pty, timeout })
    }

    /// How the command runs on a computer where sandboxes hold, or where `problem` stands in their way.
    pub(super) fn confinement(&self, problem: Option<&str>) -> Result<Confinement, RequestError> {
        let class = match problem {
            _ if self.needs.contains(&Need::Unconfined) => CommandClass::Unconfined,
            None => CommandClass::Contained,
            Some(problem) => {
                if let Some(need) = self.needs.first() {
                    return Err(RequestError::NeedsSandbox {
                        need: need.clone(),
                        problem: problem.to_owned(),
                    });
                }
                CommandClass::Partial
            }
        };
        let networks = self.needs.iter().filter(|need| matches!(need, Need::Network { .. }));
        for need in networks {
            need.to_string().parse::<NetworkGrant>()?;
        }
        Ok(Confinement {
            class,
            needs: self.needs.clone(),
            reason: self.reason.clone(),
            repository: None,
            shared: None,
            after_network: false,
            pty: self.pty,
            timeout_seconds: self.timeout.as_secs(),
        })
    }
}

/// Each need once, in one order: the same needs are the same plan.
fn parse_needs(given: &[String]) -> Result<Vec<Need>, RequestError> {
    if given.len() > MAX_NEEDS {
        return Err(RequestError::TooManyNeeds { count: given.len() });
    }
    let mut needs = given.iter().map(|text| text.parse()).collect::<Result<Vec<Need>, _>>()?;
    needs.sort();
    needs.dedup();
    Ok(needs)
}

fn joined(needs: &[Need]) -> String {
    needs.iter().map(Need::to_string).collect::<Vec<_>>().join(", ")
}

/// A plan, and what its directory and program were when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PreparedPlan {
    pub(super) plan: ExecPlan,
    pub(super) directory: Identity,
    pub(super) program: Identity,
    /// The workspace, and the folders above it.
    pub(super) folders: Vec<Folder>,
    /// The folders elsewhere that it may write, and the repository.
    pub(super) outside: Vec<Folder>,
    /// The command with its programs, where it is plain: what a rule is for.
    pub(super) plain: Option<ResolvedCommand>,
    /// The same where not all its programs were found.
    pub(super) not_found: Option<PlainCommand>,
}

/// Makes the plan of one call, as often as it is asked to, from the file system as it is then.
#[derive(Clone)]
pub(super) struct Planner {
    pub(super) request: Request,
    pub(super) authority: RunAuthority,
    pub(super) protected: Protected,
    /// What is granted beyond a class, and what is said of that.
    pub(super) confinement: Confinement,
    pub(super) sandboxes: Arc<Sandboxes>,
}

impl Planner {
    /// Makes the plan. Blocks on the file system.
    pub(super) fn prepare(&self) -> Result<PreparedPlan, RequestError> {
        self.check_workspace()?;
        let granted = self.granted()?;
        let repository = self.granted_repository()?;
        let outside = granted.iter().chain(&repository).filter_map(|folder| folders::now(folder)).collect();
        let workspace = Workspace::of(&self.authority)?;
        let directory =
            workspace.directory(self.request.workdir.as_deref().unwrap_or("."), &self.protected)?;
        let program = Path::new(SHELL).canonicalize().map_err(RequestError::Shell)?;
        let program_identity = Identity::of_path(&program).map_err(RequestError::Shell)?;
        let plan = ExecPlan {
            command: self.request.command.clone(),
            program: utf8(program)?,
            arguments: vec!["-c".to_owned(), self.request.command.clone()],
            directory: utf8(directory.path)?,
            environment: self.request.environment.clone().into_iter().collect(),
            confinement: Confinement {
                repository: repository.map(utf8).transpose()?.map(|folder| folder.display().to_string()),
                ..self.confinement.clone()
            },
        };
        if self.confinement.needs.contains(&Need::Sockets) {
            let workspace = self.authority.workspace().to_owned();
            let toolchains = self.sandboxes.toolchains();
            let repository = self.repository().folder().map(Path::to_owned);
            local_sockets::check(granted.iter().chain(&toolchains).chain(&repository).chain([&workspace]))?;
        }
        let reserved = self.sandboxes.reserved_ports();
        self.listen().into_iter().try_for_each(|port| listen::check(port, reserved))?;
        let folders = folders::upwards(workspace.path());
        let (plain, not_found) = self.plain(workspace.path(), &granted);
        let (directory, program) = (directory.identity, program_identity);
        Ok(PreparedPlan { plan, directory, program, folders, outside, plain, not_found })
    }
}

impl Planner {
    /// The command with the programs that a sandbox finds for it, where it is plain; where they are not all found,
    /// the command alone.
    fn plain(
        &self,
        workspace: &Path,
        granted: &[PathBuf],
    ) -> (Option<ResolvedCommand>, Option<PlainCommand>) {
        let sets_variables = !self.request.environment.is_empty();
        if self.confinement.class != CommandClass::Contained || sets_variables {
            return (None, None);
        }
        let Ok(command) = PlainCommand::parse(&self.request.command) else { return (None, None) };
        match self.resolved(command.clone(), workspace, granted) {
            Some(resolved) => (Some(resolved), None),
            None => (None, Some(command)),
        }
    }

    fn resolved(
        &self,
        command: PlainCommand,
        workspace: &Path,
        granted: &[PathBuf],
    ) -> Option<ResolvedCommand> {
        let variables = self.sandboxes.variables(environment::SEARCH_PATH, false);
        let search_path = &variables.iter().find(|(name, _)| name == "PATH")?.1;
        let real = |path: &Path| path.canonicalize().ok();
        let system = plain::SYSTEM_FOLDERS.iter().filter_map(|folder| real(Path::new(folder)));
        let toolchains = self.sandboxes.toolchains();
        let read_only: Vec<PathBuf> =
            system.chain(toolchains.iter().filter_map(|folder| real(folder))).collect();
        let repository = self.repository();
        let mut writable: Vec<PathBuf> = granted.to_vec();
        writable.push(workspace.to_owned());
        writable.extend(repository.folder().and_then(real));
        writable.extend(real(self.sandboxes.directory()));
        let (read_only, writable) = (&read_only, &writable);
        let user = self.sandboxes.user();
        plain::resolve(command, &ProgramSearch { search_path, read_only, writable, user }).ok()
    }

    /// The folders outside that the command may write, as they are now.
    pub(super) fn granted(&self) -> Result<Vec<PathBuf>, RequestError> {
        if self.confinement.class != CommandClass::Contained {
            return Ok(Vec::new());
        }
        let writes = self.confinement.needs.iter().filter_map(|need| match need {
            Need::Write(path) => Some(self.writable(path)),
            _ => None,
        });
        writes.collect()
    }

    /// The ports of this computer that lead to the command's servers.
    pub(super) fn listen(&self) -> Vec<u16> {
        if self.confinement.class != CommandClass::Contained {
            return Vec::new();
        }
        let needs = self.confinement.needs.iter();
        needs.filter_map(|need| if let Need::Listen(port) = need { Some(*port) } else { None }).collect()
    }

    /// Whether what the command reads can come from other computers.
    pub(super) fn reaches_network(&self) -> bool {
        let needs = &self.confinement.needs;
        self.confinement.class == CommandClass::Unconfined
            || needs.iter().any(|need| matches!(need, Need::Network { .. }))
    }

    /// Where the command may connect.
    pub(super) fn network_grants(&self) -> Vec<String> {
        let needs = self.confinement.needs.iter().filter(|need| matches!(need, Need::Network { .. }));
        needs.map(Need::to_string).collect()
    }

    /// A sandbox can change everything in its workspace, so that nothing may lie there that tools never
    /// touch.
    fn check_workspace(&self) -> Result<(), RequestError> {
        let path = self.authority.workspace();
        if self.protected.lies_in_or_around(path) {
            let problem =
                "it holds keys, files that start programs, or Tidegate's own files, or lies in them";
            return Err(RequestError::Workspace { path: path.to_owned(), problem });
        }
        Ok(())
    }

    /// A repository can be granted where it is this workspace's own. Gives its folder, where that is
    /// outside of the workspace.
    fn granted_repository(&self) -> Result<Option<PathBuf>, RequestError> {
        if !self.confinement.needs.contains(&Need::Git) {
            return Ok(None);
        }
        match repository::find(self.authority.workspace(), &self.protected)? {
            Repository::None => Err(RequestError::NoRepository),
            found => Ok(found.folder().map(Path::to_owned)),
        }
    }

    /// The repository of the workspace, as it is now.
    pub(super) fn repository(&self) -> Repository {
        repository::find(self.authority.workspace(), &self.protected).unwrap_or(Repository::None)
    }

    /// The folders that the command may write, in which trigger files are watched over while it runs.
    pub(super) fn writable_folders(&self) -> Result<Vec<WritableFolder>, RequestError> {
        self.check_workspace()?;
        let workspace = Workspace::of(&self.authority)?.path().to_owned();
        let is_contained = self.confinement.class == CommandClass::Contained;
        let git = self.confinement.needs.contains(&Need::Git);
        let pinned = |folder: &Path, git| if is_contained { pinned(folder, git) } else { Vec::new() };
        let mut folders = vec![WritableFolder { read_only: pinned(&workspace, git), path: workspace }];
        let repository = self.granted_repository()?;
        folders.extend(repository.map(|path| WritableFolder { path, read_only: Vec::new() }));
        for path in self.granted()? {
            if !path.starts_with(&folders[0].path) && folders.iter().all(|folder| folder.path != path) {
                folders.push(WritableFolder { read_only: pinned(&path, true), path });
            }
        }
        Ok(folders)
    }

    /// A folder that a person may grant: it is there, is named without links, and holds nothing that
    /// tools never touch.
    fn writable(&self, path: &str) -> Result<PathBuf, RequestError> {
        let error = |problem: String| RequestError::Write { path: path.to_owned(), problem };
        let real = Path::new(path).canonicalize().map_err(|problem| error(problem.to_string()))?;
        if real != Path::new(path.trim_end_matches('/')) {
            return Err(error(format!("it leads to {} through a link; ask for that", real.display())));
        }
        if !real.is_dir() {
            return Err(error("it is no directory".to_owned()));
        }
        if is_shared(&real) {
            return Err(error(
                "programs of the person and of the system meet there; name a folder below it".to_owned(),
            ));
        }
        if self.protected.lies_in_or_around(&real) {
            return Err(error(
                "it holds keys, files that start programs, or Tidegate's own files".to_owned(),
            ));
        }
        if self.protected.is_run_by_others(&real) {
            return Err(error(
                "other programs of the person run what is in it (installed programs and packages, extensions, \
                 settings of editors, browsers and agents); work in another folder, and let the person install it"
                    .to_owned(),
            ));
        }
        Ok(real)
    }
}

/// Whether a folder is, or holds, a place in which other programs keep their sockets, or that belongs to
/// the system.
pub(super) fn is_shared(folder: &Path) -> bool {
    /// Nothing in these can be granted either.
    const WHOLE: &[&str] = &["/run", "/dev", "/proc", "/sys", "/boot", "/etc", "/usr"];
    /// Of these, folders below them can be.
    const SHARED: &[&str] = &["/tmp", "/var/tmp", "/var", "/home", "/mnt", "/media", "/opt", "/srv"];
    /// Where the display's sockets lie.
    const DISPLAY: &[&str] = &["/tmp/.X11-unix", "/tmp/.ICE-unix"];
    // Where removable media are mounted.
    const MEDIA: &str = "/run/media";
    let is_medium = folder.starts_with(MEDIA) && folder != Path::new(MEDIA);
    let holds = |place: &&str| Path::new(place).starts_with(folder);
    !is_medium && WHOLE.iter().chain(DISPLAY).any(|place| folder.starts_with(place))
        || WHOLE.iter().chain(SHARED).chain(DISPLAY).any(holds)
}

/// A plan's digest is over its JSON, which has no place for other names.
fn utf8(path: PathBuf) -> Result<PathBuf, RequestError> {
    if path.to_str().is_some() { Ok(path) } else { Err(RequestError::NotUtf8) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_cannot_bring_its_own_approval() {
        for field in ["approved", "decision", "security", "ask", "elevated", "host"] {
            let refused =
                Request::parse(json!({"command": "true", field: "allow"})).expect_err("closed object");
            assert!(refused.to_string().contains(field), "{refused}");
        }
    }

    #[test]
    fn commands_that_no_shell_or_person_could_take_are_refused() {
        assert!(matches!(Request::parse(json!({"command": " \n"})), Err(RequestError::NoCommand)));
        assert!(matches!(Request::parse(json!({"command": "a\0b"})), Err(RequestError::Nul)));
        let long = "x".repeat(MAX_COMMAND + 1);
        assert!(matches!(Request::parse(json!({"command": long})), Err(RequestError::TooLong { .. })));
    }

    #[test]
    fn the_time_limit_is_half_an_hour_unless_told_otherwise() {
        let limit = |arguments| Request::parse(arguments).map(|request| request.timeout.as_secs()).ok();
        assert_eq!(limit(json!({"command": "true"})), Some(1800));
        assert_eq!(limit(json!({"command": "true", "timeoutSeconds": 5})), Some(5));
        assert_eq!(limit(json!({"command": "true", "timeoutSeconds": 0})), None);
    }
}
