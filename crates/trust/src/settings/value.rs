//! What a value of the configuration is made of.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_protocol::text;

/// The most bytes of one part of a value.
const MAX_PART: usize = 1024;
/// The most characters of an origin: a name of 253, the scheme, and a port.
const MAX_ORIGIN: usize = 280;

/// A web page's origin as browsers send it: scheme, host, and a port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// Why a text is no origin that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// It stands for every page.
    #[error("`*` would allow every web page; name each origin")]
    Every,
    /// It stands for pages without an address.
    #[error("`null` is what any file or sandboxed page sends; name an origin")]
    Null,
    /// It is written otherwise than browsers send it.
    #[error(
        "write it as browsers send it: http:// or https://, the host in lower case, and a port only if it \
         is not the usual one; no path and no slash at the end"
    )]
    Form,
}

impl WebOrigin {
    /// Reads an origin.
    ///
    /// # Errors
    /// Why it cannot be allowed.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        if text.contains('*') {
            return Err(NotAnOrigin::Every);
        }
        if text == "null" {
            return Err(NotAnOrigin::Null);
        }
        let (usual_port, rest) = match text.split_once("://") {
            Some(("http", rest)) => ("80", rest),
            Some(("https", rest)) => ("443", rest),
            _ => return Err(NotAnOrigin::Form),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(NotAnOrigin::Form)?;
                let address: std::net::Ipv6Addr = host.parse().map_err(|_| NotAnOrigin::Form)?;
                if address.to_string() != host {
                    return Err(NotAnOrigin::Form);
                }
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or(NotAnOrigin::Form)?),
                };
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
        let is_host = !host.is_empty() && (rest.starts_with('[') || host.chars().all(is_name));
        let is_port = port.is_none_or(|port| {
            let number = port.parse::<u16>().ok().filter(|&number| number > 0);
            port != usual_port && number.is_some_and(|number| number.to_string() == port)
        });
        match is_host && is_port && text.len() <= MAX_ORIGIN {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAnOrigin::Form),
        }
    }

    /// The text, as a browser sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        Self::parse(&text)
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

/// One part of a value, as it is shown and compared: an origin, a folder, or a model. It has no
/// character that could hide or break a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValuePart(String);

/// Why a text cannot be shown to a person whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is empty, has more than {MAX_PART} bytes, or has characters that cannot be shown")]
pub struct NotShowable;

impl ValuePart {
    /// The value as the configuration file has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ValuePart {
    type Error = NotShowable;

    fn try_from(text: String) -> Result<Self, NotShowable> {
        let is_hidden = |c: char| c.is_control() || text::is_invisible(c);
        match text.is_empty() || text.len() > MAX_PART || text.chars().any(is_hidden) {
            true => Err(NotShowable),
            false => Ok(Self(text)),
        }
    }
}

impl From<ValuePart> for String {
    fn from(part: ValuePart) -> Self {
        part.0
    }
}

impl From<WebOrigin> for ValuePart {
    fn from(origin: WebOrigin) -> Self {
        Self(origin.0)
    }
}
