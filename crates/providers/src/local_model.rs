//! Models of servers on this computer. One is asked only while its server is the one that a person took
//! into use.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_agent::model::{Model, ModelError, ModelName, ModelRequest, ModelStream};

use crate::http::{Endpoint, Http};
use crate::local::{LocalServer, LocalServerKind, Owner, ServerOwner, ServerOwners, owner_of};
use crate::openai::ask;

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
    pub(crate) name: ModelName,
    pub(crate) endpoint: Endpoint,
    pub(crate) http: Http,
    pub(crate) port: u16,
    /// The user whose server was taken into use; `None` when it was not.
    pub(crate) user: Option<u32>,
    pub(crate) owners: Arc<dyn ServerOwners>,
}

impl LocalModel {
    async fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let how = format!("`tidegate models use {name}` takes it into use");
        let Some(user) = self.user else {
            return Err(format!("{} on this computer is not in use; {how}", name.provider));
        };
        let owner = usable_owner(&self.owners, &name.provider, self.port).await?;
        // Where nobody listens, asking says so.
        let Some(owner) = owner else { return Ok(()) };
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
        self.name.clone()
    }

    fn is_local(&self) -> bool {
        true
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            self.check().await.map_err(|reason| ModelError::NotInUse { reason })?;
            ask(&self.http, &self.endpoint, &self.name.model, &request).await
        })
    }
}

/// Who listens where a server is expected, `None` if nobody does.
///
/// # Errors
/// With a sentence, when it must not be used, or when the system does not tell.
pub(crate) async fn usable_owner(
    owners: &Arc<dyn ServerOwners>,
    provider: &str,
    port: u16,
) -> Result<Option<ServerOwner>, String> {
    let owner = match owner_of(owners, port).await {
        Owner::Nobody => return Ok(None),
        Owner::Unknown => {
            return Err(format!(
                "{provider} is not used: the system does not tell which program listens on its port {port}. If it \
                 is the right one, `tidegate models add` adds it"
            ));
        }
        Owner::Is(owner) => owner,
    };
    match owner.standing.refusal() {
        None => Ok(Some(owner)),
        Some(why) => Err(format!(
            "{owner} listens where {provider} is expected and is not used: {why}. If it is the right one, \
             `tidegate models add` adds it"
        )),
    }
}
