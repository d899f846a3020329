use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyring::v1::{Entry, Error};
use tidegate_protocol::text::one_line;
use zeroize::Zeroizing;

use crate::backend::{Backend, BackendError};
use crate::{SecretName, SecretText, ServiceName};

/// The operating system's keyring: Secret Service (Linux and BSD), Keychain (macOS), Credential
/// Manager (Windows). Only the thread of [`crate::SecretStore`] may use it: each call can wait
/// for a person.
pub(crate) struct OsKeyring {
    service: ServiceName,
}

impl OsKeyring {
    pub(crate) fn new(service: ServiceName) -> Self {
        Self { service }
    }

    fn entry(&self, name: &SecretName) -> Result<Entry, BackendError> {
        Entry::new(self.service.as_str(), name.as_str()).map_err(classify)
    }
}

impl Backend for OsKeyring {
    fn read(&mut self, name: &SecretName) -> Result<Option<SecretText>, BackendError> {
        match self.entry(name)?.get_password() {
            Ok(text) => Ok(Some(SecretText::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(classify(error)),
        }
    }

    fn write(&mut self, name: &SecretName, value: &SecretText) -> Result<(), BackendError> {
        self.entry(name)?.set_password(value.expose()).map_err(classify)
    }

    fn delete(&mut self, name: &SecretName) -> Result<bool, BackendError> {
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(classify(error)),
        }
    }
}

/// Sorts the library's errors. It boxes the platform's own error, so that only its text tells
/// "a person said no" from "locked". The error is never printed with `Debug`: some variants hold
/// the secret.
fn classify(error: Error) -> BackendError {
    match error {
        Error::BadEncoding(bytes) | Error::BadDataFormat(bytes, _) => {
            BackendError::NotText(SecretText::new(URL_SAFE_NO_PAD.encode(&*Zeroizing::new(bytes))))
        }
        Error::Ambiguous(_) => BackendError::Ambiguous,
        Error::NoDefaultStore => {
            BackendError::Absent("no keyring service answered when it was first needed".to_owned())
        }
        Error::NoStorageAccess(cause) => {
            let cause = cause.to_string();
            if is_refusal(&cause) { BackendError::Denied } else { BackendError::Locked }
        }
        Error::PlatformFailure(cause) => {
            let cause = cause.to_string();
            if is_refusal(&cause) {
                BackendError::Denied
            } else if is_lock(&cause) {
                BackendError::Locked
            } else {
                BackendError::Absent(one_line(&cause, 200))
            }
        }
        other => BackendError::Absent(one_line(&other.to_string(), 200)),
    }
}

/// Secret Service: a dismissed prompt. macOS: `errSecUserCanceled`, `errSecAuthFailed`.
fn is_refusal(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    ["prompt dismissed", "user canceled", "user name or passphrase"].iter().any(|text| cause.contains(text))
}

/// Secret Service: `IsLocked`. macOS: `errSecInteractionNotAllowed`.
fn is_lock(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    ["locked", "interaction is not allowed"].iter().any(|text| cause.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(text: &str) -> Box<dyn std::error::Error + Send + Sync> {
        text.into()
    }

    #[test]
    fn a_dismissed_prompt_is_a_refusal_and_a_lock_is_not() {
        let cases = [
            (Error::NoStorageAccess(boxed("SS error: prompt dismissed")), "Denied"),
            (Error::PlatformFailure(boxed("User canceled the operation.")), "Denied"),
            (Error::NoStorageAccess(boxed("SS Error: object locked")), "Locked"),
            (Error::PlatformFailure(boxed("org.freedesktop.Secret.Error.IsLocked: locked")), "Locked"),
            (Error::PlatformFailure(boxed("zbus error: broken pipe")), "Absent"),
            (Error::NoDefaultStore, "Absent"),
            (Error::NotSupportedByStore("x".to_owned()), "Absent"),
        ];
        for (error, expected) in cases {
            let shown = error.to_string();
            let sorted = format!("{:?}", classify(error));
            assert!(sorted.starts_with(expected), "{shown} became {sorted}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_stay_secret_in_debug_output() {
        let sorted = classify(Error::BadEncoding(b"\xffhunter2".to_vec()));

        assert_eq!(format!("{sorted:?}"), "NotText([secret])");
    }
}
