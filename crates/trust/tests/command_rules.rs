//! Which commands rules allow.

// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::Need;
use tidegate_trust::rules::{
    CoveredBy, FileTime, PlainCommand, PlainRequest, ProgramFile, ResolvedCommand, Rule, RuleId, RulePrefix,
    WhyNot, WrongProgram, covers,
};
use tidegate_trust::{FileIdentity, Folder};

/// A program in `/usr/bin` that is what its name says.
fn program(name: &str) -> ProgramFile {
    ProgramFile {
        path: Path::new("/usr/bin").join(name),
        file: Path::new("/usr/bin").join(name),
        identity: FileIdentity { device: 1, inode: name.bytes().map(u64::from).sum() },
        length: 1000,
        changed_at: FileTime { seconds: 1, nanoseconds: 2 },
    }
}

fn folder(name: &str) -> Folder {
    Folder { path: PathBuf::from(name), identity: FileIdentity { device: 1, inode: 7 } }
}

fn needs(all: &[&str]) -> BTreeSet<Need> {
    all.iter().map(|need| need.parse().expect("a need")).collect()
}

fn plain(text: &str) -> PlainCommand {
    PlainCommand::parse(text).unwrap_or_else(|why| panic!("{text:?} is not plain: {why}"))
}

fn resolved(text: &str) -> ResolvedCommand {
    let command = plain(text);
    let programs = command.segments().iter().map(|segment| program(segment.program())).collect();
    ResolvedCommand::new(command, programs).expect("they belong together")
}

fn rule(text: &str, with: &[&str]) -> Rule {
    let command = plain(text);
    let segment = &command.segments()[0];
    let prefix = RulePrefix::offer(segment, segment.words().len(), &program(segment.program()))
        .unwrap_or_else(|why| panic!("{text:?}: {why}"));
    Rule {
        id: RuleId(text.to_owned()),
        folder: folder("/home/ada/project"),
        program: program(&prefix.words()[0]),
        prefix,
        needs: needs(with),
        created_at: UnixMillis(1),
    }
}

fn ask(rules: &[Rule], text: &str, with: &[&str]) -> Result<CoveredBy, WhyNot> {
    let request = PlainRequest {
        command: &resolved(text),
        folder: &folder("/home/ada/project"),
        needs: &needs(with),
        sets_variables: false,
    };
    covers(&rules.iter().collect::<Vec<_>>(), &request)
}

fn by(ids: &[&str]) -> Result<CoveredBy, WhyNot> {
    Ok(CoveredBy { rules: ids.iter().map(|id| RuleId((*id).to_owned())).collect() })
}

#[test]
fn words_are_compared_exactly() {
    let rules = [rule("cargo test", &[])];

    assert_eq!(ask(&rules, "cargo test", &[]), by(&["cargo test"]));
    assert_eq!(ask(&rules, "'cargo' \"test\" -p core", &[]), by(&["cargo test"]));
    for text in [
        "cargo",
        "cargo tests",
        "cargo 'test '",
        "cargo Test",
        "cargo build",
        "cargo -q test",
        "cargo '' test",
    ] {
        assert!(matches!(ask(&rules, text, &[]), Err(WhyNot::NoRule { .. })), "{text}");
    }
}

#[test]
fn every_segment_needs_a_rule() {
    let rules = [rule("cargo test", &[]), rule("git status", &[])];

    assert_eq!(ask(&rules, "cargo test && git status -s", &[]), by(&["cargo test", "git status"]));
    for operator in ["&&", "||", ";", "|"] {
        for text in [format!("cargo test {operator} rm x"), format!("rm x {operator} cargo test")] {
            let why = WhyNot::NoRule { segment: "rm x".to_owned() };
            assert_eq!(ask(&rules, &text, &[]), Err(why), "{text}");
        }
    }
}

#[test]
fn a_need_is_in_the_rule_of_every_segment_or_in_none() {
    let host = "network:example.org";
    let rules = [rule("git push", &[host, "git"]), rule("git commit", &["git"]), rule("cat notes", &[])];

    assert_eq!(ask(&rules, "git push", &[host]), by(&["git push"]));
    assert_eq!(ask(&rules, "git commit && git push", &["git"]), by(&["git commit", "git push"]));
    let mixed = ask(&rules, "cat notes | git push", &[host]);
    assert!(matches!(mixed, Err(WhyNot::Need { ref segment, .. }) if segment == "cat notes"), "{mixed:?}");
    let more = ask(&rules, "git push", &["network:example.com"]);
    assert!(matches!(more, Err(WhyNot::Need { .. })), "{more:?}");
}

