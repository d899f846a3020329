//! A program that serves with a scripted model.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_integration_tests::serving::Serving;
use tidegate_testkit::client::GatewayClient;
use tidegate_testkit::model_server::{Script, ScriptedModel};

use crate::task::Task;

/// For a run: the machine may be busy.
const RUN: Duration = Duration::from_mins(2);

/// Starts it, with the model chosen.
///
/// # Panics
/// When it does not serve.
pub async fn serve(script: Script) -> (Serving, ScriptedModel) {
    let model = ScriptedModel::start(script).await.unwrap();
    let serving = Serving::start().await;
    let url = model.base_url();
    let add = ["models", "add", "scripted", "--base-url", &url, "--model", "scripted", "--no-key"];
    serving.cli(&add).await;
    serving.cli(&["models", "use", "scripted/scripted"]).await;
    (serving, model)
}

/// Does a task in a chat of its own, and gives what was said in it.
///
/// # Panics
/// When it does not end well.
pub async fn work_on(client: &mut GatewayClient, number: usize, task: &Task) -> Vec<Value> {
    let work = async {
        let session = format!("agent:main:task-{number}");
        let run = format!("run-of-task-{number}");
        let message = json!({ "sessionKey": session, "message": task.message, "idempotencyKey": run });
        client.request("chat.send", message).await.unwrap();
        let wait = json!({ "runId": run, "timeoutMs": RUN.as_millis() });
        let waited = client.request("agent.wait", wait).await.unwrap();
        assert_eq!(waited["status"], "ok", "{}: {waited}", task.message);
        loop {
            let history = client.request("chat.history", json!({ "sessionKey": session })).await.unwrap();
            let messages = history["messages"].as_array().unwrap().clone();
            if messages.iter().any(|message| message.to_string().contains(task.done)) {
                return messages;
            }
            // Results of subagents wake the chat.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(RUN, work).await.unwrap_or_else(|_| panic!("no end of: {}", task.message))
}
