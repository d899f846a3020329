//! The files of the folder: what was set aside, and the records.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fsync, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use tidegate_protocol::UnixMillis;
use walkdir::WalkDir;

use super::limits::MAX_AGE;
use super::{Record, RecordError};
use crate::finding::{AsideKind, Place};
use crate::handle::{list, look as look_at, open_file, read_up_to};
use crate::object::Object;
use crate::respond::{Copied, copy};

/// Bytes of a file that are shown.
pub const MAX_SHOWN: usize = 64 * 1024;
/// Bytes of a record.
const MAX_RECORD: usize = 64 * 1024;
/// How the name of a record ends, after that of its file.
const RECORD: &str = ".json";
/// How the name of a record ends that is being written.
const UNFINISHED: &str = ".new";

/// What is in a file that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The start of a regular file, at most [`MAX_SHOWN`] bytes.
    Start {
        bytes: Vec<u8>,
        /// Whether there is more.
        is_cut: bool,
    },
    /// It is no regular file.
    NoFile,
}

/// The name of the record of what is stored under a name.
pub(super) fn record_name(stored: &str) -> String {
    format!("{stored}{RECORD}")
}

/// What is stored under a name now: its kind and its content, of one reading.
pub(super) fn look(folder: &OwnedFd, stored: &OsStr) -> Result<(AsideKind, Content), RecordError> {
    match look_at(folder, stored)? {
        Some(Object::File(_)) => {}
        Some(Object::Link(target)) => {
            let target = Place::new(OsStr::from_bytes(&target));
            return Ok((AsideKind::Link { target }, Content::NoFile));
        }
        Some(Object::Directory(_)) => return Ok((AsideKind::Folder, Content::NoFile)),
        Some(Object::Other) => return Ok((AsideKind::Other, Content::NoFile)),
        None => return Err(RecordError::Unknown),
    }
    let Some((file, status)) = open_file(folder, stored)? else { return Err(RecordError::NotAsShown) };
    let Copied { sha256, size, start: bytes } = match copy(&file, None) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(RecordError::TooLarge),
        copied => copied?,
    };
    let is_cut = size > bytes.len() as u64;
    Ok((AsideKind::File { size, mode: mode(&status), sha256 }, Content::Start { bytes, is_cut }))
}

/// The permission bits that can be put back: no set-user-ID, no set-group-ID.
#[allow(clippy::useless_conversion, reason = "the type differs between systems")]
fn mode(status: &Stat) -> u32 {
    u32::from(Mode::from_raw_mode(status.st_mode).bits()) & 0o777
}

/// All records that have their file. What is unfinished or has lost its other half goes: at once, but for
/// a file without a record, which goes when it is too old.
pub(super) fn read_all(folder: &OwnedFd, now: UnixMillis) -> io::Result<Vec<Record>> {
    let mut names = Vec::new();
    list(folder, &mut Vec::new(), |name, _, _| names.push(String::from_utf8_lossy(name).into_owned()))?;
    let remove = |name: &str| unlinkat(folder, name, AtFlags::empty());
    let mut records: Vec<Record> = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(RECORD) || name.ends_with(UNFINISHED)) {
        let record = name.strip_suffix(RECORD).and_then(|stored| read(folder, name, stored));
        match record.filter(|record| names.contains(&record.aside.stored)) {
            Some(record) => records.push(record),
            None => {
                let _ = remove(name);
            }
        }
    }
    for name in names.iter().filter(|name| !name.ends_with(RECORD) && !name.ends_with(UNFINISHED)) {
        if !records.iter().any(|record| &record.aside.stored == name) && is_old(folder, name, now) {
            let _ = remove(name);
        }
    }
    Ok(records)
}

fn read(folder: &OwnedFd, name: &str, stored: &str) -> Option<Record> {
    let (file, _) = open_file(folder, OsStr::new(name)).ok()??;
    let text = read_up_to(&file, MAX_RECORD).ok()??;
    let record: Record = serde_json::from_slice(&text).ok()?;
    (record.aside.stored == stored && record.id == super::id_of(stored)).then_some(record)
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the type differs between systems")]
fn is_old(folder: &OwnedFd, name: &str, now: UnixMillis) -> bool {
    let Ok(status) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let moved = u64::try_from(status.st_ctime as i64).unwrap_or_default();
    now.since(UnixMillis(moved.saturating_mul(1000))) >= MAX_AGE
}

/// Writes a record: when this returns well, it is on the disk.
pub(super) fn write(folder: &OwnedFd, record: &Record) -> io::Result<()> {
    let text = serde_json::to_vec(record)?;
    let unfinished = format!("{}{UNFINISHED}", record.aside.stored);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, unfinished.as_str(), flags, Mode::from_raw_mode(0o600))?);
    file.write_all(&text)?;
    file.sync_all()?;
    renameat(folder, unfinished.as_str(), folder, record_name(&record.aside.stored).as_str())?;
    Ok(fsync(folder)?)
}

/// Removes what is stored under a name, with everything in it.
pub(super) fn remove(path: &Path, folder: &OwnedFd, stored: &OsStr) -> io::Result<()> {
    match unlinkat(folder, stored, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // Follows no link, and everything in it is ours.
        Err(Errno::ISDIR | Errno::PERM) => std::fs::remove_dir_all(path.join(stored)),
        Err(error) => Err(error.into()),
    }
}

/// How much room something takes, with all that is in it. No link is followed.
pub(super) fn bytes(path: &Path, stored: &str) -> u64 {
    let all = WalkDir::new(path.join(stored)).follow_root_links(false);
    let found = all.into_iter().filter_map(|entry| entry.ok()?.metadata().ok());
    let sizes = found.filter(|metadata| !metadata.is_dir()).map(|metadata| metadata.len());
    sizes.fold(0, u64::saturating_add)
}
