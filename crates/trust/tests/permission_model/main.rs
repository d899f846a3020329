//! A random walk through commands, permissions, denials, spawns, restarts and clocks, beside a plain
//! reference model. Each answer, reason and offer must agree, and:
//!
//! - N1 what narrows (a revocation, a denial, the end of a task, a restart, asking about
//!   everything) lets nothing be unasked that was asked before;
//! - N2 a child in its parent's folder may unasked no more than its parent, and inherits what its parent may;
//! - N3 a run that nobody watches may unasked no more than one that somebody watches;
//! - N4 what is used unasked is for the folder of the request or one above it, and was not revoked;
//! - N5 what is denied is not asked again in its task.
//!
//! `TIDEGATE_PERMISSION_STEPS` sets the number of steps, `TIDEGATE_PERMISSION_SEED` repeats a walk.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test's own report")]

mod model;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod walk;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Steps of one world; then a new one begins, so that early states are met often.
const STEPS_OF_A_WORLD: u64 = 500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn each_answer_is_the_reference_models_on_every_random_walk() {
    let steps = number("TIDEGATE_PERMISSION_STEPS").unwrap_or(10_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("TIDEGATE_PERMISSION_SEED").unwrap_or(now.as_secs());
    eprintln!("TIDEGATE_PERMISSION_SEED={seed} TIDEGATE_PERMISSION_STEPS={steps}");
    let mut seen = BTreeMap::new();
    for world in 0..steps.div_ceil(STEPS_OF_A_WORLD) {
        let mut walk = walk::Walk::new(seed.wrapping_add(world.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        for _ in 0..STEPS_OF_A_WORLD.min(steps) {
            *seen.entry(walk.step()).or_insert(0_u64) += 1;
        }
    }
    eprintln!("{seen:#?}");
    if steps >= 10_000 {
        for what in walk::OUTCOMES {
            assert!(seen.contains_key(what), "no step led to: {what}");
        }
    }
}
