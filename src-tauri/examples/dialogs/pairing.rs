//! Pairing requests, as the queue and the review make them.

use tidegate_clock as now;
use tidegate_desktop_core::dialog::ReviewDialog;
use tidegate_desktop_core::review;
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{PublicKey, Scope};
use tidegate_trust::ScopeSet;
use tidegate_trust::origin::{Origin, Peer};
use tidegate_trust::pairing::{PairingRequest, PendingQueue, Subject};
use tidegate_trust::program::Program;
use tidegate_trust::records::{Claims, ProgramIdentity};

use crate::samples::from_now;

/// A new phone that asks for everything.
pub(crate) fn device() -> Option<ReviewDialog> {
    let asked = ScopeSet::from([Scope::Admin, Scope::Pairing, Scope::Approvals, Scope::Write, Scope::Read]);
    shown(phone(asked))
}

/// A known phone that asks for more.
pub(crate) fn upgrade() -> Option<ReviewDialog> {
    let asked = ScopeSet::from([Scope::Write, Scope::Read, Scope::Approvals]);
    let ask = PairingRequest {
        reason: PairingReason::ScopeUpgrade,
        added: ScopeSet::from([Scope::Approvals]),
        has: ScopeSet::from([Scope::Write, Scope::Read]),
        ..phone(asked)
    };
    Some(ReviewDialog { behind: String::new(), ..shown(ask)? })
}

/// A new phone with the name of another.
pub(crate) fn known_name() -> Option<ReviewDialog> {
    let asked = ScopeSet::from([Scope::Admin, Scope::Pairing, Scope::Approvals, Scope::Write, Scope::Read]);
    shown(PairingRequest { known_name: true, ..phone(asked) })
}

/// A known phone that asks for another role.
pub(crate) fn role() -> Option<ReviewDialog> {
    shown(PairingRequest {
        reason: PairingReason::RoleUpgrade,
        role: "node".to_owned(),
        ..phone(ScopeSet::none())
    })
}

/// What OpenClaw's command line asks.
pub(crate) fn program() -> Option<ReviewDialog> {
    let asked = ScopeSet::from([Scope::Write, Scope::Read]);
    let identity = ProgramIdentity {
        uid: 1000,
        executable: "/usr/bin/node".into(),
        script: Some("/home/ada/.npm-global/lib/node_modules/openclaw/openclaw.mjs".into()),
    };
    let program = Program { pid: 4711, identity: identity.clone(), ephemeral: None };
    let peer = Peer::Process { uid: 1000, same_user: true, program: Some(program) };
    let origin = Origin::Loopback(peer);
    let ask = PairingRequest {
        subject: Subject::Program(identity),
        key: None,
        claims: Claims {
            display_name: Some("openclaw".to_owned()),
            client_id: "cli".to_owned(),
            client_mode: "cli".to_owned(),
            version: "2026.9.6".to_owned(),
            platform: "linux".to_owned(),
            device_family: None,
        },
        from: origin.describe(),
        source: origin.source(),
        user: origin.user(),
        ..phone(asked)
    };
    drawn(ask, "5be0c3a1-3d5f-4e96-8b7d-f5cd144ee719")
}

fn phone(asked: ScopeSet) -> PairingRequest {
    let key = PublicKey::from_bytes([7; 32]);
    PairingRequest {
        subject: Subject::Device(key.device_id()),
        key: Some(key),
        reason: PairingReason::NotPaired,
        claims: Claims {
            display_name: Some("Ada's phone".to_owned()),
            client_id: "openclaw-ios".to_owned(),
            client_mode: "ui".to_owned(),
            version: "2026.9.6".to_owned(),
            platform: "iOS 26.1".to_owned(),
            device_family: Some("iPhone".to_owned()),
        },
        role: "operator".to_owned(),
        added: asked.clone(),
        asked,
        has: ScopeSet::none(),
        from: "local network, 192.168.1.23".to_owned(),
        source: "192.168.1.23".to_owned(),
        user: String::new(),
        known_name: false,
        unidentified: false,
        ephemeral: None,
    }
}

/// A request that waits for a while, with others behind it.
fn shown(ask: PairingRequest) -> Option<ReviewDialog> {
    Some(ReviewDialog {
        created_at: from_now(-130),
        expires_at: from_now(170),
        behind: "2 more wait".to_owned(),
        ..drawn(ask, "9c41d7e2-3d5f-4e96-8b7d-f5cd144ee719")?
    })
}

fn drawn(ask: PairingRequest, id: &str) -> Option<ReviewDialog> {
    let mut queue = PendingQueue::default();
    queue.request_pairing(ask, id.to_owned(), now::timestamp());
    queue.take(id).map(|request| review::of_request(&request).dialog)
}
