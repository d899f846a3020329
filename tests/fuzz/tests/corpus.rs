//! The committed corpus through each target, and a few changed inputs: what `./dev fuzz` does for
//! long, in short.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use tidegate_fuzz::mutation::{Random, input};
use tidegate_fuzz::{TARGETS, corpus};

/// The same inputs each time: what is new belongs to `./dev fuzz`.
const SEED: u64 = 20_261_122;
const CHANGED: usize = 300;

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says it")).join("../..")
}

#[test]
fn every_target_has_a_corpus_and_holds_for_it() {
    for (name, target) in TARGETS {
        let inputs = corpus(&root().join("fuzz/corpus").join(name)).expect("the corpus is read");

        assert!(!inputs.is_empty(), "{name} has no corpus");
        inputs.iter().for_each(|data| target(data));
    }
}

#[test]
fn every_target_holds_for_inputs_made_from_its_corpus() {
    for (name, target) in TARGETS {
        let inputs = corpus(&root().join("fuzz/corpus").join(name)).expect("the corpus is read");
        let mut random = Random::new(SEED);

        (0..CHANGED).for_each(|_| target(&input(&inputs, &mut random)));
    }
}

#[test]
fn every_target_holds_for_nothing_and_for_one_byte() {
    for (_, target) in TARGETS {
        target(&[]);
        (0..=u8::MAX).for_each(|byte| target(&[byte]));
    }
}

#[test]
fn libfuzzer_has_the_same_targets() {
    let directory = root().join("fuzz/fuzz_targets");
    let mut found: Vec<String> = std::fs::read_dir(directory)
        .expect("the directory of the targets")
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    found.sort();

    assert_eq!(found, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("the manifest");
    for name in found {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}
