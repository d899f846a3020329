//! What a person can type about a request, and what that decides.

use tidegate_protocol::payload::permissions::{ApprovalVerdict, OfferedPermission, PermissionOffer};
use tidegate_protocol::text::one_line;
use tidegate_trust::approval::MAX_WORDS;

/// The keys of one request: allowing it once, what it offers, and denying.
#[derive(Debug)]
pub(super) struct Choices(Vec<(char, OfferedPermission)>);

/// Why what was typed decides nothing, for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChoiceError {
    #[error("Type one of {0}, then press Enter.")]
    Unknown(String),
    #[error("What you tell the agent has {0} characters; {MAX_WORDS} are possible. Say it shorter.")]
    TooLong(usize),
}

impl Choices {
    pub(super) fn new(offers: &[OfferedPermission]) -> Self {
        let mut keys: Vec<(char, OfferedPermission)> = Vec::new();
        for offered in offers {
            let is_free = |key: &char| !keys.iter().any(|(taken, _)| taken == key);
            let key = std::iter::once(key(&offered.offer)).chain('2'..='9').find(is_free);
            keys.extend(key.map(|key| (key, offered.clone())));
        }
        Self(keys)
    }

    /// The keys with what each of them does.
    pub(super) fn render(&self) -> String {
        let mut text = "\n  [y] Allow it once, exactly as shown.\n".to_owned();
        for (key, offered) in &self.0 {
            text.push_str(&format!("  [{key}] {}\n", one_line(&offered.sentence, usize::MAX)));
        }
        text.push_str("  [n] Deny it. The agent reads what you add: n Use the other folder.\n");
        text.push_str("  [s] Deny it, and stop the run that asked.\n");
        text
    }

    pub(super) fn prompt(&self) -> String {
        format!("Your decision [{}]:", self.keys("/"))
    }

    fn keys(&self, between: &str) -> String {
        let keys = std::iter::once('y').chain(self.0.iter().map(|(key, _)| *key)).chain(['n', 's']);
        keys.map(String::from).collect::<Vec<_>>().join(between)
    }

    /// What a line decides. Only denying takes more than a key, so that no half-read sentence allows
    /// anything.
    ///
    /// # Errors
    /// When it decides nothing.
    pub(super) fn verdict(&self, line: &str) -> Result<ApprovalVerdict, ChoiceError> {
        let line = line.trim();
        let (word, words) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words = Some(words.trim()).filter(|words| !words.is_empty());
        let deny = |stop| match words.map(|words| words.chars().count()) {
            Some(characters) if characters > MAX_WORDS => Err(ChoiceError::TooLong(characters)),
            _ => Ok(ApprovalVerdict::Deny { words: words.map(str::to_owned), stop }),
        };
        match (word.to_ascii_lowercase().as_str(), words) {
            ("n" | "no", _) => deny(false),
            ("s", _) => deny(true),
            ("y" | "yes", None) => Ok(ApprovalVerdict::AllowOnce),
            (typed, None) => {
                let is_typed = |(key, _): &&(char, OfferedPermission)| typed == key.to_string();
                let offered = self.0.iter().find(is_typed);
                let permit =
                    offered.map(|(_, offered)| ApprovalVerdict::Permit { offer: offered.offer.clone() });
                permit.ok_or_else(|| ChoiceError::Unknown(self.keys(", ")))
            }
            _ => Err(ChoiceError::Unknown(self.keys(", "))),
        }
    }
}

fn key(offer: &PermissionOffer) -> char {
    match offer {
        PermissionOffer::Task => 't',
        PermissionOffer::Contained => 'f',
        PermissionOffer::Needs => 'd',
        PermissionOffer::Rule { .. } => 'r',
        PermissionOffer::ReadBelow => 'b',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offered(offer: PermissionOffer) -> OfferedPermission {
        OfferedPermission { offer, sentence: "It may.".to_owned() }
    }

    fn choices() -> Choices {
        Choices::new(&[offered(PermissionOffer::Task), offered(PermissionOffer::Needs)])
    }

    fn deny(words: Option<&str>, stop: bool) -> ApprovalVerdict {
        ApprovalVerdict::Deny { words: words.map(str::to_owned), stop }
    }

    #[test]
    fn a_key_decides_what_stands_beside_it() {
        for (line, verdict) in [
            (" Y\n", ApprovalVerdict::AllowOnce),
            ("t\n", ApprovalVerdict::Permit { offer: PermissionOffer::Task }),
            ("d", ApprovalVerdict::Permit { offer: PermissionOffer::Needs }),
            ("n\n", deny(None, false)),
            ("n  use the other one \n", deny(Some("use the other one"), false)),
            ("s enough", deny(Some("enough"), true)),
        ] {
            assert_eq!(choices().verdict(line), Ok(verdict), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_offered_decides_nothing() {
        for line in ["", "\n", "f", "r", "yn", "y please", "t y", "2"] {
            let error = choices().verdict(line).unwrap_err();

            assert_eq!(error.to_string(), "Type one of y, t, d, n, s, then press Enter.", "{line:?}");
        }
    }

    #[test]
    fn words_that_the_agent_would_not_read_whole_are_refused() {
        let line = format!("n {}", "ö".repeat(MAX_WORDS + 1));

        assert_eq!(choices().verdict(&line), Err(ChoiceError::TooLong(MAX_WORDS + 1)));
        assert!(choices().verdict(&format!("n {}", "ö".repeat(MAX_WORDS))).is_ok());
    }

    #[test]
    fn two_offers_of_a_kind_have_keys_of_their_own() {
        let rules = [2, 3].map(|words| offered(PermissionOffer::Rule { words }));

        let choices = Choices::new(&rules);

        assert_eq!(choices.prompt(), "Your decision [y/r/2/n/s]:");
        let permit = ApprovalVerdict::Permit { offer: PermissionOffer::Rule { words: 3 } };
        assert_eq!(choices.verdict("2"), Ok(permit));
    }

    proptest! {
        #[test]
        fn a_sentence_never_allows_anything(line in "\\PC{0,12} \\PC{1,12}") {
            prop_assume!(line.trim().contains(char::is_whitespace));
            let verdict = choices().verdict(&line);

            prop_assert!(matches!(verdict, Err(_) | Ok(ApprovalVerdict::Deny { .. })), "{verdict:?}");
        }
    }
}
