//! A program that serves, with the person: a device of theirs, and their command line.

use std::path::PathBuf;
use std::pin::pin;

use serde_json::{Value, json};
use tidegate_protocol::Scope;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;

use crate::device::{self, record};
use crate::place::Place;
use crate::program::{self, Program, Ready, TOKEN, choose_offline_model};

/// The program under test.
pub const BINARY: &str = "tidegate-under-test";
/// The person's device, by its number.
pub const PERSON: u64 = 0;

/// It runs on a place of its own, with the built-in model.
#[derive(Debug)]
pub struct Serving {
    /// Its state, and what lies beside it.
    pub place: Place,
    pub program: Program,
    /// Where it serves.
    pub ready: Ready,
}

impl Serving {
    /// Starts it, with the person's device approved.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn start() -> Self {
        let place = Place::new();
        choose_offline_model(&place.state_dir());
        let key = device::public_key(&DeviceIdentity::numbered(PERSON));
        let person = record(key, "person", &[Scope::Write, Scope::Admin, Scope::Approvals]);
        device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(person))]).await;
        Self::start_on(place).await
    }

    /// Starts it on what an earlier one left.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn start_on(place: Place) -> Self {
        let mut program = Program::start(BINARY, &place);
        let ready = program.ready().await;
        Self { place, program, ready }
    }

    /// The workspace of its agent.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.place.outside().join("state-workspace")
    }

    /// A connection of the person's device.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self, caps: &[&str]) -> Result<GatewayClient, ClientError> {
        let options = ConnectOptions::default()
            .device(&DeviceIdentity::numbered(PERSON))
            .token(TOKEN)
            .caps(caps)
            .scopes(&["operator.write", "operator.admin", "operator.approvals"]);
        let mut client = GatewayClient::open(&self.ready.url()).await?;
        client.connect(&options).await?;
        Ok(client)
    }

    /// What the person's command line prints.
    ///
    /// # Errors
    /// The exit code, and what it prints as the error.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn try_cli(&self, arguments: &[&str]) -> Result<String, (Option<i32>, String)> {
        let output = program::run(BINARY, &self.place, arguments).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err((output.status.code(), text(output.stderr))),
        }
    }

    /// The same, where it has to work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        let done = self.try_cli(arguments).await;
        done.unwrap_or_else(|(code, told)| panic!("{arguments:?} ended with {code:?}: {told}"))
    }

    /// What it prints as JSON.
    ///
    /// # Panics
    /// When it does not work.
    pub async fn cli_json(&self, arguments: &[&str]) -> Value {
        let printed = self.cli(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
    }

    /// What the demo model says to a message, and what came of deciding about what it asks for.
    ///
    /// # Panics
    /// When it ends before that is decided.
    pub async fn agent_says<T>(&self, message: &str, decided: impl Future<Output = T>) -> (String, T) {
        let arguments = ["agent", "--message", message];
        let mut said = pin!(program::run(BINARY, &self.place, &arguments));
        let decided = tokio::select! {
            ended = &mut said => panic!("it ended without a question: {ended:?}"),
            decided = decided => decided,
        };
        (String::from_utf8(said.await.stdout).unwrap(), decided)
    }

    /// The id of what waits for the person's decision, as soon as something does.
    ///
    /// # Panics
    /// When the command line does not work.
    pub async fn waiting(&self) -> String {
        loop {
            if let Some(id) = self.cli_json(&["approvals", "list"]).await[0]["id"].as_str() {
                return id.to_owned();
            }
        }
    }
}

/// Waits until a command of an agent asks, and allows it once.
///
/// # Panics
/// When none asks, or it cannot be allowed.
pub async fn allow_next(client: &mut GatewayClient) {
    let requested = client.event("exec.approval.requested").await.unwrap();
    let allow = json!({ "id": requested["id"], "decision": "allow-once" });
    client.request("exec.approval.resolve", allow).await.unwrap();
}
