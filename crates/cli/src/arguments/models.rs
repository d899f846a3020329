//! What `models` takes.

use clap::{Args, Subcommand};

use super::values;

/// What to do with models.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ModelsCommand {
    /// List the models
    #[command(after_help = "Example: tidegate models list")]
    List,
    /// Add a provider: an OpenAI-compatible server and its key
    #[command(
        long_about = "Add a provider: an OpenAI-compatible server and its key.\n\nIn a terminal the key \
            is asked for and not shown while you type. In a script give it on the standard input \
            (--key-stdin), or say where the gateway finds it (--key-ref). It is never an argument, \
            because other programs can read those.",
        after_help = "Examples:\n  tidegate models add openai --base-url https://api.openai.com/v1\n  \
            tidegate models add lab --base-url https://lab.example/v1 --model big --key-ref '{env:LAB_KEY}'\n  \
            tidegate models add ollama --base-url http://127.0.0.1:11434/v1 --no-key"
    )]
    Add(AddModelArguments),
    /// Ask a model one small question
    #[command(after_help = "Example: tidegate models test openai/gpt-5-mini")]
    Test {
        /// The model; the one in use when nothing is given
        #[arg(value_name = "PROVIDER/MODEL")]
        model: Option<String>,
    },
    /// Choose the model
    #[command(
        long_about = "Choose the model.\n\nThe first model of a server that was found on this computer takes \
            that server into use: who runs it is shown, and you are asked before, in a terminal. When a \
            desktop is running, its dialog asks instead.",
        after_help = "Example: tidegate models use ollama/qwen3"
    )]
    Use {
        /// The model
        #[arg(value_name = "PROVIDER/MODEL")]
        model: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What `models add` takes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AddModelArguments {
    /// What to call the provider
    #[arg(value_name = "PROVIDER")]
    pub id: String,
    /// Where it is
    #[arg(long, value_name = "URL", long_help = "Where it is, with the version: https://host/v1")]
    pub base_url: String,
    /// A model that it has; may be repeated
    #[arg(
        long = "model",
        value_name = "MODEL",
        long_help = "A model that it has; may be repeated. Without it the provider is asked for its list."
    )]
    pub models: Vec<String>,
    /// Read the key from the standard input
    #[arg(long, group = "key")]
    pub key_stdin: bool,
    /// Where the gateway finds the key: '{env:NAME}' or '{file:PATH}'
    #[arg(long, value_name = "REFERENCE", group = "key", value_parser = values::key_reference)]
    pub key_ref: Option<String>,
    /// The provider needs no key
    #[arg(long, group = "key")]
    pub no_key: bool,
}
