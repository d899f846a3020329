//! Reasoning that a model writes into its answer, between tags at its beginning: local models do, where the server
//! does not take it out.

use tidegate_agent::model::StreamEvent;

/// How reasoning begins and ends.
const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

/// Takes the pieces of an answer and tells reasoning from text, however the tags are cut.
#[derive(Debug)]
pub(super) enum ThinkTags {
    /// So little came that it may become a tag.
    Start(String),
    /// In reasoning that ends with this tag, of which a part may have come.
    Inside { end: &'static str, held: String },
    /// Behind it. Whether blanks between it and the answer are left out still.
    Behind { skips_blanks: bool },
}

impl Default for ThinkTags {
    fn default() -> Self {
        Self::Start(String::new())
    }
}

impl ThinkTags {
    pub(super) fn push(&mut self, piece: &str) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        let mut rest = piece.to_owned();
        while !rest.is_empty() {
            rest = self.step(rest, &mut events);
        }
        events
    }

    /// What is still held: nothing follows that would make it a tag.
    pub(super) fn end(&mut self) -> Vec<StreamEvent> {
        match std::mem::replace(self, Self::Behind { skips_blanks: false }) {
            Self::Start(held) if !held.is_empty() => vec![StreamEvent::Text(held)],
            Self::Inside { held, .. } if !held.is_empty() => vec![StreamEvent::Thinking(held)],
            _ => Vec::new(),
        }
    }

    /// Takes a piece, and gives what of it belongs to the next state.
    fn step(&mut self, piece: String, events: &mut Vec<StreamEvent>) -> String {
        match self {
            Self::Start(held) => {
                held.push_str(&piece);
                let begun = held.trim_start();
                if let Some((begin, end)) = TAGS.into_iter().find(|(begin, _)| begun.starts_with(begin)) {
                    let rest = begun[begin.len()..].to_owned();
                    *self = Self::Inside { end, held: String::new() };
                    return rest;
                }
                if !TAGS.iter().any(|(begin, _)| begin.starts_with(begun)) {
                    events.push(StreamEvent::Text(std::mem::take(held)));
                    *self = Self::Behind { skips_blanks: false };
                }
                String::new()
            }
            Self::Inside { end, held } => {
                held.push_str(&piece);
                if let Some(at) = held.find(*end) {
                    let rest = held[at + end.len()..].to_owned();
                    held.truncate(at);
                    if !held.is_empty() {
                        events.push(StreamEvent::Thinking(std::mem::take(held)));
                    }
                    *self = Self::Behind { skips_blanks: true };
                    return rest;
                }
                let kept = (1..end.len()).rev().find(|&length| held.ends_with(&end[..length])).unwrap_or(0);
                let told = held.len() - kept;
                if told > 0 {
                    events.push(StreamEvent::Thinking(held.drain(..told).collect()));
                }
                String::new()
            }
            Self::Behind { skips_blanks } => {
                let text = if *skips_blanks { piece.trim_start() } else { &piece };
                if !text.is_empty() {
                    events.push(StreamEvent::Text(text.to_owned()));
                    *skips_blanks = false;
                }
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let mut tags = ThinkTags::default();
        let mut events: Vec<StreamEvent> = pieces.into_iter().flat_map(|piece| tags.push(piece)).collect();
        events.extend(tags.end());
        let (mut thinking, mut text) = (String::new(), String::new());
        for event in events {
            match event {
                StreamEvent::Thinking(more) => thinking.push_str(&more),
                StreamEvent::Text(more) => text.push_str(&more),
                other => panic!("{other:?}"),
            }
        }
        (thinking, text)
    }

    #[test]
    fn reasoning_at_the_beginning_is_no_text() {
        for (answer, thinking, text) in [
            ("<think>secret</think>\n\nParis.", "secret", "Paris."),
            ("\n<thinking>a </think> b</thinking> c", "a </think> b", "c"),
            ("<think></think>Paris.", "", "Paris."),
            ("<think>never ends", "never ends", ""),
            ("<thin", "", "<thin"),
            ("Write <think>x</think>.", "", "Write <think>x</think>."),
            ("  two blanks", "", "  two blanks"),
            ("", "", ""),
        ] {
            assert_eq!(read([answer]), (thinking.to_owned(), text.to_owned()), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_depend_on_the_pieces(
            answer in "(\n)?(<think>|<thinking>)?[a </>]{0,8}(</think>|</thinking>)?[ a<é]{0,6}",
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| answer.floor_char_boundary(cut)).collect();
            cuts.extend([0, answer.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &answer[cut[0]..cut[1]]);
            prop_assert_eq!(read(pieces), read([answer.as_str()]));
        }
    }
}
