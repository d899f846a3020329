//! Scopes, levels and pairing requests in plain words: one wording for the dialog, the windows and
//! the command line.
//!
//! Nothing here is text from outside, except the name of an unknown scope, which is cleaned.

use std::borrow::Cow;

use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::scope::MAX_SCOPE_LENGTH;
use tidegate_protocol::{Scope, text};
use tidegate_trust::{Level, ScopeSet};

/// The caution for a request of which nobody can tell whether an agent's command is behind it.
pub const UNIDENTIFIED: &str = "An agent's command is running that is not contained. It may have read the \
    keys of your devices, so this may be the command. Approve only if you just started this client yourself.";

/// One scope of a request as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeLine {
    pub scope: Scope,
    /// What it lets its holder do: a sentence.
    pub sentence: Cow<'static, str>,
    /// Whether the request would add it; otherwise it is held already.
    pub is_added: bool,
    /// Whether it deserves a second look: it reaches far, or it hands on rights.
    pub is_far_reaching: bool,
}

/// The scopes that are asked for, the far-reaching ones first.
#[must_use]
pub fn scope_lines(asked: &ScopeSet, added: &ScopeSet) -> Vec<ScopeLine> {
    let mut scopes: Vec<&Scope> = asked.iter().collect();
    scopes.sort_by_key(|scope| rank(scope));
    scopes
        .into_iter()
        .map(|scope| ScopeLine {
            scope: scope.clone(),
            sentence: sentence(scope),
            is_added: added.names(scope),
            is_far_reaching: is_far_reaching(scope),
        })
        .collect()
}

/// What a scope lets its holder do: a sentence.
#[must_use]
pub fn sentence(scope: &Scope) -> Cow<'static, str> {
    Cow::Borrowed(match scope {
        Scope::Admin => {
            "Full control: settings, sessions, agents, and decisions about commands and files. \
             Not included: managing pairing."
        }
        Scope::Pairing => "Manage pairing: approve devices and programs, with at most its own permissions.",
        Scope::Approvals => {
            "Decide about commands that agents want to run, and about files outside their workspace."
        }
        Scope::Write => "Talk to agents: send messages, start and stop runs; name and archive sessions.",
        Scope::Read => "Look: sessions, conversations, models and logs.",
        Scope::Questions => "Answer questions that agents ask you.",
        Scope::Talk => "Talk to agents by voice.",
        Scope::TalkSecrets => "Read the keys of voice services.",
        Scope::SessionsRead => "Look at sessions and conversations.",
        Scope::SessionsWrite => "Write into sessions.",
        Scope::Other(name) => {
            let name = text::one_line(name, MAX_SCOPE_LENGTH);
            return Cow::Owned(format!("\"{name}\": Tidegate does not know it, and it opens nothing here."));
        }
    })
}

/// A scope in a few words, for tables.
#[must_use]
pub fn short(scope: &Scope) -> Cow<'static, str> {
    Cow::Borrowed(match scope {
        Scope::Admin => "full control",
        Scope::Pairing => "manage pairing",
        Scope::Approvals => "decide commands",
        Scope::Write => "talk to agents",
        Scope::Read => "look",
        Scope::Questions => "answer questions",
        Scope::Talk => "voice",
        Scope::TalkSecrets => "voice keys",
        Scope::SessionsRead => "see sessions",
        Scope::SessionsWrite => "write sessions",
        Scope::Other(name) => return Cow::Owned(text::one_line(name, MAX_SCOPE_LENGTH)),
    })
}

/// A set of scopes in a few words, the far-reaching ones first; "nothing" when it is empty. Scopes
/// that another one of the set covers are left out.
#[must_use]
pub fn summary(scopes: &ScopeSet) -> String {
    let is_covered = |scope: &Scope| {
        scopes.iter().any(|other| other != scope && ScopeSet::from([other.clone()]).holds(scope))
    };
    let mut greatest: Vec<&Scope> = scopes.iter().filter(|scope| !is_covered(scope)).collect();
    if greatest.is_empty() {
        return "nothing".to_owned();
    }
    greatest.sort_by_key(|scope| rank(scope));
    greatest.into_iter().map(short).collect::<Vec<_>>().join(", ")
}

/// What a level allows: a sentence.
#[must_use]
pub fn level_sentence(level: Level) -> &'static str {
    match level {
        Level::Read => "Read only: see everything, change nothing.",
        Level::Write => "Read and write: see everything, and talk to agents.",
        Level::Full => {
            "Full: see everything, talk to agents, change sessions and settings, decide about commands and files."
        }
    }
}

/// What a level is called on a button or in a table.
#[must_use]
pub fn level_label(level: Level) -> &'static str {
    match level {
        Level::Read => "Read",
        Level::Write => "Write",
        Level::Full => "Full",
    }
}

