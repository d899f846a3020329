//! Values of the configuration file that would open Tidegate to others, or agents to more of the
//! computer. A file proposes them, and they wait until a person has seen and confirmed exactly this
//! value.

mod value;

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_protocol::UnixMillis;

pub use self::value::{NotAnOrigin, NotShowable, ValuePart, WebOrigin};
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect};
use crate::decider::{Decider, Who};
use crate::decision::DecisionError;
use crate::records::{Change, SettingRecord};
use crate::timestamp::Timestamp;
use crate::transaction::{PreparedTransaction, Step, Transaction};

/// The most origins that a file may list.
pub const MAX_ORIGINS: usize = 32;

/// A value that a person can confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Setting {
    /// The web pages that may open a connection.
    #[serde(rename = "gateway.controlUi.allowedOrigins")]
    AllowedOrigins,
    /// The folder in which agents work when nobody names another.
    #[serde(rename = "agents.defaults.workspace")]
    Workspace,
    /// The model that answers when nobody names another.
    #[serde(rename = "agents.defaults.model.primary")]
    Model,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AllowedOrigins, Self::Workspace, Self::Model];

    /// Where it stands in the file.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::AllowedOrigins => "gateway.controlUi.allowedOrigins",
            Self::Workspace => "agents.defaults.workspace",
            Self::Model => "agents.defaults.model.primary",
        }
    }

    /// The setting of a place in the file.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.path() == path)
    }

    /// What it opens, in plain words.
    #[must_use]
    pub fn opens(self) -> &'static str {
        match self {
            Self::AllowedOrigins => {
                "Web pages of these addresses, open in a browser on this computer, may connect to Tidegate. \
                 Each still needs a token and your approval, like any other program."
            }
            Self::Workspace => {
                "Agents work in this folder: they read, write and change its files without asking you, and \
                 commands that you allow start in it."
            }
            Self::Model => {
                "Conversations go to this model: what you and agents write, and what agents read, is sent to \
                 its server."
            }
        }
    }
}

/// What a file proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedSetting {
    pub setting: Setting,
    /// The value: of a list its parts, otherwise the one.
    pub value: BTreeSet<ValuePart>,
}

impl ProposedSetting {
    /// A proposal of the origins whose pages may connect.
    #[must_use]
    pub fn origins(origins: impl IntoIterator<Item = WebOrigin>) -> Self {
        let value = origins.into_iter().map(ValuePart::from).collect();
        Self { setting: Setting::AllowedOrigins, value }
    }

    /// A folder for agents, named without symbolic links.
    ///
    /// # Errors
    /// When its name cannot be shown to a person.
    pub fn workspace(folder: &Path) -> Result<Self, NotShowable> {
        Self::one(Setting::Workspace, folder.to_str().ok_or(NotShowable)?)
    }

    /// A model, as `provider/model`.
    ///
    /// # Errors
    /// When its name cannot be shown to a person.
    pub fn model(name: &str) -> Result<Self, NotShowable> {
        Self::one(Setting::Model, name)
    }

    fn one(setting: Setting, text: &str) -> Result<Self, NotShowable> {
        Ok(Self { setting, value: BTreeSet::from([ValuePart::try_from(text.to_owned())?]) })
    }

    /// A digest of exactly this value of this setting. Its beginning serves as an id.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.setting.path());
        for part in &self.value {
            hash.update([0]);
            hash.update(part.as_str());
        }
        hex::encode(hash.finalize())
    }
}

/// What became of a proposed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingState {
    /// It waits for a person.
    Waiting,
    /// A person confirmed it, and it is in force.
    Confirmed,
    /// A person rejected it.
    Rejected,
}

impl SettingState {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}

/// A proposed value with everything that a person should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSetting {
    /// What the file proposes.
    pub proposed: ProposedSetting,
    /// What counts now: the part of it that was confirmed.
    pub present: BTreeSet<ValuePart>,
    /// What became of it.
    pub state: SettingState,
    /// Since when the file has proposed it to this process.
    pub since: UnixMillis,
}

impl ShownSetting {
    /// The first 16 digits of its digest.
    #[must_use]
    pub fn id(&self) -> String {
        self.proposed.digest().chars().take(16).collect()
    }
}

impl Authority {
    /// Takes what the configuration file proposes, in place of what it proposed before. Nothing of it
    /// counts by that.
    pub fn propose(&mut self, proposed: Vec<ProposedSetting>, now: Timestamp) {
        self.settings.propose(proposed, now);
    }

    /// What the file proposes, and what became of it.
    #[must_use]
    pub fn settings(&self) -> Vec<ShownSetting> {
        Setting::ALL.into_iter().filter_map(|setting| self.settings.shown(setting)).collect()
    }