#[test]
fn needs_of_two_rules_are_not_added_up() {
    let host = "network:example.org";
    let rules = [rule("git push", &["git"]), rule("git push origin", &[host])];

    assert!(ask(&rules, "git push origin", &["git"]).is_ok());
    assert!(ask(&rules, "git push origin", &[host]).is_ok());
    assert!(matches!(ask(&rules, "git push origin", &["git", host]), Err(WhyNot::Need { .. })));
}

#[test]
fn nothing_runs_unconfined_by_a_rule() {
    let rules = [rule("cargo test", &["unconfined"])];

    assert_eq!(ask(&rules, "cargo test", &["unconfined"]), Err(WhyNot::Unconfined));
}

#[test]
fn a_call_that_sets_variables_is_covered_by_no_rule() {
    let rule = rule("cargo test", &[]);
    let command = resolved("cargo test");
    let (folder, needs) = (folder("/home/ada/project"), BTreeSet::new());
    let request = PlainRequest { command: &command, folder: &folder, needs: &needs, sets_variables: true };

    assert_eq!(covers(&[&rule], &request), Err(WhyNot::Variables));
}

#[test]
fn a_rule_holds_in_its_own_folder_alone() {
    let rule = rule("cargo test", &[]);
    let command = resolved("cargo test");
    let needs = BTreeSet::new();
    let elsewhere = folder("/home/ada/other");
    let replaced = Folder { identity: FileIdentity { device: 1, inode: 8 }, ..folder("/home/ada/project") };
    for folder in [elsewhere, replaced] {
        let request =
            PlainRequest { command: &command, folder: &folder, needs: &needs, sets_variables: false };
        assert!(matches!(covers(&[&rule], &request), Err(WhyNot::NoRule { .. })), "{folder:?}");
    }
}

#[test]
fn a_program_that_is_another_or_changed_is_asked_about() {
    let original = rule("cargo test", &[]);
    let was = &original.program;
    let changes = [
        ProgramFile { identity: FileIdentity { inode: 9, ..was.identity }, ..was.clone() },
        ProgramFile { identity: FileIdentity { device: 9, ..was.identity }, ..was.clone() },
        ProgramFile { length: 1001, ..was.clone() },
        ProgramFile { changed_at: FileTime { seconds: 1, nanoseconds: 3 }, ..was.clone() },
        ProgramFile { path: PathBuf::from("/usr/local/bin/cargo"), ..was.clone() },
        ProgramFile { file: PathBuf::from("/opt/cargo"), ..was.clone() },
    ];
    let (folder, needs) = (folder("/home/ada/project"), BTreeSet::new());
    for is in changes {
        let command = ResolvedCommand::new(plain("cargo test"), vec![is.clone()]).expect("one");
        let request =
            PlainRequest { command: &command, folder: &folder, needs: &needs, sets_variables: false };
        let answer = covers(&[&original], &request);
        assert!(matches!(answer, Err(WhyNot::ProgramChanged { .. })), "{is:?}: {answer:?}");
    }
}

#[test]
fn a_changed_program_is_named_with_its_new_place() {
    let why = |is: &str| WhyNot::ProgramChanged {
        rule: RuleId("1".to_owned()),
        was: PathBuf::from("/usr/bin/cargo"),
        is: PathBuf::from(is),
    };
    let here = "/usr/bin/cargo was replaced or changed since you made the rule";
    assert_eq!(why("/usr/bin/cargo").to_string(), here);
    assert_eq!(why("/opt/cargo").to_string(), format!("{here}; the command would now run /opt/cargo"));
}

