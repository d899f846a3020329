//! `connect`: how to aim OpenClaw's command line at this gateway. The lines can be pasted into a
//! shell; tokens are put in by the shell, so that none stands in a terminal's history.

use serde_json::json;
use tidegate_protocol::Method;

use super::state::Status;
use super::{Context, nothing, token};
use crate::client::Wire;
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let status: Status = context.client.ask(Method::TidegateStatus, nothing()).await?;
    let url = status
        .url
        .ok_or_else(|| Failure::Failed("The gateway does not listen yet; try again.".to_owned()))?;
    let can_show_shared = token::can_be_shown(context).await?;
    let state_dir = context.surroundings.state_dir.as_ref().map(|dir| dir.display().to_string());
    let lines = Lines { url, tidegate: tidegate(state_dir.as_deref()), can_show_shared };
    let answer = json!({
        "url": lines.url,
        "config": { "gateway": { "mode": "remote", "remote": { "url": lines.url } } },
        "tokenCommand": lines.new_token(),
        "sharedTokenCommand": can_show_shared.then(|| lines.shared_token()),
    });
    context.show(&answer, || Ok(lines.render()))
}

struct Lines {
    url: String,
    /// How this command is called, with the state directory that was named.
    tidegate: String,
    can_show_shared: bool,
}

impl Lines {
    fn new_token(&self) -> String {
        format!("{} token new --name openclaw --level full", self.tidegate)
    }

    fn shared_token(&self) -> String {
        format!("{} token show", self.tidegate)
    }

    fn render(&self) -> String {
        let url = quoted(&self.url);
        let shared = match self.can_show_shared {
            true => format!(
                "Or use the shared token; each program that comes with it is asked about once:\n\n  \
                 TIDEGATE_OPENCLAW_TOKEN=\"$({})\"\n\n",
                self.shared_token()
            ),
            false => String::new(),
        };
        format!(
            "Make a token for OpenClaw's command line (it is shown only once, so it goes into a variable):\n\n  \
             TIDEGATE_OPENCLAW_TOKEN=\"$({new})\"\n\n\
             {shared}\
             Then name the gateway with each command:\n\n  \
             openclaw gateway health --url {url} --token \"$TIDEGATE_OPENCLAW_TOKEN\"\n  \
             openclaw tui --url {url} --token \"$TIDEGATE_OPENCLAW_TOKEN\"\n\n\
             Or write it into OpenClaw's configuration, for all commands:\n\n  \
             openclaw config set gateway.mode remote\n  \
             openclaw config set gateway.remote.url {url}\n  \
             openclaw config set gateway.remote.token \"$TIDEGATE_OPENCLAW_TOKEN\"\n",
            new = self.new_token(),
        )
    }
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

    #[test]
    fn the_lines_can_be_pasted_into_a_shell() {
        let lines = Lines {
            url: "ws://127.0.0.1:18790".to_owned(),
            tidegate: tidegate(Some("/home/a b/it's")),
            can_show_shared: false,
        };

        let text = lines.render();

        assert!(
            text.contains(r"tidegate --state-dir '/home/a b/it'\''s' token new --name openclaw --level full")
        );
        assert!(text.contains("\n  openclaw config set gateway.mode remote\n"));
        assert!(text.contains("\n  openclaw config set gateway.remote.url ws://127.0.0.1:18790\n"));
        assert!(text.contains("--url ws://127.0.0.1:18790 --token \"$TIDEGATE_OPENCLAW_TOKEN\""));
        assert!(!text.contains("shared token"));
    }
}
