//! A gateway in memory, a person who answers as told, and the command between them.

pub(crate) mod answers;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_cli::client::{Gone, Wire};
use tidegate_cli::output::Output;
use tidegate_cli::person::Person;
use tidegate_cli::{Arguments, Command, Failure, Surroundings, report, run};
use tidegate_protocol::payload::events::WelcomeEvent;
use tidegate_protocol::rpc::Rpc;
use tidegate_protocol::{ErrorCode, ErrorShape, UnixMillis};
use tokio::sync::{Notify, mpsc};

/// The clock of all tests.
pub(crate) const NOW: u64 = 1_700_000_120_000;

/// What the gateway sends for a request: frames in order, or the end of the connection.
pub(crate) type Script = Box<dyn FnMut(&str, &Value, &str) -> Reply + Send>;

/// What comes of a request.
pub(crate) enum Reply {
    Frames(Vec<Value>),
    /// The connection ends.
    HangUp,
}

impl Reply {
    /// The frame of a successful response.
    pub(crate) fn ok(id: &str, payload: impl Serialize) -> Self {
        Self::Frames(vec![answer(id, payload)])
    }

    /// The frame of a response with an error.
    pub(crate) fn error(id: &str, error: &ErrorShape) -> Self {
        Self::Frames(vec![json!({ "type": "res", "id": id, "ok": false, "error": error })])
    }
}

/// What a method is answered with.
pub(crate) fn to<R: Rpc>(answer: R::Result) -> (&'static str, Value) {
    (R::METHOD.name(), json!(answer))
}

/// A successful answer's frame.
pub(crate) fn answer(id: &str, payload: impl Serialize) -> Value {
    json!({ "type": "res", "id": id, "ok": true, "payload": payload })
}

/// An event's frame.
pub(crate) fn event(name: &str, payload: impl Serialize) -> Value {
    json!({ "type": "event", "event": name, "payload": payload })
}

/// The refusal where the desktop's dialog was opened instead.
pub(crate) fn desktop_decides(id: &str) -> Reply {
    let details = json!({ "reason": "DESKTOP_DECIDES", "opened": true });
    let error = ErrorShape::new(ErrorCode::Forbidden, "Tidegate's dialog was opened; decide there");
    Reply::error(id, &error.with_details(details))
}

/// The stage of one test.
pub(crate) struct Stage {
    first: Vec<Value>,
    script: Script,
    person: Answers,
    is_absent: bool,
    pub(crate) interrupt: Arc<Notify>,
    interrupted_at: Option<String>,
}

/// What came of a command.
pub(crate) struct Outcome {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) requests: Vec<(String, Value)>,
    pub(crate) questions: VecDeque<String>,
}

impl Outcome {
    /// The parameters of the one request of a method.
    pub(crate) fn sent(&self, method: &str) -> &Value {
        let mut found = self.requests.iter().filter(|(name, _)| name == method);
        let (Some((_, params)), None) = (found.next(), found.next()) else {
            panic!("{method} was not called exactly once: {:?}", self.requests);
        };
        params
    }

    /// The same, as what the method takes.
    pub(crate) fn asked<R: Rpc>(&self) -> R::Params {
        serde_json::from_value(self.sent(R::METHOD.name()).clone()).unwrap()
    }

    /// Whether a method was called.
    pub(crate) fn was_called(&self, method: &str) -> bool {
        self.requests.iter().any(|(name, _)| name == method)
    }
}

