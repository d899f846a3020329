//! The key of the subagent client: the one secret that Tidegate makes for itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::backend::{Backend, BackendError};
use crate::seed::{OwnKey, OwnKeyOrigin, ThisRunReason};
use crate::store::{CallError, MAX_VALUE_UNITS, SecretStore, probe};
use crate::{SecretName, SecretText};

/// The record's name in the keyring.
pub const RECORD: &str = "subagent-client-key";

/// Names `subagent-client-key-unreadable-1` and so on, for records that were in the way.
const MAX_KEPT_ASIDE: usize = 8;

/// What a record starts with; the seed follows as unpadded base64url.
const FORMAT: &str = "ed25519-seed-v1:";

/// Loads the subagent client's key, or stores one made of `entropy` when there is none.
///
/// Never fails, and answers within [`crate::CALL_LIMIT`]; callers run it beside the rest of the
/// start. When the keyring is locked, absent, slow or denied, `entropy` serves this run only and
/// the record is neither replaced nor lost. A record that cannot be parsed is kept under another
/// name before a new one is made.
///
/// The first answer is cached in `store`: later calls return the same key, whatever they pass.
pub async fn load_or_create_own_key(store: &SecretStore, entropy: [u8; 32]) -> OwnKey {
    let entropy = Zeroizing::new(entropy);
    store.own_key().get_or_init(|| load_or_create(store, entropy)).await.clone()
}

async fn load_or_create(store: &SecretStore, entropy: Zeroizing<[u8; 32]>) -> OwnKey {
    let offered = entropy.clone();
    let loaded = store.call(move |backend, abandoned| load_or_store(backend, &offered, abandoned)).await;
    let this_run_only = |reason| OwnKey { seed: entropy.clone(), origin: OwnKeyOrigin::ThisRunOnly(reason) };
    match loaded {
        Ok(Loaded::Stored(seed)) => OwnKey { seed, origin: OwnKeyOrigin::Keyring },
        // A store in memory that stands in for a keyring.
        Ok(Loaded::Nothing) => OwnKey { seed: entropy, origin: OwnKeyOrigin::Keyring },
        Ok(Loaded::Unreadable) | Err(CallError::NotText | CallError::Ambiguous) => {
            this_run_only(ThisRunReason::UnreadableRecord)
        }
        Err(CallError::Unavailable(state)) => this_run_only(ThisRunReason::Keyring(state)),
    }
}

#[derive(Default)]
enum Loaded {
    Stored(Zeroizing<[u8; 32]>),
    Unreadable,
    #[default]
    Nothing,
}

/// The whole exchange with the keyring, on its thread. The probe comes first: a keyring that is
/// locked can say "no such record", and only one that is known to work is believed.
fn load_or_store(
    backend: &mut dyn Backend,
    offered: &Zeroizing<[u8; 32]>,
    abandoned: &dyn Fn() -> bool,
) -> Result<Loaded, BackendError> {
    probe(backend)?;
    let record = SecretName::fixed(RECORD.to_owned());
    let unreadable = match backend.read(&record) {
        Ok(None) => None,
        Ok(Some(text)) => match parse(text.expose()) {
            Some(seed) => return Ok(Loaded::Stored(seed)),
            None => Some(text),
        },
        Err(BackendError::NotText(encoded)) => Some(encoded),
        Err(error) => return Err(error),
    };
    // The caller heard that nothing is stored; that stays true.
    if abandoned() {
        return Ok(Loaded::Nothing);
    }
    if let Some(unreadable) = unreadable {
        match set_aside(backend, &unreadable)? {
            Some(name) => tracing::warn!(%name, "the stored own key cannot be read and was kept aside"),
            None => return Ok(Loaded::Unreadable),
        }
    }
    backend.write(&record, &format(offered))?;
    // Another process may have stored its key in between; the stored one is everybody's.
    let stored = backend.read(&record)?;
    Ok(stored.and_then(|text| parse(text.expose())).map_or(Loaded::Unreadable, Loaded::Stored))
}

/// Copies a record that cannot be read to the first free name; `None` when that is impossible.
fn set_aside(backend: &mut dyn Backend, value: &SecretText) -> Result<Option<SecretName>, BackendError> {
    if value.units() > MAX_VALUE_UNITS {
        return Ok(None);
    }
    for number in 1..=MAX_KEPT_ASIDE {
        let name = SecretName::fixed(format!("{RECORD}-unreadable-{number}"));
        match backend.read(&name) {
            Ok(None) => {
                backend.write(&name, value)?;
                let kept = backend.read(&name)?;
                return Ok(kept.filter(|kept| kept.expose() == value.expose()).map(|_| name));
            }
            Ok(Some(kept)) if kept.expose() == value.expose() => return Ok(Some(name)),
            Ok(Some(_)) | Err(BackendError::NotText(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn format(seed: &Zeroizing<[u8; 32]>) -> SecretText {
    SecretText::new(format!("{FORMAT}{}", Zeroizing::new(URL_SAFE_NO_PAD.encode(**seed)).as_str()))
}

fn parse(record: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(record.strip_prefix(FORMAT)?).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_seed_survives_its_record(seed in any::<[u8; 32]>()) {
            let record = format(&Zeroizing::new(seed));

            prop_assert!(record.units() <= MAX_VALUE_UNITS);
            prop_assert_eq!(parse(record.expose()).map(|seed| *seed), Some(seed));
        }

        #[test]
        fn a_record_of_another_length_is_not_a_seed(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assume!(bytes.len() != 32);
            let record = format!("{FORMAT}{}", URL_SAFE_NO_PAD.encode(&bytes));

            prop_assert!(parse(&record).is_none());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            prop_assert!(parse(&text).is_none());
        }
    }
}
