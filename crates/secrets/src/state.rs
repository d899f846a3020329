//! What is known about the keyring, as a small pure machine.

use crate::backend::BackendError;

/// What the keyring is able to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretState {
    /// Nobody has asked it yet.
    NotProbed,
    /// It stores and returns what it is given.
    Available,
    /// It is there and locked, or has no collection to store in.
    Locked,
    /// There is none, or it does not work.
    Absent,
    /// A person (or the system) answered no when it asked to be unlocked. Final: this process
    /// makes no further call that could ask again.
    Denied,
    /// A call did not end within its limit, and has not ended since.
    Slow,
}

impl SecretState {
    /// What is the case, as a sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotProbed => "The system keyring has not been asked yet.",
            Self::Available => "Secrets are kept in the system keyring.",
            Self::Locked => "The system keyring is locked, or has no default collection yet.",
            Self::Absent => "There is no working system keyring.",
            Self::Denied => {
                "Access to the system keyring was refused: its question was dismissed or could not be shown."
            }
            Self::Slow => "The system keyring does not answer; it may be waiting for its password.",
        }
    }

    /// What a person can do about it; empty when nothing is needed.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotProbed | Self::Available => "",
            Self::Locked => {
                "Unlock it, or create a default keyring in the password settings, \
                 and start Tidegate again. Until then secrets are kept for this run only."
            }
            Self::Absent => {
                "Install and start one (for example gnome-keyring or KWallet), or point the \
                 configuration to an environment variable or a private file. \
                 Until then secrets are kept for this run only."
            }
            Self::Denied => {
                "Tidegate does not ask again in this run. Unlock the keyring or allow the access, and start \
                 Tidegate again. \
                 Until then secrets are kept for this run only."
            }
            Self::Slow => {
                "Look for its password window. Until it answers, secrets are kept for this run only."
            }
        }
    }
}

/// The state, and whether a call is under way. Invariants: `Denied` is final, and `Slow` holds
/// only while a call is under way.
#[derive(Debug)]
pub(crate) struct Health {
    state: SecretState,
    busy: bool,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self { state: SecretState::NotProbed, busy: false }
    }

    pub(crate) fn state(&self) -> SecretState {
        self.state
    }

    /// Whether a call may be made or queued now; the state that forbids it otherwise.
    pub(crate) fn admit(&self) -> Result<(), SecretState> {
        match self.state {
            SecretState::Denied | SecretState::Slow => Err(self.state),
            _ => Ok(()),
        }
    }

    /// A call starts. Refused after a refusal, also for calls that were queued before it.
    pub(crate) fn begin(&mut self) -> Result<(), SecretState> {
        if self.state == SecretState::Denied {
            return Err(self.state);
        }
        self.busy = true;
        Ok(())
    }

    /// The call has ended like this, in time or not.
    pub(crate) fn finish<T>(&mut self, result: &Result<T, BackendError>) {
        self.busy = false;
        if self.state != SecretState::Denied {
            self.state = match result {
                Ok(_) | Err(BackendError::NotText(_) | BackendError::Ambiguous) => SecretState::Available,
                Err(BackendError::Locked) => SecretState::Locked,
                Err(BackendError::Absent(_)) => SecretState::Absent,
                Err(BackendError::Denied) => SecretState::Denied,
            };
        }
    }

    /// Somebody waited for as long as the limit allows.
    pub(crate) fn overdue(&mut self) {
        if self.busy && self.state != SecretState::Denied {
            self.state = SecretState::Slow;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    enum Step {
        Begin,
        Finish(Result<(), BackendError>),
        Overdue,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let result = (0..5).prop_map(|number| match number {
            0 => Ok(()),
            1 => Err(BackendError::Ambiguous),
            2 => Err(BackendError::Locked),
            3 => Err(BackendError::Absent(String::new())),
            _ => Err(BackendError::Denied),
        });
        let begin_or_overdue =
            any::<bool>().prop_map(|is_begin| if is_begin { Step::Begin } else { Step::Overdue });
        let step = prop_oneof![2 => begin_or_overdue, 1 => result.prop_map(Step::Finish)];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn a_refusal_is_final_and_slow_means_that_a_call_is_under_way(steps in steps()) {
            let mut health = Health::new();
            let mut denied = false;
            for step in steps {
                match step {
                    Step::Begin if !health.busy => {
                        prop_assert_eq!(health.begin().is_err(), denied);
                    }
                    Step::Finish(result) if health.busy => {
                        health.finish(&result);
                        denied |= matches!(result, Err(BackendError::Denied));
                    }
                    Step::Overdue => health.overdue(),
                    Step::Begin | Step::Finish(_) => {}
                }
                prop_assert_eq!(health.state() == SecretState::Denied, denied);
                prop_assert!(health.state() != SecretState::Slow || health.busy);
                let refused = matches!(health.state(), SecretState::Denied | SecretState::Slow);
                prop_assert_eq!(health.admit().is_err(), refused);
            }
        }
    }

    #[test]
    fn every_state_that_needs_a_person_says_what_to_do() {
        for state in [SecretState::Locked, SecretState::Absent, SecretState::Denied, SecretState::Slow] {
            assert!(state.sentence().ends_with('.') && state.advice().ends_with('.'), "{state:?}");
        }
        assert!(SecretState::Available.advice().is_empty());
    }
}
