//! One workspace: what its trigger files were, what became of them, and what is done about it.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_protocol::text::one_line;

use crate::behind::Behind;
use crate::decide::{Decision, RepositoryForm, git_entry, other_file, repository_file};
use crate::finding::{Action, Finding};
use crate::handle::{Kind, list, look, open_folder, open_parent, with_names_writable};
use crate::history::{ChangeTime, before_now};
use crate::links::Links;
use crate::list::{Folder, Shape, Trigger};
use crate::name::fold;
use crate::object::{FileState, Identity, Object};
use crate::repository::{Reader, is_absent, read, read_config, read_others, read_written, unless_absent};
use crate::respond::{replace, set_aside, sha256};
use crate::walk::{Found, FoundFile, Incomplete, enter, inner_form, walk};

/// Bytes of all files that are kept.
const KEPT_IN_ALL: usize = 32 * 1024 * 1024;

/// Something that was there before.
pub(crate) struct Known {
    pub(crate) object: Object,
    pub(crate) trigger: Trigger,
}

pub(crate) struct Engine {
    root: OwnedFd,
    root_inode: u64,
    workspace: PathBuf,
    aside: OwnedFd,
    pub(crate) known: BTreeMap<PathBuf, Known>,
    /// Files by identity: renamed ones are known under their new name.
    renamed: HashMap<Identity, PathBuf>,
    /// What known links lead to.
    pub(crate) behind: Behind,
    folders: HashSet<u64>,
    /// The inodes of the repositories that were there, by path.
    pub(crate) repository_inodes: BTreeMap<PathBuf, u64>,
    /// All that were ever found.
    pub(crate) repositories: BTreeMap<PathBuf, RepositoryForm>,
    /// When the commands began.
    pub(crate) began: ChangeTime,
    /// Trigger files that a person allowed the commands to write.
    pub(crate) permitted: Vec<PathBuf>,
    /// The files that were checked since this was emptied.
    pub(crate) seen: Vec<PathBuf>,
    stored: Cell<u64>,
    prefix: String,
}

impl Engine {
    pub(crate) fn new(root: OwnedFd, workspace: PathBuf, aside: OwnedFd) -> io::Result<Self> {
        let root_inode = crate::handle::identity(&rustix::fs::fstat(&root)?).inode;
        let mut bytes = [0; 6];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let prefix = hex::encode(bytes);
        Ok(Self {
            root,
            root_inode,
            workspace,
            aside,
            known: BTreeMap::new(),
            renamed: HashMap::new(),
            behind: Behind::default(),
            folders: HashSet::new(),
            repository_inodes: BTreeMap::new(),
            repositories: BTreeMap::new(),
            began: before_now(),
            permitted: Vec::new(),
            seen: Vec::new(),
            stored: Cell::new(0),
            prefix,
        })
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(crate) fn root_inode(&self) -> u64 {
        self.root_inode
    }

    /// Its absolute path without links.
    pub(crate) fn workspace(&self) -> &Path {
        &self.workspace
    }

    pub(crate) fn aside(&self) -> BorrowedFd<'_> {
        self.aside.as_fd()
    }

