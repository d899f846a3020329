//! What a request to the proxy asks for.

use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Uri};
use tidegate_protocol::text;

use crate::host_name::{HostName, HostNameError};
use crate::record::Refusal;

/// Characters of text from a request that a record keeps.
const MAX_SHOWN: usize = 128;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub host: HostName,
    pub port: u16,
}

/// What a request asks the proxy for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyRequest {
    /// A connection to carry bytes over.
    Tunnel(Destination),
    /// This one request to be made.
    Forward(Destination),
}

/// A request that the proxy does not carry out, whatever was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRequest {
    /// The host that it names, cleaned and bounded; empty when there is none to show.
    pub host: String,
    /// The port that it names, or 0.
    pub port: u16,
    /// What is wrong.
    pub refusal: Refusal,
}

/// Reads what a request to the proxy asks for: the absolute form for `http`, or `CONNECT`. The
/// `Host` header must name the same host, once, so that no server can be made to answer as another.
///
/// # Errors
/// When it is neither, or names no public host.
pub fn read_request(
    method: &Method,
    target: &Uri,
    headers: &HeaderMap,
) -> Result<ProxyRequest, RejectedRequest> {
    let Some(authority) = target.authority() else { return Err(unreadable()) };
    let authority = authority.as_str();
    if method == Method::CONNECT {
        if target.scheme().is_some() || target.path_and_query().is_some() {
            return Err(unreadable());
        }
        let destination = read_authority(authority, None)?;
        // Clients differ in whether they add the port.
        check_host_header(&destination, None, headers, false)?;
        return Ok(ProxyRequest::Tunnel(destination));
    }
    if target.scheme_str() != Some("http") {
        return Err(unreadable());
    }
    let destination = read_authority(authority, Some(80))?;
    check_host_header(&destination, Some(80), headers, false)?;
    Ok(ProxyRequest::Forward(destination))
}

/// Checks a request within a tunnel to `destination`, whose own target is a path or names the same
/// host.
///
/// # Errors
/// When it names another host, or none.
pub fn check_tunnelled_request(
    destination: &Destination,
    method: &Method,
    target: &Uri,
    headers: &HeaderMap,
) -> Result<(), RejectedRequest> {
    let reject = |refusal| rejected(destination, refusal);
    if method == Method::CONNECT {
        return Err(reject(Refusal::NotAProxyRequest));
    }
    if let Some(authority) = target.authority() {
        let named = read_authority(authority.as_str(), Some(80))?;
        if target.scheme_str() != Some("http") || named != *destination {
            return Err(reject(Refusal::OtherHostHeader { name: shown(authority.as_str()) }));
        }
    }
    check_host_header(destination, Some(80), headers, true)
}

/// The header fields that belong to one connection and are not passed on (RFC 9110 section 7.6.1),
/// those that `Connection` names included.
pub(crate) fn remove_connection_headers(headers: &mut HeaderMap) {
    const OTHERS: [HeaderName; 3] = [
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        HeaderName::from_static("http2-settings"),
    ];
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // A client that names these wants the next server to see no host, or another length.
        .filter(|name| *name != HOST && *name != hyper::header::CONTENT_LENGTH)
        .collect();
    let known = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, EXPECT];
    for name in named.into_iter().chain(known).chain(OTHERS) {
        headers.remove(name);
    }
}

/// Splits a `HOST[:PORT]`.
pub(crate) fn read_authority(
    authority: &str,
    default_port: Option<u16>,
) -> Result<Destination, RejectedRequest> {
    let reject = |port, refusal| Err(RejectedRequest { host: shown(authority), port, refusal });
    if authority.contains('@') {
        return reject(0, Refusal::UserInfo);
    }
    let (host, port) = split_port(authority);
    let Some(port) = port.map_or(default_port, read_port) else {
        return reject(0, Refusal::NotAProxyRequest);
    };
    match HostName::parse(host) {
        Ok(host) => Ok(Destination { host, port }),
        Err(error) => {
            let refusal = match error {
                HostNameError::Address => Refusal::Address,
                HostNameError::Local => Refusal::LocalName,
                HostNameError::Empty | HostNameError::TooLong | HostNameError::NotAName => Refusal::NotAName,
            };
            Err(RejectedRequest { host: shown(host), port, refusal })
        }
    }
}

