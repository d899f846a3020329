//! The HTTP proxy that is a sandboxed command's only way to the network: to the hosts that it was
//! granted, by name.
//!
//! A command has no network of its own. A listening socket from inside its sandbox is handed out,
//! and [`Proxy`] serves it: requests in absolute form for `http`, tunnels (`CONNECT`), and the same for
//! SOCKS 5.
//!
//! A name is checked before it is resolved, so that resolving tells nobody anything; it is resolved
//! here, and the connection goes to the very address that was checked ([`address`]). What a tunnel
//! carries is compared with the granted name where it says one: the server name of TLS
//! ([`client_hello`]), the `Host` of HTTP ([`request`]). Nothing is decrypted: a grant means that the
//! command can send anything to that host. What a host does with a name inside of TLS, such as a
//! provider that serves many sites from one address, is not seen.
//!
//! hyper reads and writes HTTP on both sides, so that each request is framed again and ends where we
//! think that it ends: no second request, with a host that was not looked at, can hide in the first
//! one's body. A connection serves one request.

pub mod address;
pub mod client_hello;
mod dial;
mod exchange;
pub mod grants;
pub mod host_name;
pub mod listener;
mod no_proxy;
mod outbound;
pub mod ports;
mod proxy;
pub mod record;
pub mod request;
mod socks;
mod tunnel;
pub mod upstream;
mod variables;

pub use grants::{Grants, NetworkGrant};
pub use host_name::HostName;
pub use proxy::{ConnectionSlots, Limits, Proxy, ProxyParts};
pub use record::NetworkReport;
pub use upstream::UpstreamProxy;
pub use variables::variables;
