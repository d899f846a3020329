//! Which hosts and ports a command was granted.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::host_name::{HostName, HostNameError};

/// What a need for network begins with.
const PREFIX: &str = "network:";
/// Grants of one command.
const MAX_GRANTS: usize = 64;

/// One host, or all names below one, with the ports that may be reached there. Its text is the
/// command's need: `network:HOST` for ports 80 and 443, `network:HOST:PORT` for one other;
/// `network:*.example.com` for the names below `example.com`, at any depth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkGrant {
    hosts: Hosts,
    port: Option<NonZeroU16>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hosts {
    One(HostName),
    Below(HostName),
}

/// Why a text is no [`NetworkGrant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkGrantError {
    /// It is a need for something else.
    #[error("a need for network begins with network:, such as network:example.com")]
    NotNetwork,
    /// Its host is none that can be granted.
    #[error("the host of a need for network cannot be granted: {0}")]
    Host(#[from] HostNameError),
    /// A star stands elsewhere than as the first part, or what it stands before is a whole
    /// top-level domain.
    #[error("* may only stand as the first part of a name with two more parts, such as *.example.com")]
    Wildcard,
    /// Its port is none.
    #[error("the port of a need for network must be a number from 1 to 65535")]
    Port,
}

impl NetworkGrant {
    /// Whether it is for this host, on any port.
    #[must_use]
    pub fn matches_host(&self, host: &HostName) -> bool {
        match &self.hosts {
            Hosts::One(name) => name == host,
            Hosts::Below(parent) => host.is_below(parent),
        }
    }

    /// Whether it is for this port.
    #[must_use]
    pub fn matches_port(&self, port: u16) -> bool {
        match self.port {
            Some(own) => own.get() == port,
            None => matches!(port, 80 | 443),
        }
    }
}

impl FromStr for NetworkGrant {
    type Err = NetworkGrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix(PREFIX).ok_or(NetworkGrantError::NotNetwork)?;
        let (host, port) = match text.split_once(':') {
            // More than one colon: an IPv6 address, or a URL.
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let hosts = match host.strip_prefix("*.") {
            Some(parent) => Hosts::Below(wildcard_parent(parent)?),
            None if host.contains('*') => return Err(NetworkGrantError::Wildcard),
            None => Hosts::One(HostName::parse_international(host)?),
        };
        Ok(Self { hosts, port: port.map(read_port).transpose()? })
    }
}

fn wildcard_parent(parent: &str) -> Result<HostName, NetworkGrantError> {
    if parent.contains('*') || !parent.trim_end_matches('.').contains('.') {
        return Err(NetworkGrantError::Wildcard);
    }
    Ok(HostName::parse_international(parent)?)
}

fn read_port(text: &str) -> Result<NonZeroU16, NetworkGrantError> {
    // `from_str` of numbers takes a plus sign, too.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(NetworkGrantError::Port)
}

impl fmt::Display for NetworkGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::One(name) => write!(formatter, "{PREFIX}{name}")?,
            Hosts::Below(parent) => write!(formatter, "{PREFIX}*.{parent}")?,
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

impl TryFrom<String> for NetworkGrant {
    type Error = NetworkGrantError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NetworkGrant> for String {
    fn from(grant: NetworkGrant) -> Self {
        grant.to_string()
    }
}

/// All that one command was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<NetworkGrant>);

/// A command has more grants than are looked through for each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command may have at most {MAX_GRANTS} needs for network")]
pub struct TooManyGrants;

/// Why a destination was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGranted {
    /// No grant is for the host.
    Host,
    /// The host was granted, with other ports.
    Port,
}

