//! Which layers of the sandbox hold on this computer, as a trial found.

use serde::{Deserialize, Serialize};
pub use tidegate_inside::Layer;

/// Whether a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum LayerState {
    Holds,
    /// It does not.
    Missing {
        /// What was seen, as a sentence without a full stop.
        reason: String,
    },
}

/// What a trial found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The layers that were looked at, each once.
    pub layers: Vec<(Layer, LayerState)>,
    /// Why the trial could not be made at all, as a sentence without a full stop.
    pub failure: Option<String>,
}

impl Report {
    /// A report of a trial that could not be made.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { layers: Vec::new(), failure: Some(reason.into()) }
    }

    /// Whether commands can be contained: the trial was made, and every required layer holds.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        self.failure.is_none()
            && Layer::ALL.into_iter().filter(|layer| layer.is_required()).all(|layer| self.holds(layer))
    }

    /// Whether a layer holds.
    #[must_use]
    pub fn holds(&self, layer: Layer) -> bool {
        self.layers.iter().any(|(known, state)| *known == layer && *state == LayerState::Holds)
    }

    /// Why commands cannot be contained; `None` when they can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if self.is_contained() {
            return None;
        }
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        let missing = self.layers.iter().find_map(|(layer, state)| match state {
            LayerState::Missing { reason } if layer.is_required() => {
                Some(format!("{}: {reason}", layer.name()))
            }
            _ => None,
        });
        Some(missing.unwrap_or_else(|| "not every layer was tried".to_owned()))
    }

    /// What commands can do where a layer is missing without which there is a sandbox all the same, as
    /// sentences.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        let missing = self.layers.iter().filter_map(|(layer, state)| match state {
            LayerState::Missing { reason } if !layer.is_required() => Some((layer, reason)),
            _ => None,
        });
        let loss = |layer: &Layer| match layer {
            Layer::Inotify => {
                "a command can use up your inotify instances, and your editors then miss changes of files"
            }
            _ => "namespaces alone keep commands from signals and abstract sockets",
        };
        missing
            .map(|(layer, reason)| format!("Without the {} ({reason}), {}.", layer.name(), loss(layer)))
            .collect()
    }

    /// What a person can do about it, when something required is missing.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let problem = self.problem()?;
        let says = |words: &[&str]| words.iter().any(|word| problem.contains(word));
        let remedy = if says(&["not installed"]) {
            "Install the package `bubblewrap`, then restart Tidegate."
        } else if says(&["set-user-ID", "does not belong to root", "does not tell its version"]) {
            "Put the system's own bubblewrap in its place: reinstall the package `bubblewrap`, then restart Tidegate."
        } else if says(&["Tidegate needs"]) {
            "Update the package `bubblewrap`, then restart Tidegate."
        } else if says(&["Can't mount proc"]) {
            "Tidegate runs in a container that forbids this. Run it outside of the container."
        } else if says(&["RTM_NEWADDR"]) || says(&["bwrap:"]) && says(&["Permission denied"]) {
            "This system forbids namespaces to programs without an AppArmor profile. Install Tidegate's Debian \
             package, which brings one, then restart Tidegate."
        } else if says(&["No permissions to create new namespace", "namespace failed"]) {
            "This system forbids namespaces: see the settings kernel.unprivileged_userns_clone and \
             user.max_user_namespaces, then restart Tidegate."
        } else if says(&["Landlock"]) {
            "Use a kernel with Landlock (5.13 or later, enabled by lsm=landlock), then restart Tidegate."
        } else {
            "The log of Tidegate says more. Until it is repaired, commands are confined only in part."
        };
        Some(remedy.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(missing: &[Layer]) -> Report {
        let state = |layer: Layer| match missing.contains(&layer) {
            true => LayerState::Missing { reason: "it was off".to_owned() },
            false => LayerState::Holds,
        };
        Report { layers: Layer::ALL.map(|layer| (layer, state(layer))).into(), failure: None }
    }

    #[test]
    fn every_required_layer_is_needed_and_no_optional_one() {
        assert!(report(&[]).is_contained());
        for layer in Layer::ALL {
            let report = report(&[layer]);
            assert_eq!(report.is_contained(), !layer.is_required(), "{layer:?}");
            assert_eq!(report.problem().is_some(), layer.is_required(), "{layer:?}");
        }
    }

    #[test]
    fn a_layer_that_was_not_tried_does_not_hold() {
        let report = Report { layers: Vec::new(), failure: None };
        assert!(!report.is_contained());
        assert!(report.problem().is_some() && report.remedy().is_some());
    }

    #[test]
    fn what_is_lost_with_an_optional_layer_is_said() {
        assert_eq!(report(&[]).losses(), [""; 0]);
        let losses = report(&[Layer::Inotify, Layer::Filter]).losses();
        assert_eq!(losses.len(), 1);
        assert!(
            losses[0].starts_with("Without the inotify limit (it was off), a command can use up"),
            "{losses:?}"
        );
    }

    #[test]
    fn known_refusals_have_a_remedy() {
        for (said, part) in [
            ("bubblewrap is not installed", "Install the package"),
            ("/usr/bin/bwrap is a set-user-ID program, which Tidegate does not use", "reinstall the package"),
            ("/usr/bin/bwrap has version 0.4.1; Tidegate needs 0.5.0 or later", "Update the package"),
            ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "container"),
            ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor"),
            ("bwrap: setting up uid map: Permission denied", "AppArmor"),
            ("the probe could not be prepared: Permission denied (os error 13)", "log of Tidegate"),
            ("Landlock file rules: the kernel has no Landlock", "lsm=landlock"),
            ("bwrap: No permissions to create new namespace", "kernel.unprivileged_userns_clone"),
            ("bwrap: Creating new namespace failed: No space left on device", "user.max_user_namespaces"),
        ] {
            assert!(Report::failed(said).remedy().is_some_and(|remedy| remedy.contains(part)), "{said}");
        }
    }
}
