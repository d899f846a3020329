//! What the sandboxes of commands hold on this computer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tidegate_peers::commands::SCOPE_PREFIX;
use tidegate_sandbox::Limits;
use tidegate_sandbox::bubblewrap::{Bubblewrap, BubblewrapError};
use tidegate_sandbox::report::Report;
use tidegate_sandbox::scope::{self, MemoryScope, ScopeError};
use tidegate_sandbox::spec::{Spec, User};
use tokio::sync::OnceCell;

use super::Launcher;
use super::probe;
use super::set_aside::SetAsideFiles;

/// What a command may use up.
const PROCESSES: u64 = 2048;
const OPEN_FILES: u64 = 4096;
const FILE_SIZE: u64 = 16 << 30;
const INOTIFY_INSTANCES: u32 = 32;
/// Bytes of memory of one process: half of the computer's, between these.
const LEAST_DATA: u64 = 2 << 30;
const MOST_DATA: u64 = 16 << 30;
/// Bytes of memory of all processes of a command, at least.
const LEAST_MEMORY: u64 = 1 << 30;

/// Below the home directory: programs and libraries of toolchains that people install for themselves.
/// None of them holds credentials.
const TOOLCHAINS: &[&str] = &[
    ".cargo/bin",
    ".cargo/registry",
    ".cargo/git",
    ".rustup/toolchains",
    ".rustup/settings.toml",
    ".nvm/versions",
    ".pyenv/versions",
    ".local/share/uv/python",
    ".local/share/mise/installs",
    ".local/share/pnpm",
    "go/bin",
    "go/pkg/mod",
    ".sdkman/candidates",
    ".bun/bin",
    ".deno/bin",
];
/// Of them, where programs lie.
const PROGRAMS: &[&str] = &[".cargo/bin", "go/bin", ".bun/bin", ".deno/bin", ".local/share/pnpm"];
/// And where each version has its own, in `bin`.
const VERSIONED_PROGRAMS: &[&str] = &[".nvm/versions/node", ".pyenv/versions"];

/// What is set for all sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxOptions {
    /// Ports of this computer that never lead to a command: the gateway's own, and those of web pages
    /// that it answers.
    pub reserved_ports: Vec<u16>,
    /// Bytes of memory that the processes of a command may use together, instead of three quarters of the
    /// computer's.
    pub memory: Option<u64>,
    /// Folders of toolchains that no sandbox has, with all below them.
    pub without_toolchains: Vec<PathBuf>,
    /// Whether each sandbox gets a control group from the person's service manager.
    pub memory_scope: bool,
    /// `systemd-run`, instead of the system's.
    pub systemd_run: Option<PathBuf>,
    /// Where bubblewrap is, instead of where systems keep it.
    pub bubblewrap: Option<PathBuf>,
}

/// Makes the plans of sandboxes, and knows whether they hold on this computer.
#[derive(Debug)]
pub struct Sandboxes {
    directory: PathBuf,
    user: User,
    options: SandboxOptions,
    set_aside: Arc<SetAsideFiles>,
    bubblewrap: OnceCell<Result<Bubblewrap, BubblewrapError>>,
    /// Whether the system refused bubblewrap a capability, so that it is not asked again.
    refuses_capability: AtomicBool,
    report: OnceCell<Arc<Report>>,
    shown_toolchains: OnceCell<Vec<PathBuf>>,
    count: AtomicU64,
}

impl Sandboxes {
    /// `directory`, in the state directory, is for what only sandboxes see: their home directories and
    /// temporary files. `user` is who commands seem to run as.
    #[must_use]
    pub fn new(directory: PathBuf, mut user: User) -> Self {
        // Nothing else could be seen in a sandbox whose root is the home directory.
        if user.home == Path::new("/") {
            user.home = PathBuf::from("/home/tidegate");
        }
        Self {
            set_aside: Arc::new(SetAsideFiles::new(directory.join("aside"))),
            directory,
            user,
            options: SandboxOptions::default(),
            bubblewrap: OnceCell::new(),
            refuses_capability: AtomicBool::new(false),
            report: OnceCell::new(),
            shown_toolchains: OnceCell::new(),
            count: AtomicU64::new(0),
        }
    }

