//! Servers of commands, and of programs beside them.

use std::net::TcpListener;

use tidegate_peers::port_owner::{self, Kin, PortOwner};

use crate::support::{Stranger, eventually, own_user};

/// What listens on a port, when such a program does.
fn owner_of(name: &str, trick: &[&str]) -> PortOwner {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let _server = Stranger::with(name, &[trick, &["listen", &port.to_string()]].concat(), None);
    let mut found = None;
    eventually("it listens", || {
        found = port_owner::find(port).expect("an answer");
        found.is_some()
    });
    found.expect("an owner")
}

#[test]
fn a_server_of_another_program_is_no_tools() {
    let owner = owner_of("server", &[]);
    assert_eq!((owner.kin, owner.user, owner.is_own_user), (Kin::None, own_user(), true), "{owner}");
}

#[test]
fn a_server_of_a_tidegate_that_is_gone_is_a_tools() {
    let owner = owner_of("/usr/bin/tidegate", &["run-tool", "/nowhere"]);
    assert_eq!(owner.kin, Kin::Tool, "{owner}");
}

#[test]
fn a_server_without_new_privileges_is_unidentified() {
    let owner = owner_of("server", &["no-new-privs"]);
    assert_eq!(owner.kin, Kin::Unidentified, "{owner}");
}

#[test]
fn a_port_where_nobody_listens_has_no_owner() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    assert_eq!(port_owner::find(port).expect("an answer"), None);
}
