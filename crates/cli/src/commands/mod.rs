//! One module a command: it asks the gateway and shows the answer.

mod agent;
mod approvals;
mod audit;
mod checks;
mod config;
mod connect;
mod devices;
mod files;
mod logs;
mod models;
mod permissions;
mod running;
mod sessions;
mod state;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use tidegate_protocol::UnixMillis;
use tidegate_protocol::rpc::Rpc;
use tokio::sync::Notify;

use crate::arguments::{
    AgentArguments, ApprovalsCommand, ConfigCommand, ControlCommand, DevicesCommand, FilesCommand,
    ModelsCommand, PermissionsCommand, SessionsCommand,
};
use crate::client::{Client, Wire};
use crate::failure::Failure;
use crate::output::Output;
use crate::person::Person;

/// What a command has around it.
pub struct Surroundings {
    /// Where it prints.
    pub output: Output,
    /// Whom it asks.
    pub person: Arc<dyn Person>,
    /// The clock on the wall.
    pub clock: fn() -> UnixMillis,
    /// The time zone of the person; asked for only where a date is printed.
    pub zone: fn() -> TimeZone,
    /// Told when the person presses Ctrl-C, once a command takes that in.
    pub interrupt: Arc<Notify>,
    /// Whether the answer is printed as JSON.
    pub json: bool,
    /// The state directory that was named, if one was.
    pub state_dir: Option<PathBuf>,
}

/// Runs a command over the connection that `connect` opens.
///
/// # Errors
/// Why it did not do what it was told; nothing was printed about that yet.
pub async fn run<W: Wire>(
    command: &ControlCommand,
    surroundings: &mut Surroundings,
    connect: impl AsyncFnOnce() -> Result<W, Failure>,
) -> Result<(), Failure> {
    check_usage(command, surroundings.person.as_ref())?;
    let client = Client::greet(connect().await?).await?;
    let mut context = Context { client, surroundings };
    let context = &mut context;
    match command {
        ControlCommand::Status => state::status(context).await,
        ControlCommand::Token(arguments) => token::run(context, arguments.command.as_ref()).await,
        ControlCommand::Devices(command) => devices::run(context, command).await,
        ControlCommand::Approvals(command) => approvals::run(context, command).await,
        ControlCommand::Permissions(command) => permissions::run(context, command).await,
        ControlCommand::Commands(command) => running::run(context, command).await,
        ControlCommand::Files(command) => files::run(context, command).await,
        ControlCommand::Config(command) => config::run(context, command).await,
        ControlCommand::Models(command) => models::run(context, command).await,
        ControlCommand::Agent(arguments) => agent::run(context, arguments).await,
        ControlCommand::Sessions(command) => sessions::run(context, command).await,
        ControlCommand::Logs(arguments) => logs::run(context, arguments).await,
        ControlCommand::Audit(arguments) => audit::run(context, arguments).await,
        ControlCommand::Doctor => checks::doctor(context).await,
        ControlCommand::Selftest => checks::self_test(context).await,
        ControlCommand::Pause => state::pause(context, true).await,
        ControlCommand::Resume => state::pause(context, false).await,
        ControlCommand::Stop => state::stop(context).await,
        ControlCommand::Connect => connect::run(context).await,
    }
}

