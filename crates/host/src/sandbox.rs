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
mod tests;
