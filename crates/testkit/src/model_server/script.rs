//! What a scripted model answers to what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A scripted model: the first rule that matches a request answers it. As JSON, it is the file that
/// the program `scripted-model` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// The model ids that `GET /v1/models` lists.
    #[serde(default = "default_models")]
    pub models: Vec<String>,
    /// Tried in order.
    pub rules: Vec<Rule>,
}

fn default_models() -> Vec<String> {
    vec!["scripted".to_owned()]
}

/// Which requests are answered, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which requests it answers.
    #[serde(default)]
    pub when: When,
    /// How many requests it answers at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    pub answer: Answer,
}

/// A condition: everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// The last message that is not the model's own contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contains: Option<String>,
    /// The messages that are not the model's own contain all of these, each anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation_contains: Vec<String>,
    /// The conversation has exactly this many tool results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_results: Option<usize>,
}

/// How the server answers a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Answer {
    /// A stream of server-sent events.
    #[serde(rename_all = "camelCase")]
    Stream {
        /// What it does, one after the other.
        steps: Vec<Step>,
        /// When given, the whole stream is sent in two pieces, the first this many bytes long, and
        /// waiting steps are ignored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_at: Option<usize>,
    },
    /// One plain JSON answer, as servers give that ignore `stream`. Waiting steps are ignored.
    Plain {
        /// What it says.
        steps: Vec<Step>,
    },
    /// Any other HTTP response: errors, redirects, pages.
    Http {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: String,
    },
    /// No response at all; the connection stays open.
    Hang,
}

/// One step of a streamed answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// A piece of text.
    Text { text: String },
    /// A piece of reasoning.
    Thinking { text: String },
    /// A tool call, its arguments in `pieces` pieces.
    ToolCall {
        /// Its id; none is sent when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        name: String,
        arguments: Value,
        /// In how many chunks the arguments come, at least 1.
        #[serde(default = "one")]
        pieces: usize,
    },
    /// Tokens that were used.
    Usage {
        /// Of the prompt.
        input: u64,
        /// Of the answer.
        output: u64,
    },
    /// The finish reason.
    Finish {
        /// As the protocol has it: `stop`, `tool_calls`, `length`, `content_filter`.
        reason: String,
    },
    /// `[DONE]`.
    Done,
    /// Sends these bytes as they are.
    Raw { text: String },
    /// Waits. With a paused clock this takes no time.
    Wait { ms: u64 },
    /// Sends nothing more and keeps the connection open.
    Hang,
    /// Breaks the connection.
    CutOff,
}

fn one() -> usize {
    1
}

impl Script {
    /// A script whose one rule answers every request.
    #[must_use]
    pub fn always(answer: Answer) -> Self {
        Self::new([Rule::new(When::default(), answer)])
    }

    /// A script of rules.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { models: default_models(), rules: rules.into_iter().collect() }
    }

    /// Reads a script file.
    ///
    /// # Errors
    /// When it is not JSON of the script's form.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The ready script: asked for `three subagents`, it spawns three, each of which answers its
    /// task, and once all three results are in the conversation it answers from them.
    #[must_use]
    pub fn three_subagents() -> Self {
        let parts = ["alpha", "beta", "gamma"];
        let result = |part: &str| format!("result-of-{part}");
        let spawns = parts.iter().map(|part| Step::ToolCall {
            id: Some(format!("spawn-{part}")),
            name: "sessions_spawn".to_owned(),
            arguments: serde_json::json!({"task": format!("do part {part}"), "label": part}),
            pieces: 2,
        });
        let finished = When {
            conversation_contains: parts.iter().map(|part| result(part)).collect(),
            ..When::default()
        };
        let combined = format!("All three are done: {}.", parts.map(result).join(", "));
        let parent = [
            Rule::new(finished, Answer::text(&combined)),
            Rule::new(
                When { tool_results: Some(0), ..When::last_contains("three subagents") },
                Answer::tool_calls(spawns.collect()),
            ),
        ];
        let child = |part: &&str| {
            let when = When { tool_results: Some(0), ..When::last_contains(&format!("do part {part}")) };
            Rule::new(when, Answer::text(&result(part)))
        };
        let waiting = Rule::new(
            When { tool_results: Some(parts.len()), ..When::default() },
            Answer::text("Three subagents are at work."),
        );
        Self::new(parent.into_iter().chain(parts.iter().map(child)).chain([waiting]))
    }
}

impl Rule {
    /// A rule without a limit.
    #[must_use]
    pub fn new(when: When, answer: Answer) -> Self {
        Self { when, times: None, answer }
    }

