//! What a repository had before the commands began: git brings it back when it switches branches, and then it
//! is what the person has in the branch.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};
use rustix::io::pread;
use tidegate_protocol::text::one_line;

use crate::decide::Decision;
use crate::engine::Engine;
use crate::handle::{identity, list, open_file, open_folder, open_folder_in};
use crate::list::Trigger;
use crate::object::Object;

/// Packs of one repository that are looked into.
const MAX_PACKS: usize = 256;
/// An index of a pack, version 2 (gitformat-pack(5)): this, then how many names begin with each byte or a lower
/// one, then the names in order.
const INDEX: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const NAMES: u64 = 8 + 256 * 4;
const NAME: u64 = 20;
/// A file system's clock is a little behind; what is younger than this may be a command's.
const MARGIN: Duration = Duration::from_millis(100);

/// A moment, in seconds and nanoseconds, as the changes of files have it.
pub(crate) type ChangeTime = (i64, i64);

/// What certainly lies before anything that begins now.
pub(crate) fn before_now() -> ChangeTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.saturating_sub(MARGIN);
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()))
}

impl Engine {
    /// The decision about a file, unless its repository had exactly this before the commands began.
    pub(crate) fn unless_checked_out(
        &self,
        path: &Path,
        trigger: Trigger,
        now: &Object,
        decision: Decision,
    ) -> Decision {
        let is_changed = matches!(decision, Decision::SetAside(_) | Decision::Restore(_));
        let has_one_name = matches!(now, Object::File(file) if file.links == 1);
        if !is_changed || trigger != Trigger::Opening || !has_one_name || !self.had(path, now) {
            return decision;
        }
        Decision::Name(format!(
            "{} is as its repository had it before; editors and agents that open the folder may obey it",
            one_line(&path.to_string_lossy(), 160)
        ))
    }

    /// Whether the repository around a file had this content before the commands began, by its own objects.
    pub(crate) fn had(&self, path: &Path, object: &Object) -> bool {
        let Some(content) = object.content() else { return false };
        let mut repositories = path.ancestors().skip(1).map(|above| above.join(".git"));
        let Some(repository) = repositories.find(|it| self.repository_inodes.contains_key(it)) else {
            return false;
        };
        self.had_in(&repository, content).unwrap_or(false)
    }

    fn had_in(&self, repository: &PathBuf, content: &[u8]) -> io::Result<bool> {
        let folder = open_folder(self.root(), repository)?;
        if self.repository_inodes.get(repository) != Some(&identity(&fstat(&folder)?).inode) {
            return Ok(false);
        }
        let objects = open_folder_in(&folder, "objects")?;
        let name = name_of(content);
        Ok(is_loose(&objects, &name, self.began).unwrap_or(false)
            || is_packed(&objects, &name, self.began).unwrap_or(false))
    }
}

/// The name that git gives to a file's content.
fn name_of(content: &[u8]) -> [u8; 20] {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(format!("blob {}\0", content.len()).as_bytes());
    hash.update(content);
    hash.digest().bytes()
}

/// Whether nothing about a file changed since: neither what is in it nor its name. Nobody sets this back.
fn is_older(status: &Stat, than: ChangeTime) -> bool {
    // The fields' types differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap)]
    let changed = (status.st_ctime as i64, status.st_ctime_nsec as i64);
    FileType::from_raw_mode(status.st_mode) == FileType::RegularFile && changed < than
}

fn is_loose(objects: &OwnedFd, name: &[u8; 20], than: ChangeTime) -> io::Result<bool> {
    let name = hex::encode(name);
    let (fan_out, rest) = name.split_at(2);
    let folder = open_folder_in(objects, fan_out)?;
    Ok(is_older(&statat(&folder, rest, AtFlags::SYMLINK_NOFOLLOW)?, than))
}

fn is_packed(objects: &OwnedFd, name: &[u8; 20], than: ChangeTime) -> io::Result<bool> {
    let packs = open_folder_in(objects, "pack")?;
    let mut indices = Vec::new();
    list(&packs, &mut Vec::new(), |name, _, _| {
        if name.ends_with(b".idx") && indices.len() < MAX_PACKS {
            indices.push(name.to_vec());
        }
    })?;
    for index in indices {
        let Some((file, status)) = open_file(&packs, OsStr::from_bytes(&index))? else { continue };
        if is_older(&status, than) && is_in_index(&file, name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_in_index(file: impl AsFd, name: &[u8; 20]) -> io::Result<bool> {
    let mut start = [0; 8];
    if !read_at(&file, &mut start, 0)? || start != INDEX {
        return Ok(false);
    }
    let names_up_to = |byte: u8| -> io::Result<u64> {
        let mut count = [0; 4];
        let place = 8 + u64::from(byte) * 4;
        Ok(if read_at(&file, &mut count, place)? { u64::from(u32::from_be_bytes(count)) } else { 0 })
    };
    let first = name[0];
    let mut from = if first == 0 { 0 } else { names_up_to(first - 1)? };
    let mut to = names_up_to(first)?;
    while from < to {
        let middle = from + (to - from) / 2;
        let mut found = [0; 20];
        if !read_at(&file, &mut found, NAMES + middle * NAME)? {
            return Ok(false);
        }
        match found.cmp(name) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    Ok(false)
}

/// Reads a whole block. Whether there was one.
fn read_at(file: impl AsFd, block: &mut [u8], offset: u64) -> io::Result<bool> {
    Ok(pread(file, &mut *block, offset)? == block.len())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::*;

    fn index(names: &[[u8; 20]]) -> File {
        use std::io::Write as _;
        let mut bytes = INDEX.to_vec();
        for byte in 0..=u8::MAX {
            let count = names.iter().filter(|name| name[0] <= byte).count();
            bytes.extend(u32::try_from(count).expect("few").to_be_bytes());
        }
        bytes.extend(names.iter().flatten());
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        file
    }

    #[test]
    fn content_has_the_name_that_git_gives() {
        let hex = hex::encode(name_of(b"hello\n"));
        assert_eq!(hex, "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    proptest! {
        #[test]
        fn exactly_the_names_of_an_index_are_in_it(
            mut names in proptest::collection::vec(any::<[u8; 20]>(), 0..40),
            other in any::<[u8; 20]>(),
        ) {
            names.sort_unstable();
            names.dedup();
            let file = index(&names);
            for name in &names {
                prop_assert!(is_in_index(&file, name).expect("read"));
            }
            prop_assert_eq!(is_in_index(&file, &other).expect("read"), names.contains(&other));
        }

        #[test]
        fn any_bytes_are_searched_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..2000), name in any::<[u8; 20]>()) {
            use std::io::Write as _;
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&INDEX).and_then(|()| file.write_all(&bytes)).expect("written");
            let _ = is_in_index(&file, &name);
        }
    }
}
