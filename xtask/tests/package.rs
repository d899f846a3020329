//! The Debian package as `./dev bundle` makes it, with a stand-in for Tauri's bundler that packs what it is
//! given. `tests/bundle/run` tries a real one in a fresh system.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

mod common;

use common::{root, xtask};

/// Packs with a private root directory, as bundlers do that make it in a temporary one.
const BUNDLER: &str = r#"#!/usr/bin/python3
import json, os, shutil, subprocess, sys
settings = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["bundle"]["linux"]["deb"]
target = os.environ["CARGO_TARGET_DIR"] + "/debug/bundle/deb"
package = target + "/package"
os.makedirs(package + "/DEBIAN")
os.chmod(package, 0o700)
os.chmod(package + "/DEBIAN", 0o755)
for place, source in settings["files"].items():
    os.makedirs(os.path.dirname(package + place), exist_ok=True)
    shutil.copy(source, package + place)
for name in "postInstallScript", "preRemoveScript":
    script = package + "/DEBIAN/" + {"postInstallScript": "postinst", "preRemoveScript": "prerm"}[name]
    shutil.copy(settings[name], script)
    os.chmod(script, 0o755)
with open(package + "/DEBIAN/control", "w") as control:
    control.write("Package: tidegate\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\n")
    control.write("Depends: " + ", ".join(settings["depends"]) + "\nDescription: x\n")
subprocess.run(["dpkg-deb", "--build", package, target + "/tidegate.deb"], check=True)
shutil.rmtree(package)
"#;

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The package, in a home directory of its own.
fn package() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let programs = home.path().join("programs");
    let cargo = "#!/bin/sh\n[ \"$1\" != --version ] || { echo cargo 99.0.0; exit; }
        mkdir -p \"$CARGO_TARGET_DIR/debug\"; echo program >\"$CARGO_TARGET_DIR/debug/tidegate\"\n";
    program(&programs.join("cargo"), cargo);
    for (name, says) in [("node", ""), ("npm", ""), ("dpkg-query", "echo install ok installed")] {
        program(&programs.join(name), &format!("#!/bin/sh\n{says}\n"));
    }
    let script = fs::read_to_string(root().join("xtask/src/bundle.rs")).unwrap();
    let version =
        script.split("TAURI_CLI: &str = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let bundler = format!(".cache/tidegate/tauri-cli-{version}/node_modules/.bin/tauri");
    program(&home.path().join(bundler), BUNDLER);
    let target = home.path().join("target");
    let output = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" bundle --debug"])
        .arg(xtask())
        .current_dir(root())
        .env_clear()
        .env("HOME", home.path())
        .env("CARGO_TARGET_DIR", &target)
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = target.join("debug/bundle/deb/tidegate.deb");
    (home, made)
}

fn dpkg_deb(arguments: &[&str], package: &Path) -> String {
    let output = Command::new("dpkg-deb").args(arguments).arg(package).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_package_brings_what_the_sandbox_needs() {
    let (home, package) = package();
    let depends = Command::new("dpkg-deb").arg("--field").arg(&package).arg("Depends").output().unwrap();
    let depends = String::from_utf8(depends.stdout).unwrap();
    assert!(depends.split(", ").any(|one| one.trim() == "bubblewrap (>= 0.5)"), "{depends}");

    let unpacked = home.path().join("unpacked");
    let extracted = Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&unpacked).status();
    assert!(extracted.unwrap().success());
    let profile = fs::read_to_string(unpacked.join("etc/apparmor.d/tidegate")).unwrap();
    // Both programs start sandboxes, and what they start inherits the profile.
    assert!(
        profile.contains("profile tidegate /usr/bin/tidegate{,-desktop} flags=(unconfined) {\n  userns,")
    );
    let conffiles = fs::read_to_string(unpacked.join("DEBIAN/conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/apparmor.d/tidegate\n");
    for script in ["postinst", "prerm"] {
        let text = fs::read_to_string(unpacked.join("DEBIAN").join(script)).unwrap();
        assert!(text.contains("apparmor_parser"), "{script}");
    }
}

#[test]
fn the_package_leaves_the_systems_directories_open_and_has_its_licence() {
    let (_home, package) = package();
    let listed = dpkg_deb(&["--contents"], &package);
    let entry = |name: &str| {
        let line = listed.lines().find(|line| line.split_whitespace().last() == Some(name));
        line.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(entry("./").as_deref(), Some("drwxr-xr-x root/root"), "{listed}");
    assert_eq!(entry("./usr/bin/").as_deref(), Some("drwxr-xr-x root/root"), "{listed}");
    assert_eq!(
        entry("./usr/share/doc/tidegate/copyright").as_deref(),
        Some("-rw-r--r-- root/root"),
        "{listed}"
    );
    assert_eq!(entry("./etc/apparmor.d/tidegate").as_deref(), Some("-rw-r--r-- root/root"), "{listed}");
}
