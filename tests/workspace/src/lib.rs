//! The workspace as its own rules see it: packages, what each depends on, and the files that
//! belong to the repository. The rules are the tests of this package; nothing here is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};

/// The whole dependency graph, for all systems, with the features that a build of the whole
/// workspace turns on.
pub struct Workspace {
    metadata: Metadata,
    packages: BTreeMap<PackageId, Package>,
    nodes: BTreeMap<PackageId, Node>,
}

impl Workspace {
    /// Asks cargo for the graph in `Cargo.lock`.
    ///
    /// # Errors
    /// What cargo says, for example that the lock file is not up to date.
    pub fn load() -> Result<Self, cargo_metadata::Error> {
        let metadata = MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--locked".to_owned()])
            .exec()?;
        let packages = metadata.packages.iter().map(|p| (p.id.clone(), p.clone())).collect();
        let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let nodes = nodes.map(|node| (node.id.clone(), node.clone())).collect();
        Ok(Self { metadata, packages, nodes })
    }

    /// Our own packages.
    #[must_use]
    pub fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// Every package in the graph, ours included.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The packages named `name`, one for each version.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Package> {
        self.packages().filter(move |package| package.name.as_str() == name)
    }

    /// The features of `package` that are on.
    #[must_use]
    pub fn features(&self, package: &Package) -> BTreeSet<String> {
        self.nodes
            .get(&package.id)
            .map(|node| node.features.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    /// The names of what `package` itself declares and what ends up in it or runs while it is
    /// built: dependencies of tests do not count.
    #[must_use]
    pub fn dependencies(&self, package: &Package) -> BTreeSet<String> {
        let declared = package.dependencies.iter();
        let counted = declared.filter(|dependency| dependency.kind != DependencyKind::Development);
        counted.map(|dependency| dependency.name.clone()).collect()
    }

    /// The names of all packages that are linked into `package`, through any number of steps,
    /// on any system.
    #[must_use]
    pub fn linked_into(&self, package: &Package) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![&package.id];
        while let Some(id) = waiting.pop() {
            let Some(node) = self.nodes.get(id) else { continue };
            for dependency in &node.deps {
                let linked = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if linked && !self.is_macro(&dependency.pkg) && seen.insert(&dependency.pkg) {
                    waiting.push(&dependency.pkg);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.packages.get(id)).map(|p| p.name.to_string()).collect()
    }

    /// A procedural macro runs in the compiler; what it needs is not linked.
    fn is_macro(&self, id: &PackageId) -> bool {
        self.packages
            .get(id)
            .is_some_and(|package| package.targets.iter().any(|target| target.is_proc_macro()))
    }
}

/// The repository's top directory.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The files that belong to the repository: those in git, and new ones that git does not ignore.
/// Paths are relative to [`root`]. `None` when this is not a git checkout.
///
/// # Errors
/// When git cannot be started.
pub fn repository_files() -> io::Result<Option<Vec<PathBuf>>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()?;
    if !listed.status.success() {
        return Ok(None);
    }
    let names = listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let paths = names.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()));
    Ok(Some(paths.filter(|path| root().join(path).is_file()).collect()))
}

/// All Rust sources below `directory` (relative to [`root`]), with their text, in order.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn rust_sources(directory: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut sources = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(root().join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(root().join(&path))?;
                sources.insert(path, text);
            }
        }
    }
    Ok(sources)
}
