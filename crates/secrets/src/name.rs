use std::fmt;
use std::str::FromStr;

/// A service or secret name that no keyring accepts everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {kind} name must have 1 to {limit} characters out of a-z, 0-9 and . _ - /, \
     but this one has {length} characters or another character in it"
)]
pub struct InvalidName {
    kind: &'static str,
    limit: usize,
    length: usize,
}

/// The name under which the keyring groups our records: `tidegate` for a person's installation,
/// something of its own for every test and development build, so that neither touches the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName(String);

/// The name of one record in the keyring, for example `provider/openai`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretName(String);

const MAX_CHARACTERS: usize = 128;

fn parse(kind: &'static str, text: &str) -> Result<String, InvalidName> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let length = text.chars().count();
    if length == 0 || length > MAX_CHARACTERS || !text.chars().all(allowed) {
        return Err(InvalidName { kind, limit: MAX_CHARACTERS, length });
    }
    Ok(text.to_owned())
}

impl ServiceName {
    /// The name in the keyring.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ServiceName {
    fn default() -> Self {
        Self("tidegate".to_owned())
    }
}

impl FromStr for ServiceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        parse("service", text).map(Self)
    }
}

impl SecretName {
    /// The name in the keyring.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name made here, from characters known to be allowed.
    pub(crate) fn fixed(name: String) -> Self {
        debug_assert!(parse("secret", &name).is_ok());
        Self(name)
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        parse("secret", text).map(Self)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_other_characters_or_lengths_are_refused() {
        for bad in ["", "Provider", "a b", "a\0b", "ключ", &"a".repeat(129)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
        assert_eq!("provider/openai".parse::<SecretName>().unwrap().as_str(), "provider/openai");
    }
}
