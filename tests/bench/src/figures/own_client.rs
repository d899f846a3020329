//! Our own client's admission, with each kind of keyring.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tidegate_host::{Announcement, ServeOptions};
use tidegate_secrets::{Backend, BackendError, SecretName, SecretStore, SecretText};

use crate::report::Row;
use crate::server::{own_part, state_directory};
use crate::setting::Setting;
use crate::statistics::median;

const STARTS: usize = 10;

/// What the process is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_enum)]
    keyring: Keyring,
    /// The program for tools; none is started
    #[arg(long)]
    tool_runner: std::path::PathBuf,
}

/// A keyring that keeps records in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Keyring {
    /// It answers at once
    Present,
    /// There is none
    Absent,
    /// It answers after 3 seconds
    Slow,
}

impl Keyring {
    const ALL: [Self; 3] = [Self::Present, Self::Absent, Self::Slow];

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

struct FakeKeyring {
    kind: Keyring,
    records: HashMap<SecretName, String>,
}

impl FakeKeyring {
    fn work(&self) -> Result<(), BackendError> {
        match self.kind {
            Keyring::Present => Ok(()),
            Keyring::Absent => Err(BackendError::Absent("there is no session bus".to_owned())),
            Keyring::Slow => {
                // On the secret store's own thread, as a real keyring would block it.
                thread::sleep(Duration::from_secs(3));
                Ok(())
            }
        }
    }
}

impl Backend for FakeKeyring {
    fn read(&mut self, name: &SecretName) -> Result<Option<SecretText>, BackendError> {
        self.work()?;
        Ok(self.records.get(name).cloned().map(SecretText::new))
    }

    fn write(&mut self, name: &SecretName, value: &SecretText) -> Result<(), BackendError> {
        self.work()?;
        self.records.insert(name.clone(), value.expose().to_owned());
        Ok(())
    }

    fn delete(&mut self, name: &SecretName) -> Result<bool, BackendError> {
        self.work()?;
        Ok(self.records.remove(name).is_some())
    }
}

/// What one start tells, in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    /// From the call of `start` until the host serves and says so.
    ready: f64,
    /// How long after that our own client was let in; zero when it was before.
    after_ready: f64,
}

/// Starts a host on a new state directory and prints what it tells.
pub(crate) async fn run_once(arguments: Arguments) -> anyhow::Result<()> {
    let directory = state_directory()?;
    let ready = Arc::new(Mutex::new(None));
    let set_ready = Arc::clone(&ready);
    let began = Instant::now();
    let options = ServeOptions {
        state_dir: Some(directory.path().join("state")),
        port: Some(0),
        quiet: true,
        tool_runner: arguments.tool_runner,
        secrets: Some(SecretStore::with_backend(FakeKeyring {
            kind: arguments.keyring,
            records: HashMap::new(),
        })),
        local_models: Some(Vec::new()),
        announce: Box::new(move |announcement| {
            if let (Announcement::Ready { .. }, Ok(mut ready)) = (announcement, set_ready.lock()) {
                *ready = Some((began.elapsed(), SystemTime::now()));
            }
        }),
        ..ServeOptions::default()
    };
    let host = tidegate_host::start(options).await?;
    let (ready, ready_at) = ready.lock().ok().and_then(|ready| *ready).context("the host was never ready")?;
    let status = host.gateway().status();
    let admitted = status.own_client.and_then(|client| client.admitted_at_ms);
    let admitted = admitted.context("our own client was not let in")?.0;
    let ready_at = ready_at.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64() * 1e3;
    let admitted = Duration::from_millis(admitted).as_secs_f64() * 1e3;
    let measured = Measured { ready: ready.as_secs_f64() * 1e3, after_ready: (admitted - ready_at).max(0.0) };
    println!("{}", serde_json::to_string(&measured)?);
    host.stop().await;
    drop(directory);
    // A keyring that still sleeps is not waited for.
    std::process::exit(0);
}

pub(super) async fn admission(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let mut after = Vec::new();
    let mut ready = HashMap::<String, Vec<f64>>::new();
    for _ in 0..STARTS {
        for keyring in Keyring::ALL {
            let measured = start(setting, keyring).await?;
            after.push(measured.after_ready);
            ready.entry(keyring.name()).or_default().push(measured.ready);
        }
    }
    let median_of = |keyring: Keyring| median(ready.get(&keyring.name()).map_or(&[], Vec::as_slice));
    let medians = Keyring::ALL.map(|keyring| format!("{} {:.1} ms", keyring.name(), median_of(keyring)));
    let slowest = Keyring::ALL.map(median_of).into_iter().fold(0.0, f64::max);
    let worst = after.iter().copied().fold(0.0, f64::max);
    let note = format!(
        "{STARTS} starts each with a keyring that is present, absent, slow (3 s); a stand-in in the process, not a \
         real keyring. A host says that it is ready only once its own client is in, so the wait is in the start: \
         until ready {} (new store).",
        medians.join(", ")
    );
    Ok(vec![
        Row::new("own client admitted after ready", worst, "ms").limits(20.0, 2.0).note(note),
        Row::new("a start without a quick keyring, longer by", slowest - median_of(Keyring::Present), "ms")
            .limits(20.0, None),
    ])
}

async fn start(setting: &Setting, keyring: Keyring) -> anyhow::Result<Measured> {
    let text =
        own_part(&["own-client", "--keyring", &keyring.name(), "--tool-runner"], &setting.tidegate).await?;
    serde_json::from_str(text.trim()).context(text)
}