    /// The same with options.
    #[must_use]
    pub fn with_options(self, options: SandboxOptions) -> Self {
        Self { options, ..self }
    }

    /// What a trial of the sandbox found. The first call makes it, with a real command that tries what
    /// must be prevented; it takes some tens of milliseconds.
    pub async fn report(&self, launcher: &Launcher) -> Arc<Report> {
        Arc::clone(self.report.get_or_init(async || Arc::new(probe::run(self, launcher).await)).await)
    }

    /// Toolchains in the home directory that every sandbox has, read-only, as they are now. Blocks: call
    /// it off the async workers.
    pub(super) fn toolchains(&self) -> Vec<PathBuf> {
        toolchains(&self.user.home, &self.options.without_toolchains)
    }

    /// Whether a person took a toolchain, or a part of it, away.
    fn is_left_out(&self, path: &Path) -> bool {
        is_left_out(path, &self.options.without_toolchains)
    }

    /// The toolchains as they were at the first call, for a person who looks.
    pub async fn shown_toolchains(&self) -> &[PathBuf] {
        let look = async || {
            let (home, left_out) = (self.user.home.clone(), self.options.without_toolchains.clone());
            tokio::task::spawn_blocking(move || toolchains(&home, &left_out)).await.unwrap_or_default()
        };
        self.shown_toolchains.get_or_init(look).await
    }

    /// Removes what commands of an earlier run of Tidegate left; those of this run may be running already.
    pub fn remove_left_over(&self) {
        crate::run_tool::remove_left_over(&self.directory.join("tmp"), &own_prefix());
    }

    /// The bubblewrap of the system, looked for once.
    pub(super) async fn bubblewrap(&self) -> Result<Bubblewrap, BubblewrapError> {
        let own = self.options.bubblewrap.clone();
        let find = async || {
            let found = tokio::task::spawn_blocking(move || match own {
                Some(own) => Bubblewrap::find_in([own.as_path()]),
                None => Bubblewrap::find(),
            });
            found.await.unwrap_or(Err(BubblewrapError::Missing))
        };
        let found = self.bubblewrap.get_or_init(find).await.clone()?;
        let gives_capability = !self.refuses_capability.load(Ordering::Relaxed);
        Ok(Bubblewrap { gives_capability, ..found })
    }

    /// Takes note of whether the system refused bubblewrap the capability.
    pub(super) fn remember_refusal(&self, refused: bool) {
        self.refuses_capability.store(refused, Ordering::Relaxed);
    }

    /// The control group of a sandbox, where a person wants one. `runtime_directory` is the person's.
    pub(super) fn scope(&self, runtime_directory: Option<&str>) -> Result<Option<MemoryScope>, ScopeError> {
        if !self.options.memory_scope {
            return Ok(None);
        }
        let program = self.options.systemd_run.as_deref().unwrap_or(Path::new(scope::PROGRAM));
        let directory = Path::new(runtime_directory.unwrap_or("/nonexistent"));
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let unit = format!("{SCOPE_PREFIX}{}{number}.scope", own_prefix());
        MemoryScope::find(program, directory, unit, self.memory(), PROCESSES).map(Some)
    }

    /// Bytes of memory that the processes of a command may use together.
    pub(super) fn memory(&self) -> u64 {
        self.options.memory.unwrap_or_else(|| (memory() / 4 * 3).max(LEAST_MEMORY))
    }

    /// Where the sandboxes keep what only they see.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Trigger files that commands planted.
    #[must_use]
    pub fn set_aside(&self) -> &Arc<SetAsideFiles> {
        &self.set_aside
    }