/// The host, and what stands after the colon. An IPv6 address stays whole.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

fn check_host_header(
    destination: &Destination,
    default_port: Option<u16>,
    headers: &HeaderMap,
    required: bool,
) -> Result<(), RejectedRequest> {
    let reject = |refusal| Err(rejected(destination, refusal));
    let mut values = headers.get_all(HOST).iter();
    let Some(value) = values.next() else {
        // HTTP/1.0 has none; the one that is passed on is made from the target.
        return if required { reject(Refusal::NotAProxyRequest) } else { Ok(()) };
    };
    if values.next().is_some() {
        return reject(Refusal::NotAProxyRequest);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    let (host, port) = split_port(&text);
    let port = match port {
        Some(port) => read_port(port),
        None => default_port.or(Some(destination.port)),
    };
    let same = port == Some(destination.port) && HostName::parse(host).as_ref() == Ok(&destination.host);
    if same { Ok(()) } else { reject(Refusal::OtherHostHeader { name: shown(&text) }) }
}

fn rejected(destination: &Destination, refusal: Refusal) -> RejectedRequest {
    RejectedRequest { host: destination.host.to_string(), port: destination.port, refusal }
}

fn unreadable() -> RejectedRequest {
    RejectedRequest { host: String::new(), port: 0, refusal: Refusal::NotAProxyRequest }
}

pub(crate) fn shown(text: &str) -> String {
    text::one_line(text, MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(method: &str, target: &str, hosts: &[&str]) -> Result<ProxyRequest, RejectedRequest> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        read_request(&method.parse().unwrap(), &target.parse().unwrap(), &headers)
    }

    fn destination(host: &str, port: u16) -> Destination {
        Destination { host: HostName::parse(host).unwrap(), port }
    }

    fn refusal(method: &str, target: &str, hosts: &[&str]) -> Refusal {
        read(method, target, hosts).unwrap_err().refusal
    }

    #[test]
    fn both_forms_of_proxy_requests_are_read() {
        let forward = |port| Ok(ProxyRequest::Forward(destination("example.com", port)));
        assert_eq!(read("GET", "http://example.com/a?b", &["example.com"]), forward(80));
        assert_eq!(read("GET", "http://EXAMPLE.com.:80/", &["Example.Com:80"]), forward(80));
        assert_eq!(read("POST", "http://example.com:8080", &["example.com:8080"]), forward(8080));
        assert_eq!(read("GET", "http://example.com/", &[]), forward(80));
        let tunnel = Ok(ProxyRequest::Tunnel(destination("example.com", 443)));
        assert_eq!(read("CONNECT", "example.com:443", &["example.com:443"]), tunnel);
        assert_eq!(read("CONNECT", "example.com:443", &["example.com"]), tunnel);
    }

    #[test]
    fn other_forms_are_no_proxy_requests() {
        for (method, target) in [
            ("GET", "/path"),
            ("OPTIONS", "*"),
            ("GET", "https://example.com/"),
            ("GET", "ftp://example.com/"),
            ("GET", "example.com:443"),
            ("CONNECT", "example.com"),
            ("CONNECT", "http://example.com:443/"),
            ("CONNECT", "example.com:0"),
            ("CONNECT", "/"),
        ] {
            assert_eq!(refusal(method, target, &[]), Refusal::NotAProxyRequest, "{method} {target}");
        }
    }

    #[test]
    fn a_host_header_names_the_same_host_once() {
        let other = |name: &str| Refusal::OtherHostHeader { name: name.to_owned() };
        for header in [
            "evil.example",
            "example.com:81",
            "example.com.evil.example",
            "user@example.com",
            "127.0.0.1",
            "",
        ] {
            assert_eq!(refusal("GET", "http://example.com/", &[header]), other(header), "{header}");
        }
        assert_eq!(refusal("CONNECT", "example.com:443", &["example.com:80"]), other("example.com:80"));
        for hosts in [["example.com", "evil.example"], ["example.com", "example.com"]] {
            assert_eq!(refusal("GET", "http://example.com/", &hosts), Refusal::NotAProxyRequest);
        }
    }

    #[test]
    fn disguised_addresses_and_users_are_refused() {
        assert_eq!(refusal("GET", "http://granted.example@127.0.0.1/", &[]), Refusal::UserInfo);
        assert_eq!(refusal("GET", "http://user:password@example.com/", &[]), Refusal::UserInfo);
        assert_eq!(refusal("GET", "http://[::ffff:127.0.0.1]:80/", &[]), Refusal::Address);
        assert_eq!(refusal("CONNECT", "[::1]:443", &[]), Refusal::Address);
        assert_eq!(refusal("CONNECT", "0x7f.1:443", &[]), Refusal::Address);
        assert_eq!(refusal("GET", "http://2130706433/", &[]), Refusal::Address);
        assert_eq!(refusal("CONNECT", "localhost:443", &[]), Refusal::LocalName);
    }

    #[test]
    fn a_tunnelled_request_stays_with_the_host_of_its_tunnel() {
        let tunnel = destination("example.com", 80);
        let check = |method: &str, target: &str, host: Option<&str>| {
            let headers = host
                .map(|host| (HOST, HeaderValue::from_str(host).unwrap()))
                .into_iter()
                .collect::<HeaderMap>();
            check_tunnelled_request(&tunnel, &method.parse().unwrap(), &target.parse().unwrap(), &headers)
        };

        assert_eq!(check("GET", "/", Some("example.com")), Ok(()));
        assert_eq!(check("GET", "http://example.com/", Some("example.com:80")), Ok(()));
        assert!(check("GET", "/", Some("evil.example")).is_err());
        assert!(check("GET", "http://evil.example/", Some("example.com")).is_err());
        assert!(check("GET", "/", None).is_err());
        assert!(check("CONNECT", "example.com:80", Some("example.com")).is_err());
    }

    #[test]
    fn headers_that_belong_to_the_connection_are_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret, host"),
            ("x-secret", "1"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("host", "example.com"),
            ("accept", "*/*"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }

        remove_connection_headers(&mut headers);

        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host"]);
    }

    proptest! {
        /// Whatever is read as a request goes to a name, and the authority says that very name.
        #[test]
        fn a_request_goes_only_where_its_target_says(
            authority in "[a-z0-9.@:%\\[\\]_-]{1,24}|[a-c]{1,3}[.]example(:[0-9]{0,6})?",
            host in "[a-c]{1,3}[.]example(:[0-9]{1,5})?",
            is_tunnel: bool,
        ) {
            let target = if is_tunnel { authority.clone() } else { format!("http://{authority}/") };
            let Ok(target) = target.parse::<Uri>() else { return Ok(()) };
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(&host).unwrap())]);
            let method = if is_tunnel { Method::CONNECT } else { Method::GET };
            if let Ok(ProxyRequest::Tunnel(to) | ProxyRequest::Forward(to)) = read_request(&method, &target, &headers) {
                let name = authority.rsplit_once(':').map_or(&*authority, |(name, _)| name);
                prop_assert_eq!(name.trim_end_matches('.'), to.host.as_str());
                prop_assert_eq!(host.split(':').next().unwrap(), to.host.as_str());
                prop_assert!(to.port != 0 && !authority.contains('@'));
            }
        }
    }
}
