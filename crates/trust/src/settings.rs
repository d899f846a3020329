//! Values of the configuration file that would open Tidegate to others, or agents to more of the
//! computer. A file proposes them, and they wait until a person has seen and confirmed exactly this
//! value.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_protocol::{UnixMillis, text};

use crate::audit::{AuditEvent, Weight};
use crate::authority::{Authority, Effect};
use crate::decider::{Decider, Who};
use crate::decision::DecisionError;
use crate::management::Changed;
use crate::moment::Moment;
use crate::records::{Change, SettingRecord};

/// The most origins that a file may list.
pub const MAX_ORIGINS: usize = 32;
/// The most bytes of one part of a value.
const MAX_PART: usize = 1024;
/// The most characters of an origin: a name of 253, the scheme, and a port.
const MAX_ORIGIN: usize = 280;

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
                 Each still needs a token and has to be let in by you, like any other program."
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

/// A web page's origin as browsers send it: scheme, host, and a port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// Why a text is no origin that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// It stands for every page.
    #[error("`*` would let in every web page; name each origin")]
    Every,
    /// It stands for pages without an address.
    #[error("`null` is what any file or sandboxed page sends; name an origin")]
    Null,
    /// It is written otherwise than browsers send it.
    #[error(
        "write it as browsers send it: http:// or https://, the host in lower case, and a port only if it \
         is not the usual one; no path and no slash at the end"
    )]
    Form,
}

impl WebOrigin {
    /// Reads an origin.
    ///
    /// # Errors
    /// Why it cannot be allowed.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        if text.contains('*') {
            return Err(NotAnOrigin::Every);
        }
        if text == "null" {
            return Err(NotAnOrigin::Null);
        }
        let (usual_port, rest) = match text.split_once("://") {
            Some(("http", rest)) => ("80", rest),
            Some(("https", rest)) => ("443", rest),
            _ => return Err(NotAnOrigin::Form),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(NotAnOrigin::Form)?;
                let address: std::net::Ipv6Addr = host.parse().map_err(|_| NotAnOrigin::Form)?;
                if address.to_string() != host {
                    return Err(NotAnOrigin::Form);
                }
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or(NotAnOrigin::Form)?),
                };
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
        let is_host = !host.is_empty() && (rest.starts_with('[') || host.chars().all(is_name));
        let is_port = port.is_none_or(|port| {
            let number = port.parse::<u16>().ok().filter(|&number| number > 0);
            port != usual_port && number.is_some_and(|number| number.to_string() == port)
        });
        match is_host && is_port && text.len() <= MAX_ORIGIN {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAnOrigin::Form),
        }
    }

    /// The text, as a browser sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        Self::parse(&text)
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

/// One part of a value, as it is shown and compared: an origin, a folder, or a model. It has no
/// character that could hide or break a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValuePart(String);

/// Why a text cannot be shown to a person whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is empty, has more than {MAX_PART} bytes, or has characters that cannot be shown")]
pub struct NotShowable;

impl ValuePart {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ValuePart {
    type Error = NotShowable;

    fn try_from(text: String) -> Result<Self, NotShowable> {
        let is_hidden = |c: char| c.is_control() || text::is_invisible(c);
        match text.is_empty() || text.len() > MAX_PART || text.chars().any(is_hidden) {
            true => Err(NotShowable),
            false => Ok(Self(text)),
        }
    }
}

impl From<ValuePart> for String {
    fn from(part: ValuePart) -> Self {
        part.0
    }
}

impl From<WebOrigin> for ValuePart {
    fn from(origin: WebOrigin) -> Self {
        Self(origin.0)
    }
}

/// What a file proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedSetting {
    /// The setting.
    pub setting: Setting,
    /// The value: of a list its parts, otherwise the one.
    pub value: BTreeSet<ValuePart>,
}

impl ProposedSetting {
    /// Web pages.
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
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What became of a proposed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingState {
    /// It waits for a person.
    Waiting,
    /// It counts.
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

/// What files proposed and a person decided about it.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    proposed: Vec<(ProposedSetting, UnixMillis)>,
    records: Vec<SettingRecord>,
    /// The setting that a person has confirmed, while that is being saved.
    confirming: Option<Setting>,
}

impl Settings {
    pub(crate) fn of(records: Vec<SettingRecord>) -> Self {
        Self { records, ..Self::default() }
    }

    pub(crate) fn is_deciding(&self) -> bool {
        self.confirming.is_some()
    }

    fn record(&self, setting: Setting) -> Option<&SettingRecord> {
        self.records.iter().find(|record| record.setting == setting)
    }

    fn put(&mut self, record: SettingRecord) {
        self.records.retain(|known| known.setting != record.setting);
        self.records.push(record);
    }

