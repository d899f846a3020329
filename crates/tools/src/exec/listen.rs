//! Which ports of this computer can lead to a server of a command.

use crate::run_tool::listen;
use crate::run_tool::network::PROXY_PORT;

/// The lowest port that belongs to nobody in particular.
const LOWEST: u16 = 1024;

/// Why a port cannot be granted. The sentence goes to the model.
#[derive(Debug, thiserror::Error)]
#[error("listen:{port} cannot be granted: {problem}; name another port from {LOWEST} to 65535")]
pub(super) struct PortRefused {
    port: u16,
    problem: String,
}

/// Looks whether a port can be granted, as it is now. `reserved` are Tidegate's own, and those of web
/// pages that Tidegate answers.
pub(super) fn check(port: u16, reserved: &[u16]) -> Result<(), PortRefused> {
    let problem = if port < LOWEST {
        "ports below 1024 belong to the system".to_owned()
    } else if reserved.contains(&port) {
        "Tidegate itself is reached there, or answers pages from there".to_owned()
    } else if port == PROXY_PORT {
        "the sandbox's own proxy is there".to_owned()
    } else {
        match listen::check(port) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                "a program on this computer uses the port".to_owned()
            }
            Err(error) => error.to_string(),
        }
    };
    Err(PortRefused { port, problem })
}
