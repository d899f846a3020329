//! Moments and durations in words.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tidegate_protocol::UnixMillis;

/// How long ago something was, in the largest unit that fits.
#[must_use]
pub(crate) fn ago(now: UnixMillis, then: UnixMillis) -> String {
    match now.since(then).as_secs() {
        0..5 => "just now".to_owned(),
        _ => format!("{} ago", span(now.since(then))),
    }
}

/// How long something still has.
#[must_use]
pub(crate) fn left(now: UnixMillis, until: UnixMillis) -> String {
    match until.since(now) {
        Duration::ZERO => "time is up".to_owned(),
        rest => format!("{} left", span(rest)),
    }
}

/// A duration in its largest unit, rounded down.
#[must_use]
pub(crate) fn span(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match duration.as_secs() {
        seconds @ 0..MINUTE => format!("{seconds} s"),
        seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds @ HOUR..DAY => format!("{} h", seconds / HOUR),
        seconds if seconds < 2 * DAY => "1 day".to_owned(),
        seconds => format!("{} days", seconds / DAY),
    }
}

/// A moment by the clock on the wall of `zone`.
#[must_use]
pub(crate) fn wall(at: UnixMillis, zone: &TimeZone) -> String {
    let timestamp = i64::try_from(at.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match timestamp {
        Some(timestamp) => timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => "unknown time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_reported_in_their_largest_unit() {
        let spans = [0, 59, 60, 3599, 3600, 86_399, 86_400, 200_000].map(|s| span(Duration::from_secs(s)));
        assert_eq!(spans, ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 day", "2 days"]);
    }

    #[test]
    fn a_moment_in_the_future_was_just_now() {
        assert_eq!(ago(UnixMillis(0), UnixMillis(60_000)), "just now");
        assert_eq!(left(UnixMillis(60_000), UnixMillis(0)), "time is up");
    }

    #[test]
    fn an_impossible_moment_is_no_crash() {
        assert_eq!(wall(UnixMillis(u64::MAX), &TimeZone::UTC), "unknown time");
        assert_eq!(wall(UnixMillis(i64::MAX as u64), &TimeZone::UTC), "unknown time");
        assert_eq!(wall(UnixMillis(1_700_000_000_000), &TimeZone::UTC), "2023-11-14 22:13:20");
    }
}
