//! Trying a sandbox on this computer: a real one, around a probe that attacks real targets.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tidegate_inside::{Enforcement, Finding, Layer, Layers, Targets};

use crate::report::{LayerState, Report};

/// Targets that live as long as this value, and what the probe has to know about them.
#[derive(Debug)]
pub struct Trial {
    directory: PathBuf,
    targets: Targets,
    _port: TcpListener,
    _socket: UnixListener,
}

impl Trial {
    /// Makes the targets in `directory`, which is emptied before and must not be used otherwise.
    ///
    /// # Errors
    /// When they cannot be made there.
    pub fn prepare(directory: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let workspace = directory.join("workspace");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&workspace)?;
        let directory = directory.canonicalize()?;
        let workspace = directory.join("workspace");
        let secret = directory.join("secret");
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let socket = workspace.join("s");
        let targets = Targets {
            port: port.local_addr()?.port(),
            socket: socket.clone(),
            secret,
            process: rustix::process::getpid().as_raw_nonzero().get(),
        };
        Ok(Self { directory, targets, _port: port, _socket: bind(&socket)? })
    }

    /// The workspace of the probe's sandbox.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.directory.join("workspace")
    }

    /// What the probe has to know, as JSON.
    #[must_use]
    pub fn targets(&self) -> String {
        serde_json::to_string(&self.targets).unwrap_or_default()
    }

    /// Reads what the probe printed, beside what the first program told, and whether the system refused
    /// bubblewrap a capability.
    #[must_use]
    pub fn judge(&self, layers: Layers, capability_refused: bool, printed: &str) -> Report {
        let parsed = printed.lines().rev().find_map(|line| serde_json::from_str::<Vec<Finding>>(line).ok());
        let Some(findings) = parsed else {
            return Report::failed("the probe in the sandbox printed nothing that can be read");
        };
        judge(layers, capability_refused, &findings)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A socket's path may be too long for the system; through the directory's descriptor it never is.
fn bind(path: &Path) -> io::Result<UnixListener> {
    use std::os::fd::AsRawFd as _;
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = fs::File::open(above)?;
    UnixListener::bind(Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
}

fn judge(layers: Layers, capability_refused: bool, findings: &[Finding]) -> Report {
    let broken = findings.iter().find(|finding| finding.layer.is_none() && !finding.is_right);
    let works = findings.iter().any(|finding| finding.layer.is_none());
    let failure = match broken {
        Some(finding) => Some(format!(
            "a command in the sandbox failed to {}: {}",
            finding.attempt,
            crate::start::one_line(&finding.outcome)
        )),
        None if !works => Some("the probe in the sandbox did not try ordinary work".to_owned()),
        None => None,
    };
    let state = |layer: Layer| {
        let mut of_layer = findings.iter().filter(|finding| finding.layer == Some(layer)).peekable();
        let told = match layer {
            Layer::FileRules if layers.file_rules == Enforcement::None => Some("the kernel has no Landlock"),
            Layer::Scopes if layers.scopes != Enforcement::Full => {
                Some("the kernel's Landlock has no scopes")
            }
            Layer::Scopes => return LayerState::Holds,
            Layer::Inotify if layers.inotify => return LayerState::Holds,
            Layer::Inotify if capability_refused => {
                Some("the system does not let bubblewrap give the capability for it")
            }
            Layer::Inotify => Some("the system does not let it be set"),
            _ if of_layer.peek().is_none() => Some("it was not tried"),
            _ => None,
        };
        let reason = match told {
            Some(told) => Some(told.to_owned()),
            None => of_layer
                .find(|finding| !finding.is_right)
                .map(|finding| format!("a command was able to {}", finding.attempt)),
        };
        reason.map_or(LayerState::Holds, |reason| LayerState::Missing { reason })
    };
    Report { layers: Layer::ALL.map(|layer| (layer, state(layer))).into(), failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Layers = Layers { file_rules: Enforcement::Full, scopes: Enforcement::Full, inotify: true };

    fn finding(layer: Option<Layer>, is_right: bool) -> Finding {
        Finding { layer, attempt: "try it".to_owned(), is_right, outcome: "said".to_owned() }
    }

    fn all_right() -> Vec<Finding> {
        let layers = [Layer::Namespaces, Layer::Mounts, Layer::Filter, Layer::FileRules];
        layers.into_iter().map(Some).chain([None]).map(|layer| finding(layer, true)).collect()
    }

    #[test]
    fn one_attempt_that_succeeds_takes_its_layer_away() {
        for layer in [Layer::Namespaces, Layer::Mounts, Layer::Filter, Layer::FileRules] {
            let mut findings = all_right();
            findings.push(finding(Some(layer), false));
            let report = judge(FULL, false, &findings);
            assert!(!report.holds(layer) && !report.is_contained(), "{layer:?}");
            assert!(report.problem().is_some_and(|problem| problem.contains(layer.name())));
        }
        assert!(judge(FULL, false, &all_right()).is_contained());
    }

    #[test]
    fn a_layer_that_was_not_tried_does_not_hold() {
        for layer in [Layer::Namespaces, Layer::Mounts, Layer::Filter, Layer::FileRules] {
            let findings: Vec<_> =
                all_right().into_iter().filter(|finding| finding.layer != Some(layer)).collect();
            assert!(!judge(FULL, false, &findings).is_contained(), "{layer:?}");
        }
    }

    #[test]
    fn ordinary_work_that_fails_or_was_not_tried_is_a_failure() {
        let mut findings = all_right();
        findings.push(finding(None, false));
        let failure = judge(FULL, false, &findings).failure;
        assert_eq!(failure.as_deref(), Some("a command in the sandbox failed to try it: said"));
        findings.retain(|finding| finding.layer.is_some());
        assert!(!judge(FULL, false, &findings).is_contained());
    }

    #[test]
    fn a_kernel_without_landlock_contains_nothing_and_one_without_scopes_does() {
        let none = Layers { file_rules: Enforcement::None, ..FULL };
        assert!(!judge(none, false, &all_right()).is_contained());
        let old = Layers { scopes: Enforcement::None, inotify: false, ..FULL };
        assert!(judge(old, false, &all_right()).is_contained());
    }
}
