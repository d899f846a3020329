//! What a path leads to when the mounts are made is what was planned, or nothing runs.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;

use common::Place;
use tidegate_sandbox::StartError;
use tidegate_sandbox::spec::Spec;

fn assert_replaced(result: Result<String, StartError>, path: &Path) {
    match result {
        Err(StartError::Inside { reason }) => {
            assert!(reason.contains("was replaced") && reason.contains(&*path.to_string_lossy()), "{reason}");
        }
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn a_command_runs_where_every_path_is_what_it_was() {
    let place = Place::new();
    let mut spec = place.spec();
    std::fs::write(spec.workspace.join("guarded"), "mine").expect("written");
    spec.read_only = vec![spec.workspace.join("guarded")];
    spec.writable = vec![place.root.join("outside")];
    let command = "cat guarded; echo x > guarded || echo held; echo y > ../outside/new";
    let printed = place.run(&spec, command).expect("it runs");
    assert!(printed.starts_with("mine") && printed.contains("held"), "{printed}");
    assert_eq!(std::fs::read_to_string(place.root.join("outside/new")).expect("written"), "y\n");
}

/// That place is usually a link inside.
#[test]
fn a_command_runs_in_a_workspace_below_var_tmp() {
    let place = Place::new_in(Path::new("/var/tmp"));
    let spec = place.spec();
    let command = "echo x > new && echo y > /var/tmp/other && mkfifo pipe || echo held; ls ../outside";
    let printed = place.run(&spec, command).expect("it runs");
    assert!(printed.contains("held") && !printed.contains("secret"), "{printed}");
    assert_eq!(std::fs::read_to_string(spec.workspace.join("new")).expect("written"), "x\n");
    assert!(!Path::new("/var/tmp/other").exists());
}

/// As it would be when another command exchanged the name before the mounts are made: bubblewrap or the
/// first program inside refuses it.
#[test]
fn a_guarded_name_that_leads_elsewhere_shows_nothing() {
    let place = Place::new();
    let mut spec = place.spec();
    let name = spec.workspace.join("guarded");
    symlink(place.root.join("outside/secret"), &name).expect("linked");
    spec.read_only = vec![name.clone()];
    let result = place.run(&spec, "cat guarded");
    assert!(matches!(result, Err(StartError::Refused { .. } | StartError::Inside { .. })), "{result:?}");
}

#[test]
fn a_granted_folder_that_leads_elsewhere_is_not_given() {
    let place = Place::new();
    for grant in [
        |spec: &mut Spec, path| spec.writable = vec![path],
        |spec: &mut Spec, path| spec.readable = vec![path],
    ] {
        let mut spec = place.spec();
        let link = place.root.join("link");
        let _ = std::fs::remove_file(&link);
        symlink(place.root.join("outside"), &link).expect("linked");
        grant(&mut spec, link.clone());
        assert_replaced(place.run(&spec, "cat ../link/secret"), &link);
    }
}

/// As it would be when a toolchain is removed while a command starts.
#[test]
fn a_folder_that_vanished_is_named_and_nothing_runs() {
    let place = Place::new();
    let gone = place.root.join("gone");
    for grant in [
        |spec: &mut Spec, path| spec.writable = vec![path],
        |spec: &mut Spec, path| spec.readable = vec![path],
        |spec: &mut Spec, path| spec.read_only = vec![path],
        |spec: &mut Spec, path| spec.workspace = path,
        |spec: &mut Spec, path| spec.private_home = path,
    ] {
        let mut spec = place.spec();
        grant(&mut spec, gone.clone());
        let refused = place.run(&spec, "touch ../workspace/ran").map_err(|error| error.to_string());
        let sentence = format!("{} cannot be used: No such file", gone.display());
        assert!(refused.as_ref().is_err_and(|refused| refused.starts_with(&sentence)), "{refused:?}");
        assert!(!place.root.join("workspace/ran").exists() && !gone.exists());
    }
}
