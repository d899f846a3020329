//! `devices`: who waits, who is known, and decisions about them.

mod view;

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_desktop_core::scope_words;
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{DeviceId, Method, UnixMillis};
use tidegate_trust::ScopeSet;

use super::token::Program;
use super::{Context, nothing};
use crate::arguments::{ApproveArguments, DevicesCommand};
use crate::client::{Wire, read};
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &DevicesCommand,
) -> Result<(), Failure> {
    match command {
        DevicesCommand::List => list(context).await,
        DevicesCommand::Show(reference) => show(context, &reference.id).await,
        DevicesCommand::Approve(arguments) => approve(context, arguments).await,
        DevicesCommand::Reject(reference) => {
            let sentence = "Rejected. Nothing is heard of it for 10 minutes.";
            decide(context, &reference.id, "reject", sentence).await
        }
        DevicesCommand::Later(reference) => {
            let sentence = "Put aside. It goes on waiting until its time is up.";
            decide(context, &reference.id, "later", sentence).await
        }
        DevicesCommand::Revoke(reference) => revoke(context, &reference.id).await,
        DevicesCommand::Block(reference) => block(context, &reference.id).await,
        DevicesCommand::Unblock(reference) => unblock(context, &reference.id).await,
    }
}

/// `device.pair.list`.
#[derive(Debug, Deserialize)]
struct Devices {
    #[serde(default)]
    pending: Vec<PendingRow>,
    #[serde(default)]
    paired: Vec<Device>,
    #[serde(default)]
    blocked: Vec<Block>,
}

/// A waiting request as `device.pair.list` shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PendingRow {
    request_id: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    device_family: Option<String>,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_mode: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    scopes: ScopeSet,
    #[serde(default)]
    ts: UnixMillis,
}

/// A known device.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    device_id: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    operator_label: Option<String>,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_mode: String,
    #[serde(default)]
    scopes: ScopeSet,
    #[serde(default)]
    built_in: bool,
    #[serde(default)]
    lasts: Option<String>,
    #[serde(default)]
    approved_at_ms: Option<UnixMillis>,
    #[serde(default)]
    last_seen_at_ms: Option<UnixMillis>,
    #[serde(default)]
    last_seen_from: Option<String>,
    #[serde(default)]
    connected: bool,
}

/// A waiting request with everything that a person has to see before deciding. What is missing
/// here makes it unreadable, so that nothing is approved unseen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownRequest {
    #[serde(flatten)]
    row: PendingRow,
    code: String,
    digest: String,
    reason: PairingReason,
    has: ScopeSet,
    adds: ScopeSet,
    from: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    known_name: bool,
    #[serde(default)]
    unidentified: bool,
    #[serde(default)]
    caution: Option<String>,
    #[serde(default)]
    later: bool,
    expires_at_ms: UnixMillis,
    #[serde(default)]
    fingerprint: Option<String>,
}

/// Something that is blocked: a device, or a program that uses the shared token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    executable: Option<String>,
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    since: UnixMillis,
}

/// What an id stands for.
#[derive(Debug)]
enum Shown {
    Request(Box<ShownRequest>),
    Device(Box<Device>),
    Program(Box<Program>),
    Block(Block),
}

impl Shown {
    fn read(answer: &Value) -> Result<Self, Failure> {
        let has = |field: &str| answer.get(field).is_some();
        let method = Method::TidegateDevicesShow.name();
        let answer = answer.clone();
        if has("requestId") {
            read(method, answer).map(|request| Self::Request(Box::new(request)))
        } else if has("blocked") {
            read(method, answer).map(Self::Block)
        } else if has("deviceId") {
            read(method, answer).map(|device| Self::Device(Box::new(device)))
        } else {
            read(method, answer).map(|program| Self::Program(Box::new(program)))
        }
    }
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::DevicePairList;
    let answer = context.client.call(method, nothing()).await?;
    let now = context.now();
    context.show(&answer, || Ok(view::list(&read(method.name(), answer.clone())?, now)))
}

/// Asks what an id stands for.
async fn look_up<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(Value, Shown), Failure> {
    let answer = context.client.call(Method::TidegateDevicesShow, json!({ "id": id })).await?;
    let shown = Shown::read(&answer)?;
    Ok((answer, shown))
}

async fn show<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let (answer, shown) = look_up(context, id).await?;
    let now = context.now();
    context.show(&answer, || {
        Ok(match &shown {
            Shown::Request(request) => view::request(request, now),
            Shown::Device(device) => view::device(device, now),
            Shown::Program(program) => view::program(program, now),
            Shown::Block(block) => view::block(block, now),
        })
    })
}

