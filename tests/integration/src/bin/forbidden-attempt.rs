//! What a command of an agent may try against the gateway that started it: one attempt, and what came
//! of it as one line of JSON. A stand-in for the scripts that an attacker would write.
//!
//! ```text
//! forbidden-attempt socket PATH METHOD PARAMS    a raw request on the local socket
//! forbidden-attempt connect PORT TOKEN           a WebSocket with the shared token
//! forbidden-attempt connect PORT TOKEN NUMBER    the same with the key of a device
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_testkit::client::{ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an answer on the local socket is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the answer is the program's result")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["socket", path, method, params] => on_the_socket(path, method, params).await,
        ["connect", port, token] => connect(port, token, None).await,
        ["connect", port, token, number] => match number.parse() {
            Ok(number) => connect(port, token, Some(DeviceIdentity::numbered(number))).await,
            Err(_) => return ExitCode::from(2),
        },
        _ => return ExitCode::from(2),
    };
    println!("{result}");
    ExitCode::SUCCESS
}

/// Everything that the socket answers until it is closed, or for a while.
async fn on_the_socket(path: &str, method: &str, params: &str) -> Value {
    let params: Value = serde_json::from_str(params).unwrap_or_default();
    let request = json!({ "type": "req", "id": "1", "method": method, "params": params });
    let mut answer = Vec::new();
    let tried = async {
        let mut socket = UnixStream::connect(path).await?;
        // A socket that is closed at once takes nothing, and still says why.
        let _ = socket.write_all(format!("{request}\n").as_bytes()).await;
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        Ok::<_, std::io::Error>(())
    };
    match tried.await {
        Ok(()) => json!({ "answer": String::from_utf8_lossy(&answer) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

async fn connect(port: &str, token: &str, device: Option<DeviceIdentity>) -> Value {
    let scopes = ["operator.admin", "operator.approvals", "operator.pairing"];
    let mut options = ConnectOptions::default().token(token).scopes(&scopes);
    if let Some(device) = device {
        options = options.device(&device);
    }
    let connected = async {
        let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await?;
        client.connect(&options).await
    };
    match connected.await {
        Ok(hello) => json!({ "admitted": hello["auth"] }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
