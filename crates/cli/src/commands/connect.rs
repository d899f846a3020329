//! `connect`: how to aim OpenClaw's command line at this gateway. The lines can be pasted into a
//! shell; tokens are put in by the shell, so that none stands in a terminal's history.

use serde_json::json;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surfaces::ConnectLinesResult;
use tidegate_protocol::rpc;

use super::{Context, token};
use crate::client::Wire;
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let gateway = context.client.ask::<rpc::TidegateConnect>(&Empty {}).await?;
    let can_show_shared = token::can_be_shown(context).await?;
    let state_dir = context.surroundings.state_dir.as_ref().map(|dir| dir.display().to_string());
    let has_desktop = context.client.greeting().desktop;
    let lines = Lines { gateway, tidegate: tidegate(state_dir.as_deref()), can_show_shared, has_desktop };
    let answer = json!({
        "url": lines.gateway.url,
        "config": { "gateway": { "mode": "remote", "remote": { "url": lines.gateway.url } } },
        "tokenCommand": lines.new_token(),
        "sharedTokenCommand": can_show_shared.then(|| lines.shared_token()),
    });
    context.show(&answer, || lines.render())
}

struct Lines {
    /// How OpenClaw's command line is aimed at the gateway, as the gateway says it.
    gateway: ConnectLinesResult,
    /// How this command is called, with the state directory that was named.
    tidegate: String,
    can_show_shared: bool,
    has_desktop: bool,
}

impl Lines {
    fn new_token(&self) -> String {
        format!("{} token new --name openclaw --level full", self.tidegate)
    }

    fn shared_token(&self) -> String {
        format!("{} token show", self.tidegate)
    }

    fn render(&self) -> String {
        let ConnectLinesResult { variable, lines, once, .. } = &self.gateway;
        let new = match self.has_desktop {
            true => format!(
                "Make a token for OpenClaw's command line. Tidegate's dialog shows it, once; copy it, and paste \
                 it where the second line waits:\n\n  {}\n  read -rs {variable}\n\n",
                self.new_token()
            ),
            false => format!(
                "Make a token for OpenClaw's command line (it is shown only once, so it goes into a \
                 variable):\n\n  {variable}=\"$({})\"\n\n",
                self.new_token()
            ),
        };
        let pairing = "Add --pairing if `openclaw devices` should work with it: then it may also approve, rename \
                       and remove devices. A client that sends a device key of its own, as OpenClaw 2026.4.1 does, is \
                       asked about once with this token, too.\n\n";
        let shared = match self.can_show_shared {
            true => format!(
                "Or use the shared token; each program that comes with it is asked about once:\n\n  \
                 {variable}=\"$({})\"\n\n",
                self.shared_token()
            ),
            false => String::new(),
        };
        format!(
            "{new}{pairing}{shared}Then name the gateway with each command:\n\n{}\n\
             Or write it into OpenClaw's configuration, for all commands:\n\n{}",
            indented(once),
            indented(lines),
        )
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {}\n", tidegate_protocol::text::one_line(line, 1000))).collect()
}

fn tidegate(state_dir: Option<&str>) -> String {
    match state_dir {
        Some(dir) => format!("tidegate --state-dir {}", quoted(dir)),
        None => "tidegate".to_owned(),
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(has_desktop: bool) -> Lines {
        let gateway = ConnectLinesResult {
            url: "ws://127.0.0.1:18790".to_owned(),
            variable: "TIDEGATE_OPENCLAW_TOKEN".to_owned(),
            lines: vec!["openclaw config set gateway.mode remote".to_owned()],
            once: vec!["openclaw tui --url ws://127.0.0.1:18790".to_owned()],
        };
        let tidegate = tidegate(Some("/home/a b/it's"));
        Lines { gateway, tidegate, can_show_shared: false, has_desktop }
    }

    #[test]
    fn the_lines_can_be_pasted_into_a_shell() {
        let text = lines(false).render();

        assert!(text.contains(
            r#"TIDEGATE_OPENCLAW_TOKEN="$(tidegate --state-dir '/home/a b/it'\''s' token new --name openclaw --level full)""#
        ));
        assert!(text.contains("\n  openclaw config set gateway.mode remote\n"));
        assert!(text.contains("\n  openclaw tui --url ws://127.0.0.1:18790\n"));
        assert!(text.contains("--pairing") && text.contains("openclaw devices"));
        assert!(!text.contains("shared token"));
    }

    #[test]
    fn beside_a_desktop_the_token_comes_from_the_dialog() {
        let text = lines(true).render();

        assert!(
            text.contains("token new --name openclaw --level full\n  read -rs TIDEGATE_OPENCLAW_TOKEN\n")
        );
        assert!(!text.contains("$(tidegate"));
    }
}
