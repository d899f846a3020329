//! Takes the key out of what a server answers. A server that sends a key back would have it kept in the
//! transcript, and shown to everyone who may read that.

use tidegate_agent::model::StreamEvent;

use crate::http::Endpoint;

/// Events without the key, in the same order. Text that may be the beginning of the key is held until
/// it is known not to be.
#[derive(Debug)]
pub(super) struct Echo {
    endpoint: Endpoint,
    text: String,
    thinking: String,
}

impl Echo {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, text: String::new(), thinking: String::new() }
    }

    /// What becomes of an event.
    pub(super) fn pass(&mut self, event: StreamEvent) -> Vec<StreamEvent> {
        match event {
            StreamEvent::Text(piece) => {
                let before = take(&mut self.thinking).map(StreamEvent::Thinking);
                let text = self.endpoint.without_key(&mut self.text, &piece).map(StreamEvent::Text);
                before.into_iter().chain(text).collect()
            }
            StreamEvent::Thinking(piece) => {
                let before = take(&mut self.text).map(StreamEvent::Text);
                let thinking =
                    self.endpoint.without_key(&mut self.thinking, &piece).map(StreamEvent::Thinking);
                before.into_iter().chain(thinking).collect()
            }
            StreamEvent::ToolCall(mut call) => {
                let mut held = String::new();
                let arguments = self.endpoint.without_key(&mut held, &call.arguments).unwrap_or_default();
                call.arguments = arguments + &held;
                self.end().into_iter().chain([StreamEvent::ToolCall(call)]).collect()
            }
            event @ (StreamEvent::Piece | StreamEvent::Alive) => vec![event],
            event @ (StreamEvent::Usage(_) | StreamEvent::Stop(_)) => {
                self.end().into_iter().chain([event]).collect()
            }
        }
    }

    /// What is still held: nothing follows that would make it the key.
    pub(super) fn end(&mut self) -> Vec<StreamEvent> {
        let thinking = take(&mut self.thinking).map(StreamEvent::Thinking);
        thinking.into_iter().chain(take(&mut self.text).map(StreamEvent::Text)).collect()
    }
}

fn take(held: &mut String) -> Option<String> {
    (!held.is_empty()).then(|| std::mem::take(held))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_agent::message::ToolCall;

    use super::*;
    use crate::base_url::BaseUrl;
    use crate::key::BoundKey;

    const KEY: &str = "sk-sk-0123456789abcdef";

    fn echo(key: &str) -> Echo {
        let base = BaseUrl::parse("https://a.example/v1").unwrap();
        Echo::new(Endpoint::keyed(BoundKey::new(base, key).unwrap(), false).unwrap())
    }

    fn all(echo: &mut Echo, pieces: &[&str]) -> String {
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(echo.pass(StreamEvent::Text((*piece).to_owned())));
        }
        events.extend(echo.end());
        let text = |event| match event {
            StreamEvent::Text(text) => text,
            other => panic!("{other:?}"),
        };
        events.into_iter().map(text).collect()
    }

    #[test]
    fn a_key_that_a_server_sends_back_is_in_no_event() {
        let text = all(&mut echo(KEY), &["it is sk-", "sk-sk-0123456789", "abcdef.", " sk-"]);
        assert_eq!(text, "it is sk-[key]. sk-");

        let call = ToolCall {
            id: "1".to_owned(),
            name: "exec".to_owned(),
            arguments: format!("{{\"c\":\"{KEY}\"}}"),
        };
        let passed = echo(KEY).pass(StreamEvent::ToolCall(call));
        assert!(
            matches!(&passed[..], [StreamEvent::ToolCall(call)] if call.arguments == "{\"c\":\"[key]\"}")
        );
    }

    #[test]
    fn a_placeholder_for_a_key_is_a_word_like_any_other() {
        assert_eq!(all(&mut echo("ollama"), &["oll", "ama runs"]), "ollama runs");
    }

    #[test]
    fn thinking_and_text_stay_in_their_order() {
        let mut echo = echo(KEY);
        let mut events = echo.pass(StreamEvent::Thinking("a s".to_owned()));
        events.extend(echo.pass(StreamEvent::Text("b sk".to_owned())));
        events.extend(echo.end());

        let shown = |event: &StreamEvent| format!("{event:?}");
        let shown: Vec<String> = events.iter().map(shown).collect();
        assert_eq!(shown, ["Thinking(\"a \")", "Thinking(\"s\")", "Text(\"b \")", "Text(\"sk\")"]);
    }

    proptest! {
        #[test]
        fn text_comes_out_whole_and_without_the_key_however_it_is_cut(
            words in prop::collection::vec("[sk0-9-]{0,6}", 0..6), cuts in prop::collection::vec(1_usize..9, 1..30),
        ) {
            let text = words.join(KEY);
            let mut pieces = Vec::new();
            let mut rest = text.as_str();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            prop_assert_eq!(all(&mut echo(KEY), &pieces), text.replace(KEY, "[key]"));
        }
    }
}
