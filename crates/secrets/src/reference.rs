use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::SecretText;

/// The largest file that a reference may name, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Where a configuration value gets its secret from, instead of holding it: `{env:NAME}` or
/// `{file:/absolute/path}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretReference {
    /// An environment variable of the host.
    Environment(String),
    /// A file that only its owner can read, at an absolute path.
    File(PathBuf),
}

/// A text that is not a [`SecretReference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It has neither form.
    #[error("a secret reference looks like {{env:NAME}} or {{file:/absolute/path}}")]
    Form,
    /// The variable's name is not one.
    #[error("{{env:NAME}} needs a name of letters, digits and _ that does not start with a digit")]
    VariableName,
    /// The path is relative or holds a control character.
    #[error("{{file:PATH}} needs an absolute path without control characters")]
    Path,
}

/// Why a [`SecretReference`] gave no secret. Says which one and what to do, never the content.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set; set it before Tidegate starts")]
    VariableNotSet(String),
    /// The file cannot be opened or read.
    #[error("the secret file {} cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The last part of the path is a symbolic link.
    #[error("the secret file {} is a symbolic link; name the file itself", .0.display())]
    SymbolicLink(PathBuf),
    /// It is a directory, a device or a pipe.
    #[error("the secret file {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It belongs to another user.
    #[error("the secret file {} belongs to another user; it must belong to the user who runs Tidegate", .0.display())]
    ForeignOwner(PathBuf),
    /// Its group or others may read or change it.
    #[error("the secret file {} is open to other users; run: chmod 600 on it", .0.display())]
    OpenToOthers(PathBuf),
    /// It exceeds [`MAX_FILE_BYTES`].
    #[error("the secret file {} is larger than {MAX_FILE_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It is empty, or not UTF-8.
    #[error("the secret file {} is empty or not UTF-8 text", .0.display())]
    NotText(PathBuf),
}

impl SecretReference {
    /// Fetches the secret. `environment` looks a variable up: the host reads its environment in
    /// one place. One line end at the end of a file does not belong to the secret. A file is read
    /// off the async workers.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn resolve(
        &self,
        environment: impl FnOnce(&str) -> Option<String>,
    ) -> Result<SecretText, ResolveError> {
        match self {
            Self::Environment(name) => environment(name)
                .filter(|value| !value.is_empty())
                .map(SecretText::new)
                .ok_or_else(|| ResolveError::VariableNotSet(name.clone())),
            Self::File(path) => {
                let (path, named) = (path.clone(), path.clone());
                tokio::task::spawn_blocking(move || read_private(&path)).await.unwrap_or_else(|error| {
                    Err(ResolveError::Unreadable { path: named, source: io::Error::other(error) })
                })
            }
        }
    }
}

impl FromStr for SecretReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match inner.and_then(|inner| inner.split_once(':')) {
            Some(("env", name)) => {
                let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
                let valid = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
                if valid {
                    Ok(Self::Environment(name.to_owned()))
                } else {
                    Err(InvalidReference::VariableName)
                }
            }
            Some(("file", path)) => {
                if Path::new(path).is_absolute() && !path.chars().any(char::is_control) {
                    Ok(Self::File(PathBuf::from(path)))
                } else {
                    Err(InvalidReference::Path)
                }
            }
            _ => Err(InvalidReference::Form),
        }
    }
}

impl TryFrom<String> for SecretReference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(formatter, "{{env:{name}}}"),
            Self::File(path) => write!(formatter, "{{file:{}}}", path.display()),
        }
    }
}

fn read_private(path: &Path) -> Result<SecretText, ResolveError> {
    let unreadable = |source| ResolveError::Unreadable { path: path.to_owned(), source };
    let file = open_without_following(path)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ResolveError::NotAFile(path.to_owned()));
    }
    check_owner_and_mode(path, &metadata)?;
    // The whole size at once: a growing buffer would leave copies of the secret behind.
    let capacity = usize::try_from(metadata.len().min(MAX_FILE_BYTES) + 1).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ResolveError::TooLarge(path.to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| ResolveError::NotText(path.to_owned()))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(ResolveError::NotText(path.to_owned()));
    }
    Ok(SecretText::from(text))
}

#[cfg(unix)]
fn open_without_following(path: &Path) -> Result<std::fs::File, ResolveError> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;

    // NONBLOCK: opening a pipe must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(Errno::LOOP | Errno::MLINK) => Err(ResolveError::SymbolicLink(path.to_owned())),
        Err(errno) => Err(ResolveError::Unreadable { path: path.to_owned(), source: errno.into() }),
    }
}

#[cfg(unix)]
fn check_owner_and_mode(path: &Path, metadata: &std::fs::Metadata) -> Result<(), ResolveError> {
    use std::os::unix::fs::MetadataExt;

    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(ResolveError::ForeignOwner(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(ResolveError::OpenToOthers(path.to_owned()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn open_without_following(path: &Path) -> Result<std::fs::File, ResolveError> {
    let unreadable = |source| ResolveError::Unreadable { path: path.to_owned(), source };
    if std::fs::symlink_metadata(path).map_err(unreadable)?.is_symlink() {
        return Err(ResolveError::SymbolicLink(path.to_owned()));
    }
    std::fs::File::open(path).map_err(unreadable)
}

/// Access lists are not looked at: the file is as private as its directory.
#[cfg(not(unix))]
fn check_owner_and_mode(_: &Path, _: &std::fs::Metadata) -> Result<(), ResolveError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_parses_is_shown_as_it_was_written(text in "\\{(env|file|x):?[A-Za-z0-9_/ .\u{7}]{0,12}\\}?") {
            if let Ok(reference) = text.parse::<SecretReference>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<SecretReference>().map(|reference| {
                assert!(matches!(reference, SecretReference::Environment(_) | SecretReference::File(_)));
            });
        }
    }

    #[test]
    fn other_forms_are_refused_with_what_is_wrong() {
        let parse = |text: &str| text.parse::<SecretReference>();

        assert_eq!(parse("sk-123"), Err(InvalidReference::Form));
        assert_eq!(parse("{vault:x}"), Err(InvalidReference::Form));
        assert_eq!(parse("{env:1X}"), Err(InvalidReference::VariableName));
        assert_eq!(parse("{env:}"), Err(InvalidReference::VariableName));
        assert_eq!(parse("{file:key.txt}"), Err(InvalidReference::Path));
        assert_eq!(parse("{file:/a\nb}"), Err(InvalidReference::Path));
        assert_eq!(parse("{env:OPENAI_API_KEY}"), Ok(SecretReference::Environment("OPENAI_API_KEY".into())));
    }
}