/// Shows a request, asks, and sends the decision with the digest of what was shown: should the
/// request change in between, the gateway refuses.
async fn approve<W: Wire>(context: &mut Context<'_, W>, arguments: &ApproveArguments) -> Result<(), Failure> {
    let (_, shown) = look_up(context, &arguments.id).await?;
    let Shown::Request(request) = shown else {
        return Err(Failure::Failed(
            "No request waits under this id. `tidegate devices list` shows what waits.".to_owned(),
        ));
    };
    let mut text = view::request(&request, context.now());
    text.push_str(&format!("\nYou would grant {}\n", wish(arguments)));
    context.confirm(&text, "Let it in?", arguments.yes).await?;
    let duration = match (arguments.once, arguments.until_quit) {
        (true, _) => "once",
        (_, true) => "until-quit",
        _ => "always",
    };
    let mut params = json!({
        "requestId": request.row.request_id,
        "verdict": "approve",
        "digest": request.digest,
        "duration": duration,
    });
    if let Some(level) = arguments.level {
        params["level"] = json!(level);
        params["pairing"] = json!(arguments.pairing);
    } else if let Some(scopes) = &arguments.scopes {
        params["scopes"] = json!(scopes);
    }
    let answer = context.client.call(Method::TidegateDevicesDecide, params).await?;
    context.done(&answer, "Approved. It is let in when it connects again.")
}

/// What would be granted, and for how long.
fn wish(arguments: &ApproveArguments) -> String {
    let what = match (arguments.level, &arguments.scopes) {
        (Some(level), _) => {
            let also = if arguments.pairing { ", and let others in if it asked for that" } else { "" };
            format!("level {}{also}", scope_words::level_name(level))
        }
        (None, Some(scopes)) => {
            format!("only: {}", scope_words::summary(&scopes.iter().cloned().collect()))
        }
        (None, None) => "everything that it asks for".to_owned(),
    };
    let how_long = match (arguments.once, arguments.until_quit) {
        (true, _) => "for its next connection, within 5 minutes",
        (_, true) => "until Tidegate quits",
        _ => "until you revoke it",
    };
    format!("{what}; {how_long}.")
}

async fn decide<W: Wire>(
    context: &mut Context<'_, W>,
    id: &str,
    verdict: &str,
    sentence: &str,
) -> Result<(), Failure> {
    let params = json!({ "requestId": id, "verdict": verdict });
    let answer = context.client.call(Method::TidegateDevicesDecide, params).await?;
    context.done(&answer, sentence)
}

async fn revoke<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let whole = match look_up(context, id).await?.1 {
        Shown::Device(device) => device.device_id,
        Shown::Program(program) => program.id,
        Shown::Request(_) => {
            return Err(Failure::Failed(
                "This request has no rights yet. Use `tidegate devices reject` or `block`.".to_owned(),
            ));
        }
        Shown::Block(_) => {
            return Err(Failure::Failed("It is blocked already, and has no rights.".to_owned()));
        }
    };
    let answer = context.client.call(Method::TidegateDevicesRevoke, json!({ "id": whole })).await?;
    context.done(&answer, "Revoked. Its connections are closed; it can ask again.")
}

async fn block<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    const SENTENCE: &str = "Blocked. Its connections are closed, and it cannot ask again.";
    // A device that waits for nothing and is not known can still be blocked by its whole id.
    let device = match DeviceId::parse(id) {
        Ok(device) => device.to_string(),
        Err(_) => match look_up(context, id).await?.1 {
            Shown::Device(device) => device.device_id,
            Shown::Request(request) => {
                return decide(context, &request.row.request_id, "block", SENTENCE).await;
            }
            Shown::Program(_) => {
                return Err(Failure::Failed(
                    "A program can be blocked only when it asks. `tidegate devices revoke` takes its rights away."
                        .to_owned(),
                ));
            }
            Shown::Block(_) => return Err(Failure::Failed("It is blocked already.".to_owned())),
        },
    };
    let answer = context.client.call(Method::TidegateDevicesBlock, json!({ "id": device })).await?;
    context.done(&answer, SENTENCE)
}

async fn unblock<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let Shown::Block(block) = look_up(context, id).await?.1 else {
        return Err(Failure::Failed("This id is not blocked.".to_owned()));
    };
    let answer = context.client.call(Method::TidegateDevicesUnblock, json!({ "id": block.id })).await?;
    context.done(&answer, "Unblocked. It can ask again.")
}
