use tidegate_sandbox::spec::User;
use tidegate_tools::SandboxOptions;

use super::*;

#[tokio::test]
async fn a_missing_bubblewrap_is_reported_with_what_to_do() {
    let place = tempfile::tempdir().expect("a directory");
    let user = User { uid: 1000, gid: 1000, name: "a".to_owned(), home: place.path().join("home") };
    let options = SandboxOptions { bubblewrap: Some("/nonexistent".into()), ..SandboxOptions::default() };
    let sandboxes = Sandboxes::new(place.path().join("sandbox"), user).with_options(options);

    let status = status(&sandboxes, &Launcher::new("/nonexistent".into())).await;

    assert!(!status.contained);
    let sentence = "Commands of agents are confined only in part: bubblewrap is not installed";
    assert!(status.sentence.starts_with(sentence), "{}", status.sentence);
    assert!(status.todo.is_some_and(|todo| todo.starts_with("Install the package `bubblewrap`")));
}

#[test]
fn each_layer_is_reported_with_what_was_seen() {
    let missing = LayerState::Missing { reason: "the kernel has no Landlock".to_owned() };
    let report = Report {
        layers: vec![(Layer::Filter, LayerState::Holds), (Layer::FileRules, missing)],
        failure: None,
    };

    let told = layers(&report);

    assert_eq!((told[0].name.as_str(), told[0].holds, &told[0].reason), ("system call filter", true, &None));
    assert_eq!(
        (told[1].name.as_str(), told[1].holds, told[1].required),
        ("Landlock file rules", false, true)
    );
    assert_eq!(told[1].reason.as_deref(), Some("the kernel has no Landlock"));
}
