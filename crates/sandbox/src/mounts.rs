//! Which mounts a sandbox has. Each costs more than half a millisecond, so they are few.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tidegate_inside::{FileAccess, FileRule};

use crate::spec::Spec;

/// Bytes of shared memory of a command.
const SHARED_MEMORY: u64 = 512 << 20;
/// Bytes of the small file systems in memory.
const RUN_SIZE: u64 = 16 << 20;
/// Where programs keep what is to outlive a restart; a link to `/tmp`, where nothing else is below it.
const VAR_TMP: &str = "/var/tmp";

/// What the system has at its root, looked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemLayout {
    /// Links at the root into `/usr`, with what they lead to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Directories of programs, libraries and their settings, read-only.
    pub directories: Vec<PathBuf>,
    /// Whether bubblewrap can bound the size of a file system in memory.
    pub sizes: bool,
}

impl SystemLayout {
    /// Names at the root that hold programs and libraries, whatever the distribution.
    const NAMES: [&'static str; 9] =
        ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store"];

    /// Looks at the system.
    #[must_use]
    pub fn of_system(sizes: bool) -> Self {
        let mut layout = Self { links: Vec::new(), directories: vec!["/usr".into(), "/etc".into()], sizes };
        for name in Self::NAMES {
            let path = PathBuf::from(name);
            if let Ok(target) = std::fs::read_link(&path) {
                layout.links.push((path, target));
            } else if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
                layout.directories.push(path);
            }
        }
        // NixOS finds its programs through this link.
        let profile = Path::new("/run/current-system");
        if let Ok(target) = profile.canonicalize() {
            layout.links.push((profile.to_owned(), target));
        }
        layout
    }
}

/// Files that stand in the sandbox instead of the system's, by the descriptors that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnFiles {
    /// What stands as passwd(5).
    pub users: i32,
    /// What stands as group(5).
    pub groups: i32,
    /// An empty file.
    pub empty: i32,
}

/// The arguments of bubblewrap that make the mounts.
#[must_use]
pub fn arguments(spec: &Spec, layout: &SystemLayout, files: OwnFiles) -> Vec<OsString> {
    let mut all = Arguments { list: Vec::new(), sizes: layout.sizes };
    for directory in &layout.directories {
        all.path(["--ro-bind"], [directory, directory]);
    }
    for (link, target) in &layout.links {
        all.path(["--symlink"], [target, link]);
    }
    for (descriptor, path) in [(files.users, "/etc/passwd"), (files.groups, "/etc/group")] {
        all.words(["--ro-bind-data", &descriptor.to_string(), path]);
    }
    // It names this computer to every program that asks.
    if layout.directories.iter().any(|directory| directory == Path::new("/etc"))
        && Path::new("/etc/machine-id").is_file()
    {
        all.words(["--ro-bind-data", &files.empty.to_string(), "/etc/machine-id"]);
    }
    all.words(["--proc", "/proc", "--dev", "/dev"]);
    all.memory("/dev/shm", SHARED_MEMORY);
    all.memory("/run", RUN_SIZE);
    all.path(["--bind"], [&spec.temporary, Path::new("/tmp")]);
    if has_mounts_below(spec, Path::new(VAR_TMP)) {
        // Nothing can be mounted through a link.
        all.memory(VAR_TMP, RUN_SIZE);
    } else {
        all.words(["--symlink", "/tmp", VAR_TMP]);
    }
    all.words(["--symlink", "/run", "/var/run"]);
    all.path(["--bind"], [&spec.private_home, &spec.home]);
    for folder in &spec.readable {
        all.path(["--ro-bind-try"], [folder, folder]);
    }
    for folder in &spec.writable {
        all.path(["--bind"], [folder, folder]);
    }
    // One may lie in another, and the inner one holds there.
    let written = std::iter::once(&spec.workspace).chain(&spec.repositories).map(|path| (path, "--bind"));
    let mut inner: Vec<_> =
        written.chain(spec.read_only.iter().map(|path| (path, "--ro-bind-try"))).collect();
    inner.sort();
    for (path, kind) in inner {
        all.path([kind], [path, path]);
    }
    all.words(["--remount-ro", "/"]);
    all.list
}

/// Whether something of the sandbox has its place below a folder.
fn has_mounts_below(spec: &Spec, folder: &Path) -> bool {
    let lists = [&spec.readable, &spec.writable, &spec.repositories, &spec.read_only];
    let mut places = [&spec.home, &spec.workspace].into_iter().chain(lists.into_iter().flatten());
    places.any(|place| place.starts_with(folder))
}

/// Landlock's rules for the same places. Rights add up along a path, so that no place above another
/// allows what that one must not.
#[must_use]
pub fn file_rules(spec: &Spec) -> Vec<FileRule> {
    let folder = if spec.local_sockets { FileAccess::FolderWithSockets } else { FileAccess::Folder };
    let is_below = |above: &Path| {
        std::iter::once(&spec.workspace).chain(&spec.writable).any(|path| path.starts_with(above))
    };
    let private = |path: &Path| match () {
        () if spec.repositories.iter().any(|below| below.starts_with(path)) => FileAccess::FolderWithoutLinks,
        () if is_below(path) => folder,
        () => FileAccess::Private,
    };
    let rule = |path: &Path, access| FileRule { path: path.to_owned(), access };
    let mut rules = vec![
        rule(Path::new("/"), FileAccess::Read),
        rule(Path::new("/dev"), FileAccess::Devices),
        rule(Path::new("/dev/shm"), private(Path::new("/dev/shm"))),
        rule(Path::new("/run"), private(Path::new("/run"))),
        rule(Path::new("/tmp"), private(Path::new("/tmp"))),
        rule(&spec.home, private(&spec.home)),
        rule(&spec.workspace, folder),
    ];
    if has_mounts_below(spec, Path::new(VAR_TMP)) {
        rules.push(rule(Path::new(VAR_TMP), private(Path::new(VAR_TMP))));
    }
    rules.extend(spec.writable.iter().map(|path| rule(path, folder)));
    rules.extend(spec.repositories.iter().map(|path| rule(path, FileAccess::FolderWithoutLinks)));
    rules
}

struct Arguments {
    list: Vec<OsString>,
    sizes: bool,
}

impl Arguments {
    fn words<const N: usize>(&mut self, words: [&str; N]) {
        self.list.extend(words.map(OsString::from));
    }

    fn path<const N: usize>(&mut self, words: [&str; 1], paths: [impl AsRef<Path>; N]) {
        self.words(words);
        self.list.extend(paths.iter().map(|path| path.as_ref().as_os_str().to_owned()));
    }

    fn memory(&mut self, place: &str, bytes: u64) {
        self.words(["--perms", "0700"]);
        if self.sizes {
            self.words(["--size", &bytes.to_string()]);
        }
        self.words(["--tmpfs", place]);
    }
}