    /// Those that wait for a person.
    #[must_use]
    pub fn waiting_settings(&self) -> Vec<ShownSetting> {
        let waits = |shown: &ShownSetting| shown.state == SettingState::Waiting;
        self.settings().into_iter().filter(waits).collect()
    }

    /// Whether web pages of an origin may open a connection: the file lists it, and a person confirmed
    /// it. The page is a stranger all the same.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        let shown = self.settings.shown(Setting::AllowedOrigins);
        shown.is_some_and(|shown| shown.present.iter().any(|allowed| allowed.as_str() == origin))
    }

    /// What counts of a setting that has one value: the file proposes it, and a person confirmed it.
    #[must_use]
    pub fn confirmed_value(&self, setting: Setting) -> Option<String> {
        let present = self.settings.shown(setting)?.present;
        present.into_iter().next().map(String::from)
    }

    /// Prepares that a person confirms exactly the value that was shown: commit it, then
    /// [apply](Self::apply) it, or [roll it back](Self::roll_back).
    ///
    /// # Errors
    /// Why it is not confirmed; nothing changed then.
    pub fn confirm_setting(
        &mut self,
        decider: &Decider,
        setting: Setting,
        digest: &str,
        now: Timestamp,
    ) -> Result<PreparedTransaction<()>, DecisionError> {
        match decider.who() {
            Who::Person => {}
            Who::Surface(_) => return Err(DecisionError::DesktopDecides),
            Who::Client { .. } => return Err(DecisionError::PersonOnly),
        }
        let shown = self.decidable_setting(setting)?;
        if shown.state == SettingState::Confirmed {
            return Err(DecisionError::Unknown);
        }
        if shown.proposed.digest() != digest {
            return Err(DecisionError::Changed);
        }
        let confirmed = shown.proposed.value;
        let audit = audit(now, AuditKind::SettingConfirmed, setting, &confirmed, decider);
        let record = SettingRecord { setting, confirmed, rejected: None, decided_at: now.wall };
        self.settings.set_confirming(true);
        let durable = vec![Change::PutSetting(Box::new(record.clone()))];
        Ok(PreparedTransaction::new((), durable, vec![audit], Step::Setting(record)))
    }

    /// Rejects a value that waits, or takes back one that was confirmed. It is in effect at once.
    ///
    /// # Errors
    /// Why it is not rejected.
    pub fn reject_setting(
        &mut self,
        decider: &Decider,
        setting: Setting,
        digest: Option<&str>,
        now: Timestamp,
    ) -> Result<Transaction<()>, DecisionError> {
        if let Who::Client { .. } = decider.who() {
            return Err(DecisionError::PersonOnly);
        }
        let shown = self.decidable_setting(setting)?;
        let known = shown.proposed.digest();
        if digest.is_some_and(|digest| digest != known) {
            return Err(DecisionError::Changed);
        }
        let confirmed = match shown.state {
            SettingState::Confirmed => BTreeSet::new(),
            SettingState::Waiting | SettingState::Rejected => shown.present,
        };
        let audit = audit(now, AuditKind::SettingRejected, setting, &shown.proposed.value, decider);
        let record = SettingRecord { setting, confirmed, rejected: Some(known), decided_at: now.wall };
        self.settings.put(record.clone());
        Ok(Transaction::applied((), vec![Change::PutSetting(Box::new(record))], vec![audit]))
    }

    /// What is proposed, while nothing else is decided.
    fn decidable_setting(&self, setting: Setting) -> Result<ShownSetting, DecisionError> {
        let shown = self.settings.shown(setting).filter(|_| !self.settings.is_confirming());
        shown.ok_or(DecisionError::Unknown)
    }

    /// Lets a rejected value wait again, until Tidegate starts again: someone requests that the person
    /// looks at it again. It does not count by that. Its id, when it waits.
    pub fn ask_again(&mut self, setting: Setting) -> Option<String> {
        let shown = self.settings.shown(setting)?;
        if shown.state == SettingState::Rejected {
            self.settings.forget_rejection(setting);
        }
        (shown.state != SettingState::Confirmed).then(|| shown.id())
    }
}

fn audit(
    now: Timestamp,
    kind: AuditKind,
    setting: Setting,
    value: &BTreeSet<ValuePart>,
    decider: &Decider,
) -> Effect {
    let value: Vec<&str> = value.iter().map(ValuePart::as_str).collect();
    let what = kind.name().replace('.', " ");
    let line = format!("{what} key={} value={} by={}", setting.path(), value.join(","), decider.name());
    Effect::audit(now, kind, setting.path(), line)
}
