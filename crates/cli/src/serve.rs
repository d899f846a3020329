//! `serve`: the gateway in this process, without a desktop.

use std::io::IsTerminal as _;

use serde_json::json;
use tidegate_cli::arguments::{Bind, ServeArguments};
use tidegate_cli::output::Output;
use tidegate_cli::{Failure, Surroundings};
use tidegate_host::{Announcement, ServeOptions};

/// Serves until it is stopped.
pub(crate) fn serve(arguments: ServeArguments, surroundings: &Surroundings) -> Result<(), Failure> {
    // The gateway listens nowhere else.
    let Bind::Loopback = arguments.bind;
    let announcer = Announcer { output: Output::standard(), json: surroundings.json, quiet: arguments.quiet };
    let options = ServeOptions {
        state_dir: surroundings.state_dir.clone(),
        port: arguments.port,
        config: arguments.config,
        quiet: arguments.quiet,
        announce: announcer.callback(),
        ..ServeOptions::default()
    };
    tidegate_host::serve(options).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(())
}

struct Announcer {
    output: Output,
    json: bool,
    quiet: bool,
}

impl Announcer {
    fn callback(mut self) -> Box<dyn FnMut(&Announcement) + Send> {
        // Serving goes on when nobody reads what is announced.
        Box::new(move |announcement| {
            let _ = self.announce(announcement);
        })
    }

    fn announce(&mut self, announcement: &Announcement) -> std::io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        if self.json {
            return match announcement {
                Announcement::Ready { port, state_dir } => self.output.json_line(&json!({
                    "event": "ready",
                    "url": format!("ws://127.0.0.1:{port}"),
                    "port": port,
                    "stateDir": state_dir.display().to_string(),
                })),
                Announcement::Interrupted { runs } => {
                    self.output.json_line(&json!({ "event": "interrupted", "runs": runs }))
                }
                Announcement::OrphansEnded { commands } => {
                    self.output.json_line(&json!({ "event": "orphans-ended", "commands": commands }))
                }
                // A log is no place for a token; `tidegate token` shows it.
                Announcement::SharedToken { .. } => {
                    self.output.json_line(&json!({ "event": "shared-token" }))
                }
            };
        }
        match announcement {
            Announcement::SharedToken { token } if std::io::stderr().is_terminal() => self.output.note(&format!(
                "A shared token for programs on this computer was made; keep it, it may not be shown again:\n  {}",
                token.reveal()
            )),
            Announcement::SharedToken { .. } => self.output.note(
                "A shared token for programs on this computer was made. `tidegate token` shows it, or says how to \
                 get another.",
            ),
            Announcement::Interrupted { runs: 1 } => {
                self.output.note("A run was interrupted when Tidegate stopped last. It is not started again.")
            }
            Announcement::Interrupted { runs } => self.output.note(&format!(
                "{runs} runs were interrupted when Tidegate stopped last. They are not started again."
            )),
            Announcement::OrphansEnded { commands } => self.output.note(&format!(
                "Commands of agents were still running from before, and were ended: {}.",
                commands.join("; ")
            )),
            Announcement::Ready { port, state_dir } => self.output.text(&format!(
                "Tidegate listens on ws://127.0.0.1:{port}, state in {}.\nCtrl-C stops it. `tidegate connect` \
                 shows how to connect OpenClaw's command line.",
                tidegate_protocol::text::one_line(&state_dir.display().to_string(), 400)
            )),
        }
    }
}
