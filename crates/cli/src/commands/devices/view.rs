//! Requests and devices as a person reads them. What a client says of itself is marked as its
//! claim and cleaned; what Tidegate knows stands beside it.

use tidegate_desktop_core::scope_words::{self, Asker};
use tidegate_protocol::{DeviceId, UnixMillis, text};

use super::{Block, Device, Devices, PendingRow, Program, ShownRequest};
use crate::layout::{Fields, Table};
use crate::moments;

/// The most characters of a name or of words from a client.
const MAX_NAME: usize = 64;

/// `devices list`.
pub(super) fn list(devices: &Devices, now: UnixMillis) -> String {
    let mut text = String::new();
    if devices.pending.is_empty() {
        text.push_str("Nothing waits.\n");
    } else {
        let mut table = Table::new(&["CODE", "ASKED", "ASKS FOR", "PROGRAM", "CLAIMED NAME"]);
        for request in &devices.pending {
            let code: String = request.request_id.chars().take(8).collect();
            let scopes = scope_words::summary(&request.scopes);
            let name = claimed_name(request.display_name.as_deref());
            table.row([&code, &moments::ago(now, request.ts), &scopes, &client(request), &name]);
        }
        text.push_str(&format!("Waiting\n{}", table.render()));
        text.push_str("\n`tidegate devices show CODE` shows a request in full.\n");
    }
    if devices.paired.is_empty() {
        text.push_str("\nNo device is known.\n");
    } else {
        let mut table = Table::new(&["ID", "MAY", "LASTS", "SEEN", "PLATFORM", "NAME"]);
        for device in &devices.paired {
            let id: String = device.device_id.chars().take(8).collect();
            let lasts =
                if device.built_in { "built in" } else { device.lasts.as_deref().unwrap_or("always") };
            let may = scope_words::summary(&device.scopes);
            table.row([&id, &may, lasts, &seen(device, now), &device.platform, &name(device)]);
        }
        text.push_str(&format!("\nKnown\n{}", table.render()));
    }
    if !devices.blocked.is_empty() {
        let mut table = Table::new(&["ID", "SINCE", "CLAIMED NAME", "DEVICE OR PROGRAM"]);
        for block in &devices.blocked {
            let device = block.device_id.as_deref().map(|id| id.chars().take(8).collect::<String>());
            let what = device.as_deref().or(block.script.as_deref()).or(block.executable.as_deref());
            let name = claimed_name(Some(&block.name));
            table.row([&block.id, &moments::ago(now, block.since), &name, what.unwrap_or_default()]);
        }
        text.push_str(&format!("\nBlocked\n{}", table.render()));
        text.push_str("\n`tidegate devices unblock ID` lets one ask again.\n");
    }
    text.push_str("\n`tidegate token list` shows programs that were let in without a device.\n");
    text
}

/// `devices show` for a waiting request, and what `devices approve` shows before it asks.
pub(super) fn request(request: &ShownRequest, now: UnixMillis) -> String {
    let row = &request.row;
    let asker = if request.fingerprint.is_some() { Asker::Device } else { Asker::Program };
    let mut fields = Fields::new();
    fields.add("Claimed name", &claimed_name(row.display_name.as_deref()));
    if request.known_name {
        fields.add("Caution", "You gave this name to another device. This one only claims it.");
    }
    if request.unidentified {
        fields.add("Caution", scope_words::UNIDENTIFIED);
    }
    fields.add_some("Caution", request.caution.as_deref());
    let version = if request.version.is_empty() { String::new() } else { format!(" {}", request.version) };
    fields.add("Program", &format!("{}{version} (as it says)", client(row)));
    let family = row.device_family.as_deref().map(|family| format!(", {family}")).unwrap_or_default();
    fields.add("Platform", &format!("{}{family} (as it says)", row.platform));
    fields.add("From", &request.from);
    match asker {
        Asker::Device => fields.add_some("Fingerprint", request.fingerprint.as_deref()),
        Asker::Program => fields.add("Subject", &request.subject),
    }
    fields.add("Code", &format!("{} (a client that shows a code must show this one)", request.code));
    let aside = if request.later { ", put aside" } else { "" };
    let left = moments::left(now, request.expires_at_ms);
    fields.add("Asked", &format!("{}, {left}{aside}", moments::ago(now, row.ts)));
    fields.add("Role", &row.role);
    if !request.has.is_empty() {
        fields.add("Has already", &scope_words::summary(&request.has));
    }
    let sentence = scope_words::request_sentence(asker, request.reason);
    let mut text = format!("{sentence}\n{}\nIt asks for\n", fields.render());
    let lines = scope_words::scope_lines(&row.scopes, &request.adds);
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
pub(super) fn device(device: &Device, now: UnixMillis) -> String {
    let mut fields = Fields::new();
    fields.add_some("Your name for it", device.operator_label.as_deref());
    if device.operator_label != device.display_name {
        fields.add("Claimed name", &claimed_name(device.display_name.as_deref()));
    }
    fields.add("Id", &device.device_id);
    if let Ok(id) = DeviceId::parse(&device.device_id) {
        fields.add("Fingerprint", &id.fingerprint());
    }
    fields.add("Program", &format!("{} (as it says)", words(&device.client_id, &device.client_mode)));
    fields.add("Platform", &format!("{} (as it says)", device.platform));
    fields.add("May", &scope_words::summary(&device.scopes));
    fields.add_some("Lasts", device.lasts.as_deref());
    if let Some(at) = device.approved_at_ms {
        fields.add("Approved", &moments::ago(now, at));
    }
    fields.add("Seen", &seen(device, now));
    fields.add_some("Seen from", device.last_seen_from.as_deref());
    format!("A known device.\n{}", fields.render())
}

/// `devices show` for a program's grant.
pub(super) fn program(program: &Program, now: UnixMillis) -> String {
    let [_, may, lasts, seen, file] = program.cells(now);
    let mut fields = Fields::new();
    fields.add("Program", &file);
    fields.add("Id", &program.id);
    fields.add("May", &may);
    fields.add("Lasts", &lasts);
    fields.add("Seen", &seen);
    format!("A program that uses the shared token.\n{}", fields.render())
}

/// `devices show` for something that is blocked.
pub(super) fn block(block: &Block, now: UnixMillis) -> String {
    let mut fields = Fields::new();
    fields.add("Name", &claimed_name(Some(&block.name)));
    fields.add("Id", &block.id);
    fields.add_some("Device", block.device_id.as_deref());
    fields.add_some("Program", block.script.as_deref().or(block.executable.as_deref()));
    fields.add("Since", &moments::ago(now, block.since));
    format!("Blocked.\n{}", fields.render())
}

fn client(request: &PendingRow) -> String {
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
fn name(device: &Device) -> String {
    match (&device.operator_label, device.built_in) {
        (Some(label), _) => text::one_line(label, MAX_NAME),
        (None, true) => device.display_name.clone().unwrap_or_default(),
        (None, false) => claimed_name(device.display_name.as_deref()),
    }
}

fn seen(device: &Device, now: UnixMillis) -> String {
    match (device.connected, device.last_seen_at_ms) {
        (true, _) => "connected".to_owned(),
        (false, Some(at)) => moments::ago(now, at),
        (false, None) => "never".to_owned(),
    }
}
