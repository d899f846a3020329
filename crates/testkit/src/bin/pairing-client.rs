//! A device for tests in other languages: reads one JSON command a line from the standard input, does
//! it, and prints one JSON answer a line. It ends with its input.
//!
//! ```text
//! {"connect": {"url": "ws://127.0.0.1:1", "device": 7, "scopes": ["operator.read"]}}
//!     {"hello": {...}}  or  {"error": {...}, "closed": {"code": 1008, "reason": "..."}}
//! {"request": {"method": "health", "params": {}}}
//!     {"payload": {...}}  or  {"error": {...}}
//! {"event": "chat"}       {"event": {...}}
//! {"closed": {}}          {"closed": {"code": 4001, "reason": "..."}}
//! {"close": {}}           {"closed": {"code": null, "reason": ""}}
//! ```
//!
//! Whatever else goes wrong is `{"failed": "a sentence"}`.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_testkit::client::{ClientError, Closed, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;

/// One line of the input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Command {
    Connect(Box<Attempt>),
    Request { method: String, params: Option<Value> },
    Event(String),
    Closed {},
    Close {},
}

/// How to connect; what is left out is as in [`ConnectOptions::default`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attempt {
    url: String,
    /// The number of the device's key. Without one, no device is sent.
    device: Option<u64>,
    client_id: Option<String>,
    client_mode: Option<String>,
    display_name: Option<String>,
    platform: Option<String>,
    device_family: Option<String>,
    role: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    token: Option<String>,
    device_token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut connection = None;
    // Lines are read between answers, so reading may block.
    for line in std::io::stdin().lock().lines() {
        let line = line.context("the standard input cannot be read")?;
        let command = serde_json::from_str(&line).with_context(|| format!("this is no command: {line}"))?;
        let answer = carry_out(command, &mut connection).await;
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

async fn carry_out(command: Command, connection: &mut Option<GatewayClient>) -> Value {
    if let Command::Connect(attempt) = command {
        // The one before ends when it is dropped.
        *connection = None;
        return match GatewayClient::open(&attempt.url).await {
            Ok(mut client) => {
                let answer = connect(&mut client, &(*attempt).into()).await;
                *connection = Some(client);
                answer
            }
            Err(error) => failed(&error),
        };
    }
    let Some(client) = connection else {
        return json!({ "failed": "there is no connection" });
    };
    let done = match command {
        Command::Connect(_) => return json!({ "failed": "connected already" }),
        Command::Request { method, params } => {
            match client.request(&method, params.unwrap_or(json!({}))).await {
                Err(ClientError::Answer(error)) => Ok(json!({ "error": error })),
                answer => answer.map(|payload| json!({ "payload": payload })),
            }
        }
        // Tests ask for few events, and the process is short-lived.
        Command::Event(name) => client.event(name.leak()).await.map(|payload| json!({ "event": payload })),
        Command::Closed {} => client.closed().await.map(|closed| json!({ "closed": words(&closed) })),
        Command::Close {} => match connection.take() {
            Some(client) => {
                client.close().await.map(|()| json!({ "closed": { "code": null, "reason": "" } }))
            }
            None => return json!({ "failed": "there is no connection" }),
        },
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Says who it is. A refusal is printed together with how the connection ended after it.
async fn connect(client: &mut GatewayClient, options: &ConnectOptions) -> Value {
    match client.connect(options).await {
        Ok(hello) => json!({ "hello": hello }),
        Err(ClientError::Answer(error)) => match client.closed().await {
            Ok(closed) => json!({ "error": error, "closed": words(&closed) }),
            Err(_) => json!({ "error": error, "closed": null }),
        },
        Err(error) => failed(&error),
    }
}

fn words(closed: &Closed) -> Value {
    json!({ "code": closed.code, "reason": closed.reason })
}

fn failed(error: &ClientError) -> Value {
    json!({ "failed": error.to_string() })
}

impl From<Attempt> for ConnectOptions {
    fn from(attempt: Attempt) -> Self {
        let mut options = Self::default();
        options.client_id = attempt.client_id.unwrap_or(options.client_id);
        options.client_mode = attempt.client_mode.unwrap_or(options.client_mode);
        options.display_name = attempt.display_name;
        options.platform = attempt.platform.unwrap_or(options.platform);
        options.device_family = attempt.device_family;
        options.role = attempt.role.unwrap_or(options.role);
        options.scopes = attempt.scopes;
        options.token = attempt.token;
        options.device_token = attempt.device_token;
        options.device = attempt.device.map(DeviceIdentity::numbered);
        options
    }
}
