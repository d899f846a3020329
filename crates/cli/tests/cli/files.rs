//! Files that were set aside: which one is meant, and what is kept.

use serde_json::{Value, json};
use tidegate_protocol::payload::files::{
    FileDecidedResult, FilesListResult, SetAsideFile, SetAsideFileDetails, SharedFolder,
};
use tidegate_protocol::rpc;

use crate::support::answers::set_aside as file;
use crate::support::{Outcome, Stage, to};

/// A gateway that set files aside; the first is the one that it shows.
fn stage(files: &[SetAsideFile]) -> Stage {
    let shown = SetAsideFileDetails {
        file: files[0].clone(),
        digest: "d1gest".to_owned(),
        content: None,
        binary: true,
        cut: false,
    };
    let done = FileDecidedResult {
        id: files[0].id.clone(),
        path: "a/.envrc".to_owned(),
        workspace: "/".to_owned(),
        kept: true,
    };
    Stage::answering([
        to::<rpc::TidegateFilesList>(FilesListResult { files: files.to_vec() }),
        to::<rpc::TidegateFilesShow>(shown),
        to::<rpc::TidegateFilesKeep>(done.clone()),
        to::<rpc::TidegateFilesDiscard>(done),
    ])
}

#[tokio::test]
async fn a_file_is_shown_before_the_question_and_kept_by_its_digest() {
    let outcome = stage(&[file("3f2a9c1e", true)]).person(true).run(&["files", "keep", "3f2a"]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.starts_with("A command of an agent planted this file"), "{}", outcome.out);
    assert_eq!(outcome.questions, ["Put it back?"]);
    assert_eq!(outcome.sent("tidegate.files.keep"), &json!({ "id": "3f2a9c1e", "digest": "d1gest" }));
}

#[tokio::test]
async fn a_file_is_not_kept_on_a_no_nor_when_it_is_a_folder() {
    let no = stage(&[file("3f2a9c1e", true)]).person(false).run(&["files", "keep", "3f2a"]).await;
    let folder = stage(&[file("3f2a9c1e", false)]).run(&["files", "keep", "3f2a", "--yes"]).await;

    for outcome in [&no, &folder] {
        assert_eq!(outcome.code, 1, "{}", outcome.out);
        assert!(!outcome.was_called("tidegate.files.keep"));
    }
    assert!(folder.err.contains("Only files and links can be kept"), "{}", folder.err);
}

#[tokio::test]
async fn beside_a_desktop_its_dialog_asks_about_a_file() {
    let stage = stage(&[file("3f2a9c1e", true)]).with_desktop().person(true);

    let outcome = stage.run(&["files", "keep", "3f2a9c1e"]).await;

    assert!(outcome.was_called("tidegate.files.keep"), "it opens the dialog");
    assert!(outcome.questions.is_empty(), "nobody is asked twice");
}

#[tokio::test]
async fn an_id_that_names_no_single_file_discards_none() {
    let two = [file("3f2a0000", true), file("3f2a1111", true)];
    for (id, said) in [("3f2a", "More than one id"), ("3f", "No file"), ("ffff", "No file")] {
        let outcome = stage(&two).run(&["files", "discard", id]).await;

        assert_eq!(outcome.code, 1, "{id}");
        assert!(outcome.err.contains(said), "{id}: {}", outcome.err);
        assert!(!outcome.was_called("tidegate.files.discard"), "{id}");
    }
}

/// A gateway with a folder of which `files` are shared.
fn sharing(files: u64, unshared: bool) -> Stage {
    Stage::answering([to::<rpc::TidegateFilesUnshare>(SharedFolder {
        folder: "/home/ada/site".to_owned(),
        files,
        bytes: 3 << 20,
        places: vec!["node_modules\u{202e}".to_owned()],
        unshared,
        left: 1,
        left_files: vec!["a/locked".to_owned()],
    })])
}

#[tokio::test]
async fn shared_files_are_shown_and_copied_when_the_person_says_so() {
    let path = std::env::temp_dir().canonicalize().unwrap();
    let arguments = ["files", "unshare", path.to_str().unwrap()];

    let yes = sharing(2, true).person(true).run(&arguments).await;
    let no = sharing(2, false).person(false).run(&arguments).await;

    assert_eq!(yes.code, 0, "{}", yes.err);
    assert_eq!(yes.questions, ["Unshare them?"]);
    assert!(yes.out.starts_with("2 files of this folder are shared"), "{}", yes.out);
    assert!(yes.out.contains("  | node_modules\\u{202e}\n") && yes.out.contains("take 3 MiB"), "{}", yes.out);
    assert!(yes.out.contains("1 file could not be") && yes.out.contains("  | a/locked\n"), "{}", yes.out);
    let applied = |outcome: &Outcome| -> Vec<Value> {
        outcome.requests.iter().map(|(_, params)| params["apply"].clone()).collect()
    };
    assert_eq!(applied(&yes), [false, true]);
    assert_eq!(yes.requests[1].1["folder"], json!(path));
    assert_eq!((no.code, applied(&no)), (1, vec![json!(false)]), "{}", no.out);
}

#[tokio::test]
async fn a_folder_that_shares_nothing_needs_no_answer() {
    let outcome = sharing(0, false).person(true).run(&["files", "unshare", "."]).await;

    assert_eq!((outcome.code, outcome.questions.len()), (0, 0), "{}", outcome.err);
    assert!(outcome.out.starts_with("No file in this folder is shared"), "{}", outcome.out);
    assert!(outcome.out.contains("  | node_modules\\u{202e}\n"), "{}", outcome.out);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_asked_about() {
    let outcome = sharing(2, false).run(&["files", "unshare", "/not/there", "--yes"]).await;

    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("/not/there cannot be used"), "{}", outcome.err);
    assert!(!outcome.was_called("tidegate.files.unshare"));
}
