//! The folder in which agents work: our own, or the one that the configuration names and a person
//! confirmed. The rule which folders are refused is `tidegate_trust::workspace`.

use std::borrow::Cow;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use tidegate_protocol::text;
use tidegate_trust::settings::{ProposedSetting, Setting};
use tidegate_trust::workspace::ReservedPlaces;

use crate::boot::{BootError, settings};
use crate::bounded::{self, BlockingError};
use crate::config::{Policy, RefusedValue};
use crate::environment;
use crate::process_context::{Place, held};

/// What OpenClaw runs of what it keeps in `~/.openclaw`.
const OPENCLAW_RUNS: [&str; 6] = ["agents", "extensions", "hooks", "plugins", "sandboxes", "skills"];

/// The folders of one gateway.
#[derive(Debug)]
pub(crate) struct Workspaces {
    /// Our own, beside the state directory: tools never touch what lies in that.
    own: PathBuf,
    /// What the file names, without symbolic links, whether or not it counts.
    proposed: Option<PathBuf>,
    /// `None` where they could not be looked at: then no folder but our own is used.
    reserved: Option<ReservedPlaces>,
    /// Why nothing could be proposed though the file names a folder.
    unreachable: Option<String>,
    /// Why the folder that a person confirmed is not in use.
    problem: Mutex<Option<String>>,
}

impl Workspaces {
    /// Makes our own folder, and proposes the one that the file names, or refuses it. A folder that does
    /// not answer is neither proposed nor refused; [`Self::problem`] says so.
    pub(crate) async fn prepare(
        place: &Place,
        tool_runner: &Path,
        policy: &mut Policy,
    ) -> Result<Self, BootError> {
        Self::prepare_with(place, tool_runner, policy, look_at).await
    }

    async fn prepare_with(
        place: &Place,
        tool_runner: &Path,
        policy: &mut Policy,
        look_at: impl FnOnce(&Path, &ReservedPlaces) -> Looked + Send + 'static,
    ) -> Result<Self, BootError> {
        let (state_dir, may_write) = (place.state_dir.clone(), place.may_write);
        let own = bounded::blocking(move || own(&state_dir, may_write));
        let (of, tool_runner) = (place.clone(), tool_runner.to_owned());
        let reserved = bounded::blocking(move || reserved(&of, &tool_runner));
        let (own, reserved) = tokio::join!(own, reserved);
        let failed = |error: BlockingError| BootError::StateDir {
            path: place.state_dir.clone(),
            reason: error.to_string(),
        };
        let own = own.map_err(failed)??;
        let mut this = Self {
            own,
            proposed: None,
            reserved: reserved.ok(),
            unreachable: None,
            problem: Mutex::new(None),
        };
        let Some(named) = policy.workspace.clone() else { return Ok(this) };
        match this.on_disk(&named, look_at).await {
            Ok(Ok((folder, setting))) => {
                this.proposed = Some(folder);
                policy.proposed.push(setting);
            }
            Ok(Err(reason)) => {
                tracing::warn!(%reason, "the workspace in the configuration is refused");
                policy
                    .refused
                    .push(RefusedValue { path: Setting::Workspace.path(), reason: Cow::Owned(reason) });
            }
            Err(reason) => this.unreachable = Some(not_in_use(&named, &reason)),
        }
        Ok(this)
    }

    /// The folder that is used, given what counts of the one in the file. It is made when it is missing.
    /// Where it cannot be used, our own is, and [`Self::problem`] says why.
    pub(crate) async fn choose(&self, confirmed: Option<String>) -> PathBuf {
        self.choose_with(confirmed, take).await
    }

    async fn choose_with(
        &self,
        confirmed: Option<String>,
        take: impl FnOnce(&Path, &ReservedPlaces) -> Result<(), String> + Send + 'static,
    ) -> PathBuf {
        let Some(confirmed) = confirmed.map(PathBuf::from) else {
            *held(&self.problem) = None;
            return self.own.clone();
        };
        match self.on_disk(&confirmed, take).await.flatten() {
            Ok(()) => {
                *held(&self.problem) = None;
                confirmed
            }
            Err(reason) => {
                *held(&self.problem) = Some(not_in_use(&confirmed, &reason));
                self.own.clone()
            }
        }
    }

    /// The places that no workspace may hold; `None` where they could not be looked at.
    pub(crate) fn reserved(&self) -> Option<ReservedPlaces> {
        self.reserved.clone()
    }

