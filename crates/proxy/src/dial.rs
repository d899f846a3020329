//! From a granted name to a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::address;
use crate::outbound::{Outbound, Traffic};
use crate::ports::{ConnectError, Connector, LookupName, Resolver};
use crate::record::{Failure, Outcome, Refusal, Route};
use crate::request::Destination;
use crate::upstream::{Answer, UpstreamProxy, read_answer};

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Names that are looked up for one command at a time: each takes a thread of the system's resolver.
const MAX_LOOKUPS: usize = 4;
/// How long an address has before the next is tried beside it (RFC 8305).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Makes the connections of one command.
pub(crate) struct Dialer {
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) upstream: Option<UpstreamProxy>,
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
    lookups: Semaphore,
}

impl Dialer {
    pub(crate) fn new(
        resolver: Arc<dyn Resolver>,
        connector: Arc<dyn Connector>,
        upstream: Option<UpstreamProxy>,
        resolve: Duration,
        connect: Duration,
    ) -> Self {
        Self { resolver, connector, upstream, resolve, connect, lookups: Semaphore::new(MAX_LOOKUPS) }
    }

    pub(crate) fn route(&self, destination: &Destination) -> Route {
        if self.upstream_for(destination).is_some() { Route::Upstream } else { Route::Direct }
    }

    fn upstream_for(&self, destination: &Destination) -> Option<&UpstreamProxy> {
        self.upstream.as_ref().filter(|upstream| upstream.is_for(destination))
    }

    /// Connects to a destination that was granted.
    pub(crate) async fn dial(
        &self,
        destination: &Destination,
        traffic: Arc<Traffic>,
    ) -> Result<Outbound, Outcome> {
        match self.upstream_for(destination) {
            Some(upstream) => Ok(self.through(upstream, destination, traffic).await?),
            None => self.direct(destination, traffic).await,
        }
    }

    async fn direct(&self, destination: &Destination, traffic: Arc<Traffic>) -> Result<Outbound, Outcome> {
        let found = self.look_up(LookupName::Public(&destination.host)).await?;
        let addresses = public_addresses(&found)?;
        // The very addresses that were checked: nothing is resolved again.
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, destination.port));
        let stream = self.first(addresses, |address| self.connector.connect(address)).await?;
        Ok(Outbound::new(stream, Bytes::new(), traffic))
    }

    async fn through(
        &self,
        upstream: &UpstreamProxy,
        destination: &Destination,
        traffic: Arc<Traffic>,
    ) -> Result<Outbound, Failure> {
        let found = match upstream.host().parse() {
            Ok(address) => vec![address],
            Err(_) => self
                .look_up(LookupName::Upstream(upstream.host()))
                .await
                .map_err(|_| Failure::UpstreamUnreachable)?,
        };
        let addresses = found.into_iter().take(MAX_ADDRESSES).map(|ip| SocketAddr::new(ip, upstream.port()));
        let mut stream = self
            .first(addresses, |address| self.connector.connect_upstream(address))
            .await
            .map_err(|_| Failure::UpstreamUnreachable)?;
        let open = open_tunnel(&mut stream, upstream, destination);
        let early = timeout(self.connect, open).await.map_err(|_| Failure::ConnectTimedOut)??;
        Ok(Outbound::new(stream, early, traffic))
    }

    async fn look_up(&self, name: LookupName<'_>) -> Result<Vec<IpAddr>, Failure> {
        let found = timeout(self.resolve, async {
            let _permit = self.lookups.acquire().await.map_err(io::Error::other)?;
            self.resolver.resolve(name).await
        });
        match found.await {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(Failure::NotResolved),
            Err(_) => Err(Failure::ResolveTimedOut),
        }
    }

    /// The first of several connections, each begun when the one before fails or takes long.
    async fn first<C>(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
        connect: impl Fn(SocketAddr) -> C,
    ) -> Result<TcpStream, Outcome>
    where
        C: Future<Output = Result<TcpStream, ConnectError>>,
    {
        let deadline = Instant::now() + self.connect;
        let mut addresses = addresses.fuse();
        let mut attempts = FuturesUnordered::new();
        let mut last = Outcome::from(Failure::NotConnected);
        attempts.extend(addresses.next().map(&connect));
        while !attempts.is_empty() {
            let is_more = addresses.size_hint().1 != Some(0);
            tokio::select! {
                ended = timeout_at(deadline, attempts.next()) => match ended {
                    Err(_) => return Err(Failure::ConnectTimedOut.into()),
                    Ok(Some(Ok(stream))) => return Ok(stream),
                    Ok(Some(Err(error))) => {
                        last = match error {
                            ConnectError::ThisComputer => Refusal::ThisComputer.into(),
                            ConnectError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                                Failure::ConnectTimedOut.into()
                            }
                            ConnectError::Io(_) => Failure::NotConnected.into(),
                        };
                        attempts.extend(addresses.next().map(&connect));
                    }
                    Ok(None) => {}
                },
                () = sleep(ATTEMPT_DELAY), if is_more => attempts.extend(addresses.next().map(&connect)),
            }
        }
        Err(last)
    }
}

