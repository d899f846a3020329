//! Files that tools never touch, even inside a workspace: Tidegate's own, keys, and everything that
//! runs by itself later.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::MetadataExt as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};

use crate::identity::Identity;
use crate::run_by_others::RUN_BY_OTHERS;

/// Symbolic links that are followed before a protected path is given up, as on Linux.
const MAX_LINKS: usize = 40;
/// Directories between a file and the root before a path is refused.
const MAX_DEPTH: usize = 256;
/// Entries that are looked at for a hard link to a protected file.
const MAX_SCANNED: usize = 20_000;

/// Below the home directory: keys and logins of programs.
const KEYS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".password-store",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".aws",
    ".azure",
    ".kube",
    ".docker/config.json",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".openclaw/openclaw.json",
    ".openclaw/credentials",
    ".openclaw/identity",
    ".openclaw/devices",
    "Library/Keychains",
];

/// Below the home directory: what a shell, a session or a login starts by itself.
const START_UP: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".inputrc",
    ".config/fish",
    ".config/bash",
    ".config/zsh",
    ".gitconfig",
    ".config/git/config",
    ".vimrc",
    ".vim/vimrc",
    ".vim/plugin",
    ".config/nvim/init.lua",
    ".config/nvim/init.vim",
    ".emacs",
    ".emacs.d/init.el",
    ".config/emacs/init.el",
    ".hgrc",
    ".config/hg",
    ".jjconfig.toml",
    ".config/jj",
    ".cargo/env",
    ".nvm/nvm.sh",
    ".oh-my-zsh/oh-my-zsh.sh",
    ".oh-my-zsh/custom",
    ".zsh",
    ".config/nushell",
    ".config/direnv",
    ".local/share/direnv",
    ".config/mise",
    ".local/share/bash-completion",
    ".tmux.conf",
    ".config/tmux",
    ".config/hypr",
    ".config/sway",
    ".config/i3",
    ".i3",
    ".config/awesome",
    ".config/openbox",
    ".xmonad",
    ".local/share/gnome-shell/extensions",
    ".xprofile",
    ".xinitrc",
    ".xsession",
    ".xsessionrc",
    ".pam_environment",
    ".config/autostart",
    ".config/autostart-scripts",
    ".config/environment.d",
    ".config/plasma-workspace",
    ".config/systemd",
    ".config/tidegate",
    ".local/bin",
    ".local/share/applications",
    ".local/share/dbus-1",
    ".local/share/systemd",
    "bin",
    "Library/LaunchAgents",
];

/// Paths that file tools refuse and that a command cannot write: the paths themselves, everything
/// below them, and, as far as it can be told, other names of the same files.
///
/// A workspace must not lie inside one of them: everything in it would be refused.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    paths: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
    /// What other programs run: never granted to commands.
    run_by_others: Vec<PathBuf>,
}

/// Why a file is not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("tools never touch it, because it holds keys or Tidegate's own files, or starts programs")]
    Protected,
    #[error("it has several names, and one of them may be a protected file")]
    ManyNames,
    #[error("it belongs to the kernel and is no file of a person")]
    Kernel,
    #[error("it lies too deep")]
    TooDeep,
    #[error("it cannot be told where it lies")]
    Unknown,
}

