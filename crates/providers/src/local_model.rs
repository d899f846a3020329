//! Models of servers on this computer. One is asked only while its server is the one that a person took
//! into use.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_agent::model::{Model, ModelError, ModelName, ModelRequest, ModelStream};

use crate::local::{LocalServer, LocalServerKind, Owner, ServerOwner, ServerOwners, owner_of};
use crate::openai::OpenAiModel;

/// A server on this computer that a person took into use: the program that was expected, as run by
/// this user. Run by another one it has to be taken into use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedServer {
    pub kind: LocalServerKind,
    /// The number of the user that runs it.
    pub user: u32,
}

/// A server that was found on this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundServer {
    pub server: LocalServer,
    /// Whether a person took it into use.
    pub is_in_use: bool,
}

/// A model of a server on this computer. Who listens is looked up before each question: the port may
/// have changed hands.
pub(crate) struct LocalModel {
    pub(crate) model: OpenAiModel,
    pub(crate) port: u16,
    /// The user whose server was taken into use; `None` when it was not.
    pub(crate) user: Option<u32>,
    pub(crate) owners: Arc<dyn ServerOwners>,
}

impl LocalModel {
    async fn check(&self) -> Result<(), String> {
        let name = self.model.name();
        let how = format!("`tidegate models use {name}` takes it into use");
        let Some(user) = self.user else {
            return Err(format!("{} on this computer is not in use; {how}", name.provider));
        };
        let owner = match owner_of(&self.owners, self.port).await {
            // Asking says so.
            Owner::Nobody => return Ok(()),
            Owner::Unknown => return Err(unknown(&name.provider, self.port)),
            Owner::Is(owner) => owner,
        };
        if let Some(why) = owner.standing.refusal() {
            return Err(refused(&name.provider, &owner, why));
        }
        if owner.user != user {
            let provider = &name.provider;
            return Err(format!(
                "{provider} was taken into use as a program of user {user}; now {owner} listens on its port {}. \
                 If that is right, {how}",
                self.port
            ));
        }
        Ok(())
    }
}

impl Model for LocalModel {
    fn name(&self) -> ModelName {
        self.model.name()
    }

    fn context_window(&self) -> Option<u32> {
        self.model.context_window()
    }

    fn is_local(&self) -> bool {
        self.model.is_local()
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            self.check().await.map_err(|reason| ModelError::NotInUse { reason })?;
            self.model.stream(request).await
        })
    }
}

/// Why nothing is sent to a port where it is not known who listens.
pub(crate) fn unknown(provider: &str, port: u16) -> String {
    format!(
        "{provider} is not used: the system does not tell which program listens on its port {port}. If it is the \
         right one, `tidegate models add` adds it"
    )
}

/// Why a program that listens where a server is expected is not used.
pub(crate) fn refused(provider: &str, owner: &ServerOwner, why: &str) -> String {
    format!(
        "{owner} listens where {provider} is expected and is not used: {why}. If it is the right one, \
         `tidegate models add` adds it"
    )
}
