//! What the configuration file proposed, and what a person decided about it.

use tidegate_protocol::UnixMillis;

use crate::records::SettingRecord;
use crate::settings::{ProposedSetting, Setting, SettingState, ShownSetting};
use crate::timestamp::Timestamp;

/// The values that wait for a person or were decided about.
#[derive(Debug, Default)]
pub(crate) struct SettingStore {
    proposed: Vec<(ProposedSetting, UnixMillis)>,
    records: Vec<SettingRecord>,
    /// Whether a confirmation is being saved: nothing else is decided meanwhile.
    is_confirming: bool,
}

impl SettingStore {
    pub(crate) fn of(records: Vec<SettingRecord>) -> Self {
        Self { records, ..Self::default() }
    }

    /// Takes what the file proposes, in place of what it proposed before.
    pub(crate) fn propose(&mut self, proposed: Vec<ProposedSetting>, now: Timestamp) {
        let before = std::mem::take(&mut self.proposed);
        let since =
            |new: &ProposedSetting| before.iter().find(|(old, _)| old == new).map(|(_, since)| *since);
        self.proposed = proposed
            .into_iter()
            .filter(|proposed| !proposed.value.is_empty())
            .map(|proposed| {
                let since = since(&proposed).unwrap_or(now.wall);
                (proposed, since)
            })
            .collect();
    }

    /// What the file proposes of a setting, and what became of it.
    pub(crate) fn shown(&self, setting: Setting) -> Option<ShownSetting> {
        let (proposed, since) = self.proposed.iter().find(|(proposed, _)| proposed.setting == setting)?;
        let record = self.records.iter().find(|record| record.setting == setting);
        let confirmed = record.map(|record| record.confirmed.clone()).unwrap_or_default();
        let is_rejected = record.is_some_and(|record| record.rejected == Some(proposed.digest()));
        let state = match proposed.value.is_subset(&confirmed) {
            true => SettingState::Confirmed,
            false if is_rejected => SettingState::Rejected,
            false => SettingState::Waiting,
        };
        let present = proposed.value.intersection(&confirmed).cloned().collect();
        Some(ShownSetting { proposed: proposed.clone(), present, state, since: *since })
    }

    pub(crate) fn is_confirming(&self) -> bool {
        self.is_confirming
    }

    pub(crate) fn set_confirming(&mut self, is_confirming: bool) {
        self.is_confirming = is_confirming;
    }

    /// Puts a decision in effect.
    pub(crate) fn put(&mut self, record: SettingRecord) {
        self.records.retain(|known| known.setting != record.setting);
        self.records.push(record);
    }

    /// Forgets that a setting was rejected.
    pub(crate) fn forget_rejection(&mut self, setting: Setting) {
        for record in self.records.iter_mut().filter(|record| record.setting == setting) {
            record.rejected = None;
        }
    }
}
