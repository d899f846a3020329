//! The proxy of sandboxed commands: grants, requests, and TLS handshakes.

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use tidegate_proxy::client_hello::{ClientHelloReader, MAX_HELLO_BYTES, ServerName};
use tidegate_proxy::request::{ProxyRequest, read_request};
use tidegate_proxy::{HostName, NetworkGrant, UpstreamProxy};

/// A TLS handshake whose first byte says how large the pieces are in which it comes: the same name in
/// pieces and at once, which is in the bytes, and the bytes are kept.
pub fn client_hello(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let at_once = name_in_pieces(bytes, bytes.len().max(1));
    let in_pieces = name_in_pieces(bytes, usize::from(*size).max(1));
    // A piece may end before what makes the whole wrong.
    if at_once.is_some() {
        assert_eq!(at_once, in_pieces);
    }
    if let Some(ServerName::Host(name)) = in_pieces {
        assert_is_public(&name);
        // In this order; the heads of records may stand between the characters.
        let mut sent = bytes.iter().map(u8::to_ascii_lowercase);
        assert!(name.as_str().bytes().all(|byte| sent.any(|other| other == byte)), "{name} was not sent");
    }
}

fn name_in_pieces(bytes: &[u8], size: usize) -> Option<ServerName> {
    let mut reader = ClientHelloReader::default();
    let mut fed = 0;
    for piece in bytes.chunks(size) {
        fed += piece.len();
        let read = reader.read(piece);
        assert!(read.is_err() || fed <= MAX_HELLO_BYTES, "kept {fed} bytes");
        if let Some(name) = read.ok()? {
            assert_eq!(reader.into_bytes(), &bytes[..fed]);
            return Some(name);
        }
    }
    None
}

/// A need, and the proxy of an environment: what is read is written and read again as the same.
pub fn network_grant(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(grant) = text.parse::<NetworkGrant>() {
        assert_eq!(grant.to_string().parse(), Ok(grant));
    }
    if let Ok(host) = HostName::parse_international(&text) {
        assert_is_public(&host);
        assert_eq!(HostName::parse(host.as_str()), Ok(host));
    }
    if let Ok(proxy) = UpstreamProxy::parse(&text) {
        assert!(!proxy.host().contains(['\r', '\n', ' ', '@']), "{:?}", proxy.host());
    }
}

/// `METHOD TARGET` and a `Host` header on each further line: what goes anywhere goes to a public name
/// that the target says.
pub fn proxy_request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let (Ok(method), Ok(target)) = (method.parse::<Method>(), target.parse::<Uri>()) else { return };
    let hosts = lines.filter_map(|line| HeaderValue::from_str(line).ok());
    let headers: HeaderMap = hosts.map(|host| (HOST, host)).collect();
    let Ok(request) = read_request(&method, &target, &headers) else { return };
    let (ProxyRequest::Tunnel(to) | ProxyRequest::Forward(to)) = request;
    assert_is_public(&to.host);
    let authority = target.authority().expect("a request that is carried out has one").as_str();
    assert!(authority.to_ascii_lowercase().starts_with(to.host.as_str()) && !authority.contains('@'));
    assert!(to.port != 0 && headers.len() <= 1);
}

fn assert_is_public(host: &HostName) {
    let text = host.as_str();
    assert!(text.contains('.') && text.parse::<std::net::IpAddr>().is_err(), "{text}");
    assert!(
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)),
        "{text}"
    );
}