/// The public ones of a name's addresses, the two families by turns.
pub(crate) fn public_addresses(found: &[IpAddr]) -> Result<Vec<IpAddr>, Refusal> {
    let public = found.iter().copied().filter(|address| address::refused(*address).is_none());
    let (first, second): (Vec<_>, Vec<_>) = {
        let public: Vec<_> = public.collect();
        let is_v6 = public.first().is_some_and(IpAddr::is_ipv6);
        public.into_iter().partition(|address| address.is_ipv6() == is_v6)
    };
    let mut first = first.into_iter();
    let mut second = second.into_iter();
    let mut by_turns = Vec::new();
    while by_turns.len() < MAX_ADDRESSES {
        let pair = [first.next(), second.next()];
        if pair.iter().all(Option::is_none) {
            break;
        }
        by_turns.extend(pair.into_iter().flatten());
    }
    match found.iter().find_map(|address| address::refused(*address)) {
        Some(class) if by_turns.is_empty() => Err(Refusal::NoPublicAddress { class }),
        _ => Ok(by_turns),
    }
}

/// Asks an upstream proxy for a tunnel, and returns what it sent after its answer.
async fn open_tunnel(
    stream: &mut TcpStream,
    upstream: &UpstreamProxy,
    destination: &Destination,
) -> Result<Bytes, Failure> {
    let request = upstream.connect_request(destination);
    stream.write_all(request.as_bytes()).await.map_err(|_| Failure::UpstreamUnreachable)?;
    let mut answer = Vec::new();
    loop {
        // One at a time would be slow; what is read beyond the head is returned.
        let mut piece = [0; 1_024];
        let count = stream.read(&mut piece).await.map_err(|_| Failure::UpstreamUnreachable)?;
        if count == 0 {
            return Err(Failure::UpstreamUnreadable);
        }
        answer.extend_from_slice(&piece[..count]);
        match read_answer(&answer) {
            Answer::Incomplete => {}
            Answer::Open(length) => return Ok(Bytes::copy_from_slice(&answer[length..])),
            Answer::Refused(status) => return Err(Failure::UpstreamRefused { status }),
            Answer::Unreadable => return Err(Failure::UpstreamUnreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::AddressClass;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_public_addresses_of_a_mixed_answer_are_used() {
        let found = addresses(&["10.0.0.1", "203.0.113.1", "::1", "2001:db8::1", "203.0.113.2"]);

        let expected = addresses(&["203.0.113.1", "2001:db8::1", "203.0.113.2"]);
        assert_eq!(public_addresses(&found), Ok(expected));
    }

    #[test]
    fn an_answer_without_a_public_address_says_what_it_is() {
        let class = AddressClass::Private;
        let found = addresses(&["192.168.0.1", "::1"]);
        assert_eq!(public_addresses(&found), Err(Refusal::NoPublicAddress { class }));
    }

    proptest! {
        #[test]
        fn what_is_used_was_answered_and_is_public(found: Vec<(bool, u32)>) {
            let to_address = |(v6, bits): (bool, u32)| {
                let v4 = std::net::Ipv4Addr::from_bits(bits);
                if v6 { IpAddr::V6(v4.to_ipv6_mapped()) } else { IpAddr::V4(v4) }
            };
            let found: Vec<IpAddr> = found.into_iter().map(to_address).collect();
            if let Ok(used) = public_addresses(&found) {
                prop_assert!(used.iter().all(|ip| found.contains(ip) && address::refused(*ip).is_none()));
                prop_assert!(used.len() <= MAX_ADDRESSES + 1);
            }
        }
    }
}
