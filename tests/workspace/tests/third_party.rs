//! What we take from others: licences, versions with known faults, and libraries that must not
//! be in the graph twice.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use cargo_metadata::semver::Version;
use spdx::{Expression, ParseMode};
use tidegate_workspace_tests::{Workspace, root};

/// The lists of `deny.toml`, which cargo-deny reads too.
struct Policy {
    licences: Vec<String>,
    /// Package and licence.
    exceptions: Vec<(String, String)>,
    banned: Vec<String>,
    one_version: Vec<String>,
}

impl Policy {
    fn load() -> Self {
        let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let entries = |list: &toml::Value| list.as_array().unwrap().clone();
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let exceptions = entries(&file["licenses"]["exceptions"]);
        let bans = entries(&file["bans"]["deny"]);
        let names = |single: bool| {
            let wanted = bans.iter().filter(|ban| ban.get("deny-multiple-versions").is_some() == single);
            wanted.map(|ban| text(&ban["crate"])).collect()
        };
        Self {
            licences: entries(&file["licenses"]["allow"]).iter().map(text).collect(),
            exceptions: exceptions
                .iter()
                .flat_map(|e| {
                    entries(&e["allow"]).iter().map(|l| (text(&e["crate"]), text(l))).collect::<Vec<_>>()
                })
                .collect(),
            banned: names(false),
            one_version: names(true),
        }
    }

    fn allows(&self, package: &str, licence: &str) -> bool {
        self.licences.iter().any(|allowed| allowed == licence)
            || self.exceptions.iter().any(|(name, allowed)| name == package && allowed == licence)
    }
}

/// The oldest version of a library that has none of the faults known to matter here. Not all of
/// them are in the advisory database that cargo-deny reads.
const FLOORS: &[(&str, &str, &str)] = &[
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("crossbeam-channel", "0.5.15", "RUSTSEC-2025-0024"),
    ("crossbeam-epoch", "0.9.20", "a use after free"),
    ("curve25519-dalek", "4.1.3", "RUSTSEC-2024-0344"),
    ("ed25519-dalek", "2.0.0", "RUSTSEC-2022-0093"),
    ("h2", "0.4.16", "floods of frames"),
    ("quick-xml", "0.41.0", "unbounded work on hostile input"),
    ("rustls-webpki", "0.103.13", "name constraints and revocation"),
    ("slab", "0.4.11", "RUSTSEC-2025-0047"),
    ("tauri", "2.11.2", "CVE-2026-42184: a remote page could be taken for a local one"),
    ("time", "0.3.47", "RUSTSEC-2026-0009"),
    ("tokio", "1.44.2", "RUSTSEC-2025-0023"),
    ("tracing-subscriber", "0.3.20", "RUSTSEC-2025-0055: terminal escapes in log lines"),
    ("tungstenite", "0.20.1", "RUSTSEC-2023-0065"),
];

#[test]
fn every_package_has_a_licence_that_we_may_ship() {
    let (workspace, policy) = (Workspace::load().unwrap(), Policy::load());
    let mut wrong = Vec::new();
    for package in workspace.packages() {
        let Some(licence) = &package.license else {
            wrong.push(format!("{} names no licence", package.name));
            continue;
        };
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            wrong.push(format!("{}: {licence} is not a licence expression", package.name));
            continue;
        };
        let fits = expression.evaluate(|requirement| {
            let exception = requirement.addition.as_ref().map(|addition| format!(" WITH {addition}"));
            let name = format!("{}{}", requirement.license, exception.unwrap_or_default());
            policy.allows(&package.name, &name)
        });
        if !fits {
            wrong.push(format!("{}: {licence}", package.name));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_package_is_older_than_its_last_fix_that_matters() {
    let workspace = Workspace::load().unwrap();
    let mut wrong = Vec::new();
    for (name, floor, reason) in FLOORS {
        let floor = Version::parse(floor).unwrap();
        let old = workspace.named(name).filter(|package| package.version < floor);
        wrong.extend(old.map(|package| format!("{name} {} < {floor}: {reason}", package.version)));
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_banned_package_is_used() {
    let (workspace, policy) = (Workspace::load().unwrap(), Policy::load());

    let used: Vec<_> = policy.banned.iter().filter(|name| workspace.named(name).next().is_some()).collect();

    assert!(policy.banned.contains(&"bincode".to_owned()), "{:?}", policy.banned);
    assert!(used.is_empty(), "{used:?}");
}

#[test]
fn libraries_that_hold_shared_state_exist_in_one_version() {
    let (workspace, policy) = (Workspace::load().unwrap(), Policy::load());
    let mut wrong = Vec::new();
    for name in &policy.one_version {
        let versions: Vec<_> = workspace.named(name).map(|package| package.version.to_string()).collect();
        if versions.len() > 1 {
            wrong.push(format!("{name}: {}", versions.join(", ")));
        }
    }

    for name in ["zbus", "tray-icon", "muda", "tungstenite", "rusqlite", "tokio", "hyper", "rustls"] {
        assert!(policy.one_version.contains(&name.to_owned()), "{name} is not in deny.toml");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With that feature a blocking call, such as every call to the keyring, starts a runtime of its
/// own and panics on a thread that has one.
#[test]
fn zbus_does_not_run_on_tokio() {
    let workspace = Workspace::load().unwrap();
    let zbus = workspace.named("zbus").next().unwrap();

    let features = workspace.features(zbus);

    assert!(features.contains("blocking-api") && !features.contains("tokio"), "{features:?}");
}