impl Stage {
    /// A gateway without a desktop that answers by method name; a method that is not listed is
    /// answered with an error.
    pub(crate) fn answering<const N: usize>(answers: [(&'static str, Value); N]) -> Self {
        Self::scripted(move |method, _, id| match answers.iter().find(|(name, _)| *name == method) {
            Some((_, payload)) => Reply::ok(id, payload.clone()),
            None => Reply::error(id, &ErrorShape::invalid(format!("unknown method: {method}"))),
        })
    }

    /// A gateway that does what a script says.
    pub(crate) fn scripted(script: impl FnMut(&str, &Value, &str) -> Reply + Send + 'static) -> Self {
        Self {
            first: vec![welcome(false)],
            script: Box::new(script),
            person: Answers::default(),
            is_absent: false,
            interrupt: Arc::new(Notify::new()),
            interrupted_at: None,
        }
    }

    /// The person presses Ctrl-C when this is printed to the standard error.
    pub(crate) fn interrupted_at(mut self, text: &str) -> Self {
        self.interrupted_at = Some(text.to_owned());
        self
    }

    /// The same with a desktop.
    pub(crate) fn with_desktop(self) -> Self {
        self.greeting(vec![welcome(true)])
    }

    /// The same with other first frames; without any the connection ends at once.
    pub(crate) fn greeting(mut self, first: Vec<Value>) -> Self {
        self.first = first;
        self
    }

    /// Makes every attempt to connect fail.
    pub(crate) fn not_running(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// A person at a terminal who answers the questions so.
    pub(crate) fn person(mut self, yes: bool) -> Self {
        self.person.yes = Some(yes);
        self
    }

    /// A person at a terminal who types these lines, and then closes the input.
    pub(crate) fn typing(self, lines: &[&str]) -> Self {
        let (to, typed) = std::sync::mpsc::channel();
        for line in lines {
            to.send((*line).to_owned()).unwrap();
        }
        self.typed(typed)
    }

    /// A person at a terminal who types what comes from elsewhere.
    pub(crate) fn typed(mut self, lines: std::sync::mpsc::Receiver<String>) -> Self {
        self.person.lines = Mutex::new(Some(lines));
        self.person(false)
    }

    /// What is typed or piped as a secret.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.person.secret = secret.to_owned();
        self
    }

    /// Runs a command line.
    pub(crate) async fn run(mut self, words: &[&str]) -> Outcome {
        let typed = std::iter::once("tidegate").chain(words.iter().copied());
        let arguments = Arguments::try_parse_from(typed).unwrap_or_else(|problem| panic!("{problem}"));
        let Command::Control(command) = arguments.command else { panic!("not for a gateway") };
        let (out, mut err) = (Captured::default(), Captured::default());
        err.pressed_at = self.interrupted_at.map(|text| (text, self.interrupt.clone()));
        let person = Arc::new(self.person);
        let mut surroundings = Surroundings {
            output: Output::new(Box::new(out.clone()), Box::new(err.clone())),
            person: person.clone(),
            clock: || UnixMillis(NOW),
            zone: || TimeZone::UTC,
            interrupt: self.interrupt,
            json: arguments.json,
            state_dir: arguments.state_dir,
        };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (wire, gateway) = wires();
        let (first, is_absent) = (std::mem::take(&mut self.first), self.is_absent);
        let asked = requests.clone();
        let serving = tokio::spawn(serve(gateway, first, self.script, asked));
        let result = run(&command, &mut surroundings, async || match is_absent {
            true => Err(Failure::NotRunning { with_state_dir: false }),
            false => Ok(wire),
        })
        .await;
        let code = report(result, &mut surroundings.output);
        serving.abort();
        let requests = requests.lock().unwrap().clone();
        let questions = person.questions.lock().unwrap().clone();
        Outcome { code, out: out.text(), err: err.text(), requests, questions }
    }
}

fn welcome(desktop: bool) -> Value {
    event("tidegate.welcome", WelcomeEvent { version: "0.1.0".to_owned(), desktop })
}

async fn serve(
    mut gateway: MemoryWire,
    first: Vec<Value>,
    mut script: Script,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
) {
    if first.is_empty() {
        return;
    }
    for frame in first {
        gateway.send(frame.to_string()).await.unwrap();
    }
    while let Some(text) = gateway.receive().await {
        let request: Value = serde_json::from_str(&text).unwrap();
        let field = |name: &str| request[name].as_str().unwrap().to_owned();
        assert_eq!(field("type"), "req");
        requests.lock().unwrap().push((field("method"), request["params"].clone()));
        match script(&field("method"), &request["params"], &field("id")) {
            Reply::Frames(frames) => {
                for frame in frames {
                    gateway.send(frame.to_string()).await.unwrap();
                }
            }
            Reply::HangUp => return,
        }
    }
}

/// One end of a connection in memory.
pub(crate) struct MemoryWire {
    to: mpsc::UnboundedSender<String>,
    from: mpsc::UnboundedReceiver<String>,
}

fn wires() -> (MemoryWire, MemoryWire) {
    let (to_gateway, from_client) = mpsc::unbounded_channel();
    let (to_client, from_gateway) = mpsc::unbounded_channel();
    (MemoryWire { to: to_gateway, from: from_gateway }, MemoryWire { to: to_client, from: from_client })
}

impl Wire for MemoryWire {
    async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.to.send(text).map_err(|_| Gone)
    }

    async fn receive(&mut self) -> Option<String> {
        self.from.recv().await
    }
}

#[derive(Default)]
struct Answers {
    /// What is answered; nobody is there when it is not set.
    yes: Option<bool>,
    secret: String,
    lines: Mutex<Option<std::sync::mpsc::Receiver<String>>>,
    questions: Mutex<VecDeque<String>>,
}

impl Person for Answers {
    fn is_present(&self) -> bool {
        self.yes.is_some()
    }

    fn confirm(&self, question: &str) -> io::Result<bool> {
        self.questions.lock().unwrap().push_back(question.to_owned());
        self.yes.ok_or_else(|| io::Error::other("nobody is there"))
    }

    fn line(&self, prompt: &str) -> io::Result<Option<String>> {
        self.questions.lock().unwrap().push_back(prompt.to_owned());
        let lines = self.lines.lock().unwrap();
        Ok(lines.as_ref().and_then(|lines| lines.recv().ok()))
    }

    fn secret(&self, prompt: &str) -> io::Result<String> {
        self.questions.lock().unwrap().push_back(prompt.to_owned());
        Ok(self.secret.clone())
    }

    fn input(&self) -> io::Result<String> {
        Ok(self.secret.clone())
    }
}

#[derive(Clone, Default)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Ctrl-C is pressed, once, when this is printed.
    pressed_at: Option<(String, Arc<Notify>)>,
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        let text = self.text();
        if let Some((_, interrupt)) = self.pressed_at.take_if(|(at, _)| text.contains(at.as_str())) {
            interrupt.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
