//! Chat commands: messages to the gateway instead of the model. Only what a client sends as a message
//! of its person is ever parsed here; what models, tools and subagents write is not.

use crate::rpc::Method;
use crate::scope::Scope;

/// A chat command with its argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatCommand {
    /// An empty transcript for this session, and the message that begins it.
    New(Option<String>),
    /// The same, under its other name.
    Reset(Option<String>),
    /// What the session uses and what runs in it.
    Status,
    /// End what runs in the session.
    Stop,
    /// Show the session's model, or choose another by its name.
    Model(Option<String>),
    /// Show the folder in which the session works, or ask the person to choose another, by its path.
    Workspace(Option<String>),
    /// Summarise the conversation.
    Compact,
    /// List the chat commands.
    Help,
}

/// A command as lists show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandDescription {
    /// Its name without the slash.
    pub name: &'static str,
    /// Other spellings, without the slash.
    pub aliases: &'static [&'static str],
    /// What it does, as a sentence.
    pub description: &'static str,
    /// `session`, `options` or `status`.
    pub category: &'static str,
    /// Its argument, as name and description.
    pub argument: Option<(&'static str, &'static str)>,
}

const fn command(
    name: &'static str,
    aliases: &'static [&'static str],
    category: &'static str,
    argument: Option<(&'static str, &'static str)>,
    description: &'static str,
) -> CommandDescription {
    CommandDescription { name, aliases, description, category, argument }
}

/// All commands, in the order in which lists show them.
pub const COMMANDS: [CommandDescription; 8] = [
    command(
        "new",
        &[],
        "session",
        Some(("message", "The first message of the new conversation.")),
        "Start a new conversation in this session.",
    ),
    command(
        "reset",
        &[],
        "session",
        Some(("message", "The first message after the reset.")),
        "Reset this session; the same as /new.",
    ),
    command("status", &[], "status", None, "Show the model, the tokens and what runs in this session."),
    command("stop", &["abort"], "session", None, "Stop everything that runs in this session."),
    command(
        "model",
        &[],
        "options",
        Some(("name", "The model, as provider/model.")),
        "Show or choose this session's model.",
    ),
    command(
        "workspace",
        &[],
        "options",
        Some(("folder", "The whole path of a folder.")),
        "Show the folder in which this session works, or ask for another.",
    ),
    command("compact", &[], "session", None, "Summarise a long conversation; not available yet."),
    command("help", &["commands"], "status", None, "List the commands."),
];

impl ChatCommand {
    /// The command that a message is, if it is one. A command is the whole message: one that takes no
    /// argument and has more text, like any other word with a slash, is text for the model.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        let message = message.trim();
        let (word, rest) = message.split_once(char::is_whitespace).unwrap_or((message, ""));
        let word = word.strip_prefix('/')?.to_ascii_lowercase();
        let described = COMMANDS
            .iter()
            .find(|command| command.name == word || command.aliases.contains(&word.as_str()))?;
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty()).map(str::to_owned);
        match (described.name, rest) {
            ("new", rest) => Some(Self::New(rest)),
            ("reset", rest) => Some(Self::Reset(rest)),
            ("model", rest) if rest.as_deref().is_none_or(|name| !name.contains(char::is_whitespace)) => {
                Some(Self::Model(rest))
            }
            ("workspace", rest) if rest.as_deref().is_none_or(is_path) => Some(Self::Workspace(rest)),
            ("status", None) => Some(Self::Status),
            ("stop", None) => Some(Self::Stop),
            ("compact", None) => Some(Self::Compact),
            ("help", None) => Some(Self::Help),
            _ => None,
        }
    }

    /// Its name without the slash.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Reset(_) => "reset",
            Self::Status => "status",
            Self::Stop => "stop",
            Self::Model(_) => "model",
            Self::Workspace(_) => "workspace",
            Self::Compact => "compact",
            Self::Help => "help",
        }
    }

    /// The method that does the same: who may not call it may not use the command.
    #[must_use]
    pub fn stands_for(&self) -> Method {
        match self {
            Self::New(_) | Self::Reset(_) => Method::SessionsReset,
            Self::Stop => Method::ChatAbort,
            Self::Model(Some(_)) => Method::SessionsPatch,
            Self::Model(None) => Method::ModelsList,
            // A request, which windows make as well. The gateway takes it from owners only.
            Self::Workspace(Some(_)) => Method::ChatSend,
            Self::Status | Self::Workspace(None) => Method::SessionsDescribe,
            Self::Compact | Self::Help => Method::CommandsList,
        }
    }

    /// What it needs beside the scope of that method, as that method does with the same parameters.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        matches!(self, Self::Model(Some(_))).then_some(Scope::Admin)
    }
}

/// Whether a text names a folder by its whole path, in one line.
fn is_path(text: &str) -> bool {
    (text.starts_with('/') || text == "~" || text.starts_with("~/")) && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_recognised_whatever_its_case() {
        let text = |text: &str| Some(text.to_owned());
        for (message, command) in [
            ("/new", ChatCommand::New(None)),
            (" /NEW\nhello there ", ChatCommand::New(text("hello there"))),
            ("/reset now", ChatCommand::Reset(text("now"))),
            ("/status", ChatCommand::Status),
            ("/Stop ", ChatCommand::Stop),
            ("/abort", ChatCommand::Stop),
            ("/model", ChatCommand::Model(None)),
            ("/model lab/small", ChatCommand::Model(text("lab/small"))),
            ("/workspace", ChatCommand::Workspace(None)),
            ("/workspace /home/ada/my site", ChatCommand::Workspace(text("/home/ada/my site"))),
            ("/Workspace ~/site", ChatCommand::Workspace(text("~/site"))),
            ("/compact", ChatCommand::Compact),
            ("/commands", ChatCommand::Help),
        ] {
            assert_eq!(ChatCommand::parse(message), Some(command), "{message:?}");
        }
    }

    #[test]
    fn anything_else_is_text_for_the_model() {
        for message in [
            "",
            "/",
            "new",
            "say /new",
            "/newer",
            "/status of what?",
            "/stop it",
            "/model a b",
            "/workspace of mine",
            "/workspace /a\n/b",
            "//new",
            "/run echo",
            "/help me",
        ] {
            assert_eq!(ChatCommand::parse(message), None, "{message:?}");
        }
    }

    #[test]
    fn each_listed_command_and_alias_parses_to_its_name() {
        for described in COMMANDS {
            for word in [&[described.name], described.aliases].concat() {
                let parsed = ChatCommand::parse(&format!("/{word}")).map(|command| command.name());
                assert_eq!(parsed, Some(described.name));
            }
        }
    }

    proptest! {
        #[test]
        fn only_a_message_that_begins_with_a_slash_is_a_command(message in "\\PC*") {
            if ChatCommand::parse(&message).is_some() {
                prop_assert!(message.trim().starts_with('/'));
            }
        }

        #[test]
        fn the_argument_is_part_of_the_message(word in "/(new|reset|model)", rest in "\\PC{0,40}") {
            if let Some(ChatCommand::New(Some(text)) | ChatCommand::Reset(Some(text)) | ChatCommand::Model(Some(text)))
                = ChatCommand::parse(&format!("{word} {rest}"))
            {
                prop_assert_eq!(text, rest.trim());
            }
        }
    }
}
