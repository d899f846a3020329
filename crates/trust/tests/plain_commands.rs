//! What the strict reader of commands accepts, and what it reads.

// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tidegate_trust::rules::{MAX_BYTES, MAX_SEGMENTS, MAX_WORDS, NotPlain, Operator, PlainCommand, Segment};

fn read(text: &str) -> PlainCommand {
    PlainCommand::parse(text).unwrap_or_else(|why| panic!("{text:?} is not plain: {why}"))
}

fn words(text: &str) -> Vec<Vec<String>> {
    read(text).segments().iter().map(|segment| segment.words().to_vec()).collect()
}

fn refused(text: &str) -> NotPlain {
    PlainCommand::parse(text).map(|command| panic!("{text:?} is plain: {command:?}")).expect_err("refused")
}

#[test]
fn words_and_quotes_are_read_as_shells_read_them() {
    for (text, expected) in [
        ("git status", &["git", "status"][..]),
        ("  git   status  ", &["git", "status"]),
        (
            "git commit -m 'a $(b) `c` \\ \" # ~ * ! {x}'",
            &["git", "commit", "-m", "a $(b) `c` \\ \" # ~ * ! {x}"],
        ),
        (
            "git commit -m \"it's # ~ * {x} | & ; <> ()\"",
            &["git", "commit", "-m", "it's # ~ * {x} | & ; <> ()"],
        ),
        ("a b'c'\"d\"e", &["a", "bcde"]),
        ("a '' \"\" x''", &["a", "", "", "x"]),
        ("'g'\"i\"t log", &["git", "log"]),
        (
            "make CC=gcc-12 -j4 x,y @z a:b +c 50%",
            &["make", "CC=gcc-12", "-j4", "x,y", "@z", "a:b", "+c", "50%"],
        ),
        ("a ''=b", &["a", "=b"]),
        ("cat '\u{fc}bersicht.md' \"\u{7530}\"", &["cat", "\u{fc}bersicht.md", "\u{7530}"]),
        ("./run me", &["./run", "me"]),
    ] {
        assert_eq!(words(text), [expected], "{text}");
    }
}

#[test]
fn operators_stand_between_segments() {
    let command = read("a 1&&b 2||c;d|e '&&' 3");

    let programs: Vec<_> = command.segments().iter().map(Segment::program).collect();
    assert_eq!(programs, ["a", "b", "c", "d", "e"]);
    assert_eq!(command.operators(), [Operator::And, Operator::Or, Operator::Then, Operator::Pipe]);
    assert_eq!(command.segments()[4].arguments(), ["&&", "3"]);
    assert_eq!(command.requoted(), "a 1 && b 2 || c; d | e '&&' 3");
}

#[test]
fn a_character_with_a_meaning_is_refused_outside_of_quotes() {
    for character in "$`(){}[]<>*?~#!\\^".chars() {
        for text in [format!("a {character}"), format!("a b{character}c"), format!("a 'b'{character}")] {
            assert_eq!(refused(&text), NotPlain::Special { character }, "{text}");
        }
    }
    assert_eq!(refused("a =b"), NotPlain::Special { character: '=' });
    assert_eq!(refused("a \u{fc}"), NotPlain::NotAscii { character: '\u{fc}' });
}

#[test]
fn a_character_with_a_meaning_is_refused_in_double_quotes() {
    for character in ['$', '`', '\\', '!'] {
        let text = format!("a \"b{character}c\"");
        assert_eq!(refused(&text), NotPlain::SpecialInDoubleQuotes { character }, "{text}");
    }
}

#[test]
fn a_character_that_cannot_be_seen_is_refused_everywhere() {
    for character in
        "\0\t\n\r\u{b}\u{1b}\u{7f}\u{85}\u{a0}\u{ad}\u{200b}\u{202e}\u{2028}\u{3000}\u{feff}\u{e0001}".chars()
    {
        for text in [format!("a {character}"), format!("a '{character}'"), format!("a \"{character}\"")] {
            assert_eq!(refused(&text), NotPlain::Hidden { character }, "{text:?}");
        }
    }
}

#[test]
fn a_quote_that_stays_open_is_refused() {
    for text in ["a '", "a \"", "a 'b\"", "a \"b'", "a ''' b", "'"] {
        assert_eq!(refused(text), NotPlain::OpenQuote, "{text}");
    }
}

#[test]
fn an_operator_without_a_command_on_one_side_is_refused() {
    for text in ["a ;", ";", "; a", "a &&", "&& a", "a | | b", "a ||| b", "a ;; b", "a &&&& b", "a || && b"] {
        assert_eq!(refused(text), NotPlain::EmptySegment, "{text}");
    }
    for text in ["a &", "a & b", "a |& b", "a &> b", "a &&& b", "a ;& b", "&"] {
        let why = refused(text);
        assert!(matches!(why, NotPlain::Background | NotPlain::EmptySegment), "{text}: {why}");
    }
    for text in ["", " ", "      "] {
        assert_eq!(refused(text), NotPlain::Empty, "{text:?}");
    }
}

