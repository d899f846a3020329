//! Any server with OpenAI's Chat Completions API: OpenAI itself, OpenRouter, Ollama, LM Studio,
//! llama.cpp, vLLM and many more.

mod answer;
mod assembler;
mod echo;
mod error;
mod lines;
mod think_tags;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Response, StatusCode};
use tidegate_agent::model::{ModelError, ModelRequest, ModelStream};
use tokio::time::timeout;

pub use answer::Chunks;
pub use lines::{ANSWER_BYTES, EVENT_BYTES};

use crate::http::{Endpoint, Http, innermost};
use answer::Reading;
use error::{Asked, ReportedError, retry_after_ms};

/// How long a server may send nothing, before and within its answer.
pub const IDLE: Duration = Duration::from_secs(120);
/// The same for a server on this computer or in the local network, which may have to load the model first.
pub const LOCAL_IDLE: Duration = Duration::from_secs(300);
/// The most bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 * 1024;

/// Asks the model `model` of a server, once. Whether a failure is worth another question is decided
/// by the run that asks: it can be stopped while it waits.
///
/// # Errors
/// What [`ModelError`] tells; also the stream's items.
pub async fn ask(
    http: &Http,
    endpoint: &Endpoint,
    model: &str,
    request: &ModelRequest,
) -> Result<ModelStream, ModelError> {
    let idle = if endpoint.base().is_nearby() { LOCAL_IDLE } else { IDLE };
    let asked = Asked { endpoint, model };
    let mut ask_usage = true;
    loop {
        let body = Bytes::from(
            serde_json::to_vec(&wire::body(model, request, ask_usage))
                .map_err(|error| ModelError::Server { status: 0, message: error.to_string() })?,
        );
        let sent = timeout(idle, http.post(endpoint, "/chat/completions", body)).await;
        let failure = match sent.map_err(|_| ModelError::Idle { seconds: idle.as_secs() })? {
            Ok(response) if response.status() == StatusCode::OK => {
                let prefix = format!("call_{}_", uuid::Uuid::new_v4().simple());
                return Ok(read_answer(chunks(response), endpoint, model, prefix));
            }
            Ok(response) => refused(response, asked, idle).await?,
            Err(unsent) => return Err(unsent),
        };
        if failure.refuses_usage && ask_usage {
            ask_usage = false;
            continue;
        }
        return Err(failure.error);
    }
}

/// Reads the body of an answer with status 200: the part of [`ask`] that needs no network. Calls
/// that the server gave no id get `call_id_prefix` and a number. Must be polled within a tokio
/// runtime that has timers.
#[must_use]
pub fn read_answer(chunks: Chunks, endpoint: &Endpoint, model: &str, call_id_prefix: String) -> ModelStream {
    let idle = if endpoint.base().is_nearby() { LOCAL_IDLE } else { IDLE };
    answer::read(
        chunks,
        Reading { endpoint: endpoint.clone(), model: model.to_owned(), idle, call_id_prefix },
    )
}

struct Failure {
    error: ModelError,
    refuses_usage: bool,
}

async fn refused(mut response: Response, asked: Asked<'_>, idle: Duration) -> Result<Failure, ModelError> {
    let status = response.status();
    let retry_after_ms = retry_after_ms(response.headers());
    if status.is_redirection() {
        let message = "it wants to redirect, which is not followed; set the base URL to the final address";
        let error = ModelError::Server { status: status.as_u16(), message: message.to_owned() };
        return Ok(Failure { error, refuses_usage: false });
    }
    let mut body = Vec::new();
    // An error whose body breaks off is still that error.
    while let Ok(Some(chunk)) =
        timeout(idle, response.chunk()).await.map_err(|_| ModelError::Idle { seconds: idle.as_secs() })?
    {
        body.extend_from_slice(&chunk);
        if body.len() >= ERROR_BYTES {
            break;
        }
    }
    let was_cut = body.len() >= ERROR_BYTES;
    body.truncate(ERROR_BYTES);
    let reported = ReportedError::in_body(status.as_u16(), &String::from_utf8_lossy(&body));
    Ok(Failure {
        error: reported.classify(asked, retry_after_ms, was_cut),
        refuses_usage: reported.refuses_usage(),
    })
}

fn chunks(response: Response) -> answer::Chunks {
    Box::pin(stream::try_unfold(response, |mut response| async move {
        match response.chunk().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, response))),
            Err(error) => Err(innermost(&error)),
        }
    }))
}
