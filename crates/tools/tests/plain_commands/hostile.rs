//! Commands in the way of somebody who wants a reader and a shell to disagree.

use std::time::{SystemTime, UNIX_EPOCH};

use super::shells::FUNCTIONS;

/// Programs that are none, or not by all shells.
const ODD_PROGRAMS: &[&str] = &[
    "if", "time", "in", "{", "}", "!", "[[", "function", "A=b", "'A'=b", "A''=b", "''", "%1", "-x", "./p0",
    "p0.1", "'p0 a'", "a/b", ".", ":", "\\p0", "p\\0", "~", "=p0", "p0=", "g++", "exit", "x-y", "coproc",
    "select", "+p", "@p",
];
/// What stands for something else somewhere in a shell.
const SPECIAL: &[&str] = &[
    "$a",
    "${a}",
    "$(p0)",
    "`p0`",
    "$((1))",
    "$'a'",
    "$\"a\"",
    "*",
    "?",
    "[ab]",
    "~",
    "~root",
    "{a,b}",
    "{1..3}",
    "#",
    "!",
    "!!",
    "^a^b",
    "\\",
    "\\ ",
    "\\'",
    "\\\"",
    "<a",
    ">a",
    ">&2",
    "2>a",
    "<<E",
    "<(p0)",
    "(",
    ")",
    "=",
    "=p0",
    "%",
    "\n",
    "\r",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{1b}",
    "\u{7f}",
    "\u{a0}",
    "\u{e9}",
    "\u{2028}",
    "\u{202e}",
    "\u{200b}",
    "\u{3000}",
    "\u{81}",
    "\u{88}",
    "\u{1f600}",
    "@(a)",
    "+(a)",
    "a=(b)",
    "&",
    ";",
    "|",
];
const OPERATORS: &[&str] = &["&&", "||", ";"];
const ODD_OPERATORS: &[&str] = &[
    "&", ";;", "|&", "&>", ";&", "&&&", "|||", "\n", "\r\n", "& &", "| |", "&&\n", ";;&", "\\\n", "&!", ">|",
    "<>",
];
/// Characters in quotes, most of them with a meaning elsewhere.
const IN_QUOTES: &[char] = &[
    'a',
    'b',
    'p',
    '0',
    ' ',
    ' ',
    '*',
    '?',
    '[',
    ']',
    '{',
    '}',
    ',',
    '(',
    ')',
    '<',
    '>',
    '|',
    '&',
    ';',
    '#',
    '~',
    '=',
    '%',
    '^',
    '@',
    '-',
    '/',
    '.',
    ':',
    '+',
    '$',
    '`',
    '\\',
    '!',
    '\'',
    '"',
    '\t',
    '\n',
    '\u{e9}',
    '\u{7530}',
    '\u{5b57}',
    '\u{1f600}',
    '\u{301}',
    '\u{a0}',
    '\u{200b}',
    '\u{83}',
    '\u{e0}',
    '\u{fc}',
    '\u{ff0f}',
];
/// Those of them that are accepted in all quotes.
const HARMLESS_IN_QUOTES: usize = 31;
const BARE: &[u8] = b"abpx019_-./:,+@%=";

/// SplitMix64 with the grammar of commands.
pub(super) struct Hostile {
    state: u64,
    /// Texts that were accepted, to change a little.
    accepted: Vec<String>,
}

impl Hostile {
    /// With the seed of TIDEGATE_SEED, or a new one.
    pub(super) fn from_environment() -> Self {
        let given = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or_default()
        });
        println!("TIDEGATE_SEED={seed} repeats this run's choices");
        Self { state: seed, accepted: Vec::new() }
    }

    /// The next command: one in three is an accepted one with a small change.
    pub(super) fn command(&mut self) -> String {
        if !self.accepted.is_empty() && self.one_in(3) {
            return self.changed();
        }
        let mut text = self.segment();
        while self.one_in(2) && text.len() < 300 {
            let operator = match self.below(40) {
                0 | 1 => *self.pick(ODD_OPERATORS),
                // Pipelines are few, because each takes a shell several processes.
                2 => "|",
                _ => *self.pick(OPERATORS),
            };
            let (before, after) = (self.gap(), self.gap());
            text = format!("{text}{before}{operator}{after}{}", self.segment());
        }
        text
    }

    /// Keeps some accepted texts.
    pub(super) fn remember(&mut self, text: &str) {
        if self.accepted.len() < 500 {
            self.accepted.push(text.to_owned());
        } else {
            let index = self.below(500);
            self.accepted[index] = text.to_owned();
        }
    }

    /// An accepted text with a piece more, less or in another place.
    fn changed(&mut self) -> String {
        let index = self.below(self.accepted.len());
        let mut characters: Vec<char> = self.accepted[index].chars().collect();
        for _ in 0..=self.below(2) {
            let at = self.below(characters.len() + 1);
            match self.below(4) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 if at < characters.len() => {
                    let to = self.below(characters.len());
                    characters.swap(at, to);
                }
                2 => {
                    let special: Vec<char> = self.pick(SPECIAL).chars().collect();
                    characters.splice(at..at, special);
                }
                _ => characters.insert(at, *self.pick(IN_QUOTES)),
            }
        }
        characters.into_iter().take(400).collect()
    }

    fn segment(&mut self) -> String {
        let mut text = match self.below(20) {
            0 => (*self.pick(ODD_PROGRAMS)).to_owned(),
            1 => "'p'0".to_owned(),
            2 => "p\"1\"".to_owned(),
            3 => "\"git\"".to_owned(),
            _ => (*self.pick(FUNCTIONS)).to_owned(),
        };
        for _ in 0..self.below(5) {
            text.push_str(if self.one_in(60) { "\t" } else { " " });
            text.push_str(self.gap());
            text.push_str(&self.word());
        }
        text
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        for _ in 0..=self.below(3) {
            match self.below(30) {
                0 => word.push_str(self.pick::<&str>(SPECIAL)),
                1..=9 => word.push_str(&self.quoted('\'')),
                10..=18 => word.push_str(&self.quoted('"')),
                _ => {
                    let length = 1 + self.below(4);
                    word.extend((0..length).map(|_| char::from(*self.pick(BARE))));
                }
            }
        }
        word
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut text = quote.to_string();
        for _ in 0..self.below(7) {
            let some = if self.one_in(6) { IN_QUOTES } else { &IN_QUOTES[..HARMLESS_IN_QUOTES] };
            text.push(*self.pick(some));
        }
        if !self.one_in(60) {
            text.push(quote);
        }
        text
    }

    fn gap(&mut self) -> &'static str {
        ["", "", " ", " ", "  "][self.below(5)]
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit as u64).unwrap_or_default()
    }
}
