//! The directory that cargo builds in: one for each lock file and compiler, outside the checkout, so that a fresh clone
//! is built from what an earlier one left.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::session::Session;

/// A cache that was not used for so long is removed.
const UNUSED: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Another checkout may be building in a cache that was used more recently than this.
const IN_USE: Duration = Duration::from_secs(60 * 60);
/// How many caches stay.
const KEPT: usize = 2;
/// What a whole build and its tests take, with room to spare.
const MINIMUM_FREE_GIB: u64 = 12;
/// In each cache: the checkout that used it last. Its time is that of the last use.
const MARKER: &str = "checkout";

/// Sets `CARGO_TARGET_DIR` to a cache, unless the caller chose a directory. Where the disk has little room, no cache
/// is kept: the others go now, and [`leave`] removes this one.
///
/// # Errors
/// Where directories cannot be made or removed, or the compiler does not tell its version.
pub(crate) fn choose(session: &mut Session) -> Result<()> {
    if session.variable("CARGO_TARGET_DIR").is_some() {
        return Ok(());
    }
    let root = session.cache().to_owned();
    fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
    let is_short = is_short_of_room(session)?;
    if is_short {
        println!(
            "Less than {MINIMUM_FREE_GIB} GiB are free in {}: the build cache is not kept this time.",
            root.display()
        );
    }
    let target = root.join(format!("target-{}", key(session)?));
    fs::create_dir_all(&target)?;
    forget_other_checkout(session, &target)?;
    fs::write(target.join(MARKER), format!("{}\n", session.root().display()))?;
    for cache in surplus(&root, if is_short { 0 } else { KEPT })? {
        println!("Removing the build cache {}, which was not used lately.", cache.display());
        fs::remove_dir_all(cache)?;
    }
    session.set("CARGO_TARGET_DIR", target);
    Ok(())
}

/// Removes the cache that was just used where there is too little room to keep it, and no other checkout took it
/// over.
///
/// # Errors
/// Where it cannot be removed.
pub(crate) fn leave(session: &Session) -> Result<()> {
    let target = session.target()?;
    let is_ours = fs::read_to_string(target.join(MARKER))
        .is_ok_and(|checkout| checkout.trim() == session.root().to_string_lossy());
    if target.parent() == Some(session.cache()) && is_ours && is_short_of_room(session)? {
        println!("Removing the build cache {}: the disk has little room.", target.display());
        fs::remove_dir_all(target)?;
    }
    Ok(())
}

fn is_short_of_room(session: &Session) -> Result<bool> {
    Ok(free_kib(session, session.cache())? < MINIMUM_FREE_GIB * 1024 * 1024)
}

/// Free KiB on the disk of `directory`.
///
/// # Errors
/// Where `df` does not tell.
pub(crate) fn free_kib(session: &Session, directory: &Path) -> Result<u64> {
    let table = session.command("df").arg("-Pk").arg(directory).output()?;
    let free = table.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    free.with_context(|| format!("df does not tell how much is free in {}", directory.display()))
}

/// The same for each build of the same packages by the same compiler.
fn key(session: &Session) -> Result<String> {
    let lock = fs::read(session.root().join("Cargo.lock"))?;
    let compiler = session.command("rustc").arg("-vV").output()?;
    // Only equal or not matters.
    let mut hasher = DefaultHasher::new();
    (lock, compiler).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish())[..12].to_owned())
}

/// Paths of the checkout are compiled into our own packages; what is there of another one only takes room.
fn forget_other_checkout(session: &Session, target: &Path) -> Result<()> {
    let before = fs::read_to_string(target.join(MARKER)).unwrap_or_default();
    let before = before.trim();
    if before.is_empty() || before == session.root().to_string_lossy() {
        return Ok(());
    }
    println!("The build cache was last used by {before}: our own packages are built again.");
    let names = own_packages(session.root())?;
    let packages = names.iter().flat_map(|name| ["-p", name]);
    session.cargo(&["clean", "--quiet"]).args(packages).env("CARGO_TARGET_DIR", target).finish()
}

/// The names of the workspace's packages.
fn own_packages(root: &Path) -> Result<Vec<String>> {
    let mut manifests = vec![root.join("Cargo.toml")];
    for group in ["crates", "tests"] {
        for entry in fs::read_dir(root.join(group))? {
            manifests.push(entry?.path().join("Cargo.toml"));
        }
    }
    let mut names = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.exists()) {
        let text = fs::read_to_string(manifest)?;
        let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}

/// The caches beyond the `kept` that were used last, and those that were not used for long. None that may be in use.
fn surplus(root: &Path, kept: usize) -> Result<Vec<PathBuf>> {
    let now = SystemTime::now();
    let mut caches = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let is_cache = path.file_name().and_then(|name| name.to_str()).is_some_and(is_cache_name);
        let used = fs::metadata(path.join(MARKER)).and_then(|marker| marker.modified());
        if let (true, Ok(used)) = (is_cache, used) {
            caches.push((now.duration_since(used).unwrap_or_default(), path));
        }
    }
    caches.sort();
    let old = caches
        .into_iter()
        .enumerate()
        .filter(|(index, (age, _))| *age > IN_USE && (*index >= kept || *age > UNUSED));
    Ok(old.map(|(_, (_, path))| path).collect())
}

fn is_cache_name(name: &str) -> bool {
    name.strip_prefix("target-")
        .is_some_and(|key| key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
