//! When a model that failed is asked again. Pure.

use std::time::Duration;

use tidegate_clock::Backoff;

use crate::model::ModelError;

/// The most times that one question is asked again.
const RETRIES: u32 = 2;
/// The longest that a server may ask to wait before the run fails instead.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often a server that is loading a model is looked at again, and how long apart.
const LOADING_LOOKS: u32 = 150;
const LOADING_PAUSE: Duration = Duration::from_secs(2);
/// Where the server does not ask for a pause.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), LONGEST_PAUSE);

/// How long to wait before asking again, after `attempt` failures (from 1) of which none began an
/// answer; `None` when asking again would not help.
pub(crate) fn pause_before_retry(error: &ModelError, attempt: u32) -> Option<Duration> {
    let usual = BACKOFF.pause(attempt.saturating_sub(1));
    let pause = match error {
        // A model of many gigabytes takes minutes.
        ModelError::Loading => return (attempt <= LOADING_LOOKS).then_some(LOADING_PAUSE),
        ModelError::NothingSaid { .. } => return (attempt == 1).then_some(Duration::ZERO),
        ModelError::RateLimited { retry_after_ms } => retry_after_ms.map_or(usual, Duration::from_millis),
        ModelError::Server { status: 500..=599, .. } | ModelError::Unreachable { .. } => usual,
        _ => return None,
    };
    (attempt <= RETRIES && pause <= LONGEST_PAUSE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_failures_are_tried_again_and_not_for_ever() {
        let busy = ModelError::RateLimited { retry_after_ms: Some(3_000) };
        assert_eq!(pause_before_retry(&busy, 1), Some(Duration::from_secs(3)));
        assert_eq!(pause_before_retry(&busy, 3), None);
        assert_eq!(pause_before_retry(&ModelError::RateLimited { retry_after_ms: Some(3_600_000) }, 1), None);
        let broken = ModelError::Server { status: 503, message: String::new() };
        assert_eq!(pause_before_retry(&broken, 2), Some(Duration::from_secs(2)));
        assert_eq!(pause_before_retry(&ModelError::ContextLength, 1), None);
        assert_eq!(pause_before_retry(&ModelError::Loading, 150), Some(LOADING_PAUSE));
        assert_eq!(pause_before_retry(&ModelError::Loading, 151), None);
        let empty = ModelError::NothingSaid { thought: false };
        assert_eq!(pause_before_retry(&empty, 1), Some(Duration::ZERO), "one more try");
        assert_eq!(pause_before_retry(&empty, 2), None);
        assert_eq!(pause_before_retry(&ModelError::Server { status: 400, message: String::new() }, 1), None);
    }
}
