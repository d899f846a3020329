//! Decisions: each takes effect once it is saved, and completes even when its caller is gone.

use tidegate_clock as now;
use tidegate_store::StoreError;
use tidegate_trust::Level;
use tidegate_trust::decision::{Decider, DecisionError, Verdict};
use tidegate_trust::management::{GiveTokenError, ManagementError, NewProgramToken};
use tidegate_trust::records::ProgramToken;
use tidegate_trust::settings::Setting;
use tidegate_trust::token::Token;
use tidegate_trust::transaction::PreparedTransaction;

use crate::service::TrustService;
use crate::writer::in_a_task;

/// Why a decision did not count.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The rules do not allow it, or it waits no longer.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// It could not be saved.
    #[error("the decision could not be saved, so it does not count: {0}")]
    NotSaved(#[from] StoreError),
    /// The later word counts.
    #[error("it was revoked or blocked while the decision was saved, so the decision does not count")]
    Overtaken,
    /// There are no random bytes.
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A device asks, and only programs get tokens.
    #[error("only a program can get a token of its own; a device keeps its own key")]
    NotAProgram,
    /// The request cannot be ended.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The token cannot be made.
    #[error(transparent)]
    Management(#[from] ManagementError),
    /// It could not be saved.
    #[error("the token could not be saved, so it was not made: {0}")]
    NotSaved(#[from] StoreError),
    /// The later decision stands.
    #[error("the token was revoked while it was saved, so it is not given out; make another one")]
    Overtaken,
    /// There are no random bytes.
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
}

impl From<GiveTokenError> for TokenError {
    fn from(error: GiveTokenError) -> Self {
        match error {
            GiveTokenError::NotAProgram => Self::NotAProgram,
            GiveTokenError::Decision(error) => error.into(),
            GiveTokenError::Management(error) => error.into(),
        }
    }
}

impl TrustService {
    /// Takes a decision about someone who waits.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn decide(
        &self,
        decider: &Decider,
        request: &str,
        digest: Option<&str>,
        verdict: &Verdict,
    ) -> Result<(), DecideError> {
        let entropy = now::entropy()?;
        let transaction = {
            let mut authority = self.authority();
            let expired = authority.tick(now::timestamp());
            let decided = authority.decide(decider, request, digest, verdict, &entropy, now::timestamp());
            drop(authority);
            self.apply(expired, None);
            decided?
        };
        let (service, by_client) = (self.clone(), decider.is_client().then(|| verdict.clone()));
        let decided = in_a_task(async move {
            let decided = service.carry_out(transaction).await?;
            if let (Some(()), Some(verdict)) = (decided, by_client) {
                service.count_client_decision(|decisions| decisions.count(&verdict));
            }
            Ok::<_, StoreError>(decided)
        });
        decided.await?.ok_or(DecideError::Overtaken)
    }

    /// Confirms a value of the configuration file.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn confirm_setting(
        &self,
        decider: &Decider,
        setting: Setting,
        digest: &str,
    ) -> Result<(), DecideError> {
        let transaction = self.authority().confirm_setting(decider, setting, digest, now::timestamp())?;
        self.commit(transaction).await?.ok_or(DecideError::Overtaken)
    }

    /// Rejects a value of the configuration file, or takes one back: it counts at once. Whether that
    /// is saved.
    ///
    /// # Errors
    /// Why it is not rejected.
    pub async fn reject_setting(
        &self,
        decider: &Decider,
        setting: Setting,
        digest: Option<&str>,
    ) -> Result<bool, DecisionError> {
        let changed = self.authority().reject_setting(decider, setting, digest, now::timestamp())?;
        let ((), saved) = self.settle(changed, None).await;
        Ok(saved)
    }

    /// Makes a token for one program.
    ///
    /// # Errors
    /// Why there is none. One that could not be saved would be gone after a restart, so it is not given
    /// out at all.
    pub async fn new_token(
        &self,
        name: &str,
        level: Level,
        pairing: bool,
    ) -> Result<(Token, ProgramToken), TokenError> {
        let entropy = now::entropy()?;
        let made = self.authority().new_program_token(name, level, pairing, &entropy, now::timestamp())?;
        self.commit(made).await?.ok_or(TokenError::Overtaken)
    }

    /// Gives a program that waits a token of its own instead of a grant, and ends its request as
    /// rejected: with the token it need not ask.
    ///
    /// # Errors
    /// Why there is none; the request then waits on.
    pub async fn give_token(
        &self,
        person: &Decider,
        request: &str,
        digest: &str,
        name: &str,
        level: Level,
        pairing: bool,
    ) -> Result<Token, TokenError> {
        let entropy = now::entropy()?;
        self.tick();
        let (new, now) = (NewProgramToken { name, level, pairing }, now::timestamp());
        let given = self.authority().give_program_token(person, request, digest, &new, &entropy, now)?;
        let (token, _) = self.commit(given).await?.ok_or(TokenError::Overtaken)?;
        Ok(token)
    }

    /// Commits a prepared change and puts it in effect, or rolls it back where it cannot be saved. `None`
    /// when it was overtaken. It comes to its end also when the caller is gone, with the gateway that it came
    /// through: a decision that is neither applied nor rolled back could never be taken again.
    pub(crate) async fn commit<T: Send + Sync + 'static>(
        &self,
        transaction: PreparedTransaction<T>,
    ) -> Result<Option<T>, StoreError> {
        let service = self.clone();
        // A panic in it struck while the authority was held, so that starts over.
        in_a_task(async move { service.carry_out(transaction).await }).await
    }

    async fn carry_out<T: Sync>(&self, transaction: PreparedTransaction<T>) -> Result<Option<T>, StoreError> {
        let saving = self.0.writer.begin().await;
        let to_commit = self.authority().to_commit(&transaction);
        if let Err(error) = saving.commit(to_commit).await {
            self.authority().roll_back(transaction);
            return Err(error);
        }
        // Before anything else is saved, which would be what was in effect before.
        let applied = self.authority().apply(transaction, now::timestamp());
        drop(saving);
        Ok(self.settle(applied, None).await.0)
    }
}
