//! Doc comments serve who reads them: public functions, types and traits have one, and none only repeats a name.
//! The compiler's `missing_docs` asks the same of each field and variant, where a good name is enough.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]

use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Visibility};
use tidegate_workspace_tests::{Workspace, root, rust_sources};

/// A comment of fewer words than these repeats the name of what stands below it.
const FEWEST_WORDS: usize = 3;

/// Their comments are still to be gone through.
const LATER: &[&str] = &[
    "crates/gateway/src/desktop_authority.rs",
    "crates/host/src/boot",
    "crates/host/src/boot.rs",
    "crates/host/src/process_context.rs",
    "crates/host/src/supervise",
    "crates/host/src/supervise.rs",
    "crates/trust/src/authority.rs",
];

/// What `tidegate help` prints: short by intent.
const HELP_TEXTS: &[&str] =
    &["crates/cli/src/arguments", "tests/bench/src/figures/mod.rs", "tests/bench/src/main.rs"];

#[test]
fn public_functions_types_and_traits_have_doc_comments() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for package in Workspace::load().unwrap().members() {
        let directory = package.manifest_path.parent().unwrap().as_std_path();
        let relative = directory.strip_prefix(root()).unwrap();
        let sources =
            if relative == Path::new("") { Path::new("src-tauri/src") } else { &relative.join("src") };
        // Of tests alone, then.
        if !root().join(sources).exists() {
            continue;
        }
        for (path, text) in rust_sources(sources).unwrap() {
            let mut found = Undocumented::of(&text);
            seen += found.seen;
            wrong.extend(found.names.drain(..).map(|name| format!("{}: {name}", path.display())));
        }
    }

    assert!(seen > 1000, "only {seen} public items were seen");
    assert!(wrong.is_empty(), "say what these are for: {wrong:#?}");
}

/// Public items of a file, those in macros left out, and which of them have no doc comment.
#[derive(Default)]
struct Undocumented {
    seen: usize,
    names: Vec<String>,
}

impl Undocumented {
    fn of(text: &str) -> Self {
        let mut found = Self::default();
        found.visit_file(&syn::parse_file(text).unwrap());
        found
    }

    fn note(&mut self, visibility: Option<&Visibility>, attributes: &[Attribute], name: &Ident) {
        if visibility.is_some_and(|visibility| !matches!(visibility, Visibility::Public(_))) {
            return;
        }
        self.seen += 1;
        if !attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            self.names.push(name.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Undocumented {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<Ident>().is_ok_and(|argument| argument == "test")
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(Some(&item.vis), &item.attrs, &item.sig.ident);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
        if matches!(item.vis, Visibility::Public(_)) {
            visit::visit_item_trait(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.note(None, &item.attrs, &item.sig.ident);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // What a trait asks for is described where the trait is.
        if item.trait_.is_none() {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(Some(&item.vis), &item.attrs, &item.sig.ident);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.note(Some(&item.vis), &item.attrs, &item.ident);
    }
}

#[test]
fn the_scan_for_undocumented_items_finds_each_kind() {
    let text = "pub fn a() {} pub struct B { pub c: u8 } pub enum D { E } pub(crate) fn f() {} fn g() {}\n\
                pub trait H { fn i(); } impl B { pub fn j() { fn k() {} } fn l() {} } impl H for B { fn i() {} }\n\
                /// Said.\npub const M: u8 = 0; pub const N: u8 = 0; pub type O = u8;\n\
                #[cfg(test)] mod tests { pub fn p() {} }";

    assert_eq!(Undocumented::of(text).names, ["a", "B", "D", "H", "i", "j", "N", "O"]);
}

#[test]
fn doc_comments_say_more_than_a_name() {
    let mut wrong = Vec::new();
    for directory in ["crates", "src-tauri", "tests"] {
        for (path, text) in rust_sources(Path::new(directory)).unwrap() {
            if LATER.iter().chain(HELP_TEXTS).any(|left_out| path.starts_with(left_out)) {
                continue;
            }
            wrong.extend(too_short(&text).map(|line| format!("{}:{line}", path.display())));
        }
    }

    assert!(wrong.is_empty(), "give meaning, units or limits, or leave the comment out: {wrong:#?}");
}

/// The lines of doc comments with fewer than [`FEWEST_WORDS`] words. A name in code alone counts as enough: it is
/// how the protocol, a file or another program calls it.
fn too_short(text: &str) -> impl Iterator<Item = usize> {
    let lines: Vec<&str> =
        text.lines().map(|line| line.trim_start().strip_prefix("///").unwrap_or("\0")).collect();
    let is_comment = |line: &&str| !line.starts_with('\0');
    let mut short = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let length = lines[index..].iter().take_while(|line| is_comment(line)).count();
        let comment = lines[index..index + length].join(" ");
        let comment = comment.trim().trim_end_matches('.');
        let is_name = comment.starts_with('`') && comment.ends_with('`') && comment.matches('`').count() == 2;
        if length > 0 && !is_name && comment.split_whitespace().count() < FEWEST_WORDS {
            short.push(index + 1);
        }
        index += length.max(1);
    }
    short.into_iter()
}

#[test]
fn the_scan_for_short_comments_leaves_names_in_code_alone() {
    let text = "/// Its id.\nid: u8,\n/// `chat.send`.\nstruct A;\n/// The id, which\n/// grows.\nfn a() {}\n    /// Why.\n// no\n/// [`B`] now.\n";

    assert_eq!(too_short(text).collect::<Vec<_>>(), [1, 8, 10]);
}
