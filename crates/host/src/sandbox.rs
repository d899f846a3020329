//! Whether commands of agents run in a sandbox on this computer.

use std::sync::Arc;

use tidegate_protocol::payload::surfaces::{SandboxLayer, SandboxStatus};
use tidegate_sandbox::report::{Layer, LayerState, Report};
use tidegate_tools::{Launcher, Sandboxes};
use tokio_util::sync::CancellationToken;

/// Tries the sandbox once, beside everything else, and removes what commands of an earlier run left. Ends
/// with `stop`, as every part does.
pub(crate) async fn try_out(sandboxes: Arc<Sandboxes>, launcher: Launcher, stop: CancellationToken) {
    let earlier = Arc::clone(&sandboxes);
    let _ = tokio::task::spawn_blocking(move || earlier.remove_left_over()).await;
    match sandboxes.report(&launcher).await.problem() {
        None => tracing::info!("commands of agents run in a sandbox"),
        Some(problem) => tracing::warn!(%problem, "commands of agents cannot be contained"),
    }
    stop.cancelled().await;
}

/// What the trial found, in words. The first call makes it.
pub(crate) async fn status(sandboxes: &Sandboxes, launcher: &Launcher) -> SandboxStatus {
    let report = sandboxes.report(launcher).await;
    let sentence = match report.problem() {
        None => {
            let losses = report.losses();
            std::iter::once("Commands of agents run in a sandbox.".to_owned())
                .chain(losses)
                .collect::<Vec<_>>()
                .join(" ")
        }
        Some(problem) => format!("Commands of agents are confined only in part: {problem}."),
    };
    let toolchains = sandboxes.shown_toolchains().await;
    SandboxStatus {
        contained: report.is_contained(),
        sentence,
        todo: report.remedy(),
        layers: layers(&report),
        toolchains: toolchains.iter().map(|path| path.display().to_string()).collect(),
    }
}

fn layers(report: &Report) -> Vec<SandboxLayer> {
    let layer = |(layer, state): &(Layer, LayerState)| SandboxLayer {
        name: layer.name().to_owned(),
        required: layer.is_required(),
        holds: *state == LayerState::Holds,
        reason: match state {
            LayerState::Holds => None,
            LayerState::Missing { reason } => Some(reason.clone()),
        },
    };
    report.layers.iter().map(layer).collect()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
mod tests {
    use tidegate_sandbox::spec::User;
    use tidegate_tools::SandboxOptions;

    use super::*;

    #[tokio::test]
    async fn a_missing_bubblewrap_is_reported_with_what_to_do() {
        let place = tempfile::tempdir().expect("a directory");
        let user = User { uid: 1000, gid: 1000, name: "a".to_owned(), home: place.path().join("home") };
        let options = SandboxOptions { bubblewrap: Some("/nonexistent".into()), ..SandboxOptions::default() };
        let sandboxes = Sandboxes::new(place.path().join("sandbox"), user).with_options(options);

        let status = status(&sandboxes, &Launcher::new("/nonexistent".into())).await;

        assert!(!status.contained);
        let sentence = "Commands of agents are confined only in part: bubblewrap is not installed";
        assert!(status.sentence.starts_with(sentence), "{}", status.sentence);
        assert!(status.todo.is_some_and(|todo| todo.starts_with("Install the package `bubblewrap`")));
    }

    #[test]
    fn each_layer_is_reported_with_what_was_seen() {
        let missing = LayerState::Missing { reason: "the kernel has no Landlock".to_owned() };
        let report = Report {
            layers: vec![(Layer::Filter, LayerState::Holds), (Layer::FileRules, missing)],
            failure: None,
        };

        let told = layers(&report);

        assert_eq!(
            (told[0].name.as_str(), told[0].holds, &told[0].reason),
            ("system call filter", true, &None)
        );
        assert_eq!(
            (told[1].name.as_str(), told[1].holds, told[1].required),
            ("Landlock file rules", false, true)
        );
        assert_eq!(told[1].reason.as_deref(), Some("the kernel has no Landlock"));
    }
}
