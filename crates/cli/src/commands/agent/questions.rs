//! What the agent asks for while its answer is printed: decided in this terminal, one after the other.

use std::collections::VecDeque;
use std::io;

use tidegate_protocol::payload::approvals::{ApprovalDecision, ApprovalResolvedEvent, WaitingApproval};
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_protocol::payload::surface_params::DecideApproval;
use tidegate_protocol::rpc;
use tidegate_protocol::text::one_line;
use tokio::sync::oneshot;

use super::super::Context;
use super::super::approvals::{Labels, render_brief};
use super::choices::Choices;
use crate::client::Wire;
use crate::failure::Failure;

/// The questions of one run.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// What was not shown yet, oldest first.
    later: VecDeque<WaitingApproval>,
    open: Option<Open>,
    reading: Option<Reading>,
    /// Nothing more comes from the terminal.
    is_over: bool,
}

/// What is shown and not decided.
#[derive(Debug)]
struct Open {
    waiting: WaitingApproval,
    choices: Choices,
}

/// A line that is being read. Reading cannot be called off: it may outlive its question.
#[derive(Debug)]
struct Reading {
    line: oneshot::Receiver<io::Result<Option<String>>>,
    id: String,
}

/// A line, and the question that it was typed for.
#[derive(Debug)]
pub(super) struct Typed {
    line: Option<String>,
    id: String,
}

impl Questions {
    /// Whether a person is asked right now.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Something waits: it is shown when everything before it is decided, or the person learns where
    /// to decide.
    pub(super) async fn add<W: Wire>(
        &mut self,
        context: &mut Context<'_, W>,
        waiting: WaitingApproval,
    ) -> Result<(), Failure> {
        if context.client.greeting().desktop {
            let note = "The agent waits for your decision: Tidegate's dialog asks you on the desktop.";
            return Ok(context.output().note(note)?);
        }
        if self.is_over || !context.surroundings.person.is_present() {
            return point_to(context, &waiting);
        }
        self.later.push_back(waiting);
        self.show_next(context).await
    }

    /// Something was decided, here or elsewhere, or waits no longer.
    pub(super) async fn resolved<W: Wire>(
        &mut self,
        context: &mut Context<'_, W>,
        event: &ApprovalResolvedEvent,
    ) -> Result<(), Failure> {
        self.later.retain(|waiting| waiting.id != event.id);
        if self.open.as_ref().is_none_or(|open| open.waiting.id != event.id) {
            return Ok(());
        }
        self.open = None;
        // The cursor stands behind the prompt.
        context.output().note(match event.decision {
            Some(ApprovalDecision::AllowOnce | ApprovalDecision::AllowAlways) => {
                "\nIt was allowed elsewhere."
            }
            Some(ApprovalDecision::Deny) => "\nIt was denied elsewhere.",
            None => "\nIt does not wait any more.",
        })?;
        self.show_next(context).await
    }

    /// The next line from the terminal; never without a question. Cancel-safe.
    pub(super) async fn typed(&mut self) -> Typed {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let line = (&mut reading.line).await;
        let id = std::mem::take(&mut reading.id);
        self.reading = None;
        // A terminal that cannot be read is one where nobody is.
        let line = line.ok().and_then(Result::ok).flatten();
        Typed { line, id }
    }

    /// Decides what the line says.
    pub(super) async fn answer<W: Wire>(
        &mut self,
        context: &mut Context<'_, W>,
        typed: Typed,
    ) -> Result<(), Failure> {
        let Some(line) = typed.line else { return self.give_up(context) };
        let Some(open) = &self.open else { return Ok(()) };
        if open.waiting.id != typed.id {
            if !line.trim().is_empty() {
                context
                    .output()
                    .note("That was typed for a question that is decided. Decide about this one:")?;
            }
            return self.read(context);
        }
        match open.choices.verdict(&line) {
            Ok(verdict) => {
                let id = open.waiting.id.clone();
                self.decide(context, DecideApproval { id, verdict }).await?;
                self.open = None;
                self.show_next(context).await
            }
            Err(error) => {
                context.output().note(&error.to_string())?;
                self.read(context)
            }
        }
    }

    async fn decide<W: Wire>(
        &self,
        context: &mut Context<'_, W>,
        params: DecideApproval,
    ) -> Result<(), Failure> {
        let done = match params.verdict {
            ApprovalVerdict::AllowOnce | ApprovalVerdict::Permit { .. } => "Allowed, once.",
            ApprovalVerdict::Deny { stop: false, .. } => "Denied.",
            ApprovalVerdict::Deny { stop: true, .. } => "Denied; the run is stopped.",
        };
        let answer = context.client.ask_keeping::<rpc::TidegateApprovalsDecide>(&params).await;
        let said = match answer {
            Ok(answer) => match answer.granted {
                Some(granted) => format!("Allowed. {}", one_line(&granted, usize::MAX)),
                None => done.to_owned(),
            },
            // Decided elsewhere at this moment, or by a dialog: the run goes on.
            Err(error @ (Failure::Answered(_) | Failure::DesktopDecides)) => error.to_string(),
            Err(error) => return Err(error),
        };
        Ok(context.output().note(&said)?)
    }

    /// Shows the next question, unless one is open.
    async fn show_next<W: Wire>(&mut self, context: &mut Context<'_, W>) -> Result<(), Failure> {
        if self.is_open() {
            return Ok(());
        }
        let Some(waiting) = self.later.pop_front() else { return Ok(()) };
        let labels = Labels::of(context, std::slice::from_ref(&waiting)).await?;
        let choices = Choices::new(&waiting.offers);
        let text = format!("\n{}{}", render_brief(&waiting, &labels), choices.render());
        context.output().note(&text)?;
        self.open = Some(Open { waiting, choices });
        self.read(context)
    }

    /// Reads a line for the open question. Not on a thread of the runtime: that would wait for it at its
    /// end.
    fn read<W: Wire>(&mut self, context: &mut Context<'_, W>) -> Result<(), Failure> {
        let Some(open) = &self.open else { return Ok(()) };
        if self.reading.is_some() {
            return Ok(context.output().note("Press Enter, then decide about this one.")?);
        }
        let (to, line) = oneshot::channel();
        let (person, prompt) = (context.surroundings.person.clone(), open.choices.prompt());
        // Nobody waits for the line any more when the command has ended.
        std::thread::spawn(move || drop(to.send(person.line(&prompt))));
        self.reading = Some(Reading { line, id: open.waiting.id.clone() });
        Ok(())
    }

    /// The person closed the input: what waits goes on waiting.
    fn give_up<W: Wire>(&mut self, context: &mut Context<'_, W>) -> Result<(), Failure> {
        self.is_over = true;
        let open = self.open.take().map(|open| open.waiting);
        context.output().note("")?;
        for waiting in open.into_iter().chain(std::mem::take(&mut self.later)) {
            point_to(context, &waiting)?;
        }
        Ok(())
    }
}

/// Says where it can be decided.
fn point_to<W: Wire>(context: &mut Context<'_, W>, waiting: &WaitingApproval) -> Result<(), Failure> {
    let id = one_line(&waiting.id, 64);
    let note = format!(
        "The agent waits for your decision: `tidegate approvals show {id}`, then `tidegate approvals allow {id}` \
         or `tidegate approvals deny {id}`"
    );
    Ok(context.output().note(&note)?)
}
