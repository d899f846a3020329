//! Trying the sandbox on this computer, through the same program that runs commands.

use tidegate_sandbox::report::Report;

use super::Launcher;
use super::sandboxes::Sandboxes;

/// Makes the trial.
#[cfg(target_os = "linux")]
pub(super) async fn run(sandboxes: &Sandboxes, launcher: &Launcher) -> Report {
    use std::time::Duration;
    use tidegate_sandbox::trial::Trial;

    use crate::run_tool::network::Network;
    use crate::run_tool::protocol::{Applied, Boundary, Plan, VERSION, Work};

    /// How long the probe may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    let trial = match super::sandboxes::make_private(sandboxes.directory())
        .and_then(|()| Trial::prepare(&sandboxes.directory().join("probe")))
    {
        Ok(trial) => trial,
        Err(error) => return Report::failed(format!("the probe could not be prepared: {error}")),
    };
    let bubblewrap = match sandboxes.bubblewrap().await {
        Ok(bubblewrap) => bubblewrap,
        Err(error) => return Report::failed(error.to_string()),
    };
    let mut spec = match sandboxes.spec(trial.workspace(), false) {
        Ok(spec) => spec,
        Err(error) => return Report::failed(format!("the probe could not be prepared: {error}")),
    };
    // What every sandbox has, without what only some have.
    spec.readable.clear();
    let plan = Plan {
        version: VERSION,
        work: Work::Probe { targets: trial.targets() },
        environment: Vec::new(),
        boundary: Boundary::Sandbox {
            bubblewrap,
            spec: Box::new(spec),
            user: sandboxes.user().clone(),
            network: Network::default(),
            memory: sandboxes.memory(),
            expected: Vec::new(),
        },
    };
    let never = tokio_util::sync::CancellationToken::new();
    match launcher.carry_out(&plan, PATIENCE, &never, None).await {
        Err(error) => Report::failed(error.to_string()),
        Ok(finished) => match finished.applied {
            Some(Applied::Sandbox { layers, capability_refused }) => {
                sandboxes.remember_refusal(capability_refused);
                trial.judge(layers, capability_refused, &finished.output.render())
            }
            _ => Report::failed("the probe did not run in a sandbox"),
        },
    }
}

/// There is nothing to try yet.
#[cfg(not(target_os = "linux"))]
pub(super) async fn run(_sandboxes: &Sandboxes, _launcher: &Launcher) -> Report {
    Report::failed("commands cannot be contained on this system yet")
}