#[test]
fn a_word_that_is_no_program_is_refused_as_one() {
    for text in ["if a", "a; then b", "a && while b", "time a", "'function' a", "coproc a", "a | select b"] {
        assert!(matches!(refused(text), NotPlain::Reserved { .. }), "{text}");
    }
    for text in ["A=b", "A=b a", "a && PATH=. b", "A+=b a", "'A=b' a", "A''=b a", "a | LD_PRELOAD=x b"] {
        assert!(matches!(refused(text), NotPlain::Assignment { .. }), "{text}");
    }
    for text in [
        "'' a",
        "\"\"",
        "-a",
        "'a b' c",
        "%1",
        ": a",
        ". a",
        "..",
        "a,b",
        "@a",
        "'\u{fc}' a",
        "'a\"'",
        "a; '*'",
    ] {
        assert!(matches!(refused(text), NotPlain::ProgramName { .. }), "{text}");
    }
    assert_eq!(words("echo if then time A=b"), [["echo", "if", "then", "time", "A=b"]]);
}

#[test]
fn what_is_too_long_to_read_is_refused() {
    assert_eq!(refused(&"a".repeat(MAX_BYTES + 1)), NotPlain::TooLong { bytes: MAX_BYTES + 1 });
    assert_eq!(refused(&"a ".repeat(MAX_WORDS + 1)), NotPlain::TooManyWords);
    assert_eq!(words(&"a ".repeat(MAX_WORDS))[0].len(), MAX_WORDS);
    let segments = |count: usize| vec!["a"; count].join(";");
    assert_eq!(refused(&segments(MAX_SEGMENTS + 1)), NotPlain::TooManySegments);
    assert_eq!(words(&segments(MAX_SEGMENTS)).len(), MAX_SEGMENTS);
}

#[test]
fn reasons_are_sentences_without_what_they_are_about() {
    let why = refused("a '\u{202e}\u{1b}'").to_string();
    assert_eq!(why, "it has the character \\u{202e}, which cannot be seen");
    assert_eq!(refused("a `b`").to_string(), "it has '`' outside of quotes, which can mean more than itself");
}

/// Pieces of commands in the way of an attacker.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z0-9./=_-]{1,5}",
        4 => Just(" ".to_owned()),
        2 => proptest::sample::select(vec!["'", "\"", "''", "\"\"", "'a b'", "\"c d\"", "'\"'", "\"'\"", "'\\'"])
            .prop_map(str::to_owned),
        2 => proptest::sample::select(vec!["&&", "||", ";", "|", "&", ";;", "|&"]).prop_map(str::to_owned),
        1 => "[$`(){}\\[\\]<>*?~#!\\\\^\t\n\r\u{e9}\u{a0}\u{202e}%,:+@]",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Any words that can be shown; the program's name is a usual one.
fn segment() -> impl Strategy<Value = Vec<String>> {
    let argument = prop_oneof!["[a-z0-9./=_-]{0,8}", "[ -~]{0,8}", "[ '\"$`\\\\!\u{e9}\u{7530}|&;]{0,8}",];
    ("[a-z./][a-z0-9_.-]{0,7}", proptest::collection::vec(argument, 0..5))
        .prop_filter("a word of the shell", |(program, _)| PlainCommand::parse(program).is_ok())
        .prop_map(|(program, arguments)| std::iter::once(program).chain(arguments).collect())
}

/// The plainest way to quote: everything, and single quotes apart.
fn all_quoted(words: &[String]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\"'\"'")));
    quoted.collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_quoted_again_is_read_as_the_same(text in hostile_text()) {
        if let Ok(command) = PlainCommand::parse(&text) {
            let requoted = command.requoted();
            let again = PlainCommand::parse(&requoted);
            prop_assert_eq!(again, Ok(command.clone()), "{}", requoted);
            prop_assert_eq!(command.operators().len() + 1, command.segments().len());
            prop_assert!(command.segments().iter().all(|segment| !segment.program().is_empty()));
        }
    }

    #[test]
    fn words_stay_what_they_are_when_quoted(segments in proptest::collection::vec(segment(), 1..4)) {
        let text: Vec<_> = segments.iter().map(|words| all_quoted(words)).collect();
        let command = PlainCommand::parse(&text.join(" | ")).expect("plain");
        let read: Vec<_> = command.segments().iter().map(|segment| segment.words().to_vec()).collect();
        prop_assert_eq!(&read, &segments);
        let again = PlainCommand::parse(&command.requoted()).expect("plain");
        prop_assert_eq!(again, command);
    }

    #[test]
    fn accepted_text_has_nothing_special_outside_of_quotes(text in hostile_text()) {
        if PlainCommand::parse(&text).is_ok() {
            let mut quote = None;
            for character in text.chars() {
                match quote {
                    None => prop_assert!(character.is_ascii_graphic() || character == ' ', "{}", text),
                    Some(_) => prop_assert!(!character.is_control(), "{}", text),
                }
                prop_assert!(quote == Some('\'') || !"$`\\!".contains(character), "{}", text);
                prop_assert!(quote.is_some() || !"(){}[]<>*?~#^\n".contains(character), "{}", text);
                match (quote, character) {
                    (None, '\'' | '"') => quote = Some(character),
                    (Some(open), _) if open == character => quote = None,
                    _ => {}
                }
            }
            prop_assert_eq!(quote, None);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_short_reason(text in any::<String>()) {
        if let Err(why) = PlainCommand::parse(&text) {
            let why = why.to_string();
            prop_assert!(why.len() < 400 && !why.chars().any(char::is_control), "{}", why);
        }
    }
}