    fn shown(&self, setting: Setting) -> Option<ShownSetting> {
        let (proposed, since) = self.proposed.iter().find(|(proposed, _)| proposed.setting == setting)?;
        let record = self.record(setting);
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
}

/// A confirmation that has to be committed before it counts.
#[derive(Debug)]
pub struct ConfirmedSetting {
    /// What has to be committed first.
    pub durable: Vec<Change>,
    record: SettingRecord,
    line: AuditEvent,
}

impl Authority {
    /// Takes what the configuration file proposes, in place of what it proposed before. Nothing of it
    /// counts by that.
    pub fn propose(&mut self, proposed: Vec<ProposedSetting>, now: Moment) {
        let before = std::mem::take(&mut self.settings.proposed);
        let since = |new: &ProposedSetting| {
            before.iter().find(|(old, _)| old == new).map_or(now.wall, |(_, since)| *since)
        };
        self.settings.proposed = proposed
            .into_iter()
            .filter(|proposed| !proposed.value.is_empty())
            .map(|proposed| {
                let since = since(&proposed);
                (proposed, since)
            })
            .collect();
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

    /// A person confirms exactly the value that was shown. Commit `durable`, then call
    /// [`Self::complete_setting`]; if that fails, [`Self::withdraw_setting`].
    ///
    /// # Errors
    /// Why it is not confirmed; nothing changed then.
    pub fn confirm_setting(
        &mut self,
        decider: &Decider,
        setting: Setting,
        digest: &str,
        now: Moment,
    ) -> Result<ConfirmedSetting, DecisionError> {
        match decider.who() {
            Who::Person => {}
            Who::Surface(_) => return Err(DecisionError::DesktopDecides),
            Who::Client { .. } => return Err(DecisionError::PersonOnly),
        }
        let shown = self.settings.shown(setting).ok_or(DecisionError::Unknown)?;
        if self.settings.is_deciding() || shown.state == SettingState::Confirmed {
            return Err(DecisionError::Unknown);
        }
        if shown.proposed.digest() != digest {
            return Err(DecisionError::Changed);
        }
        let confirmed = shown.proposed.value;
        let line = audit(now, "setting.confirmed", setting, &confirmed, decider);
        let record = SettingRecord { setting, confirmed, rejected: None, decided_at: now.wall };
        self.settings.confirming = Some(setting);
        Ok(ConfirmedSetting { durable: vec![Change::PutSetting(Box::new(record.clone()))], record, line })
    }

    /// Makes a committed confirmation count.
    pub fn complete_setting(&mut self, confirmed: ConfirmedSetting) -> Vec<Effect> {
        self.settings.confirming = None;
        self.settings.put(confirmed.record);
        vec![Effect::Audit(confirmed.line)]
    }

    /// Takes a confirmation back that could not be committed.
    pub fn withdraw_setting(&mut self) {
        self.settings.confirming = None;
    }

    /// Rejects a value that waits, or takes back one that was confirmed. It counts at once.
    ///
    /// # Errors
    /// Why it is not rejected.
    pub fn reject_setting(
        &mut self,
        decider: &Decider,
        setting: Setting,
        digest: Option<&str>,
        now: Moment,
    ) -> Result<Changed<()>, DecisionError> {
        if let Who::Client { .. } = decider.who() {
            return Err(DecisionError::PersonOnly);
        }
        let shown = self.settings.shown(setting).ok_or(DecisionError::Unknown)?;
        if self.settings.is_deciding() {
            return Err(DecisionError::Unknown);
        }
        let known = shown.proposed.digest();
        if digest.is_some_and(|digest| digest != known) {
            return Err(DecisionError::Changed);
        }
        let confirmed = match shown.state {
            SettingState::Confirmed => BTreeSet::new(),
            SettingState::Waiting | SettingState::Rejected => shown.present,
        };
        let line = audit(now, "setting.rejected", setting, &shown.proposed.value, decider);
        let record = SettingRecord { setting, confirmed, rejected: Some(known), decided_at: now.wall };
        self.settings.put(record.clone());
        let durable = vec![Change::PutSetting(Box::new(record))];
        Ok(Changed { value: (), durable, effects: vec![Effect::Audit(line)] })
    }

    /// Lets a rejected value wait again, until Tidegate starts anew: someone wishes that the person
    /// looks at it again. It does not count by that. Its id, when it waits.
    pub fn ask_again(&mut self, setting: Setting) -> Option<String> {
        let shown = self.settings.shown(setting)?;
        if shown.state == SettingState::Rejected {
            for record in self.settings.records.iter_mut().filter(|record| record.setting == setting) {
                record.rejected = None;
            }
        }
        (shown.state != SettingState::Confirmed).then(|| shown.id())
    }
}

fn audit(
    now: Moment,
    kind: &str,
    setting: Setting,
    value: &BTreeSet<ValuePart>,
    decider: &Decider,
) -> AuditEvent {
    let value: Vec<&str> = value.iter().map(ValuePart::as_str).collect();
    let what = kind.replace('.', " ");
    let line = format!("{what} key={} value={} by={}", setting.path(), value.join(","), decider.name());
    AuditEvent::new(now.wall, Weight::Info, kind, setting.path(), line)
}
