//! Requests and devices as a person reads them. What a client says of itself is marked as its
//! claim and cleaned; what Tidegate knows stands beside it.

use tidegate_desktop_core::scope_words::{self, Asker};
use tidegate_protocol::payload::devices::{BlockedEntry, DevicePairListResult, PairedDevice, PendingDevice};
use tidegate_protocol::payload::surface_params::GrantLifetime;
use tidegate_protocol::payload::surfaces::ProgramEntry;
use tidegate_protocol::{Scope, UnixMillis, text};
use tidegate_trust::ScopeSet;

use super::ShownRequest;
use crate::commands::token::{may, program_cells};
use crate::layout::{Fields, Table};
use crate::times;

/// The most characters of a name or of words from a client.
const MAX_NAME: usize = 64;

/// `devices list`.
pub(super) fn list(devices: &DevicePairListResult, now: UnixMillis) -> String {
    let mut text = String::new();
    if devices.pending.is_empty() {
        text.push_str("Nothing waits.\n");
    } else {
        let mut table = Table::new(&["CODE", "ASKED", "ASKS FOR", "PROGRAM", "CLAIMED NAME"]);
        for request in &devices.pending {
            let code: String = request.request_id.chars().take(8).collect();
            let scopes = may(&request.scopes);
            let name = claimed_name(request.display_name.as_deref());
            table.row([&code, &times::ago(now, request.ts), &scopes, &client(request), &name]);
        }
        text.push_str(&format!("Waiting\n{}", table.render()));
        text.push_str("\n`tidegate devices show CODE` shows a request in full.\n");
    }
    if devices.paired.is_empty() {
        text.push_str("\nNo device is known.\n");
    } else {
        let mut table = Table::new(&["ID", "MAY", "LASTS", "SEEN", "PLATFORM", "NAME"]);
        for device in &devices.paired {
            let id: String = device.device_id.to_string().chars().take(8).collect();
            let lasts =
                if is_built_in(device) { "built in" } else { device.lasts.unwrap_or_default().name() };
            let may = may(&device.scopes);
            table.row([&id, &may, lasts, &seen(device, now), &device.platform, &name(device)]);
        }
        text.push_str(&format!("\nKnown\n{}", table.render()));
    }
    if let Some(blocked) = devices.blocked.as_ref().filter(|blocked| !blocked.is_empty()) {
        let mut table = Table::new(&["ID", "SINCE", "CLAIMED NAME", "DEVICE OR PROGRAM"]);
        for block in blocked {
            let device = block.device_id.map(|id| id.to_string().chars().take(8).collect::<String>());
            let what = device.as_deref().or(block.script.as_deref()).or(block.executable.as_deref());
            let name = claimed_name(Some(&block.name));
            table.row([&block.id, &times::ago(now, block.since), &name, what.unwrap_or_default()]);
        }
        text.push_str(&format!("\nBlocked\n{}", table.render()));
        text.push_str("\n`tidegate devices unblock ID` lets one ask again.\n");
    }
    text.push_str("\n`tidegate token list` shows programs that were approved without a device.\n");
    text
}

/// `devices show` for a waiting request, and what `devices approve` shows before it asks.
pub(super) fn request(request: &ShownRequest, now: UnixMillis) -> String {
    let row = &request.row;
    let asker = if row.fingerprint.is_some() { Asker::Device } else { Asker::Program };
    let mut fields = Fields::new();
    fields.add("Claimed name", &claimed_name(row.display_name.as_deref()));
    if row.known_name == Some(true) {
        fields.add("Caution", "You gave this name to another device. This one only claims it.");
    }
    if row.unidentified == Some(true) {
        fields.add("Caution", scope_words::UNIDENTIFIED);
    }
    fields.add_some("Caution", row.caution.as_deref());
    let version = row.version.as_deref().filter(|version| !version.is_empty());
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    fields.add("Program", &format!("{}{version} (as it says)", client(row)));
    let family = row.device_family.as_deref().map(|family| format!(", {family}")).unwrap_or_default();
    fields.add("Platform", &format!("{}{family} (as it says)", row.platform));
    fields.add("From", &request.from);
    match asker {
        Asker::Device => fields.add_some("Fingerprint", row.fingerprint.as_deref()),
        Asker::Program => fields.add("Subject", row.subject.as_deref().unwrap_or_default()),
    }
    fields.add("Code", &format!("{} (a client that shows a code must show this one)", request.code));
    let aside = if row.later == Some(true) { ", put aside" } else { "" };
    let left = times::left(now, request.expires_at_ms);
    fields.add("Asked", &format!("{}, {left}{aside}", times::ago(now, row.ts)));
    fields.add("Role", &row.role);
    if !request.has.is_empty() {
        fields.add("Has already", &may(&request.has));
    }
    let sentence = scope_words::request_sentence(asker, request.reason);
    let mut text = format!("{sentence}\n{}\nIt asks for\n", fields.render());
    let lines = scope_words::scope_lines(&set(&row.scopes), &set(&request.adds));
    for line in &lines {
        let mark = if line.is_far_reaching { "!" } else { " " };
        let state = if line.is_added { "new" } else { "has" };
        text.push_str(&format!("  {mark} {state}  {} ({})\n", line.sentence, line.scope));
    }
    if lines.is_empty() {
        text.push_str("    nothing\n");
    }
    text
}