    /// Ports that never lead to a command.
    pub(super) fn reserved_ports(&self) -> &[u16] {
        &self.options.reserved_ports
    }

    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// The plan of a sandbox for a workspace, with nothing beyond it but, with `git`, its repository.
    /// Makes the private home directory.
    pub(super) fn spec(&self, workspace: PathBuf, git: bool) -> std::io::Result<Spec> {
        let name = Sha256::digest(workspace.as_os_str().as_encoded_bytes());
        let private_home = self.directory.join("homes").join(hex::encode(&name[..16]));
        make_private(&private_home)?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join("tmp").join(format!("{}{number}", own_prefix()));
        let readable = self.toolchains().into_iter().filter(|path| !overlaps(path, &workspace)).collect();
        let read_only = pinned(&workspace, git);
        Ok(Spec {
            workspace,
            read_only,
            home: self.user.home.clone(),
            private_home,
            temporary,
            readable,
            writable: Vec::new(),
            repositories: Vec::new(),
            local_sockets: false,
            proxy_port: None,
            loopback_sockets: 0,
            scope: None,
            limits: limits(self.options.memory),
        })
    }

    /// The variables in which a sandbox differs from the host.
    pub(super) fn variables(&self, search_path: &str, terminal: bool) -> Vec<(String, String)> {
        let home = &self.user.home;
        let mut programs: Vec<PathBuf> = PROGRAMS.iter().map(|name| home.join(name)).collect();
        for versions in VERSIONED_PROGRAMS {
            programs
                .extend(newest_first(&home.join(versions)).into_iter().map(|version| version.join("bin")));
        }
        let programs = programs
            .iter()
            .filter(|path| path.is_dir() && !self.is_left_out(path))
            .filter_map(|path| path.to_str());
        // A colon would be two places.
        let mut places: Vec<&str> = programs.filter(|path| !path.contains(':')).collect();
        places.push(search_path);
        let mut variables = vec![
            ("HOME".to_owned(), home.display().to_string()),
            ("USER".to_owned(), self.user.name.clone()),
            ("LOGNAME".to_owned(), self.user.name.clone()),
            ("PATH".to_owned(), places.join(":")),
            ("TMPDIR".to_owned(), "/tmp".to_owned()),
        ];
        if terminal {
            variables.push(("TERM".to_owned(), "xterm-256color".to_owned()));
        }
        variables
    }
}

fn toolchains(home: &Path, left_out: &[PathBuf]) -> Vec<PathBuf> {
    let below_home = TOOLCHAINS.iter().map(|name| home.join(name));
    // A link would be followed to where nobody looked.
    let is_plain = |path: &PathBuf| path.canonicalize().is_ok_and(|real| real == *path);
    below_home.filter(|path| !is_left_out(path, left_out)).filter(is_plain).collect()
}

/// Whether a toolchain, or a part of it, is among the folders that a person took away.
fn is_left_out(path: &Path, left_out: &[PathBuf]) -> bool {
    left_out.iter().any(|folder| overlaps(folder, path))
}

/// How names of directories of this process's commands begin.
fn own_prefix() -> String {
    format!("{}-", std::process::id())
}

/// What lies directly in a workspace or a granted folder, runs when somebody looks at the folder, and is there now: mounts of
/// their own, which a command can neither change nor move. With `git` the repository is written, but for
/// its settings and hooks.
pub(super) fn pinned(workspace: &Path, git: bool) -> Vec<PathBuf> {
    const REPOSITORY: &str = ".git";
    const GUARDED: &[&str] = &[".git/config", ".git/config.worktree", ".git/hooks"];
    const OTHERS: &[&str] =
        &[".envrc", ".env", "mise.toml", ".mise.toml", ".tool-versions", ".exrc", ".nvim.lua"];
    // A file leads to where the repository is, and stays what it was.
    let repository = if git && workspace.join(REPOSITORY).is_dir() { GUARDED } else { &[REPOSITORY] };
    let is_plain = |path: &PathBuf| {
        std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_symlink())
    };
    repository.iter().chain(OTHERS).map(|name| workspace.join(name)).filter(is_plain).collect()
}

