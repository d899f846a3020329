//! A task, and a model that does it by script.

use serde_json::{Value, json};
use tidegate_testkit::model_server::{Answer, Rule, Step, When};

/// A task: what the person writes, and what says that it is done.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The message, which no other task contains.
    pub message: &'static str,
    /// What the model says at its end.
    pub done: &'static str,
    /// How many commands it runs, those of its subagents with it.
    pub commands: usize,
}

/// A task that is done by one answer of tool calls after the other.
#[must_use]
pub fn steps(task: &Task, answers: impl IntoIterator<Item = Vec<Step>>) -> Vec<Rule> {
    let mut results = 0;
    let mut rules = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        let calls = answer.len();
        let answer: Vec<Step> = answer
            .into_iter()
            .enumerate()
            .map(|(call, step)| match step {
                Step::ToolCall { name, arguments, .. } => {
                    Step::tool_call(&format!("call-{number}-{call}"), &name, arguments)
                }
                step => step,
            })
            .collect();
        rules.push(Rule::new(after(task, results), Answer::tool_calls(answer)));
        results += calls;
    }
    rules.push(Rule::new(after(task, results), Answer::text(task.done)));
    rules
}

/// Once a task has so many results of tools.
#[must_use]
pub fn after(task: &Task, results: usize) -> When {
    When {
        conversation_contains: vec![task.message.to_owned()],
        tool_results: Some(results),
        ..When::default()
    }
}

/// Calls of tools, in one answer.
#[must_use]
pub fn calls<const N: usize>(calls: [(&str, Value); N]) -> Vec<Step> {
    calls.into_iter().map(|(name, arguments)| Step::tool_call("call", name, arguments)).collect()
}

/// A call of a command without needs.
#[must_use]
pub fn exec_call(command: &str) -> (&'static str, Value) {
    ("exec", json!({ "command": command }))
}

/// An answer with one command without needs.
#[must_use]
pub fn exec(command: &str) -> Vec<Step> {
    calls([exec_call(command)])
}
