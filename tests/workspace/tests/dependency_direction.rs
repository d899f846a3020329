//! Which package may know which: the crate table of the design, as a test.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::collections::BTreeMap;

use tidegate_workspace_tests::Workspace;

/// Our packages, and which of ours each may use. A package that is not here fails the test:
/// the author of a new one decides where it stands.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    const PROTOCOL: &str = "tidegate-protocol";
    const TRUST: &str = "tidegate-trust";
    const STORE: &str = "tidegate-store";
    const SECRETS: &str = "tidegate-secrets";
    const AGENT: &str = "tidegate-agent";
    const PROVIDERS: &str = "tidegate-providers";
    const PEERS: &str = "tidegate-peers";
    const TOOLS: &str = "tidegate-tools";
    const TRIGGERS: &str = "tidegate-triggers";
    const ACCESS: &str = "tidegate-access";
    const CLOCK: &str = "tidegate-clock";
    const TRANSPORT: &str = "tidegate-transport";
    const GATEWAY: &str = "tidegate-gateway";
    const PROXY: &str = "tidegate-proxy";
    const HOST: &str = "tidegate-host";
    const DESKTOP: &str = "tidegate-desktop-core";
    const INSIDE: &str = "tidegate-inside";
    const SANDBOX: &str = "tidegate-sandbox";

    BTreeMap::from([
        (PROTOCOL, vec![]),
        (TRUST, vec![PROTOCOL]),
        (STORE, vec![PROTOCOL, TRUST]),
        (SECRETS, vec![PROTOCOL, TRUST]),
        (AGENT, vec![PROTOCOL, TRUST, STORE, SECRETS, CLOCK]),
        (PROVIDERS, vec![PROTOCOL, TRUST, STORE, SECRETS, AGENT]),
        (INSIDE, vec![]),
        (SANDBOX, vec![INSIDE]),
        (TRIGGERS, vec![PROTOCOL]),
        (PEERS, vec![PROTOCOL, TRUST]),
        (TOOLS, vec![PROTOCOL, TRUST, AGENT, PEERS, PROXY, SANDBOX, TRIGGERS]),
        (CLOCK, vec![PROTOCOL, TRUST]),
        (ACCESS, vec![PROTOCOL, TRUST, STORE, CLOCK]),
        (TRANSPORT, vec![PROTOCOL, CLOCK, PEERS]),
        (GATEWAY, vec![PROTOCOL, TRUST, STORE, CLOCK, ACCESS, AGENT, PEERS, TRANSPORT]),
        (PROXY, vec![PROTOCOL]),
        (
            HOST,
            vec![
                PROTOCOL, TRUST, STORE, SECRETS, CLOCK, ACCESS, AGENT, PROVIDERS, PEERS, SANDBOX, TOOLS,
                TRANSPORT, GATEWAY,
            ],
        ),
        ("tidegate-cli", vec![PROTOCOL, TRUST, TOOLS, HOST, DESKTOP]),
        (DESKTOP, vec![PROTOCOL, TRUST]),
        ("tidegate-desktop", vec![PROTOCOL, TRUST, CLOCK, TRANSPORT, GATEWAY, HOST, DESKTOP]),
        ("tidegate-testkit", vec![PROTOCOL, TRUST, STORE, SECRETS, AGENT, PROVIDERS, TOOLS, GATEWAY, HOST]),
        (
            "tidegate-bench",
            vec![PROTOCOL, TRUST, STORE, SECRETS, AGENT, TOOLS, SANDBOX, TRIGGERS, HOST, "tidegate-testkit"],
        ),
        (
            "tidegate-daily-tests",
            vec![PROTOCOL, HOST, TOOLS, "tidegate-cli", "tidegate-integration-tests", "tidegate-testkit"],
        ),
        ("tidegate-escape-tests", vec![PROTOCOL, AGENT, SANDBOX, TOOLS]),
        ("tidegate-fuzz", vec![PROTOCOL, TRUST, AGENT, PROVIDERS, TRANSPORT, HOST, PROXY, TRIGGERS]),
        (
            "tidegate-integration-tests",
            vec![
                PROTOCOL,
                TRUST,
                STORE,
                SECRETS,
                AGENT,
                PROVIDERS,
                TOOLS,
                GATEWAY,
                HOST,
                PEERS,
                "tidegate-cli",
                "tidegate-testkit",
            ],
        ),
        ("tidegate-schema-tests", vec![PROTOCOL]),
        ("tidegate-workspace-tests", vec![]),
        ("xtask", vec![]),
    ])
}