#[test]
fn a_stored_rule_that_would_not_be_offered_any_more_has_no_effect() {
    let mut rule = rule("cargo test", &[]);
    rule.prefix = serde_json::from_str(r#"["python3", "-c"]"#).expect("a possible form");
    rule.program = program("python3");

    let answer = ask(&[rule], "python3 -c 'import os'", &[]);

    assert!(matches!(answer, Err(WhyNot::NoLongerOffered { .. })), "{answer:?}");
}

#[test]
fn a_rule_is_stored_and_read_as_the_same() {
    let rule = rule("git push origin", &["git", "network:example.org:443"]);
    let text = serde_json::to_string(&rule).expect("stored");

    assert!(text.contains(r#""prefix":["git","push","origin"]"#), "{text}");
    assert_eq!(serde_json::from_str::<Rule>(&text).expect("read"), rule);
}

#[test]
fn a_stored_prefix_of_an_impossible_form_is_refused() {
    for text in [
        r"[]",
        r#"["git"]"#,
        r#"["", "a"]"#,
        r#"["git", "a\u0000"]"#,
        r#"["git", "a\u202e"]"#,
        r#""git push""#,
    ] {
        assert!(serde_json::from_str::<RulePrefix>(text).is_err(), "{text}");
    }
    let long = serde_json::to_string(&vec!["a"; 33]).expect("a list");
    assert!(serde_json::from_str::<RulePrefix>(&long).is_err());
}

#[test]
fn a_command_takes_one_program_for_each_segment_by_its_name() {
    let given = |programs| ResolvedCommand::new(plain("git log | wc -l"), programs);

    assert!(given(vec![program("git"), program("wc")]).is_ok());
    assert_eq!(given(vec![program("git")]), Err(WrongProgram::Count { segments: 2, given: 1 }));
    assert!(matches!(given(vec![program("wc"), program("git")]), Err(WrongProgram::Path { .. })));
    let with_path = |path: &str| ProgramFile { path: PathBuf::from(path), ..program("git") };
    for path in ["git", "usr/bin/git", "/usr/b\nin/git", "/usr/bin/git/.."] {
        assert!(
            matches!(given(vec![with_path(path), program("wc")]), Err(WrongProgram::Path { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn what_runs_names_each_program_by_its_path() {
    let mut programs = vec![program("git"), program("wc")];
    programs[0].path = PathBuf::from("/home/ada/it's a \"$dir\"/git");
    let command = ResolvedCommand::new(plain("git log -n1 'a b'|wc -l"), programs).expect("two");

    assert_eq!(command.text(), r#"'/home/ada/it'"'"'s a "$dir"/git' log -n1 'a b' | /usr/bin/wc -l"#);
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let program = proptest::sample::select(vec!["cargo", "git", "make", "sh", "python3", "sudo", "npm"]);
    let rest = proptest::sample::select(vec!["test", "build", "push", "-c", "exec", "run", "A=b", ""]);
    (program, proptest::collection::vec(rest, 0..4))
        .prop_map(|(program, rest)| std::iter::once(program).chain(rest).map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the plainest wording: a command is allowed only if each segment has a rule of which the words
    /// are its first words, with all needs, and of which the words would be offered.
    #[test]
    fn a_covered_command_has_a_sound_rule_for_each_segment(
        rules in proptest::collection::vec((words(), 0usize..4), 0..5),
        segments in proptest::collection::vec(words(), 1..4),
        wanted in 0usize..4,
    ) {
        let sets = [&[][..], &["git"], &["network:example.org"], &["git", "network:example.org"]];
        let mut stored = Vec::new();
        for (index, (words, with)) in rules.iter().enumerate() {
            let Ok(prefix) = RulePrefix::try_from(words.clone()) else { continue };
            stored.push(Rule {
                id: RuleId(index.to_string()), folder: folder("/home/ada/project"), prefix,
                program: program(&words[0]), needs: needs(sets[*with]), created_at: UnixMillis(1),
            });
        }
        let text: Vec<_> = segments.iter().map(|words| words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ")).collect();
        let answer = ask(&stored, &text.join(" | "), sets[wanted]);
        let sound = |words: &Vec<String>, rule: &Rule| {
            words.starts_with(rule.prefix.words())
                && needs(sets[wanted]).is_subset(&rule.needs)
                && rule.prefix.check(&rule.program).is_ok()
        };
        let expected = segments.iter().all(|words| stored.iter().any(|rule| sound(words, rule)));
        prop_assert_eq!(answer.is_ok(), expected, "{:?}", &answer);
        if let Ok(by) = answer {
            for (words, id) in segments.iter().zip(&by.rules) {
                let rule = stored.iter().find(|rule| rule.id == *id).expect("a rule that exists");
                prop_assert!(sound(words, rule));
                prop_assert!(!["sh", "python3", "sudo"].contains(&words[0].as_str()));
            }
        }
    }
}
