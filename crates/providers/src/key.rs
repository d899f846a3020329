//! Provider keys. A key is bound to the base URL for which it was stored: the only way to send one
//! is an [`Endpoint`](crate::http::Endpoint) made from it, and that takes its address from the key.

use std::fmt;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::base_url::BaseUrl;

/// The most bytes of a key.
pub const KEY_BYTES: usize = 4_096;

/// The fewest bytes of a key that is taken out of answers: local servers are given words for keys.
const SECRET_BYTES: usize = 16;

/// Where a provider's key is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// In the secret store, under this name.
    Stored { name: String },
    /// In an environment variable.
    Environment { variable: String },
    /// In a file.
    File { path: PathBuf },
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { name } => write!(formatter, "the stored key {name:?}"),
            Self::Environment { variable } => write!(formatter, "the variable {variable:?}"),
            Self::File { path } => write!(formatter, "the file {path:?}"),
        }
    }
}

/// Why there is no key. The messages never contain one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is kept there.
    #[error("{source_name} does not exist; set it with `tidegate models add`")]
    Missing {
        /// The source, in words.
        source_name: String,
    },
    /// It cannot be read now, for example because the keyring is locked.
    #[error("{source_name} cannot be read: {reason}")]
    Unreadable {
        /// The source, in words.
        source_name: String,
        reason: String,
    },
    /// What is kept there is no key.
    #[error("it is empty, longer than {KEY_BYTES} bytes, or contains characters that no key has")]
    Malformed,
    /// It was stored for another address.
    #[error("it was stored for {stored_for}; set it again for this address with `tidegate models add`")]
    BoundElsewhere {
        /// The base URL that it belongs to.
        stored_for: String,
    },
    /// It would cross the network readable.
    #[error("it would cross the network unencrypted; use https, or allow `keyOverHttp` for this provider")]
    Unencrypted,
}

/// Reads keys. The host's implementation knows the keyring, the environment and files.
pub trait KeyStore: Send + Sync {
    /// The key of `source`, bound to the base URL for which it was stored; a source that does not
    /// know one binds it to `base`, which is what the person configured for it.
    fn resolve<'a>(
        &'a self,
        source: &'a KeySource,
        base: &'a BaseUrl,
    ) -> BoxFuture<'a, Result<BoundKey, KeyError>>;
}

/// A key and the base URL that it may be sent to. There is no way to read it out.
#[derive(Clone)]
pub struct BoundKey {
    base: BaseUrl,
    secret: Zeroizing<String>,
}

impl BoundKey {
    /// Binds a key to the base URL that it was stored for. Blanks around it are dropped.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is empty, too long or not printable ASCII.
    pub fn new(base: BaseUrl, secret: &str) -> Result<Self, KeyError> {
        let secret = secret.trim();
        let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if secret.is_empty() || secret.len() > KEY_BYTES || !printable {
            return Err(KeyError::Malformed);
        }
        Ok(Self { base, secret: Zeroizing::new(secret.to_owned()) })
    }

    /// The only base URL that it may be sent to.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.secret.as_str()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the key out of `text`, and from its end what could be the key's beginning, which is
    /// returned. A short key may be a placeholder, and is an ordinary word then.
    pub(crate) fn take_out(&self, text: &mut String) -> String {
        let secret = self.secret.as_str();
        if secret.len() < SECRET_BYTES {
            return String::new();
        }
        if text.contains(secret) {
            *text = text.replace(secret, "[key]");
        }
        text.split_off(text.len() - self.beginning_at_end(text))
    }

    /// `text` without the key. When the text was cut off, what could be the key's beginning goes
    /// from its end.
    pub(crate) fn redact(&self, text: &str, was_cut: bool) -> String {
        let mut text = text.replace(self.secret.as_str(), "[key]");
        if was_cut {
            text.truncate(text.len() - self.beginning_at_end(&text));
        }
        text
    }

    /// How many bytes at the end of `text` are the key's beginning, or 0.
    fn beginning_at_end(&self, text: &str) -> usize {
        let is_there = |length: &usize| text.ends_with(&self.secret[..*length]);
        (1..self.secret.len()).rev().find(is_there).unwrap_or(0)
    }
}

impl fmt::Debug for BoundKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BoundKey(for {})", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base() -> BaseUrl {
        BaseUrl::parse("https://a.example/v1").unwrap()
    }

    #[test]
    fn a_key_is_not_in_its_debug_output() {
        let key = BoundKey::new(base(), " sk-secret\n").unwrap();
        let shown = format!("{key:?} {:?}", key.header());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        for text in ["", " ", "two words", "line\nbreak", "\u{e9}", &"x".repeat(KEY_BYTES + 1)] {
            assert_eq!(BoundKey::new(base(), text).unwrap_err(), KeyError::Malformed, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn redacted_text_contains_no_key(key in "[!-~]{8,40}", parts in prop::collection::vec(".{0,5}", 1..5), cut in 0usize..40) {
            let bound = BoundKey::new(base(), &key).unwrap();
            let mut text = parts.join(&key);
            text.push_str(&key[..cut.min(key.len())]);
            let redacted = bound.redact(&text, true);
            prop_assume!(!key.contains("[key]") && !"[key]".contains(&key));
            prop_assert!(!redacted.contains(&key));
        }
    }
}
