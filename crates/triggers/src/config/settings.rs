//! The settings that are known to run nothing, with the values that they may have.

use super::{Form, Setting};

/// Whether a setting is on the list and has one of its values.
pub(super) fn is_known(setting: &Setting, form: Form) -> bool {
    let value = setting.value.as_str();
    // What git would read as a comment, a quote or an escape is in none of them.
    if value.is_empty() || value.contains(['#', ';', '"', '\\', '\t']) {
        return false;
    }
    let name = (setting.section.as_str(), setting.subsection.as_deref(), setting.key.as_str());
    match name {
        ("core", None, "bare") => is_bool(value) && (form == Form::Shaped || value == "false"),
        ("core", None, "worktree") => form == Form::Module && is_way_to_submodule(value),
        ("core", None, "repositoryformatversion") => matches!(value, "0" | "1"),
        ("core", None, "logallrefupdates") => is_bool(value) || value == "always",
        ("core", None, "filemode" | "ignorecase" | "precomposeunicode" | "symlinks") => is_bool(value),
        ("core", None, "autocrlf") => is_bool(value) || value == "input",
        ("core", None, "eol") => matches!(value, "lf" | "crlf" | "native"),
        ("remote", Some(_), "url" | "pushurl") => is_url(value),
        ("remote", Some(_), "fetch") => is_refspec(value),
        ("remote", Some(_), "tagopt") => matches!(value, "--no-tags" | "--tags"),
        ("remote", Some(_), "promisor" | "prune") => is_bool(value),
        ("remote", Some(_), "partialclonefilter") => is_filter(value),
        // Ordinary in a bare repository; in others a push would remove branches elsewhere.
        ("remote", Some(_), "mirror") => is_bool(value) && form == Form::Shaped,
        ("remote", Some(_), "gh-resolved") => value == "base",
        ("branch", Some(_), "remote" | "pushremote") => is_word(value),
        ("branch", Some(_), "merge") => value.strip_prefix("refs/").is_some_and(is_word),
        ("branch", Some(_), "vscode-merge-base") => is_word(value),
        ("branch", Some(_), "rebase") | ("pull", None, "rebase") => is_bool(value),
        ("pull", None, "ff") => is_bool(value) || value == "only",
        ("push", None, "autosetupremote") | ("fetch", None, "prune") => is_bool(value),
        ("push", None, "default") => matches!(value, "simple" | "current" | "upstream" | "nothing"),
        ("user", None, "name" | "email") => value.chars().count() <= 200,
        ("init", None, "defaultbranch") => is_word(value),
        ("submodule", None | Some(_), "active") => is_bool(value) || value == ".",
        ("submodule", Some(_), "url") => is_url(value),
        ("extensions", None, "objectformat") => matches!(value, "sha1" | "sha256"),
        ("extensions", None, "refstorage") => matches!(value, "files" | "reftable"),
        ("extensions", None, "partialclone") => is_word(value),
        ("extensions", None, "relativeworktrees") => is_bool(value),
        _ => false,
    }
}

fn is_bool(value: &str) -> bool {
    matches!(value, "true" | "false")
}

/// Names of branches, remotes and references.
fn is_word(value: &str) -> bool {
    let is_character = |c: char| c.is_alphanumeric() || "._/+@-".contains(c);
    value.chars().all(is_character) && !value.starts_with('-') && !value.contains("..")
}

fn is_refspec(value: &str) -> bool {
    let value = value.strip_prefix('+').unwrap_or(value);
    let value = value.strip_prefix('^').unwrap_or(value);
    let is_reference = |reference: &str| {
        !reference.is_empty()
            && reference.chars().all(|c| c == '*' || is_word(c.encode_utf8(&mut [0; 4])) || c == '-')
    };
    value.split(':').count() <= 2 && value.split(':').all(is_reference)
}

fn is_filter(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":=+".contains(&byte))
}

/// Addresses that git fetches from by itself: no remote helpers (`ext::`), no options for programs.
fn is_url(value: &str) -> bool {
    let is_text = value.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80);
    if !is_text || value.contains("::") || value.contains(['`', '$', '|', '<', '>', '\'']) {
        return false;
    }
    if let Some((scheme, rest)) = value.split_once("://") {
        return match scheme {
            "http" | "https" | "ssh" | "git" => has_host(rest),
            "file" => rest.starts_with('/'),
            _ => false,
        };
    }
    if value.starts_with('/') || value.starts_with("./") || value.starts_with("../") {
        return !value.contains(':');
    }
    let Some((host, path)) = value.split_once(':') else { return false };
    host.contains('@') && !host.contains('/') && has_host(host) && !path.is_empty() && !path.starts_with('-')
}

/// Whether a URL's part after the scheme begins with a user and a host that no program takes for an option.
fn has_host(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    !user.starts_with('-')
        && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && host.chars().all(is_host)
}

/// `../../../name`: up out of the repository's folder, then down by names.
fn is_way_to_submodule(value: &str) -> bool {
    let mut names = value.split('/').skip_while(|name| *name == "..").peekable();
    value.starts_with("../")
        && names.peek().is_some()
        && names.all(|name| !matches!(name, "" | "." | "..") && name != ".git")
}
