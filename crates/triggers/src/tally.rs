//! When a command that plants again and again is ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::finding::{Action, Finding};

/// What is set aside in one run before its commands are ended.
pub const MAX_ASIDE: usize = 20;

/// Why the commands of a run are to be ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The same place a second time.
    #[error("{0} was set aside before in this run")]
    Again(crate::finding::Place),
    /// Too many in one run.
    #[error("{MAX_ASIDE} files were set aside in this run")]
    TooMany,
    /// Something could not be set aside.
    #[error("{0} could not be set aside")]
    Failed(crate::finding::Place),
}

/// What was set aside in a run.
#[derive(Debug, Default)]
pub struct Tally {
    planted: BTreeMap<PathBuf, usize>,
    total: usize,
}

impl Tally {
    /// Takes a finding into account. Says why the run's commands are to be ended, if they are.
    pub fn add(&mut self, finding: &Finding) -> Option<EndReason> {
        let place = || finding.place.clone();
        match &finding.action {
            Action::Named | Action::PutBack => None,
            Action::Failed { .. } => Some(EndReason::Failed(place())),
            Action::SetAside | Action::PlainPartKept | Action::Restored => {
                self.total += 1;
                let times = self.count(finding.place.path());
                if times > 1 {
                    Some(EndReason::Again(place()))
                } else {
                    (self.total >= MAX_ASIDE).then_some(EndReason::TooMany)
                }
            }
        }
    }

    fn count(&mut self, path: &Path) -> usize {
        let times = self.planted.entry(path.to_owned()).or_default();
        *times += 1;
        *times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Trigger;

    fn finding(path: &str) -> Finding {
        Finding::new(Path::new(path), Trigger::Local, Action::SetAside, "why")
    }

    #[test]
    fn the_second_plant_of_a_place_ends_the_commands() {
        let mut tally = Tally::default();

        assert_eq!(tally.add(&finding("a/.envrc")), None);
        assert_eq!(tally.add(&finding("b/.envrc")), None);
        assert!(matches!(tally.add(&finding("a/.envrc")), Some(EndReason::Again(_))));
    }

    #[test]
    fn the_twentieth_file_that_is_set_aside_ends_the_commands() {
        let mut tally = Tally::default();
        let ends: Vec<_> = (1..=MAX_ASIDE).map(|number| tally.add(&finding(&number.to_string()))).collect();

        assert!(ends[..MAX_ASIDE - 1].iter().all(Option::is_none));
        assert_eq!(ends[MAX_ASIDE - 1], Some(EndReason::TooMany));
    }
}
