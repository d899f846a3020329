//! What can be typed.

use clap::{CommandFactory as _, Parser as _};
use tidegate_cli::Arguments;

fn problem(line: &str) -> String {
    let words = std::iter::once("tidegate").chain(line.split(' '));
    match Arguments::try_parse_from(words) {
        Ok(_) => panic!("accepted: {line}"),
        Err(problem) => {
            assert_eq!(problem.exit_code(), 2, "{line}");
            problem.to_string()
        }
    }
}

#[test]
fn the_grammar_has_no_contradictions() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_line_of_the_manual_is_understood() {
    for line in [
        "serve",
        "serve --port 18790 --bind loopback --state-dir /tmp/x --quiet",
        "status --json",
        "--json --state-dir /tmp/x status",
        "token",
        "token show",
        "token new --name a --level full --pairing",
        "token list",
        "token revoke a",
        "token rotate",
        "devices list",
        "devices show 3f2a9c1e",
        "devices approve 3f2a9c1e",
        "devices approve 3f2a9c1e --level read --once --yes",
        "devices approve 3f2a9c1e --scopes read,operator.write,custom.thing --until-quit",
        "devices reject 3f2a9c1e",
        "devices later 3f2a9c1e",
        "devices revoke 3f2a9c1e",
        "devices block 3f2a9c1e",
        "devices unblock 3f2a9c1e",
        "approvals list",
        "approvals show 3f2a",
        "approvals allow 3f2a --yes",
        "approvals allow 3f2a --for-task",
        "approvals allow 3f2a --in-folder",
        "approvals allow 3f2a --for-30-days",
        "approvals allow 3f2a --read-below",
        "approvals allow 3f2a --rule 2",
        "approvals deny 3f2a",
        "approvals deny 3f2a --deny-reason no --stop",
        "permissions list",
        "permissions revoke 3f2a",
        "permissions ask-everything",
        "permissions use --yes",
        "commands list",
        "commands interrupt call-1 --run run-1",
        "files list",
        "files show 3f2a9c1e",
        "files keep 3f2a9c1e --yes",
        "files unshare",
        "files unshare site --yes",
        "files discard 3f2a9c1e",
        "config list",
        "config confirm gateway.controlUi.allowedOrigins --yes",
        "config reject gateway.controlUi.allowedOrigins",
        "models list",
        "models add openai --base-url https://api.openai.com/v1 --key-ref {env:KEY}",
        "models add lab --base-url http://lab/v1 --model a --model b --key-stdin",
        "models test",
        "models test ollama/qwen3",
        "models use ollama/qwen3",
        "models use ollama/qwen3 --yes",
        "agent --message hi",
        "agent --message hi --workspace site --yes",
        "agent --message hi --session notes --model ollama/qwen3",
        "sessions list",
        "sessions show main --limit 5",
        "sessions delete agent:main:notes",
        "sessions cancel main",
        "sessions workspace main",
        "sessions workspace main site --yes",
        "sessions workspace main --default",
        "logs -f --limit 5",
        "audit --limit 5",
        "doctor",
        "selftest",
        "pause",
        "resume",
        "stop",
        "connect",
        "run-tool",
        "version",
    ] {
        let words = std::iter::once("tidegate").chain(line.split(' '));
        assert!(Arguments::try_parse_from(words).is_ok(), "{line}");
    }
}

#[test]
fn a_message_may_begin_with_a_dash() {
    for message in ["- buy milk", "--verbose is what flag?", "-"] {
        let parsed = Arguments::try_parse_from(["tidegate", "agent", "--message", message]);
        assert!(parsed.is_ok(), "{message}: {:?}", parsed.err());
    }
}

#[test]
fn there_is_no_latest_request_and_no_decision_without_an_id() {
    for line in ["devices approve", "devices approve --latest", "approvals allow", "devices"] {
        problem(line);
    }
}

#[test]
fn choices_that_contradict_each_other_are_refused() {
    assert!(problem("devices approve a --level read --scopes read").contains("cannot be used with"));
    assert!(problem("devices approve a --once --until-quit").contains("cannot be used with"));
    assert!(problem("sessions workspace main site --default").contains("cannot be used with"));
    assert!(problem("agent --message hi --yes").contains("--workspace"));
    assert!(problem("approvals allow a --for-task --in-folder").contains("cannot be used with"));
    assert!(problem("devices approve a --pairing").contains("--level"));
    assert!(problem("models add a --base-url b --key-stdin --no-key").contains("cannot be used with"));
}

#[test]
fn a_key_is_never_an_argument() {
    let words = ["tidegate", "models", "add", "a", "--base-url", "b", "--key-ref", "sk-abc"];
    let problem = Arguments::try_parse_from(words).unwrap_err().to_string();

    assert!(problem.contains("{env:NAME}") && problem.contains("never an argument"), "{problem}");
    assert!(
        Arguments::try_parse_from(["tidegate", "models", "add", "a", "--base-url", "b", "--key", "k"])
            .is_err()
    );
}

#[test]
fn values_are_checked_where_they_are_typed() {
    assert!(problem("token new --name a --level root").contains("read, write, full"));
    assert!(problem("devices approve a --scopes operator.\u{430}dmin").contains("not allowed there"));
    assert!(problem("sessions show agent:../x:y").contains("<KEY>"));
    assert!(problem("serve --bind 0.0.0.0").contains("loopback"));
    assert!(problem("logs --limit 0").contains("1..=5000"));
}

#[test]
fn every_command_has_help_and_an_example() {
    fn check(command: &clap::Command, path: &str) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            assert!(sub.get_about().is_some(), "{path}");
            let example = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("tidegate "), "{path} has no example");
            check(sub, &path);
        }
    }
    check(&Arguments::command(), "tidegate");
}

#[test]
fn every_example_can_be_typed() {
    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines =
            help.lines().filter_map(|line| line.split_once("tidegate ").map(|(_, line)| line.to_owned()));
        found.extend(lines);
        command.get_subcommands().for_each(|sub| examples(sub, found));
    }
    let mut found = Vec::new();
    examples(&Arguments::command(), &mut found);
    assert!(found.len() > 30);
    for line in found {
        let mut words = vec!["tidegate".to_owned()];
        for (index, part) in line.split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        assert!(Arguments::try_parse_from(&words).is_ok(), "{words:?}");
    }
}

#[test]
fn the_tool_runner_is_hidden() {
    let help = Arguments::command().render_long_help().to_string();

    assert!(!help.contains("run-tool"));
    assert!(help.contains("Exit codes"));
}
