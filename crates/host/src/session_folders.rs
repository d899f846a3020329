//! The folders that persons choose for sessions, on disk. The rules are `tidegate_trust::workspace`.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use tidegate_agent::folders::ChosenFolders;
use tidegate_protocol::text;
use tidegate_trust::workspace::{FoundFolder, LostWorkspace, WorkspaceChange};
use tidegate_trust::{FileIdentity, Folder};

use crate::bounded::{self, BlockingError, LIMIT};
use crate::environment;
use crate::workspaces::Workspaces;

/// Characters of a path in a sentence.
const SHOWN: usize = 200;

impl Workspaces {
    /// The folder of a name, if sessions may have it as their workspace. `~` is the home directory.
    ///
    /// # Errors
    /// A sentence for the person.
    pub(crate) async fn find(&self, named: &str) -> Result<Folder, String> {
        self.find_with(named, look).await
    }

    async fn find_with(
        &self,
        named: &str,
        look: impl FnOnce(&Path) -> io::Result<FoundFolder> + Send + 'static,
    ) -> Result<Folder, String> {
        let shown = text::one_line(named, SHOWN);
        let refused = |reason: String| format!("{shown} cannot be the workspace of a session. {reason}");
        let path = absolute(named, environment::home())
            .ok_or_else(|| refused("Give its whole path, beginning with /.".to_owned()))?;
        let reserved =
            self.reserved().ok_or_else(|| refused(format!("{UNKNOWN_PLACES} Restart Tidegate.")))?;
        let found = bounded::blocking(move || look(&path)).await;
        let found = found.map_err(|error| refused(format!("It cannot be looked at: {error}.")))?;
        let found = found.map_err(|error| refused(format!("It cannot be looked at: {error}.")))?;
        reserved.eligible(found).map_err(|reason| refused(reason.to_string()))
    }

    async fn check_with(
        &self,
        folder: &Folder,
        look: impl FnOnce(&Path) -> io::Result<FoundFolder> + Send + 'static,
    ) -> Result<(), LostWorkspace> {
        let lost = |change| LostWorkspace { folder: folder.path.clone(), change };
        let unreadable = |reason: String| lost(WorkspaceChange::Unreadable { reason });
        let reserved = self.reserved().ok_or_else(|| unreadable(UNKNOWN_PLACES.to_owned()))?;
        let path = folder.path.clone();
        let found = match bounded::blocking(move || look(&path)).await {
            Ok(found) => found.map_err(|error| unreadable(error.to_string()))?,
            Err(BlockingError::NoAnswer) => {
                return Err(lost(WorkspaceChange::NoAnswer { seconds: LIMIT.as_secs() }));
            }
            Err(error @ BlockingError::Failed(_)) => return Err(unreadable(error.to_string())),
        };
        reserved.still(folder, found).map_err(lost)
    }
}

const UNKNOWN_PLACES: &str = "Tidegate could not look at the home directory or the search path, which a \
                              workspace must not contain.";

impl ChosenFolders for Workspaces {
    fn check<'a>(&'a self, folder: &'a Folder) -> BoxFuture<'a, Result<(), LostWorkspace>> {
        Box::pin(self.check_with(folder, look))
    }
}

/// A path from a person's hand; `None` when it is not a whole one.
fn absolute(named: &str, home: Option<PathBuf>) -> Option<PathBuf> {
    match named.strip_prefix('~') {
        Some("") => home,
        Some(rest) => Some(home?.join(rest.strip_prefix('/')?.trim_start_matches('/'))),
        None => Some(PathBuf::from(named)).filter(|path| path.is_absolute()),
    }
}

