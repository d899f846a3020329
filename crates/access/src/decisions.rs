//! Decisions: each takes effect once it is saved, and completes even when its caller is gone.

use tidegate_clock as now;
use tidegate_store::StoreError;
use tidegate_trust::Level;
use tidegate_trust::decision::{Decider, DecisionError, Verdict};
use tidegate_trust::management::{Changed, ManagementError};
use tidegate_trust::pairing::Subject;
use tidegate_trust::records::ProgramToken;
use tidegate_trust::settings::Setting;
use tidegate_trust::token::Token;

use crate::service::TrustService;

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
    /// There are no random bytes.
    #[error(transparent)]
    Entropy(#[from] now::NoEntropy),
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
        let mut decided = {
            let mut authority = self.authority();
            let expired = authority.tick(now::timestamp());
            let decided = authority.decide(decider, request, digest, verdict, &entropy, now::timestamp());
            drop(authority);
            self.apply(expired, None);
            decided?
        };
        let (service, by_client) = (self.clone(), decider.is_client().then(|| verdict.clone()));
        to_its_end(async move {
            let durable = std::mem::take(&mut decided.durable);
            if let Err(error) = service.0.writer.commit(durable).await {
                service.authority().withdraw(&decided);
                return Err(error.into());
            }
            let completed = service.authority().complete(decided, now::timestamp());
            let counts = match completed.durable.is_empty() {
                true => {
                    service.apply(completed.effects, None);
                    completed.value
                }
                false => service.settle(completed, None).await.0,
            };
            if !counts {
                return Err(DecideError::Overtaken);
            }
            if let Some(verdict) = by_client {
                service.count_client_decision(|decisions| decisions.count(&verdict));
            }
            // Putting something aside has no other effect.
            service.changed();
            Ok(())
        })
        .await
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
        let mut confirmed = self.authority().confirm_setting(decider, setting, digest, now::timestamp())?;
        let service = self.clone();
        to_its_end(async move {
            let durable = std::mem::take(&mut confirmed.durable);
            if let Err(error) = service.0.writer.commit(durable).await {
                service.authority().withdraw_setting();
                return Err(error.into());
            }
            let effects = service.authority().complete_setting(confirmed);
            service.apply(effects, None);
            service.changed();
            Ok(())
        })
        .await
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
        let service = self.clone();
        to_its_end(async move { service.keep_token(made).await }).await
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
        let (rejected, made) = {
            let mut authority = self.authority();
            let is_device = authority.waiting().iter().any(|waiting| {
                waiting.id == request && matches!(waiting.details.subject, Subject::Device(_))
            });
            if is_device {
                return Err(TokenError::NotAProgram);
            }
            let (reject, now) = (Verdict::Reject, now::timestamp());
            let rejected = authority.decide(person, request, Some(digest), &reject, &entropy, now)?;
            match authority.new_program_token(name, level, pairing, &entropy, now) {
                Ok(made) => (rejected, made),
                Err(error) => {
                    authority.withdraw(&rejected);
                    return Err(error.into());
                }
            }
        };
        let service = self.clone();
        to_its_end(async move {
            match service.keep_token(made).await {
                Ok((token, _)) => {
                    let rejected = service.authority().complete(rejected, now::timestamp());
                    service.apply(rejected.effects, None);
                    Ok(token)
                }
                Err(error) => {
                    service.authority().withdraw(&rejected);
                    Err(error)
                }
            }
        })
        .await
    }

    async fn keep_token(
        &self,
        made: Changed<(Token, ProgramToken)>,
    ) -> Result<(Token, ProgramToken), TokenError> {
        let Changed { value: (token, record), durable, effects } = made;
        if let Err(error) = self.0.writer.commit(durable).await {
            // It was just made, so it is there.
            let _ = self.authority().revoke_program_token(&record.id, now::timestamp());
            return Err(error.into());
        }
        self.apply(effects, None);
        self.changed();
        Ok((token, record))
    }
}

/// Does it in a task of its own: the caller may be gone before it ends, with the gateway that
/// it came through, and a decision that is never completed nor withdrawn could never be taken again. A
/// panic in it struck while the authority was held, so that starts over.
async fn to_its_end<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
}
