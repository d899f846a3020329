//! Methods of OpenClaw's gateways that Tidegate does not serve: those of 2026.9.6 and 2026.4.1.

/// Their names, one a line, in order.
const NAMES: &str = include_str!("not_served.txt");

/// Whether OpenClaw's gateways serve a method of this name, and Tidegate does not.
#[must_use]
pub fn is_not_served(name: &str) -> bool {
    NAMES.lines().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    #[test]
    fn the_names_are_in_order_and_none_is_served() {
        assert!(NAMES.lines().is_sorted_by(|one, next| one < next));
        let served: Vec<_> = NAMES.lines().filter(|name| Method::parse(name).is_some()).collect();
        assert_eq!(served, Vec::<&str>::new());
        assert!(is_not_served("cron.add") && !is_not_served("cron.list") && !is_not_served("no.such.method"));
    }
}
