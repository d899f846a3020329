//! Files of a folder that have names outside of it as well (hard links). Who writes to one changes what
//! other folders hold: the store of a package manager, another project, a backup.

#[cfg(unix)]
mod collect;
#[cfg(unix)]
mod unshare;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

#[cfg(unix)]
pub(crate) use collect::Links;
#[cfg(unix)]
pub use unshare::{UnshareError, Unshared, look, unshare};

/// Places by which shared files are made read-only: each costs a command more than half a millisecond.
pub const MAX_READ_ONLY: usize = 16;

/// What of a folder other folders hold as well. Paths are relative to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedFiles {
    /// The names of shared files, by the folder that holds them.
    folders: BTreeMap<PathBuf, Vec<OsString>>,
    /// Folders that could not be looked into, so that shared files may be in them.
    unknown: Vec<PathBuf>,
}

/// Shared files, as they are now.
#[cfg(unix)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedNow {
    pub files: std::sync::Arc<SharedFiles>,
    /// Goes up with each folder that is moved, where that can be seen: their paths may lead elsewhere then.
    pub moves: u64,
}

impl SharedFiles {
    /// How many files are shared.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.folders.values().map(|names| names.len() as u64).sum()
    }

    /// Whether nothing is shared, as far as can be told, and everything could be told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.unknown.is_empty()
    }

    /// Folders that could not be looked into.
    #[must_use]
    pub fn unknown(&self) -> &[PathBuf] {
        &self.unknown
    }

    /// All shared files.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &OsStr)> {
        self.folders
            .iter()
            .flat_map(|(folder, names)| names.iter().map(|name| (folder.as_path(), name.as_os_str())))
    }

    /// The same without what lies at or below one of `places`.
    #[must_use]
    pub fn without(&self, places: &[PathBuf]) -> Self {
        let is_left = |path: &Path| !places.iter().any(|place| path.starts_with(place));
        let mut folders = BTreeMap::new();
        for (folder, names) in self.folders.iter().filter(|(folder, _)| is_left(folder)) {
            let names: Vec<_> = names.iter().filter(|name| is_left(&folder.join(name))).cloned().collect();
            if !names.is_empty() {
                folders.insert(folder.clone(), names);
            }
        }
        let unknown = self.unknown.iter().filter(|path| is_left(path)).cloned().collect();
        Self { folders, unknown }
    }

    /// At most `most` files and folders that hold everything that is shared. Where the files themselves
    /// are more than that, the folders that hold them, and where those are, the nearest folder that
    /// several have in common. The empty path is the whole folder.
    #[must_use]
    pub fn read_only(&self, most: usize) -> Vec<PathBuf> {
        let leaves = self.leaves(most);
        let (mut waiting, mut chosen) = (VecDeque::new(), Vec::new());
        if !leaves.is_empty() {
            waiting.push_back(leaves.as_slice());
        }
        while let Some(group) = waiting.pop_front() {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let common = common(first, last);
            let depth = common.components().count();
            let is_of_one_name =
                |one: &PathBuf, other: &PathBuf| one.components().nth(depth) == other.components().nth(depth);
            let parts: Vec<&[PathBuf]> = group.chunk_by(is_of_one_name).collect();
            let is_split = group.len() > 1
                && !is_kept_together(&common)
                && chosen.len() + waiting.len() + parts.len() <= most;
            if is_split { waiting.extend(parts) } else { chosen.push(common) }
        }
        chosen.sort();
        chosen
    }

    /// Files, or folders of many, in order. None lies in another.
    fn leaves(&self, most: usize) -> Vec<PathBuf> {
        let mut leaves = self.unknown.clone();
        for (folder, names) in &self.folders {
            if names.len() > most {
                leaves.push(folder.clone());
            } else {
                leaves.extend(names.iter().map(|name| folder.join(name)));
            }
        }
        leaves.sort();
        let mut above: Option<PathBuf> = None;
        leaves.retain(|leaf| {
            let is_covered = above.as_ref().is_some_and(|above| leaf.starts_with(above));
            if !is_covered {
                above = Some(leaf.clone());
            }
            !is_covered
        });
        leaves
    }
}

