//! A random walk through everything that can happen to an authority, beside a plain reference
//! model. After each step both must agree, and the invariants hold:
//!
//! - I1 nobody is admitted without a proof of their own or a decision;
//! - I2 what is granted is within what was shown;
//! - I3 who was revoked never serves again, from that moment;
//! - I4 at most 8 requests wait, 2 of one source, and earlier ones survive a flood;
//! - I5 an approval consumes exactly one request;
//! - I6 an identical or narrower retry keeps its id, a changed one gets a new id and ends the old one
//!   visibly;
//! - I7 a grant for once admits once;
//! - I8 what lasts for a while is never to be stored;
//! - I9 a revocation closes exactly the connections of the revoked client.
//!
//! `TIDEGATE_TRUST_STEPS` sets the number of steps, `TIDEGATE_TRUST_SEED` repeats a walk.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test's own report")]

mod model;
#[path = "../support/mod.rs"]
mod support;
mod walk;

use std::time::{SystemTime, UNIX_EPOCH};

/// Steps of one world; then a new one begins, so that early states are met often.
const STEPS_OF_A_WORLD: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_authority_agrees_with_the_reference_model_on_every_random_walk() {
    let steps = number("TIDEGATE_TRUST_STEPS").unwrap_or(20_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("TIDEGATE_TRUST_SEED").unwrap_or(now.as_secs());
    eprintln!("TIDEGATE_TRUST_SEED={seed} TIDEGATE_TRUST_STEPS={steps}");
    let mut seen = std::collections::BTreeMap::new();
    for world in 0..steps.div_ceil(STEPS_OF_A_WORLD) {
        let mut walk = walk::Walk::new(seed.wrapping_add(world.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        for _ in 0..STEPS_OF_A_WORLD.min(steps) {
            let what = walk.step();
            *seen.entry(what).or_insert(0_u64) += 1;
        }
    }
    eprintln!("{seen:#?}");
    if steps >= 20_000 {
        for what in walk::OUTCOMES {
            assert!(seen.contains_key(what), "no step led to: {what}");
        }
    }
}
