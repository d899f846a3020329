//! Who may act, and as what, is decided where these values are made. Every place that makes one is
//! listed here, so that a new one is a change that someone looks at.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

/// Types that are proof of something, with private fields.
const PROOFS: [&str; 7] =
    ["Session", "InProcess", "InProcessKey", "OpenedWindow", "DesktopKey", "VerifiedDevice", "Decider"];

#[derive(Default)]
struct Scan {
    file: String,
    self_type: Option<String>,
    function: Vec<String>,
    /// In a comparison a value is looked at, not made.
    comparing: bool,
    found: BTreeSet<String>,
}

impl Scan {
    fn note(&mut self, what: &str) {
        let place = self.function.join("::");
        self.found.insert(format!("{what} in {} {place}", self.file));
    }

    fn note_path(&mut self, path: &syn::Path) {
        let mut names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.first().is_some_and(|name| name == "Self") {
            names[0] = self.self_type.clone().unwrap_or_default();
        }
        let [.., owner, name] = &names[..] else { return };
        let is_principal = owner == "Principal" || owner == "Who";
        let is_constructor = PROOFS.contains(&owner.as_str())
            && matches!(name.as_str(), "new" | "of" | "default" | "person_at_desktop");
        if (is_principal && name.starts_with(char::is_uppercase) && !self.comparing) || is_constructor {
            self.note(&format!("{owner}::{name}"));
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.self_type.clone_from(&name);
        self.function.push(name.unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.function.pop();
        self.self_type = None;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function.push(item.sig.ident.to_string());
        visit::visit_impl_item_fn(self, item);
        self.function.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function.push(item.sig.ident.to_string());
        visit::visit_item_fn(self, item);
        self.function.pop();
    }

    fn visit_pat(&mut self, _: &'ast syn::Pat) {
        // A pattern takes apart.
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        let name = expression.path.segments.last().map(|segment| segment.ident.to_string());
        let name = match name.as_deref() {
            Some("Self") => self.self_type.clone(),
            _ => name,
        };
        match name.as_deref() {
            Some(name) if PROOFS.contains(&name) => self.note(&format!("{name} {{}}")),
            _ => self.note_path(&expression.path),
        }
        for field in &expression.fields {
            self.visit_expr(&field.expr);
        }
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        self.note_path(&expression.path);
    }

    fn visit_expr_binary(&mut self, expression: &'ast syn::ExprBinary) {
        let outer = self.comparing;
        self.comparing |= matches!(expression.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        visit::visit_expr_binary(self, expression);
        self.comparing = outer;
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if item.path.is_ident("matches") {
            return;
        }
        let text = item.tokens.to_string();
        if let Some(name) = PROOFS.iter().chain(&["Principal", "Who"]).find(|name| {
            text.split(|character: char| !character.is_alphanumeric() && character != '_')
                .any(|word| word == **name)
        }) {
            self.note(&format!("{name} inside a macro"));
        }
    }
}

/// All sources of the crate, parsed.
fn sources() -> Vec<(String, syn::File)> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says it")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("the sources are here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable");
                let name = path.strip_prefix(&folder).expect("inside").display().to_string();
                files.push((name, syn::parse_file(&text).expect("it compiles")));
            }
        }
    }
    assert!(files.len() > 10, "the whole crate was read");
    files
}

#[test]
fn every_place_that_makes_a_principal_a_session_or_a_proof_is_known() {
    let mut scan = Scan::default();
    for (name, file) in sources() {
        scan.file = name;
        scan.visit_file(&file);
    }
    let found: Vec<&str> = scan.found.iter().map(String::as_str).collect();
    let expected = [
        // A person decides: the command line, where no desktop runs, or the dialog of the desktop.
        "Decider {} in decider.rs Decider::of",
        "Decider {} in decider.rs Decider::person_at_desktop",
        // At most one, taken by the composition root where there is a desktop.
        "DesktopKey {} in origin.rs DesktopKey::new",
        "DesktopKey::new in authority.rs Authority::new",
        // The in-memory transport, called with the one key that a new authority comes with.
        "InProcess {} in origin.rs InProcessKey::origin",
        "InProcessKey {} in origin.rs InProcessKey::new",
        "InProcessKey::new in authority.rs Authority::new",
        // Only with the desktop's key.
        "OpenedWindow {} in origin.rs DesktopKey::window",
        "Principal::CommandLine in principal.rs command_line_session",
        // Admission, and looking for the connections of a device that is taken away.
        "Principal::Device in admission/device.rs Authority::admit_known_device",
        "Principal::Device in decision/outcome.rs Record::principal",
        "Principal::Device in management.rs Authority::remove_device",
        "Principal::Device in management.rs Authority::revoke_token",
        "Principal::Device in management/blocks.rs Authority::put_block",
        "Principal::Program in admission/without_device.rs Authority::admit_program",
        "Principal::Program in decision/outcome.rs Record::principal",
        "Principal::Program in management.rs Authority::remove_program",
        // Whose queued runs are dropped.
        "Principal::Program in stores/programs.rs ProgramStore::remove",
        "Principal::ProgramToken in admission/without_device.rs admit_with_own_token",
        "Principal::ProgramToken in management/tokens.rs Authority::revoke_program_token",
        // The only way to act as our own client.
        "Principal::SubagentClient in admission.rs Authority::admit_own_client",
        "Principal::Visitor in admission/without_device.rs Authority::admit_without_device",
        "Principal::Window in principal.rs window_session",
        "Session {} in principal.rs Session::new",
        "Session::new in admission.rs AdmissionContext::admitted",
        "Session::new in principal.rs command_line_session",
        "Session::new in principal.rs window_session",
        // After the signature was verified.
        "VerifiedDevice {} in identity.rs verify",
        "Who::Client in decider.rs Decider::of",
        "Who::Person in decider.rs Decider::of",
        "Who::Person in decider.rs Decider::person_at_desktop",
        // They refuse, and let nobody in.
        "Who::Surface in decider.rs Decider::of",
    ];
    assert_eq!(found, expected, "look at what is new: who can act as whom now?");
}

#[test]
fn proofs_have_only_private_fields_and_cannot_be_read_from_text_or_made_from_nothing() {
    let mut seen = BTreeSet::new();
    for (_, file) in sources() {
        for item in file.items {
            let syn::Item::Struct(item) = item else { continue };
            let name = item.ident.to_string();
            if !PROOFS.contains(&name.as_str()) {
                continue;
            }
            for field in &item.fields {
                assert!(matches!(field.vis, syn::Visibility::Inherited), "a field of {name} is not private");
            }
            for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
                attribute
                    .parse_nested_meta(|derived| {
                        let derived = derived.path.segments.last().expect("a name").ident.to_string();
                        assert!(
                            !["Deserialize", "Default"].contains(&derived.as_str()),
                            "{name} can be made by {derived}"
                        );
                        Ok(())
                    })
                    .expect("a list of derives");
            }
            seen.insert(name);
        }
    }
    assert_eq!(seen.len(), PROOFS.len(), "{seen:?}");
}
