//! The Debian package, with the command line beside the tray application.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::packages::Needed;
use crate::session::Session;
use crate::{desktop, pages, prepare_build};

const TAURI_CLI: &str = "2.12.5";

/// Makes it; `--debug` takes programs that are built sooner.
pub(crate) fn make(session: &mut Session, arguments: &[String]) -> Result<()> {
    let is_debug = match arguments {
        [] => false,
        [only] if only == "--debug" => true,
        _ => bail!("bundle takes --debug or nothing"),
    };
    desktop::needed(session, &Needed::DESKTOP, "to build the tray application")?;
    desktop::needed(session, &Needed::BUNDLE, "to make a Debian package")?;
    prepare_build(session)?;
    pages::build(session)?;
    let tauri = session.cache().join(format!("tauri-cli-{TAURI_CLI}"));
    if !tauri.join("node_modules/.bin/tauri").exists() {
        println!("Fetching Tauri's command line {TAURI_CLI} into {} (once, about 20 MB).", tauri.display());
        pages::install(session, &tauri, &[format!("@tauri-apps/cli@{TAURI_CLI}")])?;
    }

    let (profile, cargo_flag, tauri_flag) =
        if is_debug { ("debug", None, Some("--debug")) } else { ("release", Some("--release"), None) };
    session.cargo(&["build", "--locked", "-p", "tidegate-cli"]).args(cargo_flag).finish()?;
    let built = session.target()?.join(profile);
    let packages = built.join("bundle/deb");
    // Packages of earlier versions would be taken for this one.
    if packages.exists() {
        fs::remove_dir_all(&packages)?;
    }
    let settings = built.join("bundle-settings.json");
    fs::write(&settings, bundle_settings(session.root(), &built.join("tidegate")))?;
    session
        .command(tauri.join("node_modules/.bin/tauri"))
        .arg("build")
        .args(tauri_flag)
        .args(["--bundles", "deb", "--config"])
        .arg(&settings)
        .args(["--", "--locked", "-p", "tidegate-desktop"])
        .finish()?;
    fs::remove_file(settings)?;

    let made = fs::read_dir(&packages)?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = made
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "deb"))
        .with_context(|| format!("there is no package in {}", packages.display()))?;
    pack_tighter(session, &package)?;
    println!("Made: {}", package.display());
    Ok(())
}

/// Packs a Debian package again with xz, which halves it; Tauri's bundler knows gzip alone.
fn pack_tighter(session: &Session, package: &Path) -> Result<()> {
    let unpacked = package.with_extension("unpacked");
    session.command("dpkg-deb").arg("--raw-extract").args([package, &unpacked]).finish()?;
    // Its directories become the system's, the first of them /, whatever the umask is here.
    session.command("chmod").args(["-R", "u=rwX,go=rX"]).arg(&unpacked).finish()?;
    // What a person changed there stays at an upgrade.
    fs::write(unpacked.join("DEBIAN/conffiles"), "/etc/apparmor.d/tidegate\n")?;
    session
        .command("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "-z9", "--build"])
        .args([&unpacked, package])
        .finish()?;
    Ok(fs::remove_dir_all(unpacked)?)
}

/// What the package holds besides the tray application.
fn bundle_settings(root: &Path, command_line: &Path) -> String {
    let linux = root.join("src-tauri/linux");
    format!(
        r#"{{
  "bundle": {{
    "linux": {{
      "deb": {{
        "section": "net",
        "depends": ["libayatana-appindicator3-1", "bubblewrap (>= 0.5)"],
        "recommends": ["notification-daemon", "gnome-keyring | libkf5wallet-bin | keepassxc"],
        "files": {{
          "/usr/bin/tidegate": {command_line:?},
          "/etc/apparmor.d/tidegate": {:?},
          "/usr/share/doc/tidegate/copyright": {:?}
        }},
        "postInstallScript": {:?},
        "preRemoveScript": {:?}
      }}
    }}
  }}
}}
"#,
        linux.join("tidegate.apparmor"),
        linux.join("copyright"),
        linux.join("postinst"),
        linux.join("prerm"),
    )
}