    /// The rule, for so many requests only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

impl When {
    /// The last message that is not the model's own contains `text`.
    #[must_use]
    pub fn last_contains(text: &str) -> Self {
        Self { last_contains: Some(text.to_owned()), ..Self::default() }
    }

    /// Whether a request body meets the condition.
    #[must_use]
    pub fn matches(&self, body: &Value) -> bool {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let foreign: Vec<String> = messages
            .iter()
            .filter(|message| message["role"] != "assistant")
            .map(|message| text_of(&message["content"]))
            .collect();
        let last = foreign.last().map(String::as_str).unwrap_or_default();
        let results = messages.iter().filter(|message| message["role"] == "tool").count();
        self.last_contains.as_ref().is_none_or(|part| last.contains(part))
            && self.conversation_contains.iter().all(|part| foreign.iter().any(|text| text.contains(part)))
            && self.tool_results.is_none_or(|count| count == results)
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

impl Answer {
    /// A stream of steps.
    #[must_use]
    pub fn stream(steps: Vec<Step>) -> Self {
        Self::Stream { steps, split_at: None }
    }

    /// A whole answer in text, word by word.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let words = text.split_inclusive(' ').map(|word| Step::Text { text: word.to_owned() });
        Self::stream(words.chain(Step::ending("stop")).collect())
    }

    /// A whole answer of tool calls.
    #[must_use]
    pub fn tool_calls(calls: Vec<Step>) -> Self {
        Self::stream(calls.into_iter().chain(Step::ending("tool_calls")).collect())
    }

    /// An error with a JSON body in OpenAI's form.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Self {
        let body = serde_json::json!({"error": {"message": message}}).to_string();
        Self::http(status, &[("content-type", "application/json")], &body)
    }

    /// Any HTTP response.
    #[must_use]
    pub fn http(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::Http { status, headers, body: body.to_owned() }
    }
}

impl Step {
    /// A piece of text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned() }
    }

    /// A whole tool call in one piece.
    #[must_use]
    pub fn tool_call(id: &str, name: &str, arguments: Value) -> Self {
        Self::ToolCall { id: Some(id.to_owned()), name: name.to_owned(), arguments, pieces: 1 }
    }

    /// The usual end: finish reason, tokens, `[DONE]`.
    pub fn ending(reason: &str) -> impl Iterator<Item = Self> {
        [Self::Finish { reason: reason.to_owned() }, Self::Usage { input: 10, output: 5 }, Self::Done]
            .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn conversation(messages: &[(&str, &str)]) -> Value {
        let messages: Vec<Value> =
            messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        json!({"messages": messages})
    }

    #[test]
    fn a_script_survives_its_file_form() {
        let script = Script::three_subagents();
        let text = serde_json::to_string(&script).unwrap();
        assert_eq!(Script::from_json(&text).unwrap(), script);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = r#"{"rules": [{"wen": {}, "answer": {"kind": "hang"}}]}"#;
        assert!(Script::from_json(text).unwrap_err().to_string().contains("wen"));
    }

    #[test]
    fn conditions_look_at_the_last_foreign_message_and_count_tool_results() {
        let body = conversation(&[("user", "go"), ("tool", "one"), ("assistant", "go on")]);
        assert!(When { tool_results: Some(1), ..When::last_contains("one") }.matches(&body));
        assert!(!When::last_contains("go").matches(&body));
        assert!(!When { tool_results: Some(0), ..When::default() }.matches(&body));
    }

    #[test]
    fn the_three_subagents_script_tells_parent_children_and_results_apart() {
        let script = Script::three_subagents();
        let rule = |body: Value| script.rules.iter().position(|rule| rule.when.matches(&body));
        let receipts = [("user", "use three subagents"), ("tool", "1"), ("tool", "2"), ("tool", "3")];
        let result = |part| ("user", ["result-of-alpha", "result-of-beta", "result-of-gamma"][part]);
        let with =
            |results: &[(&'static str, &'static str)]| conversation(&[&receipts[..], results].concat());

        assert_eq!(rule(conversation(&receipts[..1])), Some(1), "the parent spawns");
        assert_eq!(rule(conversation(&[("user", "do part beta")])), Some(3), "a child works");
        assert_eq!(rule(with(&[])), Some(5), "the parent waits");
        assert_eq!(rule(with(&[result(0)])), Some(5), "the parent waits for the rest");
        assert_eq!(rule(with(&[result(0), result(1), result(2)])), Some(0), "the parent answers");
    }
}
