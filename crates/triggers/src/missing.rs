//! What was there when a command began and is not any more.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use tidegate_protocol::text::one_line;

use crate::engine::Engine;
use crate::finding::{Action, Finding};
use crate::handle::{open_folder, open_parent, with_names_writable};
use crate::list::{Folder, Trigger};
use crate::repository::is_absent;
use crate::respond::{open_or_make, put_back, replace};
use crate::walk::Found;

/// Folders that are made again for a file that is put back: `.vscode` for its settings, not the
/// project around it.
const FOLDERS_MADE: usize = 3;

impl Engine {
    /// Puts back what was there and is not any more, where its folder still is.
    pub(crate) fn put_back_missing(&self, found: &Found) -> Vec<Finding> {
        let mut findings = Vec::new();
        let here: HashMap<u64, &Path> =
            found.repositories.iter().map(|it| (it.inode, it.path.as_path())).collect();
        for (path, inode) in &self.repository_inodes {
            let is_entry = path.file_name().is_some_and(|name| name == OsStr::new(".git"));
            let Some(now) = here.get(inode).filter(|now| is_entry && **now != path.as_path()) else {
                continue;
            };
            if let Some(finding) = self.move_back(now, path) {
                findings.push(finding);
                findings.extend(self.restore_settings(path));
            }
        }
        let missing = self.known.iter().filter(|(path, known)| {
            known.object.is_kept()
                && known.trigger != Trigger::Interpreter
                && !self.is_permitted(path)
                && matches!(self.look(path), Ok(None))
        });
        for (path, known) in missing {
            let above = path.parent().unwrap_or(Path::new(""));
            let top = self.top_of(path, known.trigger);
            if open_folder(self.root(), &top).is_err() {
                continue;
            }
            // What git still has is not lost, and a branch may be without it.
            if known.trigger == Trigger::Opening && self.had(path, &known.object) {
                let shown = one_line(&path.to_string_lossy(), 160);
                let reason = format!("{shown} was removed; its repository still has it");
                findings.push(Finding::new(path, known.trigger, Action::Named, &reason));
                continue;
            }
            let done = open_or_make(self.root(), above, FOLDERS_MADE).and_then(|folder| {
                with_names_writable(folder.as_fd(), || {
                    put_back(folder.as_fd(), path.file_name().unwrap_or_default(), &known.object)
                })
            });
            let reason = format!("{} was removed or renamed", one_line(&path.to_string_lossy(), 160));
            let action = match done {
                Ok(()) => Action::PutBack,
                Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => Action::Failed { problem: one_line(&error.to_string(), 200) },
            };
            findings.push(Finding::new(path, known.trigger, action, &reason));
        }
        findings
    }

    /// Puts the settings of a repository that was moved back as they were: under its other name it
    /// was taken for a new one.
    fn restore_settings(&self, repository: &Path) -> Vec<Finding> {
        let mut findings = Vec::new();
        let settings = self.known.iter().filter(|(path, known)| {
            known.trigger == Trigger::RepositoryFile && path.starts_with(repository) && known.object.is_kept()
        });
        for (path, known) in settings {
            let Ok(Some(now)) = self.look(path) else { continue };
            if known.object.is_still(&now) {
                continue;
            }
            let stored = self.stored_name();
            let done = open_parent(self.root(), path).and_then(|(folder, name)| {
                with_names_writable(folder.as_fd(), || {
                    replace(folder.as_fd(), name, &known.object, self.aside(), &stored, path)
                })
            });
            let reason = format!("{} was changed", one_line(&path.to_string_lossy(), 160));
            let action = match &done {
                Ok(_) => Action::Restored,
                Err(error) => Action::Failed { problem: one_line(&error.to_string(), 200) },
            };
            let mut finding = Finding::new(path, known.trigger, action, &reason);
            finding.aside = done.ok().flatten();
            findings.push(finding);
        }
        findings
    }

    /// The folder without which a file is not put back: the repository's, or the one around the
    /// outermost folder that counts.
    fn top_of(&self, path: &Path, trigger: Trigger) -> PathBuf {
        let mut ancestors = path.ancestors().skip(1);
        match trigger {
            Trigger::RepositoryFile => ancestors
                .find(|above| self.repository_inodes.contains_key(*above))
                .unwrap_or(Path::new(""))
                .to_owned(),
            _ => {
                let counts = |above: &&Path| {
                    let (kind, _) = self.place_of(above);
                    !matches!(
                        kind,
                        Folder::Within(_)
                            | Folder::Cargo
                            | Folder::GitHub
                            | Folder::Config
                            | Folder::Mise
                            | Folder::Mercurial
                            | Folder::Jujutsu
                    )
                };
                ancestors.find(counts).unwrap_or(Path::new("")).to_owned()
            }
        }
    }

    /// Renames a repository's folder to where it was, if nothing is there and its place still is.
    fn move_back(&self, now: &Path, before: &Path) -> Option<Finding> {
        let (from, from_name) = open_parent(self.root(), now).ok()?;
        let (to, to_name) = open_parent(self.root(), before).ok()?;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&from, from_name, &to, to_name, flags).ok()?;
        let reason = format!("{} was renamed", one_line(&before.to_string_lossy(), 160));
        Some(Finding::new(before, Trigger::Repository, Action::PutBack, &reason))
    }
}
