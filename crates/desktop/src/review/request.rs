//! A device or program that wants to pair.

use std::path::Path;

use tidegate_protocol::Scope;
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::text;
use tidegate_trust::decision::GrantLifetime;
use tidegate_trust::pairing::{PairingRequest, PendingRequest, Subject};
use tidegate_trust::{Level, ScopeSet};

use super::selection::RequestRule;
use super::{MAX_WORDS, Review, Rule, code, words};
use crate::dialog::{DurationOption, Extent, ExtentOption, Field, FieldStyle, GrantOptions, ReviewDialog};
use crate::scope_words::{self, Asker};

/// The role that levels are about.
const OPERATOR: &str = "operator";

/// How trust begins to say where something comes from that another user of this computer runs. The
/// beginnings are trust's own words; text from outside stands behind them only.
const ANOTHER_USER: &str = "this computer, another user";

/// The dialog for a waiting request.
#[must_use]
pub fn of_request(request: &PendingRequest) -> Review {
    let ask = &request.details;
    let dialog = ReviewDialog {
        title: "Tidegate: pairing request",
        heading: scope_words::request_sentence(asker(ask), ask.reason).to_owned(),
        cautions: cautions(ask),
        fields: fields(ask),
        rights: scope_words::scope_lines(&ask.asked, &ask.added),
        code: text::one_line(&request.id.chars().take(8).collect::<String>(), 8),
        created_at: request.created_at,
        expires_at: request.expires_at(),
        behind: String::new(),
        options: Some(options(ask)),
        approve: "Approve",
        refuse: "Reject",
        can_block: true,
    };
    Review { dialog, rule: Rule::Request(Box::new(RequestRule::of(request))) }
}

fn asker(ask: &PairingRequest) -> Asker {
    match ask.subject {
        Subject::Device(_) => Asker::Device,
        Subject::Program(_) => Asker::Program,
    }
}

/// What deserves a second look, most urgent first.
fn cautions(ask: &PairingRequest) -> Vec<String> {
    let mut cautions = Vec::new();
    if ask.known_name {
        cautions.push(
            "You gave this name to another device. This one has another key and only claims the name."
                .to_owned(),
        );
    }
    if ask.unidentified {
        cautions.push(scope_words::UNIDENTIFIED.to_owned());
    }
    if ask.from.starts_with(ANOTHER_USER) {
        cautions.push("Another user of this computer runs it.".to_owned());
    }
    if ask.reason == PairingReason::MetadataUpgrade {
        cautions.push(
            "A device seldom turns into another kind of device. Somebody else may be using its key."
                .to_owned(),
        );
    }
    if ask.from.starts_with("internet, ") {
        cautions.push("It comes from the internet.".to_owned());
    }
    if ask.added.names(&Scope::Pairing) {
        cautions.push("It could approve other devices without asking you.".to_owned());
    }
    if asker(ask) == Asker::Program {
        cautions.push(
            "It uses the token that all programs share. Tidegate knows it by its file, which is a tripwire \
             and no proof; a token of its own is the strong form."
                .to_owned(),
        );
        if ask.asked.names(&Scope::Admin) {
            cautions.push("Full control needs a token of its own.".to_owned());
        }
    }
    cautions.extend(ask.ephemeral.map(str::to_owned));
    cautions
}

fn fields(ask: &PairingRequest) -> Vec<Field> {
    let claims = &ask.claims;
    let name = claims.display_name.as_deref().unwrap_or_default();
    let name = words("Claimed name", name).unwrap_or(Field {
        label: "Claimed name",
        value: "not given".to_owned(),
        style: FieldStyle::Text,
    });
    let mut fields = vec![name];
    fields.extend(words("Client (as it says)", &says_it_is(ask)));
    fields.extend(words("Platform (as it says)", &platform(ask)));
    fields.extend(words("Role", &ask.role));
    match &ask.subject {
        Subject::Device(device) => {
            fields.extend(code("Comes from", &ask.from));
            fields.extend(code("Fingerprint", &device.fingerprint()));
        }
        Subject::Program(program) => {
            fields.extend(words("Comes from", &place(ask, program.uid)));
            fields.extend(program.script.as_deref().and_then(|script| code("Script", &shown(script))));
            fields.extend(code("Program file", &shown(&program.executable)));
        }
    }
    if !ask.has.is_empty() {
        fields.extend(words("Has now", &scope_words::summary(&ask.has)));
        fields.extend(words("Would be added", &scope_words::summary(&ask.added)));
    }
    fields
}

fn says_it_is(ask: &PairingRequest) -> String {
    let claims = &ask.claims;
    let mut words = text::one_line(&claims.client_id, MAX_WORDS / 3);
    for (before, claim) in [(", used as ", &claims.client_mode), (", version ", &claims.version)] {
        if !claim.is_empty() {
            words.push_str(before);
            words.push_str(&text::one_line(claim, MAX_WORDS / 3));
        }
    }
    words
}

fn platform(ask: &PairingRequest) -> String {
    let family = ask.claims.device_family.as_deref().filter(|family| !family.is_empty());
    match family {
        Some(family) => format!("{}, {family}", text::one_line(&ask.claims.platform, MAX_WORDS / 2)),
        None => ask.claims.platform.clone(),
    }
}

/// Where a program runs and as whom. Its files have fields of their own, so what trust says of them
/// after the place is left out.
fn place(ask: &PairingRequest, uid: u32) -> String {
    let place = ask.from.split_once(": ").map_or(ask.from.as_str(), |(place, _)| place);
    if place.starts_with(ANOTHER_USER) { place.to_owned() } else { format!("{place}, your own user ({uid})") }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn options(ask: &PairingRequest) -> GrantOptions {
    let is_program = asker(ask) == Asker::Program;
    let mut extents = Vec::new();
    // With the shared token nobody gets full control, so "what is asked" cannot be granted then.
    if !(is_program && ask.asked.names(&Scope::Admin)) {
        let label = if ask.asked.is_empty() { "No rights, as it asks" } else { "Exactly what it asks for" };
        extents.push(ExtentOption { extent: Extent::Asked, label });
    }
    if ask.role == OPERATOR {
        extents.extend([Level::Read, Level::Write].map(|level| ExtentOption {
            extent: Extent::Level(level),
            label: scope_words::level_sentence(level),
        }));
        extents.push(ExtentOption {
            extent: Extent::Level(Level::Full),
            label: match is_program {
                true => "Full: only with a token of its own.",
                false => scope_words::level_sentence(Level::Full),
            },
        });
    }
    let always = DurationOption { duration: GrantLifetime::Always, label: "Always, until you revoke it" };
    let until_quit = DurationOption { duration: GrantLifetime::UntilQuit, label: "Until Tidegate quits" };
    let once = DurationOption { duration: GrantLifetime::Once, label: "Once, within the next 5 minutes" };
    GrantOptions {
        extents,
        can_pair: can_pair(&ask.asked, &ask.has),
        durations: if ask.ephemeral.is_some() { vec![once] } else { vec![always, until_quit, once] },
        can_have_token: is_program,
    }
}

/// Whether a level can carry "may manage pairing": only what was shown can be granted.
fn can_pair(asked: &ScopeSet, has: &ScopeSet) -> bool {
    asked.names(&Scope::Pairing) || has.names(&Scope::Pairing)
}
