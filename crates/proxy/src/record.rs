//! What became of a command's connections, for the tool's result, the audit and a person.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::address::AddressClass;

/// Records of one command that are kept. Equal ones are one record with a count.
const MAX_RECORDS: usize = 128;

/// Connections of a command that went to the same place and ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRecord {
    /// The host as the command named it, cleaned and bounded. Empty when it named none that could be
    /// read.
    pub host: String,
    /// The port; 0 when none could be read.
    pub port: u16,
    /// What became of them.
    pub outcome: Outcome,
    pub count: u64,
    /// Bytes that went to the host.
    pub sent: u64,
    /// Bytes that came from the host.
    pub received: u64,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Outcome {
    /// It was made.
    Connected {
        /// Which way it went.
        route: Route,
        /// What was compared with the granted name.
        checked: Checked,
    },
    /// The proxy did not allow it.
    Refused { refusal: Refusal },
    /// It was allowed, and could not be made.
    Failed { failure: Failure },
}

/// Which way a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Route {
    /// To an address that was resolved and checked here.
    Direct,
    /// Through the proxy that this computer is set up to use. It resolves the name, so that only the
    /// name was checked.
    Upstream,
}

/// What was compared with the granted name, beside the name that the command asked the proxy for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Checked {
    /// Nothing: the protocol has no name in the clear, or nothing was sent.
    NameOnly,
    /// The server name of the TLS handshake.
    Tls,
    /// The `Host` of the request.
    Http,
}

/// Why the proxy did not allow a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Refusal {
    /// The host was not granted.
    #[error("the host was not granted to this command")]
    HostNotGranted,
    /// The host was granted, and the port was not.
    #[error("the port was not granted to this command")]
    PortNotGranted,
    /// The command named an address.
    #[error("addresses are not granted, only names of hosts")]
    Address,
    /// The command named this computer or the local network.
    #[error("the name means this computer or the local network, which commands cannot reach")]
    LocalName,
    /// What the command named is no host.
    #[error("it is not the name of a host")]
    NotAName,
    /// The URL has a user before the host, which is a way to disguise the host.
    #[error("the URL has a user name before the host; send it in an Authorization header")]
    UserInfo,
    /// The name has addresses, and no public one.
    #[error("the name leads to {class}, which commands cannot reach")]
    NoPublicAddress {
        /// What one of them is.
        class: AddressClass,
    },
    /// The name has a public address that is this computer's own.
    #[error("the name leads to this computer, which commands cannot reach")]
    ThisComputer,
    /// A tunnel to a TLS port began with something else.
    #[error("what was sent is not TLS, and connections to this port are; use https, or another port")]
    NotTls,
    /// The TLS handshake breaks the protocol's rules, or is of a client older than TLS 1.2.
    #[error("the TLS handshake cannot be read; use a client with TLS 1.2 or later")]
    UnreadableTls,
    /// The TLS handshake names no server.
    #[error("the TLS handshake names no server; use a client that sends SNI")]
    NoServerName,
    /// The TLS handshake names another server than the tunnel was opened for.
    #[error("the TLS handshake names another host, {name}")]
    OtherServerName {
        /// The name, cleaned and bounded.
        name: String,
    },
    /// The `Host` header names another host than the URL or the tunnel.
    #[error("the Host header of the request names another host, {name}")]
    OtherHostHeader {
        /// The header, cleaned and bounded.
        name: String,
    },
    /// It is no request for a proxy.
    #[error("the request cannot be read by a proxy; http:// URLs and CONNECT can")]
    NotAProxyRequest,
}

/// Why an allowed connection could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Failure {
    /// The name has no address, or no name server could be asked.
    #[error("the name could not be resolved")]
    NotResolved,
    /// No name server answered in time.
    #[error("the name was not resolved in time")]
    ResolveTimedOut,
    /// No address accepted a connection.
    #[error("the host did not accept the connection")]
    NotConnected,
    /// No address answered in time.
    #[error("the host did not answer in time")]
    ConnectTimedOut,
    /// The host's answer is no HTTP, or it closed before answering.
    #[error("the host did not answer with HTTP")]
    NoHttpAnswer,
    /// The proxy that this computer is set up to use cannot be reached.
    #[error("the proxy that this computer is set up to use cannot be reached")]
    UpstreamUnreachable,
    /// That proxy refused.
    #[error("the proxy that this computer is set up to use refused it with status {status}")]
    UpstreamRefused {
        /// Its HTTP status.
        status: u16,
    },
    /// That proxy's answer is no HTTP.
    #[error("the proxy that this computer is set up to use did not answer with HTTP")]
    UpstreamUnreadable,
}

impl Refusal {
    /// Whether the command may go there once it is granted.
    #[must_use]
    pub fn can_be_granted(&self) -> bool {
        matches!(self, Self::HostNotGranted | Self::PortNotGranted)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed { failure }
    }
}

