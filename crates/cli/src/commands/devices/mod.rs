//! `devices`: who waits, who is known, and decisions about them.

mod view;

use tidegate_desktop_core::scope_words;
use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::devices::PendingDevice;
use tidegate_protocol::payload::surface_params::{ById, Decide, GrantLifetime, VerdictName};
use tidegate_protocol::payload::surfaces::ShownEntry;
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::rpc::{self, Rpc as _};
use tidegate_protocol::{DeviceId, Scope, UnixMillis};

use super::Context;
use crate::arguments::{ApproveArguments, DevicesCommand};
use crate::client::Wire;
use crate::failure::Failure;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &DevicesCommand,
) -> Result<(), Failure> {
    match command {
        DevicesCommand::List => context.ask_and_show::<rpc::DevicePairList>(&Empty {}, view::list).await,
        DevicesCommand::Show(reference) => show(context, &reference.id).await,
        DevicesCommand::Approve(arguments) => approve(context, arguments).await,
        DevicesCommand::Reject(reference) => {
            let sentence = "Rejected. Nothing is heard of it for 10 minutes.";
            decide(context, &reference.id, VerdictName::Reject, sentence).await
        }
        DevicesCommand::Later(reference) => {
            let sentence = "Put aside. It goes on waiting until its time is up.";
            decide(context, &reference.id, VerdictName::Later, sentence).await
        }
        DevicesCommand::Revoke(reference) => revoke(context, &reference.id).await,
        DevicesCommand::Block(reference) => block(context, &reference.id).await,
        DevicesCommand::Unblock(reference) => unblock(context, &reference.id).await,
    }
}

/// A waiting request with everything that a person has to see before deciding. What is missing
/// here makes it unreadable, so that nothing is approved unseen.
#[derive(Debug)]
struct ShownRequest {
    row: PendingDevice,
    code: String,
    digest: String,
    reason: PairingReason,
    has: Vec<Scope>,
    adds: Vec<Scope>,
    from: String,
    expires_at_ms: UnixMillis,
}

impl ShownRequest {
    fn of(row: PendingDevice) -> Result<Self, Failure> {
        fn told<T>(value: Option<T>, field: &str) -> Result<T, Failure> {
            let (method, problem) =
                (rpc::TidegateDevicesShow::METHOD.name(), format!("missing field `{field}`"));
            value.ok_or(Failure::UnreadableAnswer { method, problem })
        }
        Ok(Self {
            code: told(row.code.clone(), "code")?,
            digest: told(row.digest.clone(), "digest")?,
            reason: told(row.reason, "reason")?,
            has: told(row.has.clone(), "has")?,
            adds: told(row.adds.clone(), "adds")?,
            from: told(row.from.clone(), "from")?,
            expires_at_ms: told(row.expires_at_ms, "expiresAtMs")?,
            row,
        })
    }
}

/// Asks what an id stands for.
async fn look_up<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<ShownEntry, Failure> {
    context.client.ask::<rpc::TidegateDevicesShow>(&ById { id: id.to_owned() }).await
}

async fn show<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let shown = look_up(context, id).await?;
    let now = context.now();
    let text = match &shown {
        ShownEntry::Request(request) => view::request(&ShownRequest::of((**request).clone())?, now),
        ShownEntry::Device(device) => view::device(device, now),
        ShownEntry::Program(program) => view::program(program, now),
        ShownEntry::Block(block) => view::block(block, now),
    };
    context.show(&shown, || text)
}

/// Shows a request, asks, and sends the decision with the digest of what was shown: should the
/// request change in between, the gateway refuses.
async fn approve<W: Wire>(context: &mut Context<'_, W>, arguments: &ApproveArguments) -> Result<(), Failure> {
    let ShownEntry::Request(request) = look_up(context, &arguments.id).await? else {
        return Err(Failure::Failed(
            "No request waits under this id. `tidegate devices list` shows what waits.".to_owned(),
        ));
    };
    let request = ShownRequest::of(*request)?;
    let mut text = view::request(&request, context.now());
    text.push_str(&format!("\nYou would grant {}\n", grant(arguments)));
    context.confirm(&text, "Approve it?", arguments.yes).await?;
    let duration = match (arguments.once, arguments.until_quit) {
        (true, _) => GrantLifetime::Once,
        (_, true) => GrantLifetime::UntilQuit,
        _ => GrantLifetime::Always,
    };
    let params = Decide {
        request_id: request.row.request_id,
        verdict: VerdictName::Approve,
        digest: Some(request.digest),
        level: arguments.level,
        scopes: arguments.scopes.clone(),
        pairing: arguments.pairing,
        duration,
    };
    let sentence = "Approved. It is admitted when it connects again.";
    context.ask_and_say::<rpc::TidegateDevicesDecide>(&params, sentence).await
}

/// What would be granted, and for how long.
fn grant(arguments: &ApproveArguments) -> String {
    let what = match (arguments.level, &arguments.scopes) {
        (Some(level), _) => {
            let also = if arguments.pairing { ", and manage pairing if it asked for that" } else { "" };
            format!("level {}{also}", level.name())
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
    verdict: VerdictName,
    sentence: &str,
) -> Result<(), Failure> {
    let params = Decide {
        request_id: id.to_owned(),
        verdict,
        digest: None,
        level: None,
        scopes: None,
        pairing: false,
        duration: GrantLifetime::default(),
    };
    context.ask_and_say::<rpc::TidegateDevicesDecide>(&params, sentence).await
}

async fn revoke<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let id = match look_up(context, id).await? {
        ShownEntry::Device(device) => device.device_id.to_string(),
        ShownEntry::Program(program) => program.id,
        ShownEntry::Request(_) => {
            return Err(Failure::Failed(
                "This request has no rights yet. Use `tidegate devices reject` or `block`.".to_owned(),
            ));
        }
        ShownEntry::Block(_) => {
            return Err(Failure::Failed("It is blocked already, and has no rights.".to_owned()));
        }
    };
    let answer = context.client.ask::<rpc::TidegateDevicesRevoke>(&ById { id }).await?;
    let sentence = "Revoked. Its connections are closed; it can ask again.";
    context.done(&answer, sentence, answer.note.as_deref())
}

async fn block<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    const SENTENCE: &str = "Blocked. Its connections are closed, and it cannot ask again.";
    // A device that waits for nothing and is not known can still be blocked by its whole id.
    let device = match DeviceId::parse(id) {
        Ok(device) => device.to_string(),
        Err(_) => match look_up(context, id).await? {
            ShownEntry::Device(device) => device.device_id.to_string(),
            ShownEntry::Request(request) => {
                return decide(context, &request.request_id, VerdictName::Block, SENTENCE).await;
            }
            ShownEntry::Program(_) => {
                return Err(Failure::Failed(
                    "A program can be blocked only when it asks. `tidegate devices revoke` takes its rights away."
                        .to_owned(),
                ));
            }
            ShownEntry::Block(_) => return Err(Failure::Failed("It is blocked already.".to_owned())),
        },
    };
    let answer = context.client.ask::<rpc::TidegateDevicesBlock>(&ById { id: device }).await?;
    context.done(&answer, SENTENCE, answer.note.as_deref())
}

async fn unblock<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<(), Failure> {
    let ShownEntry::Block(block) = look_up(context, id).await? else {
        return Err(Failure::Failed("This id is not blocked.".to_owned()));
    };
    let answer = context.client.ask::<rpc::TidegateDevicesUnblock>(&ById { id: block.id }).await?;
    context.done(&answer, "Unblocked. It can ask again.", answer.note.as_deref())
}
