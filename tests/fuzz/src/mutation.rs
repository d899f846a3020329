//! Inputs made from others: the same for the same seed.

/// A stream of numbers that looks random (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[0]
    }
}

/// The most bytes of an input.
pub const MAX_BYTES: usize = 4096;

/// Pieces of text that parsers look for.
const WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "1e400",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{feff}",
    "\r\n",
    "\n\n",
    "data: ",
    "[DONE]",
    "operator.admin",
    "__proto__",
    "agent:main:",
    "\0",
    "/*",
];

/// A new input: one of the corpus, changed a few times, or a random one when there is none.
pub fn input(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = match random.below(corpus.len() + 1) {
        at if at < corpus.len() => corpus[at].clone(),
        _ => (0..random.below(256)).map(|_| random.byte()).collect(),
    };
    for _ in 0..=random.below(6) {
        change(&mut input, corpus, random);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(16) + 1).min(input.len());
    match random.below(8) {
        0 if at < input.len() => input[at] = random.byte(),
        1 if at < input.len() => input[at] ^= 1 << random.below(8),
        2 => input.insert(at, random.byte()),
        3 => drop(input.drain(at..end)),
        4 => drop(input.splice(at..at, WORDS[random.below(WORDS.len())].bytes())),
        5 => {
            // The same once more, as in a duplicate field.
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        6 => input.truncate(at),
        _ => {
            let Some(other) = corpus.get(random.below(corpus.len())) else { return };
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}