impl Protected {
    /// Protects `paths`, files or directories, absolute. They need not exist yet.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, hidden: Vec::new(), run_by_others: Vec::new() }
    }

    /// Protects Tidegate's state directory and config file, and in `home` the files with keys and
    /// those that start programs (shell start-up, autostart, user services, launchers). Commands
    /// cannot even read the state directory and the config file where Landlock is enforced.
    #[must_use]
    pub fn for_home(home: &Path, state_directory: &Path, config: &Path) -> Self {
        let hidden = vec![state_directory.to_owned(), config.to_owned()];
        let below_home = KEYS.iter().chain(START_UP).map(|name| home.join(name));
        let run_by_others = RUN_BY_OTHERS.iter().map(|name| home.join(name)).collect();
        Self { paths: hidden.iter().cloned().chain(below_home).collect(), hidden, run_by_others }
    }

    /// Protects in `place`, too, what is protected in `usual` below the home directory (`.config`,
    /// `.local/share`): the environment can move both (XDG base directory specification).
    #[must_use]
    pub fn and_in(mut self, usual: &str, place: &Path) -> Self {
        let moved = |name: &&str| Some(place.join(Path::new(name).strip_prefix(usual).ok()?));
        self.paths.extend(KEYS.iter().chain(START_UP).filter_map(moved));
        self.run_by_others.extend(RUN_BY_OTHERS.iter().filter_map(moved));
        self
    }

    /// Protects and hides `path`, too, as the state directory.
    #[must_use]
    pub fn and_hidden(mut self, path: PathBuf) -> Self {
        self.paths.push(path.clone());
        self.hidden.push(path);
        self
    }

    /// All protected paths.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether a protected path lies in `folder`, or it in one. Paths that do not exist yet are compared
    /// as they are written.
    pub(crate) fn lies_in_or_around(&self, folder: &Path) -> bool {
        is_in_or_around(&self.paths, folder)
    }

    /// Whether other programs run what is in `folder`, or in a folder below it.
    pub(crate) fn is_run_by_others(&self, folder: &Path) -> bool {
        is_in_or_around(&self.run_by_others, folder)
    }

    /// What other programs run: folders below the home directory.
    #[must_use]
    pub fn run_by_others(&self) -> &[PathBuf] {
        &self.run_by_others
    }

    /// Those that a command cannot read either, where Landlock is enforced.
    #[must_use]
    pub fn hidden(&self) -> &[PathBuf] {
        &self.hidden
    }

    /// Whether a path is protected by its name, whether or not anything is there.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        let path = without_links(path);
        self.paths.iter().any(|protected| path.starts_with(without_links(protected)))
    }

    /// Refuses `name` in `parent`, whether it exists or not, when it is protected or lies in a
    /// protected directory. Everything is compared by what it is now, not by what it is called.
    pub(crate) fn check_place(&self, parent: &Dir, name: &OsStr) -> Result<(), Refusal> {
        let present = self.present();
        let above = ancestors(parent)?;
        let inside = above.iter().any(|directory| present.objects.contains(directory));
        let named = above.first().is_some_and(|parent| {
            present.places.iter().any(|(place, protected)| place == parent && same_name(protected, name))
        });
        if inside || named { Err(Refusal::Protected) } else { Ok(()) }
    }

    /// Refuses a directory that is protected or lies in a protected one.
    pub(crate) fn check_directory(&self, directory: &Dir) -> Result<(), Refusal> {
        let present = self.present();
        match ancestors(directory)?.iter().any(|directory| present.objects.contains(directory)) {
            true => Err(Refusal::Protected),
            false => Ok(()),
        }
    }

    /// Refuses an opened file that is a protected one under another name.
    pub(crate) fn check_file(&self, metadata: &Metadata) -> Result<(), Refusal> {
        let identity = Identity::of(metadata);
        if self.present().objects.contains(&identity) {
            return Err(Refusal::Protected);
        }
        if metadata.nlink() > 1 {
            let mut left = MAX_SCANNED;
            for path in &self.paths {
                look_for_link(path, identity, &mut left)?;
            }
        }
        Ok(())
    }

    /// The same checks for many files of one file system, with one look at what is protected.
    pub(crate) fn snapshot(&self, file_system: Identity) -> Snapshot {
        Snapshot { present: self.present(), paths: self.paths.clone(), file_system, linked: OnceCell::new() }
    }

    /// Where the protected paths lead at this moment.
    fn present(&self) -> Present {
        let mut present = Present { objects: HashSet::new(), places: Vec::new() };
        for path in &self.paths {
            present.add(path);
        }
        present
    }
}

/// What is protected at one moment. Who walks down from a directory that
/// [`Protected::check_directory`] accepted needs no other look at the directories above.
pub(crate) struct Snapshot {
    present: Present,
    paths: Vec<PathBuf>,
    file_system: Identity,
    /// The protected files on that file system; none when there are too many to tell.
    linked: OnceCell<Option<HashSet<Identity>>>,
}

impl Snapshot {
    /// Refuses an opened directory that is protected.
    pub(crate) fn check_directory(&self, directory: Identity) -> Result<(), Refusal> {
        if self.present.objects.contains(&directory) { Err(Refusal::Protected) } else { Ok(()) }
    }

