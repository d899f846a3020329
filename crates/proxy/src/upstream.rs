//! The proxy that this computer is set up to use.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::no_proxy::NoProxy;
use crate::request::Destination;

/// The most bytes of the URL of a proxy.
const MAX_URL_BYTES: usize = 2_048;
/// The most bytes of the head of its answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The most header fields of its answer.
const MAX_ANSWER_HEADERS: usize = 64;

/// A proxy through which all connections go, as `HTTPS_PROXY` names it. Its password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamProxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Zeroizing<String>>,
    without: NoProxy,
}

/// Why a text names no [`UpstreamProxy`]. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamProxyError {
    /// It is no URL with a host.
    #[error("the proxy in HTTPS_PROXY is not a URL; it must look like http://host:port")]
    NotAUrl,
    /// It is another kind of proxy.
    #[error("the proxy in HTTPS_PROXY must begin with http://; other kinds of proxies are not supported")]
    Scheme,
}

impl UpstreamProxy {
    /// Reads `http://[USER[:PASSWORD]@]HOST[:PORT]`, also without the scheme, as other programs do.
    ///
    /// # Errors
    /// When it names no HTTP proxy.
    pub fn parse(text: &str) -> Result<Self, UpstreamProxyError> {
        let text = text.trim();
        if text.len() > MAX_URL_BYTES {
            return Err(UpstreamProxyError::NotAUrl);
        }
        let with_scheme;
        let text = if text.contains("://") {
            text
        } else {
            with_scheme = Zeroizing::new(format!("http://{text}"));
            with_scheme.as_str()
        };
        let url = Url::parse(text).map_err(|_| UpstreamProxyError::NotAUrl)?;
        if url.scheme() != "http" {
            return Err(UpstreamProxyError::Scheme);
        }
        let host = match url.host().ok_or(UpstreamProxyError::NotAUrl)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(UpstreamProxyError::NotAUrl)?;
        Ok(Self { host, port, authorization: authorization(&url), without: NoProxy::default() })
    }

    /// The same, but not for hosts that `NO_PROXY` names: those are connected to as they are without a
    /// proxy, and only at public addresses.
    #[must_use]
    pub fn except(self, no_proxy: &str) -> Self {
        Self { without: NoProxy::parse(no_proxy), ..self }
    }

    /// Whether connections to a host go through it.
    pub(crate) fn is_for(&self, destination: &Destination) -> bool {
        !self.without.names(destination)
    }

    /// Its name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The request that asks it for a tunnel.
    pub(crate) fn connect_request(&self, destination: &Destination) -> Zeroizing<String> {
        let Destination { host, port } = destination;
        let authorization = self.authorization.as_ref().map_or_else(Zeroizing::default, |value| {
            Zeroizing::new(format!("Proxy-Authorization: {}\r\n", value.as_str()))
        });
        Zeroizing::new(format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{}\r\n",
            authorization.as_str()
        ))
    }
}

fn authorization(url: &Url) -> Option<Zeroizing<String>> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials: Zeroizing<Vec<u8>> =
        Zeroizing::new(Vec::with_capacity(url.username().len() + MAX_URL_BYTES));
    credentials.extend(percent_decode_str(url.username()));
    credentials.push(b':');
    credentials.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(credentials.as_slice()))))
}

impl fmt::Debug for UpstreamProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpstreamProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.as_ref().map(|_| "..."))
            .finish()
    }
}

/// What the head of the upstream proxy's answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The head is not complete.
    Incomplete,
    /// The tunnel is open; the head has this many bytes.
    Open(usize),
    /// It refuses, with this status.
    Refused(u16),
    /// It is no HTTP.
    Unreadable,
}

pub(crate) fn read_answer(bytes: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; MAX_ANSWER_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => match response.code {
            Some(200..=299) => Answer::Open(length),
            Some(status) => Answer::Refused(status),
            None => Answer::Unreadable,
        },
        Ok(httparse::Status::Partial) if bytes.len() < MAX_ANSWER_BYTES => Answer::Incomplete,
        Ok(httparse::Status::Partial) | Err(_) => Answer::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host_name::HostName;

    fn request(url: &str) -> String {
        let destination = Destination { host: HostName::parse("example.com").unwrap(), port: 443 };
        UpstreamProxy::parse(url).unwrap().connect_request(&destination).to_string()
    }

    #[test]
    fn usual_forms_are_read() {
        for (text, host, port) in [
            ("http://proxy.example:3128", "proxy.example", 3128),
            ("http://proxy.example/", "proxy.example", 80),
            ("proxy:8080", "proxy", 8080),
            ("http://[::1]:3128", "::1", 3128),
            (" http://10.0.0.1:3128 ", "10.0.0.1", 3128),
        ] {
            let proxy = UpstreamProxy::parse(text).unwrap();
            assert_eq!((proxy.host(), proxy.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn other_kinds_of_proxies_are_rejected() {
        for text in ["https://proxy.example:3128", "socks5://proxy.example:1080"] {
            assert_eq!(UpstreamProxy::parse(text), Err(UpstreamProxyError::Scheme), "{text}");
        }
        for text in ["", "http://", "http://proxy:x"] {
            assert_eq!(UpstreamProxy::parse(text), Err(UpstreamProxyError::NotAUrl), "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_sent() {
        assert_eq!(
            request("http://ada:p%40ss@proxy:3128"),
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\
             Proxy-Authorization: Basic YWRhOnBAc3M=\r\n\r\n"
        );
        assert!(!request("http://proxy:3128").contains("Authorization"));
    }

    #[test]
    fn credentials_are_never_shown() {
        let proxy = UpstreamProxy::parse("http://ada:secret@proxy:3128").unwrap();
        let shown = format!("{proxy:?}");

        assert!(shown.contains("proxy") && !shown.contains("secret") && !shown.contains("ada"), "{shown}");
        assert!(!shown.contains("YWRh"), "{shown}");
        let error = UpstreamProxy::parse("https://ada:secret@proxy:3128").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn answers_are_reported_apart() {
        let open = b"HTTP/1.1 200 Connection established\r\nA: b\r\n\r\n";
        assert_eq!(read_answer(open), Answer::Open(open.len()));
        assert_eq!(read_answer(&[&open[..], b"bytes"].concat()), Answer::Open(open.len()));
        assert_eq!(read_answer(b"HTTP/1.1 407 Auth\r\n\r\n"), Answer::Refused(407));
        assert_eq!(read_answer(b"HTTP/1.1 200"), Answer::Incomplete);
        assert_eq!(read_answer(b"SSH-2.0-x\r\n"), Answer::Unreadable);
        let endless = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'a'; MAX_ANSWER_BYTES]].concat();
        assert_eq!(read_answer(&endless), Answer::Unreadable);
    }

    proptest! {
        #[test]
        fn credentials_cannot_add_headers(user in "\\PC{0,8}|(%0d%0a|%00|a){1,3}", password in ".{0,8}") {
            if let Ok(proxy) = UpstreamProxy::parse(&format!("http://{user}:{password}@proxy:1")) {
                let destination = Destination { host: HostName::parse("example.com").unwrap(), port: 443 };
                let request = proxy.connect_request(&destination);
                prop_assert!(request.lines().count() <= 4, "{:?}", request.as_str());
            }
        }
    }
}