/// Libraries that belong to few of our packages, and to which. A name that ends in `*` stands
/// for all that start so.
const OWNED: &[(&str, &[&str])] = &[
    ("tauri", &["tidegate-desktop"]),
    ("tauri-*", &["tidegate-desktop"]),
    ("tray-icon", &["tidegate-desktop"]),
    ("muda", &["tidegate-desktop"]),
    ("wry", &["tidegate-desktop"]),
    ("notify-rust", &["tidegate-desktop"]),
    ("gtk", &["tidegate-desktop"]),
    ("gdk", &["tidegate-desktop"]),
    ("glib", &["tidegate-desktop"]),
    ("webkit2gtk", &["tidegate-desktop"]),
    ("keyring", &["tidegate-secrets"]),
    ("keyring-core", &["tidegate-secrets"]),
    ("secret-service", &["tidegate-secrets"]),
    // The benchmarks compare the store to a bare transaction.
    ("rusqlite", &["tidegate-bench", "tidegate-integration-tests", "tidegate-store"]),
    ("rusqlite_migration", &["tidegate-store"]),
    ("hyper", &["tidegate-fuzz", "tidegate-proxy", "tidegate-testkit", "tidegate-transport"]),
    ("hyper-util", &["tidegate-proxy", "tidegate-testkit", "tidegate-transport"]),
    ("tokio-websockets", &["tidegate-testkit", "tidegate-transport"]),
    ("reqwest", &["tidegate-providers"]),
    ("seccompiler", &["tidegate-sandbox"]),
    ("procfs", &["tidegate-peers"]),
    ("netlink-*", &["tidegate-peers"]),
    ("nix", &["tidegate-peers"]),
];

/// What a crate that does no I/O, reads no clock and draws no randomness never links.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "mio",
    "async-io",
    "polling",
    "rustix",
    "getrandom",
    "rand",
    "rand_chacha",
    "hyper",
    "reqwest",
    "rusqlite",
    "keyring",
    "zbus",
    "tempfile",
    "fd-lock",
    "jiff",
    "chrono",
    "time",
];

#[test]
fn our_packages_depend_on_each_other_in_one_direction_only() {
    let workspace = Workspace::load().unwrap();
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in workspace.members() {
        let Some(may_use) = allowed.get(package.name.as_str()) else {
            wrong.push(format!("{} is not in this test's table", package.name));
            continue;
        };
        let ours = workspace.dependencies(package);
        let ours = ours.iter().filter(|name| allowed.contains_key(name.as_str()));
        let forbidden = ours.filter(|name| !may_use.contains(&name.as_str()));
        wrong.extend(forbidden.map(|name| format!("{} must not depend on {name}", package.name)));
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_of_this_test_names_only_packages_that_exist() {
    let workspace = Workspace::load().unwrap();
    let members: Vec<_> = workspace.members().iter().map(|package| package.name.to_string()).collect();

    let missing: Vec<_> =
        allowed().into_keys().filter(|name| !members.contains(&(*name).to_owned())).collect();

    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_platform_library_is_known_to_its_own_packages_only() {
    let workspace = Workspace::load().unwrap();
    let mut wrong = Vec::new();
    for package in workspace.members() {
        for name in workspace.dependencies(package) {
            let rule = OWNED.iter().find(|(library, _)| match library.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *library,
            });
            if rule.is_some_and(|(_, owners)| !owners.contains(&package.name.as_str())) {
                wrong.push(format!("{} must not depend on {name}", package.name));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn protocol_and_trust_link_nothing_that_does_io_or_draws_randomness() {
    let workspace = Workspace::load().unwrap();
    for name in ["tidegate-protocol", "tidegate-trust"] {
        let package = workspace.named(name).next().unwrap();
        let linked = workspace.linked_into(package);

        let wrong: Vec<_> = IMPURE.iter().filter(|library| linked.contains(**library)).collect();

        assert!(linked.contains("serde"), "{name} links {linked:?}");
        assert!(wrong.is_empty(), "{name} links {wrong:?}");
    }
}

#[test]
fn nothing_below_the_shell_links_a_desktop_toolkit() {
    let workspace = Workspace::load().unwrap();
    for name in ["tidegate-cli", "tidegate-host", "tidegate-desktop-core"] {
        let package = workspace.named(name).next().unwrap();
        let linked = workspace.linked_into(package);

        let toolkits = ["tauri", "wry", "gtk", "gdk", "glib", "webkit2gtk", "tray-icon", "muda"];
        let wrong: Vec<_> = toolkits.iter().filter(|library| linked.contains(**library)).collect();

        assert!(wrong.is_empty(), "{name} links {wrong:?}");
    }
}
