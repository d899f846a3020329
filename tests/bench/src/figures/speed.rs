//! Processor time per operation, against the bare server.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_testkit::bare_server::ReplySizes;
use tidegate_testkit::client::{ConnectOptions, GatewayClient};
use tidegate_testkit::load::{self, AnswerSize, LoadConnection, LoadDevice, connect_all};
use tokio::time::sleep;

use crate::ordinary_user::OrdinaryUser;
use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::median;

const ROUNDS: usize = 5;
const DEVICES: u64 = 64;
/// Handshakes at once: enough to keep the server busy, few enough not to crowd the gate.
const AT_ONCE: usize = 8;
const CONNECTIONS: usize = 64;
/// How long commands may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// The closing of the last connections is over by then.
const SETTLE: Duration = Duration::from_millis(100);

fn devices() -> Vec<ConnectOptions> {
    (0..DEVICES).map(|number| LoadDevice::numbered(number).options(&["operator.read"])).collect()
}

/// Ours and the bare server with replies of the same length, each on the second processor.
async fn both(setting: &Setting) -> anyhow::Result<(Server, Server, ReplySizes)> {
    let ours = Server::tidegate(setting, Processors::One, DEVICES).await?;
    let (mut connection, AnswerSize(hello)) = LoadConnection::connected(ours.port(), &devices()[0]).await?;
    let AnswerSize(health) = connection.health().await?;
    connection.close().await;
    let sizes = ReplySizes { hello, health };
    let bare = Server::bare(setting, Processors::One, sizes).await?;
    Ok((ours, bare, sizes))
}

/// What operations cost, in microseconds each.
#[derive(Default)]
struct Costs {
    processor: Vec<f64>,
    wall: Vec<f64>,
}

impl Costs {
    async fn add<T>(
        &mut self,
        server: &Server,
        count: u64,
        work: impl Future<Output = Result<T, load::LoadError>>,
    ) -> anyhow::Result<T> {
        let (before, since) = (server.processor_seconds()?, Instant::now());
        let done = work.await?;
        let wall = since.elapsed().as_secs_f64();
        sleep(SETTLE).await;
        let per_operation = 1e6 / f64::from(u32::try_from(count)?);
        self.processor.push((server.processor_seconds()? - before) * per_operation);
        self.wall.push(wall * per_operation);
        Ok(done)
    }
}

fn row(name: &str, ours: &Costs, bare: &Costs, more: &str) -> Row {
    let ratios: Vec<f64> =
        ours.processor.iter().zip(&bare.processor).map(|(ours, bare)| ours / bare).collect();
    let note = format!(
        "{:.1} us of processor time each, bare {:.1} us; wall {:.1} us and {:.1} us. {more}",
        median(&ours.processor),
        median(&bare.processor),
        median(&ours.wall),
        median(&bare.wall),
    );
    Row::sample(name, &ratios, "x bare").note(note)
}

pub(super) async fn handshake(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let count = if setting.full { 10_000 } else { 3_000 };
    let (ours, bare, sizes) = both(setting).await?;
    let devices = devices();
    let (mut our_costs, mut bare_costs) = (Costs::default(), Costs::default());
    for server in [&ours, &bare] {
        load::handshakes(server.port(), &devices, count / 10, AT_ONCE).await?;
    }
    for _ in 0..ROUNDS {
        our_costs.add(&ours, count, load::handshakes(ours.port(), &devices, count, AT_ONCE)).await?;
        bare_costs.add(&bare, count, load::handshakes(bare.port(), &devices, count, AT_ONCE)).await?;
    }
    let more = format!(
        "From accept to close; {count} a round, {AT_ONCE} at a time, {DEVICES} devices; hello-ok has {} bytes.",
        sizes.hello
    );
    let row = row("signed handshake, processor time", &our_costs, &bare_costs, &more).limits(2.5, 1.4);
    Ok(vec![row])
}

