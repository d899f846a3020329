//! Tells Tauri where the capabilities and permissions are; its configuration is at the root of the
//! workspace.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=src-tauri/permissions");
    // With permissions of our own, a command that none of them names cannot be called by a page.
    let commands = tauri_build::AppManifest::new().permissions_path_pattern("./src-tauri/permissions/*.toml");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(commands);
    Ok(tauri_build::try_build(attributes)?)
}
