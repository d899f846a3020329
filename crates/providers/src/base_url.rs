//! Where a model server is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use reqwest::Url;

/// The most bytes of a base URL.
const MAX_BYTES: usize = 2_048;

/// The base URL of an OpenAI-compatible API, such as `https://api.openai.com/v1`: http or https,
/// without user name, password, query and fragment, so that it is safe to show.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Url);

/// Why a text is no [`BaseUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It is too long.
    #[error("the base URL is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is no URL.
    #[error("the base URL is not complete ({0}); it looks like https://host/v1")]
    NotAUrl(String),
    /// It is neither http nor https.
    #[error("the base URL must begin with http:// or https://")]
    Scheme,
    /// It has a user name or password.
    #[error("the base URL must not contain a user name or password; store the key instead")]
    Credentials,
    /// It has a query or a fragment.
    #[error("the base URL must not contain ? or #")]
    QueryOrFragment,
}

impl BaseUrl {
    /// Parses a base URL. Slashes at its end, and the path of the method itself
    /// (`/chat/completions`), which people paste with it, are dropped.
    ///
    /// # Errors
    /// When the text is no base URL; the error does not repeat it, because it may contain a secret.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(BaseUrlError::TooLong);
        }
        let mut url = Url::parse(text).map_err(|error| BaseUrlError::NotAUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::QueryOrFragment);
        }
        let mut path = url.path().trim_end_matches('/');
        // However often, so that what is stored is read back as the same.
        while let Some(shorter) = path.strip_suffix("/chat/completions") {
            path = shorter.trim_end_matches('/');
        }
        let path = path.to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The base URL of a server at an address of this computer: `http://ADDRESS/v1`.
    #[must_use]
    pub fn of_local_server(address: SocketAddr) -> Option<Self> {
        address.ip().is_loopback().then(|| Self::parse(&format!("http://{address}/v1")).ok()).flatten()
    }

    /// Scheme, host and port, as errors name a server.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether it is on this computer.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether it is on this computer or in the local network, by its name: such servers may load a model before
    /// they answer.
    pub(crate) fn is_nearby(&self) -> bool {
        const LOCAL_NAMES: [&str; 4] = [".local", ".lan", ".internal", ".home.arpa"];
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => !host.contains('.') || LOCAL_NAMES.iter().any(|end| host.ends_with(end)),
        }
    }

    /// Whether nobody between here and there can read along: https, or the same computer.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_encrypted() || self.is_loopback()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of a method; `path` begins with `/`.
    pub(crate) fn method(&self, path: &'static str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slashes_and_a_pasted_method_path_are_dropped() {
        for text in [
            "https://a.example/v1",
            " https://a.example/v1// ",
            "https://a.example/v1/chat/completions",
            "https://a.example/v1//chat/completions",
            "https://a.example/v1/chat/completions/chat/completions/",
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.to_string(), "https://a.example/v1");
            assert_eq!(base.method("/models").as_str(), "https://a.example/v1/models");
        }
        assert_eq!(
            BaseUrl::parse("http://a.example").unwrap().method("/models").as_str(),
            "http://a.example/models"
        );
    }

    #[test]
    fn what_could_hide_a_secret_or_leave_http_is_refused() {
        assert_eq!(BaseUrl::parse("https://u:p@a.example/"), Err(BaseUrlError::Credentials));
        assert_eq!(BaseUrl::parse("https://a.example/?key=1"), Err(BaseUrlError::QueryOrFragment));
        assert_eq!(BaseUrl::parse("file:///etc/passwd"), Err(BaseUrlError::Scheme));
        assert_eq!(BaseUrl::parse(&"x".repeat(3_000)), Err(BaseUrlError::TooLong));
        assert!(matches!(BaseUrl::parse("sk-secret"), Err(BaseUrlError::NotAUrl(_))));
    }

    #[test]
    fn servers_of_the_local_network_are_nearby() {
        let nearby = |text| BaseUrl::parse(text).unwrap().is_nearby();
        for text in [
            "http://localhost:1/v1",
            "http://127.0.0.1/v1",
            "http://[::1]:1/v1",
            "http://192.168.1.4/v1",
            "http://10.0.0.4/v1",
            "http://[fd00::4]/v1",
            "http://workstation:11434/v1",
            "http://studio.local/v1",
        ] {
            assert!(nearby(text), "{text}");
        }
        for text in ["https://api.example.org/v1", "https://8.8.8.8/v1", "https://[2001:db8::1]/v1"] {
            assert!(!nearby(text), "{text}");
        }
    }

    #[test]
    fn only_this_computer_counts_as_loopback() {
        let loopback = |text| BaseUrl::parse(text).unwrap().is_loopback();
        for text in ["http://localhost:1/", "http://127.8.0.1/", "http://[::1]:8080/v1", "http://2130706433/"]
        {
            assert!(loopback(text), "{text}");
        }
        for text in ["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/", "http://0.0.0.0/"] {
            assert!(!loopback(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_base_url_parses_back_to_itself(text in "https?://[a-z]{1,8}(:[0-9]{1,4})?(/[a-z0-9%/.]{0,12})?|.*") {
            if let Ok(base) = BaseUrl::parse(&text) {
                prop_assert_eq!(BaseUrl::parse(&base.to_string()), Ok(base));
            }
        }
    }
}