/// What cannot work however the gateway answers.
fn check_usage(command: &ControlCommand, person: &dyn Person) -> Result<(), Failure> {
    let (asks, shown_by) = match command {
        ControlCommand::Devices(DevicesCommand::Approve(arguments)) => {
            (!arguments.yes, "tidegate devices show")
        }
        ControlCommand::Approvals(ApprovalsCommand::Allow { yes, .. }) => (!yes, "tidegate approvals show"),
        ControlCommand::Permissions(PermissionsCommand::Use { yes }) => (!yes, "tidegate permissions list"),
        ControlCommand::Config(ConfigCommand::Confirm { yes, .. }) => (!yes, "tidegate config list"),
        ControlCommand::Files(FilesCommand::Keep { yes, .. }) => (!yes, "tidegate files show"),
        ControlCommand::Files(FilesCommand::Unshare { yes, .. }) => (!yes, "tidegate files unshare"),
        ControlCommand::Sessions(SessionsCommand::Workspace { folder, default, yes, .. }) => {
            (!yes && (folder.is_some() || *default), "tidegate sessions workspace KEY")
        }
        ControlCommand::Agent(AgentArguments { workspace: Some(_), yes, .. }) => {
            (!yes, "tidegate sessions workspace KEY")
        }
        ControlCommand::Models(ModelsCommand::Add(arguments)) => {
            let says_how = arguments.key_stdin || arguments.no_key || arguments.key_ref.is_some();
            if !says_how && !person.is_present() {
                return Err(Failure::Usage(
                    "There is no terminal to ask for the key. Give it with --key-stdin, say where it is \
                     with --key-ref, or pass --no-key."
                        .to_owned(),
                ));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    if asks && !person.is_present() {
        return Err(Failure::Usage(format!(
            "There is no terminal to ask in, so nothing was decided. Look at it with `{shown_by}`, then \
             pass --yes to decide without being asked."
        )));
    }
    Ok(())
}

/// A command at work.
struct Context<'a, W> {
    client: Client<W>,
    surroundings: &'a mut Surroundings,
}

impl<W: Wire> Context<'_, W> {
    fn now(&self) -> UnixMillis {
        (self.surroundings.clock)()
    }

    fn is_json(&self) -> bool {
        self.surroundings.json
    }

    fn output(&mut self) -> &mut Output {
        &mut self.surroundings.output
    }

    /// Prints the answer: as it is when JSON is wanted, else as `render` puts it.
    fn show(&mut self, answer: &impl Serialize, render: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.is_json() {
            return Ok(self.output().json(answer)?);
        }
        Ok(self.output().text(&render())?)
    }

    /// Asks for an answer, and prints it: `render` also has the time of now.
    async fn ask_and_show<R: Rpc>(
        &mut self,
        params: &R::Params,
        render: impl FnOnce(&R::Result, UnixMillis) -> String,
    ) -> Result<(), Failure> {
        let answer = self.client.ask::<R>(params).await?;
        let now = self.now();
        self.show(&answer, || render(&answer, now))
    }

    /// Has something done that needs no note, and prints that it is.
    async fn ask_and_say<R: Rpc>(&mut self, params: &R::Params, sentence: &str) -> Result<(), Failure> {
        let answer = self.client.ask::<R>(params).await?;
        self.done(&answer, sentence, None)
    }

    /// Prints what was done, and the gateway's own note about it, for example that a change holds only
    /// until restart.
    fn done(&mut self, answer: &impl Serialize, sentence: &str, note: Option<&str>) -> Result<(), Failure> {
        self.show(answer, || [sentence, note.unwrap_or_default()].join("\n").trim_end().to_owned())
    }

    /// Shows what is about to be decided about something that waits, and asks.
    async fn confirm(&mut self, shown: &str, question: &str, yes: bool) -> Result<(), Failure> {
        match self.ask(shown, question, yes).await? {
            true => Ok(()),
            false => Err(Failure::Failed("Nothing was decided; it still waits.".to_owned())),
        }
    }

    /// Shows what is about to be decided, and asks. With JSON wanted, the standard output stays
    /// free for the answer. A desktop decides itself, so nobody is asked twice.
    async fn ask(&mut self, shown: &str, question: &str, yes: bool) -> Result<bool, Failure> {
        if self.is_json() {
            self.output().note(shown)?;
        } else {
            self.output().text(shown)?;
        }
        if yes || self.client.greeting().desktop {
            return Ok(true);
        }
        let (person, question) = (self.surroundings.person.clone(), question.to_owned());
        let answer = self.client.meanwhile(move || person.confirm(&question)).await?;
        answer.map_err(Failure::Input)
    }
}
