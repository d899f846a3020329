//! Damaged stores that were moved aside.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tidegate_protocol::UnixMillis;

use crate::OpenError;
use crate::private_files::{companions, with_suffix};

/// How many damaged stores are kept; older ones are removed when another is moved aside.
const KEPT: usize = 3;
/// What stands between the store's name and the time at which it was moved aside.
const MARK: &str = ".corrupt-";

/// Renames the file and its companions, so that nothing of it is lost.
pub(crate) fn move_aside(file: &Path, at: UnixMillis) -> Result<PathBuf, OpenError> {
    let failed =
        |error: std::io::Error| OpenError::NotWritable { path: file.to_owned(), reason: error.to_string() };
    let base = with_suffix(file, &format!("{MARK}{}", at.0));
    let taken =
        |name: &Path| std::iter::once(name.to_owned()).chain(companions(name)).any(|path| path.exists());
    let mut target = base.clone();
    let mut attempt = 1;
    while taken(&target) {
        target = with_suffix(&base, &format!(".{attempt}"));
        attempt += 1;
    }
    for (from, to) in
        std::iter::once((file.to_owned(), target.clone())).chain(companions(file).zip(companions(&target)))
    {
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(target)
}

/// Removes all but the newest damaged stores. What cannot be removed stays, and is tried again with
/// the next.
pub(crate) fn remove_surplus(file: &Path) {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let start = format!("{name}{MARK}");
    let mut stores: Vec<(u64, u32, PathBuf)> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let (at, attempt) = moved_at(entry.file_name().to_str()?.strip_prefix(&start)?)?;
            Some((at, attempt, entry.path()))
        })
        .collect();
    stores.sort_unstable();
    stores.reverse();
    for (.., surplus) in stores.into_iter().skip(KEPT) {
        tracing::warn!(path = %surplus.display(), "an old damaged store is removed");
        for path in companions(&surplus).chain([surplus.clone()]) {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %path.display(), "an old damaged store could not be removed");
            }
        }
    }
}

/// When a damaged store was moved aside, and as which of that moment; `None` for its companions and
/// for files that are not ours.
fn moved_at(rest: &str) -> Option<(u64, u32)> {
    let (at, attempt) = rest.split_once('.').unwrap_or((rest, "0"));
    Some((at.parse().ok()?, attempt.parse().ok()?))
}
