//! A person who answers what they are asked, as most people would.

use serde_json::{Value, json};
use tidegate_integration_tests::control::Control;
use tidegate_testkit::client::GatewayClient;

/// How a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Makes a rule of two words where that is offered first, and denies the rest.
    AllowsOneRule,
    /// Gives the folder at the first question, and denies the rest.
    AllowsTheFolderOnceThenDenies,
    /// No question gets more than a denial without words.
    Denies,
    /// Gives a folder to contained commands when that is offered, and allows the rest once.
    AllowsTheFolder,
    /// Allows everything once.
    AllowsOnce,
}

/// Where a person decides.
pub enum DecidesAt {
    /// The command line, where no desktop runs.
    CommandLine(Control),
    /// A client to which they gave the right to approve.
    Client(Box<GatewayClient>),
}

/// A person, and what they were asked so far.
pub struct Person {
    place: DecidesAt,
    habit: Habit,
    asked: Vec<Value>,
}

impl Person {
    /// A person whom nobody asked yet.
    #[must_use]
    pub fn new(place: DecidesAt, habit: Habit) -> Self {
        Self { place, habit, asked: Vec::new() }
    }

    /// Answers until `work` is done.
    ///
    /// # Panics
    /// When the gateway does not take an answer.
    pub async fn answers_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.answer_what_waits() => {}
            }
        }
    }

    /// The commands and files that were decided, each with what it needed.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let title = |asked: &Value| {
            let request = &asked["request"];
            let needs = request["confinement"]["needs"].as_array().map(Vec::as_slice).unwrap_or_default();
            let needs: Vec<&str> = needs.iter().filter_map(Value::as_str).collect();
            format!("{} [{}]", request["command"].as_str().unwrap_or_default(), needs.join(" "))
        };
        self.asked.iter().map(title).collect()
    }

    fn verdict(&self, asked: &Value) -> Value {
        let offers = asked["offers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let kind = match self.habit {
            Habit::AllowsTheFolder => "contained",
            Habit::AllowsTheFolderOnceThenDenies if self.asked.is_empty() => "contained",
            Habit::AllowsOneRule if self.asked.is_empty() => "rule",
            _ => "none",
        };
        let offered = offers.iter().find(|offered| offered["offer"]["kind"] == kind);
        match (offered, self.habit) {
            (Some(offered), _) => json!({ "decision": "permit", "offer": offered["offer"] }),
            (None, Habit::AllowsTheFolder | Habit::AllowsOnce) => json!({ "decision": "allowOnce" }),
            (None, _) => json!({ "decision": "deny", "words": null }),
        }
    }

    async fn answer_what_waits(&mut self) {
        let waiting = self.place.call("exec.approval.list", json!({})).await.expect("the list");
        for asked in waiting.as_array().into_iter().flatten() {
            let verdict = self.verdict(asked);
            match self.place.decide(&asked["id"], &verdict).await {
                Ok(_) => self.asked.push(asked.clone()),
                // An earlier answer covered it, so that nobody had to decide.
                Err(told) => assert!(told.contains("unknown or expired approval id"), "{told}"),
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

impl DecidesAt {
    async fn decide(&mut self, id: &Value, verdict: &Value) -> Result<Value, String> {
        match self {
            Self::CommandLine(_) => {
                self.call("tidegate.approvals.decide", json!({ "id": id, "verdict": verdict })).await
            }
            Self::Client(_) => {
                assert_eq!(verdict["decision"], "allowOnce", "a client gives no more");
                self.call("exec.approval.resolve", json!({ "id": id, "decision": "allow-once" })).await
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        match self {
            Self::CommandLine(control) => {
                control.call(method, params).await.map_err(|error| error.to_string())
            }
            Self::Client(client) => client.request(method, params).await.map_err(|error| error.to_string()),
        }
    }
}
