//! Rules over our own files.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use tidegate_workspace_tests::{Workspace, repository_files, root, rust_sources};

/// Where the process environment may be read: the host's one file, and the tool runner, which
/// builds the environment of the programs that it starts.
const MAY_READ_ENVIRONMENT: &[&str] = &["crates/host/src/environment.rs", "crates/tools/src/run_tool"];

#[test]
fn the_environment_is_read_in_one_place() {
    let mut wrong = Vec::new();
    for package in Workspace::load().unwrap().members() {
        let directory = package.manifest_path.parent().unwrap().as_std_path();
        let relative = directory.strip_prefix(root()).unwrap();
        // What is never shipped may look for its own switches.
        if ["tidegate-testkit", "xtask"].contains(&package.name.as_str()) || relative.starts_with("tests") {
            continue;
        }
        let sources =
            if relative == Path::new("") { Path::new("src-tauri/src") } else { &relative.join("src") };
        for (path, text) in rust_sources(sources).unwrap() {
            if !MAY_READ_ENVIRONMENT.iter().any(|allowed| path.starts_with(allowed)) {
                wrong.extend(environment_reads(&text).map(|line| format!("{}:{line}", path.display())));
            }
        }
    }

    assert!(wrong.is_empty(), "the environment is read outside {MAY_READ_ENVIRONMENT:?}: {wrong:#?}");
}

/// The lines of `text` that use `std::env` for variables, comments and unit tests left out.
fn environment_reads(text: &str) -> impl Iterator<Item = usize> {
    const FUNCTIONS: [&str; 6] = ["var", "vars", "var_os", "vars_os", "set_var", "remove_var"];
    let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let reads = |line: &str| {
        let code = line.split("//").next().unwrap_or(line);
        code.match_indices("env::").any(|(at, found)| {
            let rest = &code[at + found.len()..];
            let names = rest.strip_prefix('{').and_then(|list| list.split('}').next()).unwrap_or(rest);
            let separators = |c: char| !(c.is_alphanumeric() || c == '_');
            let count = if rest.starts_with('{') { usize::MAX } else { 1 };
            names.split(separators).take(count).any(|name| FUNCTIONS.contains(&name))
        })
    };
    shipped.lines().enumerate().filter(move |(_, line)| reads(line)).map(|(index, _)| index + 1)
}

#[test]
fn the_scan_for_environment_reads_finds_each_form_and_nothing_else() {
    let text = "use std::env::{self, var_os};\nlet a = std::env::var(\"A\");\n// env::var\nenv::temp_dir();\n\
                env::vars().count();\nenv::consts::OS; var();\n#[cfg(test)]\nmod tests { env::var(\"B\") }";

    assert_eq!(environment_reads(text).collect::<Vec<_>>(), [1, 2, 5]);
}

#[test]
fn unsafe_code_is_forbidden_in_every_package() {
    let manifest = |path: &Path| std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
    let workspace = manifest(&root().join("Cargo.toml"));

    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for package in Workspace::load().unwrap().members() {
        let lints = manifest(package.manifest_path.as_std_path()).get("lints").cloned();
        let inherits = lints.as_ref().and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{} does not take over the workspace's lints", package.name);
    }
}

#[test]
fn no_file_of_the_repository_names_a_machine() {
    let Some(files) = repository_files().unwrap() else {
        println!("skipped: not a git checkout");
        return;
    };
    let mut wrong = Vec::new();
    for path in files.iter().filter(|path| !is_lock_file(path)) {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = machine_trace(line) {
                wrong.push(format!("{}:{}: {found}", path.display(), index + 1));
            }
        }
    }

    assert!(files.len() > 50, "only {} files are listed", files.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tests_that_need_root_are_in_modules_named_as_root() {
    let mut wrong = Vec::new();
    for (path, text) in sources_of_tests() {
        wrong.extend(outside_the_convention(&text).map(|line| format!("{}:{line}", path.display())));
    }

    assert!(wrong.is_empty(), "./dev test finds neither these nor who they need: {wrong:#?}");
}

/// All Rust sources of tests but our own, which name what is looked for.
fn sources_of_tests() -> impl Iterator<Item = (PathBuf, String)> {
    let directories = ["crates", "src-tauri", "tests"].into_iter();
    let sources = directories.flat_map(|directory| rust_sources(Path::new(directory)).unwrap());
    sources.filter(|(path, text)| {
        let is_test = path.iter().any(|part| part == "tests") || text.contains("#[cfg(test)]");
        is_test && !path.starts_with("tests/workspace")
    })
}

/// The lines with a test that needs root outside of a module `as_root`, one within that everybody
/// would run, and one that leaves itself out when root does not run it.
fn outside_the_convention(text: &str) -> impl Iterator<Item = usize> {
    let (mut end_of_module, mut end_of_test, mut is_ignored) = (None, None, true);
    text.lines().enumerate().filter_map(move |(index, line)| {
        let code = line.trim_start();
        if code == "mod as_root {" {
            end_of_module = Some(format!("{}}}", &line[..line.len() - code.len()]));
        } else if end_of_module.as_deref() == Some(line) {
            end_of_module = None;
        }
        let is_within = end_of_module.is_some();
        let needs_root = code == "#[ignore = \"needs root\"]";
        if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_ignored = false;
        }
        is_ignored |= needs_root;
        let is_test = code.starts_with("fn ") || code.starts_with("async fn ");
        let everybody_runs_it = is_within && is_test && !is_ignored;
        if is_test && !is_ignored {
            end_of_test = Some(format!("{}}}", &line[..line.len() - code.len()]));
        } else if end_of_test.as_deref() == Some(line) {
            end_of_test = None;
        }
        is_ignored |= is_test;
        let mounts_if_it_may = code.contains("mount(") && code.contains("else { return }");
        let leaves_itself_out = (code.contains("if !") && code.contains("is_root()"))
            || (end_of_test.is_some() && mounts_if_it_may);
        (everybody_runs_it || leaves_itself_out || (needs_root && !is_within)).then_some(index + 1)
    })
}