/// `devices show` for a known device.
pub(super) fn device(device: &PairedDevice, now: UnixMillis) -> String {
    let mut fields = Fields::new();
    fields.add_some("Your name for it", device.operator_label.as_deref());
    if device.operator_label != device.display_name {
        fields.add("Claimed name", &claimed_name(device.display_name.as_deref()));
    }
    fields.add("Id", &device.device_id.to_string());
    fields.add("Fingerprint", &device.device_id.fingerprint());
    fields.add("Program", &format!("{} (as it says)", words(&device.client_id, &device.client_mode)));
    fields.add("Platform", &format!("{} (as it says)", device.platform));
    fields.add("May", &may(&device.scopes));
    fields.add_some("Lasts", device.lasts.map(GrantLifetime::name));
    if let Some(at) = device.approved_at_ms {
        fields.add("Approved", &times::ago(now, at));
    }
    fields.add("Seen", &seen(device, now));
    fields.add_some("Seen from", device.last_seen_from.as_deref());
    format!("A known device.\n{}", fields.render())
}

/// `devices show` for a program's grant.
pub(super) fn program(program: &ProgramEntry, now: UnixMillis) -> String {
    let [_, may, lasts, seen, file] = program_cells(program, now);
    let mut fields = Fields::new();
    fields.add("Program", &file);
    fields.add("Id", &program.id);
    fields.add("May", &may);
    fields.add("Lasts", &lasts);
    fields.add("Seen", &seen);
    format!("A program that uses the shared token.\n{}", fields.render())
}

/// `devices show` for something that is blocked.
pub(super) fn block(block: &BlockedEntry, now: UnixMillis) -> String {
    let mut fields = Fields::new();
    fields.add("Name", &claimed_name(Some(&block.name)));
    fields.add("Id", &block.id);
    fields.add_some("Device", block.device_id.map(|id| id.to_string()).as_deref());
    fields.add_some("Program", block.script.as_deref().or(block.executable.as_deref()));
    fields.add("Since", &times::ago(now, block.since));
    format!("Blocked.\n{}", fields.render())
}

fn client(request: &PendingDevice) -> String {
    words(&request.client_id, &request.client_mode)
}

fn words(client_id: &str, mode: &str) -> String {
    match mode {
        "" => client_id.to_owned(),
        mode => format!("{client_id}, {mode}"),
    }
}

/// A name that nobody checked, in quotes, so that it cannot pass for our own words.
fn claimed_name(name: Option<&str>) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("\"{}\"", text::one_line(name, MAX_NAME).replace('"', "'")),
        None => "none".to_owned(),
    }
}

/// The name that the person gave, else the claimed one.
fn name(device: &PairedDevice) -> String {
    match (&device.operator_label, is_built_in(device)) {
        (Some(label), _) => text::one_line(label, MAX_NAME),
        (None, true) => device.display_name.clone().unwrap_or_default(),
        (None, false) => claimed_name(device.display_name.as_deref()),
    }
}

fn is_built_in(device: &PairedDevice) -> bool {
    device.built_in == Some(true)
}

fn set(scopes: &[Scope]) -> ScopeSet {
    scopes.iter().cloned().collect()
}

fn seen(device: &PairedDevice, now: UnixMillis) -> String {
    match (device.connected, device.last_seen_at_ms) {
        (true, _) => "connected".to_owned(),
        (false, Some(at)) => times::ago(now, at),
        (false, None) => "never".to_owned(),
    }
}