/// Of all between two paths in order, the folder in which they lie, or the path if it is one.
fn common(first: &Path, last: &Path) -> PathBuf {
    let pairs = first.components().zip(last.components());
    pairs.take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
}

/// Whether programs install there: a folder of that kind is one thing to a person, and a place of its own
/// in the middle of it would only stand in the way of installing.
fn is_kept_together(path: &Path) -> bool {
    const INSTALLED: &[&str] = &["node_modules", ".venv", "venv", "site-packages", "vendor", "target"];
    path.components().any(|part| match part {
        Component::Normal(name) => INSTALLED.iter().any(|installed| name == OsStr::new(installed)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shared(files: &[&str], unknown: &[&str]) -> SharedFiles {
        let mut shared = SharedFiles::default();
        for file in files {
            let path = Path::new(file);
            let names = shared.folders.entry(path.parent().expect("relative").to_owned()).or_default();
            names.push(path.file_name().expect("a name").to_owned());
        }
        shared.unknown = unknown.iter().map(PathBuf::from).collect();
        shared
    }

    fn read_only(files: &[&str], most: usize) -> Vec<String> {
        let chosen = shared(files, &[]).read_only(most);
        chosen.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn few_files_are_named_themselves() {
        assert_eq!(read_only(&["a/x", "lib.py"], 4), ["a/x", "lib.py"]);
        assert_eq!(read_only(&[], 4), [""; 0]);
    }

    #[test]
    fn many_files_are_named_by_their_nearest_folders() {
        let files = ["a/b/1", "a/b/2", "a/b/3", "a/c/1", "a/c/2", "d/1"];
        assert_eq!(read_only(&files, 4), ["a/b", "a/c/1", "a/c/2", "d/1"]);
        assert_eq!(read_only(&files, 3), ["a/b", "a/c", "d/1"]);
        assert_eq!(read_only(&files, 2), ["a", "d/1"]);
        assert_eq!(read_only(&files, 1), [""]);
    }

    #[test]
    fn folders_of_installed_packages_stay_one() {
        let files = [
            ".venv/lib/python3.12/site-packages/a/x.py",
            ".venv/lib/python3.12/site-packages/b/x.py",
            "web/node_modules/.pnpm/a/index.js",
            "web/node_modules/.pnpm/b/index.js",
        ];
        assert_eq!(read_only(&files, 16), [".venv/lib/python3.12/site-packages", "web/node_modules/.pnpm"]);
    }

    #[test]
    fn what_is_covered_elsewhere_does_not_count() {
        let shared = shared(&[".git/objects/pack/p", "a"], &[".git/locked", "locked"]);
        let left = shared.without(&[PathBuf::from(".git")]);
        assert_eq!(left, super::tests::shared(&["a"], &["locked"]));
        assert_eq!((shared.count(), left.count()), (2, 1));
        assert_eq!(left.read_only(4), [PathBuf::from("a"), PathBuf::from("locked")]);
    }

    proptest! {
        #[test]
        fn everything_shared_is_covered_by_at_most_that_many_places(
            files in proptest::collection::btree_set("([ab]|node_modules)(/[abc]){0,5}/[xyz]", 0..60),
            unknown in proptest::collection::btree_set("[abcd](/[abcd]){0,3}", 0..4),
            most in 1_usize..20,
        ) {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
            let chosen = shared(&files, &unknown).read_only(most);

            prop_assert!(chosen.len() <= most);
            prop_assert_eq!(chosen.is_empty(), files.is_empty() && unknown.is_empty());
            for path in files.iter().chain(&unknown) {
                let covering = chosen.iter().filter(|place| Path::new(path).starts_with(place)).count();
                prop_assert_eq!(covering, 1, "{} of {:?}", path, chosen);
            }
        }
    }
}
