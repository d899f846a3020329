//! Names of files that usually hold keys or passwords. What looks without asking skips them.

/// Names that count as a whole.
const NAMES: &[&str] = &[
    ".dockercfg",
    ".env",
    ".envrc",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".vault-token",
    "_netrc",
    "auth.json",
    "cookies.sqlite",
    "credentials",
    "key4.db",
    "logins.json",
    "secrets",
    "wallet.dat",
];
/// Directories, which are skipped with everything in them.
const DIRECTORIES: &[&str] =
    &[".aws", ".azure", ".docker", ".gcloud", ".gnupg", ".kube", ".openclaw", ".password-store", ".ssh"];
const BEGINNINGS: &[&str] = &[".env.", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa", "id_xmss"];
const ENDS: &[&str] = &[
    ".env",
    ".jks",
    ".kdbx",
    ".key",
    ".keystore",
    ".ovpn",
    ".p12",
    ".pem",
    ".pfx",
    ".ppk",
    ".tfstate",
    "_dsa",
    "_ecdsa",
    "_ed25519",
    "_rsa",
];
/// Beginnings that make a name secret together with one of [`DATA`].
const WORDS: &[&str] = &["client_secret", "credentials", "secrets", "service-account", "service_account"];
const DATA: &[&str] = &[".ini", ".json", ".toml", ".yaml", ".yml"];
/// Ends that say that a file is made to be seen.
const HARMLESS: &[&str] = &[".dist", ".example", ".pub", ".sample", ".template"];

/// What the list is about, for a sentence.
pub(super) const KIND: &str = "names of files with keys or passwords, such as .env or *.pem";

/// Whether a file or directory of this name is skipped. Case makes no difference.
pub(super) fn is_secret(name: &str, is_directory: bool) -> bool {
    let name = name.to_ascii_lowercase();
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    let ends = |list: &[&str]| list.iter().any(|end| name.ends_with(end));
    if is_directory {
        return DIRECTORIES.contains(&name.as_str());
    }
    !ends(HARMLESS)
        && (NAMES.contains(&name.as_str())
            || starts(BEGINNINGS)
            || ends(ENDS)
            || (starts(WORDS) && ends(DATA)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_and_passwords_are_secret_in_any_case() {
        for name in
            [".env", ".ENV.local", "prod.env", "server.PEM", "id_ed25519", "deploy_rsa", "credentials.json"]
        {
            assert!(is_secret(name, false), "{name}");
        }
        assert!(is_secret(".SSH", true));
    }

    #[test]
    fn names_of_source_files_and_examples_are_not_secret() {
        for name in [
            ".env.example",
            "id_ed25519.pub",
            "id_map.rs",
            "credentials.rs",
            "keys.md",
            "environment.ts",
            "monkey",
        ] {
            assert!(!is_secret(name, false), "{name}");
        }
        assert!(!is_secret("env", true));
    }
}