    /// Looks at a folder that may not answer, beside the places that it must not contain.
    async fn on_disk<T: Send + 'static>(
        &self,
        folder: &Path,
        look: impl FnOnce(&Path, &ReservedPlaces) -> T + Send + 'static,
    ) -> Result<T, String> {
        let Some(reserved) = self.reserved() else {
            return Err(
                "Tidegate could not look at the home directory or the search path, which a workspace \
                        must not contain. Make them reachable, then restart Tidegate."
                    .to_owned(),
            );
        };
        let folder = folder.to_owned();
        let looked = bounded::blocking(move || look(&folder, &reserved)).await;
        looked.map_err(|error| format!("{error}. Make the folder reachable, then restart Tidegate."))
    }

    /// Why the folder that the file names or a person confirmed is not in use.
    pub(crate) fn problem(&self) -> Option<String> {
        held(&self.problem).clone().or_else(|| self.unreachable.clone())
    }

    /// Where agents may have written, now or once it is confirmed: a script there is nobody's.
    pub(crate) fn agent_writable(&self) -> Vec<PathBuf> {
        let folders = [self.own.clone(), std::env::temp_dir()];
        folders.into_iter().chain(self.proposed.clone()).collect()
    }
}

fn not_in_use(folder: &Path, reason: &str) -> String {
    let folder = text::one_line(&folder.to_string_lossy(), 200);
    let sentence = format!("The workspace {folder} is not in use: {reason}");
    tracing::error!(problem = %sentence, "agents work in Tidegate's own folder");
    sentence
}

/// Our own folder.
fn own(state_dir: &Path, may_write: bool) -> Result<PathBuf, BootError> {
    let name = state_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = state_dir.with_file_name(format!("{name}-workspace"));
    let failed = |error: io::Error| BootError::StateDir { path: path.clone(), reason: error.to_string() };
    if may_write || !path.exists() {
        match make_own(&path) {
            Ok(()) => {}
            Err(error) if may_write => return Err(failed(error)),
            Err(_) => return Ok(path),
        }
    }
    path.canonicalize().map_err(failed)
}

/// Makes our own folder, and makes it private.
fn make_own(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let found = std::fs::metadata(path)?;
        let is_ours = found.uid() == rustix::process::geteuid().as_raw();
        if is_ours && found.mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
            tracing::info!(path = %path.display(), "the folder in which agents work is private now");
        }
    }
    Ok(())
}

/// The places that no workspace may hold, under each of their names.
fn reserved(place: &Place, tool_runner: &Path) -> ReservedPlaces {
    let both = |path: PathBuf| {
        let real = path.canonicalize().ok();
        real.into_iter().chain([path])
    };
    let all = |paths: &[PathBuf]| paths.iter().cloned().flat_map(both).collect();
    let protected = settings::protected(place);
    // A workspace of OpenClaw's is one of the person's folders, unlike the rest of what it keeps there.
    let run_by_others = protected.run_by_others().iter().filter(|place| !place.ends_with(".openclaw"));
    let in_openclaw = environment::home()
        .into_iter()
        .flat_map(|home| OPENCLAW_RUNS.iter().map(move |name| home.join(".openclaw").join(name)));
    let run_by_others: Vec<_> = run_by_others.cloned().chain(in_openclaw).collect();
    let programs = [Some(tool_runner.to_owned()), std::env::current_exe().ok()];
    ReservedPlaces {
        home: environment::home().into_iter().flat_map(both).collect(),
        state: both(place.state_dir.clone()).collect(),
        programs: programs.into_iter().flatten().flat_map(both).collect(),
        search_path: environment::search_path().into_iter().flat_map(both).collect(),
        protected: all(protected.paths()),
        run_by_others: all(&run_by_others),
    }
}

/// The real folder behind a name, and what is proposed for it.
type Looked = Result<(PathBuf, ProposedSetting), String>;

fn look_at(named: &Path, reserved: &ReservedPlaces) -> Looked {
    let folder = resolve(named).map_err(|error| format!("It cannot be looked at: {error}."))?;
    if folder.exists() && !folder.is_dir() {
        return Err("It is not a folder. Name a folder.".to_owned());
    }
    reserved.check(&folder).map_err(|refused| refused.to_string())?;
    let proposed = ProposedSetting::workspace(&folder)
        .map_err(|error| format!("Its name cannot be shown: {error}. Rename the folder, or name another."))?;
    Ok((folder, proposed))
}

/// Takes a confirmed folder into use: it has to be the very one, and not lead elsewhere by now.
fn take(folder: &Path, reserved: &ReservedPlaces) -> Result<(), String> {
    let unusable = |error: io::Error| format!("{error}. Make the folder usable, or name another.");
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let real = folder.canonicalize().map_err(unusable)?;
    if real != folder {
        return Err("it became a symbolic link, or a folder above it did. Name the real folder.".to_owned());
    }
    reserved.check(&real).map_err(|refused| refused.to_string())
}