/// What a name leads to, through all links.
fn look(path: &Path) -> io::Result<FoundFolder> {
    let found = path.canonicalize().and_then(|real| Ok((std::fs::metadata(&real)?, real)));
    match found {
        Ok((metadata, _)) if !metadata.is_dir() => Ok(FoundFolder::NotAFolder),
        Ok((metadata, path)) => Ok(FoundFolder::Folder(Folder { path, identity: identity(&metadata)? })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FoundFolder::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(FoundFolder::NotAFolder),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> io::Result<FileIdentity> {
    use std::os::unix::fs::MetadataExt as _;

    Ok(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> io::Result<FileIdentity> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "folders have no identity here yet"))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::bounded::dead_share;
    use crate::config::Policy;
    use crate::process_context::Place;

    struct World {
        _place: tempfile::TempDir,
        root: PathBuf,
        workspaces: Workspaces,
    }

    impl World {
        async fn new() -> Self {
            let place = tempfile::tempdir().expect("a directory");
            let root = place.path().canonicalize().expect("real");
            fs::create_dir_all(root.join("state")).expect("made");
            fs::create_dir_all(root.join("site/sub")).expect("made");
            fs::write(root.join("file"), "").expect("written");
            let config = root.join("state/openclaw.json");
            let of = Place { state_dir: root.join("state"), config, may_write: true };
            let prepared = Workspaces::prepare(&of, Path::new("/none"), &mut Policy::default()).await;
            Self { _place: place, root, workspaces: prepared.expect("prepared") }
        }

        fn name(&self, name: &str) -> String {
            self.root.join(name).to_str().expect("UTF-8").to_owned()
        }

        async fn find(&self, name: &str) -> Result<Folder, String> {
            self.workspaces.find(&self.name(name)).await
        }

        async fn change(&self, folder: &Folder) -> Option<WorkspaceChange> {
            self.workspaces.check(folder).await.err().map(|lost| lost.change)
        }
    }

    #[test]
    fn a_path_is_whole_or_begins_at_home() {
        let home = || Some(PathBuf::from("/home/ada"));
        for (named, path) in [
            ("/a/b", Some("/a/b")),
            ("~", Some("/home/ada")),
            ("~/a", Some("/home/ada/a")),
            ("~//etc", Some("/home/ada/etc")),
            ("~bob/a", None),
            ("a", None),
            ("./a", None),
            ("", None),
        ] {
            assert_eq!(absolute(named, home()), path.map(PathBuf::from), "{named:?}");
        }
        assert_eq!(absolute("~/a", None), None);
    }

    #[tokio::test]
    async fn a_folder_is_found_by_its_real_name() {
        let world = World::new().await;
        symlink(world.root.join("site"), world.root.join("link")).expect("linked");

        let direct = world.find("site").await.expect("found");

        assert_eq!(direct.path, world.root.join("site"));
        for other in ["link", "site/sub/..", "link/../site/"] {
            assert_eq!(world.find(other).await.as_ref(), Ok(&direct), "{other}");
        }
    }

    #[tokio::test]
    async fn what_is_no_folder_for_agents_is_refused_with_a_sentence() {
        let world = World::new().await;
        symlink(world.root.join("state"), world.root.join("link")).expect("linked");
        symlink(world.root.join("none"), world.root.join("dangling")).expect("linked");
        fs::create_dir(world.root.join("line\nbreak")).expect("made");
        for (name, reason) in [
            ("none", "There is no such folder."),
            ("dangling", "There is no such folder."),
            ("file", "It is not a folder."),
            ("file/below", "It is not a folder."),
            ("link", "Tidegate keeps its state there"),
            ("", "Tidegate keeps its state there"),
            ("line\nbreak", "Its name cannot be shown."),
        ] {
            let refused = world.find(name).await.expect_err(name);
            assert!(refused.contains("cannot be the workspace of a session. "), "{refused}");
            assert!(refused.contains(reason) && !refused.contains('\n'), "{name}: {refused}");
        }
        let relative = world.workspaces.find("site").await.expect_err("relative");
        assert_eq!(
            relative,
            "site cannot be the workspace of a session. Give its whole path, beginning with /."
        );
        let home = world.workspaces.find("~").await.expect_err("home");
        assert!(home.contains("It is your home directory"), "{home}");
    }

    #[tokio::test]
    async fn a_folder_that_was_moved_or_replaced_is_noticed() {
        let world = World::new().await;
        let (site, away) = (world.root.join("site"), world.root.join("away"));
        let folder = world.find("site").await.expect("found");
        assert_eq!(world.change(&folder).await, None);

        fs::rename(&site, &away).expect("moved");
        assert_eq!(world.change(&folder).await, Some(WorkspaceChange::Missing));
        symlink(&away, &site).expect("linked");
        assert_eq!(world.change(&folder).await, Some(WorkspaceChange::LeadsElsewhere));
        fs::remove_file(&site).expect("removed");
        fs::create_dir(&site).expect("another");
        assert_eq!(world.change(&folder).await, Some(WorkspaceChange::Replaced));
        fs::remove_dir(&site).expect("removed");
        fs::write(&site, "").expect("written");
        assert_eq!(world.change(&folder).await, Some(WorkspaceChange::NotAFolder));
        fs::remove_file(&site).expect("removed");
        fs::rename(&away, &site).expect("moved back");
        assert_eq!(world.change(&folder).await, None, "it is the one again");
    }

    #[tokio::test]
    async fn a_linked_parent_does_not_pass_for_the_folder() {
        let world = World::new().await;
        let folder = world.find("site/sub").await.expect("found");
        fs::rename(world.root.join("site"), world.root.join("away")).expect("moved");
        symlink(world.root.join("away"), world.root.join("site")).expect("linked");

        assert_eq!(world.change(&folder).await, Some(WorkspaceChange::LeadsElsewhere));
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_on_a_dead_share_holds_nothing_up() {
        let world = World::new().await;
        let folder = Folder { path: "/share/site".into(), identity: FileIdentity { device: 1, inode: 2 } };
        let dead = || {
            let (alive, hang) = dead_share();
            let look = move |_: &Path| {
                hang();
                Ok(FoundFolder::Missing)
            };
            (alive, look)
        };

        let (alive, look) = dead();
        let check = world.workspaces.check_with(&folder, look);
        let (lost, ()) = tokio::join!(check, tokio::time::advance(LIMIT));
        drop(alive);
        let (alive, look) = dead();
        let find = world.workspaces.find_with("/share/site", look);
        let (refused, ()) = tokio::join!(find, tokio::time::advance(LIMIT));
        drop(alive);

        assert_eq!(lost.map_err(|lost| lost.change), Err(WorkspaceChange::NoAnswer { seconds: 3 }));
        let refused = refused.expect_err("no answer");
        assert!(refused.contains("did not answer within 3 seconds"), "{refused}");
    }
}