#[test]
fn the_scan_for_tests_that_need_root_finds_each_mistake() {
    let text = "#[test]\n#[ignore = \"needs root\"]\nfn outside() {}\n#[test]\nfn a() { if !is_root() {} }\n\
                mod as_root {\n    fn helper() {}\n    #[test]\n    #[ignore = \"needs root\"]\n    fn right() {}\n\
                    #[tokio::test]\n    async fn everybody_runs_it() {}\n}\n#[test]\nfn after() {}\n\
                #[test]\nfn b() {\n    let Some(x) = mount(y) else { return };\n}\nfn helper() {\n    let Some(x) = mount(y) else { return };\n}\n";

    assert_eq!(outside_the_convention(text).collect::<Vec<_>>(), [2, 5, 12, 18]);
}

/// They may run elsewhere, as somebody who cannot read the place where they were built.
#[test]
fn tests_learn_when_they_run_where_files_are() {
    let variables = ["CARGO_MANIFEST_DIR", "CARGO_BIN_EXE_", "CARGO_TARGET_TMPDIR"];
    let mut wrong = Vec::new();
    for (path, text) in sources_of_tests().filter(|(path, _)| !path.starts_with("tests/bench")) {
        let found = variables.iter().filter(|name| text.contains(&format!("env!(\"{name}")));
        wrong.extend(found.map(|name| format!("{}: {name}", path.display())));
    }

    assert!(wrong.is_empty(), "ask std::env::var for these: {wrong:#?}");
}

/// Generated, and full of addresses that belong there.
fn is_lock_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock") || path.ends_with("package-lock.json")
}

/// A path of a build machine, or the address of a package registry or its mirror.
fn machine_trace(line: &str) -> Option<&str> {
    // In parts, so that this file does not find itself.
    let directories = [concat!("/wo", "rk/"), concat!("/ro", "ot/."), concat!("/bash_", "jobs")];
    let starts_a_path =
        |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || ".-_*}$".contains(c));
    let directory = directories
        .into_iter()
        .find(|directory| line.match_indices(directory).any(|(at, _)| starts_a_path(at)));
    let hosts = ["registry", "static", "files", "deb", "index"];
    let host =
        line.match_indices("https://").chain(line.match_indices("http://")).find_map(|(at, scheme)| {
            let host = line[at + scheme.len()..].split(['/', ':', '"', ')', ' ']).next()?;
            let (first, rest) = host.split_once('.')?;
            (hosts.contains(&first) && (rest.ends_with(".org") || rest.ends_with(".io"))).then_some(host)
        });
    directory.or(host)
}

#[test]
fn the_scan_for_machine_traces_finds_paths_and_registries_and_leaves_examples_alone() {
    for line in [
        concat!("path = \"/wo", "rk/main\""),
        concat!("see /ro", "ot/.cargo/bin"),
        concat!("https://index.cr", "ates.io/config.json"),
        concat!("https://registry.np", "mjs.org/svelte"),
    ] {
        assert!(machine_trace(line).is_some(), "{line}");
    }
    for line in
        ["/home/ada/work/project", "https://docs.rs/tokio", "target/work/x", "https://example.org/index.io"]
    {
        assert_eq!(machine_trace(line), None, "{line}");
    }
}
