use std::collections::BTreeSet;

use tidegate_trust::settings::{ProposedSetting, SettingState, ShownSetting, ValuePart};

use super::policy::REFUSED;
use super::*;

#[test]
fn openclaws_keys_are_read_from_json5() {
    let (config, policy) = parse(
        "{ // a comment\n gateway: { port: 19000, bind: 'loopback' }, agents: { defaults: { workspace: '/w',\n\
         model: { primary: 'ollama/qwen3' }, subagents: { maxConcurrent: 4, }, runs: { keepDays: 90 } } }, }",
    )
    .expect("valid");
    assert_eq!(config.port, Some(19_000));
    assert_eq!(policy.workspace.as_deref(), Some(Path::new("/w")));
    assert_eq!(config.concurrent_subagents, Some(4));
    assert_eq!(config.keep_runs_days, Some(90));
    assert_eq!(policy.proposed, [ProposedSetting::model("ollama/qwen3").expect("it can be shown")]);
    assert_eq!((config.model, policy.refused), (None, Vec::new()), "neither counts by being read");
}

#[test]
fn limits_and_toolchains_of_commands_are_read() {
    let text = "{tools:{exec:{memoryMiB:2048,memoryScope:true,withoutToolchains:['~/.nvm','/opt/x']}}}";
    let config = parse(text).expect("valid").0;
    assert_eq!(config.command_memory_mib, Some(2048));
    assert!(config.command_memory_scope);
    assert_eq!(config.without_toolchains, ["~/.nvm", "/opt/x"]);
    for wrong in [
        "memoryMiB:1",
        "memoryScope:1",
        "withoutToolchains:'~/.nvm'",
        "withoutToolchains:['.nvm']",
        "withoutToolchains:['~/../x']",
    ] {
        let problems = parse(&format!("{{tools:{{exec:{{{wrong}}}}}}}")).expect_err("invalid");
        assert!(problems.len() == 1 && problems[0].starts_with("tools.exec."), "{wrong}: {problems:?}");
    }
}

#[test]
fn every_problem_is_named_at_once() {
    let problems =
        parse("{gateway:{port:'x'},agents:{defaults:{workspace:'w',subagents:{maxSpawnDepth:99}}}}")
            .expect_err("invalid");
    assert_eq!(problems.len(), 3, "{problems:?}");
}

fn refused(policy: &Policy) -> Vec<&str> {
    policy.refused.iter().map(|refused| refused.path).collect()
}

#[test]
fn what_tidegate_does_not_have_is_refused_with_a_sentence() {
    let text = "{gateway:{bind:'lan',auth:{mode:'none'},trustedProxies:['10.0.0.1'],\
                controlUi:{dangerouslyDisableDeviceAuth:true,allowInsecureAuth:true}},\
                tools:{exec:{ask:'off'}},models:{providers:{x:{baseUrl:'http://evil.example'}}}}";
    let (config, policy) = parse(text).expect("valid");
    assert_eq!(config, Config::default());
    assert_eq!(policy.proposed, []);
    assert_eq!(refused(&policy), REFUSED.map(|(path, ..)| path));
    assert!(policy.refused.iter().all(|refused| refused.reason.ends_with('.')));
    assert_eq!(policy.refused[0].reason, "Tidegate serves loopback only.");
    let safe =
        "{gateway:{bind:'loopback',auth:{mode:'token'},trustedProxies:[]},tools:{exec:{ask:'always'}}}";
    assert_eq!(parse(safe).expect("valid").1, Policy::default());
}

#[test]
fn exact_origins_are_proposed_and_never_every_page() {
    let text = "{gateway:{controlUi:{allowedOrigins:['https://ui.example','http://127.0.0.1:5173','https://ui.example']}}}";
    let (_, policy) = parse(text).expect("valid");
    let [proposed] = &policy.proposed[..] else { panic!("{policy:?}") };
    let values: Vec<&str> = proposed.value.iter().map(ValuePart::as_str).collect();
    assert_eq!(values, ["http://127.0.0.1:5173", "https://ui.example"]);
    for everyone in ["'*'", "'null'", "'https://ui.example','*'", "'https://*.example'"] {
        let (_, policy) =
            parse(&format!("{{gateway:{{controlUi:{{allowedOrigins:[{everyone}]}}}}}}")).expect("valid");
        assert_eq!((policy.proposed.len(), refused(&policy)), (0, vec!["gateway.controlUi.allowedOrigins"]));
    }
    let problems = parse("{gateway:{controlUi:{allowedOrigins:['https://ui.example/',7,'ui.example']}}}");
    assert_eq!(problems.expect_err("invalid").len(), 3);
    assert!(parse("{gateway:{controlUi:{allowedOrigins:'https://ui.example'}}}").is_err());
}

#[test]
fn config_get_says_what_is_not_applied() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    let text = "{gateway:{bind:'lan',controlUi:{allowedOrigins:['https://ui.example']}}}";
    std::fs::write(&path, text).expect("written");
    let loaded = load(&path);
    let mut shown = ShownSetting {
        proposed: loaded.policy.proposed[0].clone(),
        present: BTreeSet::new(),
        state: SettingState::Waiting,
        since: tidegate_protocol::UnixMillis(0),
    };
    let paths = |shown: &ShownSetting| -> Vec<String> {
        let warnings = config_get(&path, &loaded, std::slice::from_ref(shown)).warnings;
        warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
    };
    assert_eq!(
        paths(&shown),
        [
            "gateway.bind: not applied: Tidegate serves loopback only.",
            "gateway.controlUi.allowedOrigins: not applied: it would loosen or redirect, so it waits until a \
             person confirms it"
        ]
    );
    shown.state = SettingState::Confirmed;
    assert_eq!(paths(&shown).len(), 1);
}

#[test]
fn a_broken_file_leaves_the_last_good_copy_in_use() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    std::fs::write(&path, "{gateway:{port:19001}}").expect("written");
    assert_eq!(load(&path).config.port, Some(19_001));
    std::fs::write(&path, "{gateway:{port:").expect("written");
    let loaded = load(&path);
    assert_eq!(loaded.config.port, Some(19_001));
    assert_eq!(loaded.problems.len(), 1);
}
