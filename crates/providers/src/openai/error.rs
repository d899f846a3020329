//! What a server's errors mean.

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tidegate_agent::model::ModelError;

use crate::http::Endpoint;

/// What servers call a conversation that is too long, in lower case.
const CONTEXT_TEXTS: [&str; 17] = [
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "reduce the length of the messages",
    "exceed context limit",
    "exceeds context limit",
    "maximum prompt length",
    "exceeded model token limit",
    "prompt exceeds max length",
    "range of input length",
    "prompt token count of",
];

/// An error in the server's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ReportedError {
    /// The HTTP status, or what stands for it in the middle of a stream.
    status: Option<u16>,
    /// What it says.
    message: String,
    /// Its code and type.
    code: String,
    /// Whether it names how token counts are asked for, anywhere.
    names_usage: bool,
}

/// Where an error comes from, and what was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) model: &'a str,
}

impl ReportedError {
    /// The error that a chunk of a stream carries, if it does.
    pub(super) fn in_chunk(chunk: &Value) -> Option<Self> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Some(Self::from_object(error));
        }
        // Without that key: older vLLM and SGLang, and others.
        let is_error = |field: &str| word(&chunk[field]) == "error";
        let is_alone = chunk.get("choices").is_none();
        (is_alone && (is_error("object") || is_error("type")) && chunk.get("message").is_some())
            .then(|| Self::from_object(chunk))
    }

    /// The error in the data of an event that is named so.
    pub(super) fn in_event(data: &str) -> Self {
        let chunk = serde_json::from_str::<Value>(data).ok();
        let reported = chunk.as_ref().and_then(Self::in_chunk);
        reported.unwrap_or_else(|| Self { status: None, ..Self::in_body(0, data) })
    }

    /// The error in the body of a response.
    pub(super) fn in_body(status: u16, body: &str) -> Self {
        let mut error = match serde_json::from_str::<Value>(body) {
            // Some servers put the object into a list.
            Ok(Value::Array(list)) => list.first().map(Self::from_body).unwrap_or_default(),
            Ok(value) => Self::from_body(&value),
            Err(_) => Self::default(),
        };
        if error.message.is_empty() {
            let is_page = body.trim_start().starts_with('<');
            error.message = if is_page { "a web page".to_owned() } else { body.to_owned() };
        }
        error.status = Some(status);
        error.names_usage = ["stream_options", "include_usage"].iter().any(|name| body.contains(name));
        error
    }

    fn from_body(body: &Value) -> Self {
        let fields = ["error", "message", "detail"].map(|field| body.get(field));
        fields.into_iter().flatten().find(|field| !field.is_null()).map_or_else(Self::default, |field| {
            let mut error = Self::from_object(field);
            error.code.push_str(&word(&body["type"]));
            error
        })
    }

    fn from_object(error: &Value) -> Self {
        let message = match error {
            Value::String(text) => text.clone(),
            object => match &object["message"] {
                Value::String(text) => text.clone(),
                _ => object.to_string(),
            },
        };
        let status = error["code"].as_u64().or_else(|| error["status"].as_u64());
        Self {
            status: status
                .and_then(|status| u16::try_from(status).ok())
                .filter(|status| (400..600).contains(status)),
            message,
            code: format!("{} {} ", word(&error["code"]), word(&error["type"])),
            names_usage: false,
        }
    }

    /// Whether the server does not know how to be asked for token counts.
    pub(super) fn refuses_usage(&self) -> bool {
        matches!(self.status, Some(400 | 422)) && self.names_usage
    }

    /// What it means. `was_cut` tells that the message is only the beginning of what was said.
    pub(super) fn classify(
        &self,
        asked: Asked<'_>,
        retry_after_ms: Option<u64>,
        was_cut: bool,
    ) -> ModelError {
        let text = format!("{} {}", self.code, self.message).to_lowercase();
        let says = |part: &str| text.contains(part);
        let unknown_model = || ModelError::UnknownModel { model: asked.model.to_owned() };
        match self.status {
            // 403 has many reasons: a region, a plan, a model that the key may not use. Its words tell.
            Some(401) => {
                return ModelError::Unauthorized { address: asked.endpoint.base().address() };
            }
            Some(429) => return ModelError::RateLimited { retry_after_ms },
            // A page that is not found means a wrong address, not a missing model.
            Some(404) if !self.is_missing_page() => return unknown_model(),
            _ => {}
        }
        let words = self.message.to_lowercase();
        let failed = ["error", "fail", "could not"].iter().any(|part| words.contains(part));
        if self.status == Some(503) && words.contains("loading") && !failed {
            return ModelError::Loading;
        }
        let too_many_tokens = says("input token count") && says("exceeds the maximum number of tokens");
        if too_many_tokens || CONTEXT_TEXTS.iter().any(|part| says(part)) {
            return ModelError::ContextLength;
        }
        if says("model_not_found") || (says("model") && (says("not found") || says("does not exist"))) {
            return unknown_model();
        }
        if says("rate_limit") || says("rate limit") || says("insufficient_quota") {
            return ModelError::RateLimited { retry_after_ms };
        }
        let mut message = asked.endpoint.excerpt(&self.message, was_cut);
        if self.status == Some(404) || says("unexpected endpoint") {
            message.push_str("; the base URL may be wrong: most end in /v1");
        }
        ModelError::Server { status: self.status.unwrap_or(200), message }
    }

    fn is_missing_page(&self) -> bool {
        let text = self.message.to_lowercase();
        text == "a web page" || text.contains("page not found") || text.contains("no such path")
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

/// How many milliseconds a response asks to wait (RFC 9110, section 10.2.3; `retry-after-ms` is
/// OpenAI's). A date is compared with the server's own clock, from its `Date`.
pub(super) fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = |value: Option<&reqwest::header::HeaderValue>| {
        value?.to_str().ok().map(str::trim).map(ToOwned::to_owned)
    };
    if let Some(ms) = text(headers.get("retry-after-ms")).and_then(|ms| ms.parse().ok()) {
        return Some(ms);
    }
    let after = text(headers.get(RETRY_AFTER))?;
    if let Ok(seconds) = after.parse::<f64>() {
        // The cast saturates; negative and NaN become 0.
        return Some((seconds * 1_000.0) as u64);
    }
    let instant =
        |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_millisecond());
    let now = instant(&text(headers.get(DATE))?)?;
    u64::try_from(instant(&after)? - now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base_url::BaseUrl;
    use crate::key::BoundKey;
    use proptest::prelude::*;
    use serde_json::json;

    fn classify(status: u16, body: &str) -> ModelError {
        let endpoint = Endpoint::open(BaseUrl::parse("http://127.0.0.1:1/v1").unwrap());
        let asked = Asked { endpoint: &endpoint, model: "m" };
        ReportedError::in_body(status, body).classify(asked, None, false)
    }

    fn unknown() -> ModelError {
        ModelError::UnknownModel { model: "m".to_owned() }
    }

    #[test]
    fn errors_of_known_servers_are_recognised() {
        let openai = json!({"error": {"message": "This model's maximum context length is 8192 tokens.", "type": "invalid_request_error", "code": "context_length_exceeded"}});
        let llama_cpp = json!({"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}});
        let vllm = json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404});
        let ollama =
            json!({"error": {"message": "model \"x\" not found, try pulling it first", "type": "api_error"}});
        let quota =
            json!({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}});
        assert_eq!(classify(400, &openai.to_string()), ModelError::ContextLength);
        assert_eq!(classify(400, &llama_cpp.to_string()), ModelError::ContextLength);
        assert_eq!(classify(404, &vllm.to_string()), unknown());
        assert_eq!(classify(400, &ollama.to_string()), unknown());
        assert_eq!(classify(404, ""), unknown());
        assert_eq!(classify(429, &quota.to_string()), ModelError::RateLimited { retry_after_ms: None });
    }

    #[test]
    fn a_conversation_that_is_too_long_is_recognised_in_the_words_of_many_servers() {
        for words in [
            "input length and `max_tokens` exceed context limit: 187254 + 20000 > 204798",
            "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "Invalid request: Your request exceeded model token limit: 131072",
            "Prompt exceeds max length",
            "prompt token count of 130001 exceeds the limit of 128000",
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
        ] {
            let body = json!({"error": {"message": words}}).to_string();
            assert_eq!(classify(400, &body), ModelError::ContextLength, "{words}");
        }
        for words in [
            "tool_call id exceeds max length 64",
            "max_tokens exceeds the maximum number of tokens for output",
            "prompt token counting is not supported",
        ] {
            let body = json!({"error": {"message": words}}).to_string();
            assert!(matches!(classify(400, &body), ModelError::Server { .. }), "{words}");
        }
    }

    #[test]
    fn what_is_forbidden_keeps_the_servers_words() {
        let body = json!({"error": {"message": "Your country is not supported."}}).to_string();
        assert!(classify(403, &body).to_string().contains("Your country is not supported."));
        assert!(matches!(classify(401, &body), ModelError::Unauthorized { .. }));
    }

    #[test]
    fn a_server_that_loads_its_model_and_one_without_that_method_are_not_the_same() {
        let loading =
            json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}});
        assert_eq!(classify(503, &loading.to_string()), ModelError::Loading);
        for other in ["overloaded", "Error loading model: out of memory", "failed loading the model"] {
            let other = json!({"error": {"message": other}}).to_string();
            assert!(matches!(classify(503, &other), ModelError::Server { status: 503, .. }), "{other}");
        }
        let other = json!({"error": "Unexpected endpoint or method. (POST /chat/completions)"});
        assert!(classify(200, &other.to_string()).to_string().contains("most end in /v1"));
    }

    #[test]
    fn token_counts_are_refused_in_many_words() {
        for (status, body, refuses) in [
            (
                422,
                r#"{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#,
                true,
            ),
            (400, r#"{"error":{"message":"Extra inputs are not permitted","param":"stream_options"}}"#, true),
            (400, r#"{"error":{"message":"unknown field \"include_usage\""}}"#, true),
            (400, r#"{"error":{"message":"no"}}"#, false),
            (500, r#"{"error":{"message":"stream_options"}}"#, false),
        ] {
            assert_eq!(ReportedError::in_body(status, body).refuses_usage(), refuses, "{body}");
        }
    }

    #[test]
    fn an_event_that_is_an_error_keeps_its_status() {
        let busy = ReportedError::in_event(r#"{"error":{"code":429,"message":"Too many requests"}}"#);
        let plain = ReportedError::in_event("the engine died");
        assert_eq!((busy.status, plain.status), (Some(429), None));
        assert_eq!(plain.message, "the engine died");
    }

    #[test]
    fn an_error_without_the_usual_key_is_one() {
        let error = |chunk: Value| ReportedError::in_chunk(&chunk).map(|error| error.message);
        let told = |words: &str| Some(words.to_owned());
        assert_eq!(
            error(json!({"object": "error", "message": "out of memory", "code": 500})),
            told("out of memory")
        );
        assert_eq!(error(json!({"type": "error", "message": "died"})), told("died"));
        assert_eq!(error(json!({"object": "chat.completion.chunk", "choices": []})), None);
        assert_eq!(error(json!({"type": "error", "choices": [{"delta": {"content": "a"}}]})), None);
    }

    #[test]
    fn a_missing_page_is_a_wrong_address_and_not_a_missing_model() {
        for body in ["<html>404</html>", "404 page not found"] {
            let ModelError::Server { status: 404, message } = classify(404, body) else { panic!("{body}") };
            assert!(message.contains("base URL"), "{message}");
        }
    }

    #[test]
    fn waiting_times_are_read_in_all_forms() {
        let wait = |fields: &[(&'static str, &str)]| {
            let fields = fields.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())
            });
            retry_after_ms(&fields.collect())
        };
        assert_eq!(wait(&[("retry-after", "3")]), Some(3_000));
        assert_eq!(wait(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(wait(&[("retry-after", "1"), ("retry-after-ms", "40")]), Some(40));
        let date =
            [("date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2015 07:28:05 GMT")];
        assert_eq!(wait(&date), Some(5_000));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[]), None);
    }

    proptest! {
        #[test]
        fn no_error_contains_the_key(status in 400u16..600, before in ".{0,300}", as_json: bool) {
            let secret = "sk-0123456789abcdef";
            let base = BaseUrl::parse("https://a.example/v1").unwrap();
            let endpoint = Endpoint::keyed(BoundKey::new(base, secret).unwrap(), false).unwrap();
            let text = format!("{before} {secret} {before}");
            let body = if as_json { json!({"error": {"message": text}}).to_string() } else { text };
            let error = ReportedError::in_body(status, &body)
                .classify(Asked { endpoint: &endpoint, model: "m" }, None, false);
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains(secret), "{}", shown);
            prop_assert!(shown.chars().count() < 1_200);
        }
    }
}
