//! Which models a server serves, asked with a key that a person has just given: that shows at once
//! whether address and key are right.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use reqwest::Body;
use tidegate_agent::model::ModelError;
use tokio::time::timeout;

use crate::http::{Endpoint, Http};
use crate::local::{LIST_BYTES, is_chat_model, model_ids};

/// How long a server may take to answer.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no list. Each is a sentence for the person.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(#[from] ModelError),
    /// It did not answer in time.
    #[error("{address} did not answer within {} s", LIST_TIMEOUT.as_secs())]
    Slow {
        /// The server's address.
        address: String,
    },
    /// It does not take the key.
    #[error("{address} does not accept this key (HTTP {status})")]
    Refused {
        /// The server's address.
        address: String,
        /// What it answered.
        status: u16,
    },
    /// It answers, but not like a model server.
    #[error(
        "{address} does not answer like a model server ({reason}); is the base URL right? It often ends in /v1"
    )]
    NotAList {
        /// The server's address.
        address: String,
        /// What it answered, in our words.
        reason: String,
    },
}

/// The ids of the models that can hold a conversation (`GET /models`).
///
/// # Errors
/// See [`ListError`].
pub async fn model_list(http: &Http, endpoint: &Endpoint) -> Result<Vec<String>, ListError> {
    match timeout(LIST_TIMEOUT, ask(http, endpoint)).await {
        Ok(asked) => asked,
        Err(_) => Err(ListError::Slow { address: endpoint.base().address() }),
    }
}

async fn ask(http: &Http, endpoint: &Endpoint) -> Result<Vec<String>, ListError> {
    let not_a_list = |reason: String| ListError::NotAList { address: endpoint.base().address(), reason };
    let response = http.get(endpoint, "/models").await?;
    let status = response.status().as_u16();
    if matches!(status, 401 | 403) {
        return Err(ListError::Refused { address: endpoint.base().address(), status });
    }
    if !response.status().is_success() {
        return Err(not_a_list(format!("HTTP {status}")));
    }
    let body = Limited::new(Body::from(response), LIST_BYTES).collect().await;
    let models = match body {
        Ok(body) => model_ids(&body.to_bytes()).ok_or("it gives no list of models"),
        Err(error) if error.is::<LengthLimitError>() => Err("the list of its models is too long"),
        Err(_) => Err("it breaks off"),
    };
    let models = models.map_err(|reason| not_a_list(reason.to_owned()))?;
    Ok(models.into_iter().filter(|id| is_chat_model(id)).collect())
}
