//! Secrets from the environment and from private files.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tidegate_secrets::{MAX_FILE_BYTES, ResolveError, SecretReference};

fn file(path: &Path) -> SecretReference {
    format!("{{file:{}}}", path.display()).parse().unwrap()
}

fn private_file(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn no_environment(name: &str) -> Option<String> {
    panic!("{name} was looked up")
}

#[tokio::test]
async fn a_variable_comes_from_the_callers_lookup_and_an_empty_one_counts_as_unset() {
    let reference: SecretReference = "{env:KEY}".parse().unwrap();

    let found = reference.resolve(|name| Some(format!("{name}-value"))).await.unwrap();
    let unset = reference.resolve(|_| None).await.unwrap_err();
    let empty = reference.resolve(|_| Some(String::new())).await.unwrap_err();

    assert_eq!(found.expose(), "KEY-value");
    assert_eq!(unset.to_string(), "the environment variable KEY is not set; set it before Tidegate starts");
    assert!(matches!(empty, ResolveError::VariableNotSet(_)));
}

#[tokio::test]
async fn a_private_file_is_read_without_its_last_line_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");

    for (content, secret) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), ("a\nb\n\n", "a\nb\n")] {
        private_file(&path, content);
        assert_eq!(file(&path).resolve(no_environment).await.unwrap().expose(), secret);
    }
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    private_file(&path, "abc");
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = file(&path).resolve(no_environment).await.unwrap_err();
        assert!(matches!(error, ResolveError::OpenToOthers(_)), "{mode:o}: {error}");
    }
}

/// Only root gives a file to another user.
mod as_root {
    use super::*;

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_file_of_another_user_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        private_file(&path, "abc");
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();

        let error = file(&path).resolve(no_environment).await.unwrap_err();

        assert!(matches!(error, ResolveError::ForeignOwner(_)), "{error}");
    }
}

#[tokio::test]
async fn symbolic_links_directories_and_pipes_are_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("key"), directory.path().join("link"));
    private_file(&path, "abc");
    symlink(&path, &link).unwrap();
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap();
    assert!(made.success());

    let through_link = file(&link).resolve(no_environment).await.unwrap_err();
    let a_directory = file(directory.path()).resolve(no_environment).await.unwrap_err();
    let a_pipe = file(&pipe).resolve(no_environment).await.unwrap_err();

    assert!(matches!(through_link, ResolveError::SymbolicLink(_)), "{through_link}");
    assert!(matches!(a_directory, ResolveError::NotAFile(_)), "{a_directory}");
    assert!(matches!(a_pipe, ResolveError::NotAFile(_)), "{a_pipe}");
}

#[tokio::test]
async fn missing_oversized_empty_and_binary_files_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");

    let missing = file(&path).resolve(no_environment).await.unwrap_err();
    private_file(&path, vec![b'a'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]);
    let oversized = file(&path).resolve(no_environment).await.unwrap_err();
    private_file(&path, "\n");
    let empty = file(&path).resolve(no_environment).await.unwrap_err();
    private_file(&path, b"\xff\xfe");
    let binary = file(&path).resolve(no_environment).await.unwrap_err();

    assert!(matches!(missing, ResolveError::Unreadable { .. }), "{missing}");
    assert!(matches!(oversized, ResolveError::TooLarge(_)), "{oversized}");
    assert!(matches!(empty, ResolveError::NotText(_)), "{empty}");
    assert!(matches!(binary, ResolveError::NotText(_)), "{binary}");
    for error in [missing, oversized, empty, binary] {
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
