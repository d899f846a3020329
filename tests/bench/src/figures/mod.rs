//! The figures, one module each or for a few that belong together.

pub(crate) mod commands;
mod hostile;
mod idle;
mod memory;
pub(crate) mod own_client;
mod revoke;
mod size;
pub(crate) mod spawn;
mod speed;
mod start;
mod subagents;
mod triggers;

use clap::ValueEnum;

use crate::report::Row;
use crate::setting::Setting;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// From exec to the first hello-ok
    Start,
    /// Our own client's admission, with each kind of keyring
    OwnClient,
    /// Memory after 1,000 requests
    IdleMemory,
    /// Processor time of a signed handshake
    Handshake,
    /// Processor time of `health`
    Health,
    /// Memory of each idle connection
    ConnectionMemory,
    /// A spawn against a bare transaction
    Spawn,
    /// 50 subagents at once
    Subagents,
    /// Hostile connects
    Hostile,
    /// From a revocation to closed sockets
    Revoke,
    /// Processor time and disk writes of doing nothing
    Idle,
    /// A contained command, and eight at once
    Commands,
    /// Watcher and walk of trigger files
    Triggers,
    /// Processor time of a signed handshake while commands run
    HandshakeBesideCommands,
    /// The size of the program
    Size,
}

impl Figure {
    pub(crate) const ALL: [Self; 15] = [
        Self::Start,
        Self::OwnClient,
        Self::IdleMemory,
        Self::Handshake,
        Self::Health,
        Self::ConnectionMemory,
        Self::Spawn,
        Self::Subagents,
        Self::Hostile,
        Self::Revoke,
        Self::Idle,
        Self::Commands,
        Self::Triggers,
        Self::HandshakeBesideCommands,
        Self::Size,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Measures the figure and returns its rows.
    pub(crate) async fn measure(self, setting: &Setting) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Start => start::first_hello(setting).await,
            Self::OwnClient => own_client::admission(setting).await,
            Self::IdleMemory => memory::idle(setting).await,
            Self::Handshake => speed::handshake(setting).await,
            Self::Health => speed::health(setting).await,
            Self::ConnectionMemory => memory::per_connection(setting).await,
            Self::Spawn => spawn::acknowledged(setting).await,
            Self::Subagents => subagents::fifty(setting).await,
            Self::Hostile => hostile::crowd(setting).await,
            Self::Revoke => revoke::sockets_closed(setting).await,
            Self::Idle => idle::doing_nothing(setting).await,
            Self::Commands => commands::contained(setting).await,
            Self::Triggers => tokio::task::spawn_blocking(triggers::guard).await?,
            Self::HandshakeBesideCommands => speed::handshake_beside_commands(setting).await,
            Self::Size => size::program(setting),
        }
    }
}
