//! Confining a command where there is no whole sandbox, with Landlock and the system call filter: it
//! writes only in its workspace and the temporary directory, reads everything but Tidegate's own files,
//! signals nothing outside, and makes no sockets but pairs, so that it reaches neither the gateway nor
//! a program of the person.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};

use tidegate_sandbox::Enforcement;
use tidegate_sandbox::filter::{self, FilterOptions};

/// The newest rules that are asked for; older kernels enforce what they know.
const RULES: ABI = ABI::V6;

/// Devices that programs expect to write to.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Confines this thread and every process that it starts from now on. Programs that would gain
/// rights by being run (such as sudo) no longer gain them.
///
/// # Errors
/// When the kernel has Landlock and yet the rules cannot be set, or it refuses the filter: the command
/// must not run then.
pub(super) fn confine(places: &Places<'_>) -> Result<Enforcement, String> {
    rustix::thread::set_no_new_privs(true)
        .map_err(std::io::Error::from)
        .and_then(|()| crate::shield::give_up_capabilities())
        .map_err(|error| format!("rights could not be given up: {error}"))?;
    let enforced = restrict(places).map_err(|error| format!("the command could not be confined: {error}"))?;
    let ptrace = enforced == Enforcement::Full;
    filter::apply(FilterOptions { internet: false, local_sockets: false, ptrace })?;
    Ok(enforced)
}

/// Where a command may write, and what it may not touch or even read there.
pub(super) struct Places<'a> {
    pub(super) writable: &'a [PathBuf],
    pub(super) protected: &'a [PathBuf],
    pub(super) hidden: &'a [PathBuf],
}

fn restrict(places: &Places<'_>) -> Result<Enforcement, landlock::RulesetError> {
    let all = AccessFs::from_all(RULES);
    let mut rules =
        Rules { ruleset: Ruleset::default().handle_access(all)?.scope(Scope::from_all(RULES))?.create()? };
    // Names of files may be listed everywhere: rights cannot be taken back further down, and a
    // directory above a hidden one must be listable.
    rules.allow(Path::new("/"), AccessFs::ReadDir.into())?;
    rules.allow_except(Path::new("/"), AccessFs::from_read(RULES), &resolved(places.hidden))?;
    let protected = resolved(places.protected);
    for directory in places.writable {
        rules.allow_except(directory, all, &protected)?;
    }
    for device in DEVICES {
        let write = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        rules.allow(Path::new(device), write)?;
    }
    let status = rules.ruleset.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::None,
    })
}

struct Rules {
    ruleset: RulesetCreated,
}

impl Rules {
    /// Allows `access` on `path` and everything below it. Links are not followed, wherever they are in
    /// the path: what they lead to has its own place and gets its own rule there, or none.
    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), landlock::RulesetError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let Ok(file) = openat2(CWD, path, flags, Mode::empty(), resolve) else { return Ok(()) };
        let Ok(status) = rustix::fs::fstat(&file) else { return Ok(()) };
        let access = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => access,
            FileType::Symlink => return Ok(()),
            _ => access & AccessFs::from_file(RULES),
        };
        if access.is_empty() {
            return Ok(());
        }
        (&mut self.ruleset).add_rule(PathBeneath::new(file, access)).map(|_| ())
    }

    /// Allows `access` on everything below `directory` but the `except`ed paths. Directories above an
    /// excepted path get no rule themselves, because it would reach down to it: nothing can be made or
    /// removed in them directly.
    fn allow_except(
        &mut self,
        directory: &Path,
        access: BitFlags<AccessFs>,
        except: &[PathBuf],
    ) -> Result<(), landlock::RulesetError> {
        let mut waiting = vec![directory.to_owned()];
        while let Some(path) = waiting.pop() {
            if except.contains(&path) {
                continue;
            }
            let inside: Vec<_> =
                except.iter().filter_map(|excepted| excepted.strip_prefix(&path).ok()).collect();
            if inside.is_empty() {
                self.allow(&path, access)?;
                continue;
            }
            match std::fs::read_dir(&path) {
                Ok(entries) => waiting
                    .extend(entries.flatten().filter(|entry| !is_link(entry)).map(|entry| entry.path())),
                // What cannot be listed is left out, but for the way to the excepted paths.
                Err(_) => waiting
                    .extend(inside.iter().filter_map(|rest| Some(path.join(rest.components().next()?)))),
            }
        }
        Ok(())
    }
}

fn is_link(entry: &std::fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// The paths as the kernel names them: each without symbolic links, also where its end does not
/// exist, and where it is a link itself, both the link's place and what it leads to.
fn resolved(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(path.canonicalize());
        let missing_end = path.ancestors().find_map(|above| {
            let canonical = above.parent()?.canonicalize().ok()?;
            Some(canonical.join(path.strip_prefix(above.parent()?).ok()?))
        });
        all.extend(missing_end);
    }
    all.sort();
    all.dedup();
    all
}
