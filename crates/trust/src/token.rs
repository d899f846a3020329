//! Tokens that we check: 256 random bits, kept only as their SHA-256.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A token's text. It is shown once and never stored by us in clear.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token from 256 random bits. Its beginning says whose it is, and keeps a command line from
    /// taking a token that begins with `-` for an option.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        let bits = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(entropy));
        Self(Zeroizing::new(format!("tg_{}", bits.as_str())))
    }

    /// A token that a person chose, that comes from the environment, or that a client sends. Blanks around it are no
    /// part of it: files and variables often end in a line end.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().to_owned()))
    }

    /// The hash under which it is kept and found.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// The text, to be shown or sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a text that a client sent.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for TokenHash {}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenHash(..)")
    }
}

/// A stored hash that is not 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's hash is 32 bytes in base64url")]
pub struct TokenHashError;

impl TryFrom<String> for TokenHash {
    type Error = TokenHashError;
    fn try_from(text: String) -> Result<Self, TokenHashError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenHashError)?;
        bytes.try_into().map(Self).map_err(|_| TokenHashError)
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hash.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_token_are_no_part_of_it() {
        for text in ["secret\r\n", "secret\n", " secret "] {
            assert_eq!(Token::from_text(text).hash(), TokenHash::of("secret"), "{text:?}");
        }
        assert_ne!(Token::from_text("sec ret").hash(), TokenHash::of("secret"));
    }
}
