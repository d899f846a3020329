//! The laws of the scope lattice. One rule serves method checks, pairing, events and tokens, so
//! its laws are worth more than examples.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use tidegate_protocol::Scope;
use tidegate_trust::ScopeSet;
use tidegate_trust::scopes::{Level, covers, was_decided};

fn scope() -> impl Strategy<Value = Scope> {
    let known = prop::sample::select(Scope::known());
    let other =
        prop::sample::select(vec!["operator.future", "operator.*", "node.invoke", "operators.admin", "*"]);
    prop_oneof![
        4 => known,
        1 => other.prop_map(|name| Scope::parse(name).expect("a scope")),
        1 => "[a-z.]{1,12}".prop_map(|name| Scope::parse(&name).expect("a scope")),
    ]
}

fn set() -> impl Strategy<Value = ScopeSet> {
    prop::collection::vec(scope(), 0..6).prop_map(|scopes| scopes.into_iter().collect())
}

fn equivalent(left: &ScopeSet, right: &ScopeSet) -> bool {
    left.covers_all(right) && right.covers_all(left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn covering_is_reflexive(scope in scope()) {
        prop_assert!(covers(&scope, &scope));
    }

    #[test]
    fn covering_is_transitive(first in scope(), second in scope(), third in scope()) {
        if covers(&first, &second) && covers(&second, &third) {
            prop_assert!(covers(&first, &third));
        }
    }

    #[test]
    fn different_scopes_never_cover_each_other(first in scope(), second in scope()) {
        prop_assert!(first == second || !(covers(&first, &second) && covers(&second, &first)));
    }

    #[test]
    fn the_meet_is_commutative(left in set(), right in set()) {
        prop_assert_eq!(left.meet(&right), right.meet(&left));
    }

    #[test]
    fn the_meet_is_idempotent(set in set()) {
        prop_assert_eq!(set.meet(&set), set);
    }

    #[test]
    fn the_meet_is_a_lower_bound_of_both(left in set(), right in set()) {
        let meet = left.meet(&right);
        prop_assert!(left.covers_all(&meet) && right.covers_all(&meet));
    }

    #[test]
    fn the_meet_is_the_greatest_lower_bound(left in set(), right in set(), below in scope()) {
        if left.covers(&below) && right.covers(&below) {
            prop_assert!(left.meet(&right).covers(&below), "{left:?} {right:?} {below}");
        }
    }

    #[test]
    fn the_meet_is_associative_in_what_it_allows(first in set(), second in set(), third in set()) {
        let left = first.meet(&second).meet(&third);
        let right = first.meet(&second.meet(&third));
        prop_assert!(equivalent(&left, &right), "{left:?} {right:?}");
    }

    #[test]
    fn an_empty_set_grants_nothing(scope in scope(), set in set()) {
        prop_assert!(!ScopeSet::none().covers(&scope));
        prop_assert!(set.meet(&ScopeSet::none()).is_empty());
        prop_assert!(set.under_grant(&ScopeSet::none()).is_empty());
    }

    #[test]
    fn an_unknown_scope_covers_only_itself(name in "[a-z.]{1,12}", scope in scope()) {
        let unknown = Scope::parse(&name).expect("a scope");
        if matches!(unknown, Scope::Other(_)) {
            prop_assert_eq!(covers(&unknown, &scope), unknown == scope);
        }
    }

    #[test]
    fn admin_covers_every_operator_scope_and_no_other(scope in scope()) {
        prop_assert_eq!(covers(&Scope::Admin, &scope), scope.name().starts_with("operator."));
    }

    #[test]
    fn only_pairing_by_name_decides_about_managing_pairing(decided in set(), scope in scope()) {
        let expected = match scope {
            Scope::Pairing => decided.iter().any(|decided| decided == &Scope::Pairing),
            _ => decided.covers(&scope),
        };
        prop_assert_eq!(was_decided(&decided, &scope), expected);
    }

    #[test]
    fn a_session_is_within_its_grant_and_lets_in_only_when_that_was_granted_by_name(
        asked in set(),
        granted in set(),
    ) {
        let session = asked.under_grant(&granted);
        prop_assert!(granted.covers_all(&session) && asked.covers_all(&session));
        prop_assert!(!session.names(&Scope::Pairing) || granted.names(&Scope::Pairing));
        for scope in asked.iter().filter(|scope| **scope != Scope::Pairing && granted.covers(scope)) {
            prop_assert!(session.covers(scope), "{scope} is asked and granted");
        }
    }

    #[test]
    fn what_is_beyond_a_set_is_what_it_does_not_cover(left in set(), right in set()) {
        let beyond = left.beyond(&right);
        for scope in left.iter() {
            prop_assert_eq!(beyond.names(scope), !right.covers(scope));
        }
        prop_assert!(right.union(&beyond).covers_all(&left));
    }
}

#[test]
fn write_covers_read_and_read_does_not_cover_write() {
    assert!(covers(&Scope::Write, &Scope::Read));
    assert!(!covers(&Scope::Read, &Scope::Write));
    assert!(!covers(&Scope::Write, &Scope::Admin));
    assert!(!covers(&Scope::Write, &Scope::Approvals));
    assert!(!covers(&Scope::Pairing, &Scope::Read));
}

#[test]
fn two_scopes_that_do_not_cover_each_other_meet_in_what_both_cover() {
    let meet = ScopeSet::from([Scope::Read]).meet(&ScopeSet::from([Scope::SessionsWrite]));
    assert_eq!(meet, ScopeSet::from([Scope::SessionsRead]));
}

#[test]
fn managing_pairing_is_part_of_no_level() {
    for level in [Level::Read, Level::Write, Level::Full] {
        assert!(!ScopeSet::from(level).names(&Scope::Pairing));
        assert!(!was_decided(&ScopeSet::of_all_levels(), &Scope::Pairing));
    }
    assert!(ScopeSet::from(Level::Write).covers_all(&ScopeSet::from(Level::Read)));
    assert!(ScopeSet::from(Level::Full).covers_all(&ScopeSet::from(Level::Write)));
    assert!(!ScopeSet::from(Level::Write).covers(&Scope::Admin));
}

#[test]
fn a_wildcard_is_no_wildcard() {
    let star =
        ScopeSet::from([Scope::parse("operator.*").expect("a scope"), Scope::parse("*").expect("a scope")]);
    for scope in Scope::known() {
        assert!(!star.covers(&scope), "{scope}");
    }
}
