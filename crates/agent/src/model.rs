//! The port to models.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tidegate_store::Usage;

use crate::message::{Message, ToolCall};
use crate::tool::ToolDescription;

/// A model's name, `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelName {
    /// The provider's id.
    pub provider: String,
    /// The model's id there; may contain `/`.
    pub model: String,
}

impl ModelName {
    /// Reads `provider/model`; `None` when a part is missing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once('/')?;
        (!provider.is_empty() && !model.is_empty())
            .then(|| Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider, self.model)
    }
}

/// One question to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub messages: Vec<Message>,
    /// The tools it may call.
    pub tools: Vec<ToolDescription>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It was done.
    Stop,
    /// It wants tools.
    ToolUse,
    /// It ran into its length limit: a tool call in this answer must not run.
    Length,
    /// The provider refused.
    Refused,
}

/// One piece of an answer, in the order that the model made them. A stream that ends without
/// [`StreamEvent::Stop`] was cut off.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    Text(String),
    /// More reasoning, which is not part of the answer.
    Thinking(String),
    /// A whole tool call.
    ToolCall(ToolCall),
    /// A piece of a tool call that is not whole yet.
    Piece,
    /// Something came that says nothing: a sign that the connection is kept open.
    Alive,
    /// Tokens, when the provider tells.
    Usage(Usage),
    Stop(StopReason),
}

/// Why a model did not answer. The messages are sentences for a person and never contain a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing answers at the server's address.
    #[error("the model server at {address} does not answer: {reason}")]
    Unreachable {
        /// Scheme, host and port.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// The server wants another key.
    #[error("the model server at {address} refused the key; set it again with `tidegate models add`")]
    Unauthorized {
        /// Scheme, host and port.
        address: String,
    },
    /// There is no key that may be sent to the server: it cannot be read, or it belongs elsewhere.
    #[error("there is no usable key for the model server at {address}: {reason}")]
    NoKey {
        /// Scheme, host and port.
        address: String,
        /// What went wrong and what to do.
        reason: String,
    },
    /// A server on this computer that was not taken into use, or is not who it was then. The reason
    /// is a whole sentence without its end.
    #[error("{reason}")]
    NotInUse {
        /// Why, and what to do.
        reason: String,
    },
    /// The server asks to wait.
    #[error("the model server is busy or its quota is used up")]
    RateLimited {
        /// After how many milliseconds it may be asked again, when it told.
        retry_after_ms: Option<u64>,
    },
    /// The server does not have the model.
    #[error("the model server has no model {model:?}")]
    UnknownModel {
        /// The model asked for.
        model: String,
    },
    /// The conversation is too long for the model.
    #[error("the conversation is longer than the model can read")]
    ContextLength,
    /// The answer broke off.
    #[error("the model server broke off in the middle of its answer: {reason}")]
    CutOff {
        /// What went wrong.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("the model server sent nothing for {seconds} s")]
    Idle {
        /// How long it was silent.
        seconds: u64,
    },
    /// The connection was kept open, and nothing was said for too long.
    #[error("the model server kept the connection open and said nothing for {minutes} minutes")]
    SaysNothing { minutes: u64 },
    /// The answer is whole, and there is nothing in it.
    #[error("{}", nothing_said(*.thought))]
    NothingSaid {
        /// Whether the model reasoned before that.
        thought: bool,
    },
    /// The server is there, and is still loading the model.
    #[error("the model server is still loading the model")]
    Loading,
    /// The server answered something that is not the protocol.
    #[error("the model server answered {status}: {message}")]
    Server {
        /// The HTTP status, 200 for a broken body.
        status: u16,
        /// The start of what it said, cleaned.
        message: String,
    },
}

fn nothing_said(thought: bool) -> &'static str {
    if thought {
        "the model only reasoned, and gave no answer; ask again, or use another model"
    } else {
        "the model's answer was empty; ask again, or use another model"
    }
}

/// A stream of an answer.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, ModelError>> + Send>>;

/// One model that can be asked. Dropping the stream ends the request.
pub trait Model: Send + Sync {
    /// The model's name, as results report it.
    fn name(&self) -> ModelName;

    /// How many tokens it can read, when known.
    fn context_window(&self) -> Option<u32> {
        None
    }

    /// Whether it runs on this computer, where it may take long to load before it answers.
    fn is_local(&self) -> bool {
        false
    }

    /// Asks the model. It waits for the start of the answer; the rest comes with the stream.
    ///
    /// # Errors
    /// When the model does not begin to answer; see [`ModelError`].
    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>>;
}

/// A model that could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelEntry {
    pub name: ModelName,
    /// Tokens it can read.
    pub context_window: Option<u32>,
    /// Whether it is used when nobody chooses.
    pub is_default: bool,
    /// Whether it is the built-in demo without intelligence.
    pub is_offline: bool,
}

/// Which models there are.
pub trait ModelDirectory: Send + Sync {
    /// The model that is used when nobody chooses: the chosen one, else one of a configured provider,
    /// else one of a server on this computer that was taken into use, else the offline model.
    fn default_model(&self) -> BoxFuture<'_, Arc<dyn Model>>;

    /// A named model; `None` when there is none of that name.
    fn model(&self, name: &ModelName) -> BoxFuture<'_, Option<Arc<dyn Model>>>;

    /// All of them.
    fn list(&self) -> BoxFuture<'_, Vec<ModelEntry>>;
}