impl Grants {
    /// The grants of a command.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(grants: impl IntoIterator<Item = NetworkGrant>) -> Result<Self, TooManyGrants> {
        let mut grants: Vec<_> = grants.into_iter().take(MAX_GRANTS * 2).collect();
        grants.sort();
        grants.dedup();
        if grants.len() > MAX_GRANTS { Err(TooManyGrants) } else { Ok(Self(grants)) }
    }

    /// Whether a command may reach `port` of `host`.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, host: &HostName, port: u16) -> Result<(), NotGranted> {
        let mut host_matches = false;
        for grant in self.0.iter().filter(|grant| grant.matches_host(host)) {
            if grant.matches_port(port) {
                return Ok(());
            }
            host_matches = true;
        }
        Err(if host_matches { NotGranted::Port } else { NotGranted::Host })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(text: &str) -> NetworkGrant {
        text.parse().unwrap()
    }

    fn host(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn a_grant_without_a_port_is_for_the_web() {
        let grants = Grants::new([grant("network:Example.COM.")]).unwrap();

        assert_eq!(grants.check(&host("example.com"), 80), Ok(()));
        assert_eq!(grants.check(&host("example.com"), 443), Ok(()));
        assert_eq!(grants.check(&host("example.com"), 22), Err(NotGranted::Port));
        assert_eq!(grants.check(&host("www.example.com"), 443), Err(NotGranted::Host));
    }

    #[test]
    fn a_grant_with_a_port_is_for_that_port_alone() {
        let grants = Grants::new([grant("network:example.com:8443")]).unwrap();

        assert_eq!(grants.check(&host("example.com"), 8443), Ok(()));
        assert_eq!(grants.check(&host("example.com"), 443), Err(NotGranted::Port));
    }

    #[test]
    fn a_wildcard_is_for_the_names_below() {
        let grants = Grants::new([grant("network:*.example.com")]).unwrap();

        assert_eq!(grants.check(&host("a.b.example.com"), 443), Ok(()));
        assert_eq!(grants.check(&host("example.com"), 443), Err(NotGranted::Host));
        assert_eq!(grants.check(&host("badexample.com"), 443), Err(NotGranted::Host));
    }

    #[test]
    fn needs_that_cannot_be_granted_say_why() {
        use NetworkGrantError::{Host, NotNetwork, Port, Wildcard};
        for (text, error) in [
            ("write:/tmp", NotNetwork),
            ("network:", Host(HostNameError::Empty)),
            ("network:127.0.0.1", Host(HostNameError::Address)),
            ("network:127.0.0.1:80", Host(HostNameError::Address)),
            ("network:[::1]:80", Host(HostNameError::Address)),
            ("network:localhost:18789", Host(HostNameError::Local)),
            ("network:a@example.com", Host(HostNameError::NotAName)),
            ("network:example.com/path", Host(HostNameError::NotAName)),
            ("network:*", Wildcard),
            ("network:*.com", Wildcard),
            ("network:*.com.", Wildcard),
            ("network:*.*.example.com", Wildcard),
            ("network:a*.example.com", Wildcard),
            ("network:*.co.local", Host(HostNameError::Local)),
            ("network:example.com:0", Port),
            ("network:example.com:+80", Port),
            ("network:example.com:", Port),
            ("network:example.com:65536", Port),
        ] {
            assert_eq!(text.parse::<NetworkGrant>(), Err(error), "{text}");
        }
        assert!("network:https://example.com".parse::<NetworkGrant>().is_err());
    }

    #[test]
    fn a_command_has_a_bounded_number_of_grants() {
        let many = |count: usize| (0..count).map(|index| grant(&format!("network:h{index}.example.com")));

        assert!(Grants::new(many(64)).is_ok());
        assert_eq!(Grants::new(many(65)), Err(TooManyGrants));
        assert_eq!(Grants::new(many(100_000)), Err(TooManyGrants));
    }

    proptest! {
        #[test]
        fn a_grant_reads_back_as_itself(
            text in "network:([*][.])?[a-zA-Z0-9\u{fc}-]{1,5}[.][a-z]{1,5}[.]?(:[0-9]{1,5})?|network:.{0,20}|.{0,12}"
        ) {
            if let Ok(grant) = text.parse::<NetworkGrant>() {
                prop_assert_eq!(grant.to_string().parse(), Ok(grant.clone()));
                let json = serde_json::to_string(&grant).unwrap();
                prop_assert_eq!(serde_json::from_str::<NetworkGrant>(&json).unwrap(), grant);
            }
        }

        /// Against the plainest form of the rule.
        #[test]
        fn a_host_is_granted_exactly_by_its_own_name_or_a_name_above(
            granted in "([*][.])?[ab]{1,2}[.][ab]{1,2}([.][ab])?", asked in "[ab]{1,2}([.][ab]{1,2}){1,3}"
        ) {
            let grants = Grants::new([grant(&format!("network:{granted}"))]).unwrap();
            let expected = match granted.strip_prefix('*') {
                Some(dot_and_parent) => asked.ends_with(dot_and_parent),
                None => asked == granted,
            };
            prop_assert_eq!(grants.check(&host(&asked), 443).is_ok(), expected);
        }
    }
}