    /// Walks the whole workspace, or what is below `path`.
    pub(crate) fn walk(
        &self,
        path: &Path,
        links: Option<&mut Links>,
        opened: impl FnMut(BorrowedFd<'_>, u64, &Path),
    ) -> Found {
        let Ok(folder) = open_folder(self.root(), path) else { return Found::default() };
        walk(folder, path, self.place_of(path), links, opened)
    }

    /// What the names above a folder, and the repositories known there, say about it.
    pub(crate) fn place_of(&self, path: &Path) -> (Folder, RepositoryForm) {
        let mut so_far = PathBuf::new();
        let (mut kind, mut form) = (Folder::Top, RepositoryForm::Shaped);
        for name in path {
            let is_shaped = kind != Folder::Repository && self.repositories.contains_key(&so_far);
            let inner = enter(kind, is_shaped, &fold(&name.to_string_lossy()));
            form = inner_form(kind, is_shaped, form, name.as_bytes());
            so_far.push(name);
            kind = inner;
            if let Some(known) = self.repositories.get(&so_far) {
                form = *known;
            }
        }
        (kind, form)
    }

    /// Takes what is there now as what was there before.
    pub(crate) fn remember(&mut self, found: &Found) -> Option<Incomplete> {
        self.began = before_now();
        self.known.clear();
        self.renamed.clear();
        self.folders = found.folders.iter().copied().collect();
        self.repository_inodes = found.repositories.iter().map(|it| (it.path.clone(), it.inode)).collect();
        self.repositories = found.repositories.iter().map(|it| (it.path.clone(), it.form)).collect();
        let mut kept = 0;
        let mut incomplete = found.incomplete;
        for repository in &found.repositories {
            match open_folder(self.root(), &repository.path).and_then(|folder| read(&folder)) {
                Ok(files) => {
                    for (setting, object) in files {
                        let path = repository.path.join(setting);
                        self.learn(path, Trigger::RepositoryFile, object, &mut kept);
                    }
                }
                Err(error) if is_absent(&error) => {}
                Err(_) => incomplete = Some(Incomplete::Unreadable),
            }
        }
        for file in &found.files {
            match self.look(&file.path) {
                Ok(Some(object)) => self.learn(file.path.clone(), file.trigger, object, &mut kept),
                Ok(None) => {}
                Err(_) => incomplete = Some(Incomplete::Unreadable),
            }
        }
        self.learn_behind(&mut kept);
        incomplete
    }

    /// Takes something as what was there before.
    pub(crate) fn learn(&mut self, path: PathBuf, trigger: Trigger, mut object: Object, kept: &mut usize) {
        if let Object::File(file) = &mut object {
            self.renamed.insert(file.identity, path.clone());
            *kept += file.content.as_ref().map_or(0, |content| content.len());
            if *kept > KEPT_IN_ALL {
                file.content = None;
            }
        }
        self.known.insert(path, Known { object, trigger });
    }

    /// Files that matter while a command runs, with the place that is checked when one changes.
    pub(crate) fn watched_files(&self) -> Vec<PathBuf> {
        let matters = |known: &&Known| {
            known.trigger.class() == crate::list::Class::Looking && known.object.content().is_some()
        };
        self.known.iter().filter(|(_, known)| matters(known)).map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn look(&self, path: &Path) -> io::Result<Option<Object>> {
        match unless_absent(open_parent(self.root(), path))? {
            Some((folder, name)) => look(&folder, name),
            None => Ok(None),
        }
    }

    /// The names in a folder, as far as they make it a repository.
    pub(crate) fn shape_of(&self, path: &Path) -> Shape {
        let mut shape = Shape::default();
        if let Ok(folder) = open_folder(self.root(), path) {
            // What cannot be listed has no shape for git either.
            let _ = list(&folder, &mut Vec::new(), |name, _, _| {
                shape.note(&fold(&String::from_utf8_lossy(name)));
            });
        }
        shape
    }

    /// Checks everything that a walk found, and what it did not find any more.
    pub(crate) fn check(&mut self, found: &Found, at_end: bool) -> Vec<Finding> {
        self.seen.clear();
        let mut findings = Vec::new();
        for repository in &found.repositories {
            findings.extend(self.check_repository(&repository.path, repository.form, at_end));
        }
        for file in found.files.iter().chain(&self.found_behind()) {
            findings.extend(self.check_file(file, at_end));
        }
        if at_end {
            findings.extend(self.put_back_missing(found));
        }
        findings
    }

    /// Checks a folder that git takes for a repository.
    pub(crate) fn check_repository(
        &mut self,
        path: &Path,
        form: RepositoryForm,
        at_end: bool,
    ) -> Vec<Finding> {
        self.repositories.insert(path.to_owned(), form);
        let repository = match unless_absent(open_folder(self.root(), path)) {
            Ok(Some(folder)) => folder,
            // Gone, or replaced: what is there now is looked at for itself.
            Ok(None) => return Vec::new(),
            Err(error) => return vec![unreadable(path, &error)],
        };
        let mut findings = Vec::new();
        // What git obeys first is put in order before anything else is looked at.
        let mut readers: Vec<Reader> = vec![read_config, read_others];
        // Nobody but a person writes there through git, and does not while a command has the repository.
        if at_end {
            readers.push(read_written);
        }
        for read in readers {
            match read(&repository) {
                Ok(files) => self.check_settings(&repository, path, form, at_end, files, &mut findings),
                Err(error) if is_absent(&error) => {}
                Err(error) => findings.push(unreadable(path, &error)),
            }
        }
        findings
    }

    fn check_settings(
        &mut self,
        repository: &OwnedFd,
        path: &Path,
        form: RepositoryForm,
        at_end: bool,
        files: Vec<(PathBuf, Object)>,
        findings: &mut Vec<Finding>,
    ) {
        for (setting, now) in files {
            let whole = path.join(&setting);
            self.seen.push(whole.clone());
            if self.is_permitted(&whole) || (!at_end && self.is_being_written(&whole, &now)) {
                continue;
            }
            let before = self.before(&whole, Trigger::RepositoryFile, &now).cloned();
            let decision = repository_file(&whole, &setting, form, &now, before.as_ref());
            let act = Act { base: repository.as_fd(), within: &setting, whole: &whole };
            findings.extend(self.act(&act, Trigger::RepositoryFile, decision, &now, before.as_ref()));
        }
    }

    /// Checks any other trigger file.
    pub(crate) fn check_file(&mut self, file: &FoundFile, at_end: bool) -> Option<Finding> {
        let path = &file.path;
        // Files that are obeyed when a folder is opened are put in order when the command has ended:
        // git checks them out and removes them again meanwhile.
        let is_later = !at_end && file.trigger.class() == crate::list::Class::Opening;
        if is_later
            || self.is_permitted(path)
            || (file.kind == Kind::Folder && !self.known.contains_key(path))
        {
            return None;
        }
        let now = match self.look(path) {
            Ok(now) => now?,
            Err(error) => return Some(unreadable(path, &error)),
        };
        self.seen.push(path.clone());
        if !at_end && self.is_being_written(path, &now) {
            return None;
        }
        let before = self.before(path, file.trigger, &now).cloned();
        let decision = if file.trigger == Trigger::Repository {
            let root = self.root.as_fd();
            let may_lead_to = |target: &Path| match open_folder(root, target) {
                Ok(_) => true,
                Err(error) => !at_end && error.kind() == io::ErrorKind::NotFound,
            };
            git_entry(path, &self.workspace, &now, before.as_ref(), may_lead_to)
        } else {
            let is_new = file.top != self.root_inode && !self.folders.contains(&file.top);
            let decision = other_file(path, file.trigger, &now, before.as_ref(), is_new);
            self.unless_checked_out(path, file.trigger, &now, decision)
        };
        let root = match self.root.try_clone() {
            Ok(root) => root,
            Err(error) => return Some(unreadable(path, &error)),
        };
        let act = Act { base: root.as_fd(), within: path, whole: path };
        self.act(&act, file.trigger, decision, &now, before.as_ref())
    }

    /// Whether a file was made and has nothing in it yet: it does nothing, and what is written to it
    /// is seen.
    fn is_being_written(&self, path: &Path, now: &Object) -> bool {
        matches!(now, Object::File(file) if file.size == 0) && !self.known.contains_key(path)
    }

    pub(crate) fn is_permitted(&self, path: &Path) -> bool {
        self.permitted.iter().any(|permitted| path.starts_with(permitted))
    }

    /// What was at a place before, or the same file under the name that it had.
    fn before(&self, path: &Path, trigger: Trigger, now: &Object) -> Option<&Object> {
        if let Some(known) = self.known.get(path) {
            return Some(&known.object);
        }
        let Object::File(file) = now else { return None };
        // Where a gitfile leads to depends on where it lies.
        let (name, known) = self.renamed.get(&file.identity).map(|name| (name, &self.known[name]))?;
        let is_same = name.file_name() == path.file_name()
            && known.trigger == trigger
            && trigger != Trigger::Repository
            && known.object.is_still(now);
        is_same.then_some(&known.object)
    }

    /// A name in the folder for what is set aside that nothing has.
    pub(crate) fn stored_name(&self) -> String {
        let number = self.stored.get() + 1;
        self.stored.set(number);
        format!("{}-{number}", self.prefix)
    }

    fn act(
        &mut self,
        at: &Act<'_>,
        trigger: Trigger,
        decision: Decision,
        now: &Object,
        before: Option<&Object>,
    ) -> Option<Finding> {
        let (action, reason, new) = match decision {
            Decision::Leave => return None,
            Decision::Name(reason) => return Some(Finding::new(at.whole, trigger, Action::Named, &reason)),
            Decision::SetAside(reason) => (Action::SetAside, reason, None),
            Decision::Restore(reason) => (Action::Restored, reason, before.cloned()),
            Decision::KeepPlainPart { plain, reason } => {
                let mode = if let Object::File(file) = now { (file.mode & 0o666) | 0o600 } else { 0o644 };
                (Action::PlainPartKept, reason, Some(plain_file(&plain, mode)))
            }
        };
        let stored = self.stored_name();
        let aside = self.aside.as_fd();
        let done = open_parent(at.base, at.within).and_then(|(folder, name)| {
            with_names_writable(folder.as_fd(), || match &new {
                None => set_aside(folder.as_fd(), name, aside, &stored, at.whole).map(Some),
                Some(new) => replace(folder.as_fd(), name, new, aside, &stored, at.whole),
            })
        });
        let mut finding = Finding::new(at.whole, trigger, action, &reason);
        match done {
            Ok(record) => {
                finding.aside = record.map(|mut record| {
                    let content = new.as_ref().and_then(Object::content);
                    record.left = content.map(sha256);
                    record
                });
            }
            // Gone by itself.
            Err(error) if is_absent(&error) => return None,
            Err(error) => {
                finding.action = Action::Failed { problem: one_line(&error.to_string(), 200) };
            }
        }
        Some(finding)
    }
}

/// Where something is done: a folder that is open, and the path from there.
struct Act<'a> {
    base: BorrowedFd<'a>,
    within: &'a Path,
    whole: &'a Path,
}

fn plain_file(content: &str, mode: u32) -> Object {
    Object::File(FileState {
        identity: Identity { device: 0, inode: 0 },
        links: 1,
        size: content.len() as u64,
        changed: (0, 0),
        mode,
        content: Some(Arc::from(content.as_bytes())),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let reason = format!("{} cannot be checked", one_line(&path.to_string_lossy(), 160));
    let problem = one_line(&error.to_string(), 200);
    Finding::new(path, Trigger::Repository, Action::Failed { problem }, &reason)
}
