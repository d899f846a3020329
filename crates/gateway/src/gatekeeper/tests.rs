use tidegate_trust::scopes::Level;

use super::*;

fn gatekeeper() -> Arc<Gatekeeper> {
    let store = Store::in_memory_with(tidegate_agent::inbox_message).expect("a store");
    let (mut authority, _) = Authority::new(TrustRecords::default());
    authority.rotate_shared_token(&now::entropy().expect("random bytes"), now::moment());
    Arc::new(Gatekeeper::new(authority, store, Arc::new(Hub::new("1.2.3")), Desktop::Running))
}

#[tokio::test]
async fn what_is_given_back_is_gone_here() {
    let gatekeeper = gatekeeper();

    let given_back = gatekeeper.give_back_authority().expect("whole");

    assert!(given_back.has_shared_token());
    assert!(!gatekeeper.authority().has_shared_token(), "nobody can be let in by the one that stays");
    assert!(gatekeeper.give_back_authority().is_none(), "there is one");
}

#[tokio::test]
async fn a_token_made_after_that_is_not_given_out() {
    let gatekeeper = gatekeeper();
    assert!(gatekeeper.give_back_authority().is_some());
    let entropy = now::entropy().expect("random bytes");
    let made = gatekeeper.authority().new_program_token("late", Level::Read, false, &entropy, now::moment());

    let kept = gatekeeper.keep_token(made.expect("a new name")).await;

    assert!(kept.is_err(), "the next gateway would not know it");
    assert!(gatekeeper.store().load_trust().await.expect("read").records.tokens.is_empty());
}

#[tokio::test]
async fn what_a_panic_left_half_changed_is_not_given_back() {
    let gatekeeper = gatekeeper();
    let struck = gatekeeper.clone();
    let panicked = std::thread::spawn(move || {
        let _authority = struck.authority();
        panic!("the test was asked to panic");
    });
    assert!(panicked.join().is_err());

    assert!(gatekeeper.give_back_authority().is_none());
    assert!(gatekeeper.authority().has_shared_token(), "until then it serves on");
}