pub(super) async fn handshake_beside_commands(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let count = if setting.full { 10_000 } else { 3_000 };
    let user = OrdinaryUser::new()?;
    let workspace = user.directory().join("state-workspace");
    let server = Server::tidegate_as(user, setting, Processors::One, DEVICES).await?;
    let devices = devices();
    load::handshakes(server.port(), &devices, count / 10, AT_ONCE).await?;
    let (mut beside, mut without) = (Costs::default(), Costs::default());
    for round in 0..ROUNDS {
        without.add(&server, count, load::handshakes(server.port(), &devices, count, AT_ONCE)).await?;
        let commands = SleepingCommands::start(&server, &workspace, round).await?;
        beside.add(&server, count, load::handshakes(server.port(), &devices, count, AT_ONCE)).await?;
        commands.end(&server).await?;
    }
    let ratios: Vec<f64> =
        beside.processor.iter().zip(&without.processor).map(|(beside, without)| beside / without).collect();
    let note = format!(
        "as an ordinary user, while {COMMANDS} contained commands sleep: {:.1} us of processor time each, without \
         commands {:.1} us; {count} a round, {AT_ONCE} at a time, none refused.",
        median(&beside.processor),
        median(&without.processor),
    );
    let name = "signed handshake beside 8 commands, processor time";
    Ok(vec![Row::sample(name, &ratios, "x without").limits(1.1, None).note(note)])
}

/// As many as run at once: four of sessions that a person talks to, and four of subagents.
const COMMANDS: usize = 8;

/// Commands of agents that sleep until they are reported to end.
struct SleepingCommands {
    client: GatewayClient,
    go_on: PathBuf,
}

impl SleepingCommands {
    async fn start(server: &Server, workspace: &Path, round: usize) -> anyhow::Result<Self> {
        let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{}", server.port())).await?;
        let scopes = ["operator.admin", "operator.approvals"];
        client.connect(&LoadDevice::numbered(0).options(&scopes)).await?;
        let go_on = workspace.join(format!("go-on-{round}"));
        let script = format!("touch \"running-$1\"; until [ -e go-on-{round} ]; do sleep 1; done\n");
        fs::create_dir_all(workspace)?;
        fs::write(workspace.join("sleep.sh"), script)?;
        for number in 0..COMMANDS {
            let session = format!("agent:main:sleeper-{round}-{number}");
            let run = format!("/run sh ./sleep.sh {round}-{number}");
            let said = if number % 2 == 0 { format!("/spawn sleeper: {run}") } else { run };
            let message = json!({ "sessionKey": session, "message": said, "idempotencyKey": session });
            client.request("chat.send", message).await?;
            let requested = client.event("exec.approval.requested").await?;
            let class = &requested["request"]["confinement"]["class"];
            anyhow::ensure!(class == "contained", "there is no whole sandbox here: the class is {class}");
            let allow = json!({ "id": requested["id"], "decision": "allow-once" });
            client.request("exec.approval.resolve", allow).await?;
            let running = workspace.join(format!("running-{round}-{number}"));
            until(|| running.exists()).await?;
        }
        Ok(Self { client, go_on })
    }

    /// Lets them end, and waits until the server has no process below it.
    async fn end(self, server: &Server) -> anyhow::Result<()> {
        fs::write(&self.go_on, "")?;
        until(|| server.has_children().is_ok_and(|any| !any)).await?;
        self.client.close().await?;
        Ok(())
    }
}

async fn until(holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        anyhow::ensure!(Instant::now() < deadline, "the commands neither start nor end");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

pub(super) async fn health(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let count = if setting.full { 400_000 } else { 100_000 };
    let (ours, bare, sizes) = both(setting).await?;
    let (mut our_costs, mut bare_costs) = (Costs::default(), Costs::default());
    let mut to_ours = connect_all(ours.port(), devices(), AT_ONCE).await?;
    let mut to_bare = connect_all(bare.port(), devices(), AT_ONCE).await?;
    anyhow::ensure!(to_ours.len() == CONNECTIONS && to_bare.len() == CONNECTIONS, "connections are missing");
    to_ours = load::health(to_ours, count / 10).await?;
    to_bare = load::health(to_bare, count / 10).await?;
    for _ in 0..ROUNDS {
        to_ours = our_costs.add(&ours, count, load::health(to_ours, count)).await?;
        to_bare = bare_costs.add(&bare, count, load::health(to_bare, count)).await?;
    }
    let more = format!(
        "{count} a round over {CONNECTIONS} connections, one at a time on each; the answer has {} bytes.",
        sizes.health
    );
    let row = row("health round trip, processor time", &our_costs, &bare_costs, &more).limits(1.7, 1.2);
    Ok(vec![row])
}
