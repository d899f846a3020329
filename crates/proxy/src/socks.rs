//! SOCKS 5 (RFC 1928) at the proxy's port, for programs that know no proxy for HTTP: connections to
//! names, under the same grants, and compared in the same way. Names are resolved here (`socks5h`);
//! addresses are refused, as everywhere.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::{Exchanges, linger};
use crate::record::{Checked, Refusal};
use crate::request::{Destination, read_authority};
use crate::tunnel::{self, Tunnel};

/// The first byte of a client.
pub(crate) const VERSION: u8 = 5;
/// "No authentication": the port is the command's own.
const NO_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
/// Kinds of addresses.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Replies of the proxy (RFC 1928 section 6).
const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const UNREACHABLE: u8 = 4;
const NO_SUCH_COMMAND: u8 = 7;

/// Why there is no connection.
enum Ended {
    /// The client is gone, slow, or speaks something else.
    Unreadable,
    /// It gets this answer.
    Answered(Vec<u8>),
}

/// Serves a connection that begins with [`VERSION`].
pub(crate) async fn serve(exchanges: &Exchanges, mut client: TcpStream) {
    let ended = match timeout(exchanges.limits.head, read_request(&mut client)).await {
        Ok(Ok(authority)) => match open(exchanges, &authority).await {
            Ok(tunnel) if client.write_all(&reply(SUCCEEDED)).await.is_ok() => {
                return tunnel::run(exchanges, client, Bytes::new(), tunnel).await;
            }
            Ok(_) => return,
            Err(code) => Ended::Answered(reply(code)),
        },
        Ok(Err(ended)) => {
            exchanges.attempt("", 0).end(Refusal::NotAProxyRequest);
            ended
        }
        Err(_) => return,
    };
    if let Ended::Answered(answer) = ended {
        let _ = client.write_all(&answer).await;
    }
    linger(&mut client, &exchanges.limits).await;
}

/// Connects where it is granted; else the reply.
async fn open(exchanges: &Exchanges, authority: &str) -> Result<Tunnel, u8> {
    let destination: Destination = match read_authority(authority, None) {
        Ok(destination) => destination,
        Err(rejected) => {
            exchanges.attempt(&rejected.host, rejected.port).end(rejected.refusal);
            return Err(NOT_ALLOWED);
        }
    };
    match exchanges.open(&destination).await {
        Ok((outbound, mut attempt)) => {
            attempt.set(exchanges.connected(&destination, Checked::NameOnly));
            Ok(Tunnel { destination, outbound, attempt })
        }
        Err(answer) => Err(match answer.status() {
            StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => NOT_ALLOWED,
            _ => UNREACHABLE,
        }),
    }
}

/// The place that a client asks for, as `HOST:PORT`.
async fn read_request(client: &mut TcpStream) -> Result<String, Ended> {
    let [_, count] = read(client).await?;
    let mut methods = vec![0; usize::from(count)];
    client.read_exact(&mut methods).await.map_err(|_| Ended::Unreadable)?;
    if !methods.contains(&NO_AUTHENTICATION) {
        return Err(Ended::Answered(vec![VERSION, NO_METHOD]));
    }
    client.write_all(&[VERSION, NO_AUTHENTICATION]).await.map_err(|_| Ended::Unreadable)?;
    let [version, command, _, kind] = read(client).await?;
    if version != VERSION {
        return Err(Ended::Unreadable);
    }
    if command != CONNECT {
        return Err(Ended::Answered(reply(NO_SUCH_COMMAND)));
    }
    let host = match kind {
        IPV4 => Ipv4Addr::from(read::<4>(client).await?).to_string(),
        IPV6 => format!("[{}]", Ipv6Addr::from(read::<16>(client).await?)),
        NAME => {
            let [length] = read(client).await?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await.map_err(|_| Ended::Unreadable)?;
            String::from_utf8(name).map_err(|_| Ended::Unreadable)?
        }
        _ => return Err(Ended::Unreadable),
    };
    let port = u16::from_be_bytes(read(client).await?);
    Ok(format!("{host}:{port}"))
}

async fn read<const N: usize>(client: &mut TcpStream) -> Result<[u8; N], Ended> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await.map_err(|_| Ended::Unreadable)?;
    Ok(bytes)
}

/// A reply without an address: what it is plays no part for the client.
fn reply(code: u8) -> Vec<u8> {
    vec![VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0]
}