    /// Refuses an opened file that is a protected one under any of its names.
    pub(crate) fn check_file(&self, metadata: &Metadata) -> Result<(), Refusal> {
        let identity = Identity::of(metadata);
        self.check_directory(identity)?;
        if metadata.nlink() <= 1 {
            return Ok(());
        }
        match self.linked.get_or_init(|| protected_files(&self.paths, self.file_system)) {
            Some(files) if !files.contains(&identity) => Ok(()),
            Some(_) => Err(Refusal::Protected),
            None => Err(Refusal::ManyNames),
        }
    }
}

/// All files at or below `paths` on one file system; none when there are too many.
fn protected_files(paths: &[PathBuf], file_system: Identity) -> Option<HashSet<Identity>> {
    let (mut files, mut left) = (HashSet::new(), MAX_SCANNED);
    for path in paths {
        match Identity::of_path(path) {
            Ok(root) if root.same_device(file_system) => files.insert(root),
            _ => continue,
        };
        let mut waiting = vec![path.clone()];
        while let Some(directory) = waiting.pop() {
            let Ok(entries) = std::fs::read_dir(directory) else { continue };
            for entry in entries.flatten() {
                left = left.checked_sub(1)?;
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    waiting.push(entry.path());
                } else {
                    files.insert(Identity::of(&Metadata::from_just_metadata(metadata)));
                }
            }
        }
    }
    Some(files)
}

fn is_in_or_around(paths: &[PathBuf], folder: &Path) -> bool {
    paths.iter().any(|path| {
        let path = path.canonicalize().unwrap_or_else(|_| path.clone());
        path.starts_with(folder) || folder.starts_with(&path)
    })
}

/// An absolute path without symbolic links, as far as it exists; of the rest, dots are taken away.
pub(crate) fn without_links(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        let (Ok(canonical), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) else {
            continue;
        };
        return rest.components().fold(canonical, |mut path, part| {
            match part {
                Component::ParentDir => {
                    path.pop();
                }
                Component::Normal(name) => path.push(name),
                Component::CurDir | Component::Prefix(_) | Component::RootDir => {}
            }
            path
        });
    }
    path.to_owned()
}

struct Present {
    /// Those that exist.
    objects: HashSet<Identity>,
    /// Directory and name of each, whether it exists or not, through symbolic links.
    places: Vec<(Identity, OsString)>,
}

impl Present {
    fn add(&mut self, path: &Path) {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { break };
            if let Ok(parent) = Identity::of_path(parent) {
                self.places.push((parent, name.to_owned()));
            }
            let Ok(target) = std::fs::read_link(&path) else { break };
            path = parent.join(target);
        }
        if let Ok(identity) = Identity::of_path(&path) {
            self.objects.insert(identity);
        }
    }
}

/// The identities of `directory` and of all directories above it, up to the root.
pub(crate) fn ancestors(directory: &Dir) -> Result<Vec<Identity>, Refusal> {
    let unknown = |_| Refusal::Unknown;
    let mut above = vec![Identity::of(&directory.dir_metadata().map_err(unknown)?)];
    let mut current = directory.open_parent_dir(ambient_authority()).map_err(unknown)?;
    while above.len() < MAX_DEPTH {
        let identity = Identity::of(&current.dir_metadata().map_err(unknown)?);
        if above.last() == Some(&identity) {
            return Ok(above);
        }
        above.push(identity);
        current = current.open_parent_dir(ambient_authority()).map_err(unknown)?;
    }
    Err(Refusal::TooDeep)
}

/// Names are compared without case: some file systems do not distinguish it, and refusing `.SSH`
/// where it is another directory costs nothing.
fn same_name(protected: &OsStr, name: &OsStr) -> bool {
    protected.eq_ignore_ascii_case(name)
}

/// Refuses when a file below `path` is `wanted`, or when there are too many files to tell.
fn look_for_link(path: &Path, wanted: Identity, left: &mut usize) -> Result<(), Refusal> {
    // A directory on another device cannot hold a hard link to the file; one that cannot be listed
    // by us cannot have been linked from by our tools either.
    let Ok(root) = Identity::of_path(path) else { return Ok(()) };
    if root == wanted {
        return Err(Refusal::Protected);
    }
    if !root.same_device(wanted) {
        return Ok(());
    }
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            *left = left.checked_sub(1).ok_or(Refusal::ManyNames)?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if Identity::of(&Metadata::from_just_metadata(metadata)) == wanted {
                return Err(Refusal::Protected);
            }
        }
    }
    Ok(())
}
