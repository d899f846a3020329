//! Who listens on a port.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use tidegate_protocol::text;

use super::tcp_sockets::{self, TcpSocket};
use super::{Search, own_user, processes, search};
use crate::port_owner::{Kin, PortOwner};

/// How long the owner of a port is looked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Characters of a program's path.
const MAX_PROGRAM: usize = 200;

/// Does what [`crate::port_owner::find`] says.
pub(crate) fn port_owner(port: u16) -> io::Result<Option<PortOwner>> {
    let deadline = Instant::now() + PATIENCE;
    let sockets = tcp_sockets::listening(port)?;
    let is_one_users = sockets.windows(2).all(|pair| pair[0].uid == pair[1].uid);
    let owners = sockets.into_iter().map(|socket| owner_of(socket, deadline));
    let Some(mut owner) = first_of_worst(owners, |owner| owner.kin) else { return Ok(None) };
    if !is_one_users {
        // Which of them a connection reaches is not known.
        owner.kin = owner.kin.max(Kin::Unidentified);
    }
    Ok(Some(owner))
}

fn owner_of(socket: TcpSocket, deadline: Instant) -> PortOwner {
    let is_own_user = socket.uid == own_user();
    let (pid, kin) = match holder(socket, deadline) {
        Ok(Some((pid, kin))) => (Some(pid), kin),
        Ok(None) if is_own_user => (None, Kin::Unidentified),
        Ok(None) => (None, Kin::None),
        Err(_) => (None, Kin::Unidentified),
    };
    let program = pid
        .and_then(|pid| processes::link(pid, "exe").ok())
        .map(|path| text::one_line(&path.display().to_string(), MAX_PROGRAM));
    PortOwner { program, pid, user: socket.uid, is_own_user, kin }
}

/// The process that has a socket open, of several the one to be trusted least; `None` when none that is
/// shown to us has.
fn holder(socket: TcpSocket, deadline: Instant) -> io::Result<Option<(u32, Kin)>> {
    if !processes::is_childless() {
        // Here each thread is looked into, which would take too long with all processes. Launchers have
        // no such socket open.
        if let Search::Found(pid) = search(&processes::descendants()?, &BTreeMap::new(), socket) {
            return Ok(Some((pid, Kin::Tool)));
        }
    }
    let holders = processes::holders(socket.inode, None, deadline)?;
    Ok(first_of_worst(holders.into_iter().map(|pid| (pid, kin_of(pid))), |(_, kin)| *kin))
}

/// Tools run as our own user, so of others nothing more has to be known.
fn kin_of(pid: u32) -> Kin {
    match Kin::of(pid) {
        Kin::Unidentified if processes::user(pid).is_ok_and(|user| user != own_user()) => Kin::None,
        kin => kin,
    }
}

fn first_of_worst<T>(all: impl Iterator<Item = T>, kin: impl Fn(&T) -> Kin) -> Option<T> {
    all.reduce(|worst, next| if kin(&next) > kin(&worst) { next } else { worst })
}
