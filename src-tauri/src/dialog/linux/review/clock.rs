//! How old a request is and how long it has left, as a dialog says it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidegate_protocol::UnixMillis;

/// The clock of one request: the wall clock, which may jump, and the steady one, which sleeps with
/// the computer. What is later by either of them counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestClock {
    shown_at: Instant,
    age_then: Duration,
    left_then: Duration,
    created_at: UnixMillis,
    expires_at: UnixMillis,
}

impl RequestClock {
    pub(super) fn start(created_at: UnixMillis, expires_at: UnixMillis) -> Self {
        let now = wall_clock();
        Self {
            shown_at: Instant::now(),
            age_then: now.since(created_at),
            left_then: expires_at.since(now),
            created_at,
            expires_at,
        }
    }

    /// How long ago it was asked.
    pub(super) fn age(&self) -> Duration {
        (self.age_then + self.shown_at.elapsed()).max(wall_clock().since(self.created_at))
    }

    /// How long it can still be decided; zero when its time is up.
    pub(super) fn left(&self) -> Duration {
        let steady = self.left_then.saturating_sub(self.shown_at.elapsed());
        steady.min(self.expires_at.since(wall_clock()))
    }
}

/// "Asked 2 min ago".
pub(super) fn asked(age: Duration) -> String {
    match age.as_secs() {
        0..5 => "Asked just now".to_owned(),
        seconds @ 5..60 => format!("Asked {seconds} s ago"),
        seconds @ 60..3600 => format!("Asked {} min ago", seconds / 60),
        seconds => format!("Asked {} h ago", seconds / 3600),
    }
}

/// What has longer than this does not end by itself.
const DAY: u128 = 24 * 60 * 60;

/// "4 min left": whole minutes, of which the last is counted in seconds.
pub(super) fn left(left: Duration) -> String {
    match left.as_millis().div_ceil(1000) {
        0 => "Its time is up".to_owned(),
        seconds @ 1..=60 => format!("{seconds} s left"),
        seconds if seconds > DAY => "Waits until you decide".to_owned(),
        seconds => format!("{} min left", seconds / 60),
    }
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_reported_in_the_greatest_whole_unit() {
        let told = [0, 4, 5, 59, 60, 119, 3599, 3600, 90_000].map(|s| asked(Duration::from_secs(s)));

        assert_eq!(
            told,
            [
                "Asked just now",
                "Asked just now",
                "Asked 5 s ago",
                "Asked 59 s ago",
                "Asked 1 min ago",
                "Asked 1 min ago",
                "Asked 59 min ago",
                "Asked 1 h ago",
                "Asked 25 h ago",
            ]
        );
    }

    #[test]
    fn the_time_left_is_never_told_longer_than_it_is() {
        let told = [0, 1, 1000, 59_001, 60_000, 60_001, 119_000, 120_000, 299_000, u64::MAX]
            .map(|ms| left(Duration::from_millis(ms)));

        assert_eq!(
            told,
            [
                "Its time is up",
                "1 s left",
                "1 s left",
                "60 s left",
                "60 s left",
                "1 min left",
                "1 min left",
                "2 min left",
                "4 min left",
                "Waits until you decide",
            ]
        );
    }

    #[test]
    fn a_request_of_the_past_has_no_time_left_and_one_of_the_future_is_new() {
        let now = wall_clock();

        let past = RequestClock::start(UnixMillis(0), UnixMillis(1));
        let future =
            RequestClock::start(now.plus(Duration::from_secs(60)), now.plus(Duration::from_secs(300)));

        assert_eq!(past.left(), Duration::ZERO);
        assert!(past.age() > Duration::from_secs(1));
        assert!(future.age() < Duration::from_secs(30));
        assert!(future.left() > Duration::from_secs(200));
    }
}
