//! Our own client's key: the keyring's when it answers at once, else one of this run.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidegate_clock as now;
use tidegate_secrets::{OwnKey, OwnKeyOrigin, SecretStore, load_or_create_own_key};
use zeroize::Zeroizing;

/// How long the keyring may keep our own client waiting once everything else is ready. Later it is
/// only used at the next start.
const PATIENCE: Duration = Duration::from_millis(5);

/// Our own key while the keyring is asked for it.
pub(crate) struct LoadingOwnKey {
    task: tokio::task::JoinHandle<OwnKey>,
    /// The key of this run, if the keyring does not answer in time.
    fallback: Zeroizing<[u8; 32]>,
}

impl LoadingOwnKey {
    /// Begins to load it, beside everything else.
    pub(crate) fn begin(secrets: &SecretStore) -> Result<Self, now::NoEntropy> {
        let fallback = Zeroizing::new(now::random::<32>()?);
        let (store, entropy) = (secrets.clone(), fallback.clone());
        let task = tokio::spawn(async move { load_or_create_own_key(&store, *entropy).await });
        Ok(Self { task, fallback })
    }

    /// The stored key when the keyring was quick enough, else the one of this run. Which key it is
    /// plays no part in what our own client may do. `state` becomes a sentence about it.
    pub(crate) async fn settle(self, state: Arc<OnceLock<String>>) -> Zeroizing<[u8; 32]> {
        let Self { mut task, fallback } = self;
        match tokio::time::timeout(PATIENCE, &mut task).await {
            Ok(Ok(key)) => {
                describe(&key, &state);
                key.seed
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the own key could not be loaded; one was made for this run");
                fallback
            }
            Err(_) => {
                tokio::spawn(async move {
                    if let Ok(key) = task.await {
                        describe(&key, &state);
                    }
                });
                fallback
            }
        }
    }
}

fn describe(key: &OwnKey, state: &OnceLock<String>) {
    let sentence = match key.origin {
        OwnKeyOrigin::Keyring => "Tidegate's own key is in the keyring.".to_owned(),
        OwnKeyOrigin::ThisRunOnly(reason) => {
            tracing::warn!(reason = reason.sentence(), "Tidegate's own key is for this run only");
            format!("Tidegate's own key is for this run only: {}", reason.sentence())
        }
    };
    // The first description stays.
    let _ = state.set(sentence);
}