impl Outcome {
    /// What went wrong, and what to do.
    pub(crate) fn sentence(&self, place: Place<'_>) -> Option<String> {
        let Place { host, port } = place;
        match self {
            Self::Connected { .. } => None,
            Self::Refused { refusal } if refusal.can_be_granted() => Some(format!(
                "network: {place} was refused because {refusal}; ask with needs [\"network:{host}:{port}\"]"
            )),
            Self::Refused { refusal } => Some(format!("network: {place} was refused because {refusal}")),
            Self::Failed { failure } => Some(format!("network: {place} failed because {failure}")),
        }
    }
}

impl ConnectionRecord {
    /// What happened, for the model and for a person, and where it helps, how to ask for it. `None`
    /// for a connection that was made.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        self.outcome.sentence(Place { host: &self.host, port: self.port })
    }
}

/// Host and port as sentences name them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host, self.port) {
            ("", _) => formatter.write_str("a request"),
            (host, 0) => formatter.write_str(host),
            (host, port) => write!(formatter, "{host}:{port}"),
        }
    }
}

/// All that became of a command's connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReport {
    /// In the order in which the first of each ended.
    pub records: Vec<ConnectionRecord>,
    /// Connections of kinds beyond those that are kept.
    pub omitted: u64,
}

impl NetworkReport {
    /// The sentences for the tool's result: each refusal and failure once.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<_> = self.records.iter().filter_map(ConnectionRecord::sentence).collect();
        if self.omitted > 0 {
            sentences.push(format!("network: {} more connections are not listed", self.omitted));
        }
        sentences
    }

    fn add(&mut self, record: ConnectionRecord) {
        let alike = |known: &&mut ConnectionRecord| {
            known.port == record.port && known.host == record.host && known.outcome == record.outcome
        };
        if let Some(known) = self.records.iter_mut().find(alike) {
            known.count = known.count.saturating_add(record.count);
            known.sent = known.sent.saturating_add(record.sent);
            known.received = known.received.saturating_add(record.received);
        } else if self.records.len() < MAX_RECORDS {
            self.records.push(record);
        } else {
            self.omitted = self.omitted.saturating_add(record.count);
        }
    }
}

/// Where the connections of a command leave their records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<NetworkReport>>);

impl Recorder {
    pub(crate) fn add(&self, record: ConnectionRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(record);
    }

    pub(crate) fn report(&self) -> NetworkReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refused(host: &str, port: u16, refusal: Refusal) -> ConnectionRecord {
        let outcome = Outcome::Refused { refusal };
        ConnectionRecord { host: host.to_owned(), port, outcome, count: 1, sent: 1, received: 2 }
    }

    #[test]
    fn a_refusal_that_a_grant_would_change_says_how_to_ask() {
        let sentence = refused("example.com", 443, Refusal::HostNotGranted).sentence();

        assert_eq!(
            sentence.as_deref(),
            Some(
                "network: example.com:443 was refused because the host was not granted to this command; \
                 ask with needs [\"network:example.com:443\"]"
            )
        );
    }

    #[test]
    fn a_refusal_that_no_grant_would_change_does_not_say_so() {
        let class = AddressClass::Private;
        let sentence = refused("example.com", 443, Refusal::NoPublicAddress { class }).sentence();

        assert_eq!(
            sentence.as_deref(),
            Some(
                "network: example.com:443 was refused because the name leads to a private network, which \
                 commands cannot reach"
            )
        );
    }

    #[test]
    fn a_record_is_written_with_the_names_of_the_protocol() {
        let class = AddressClass::LinkLocal;
        let record = refused("example.com", 80, Refusal::NoPublicAddress { class });
        let value = serde_json::to_value(&record).unwrap();

        let expected = json!({
            "host": "example.com", "port": 80, "count": 1, "sent": 1, "received": 2,
            "outcome": {
                "kind": "refused",
                "refusal": { "reason": "noPublicAddress", "class": "linkLocal" },
            },
        });
        assert_eq!(value, expected);
        assert_eq!(serde_json::from_value::<ConnectionRecord>(value).unwrap(), record);
    }

    #[test]
    fn equal_records_are_added_up() {
        let recorder = Recorder::default();
        for _ in 0..1_000 {
            recorder.add(refused("example.com", 443, Refusal::HostNotGranted));
        }

        let report = recorder.report();

        assert_eq!(report.records.len(), 1);
        assert_eq!((report.records[0].count, report.records[0].received), (1_000, 2_000));
        assert_eq!(report.sentences().len(), 1);
    }

    proptest! {
        #[test]
        fn a_report_is_bounded_and_loses_no_count(hosts in prop::collection::vec(0_u16..300, 0..600)) {
            let recorder = Recorder::default();
            for host in &hosts {
                recorder.add(refused(&format!("h{host}.example"), 443, Refusal::HostNotGranted));
            }
            let report = recorder.report();
            prop_assert!(report.records.len() <= MAX_RECORDS);
            let kept: u64 = report.records.iter().map(|record| record.count).sum();
            prop_assert_eq!(kept + report.omitted, hosts.len() as u64);
        }
    }
}