/// What a level is called.
#[must_use]
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::Read => "read",
        Level::Write => "write",
        Level::Full => "full",
    }
}

/// What kind of client wants to pair; the sentences about its rights differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A device with a key of its own.
    Device,
    /// A program that uses the shared token.
    Program,
}

/// What kind of request it is: a sentence, for the first line of every surface.
#[must_use]
pub fn request_sentence(asker: Asker, reason: PairingReason) -> &'static str {
    match (asker, reason) {
        (Asker::Device, PairingReason::NotPaired) => "A new device wants to pair.",
        (Asker::Device, PairingReason::RoleUpgrade) => "A known device asks for another role.",
        (Asker::Device, PairingReason::ScopeUpgrade) => "A known device asks for more than it has.",
        (Asker::Device, PairingReason::MetadataUpgrade) => {
            "A known device says that it is another kind of device now."
        }
        (Asker::Device, PairingReason::Unidentified) => {
            "A known device connects from a program that could not be identified."
        }
        (Asker::Program, PairingReason::NotPaired) => "A new program wants to pair.",
        (Asker::Program, PairingReason::RoleUpgrade) => "A known program asks for another role.",
        (Asker::Program, PairingReason::ScopeUpgrade) => "A known program asks for more than it has.",
        (Asker::Program, PairingReason::MetadataUpgrade) => {
            "A known program says that it is another kind of program now."
        }
        (Asker::Program, PairingReason::Unidentified) => "A program could not be identified.",
    }
}

fn is_far_reaching(scope: &Scope) -> bool {
    matches!(scope, Scope::Admin | Scope::Pairing | Scope::Approvals | Scope::TalkSecrets)
}

fn rank(scope: &Scope) -> u8 {
    match scope {
        Scope::Admin => 0,
        Scope::Pairing => 1,
        Scope::Approvals => 2,
        Scope::TalkSecrets => 3,
        Scope::Write => 4,
        Scope::SessionsWrite => 5,
        Scope::Talk => 6,
        Scope::Questions => 7,
        Scope::Read => 8,
        Scope::SessionsRead => 9,
        Scope::Other(_) => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> ScopeSet {
        Scope::known().into_iter().chain([Scope::Other("custom.thing".to_owned())]).collect()
    }

    #[test]
    fn full_control_comes_first_and_managing_pairing_second() {
        let lines = scope_lines(&everything(), &ScopeSet::none());

        let order: Vec<_> = lines.iter().map(|line| line.scope.clone()).collect();
        assert_eq!(order[..3], [Scope::Admin, Scope::Pairing, Scope::Approvals]);
        assert_eq!(order.last(), Some(&Scope::Other("custom.thing".to_owned())));
        assert_eq!(order.len(), everything().iter().count());
    }

    #[test]
    fn what_is_added_is_distinguished_from_what_is_there() {
        let asked = ScopeSet::from([Scope::Read, Scope::Admin]);

        let lines = scope_lines(&asked, &ScopeSet::from([Scope::Admin]));

        assert_eq!(lines.iter().map(|line| line.is_added).collect::<Vec<_>>(), [true, false]);
        assert!(lines[0].is_far_reaching && !lines[1].is_far_reaching);
    }

    #[test]
    fn every_scope_has_words_of_its_own() {
        let sentences: std::collections::BTreeSet<_> = everything().iter().map(sentence).collect();
        let shorts: std::collections::BTreeSet<_> = everything().iter().map(short).collect();

        assert_eq!(sentences.len(), everything().iter().count());
        assert_eq!(shorts.len(), everything().iter().count());
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }

    #[test]
    fn a_summary_leaves_out_what_is_covered_but_never_managing_pairing() {
        assert_eq!(summary(&ScopeSet::from(Level::Full)), "full control");
        let with_pairing = ScopeSet::from(Level::Full).union(&ScopeSet::from([Scope::Pairing]));
        assert_eq!(summary(&with_pairing), "full control, manage pairing");
        assert_eq!(summary(&ScopeSet::from([Scope::Read, Scope::Write])), "talk to agents");
        assert_eq!(summary(&ScopeSet::none()), "nothing");
    }

    #[test]
    fn every_request_has_a_sentence_that_names_who_asks() {
        for reason in [
            PairingReason::NotPaired,
            PairingReason::RoleUpgrade,
            PairingReason::ScopeUpgrade,
            PairingReason::MetadataUpgrade,
            PairingReason::Unidentified,
        ] {
            assert!(request_sentence(Asker::Device, reason).contains("device"));
            assert!(request_sentence(Asker::Program, reason).contains("program"));
        }
    }
}
