//! `approvals`: commands that agents want to run, and files that they want to use outside their
//! workspace.

mod shown;

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::approvals::{ExecApprovalResolveResult, WaitingApproval};
use tidegate_protocol::payload::permissions::{ApprovalVerdict, OfferedPermission};
use tidegate_protocol::payload::surface_params::DecideApproval;
use tidegate_protocol::rpc;
use tidegate_protocol::text::one_line;

use super::Context;
use crate::arguments::{ApprovalsCommand, OfferChoice};
use crate::client::Wire;
use crate::failure::Failure;

use shown::render;
pub(super) use shown::{Labels, push_barred, render_brief};

/// The fewest characters of an id that name a command.
const SHORTEST_ID: usize = 4;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &ApprovalsCommand,
) -> Result<(), Failure> {
    match command {
        ApprovalsCommand::List => list(context).await,
        ApprovalsCommand::Show { id } => {
            let waiting = find(context, id).await?;
            if context.is_json() {
                return Ok(context.output().json(&waiting)?);
            }
            let shown = shown(context, &waiting).await?;
            Ok(context.output().text(&shown)?)
        }
        ApprovalsCommand::Allow { id, offer, yes } => allow(context, id, *offer, *yes).await,
        ApprovalsCommand::Deny { id, deny_reason, stop } => {
            let waiting = find(context, id).await?;
            let verdict = ApprovalVerdict::Deny { words: deny_reason.clone(), stop: *stop };
            let answer = decide(context, waiting.id, verdict).await?;
            let sentence = if *stop { "Denied; the run is stopped." } else { "Denied." };
            context.done(&answer, sentence, None)
        }
    }
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let waiting = context.client.ask::<rpc::ExecApprovalList>(&Empty {}).await?;
    if context.is_json() {
        return Ok(context.output().json(&waiting)?);
    }
    let labels = Labels::of(context, &waiting).await?;
    let text = shown::render_list(&waiting, &labels, context.now());
    Ok(context.output().text(&text)?)
}

/// The command whose id begins like that: exactly one. What cannot be shown exactly was not read.
async fn find<W: Wire>(context: &mut Context<'_, W>, id: &str) -> Result<WaitingApproval, Failure> {
    let all = context.client.ask::<rpc::ExecApprovalList>(&Empty {}).await?;
    let fits =
        |waiting: &WaitingApproval| waiting.id == id || id.len() >= SHORTEST_ID && waiting.id.starts_with(id);
    let mut fitting = all.into_iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(waiting), None) => Ok(waiting),
        (Some(_), Some(_)) => {
            Err(Failure::Failed("More than one id begins like that; give more of the id.".to_owned()))
        }
        (None, _) => Err(Failure::Failed(
            "Nothing waits under this id. `tidegate approvals list` shows what waits.".to_owned(),
        )),
    }
}

async fn shown<W: Wire>(context: &mut Context<'_, W>, waiting: &WaitingApproval) -> Result<String, Failure> {
    let labels = Labels::of(context, std::slice::from_ref(waiting)).await?;
    Ok(render(waiting, &labels, context.now()))
}

async fn allow<W: Wire>(
    context: &mut Context<'_, W>,
    id: &str,
    choice: OfferChoice,
    yes: bool,
) -> Result<(), Failure> {
    let waiting = find(context, id).await?;
    let (verdict, question) = match choice.flag() {
        None => (ApprovalVerdict::AllowOnce, "Allow it, once?".to_owned()),
        Some(flag) => {
            let offered = offered(&waiting, &flag)?;
            let sentence = one_line(&offered.sentence, usize::MAX);
            (ApprovalVerdict::Permit { offer: offered.offer.clone() }, format!("{sentence} Allow this?"))
        }
    };
    let shown = shown(context, &waiting).await?;
    context.confirm(&shown, &question, yes).await?;
    // A command never changes under its whole id, so what runs is what was shown.
    let answer = decide(context, waiting.id, verdict).await?;
    match &answer.granted {
        Some(granted) => context.done(&answer, &format!("Allowed. {}", one_line(granted, usize::MAX)), None),
        None => context.done(&answer, "Allowed, once.", None),
    }
}

/// What a request offers under a flag.
fn offered<'a>(waiting: &'a WaitingApproval, flag: &str) -> Result<&'a OfferedPermission, Failure> {
    let fits = |offered: &&OfferedPermission| OfferChoice::flag_of(&offered.offer) == flag;
    waiting.offers.iter().find(fits).ok_or_else(|| {
        let others: Vec<_> =
            waiting.offers.iter().map(|offered| OfferChoice::flag_of(&offered.offer)).collect();
        let instead = match others.as_slice() {
            [] => "It can be allowed only once, without a flag.".to_owned(),
            others => format!("It offers {}, or once without a flag.", others.join(" and ")),
        };
        Failure::Failed(format!("This request does not offer {flag}, so nothing was decided. {instead}"))
    })
}

async fn decide<W: Wire>(
    context: &mut Context<'_, W>,
    id: String,
    verdict: ApprovalVerdict,
) -> Result<ExecApprovalResolveResult, Failure> {
    context.client.ask::<rpc::TidegateApprovalsDecide>(&DecideApproval { id, verdict }).await
}