/// A path without symbolic links, as far as it exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    for existing in path.ancestors() {
        match existing.canonicalize() {
            Ok(real) => {
                let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
                let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
                return match rest.components().all(is_plain) {
                    true => Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) }),
                    false => Err(io::Error::other("a part of it that does not exist is named with `..`")),
                };
            }
            // A link that leads nowhere is not a name for a new folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !existing.is_symlink() => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::NotFound))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::{LIMIT, dead_share};

    #[test]
    fn no_folder_with_keys_or_programs_of_others_is_a_workspace_but_openclaws_own() {
        let state = tempfile::tempdir().expect("a directory");
        let config = state.path().join("openclaw.json");
        let place = Place { state_dir: state.path().to_owned(), config, may_write: true };
        let reserved = reserved(&place, Path::new("/none"));
        let home = environment::home().expect("a home directory");

        for refused in
            [".ssh", ".config/systemd/user", ".rustup", ".vscode/extensions", ".openclaw/agents", ".openclaw"]
        {
            assert!(reserved.check(&home.join(refused)).is_err(), "{refused}");
        }
        for allowed in [".openclaw/workspace", ".openclaw/workspace-notes", "projects/site"] {
            assert_eq!(reserved.check(&home.join(allowed)), Ok(()), "{allowed}");
        }
    }

    #[test]
    fn a_folder_is_known_by_its_real_name() {
        let place = tempfile::tempdir().expect("a directory");
        let real = place.path().canonicalize().expect("real");
        std::fs::create_dir(real.join("a")).expect("made");
        std::os::unix::fs::symlink(real.join("a"), real.join("link")).expect("linked");
        std::os::unix::fs::symlink(real.join("none"), real.join("dangling")).expect("linked");

        let resolved = |name: &str| resolve(&real.join(name)).ok();

        assert_eq!(resolved("link"), Some(real.join("a")));
        assert_eq!(resolved("link/new/folder"), Some(real.join("a/new/folder")));
        assert_eq!(resolved("a/../link"), Some(real.join("a")));
        assert_eq!(resolved("new/../../etc"), None);
        assert_eq!(resolved("dangling"), None);
    }

    #[test]
    fn a_confirmed_folder_that_leads_elsewhere_by_now_is_not_taken() {
        let place = tempfile::tempdir().expect("a directory");
        let real = place.path().canonicalize().expect("real");
        let (folder, elsewhere) = (real.join("folder"), real.join("elsewhere"));
        assert_eq!(take(&folder, &ReservedPlaces::default()), Ok(()), "it is made");
        std::fs::rename(&folder, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &folder).expect("linked");

        assert!(take(&folder, &ReservedPlaces::default()).is_err());
        let home = ReservedPlaces { home: vec![elsewhere.clone()], ..ReservedPlaces::default() };
        assert!(take(&elsewhere, &home).is_err_and(|reason| reason.starts_with("It is your home")));
    }

    fn place(root: &Path) -> Place {
        std::fs::create_dir_all(root.join("state")).expect("made");
        Place { state_dir: root.join("state"), config: root.join("state/openclaw.json"), may_write: true }
    }

    #[tokio::test(start_paused = true)]
    async fn a_named_folder_on_a_dead_share_does_not_hold_up_a_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("real");
        let (alive, hang) = dead_share();
        let mut policy = Policy { workspace: Some("/share/project".into()), ..Policy::default() };
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let look = move |_: &Path, _: &ReservedPlaces| -> Looked {
            let _ = begun.send(());
            hang();
            Err("never reached in time".to_owned())
        };

        let place = place(&root);
        let prepare = Workspaces::prepare_with(&place, Path::new("/none"), &mut policy, look);
        let pass = async {
            has_begun.await.expect("it is looked at");
            tokio::time::advance(LIMIT).await;
        };
        let (workspaces, ()) = tokio::join!(prepare, pass);

        let workspaces = workspaces.expect("it starts");
        assert_eq!((policy.proposed, policy.refused), (Vec::new(), Vec::new()));
        assert_eq!(workspaces.choose(None).await, root.join("state-workspace"));
        let problem = workspaces.problem().expect("a problem");
        assert!(problem.starts_with("The workspace /share/project is not in use: "), "{problem}");
        assert!(problem.contains("did not answer within 3 seconds"), "{problem}");
        drop(alive);
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmed_folder_on_a_dead_share_gives_way_to_our_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("real");
        let prepared = Workspaces::prepare(&place(&root), Path::new("/none"), &mut Policy::default()).await;
        let workspaces = prepared.expect("prepared");
        let (alive, hang) = dead_share();
        let take = move |_: &Path, _: &ReservedPlaces| {
            hang();
            Ok(())
        };

        let choose = workspaces.choose_with(Some("/share/project".to_owned()), take);
        let (chosen, ()) = tokio::join!(choose, tokio::time::advance(LIMIT));

        assert_eq!(chosen, root.join("state-workspace"));
        let problem = workspaces.problem().expect("a problem");
        assert!(problem.contains("did not answer within 3 seconds"), "{problem}");
        drop(alive);
    }
}