fn overlaps(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn newest_first(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let numbers = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split(|one: char| !one.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    versions.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    versions
}

pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn limits(of_command: Option<u64>) -> Limits {
    Limits {
        processes: PROCESSES,
        open_files: OPEN_FILES,
        data: (memory() / 2).clamp(LEAST_DATA, MOST_DATA).min(of_command.unwrap_or(u64::MAX)),
        file_size: FILE_SIZE,
        inotify_instances: INOTIFY_INSTANCES,
    }
}

#[cfg(target_os = "linux")]
fn memory() -> u64 {
    let known = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the type differs between processors")]
    u64::from(known.totalram).saturating_mul(u64::from(known.mem_unit))
}

#[cfg(not(target_os = "linux"))]
fn memory() -> u64 {
    MOST_DATA
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandboxes(home: &Path) -> Sandboxes {
        let user = User { uid: 1000, gid: 1000, name: "a".to_owned(), home: home.to_owned() };
        Sandboxes::new(home.join("state/sandbox"), user)
    }

    #[test]
    fn newer_versions_come_first_in_the_search_path() {
        let home = tempfile::tempdir().expect("a directory");
        for version in ["v9.1.0", "v20.2.0", "v18.19.1"] {
            std::fs::create_dir_all(home.path().join(".nvm/versions/node").join(version).join("bin"))
                .expect("made");
        }
        let variables = sandboxes(home.path()).variables("/usr/bin", false);
        let (_, path) = variables.iter().find(|(name, _)| name == "PATH").expect("a search path");
        let versions: Vec<_> = path.split(':').filter_map(|place| place.split('/').rev().nth(1)).collect();
        assert_eq!(versions, ["v20.2.0", "v18.19.1", "v9.1.0", "usr"]);
    }

    #[test]
    fn a_toolchain_that_is_a_link_or_lies_in_the_workspace_is_left_out() {
        let home = tempfile::tempdir().expect("a directory");
        let root = home.path().canonicalize().expect("canonical");
        for name in ["go/bin", ".cargo/bin", "elsewhere"] {
            std::fs::create_dir_all(root.join(name)).expect("made");
        }
        std::fs::create_dir(root.join(".bun")).expect("made");
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join(".bun/bin")).expect("linked");
        let spec = sandboxes(&root).spec(root.join("go"), false).expect("planned");
        assert_eq!(spec.readable, [root.join(".cargo/bin")]);
    }

    #[test]
    fn a_toolchain_that_a_person_took_away_is_left_out() {
        let home = tempfile::tempdir().expect("a directory");
        let root = home.path().canonicalize().expect("canonical");
        for name in ["go/bin", ".cargo/bin", ".cargo/registry", ".nvm/versions/node/v1/bin"] {
            std::fs::create_dir_all(root.join(name)).expect("made");
        }
        let without_toolchains = vec![root.join(".cargo"), root.join(".nvm/versions/node/v1")];
        let options = SandboxOptions { without_toolchains, ..SandboxOptions::default() };
        let sandboxes = sandboxes(&root).with_options(options);
        assert_eq!(sandboxes.toolchains(), [root.join("go/bin")]);
        let variables = sandboxes.variables("/usr/bin", false);
        let path = variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        assert_eq!(path, Some(format!("{}:/usr/bin", root.join("go/bin").display())));
    }

    #[test]
    fn each_workspace_has_its_own_private_home() {
        let home = tempfile::tempdir().expect("a directory");
        let sandboxes = sandboxes(home.path());
        let private = |name: &str| sandboxes.spec(PathBuf::from(name), false).expect("planned").private_home;
        assert_eq!(private("/a"), private("/a"));
        assert_ne!(private("/a"), private("/b"));
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(private("/a")).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
