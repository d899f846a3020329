//! What is stored about devices, programs, tokens and blocks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_protocol::{ClientInfo, DeviceId, PublicKey, UnixMillis, text};

use crate::audit::AuditEvent;
use crate::permissions::Permission;
use crate::scopes::{Level, ScopeSet};
use crate::settings::{Setting, ValuePart};
use crate::token::TokenHash;

/// The most characters of a name from outside that is kept and shown.
pub const MAX_NAME: usize = 64;

/// What a person decided about someone's scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grant {
    /// The scopes that were shown, granted or not: about these nobody is asked again.
    pub decided: ScopeSet,
    /// The scopes that were granted.
    pub granted: ScopeSet,
}

/// What a client says of itself: labels, cleaned and bounded, that prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The name it wants to be called by.
    pub display_name: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Its client mode.
    pub client_mode: String,
    pub version: String,
    pub platform: String,
    /// Its device family.
    pub device_family: Option<String>,
}

impl Claims {
    /// The claims of a client.
    #[must_use]
    pub fn of(client: &ClientInfo) -> Self {
        let clean = |value: &str| text::one_line(value, MAX_NAME);
        Self {
            // A name that is empty is none: surfaces then say that there is none.
            display_name: client
                .display_name
                .as_deref()
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(clean),
            client_id: client.id.name().to_owned(),
            client_mode: client.mode.name().to_owned(),
            version: clean(&client.version),
            platform: clean(&client.platform),
            device_family: client.device_family.as_deref().map(clean),
        }
    }
}

/// A paired device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    pub id: DeviceId,
    pub key: PublicKey,
    /// What it said of itself when it was last let in.
    pub claims: Claims,
    /// The name that a person gave it.
    pub label: Option<String>,
    /// What was decided.
    #[serde(default)]
    pub grant: Grant,
    pub token: Option<DeviceToken>,
    /// When it was first approved.
    pub created_at: UnixMillis,
    /// When the newest decision was made.
    pub approved_at: UnixMillis,
    /// When it was last let in.
    pub last_seen_at: Option<UnixMillis>,
    /// Where from, in words.
    pub last_seen_from: Option<String>,
}

/// A device's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceToken {
    /// Its hash. None after someone else rotated it: the device gets the new one when it connects next.
    pub hash: Option<TokenHash>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it replaced another.
    pub rotated_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
}

impl DeviceToken {
    /// Whether the device gets it when it connects next.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.hash.is_none() && self.revoked_at.is_none()
    }
}

/// A program as the kernel shows it: a tripwire, never proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProgramIdentity {
    /// The user that runs it.
    pub uid: u32,
    /// The executable file, resolved.
    pub executable: PathBuf,
    /// For interpreters, the script file, resolved.
    pub script: Option<PathBuf>,
}

/// What a program without a device may do with the shared token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramGrant {
    /// A version 4 UUID.
    pub id: String,
    pub program: ProgramIdentity,
    /// The generation of the shared token that it belongs to; a new token ends it.
    pub token_generation: u64,
    /// What it said of itself when it was approved.
    pub claims: Claims,
    /// What was decided.
    pub grant: Grant,
    pub approved_at: UnixMillis,
    /// When it was last let in.
    pub last_seen_at: Option<UnixMillis>,
}

/// A token of its own for one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramToken {
    /// A version 4 UUID.
    pub id: String,
    /// The name that the person gave it.
    pub name: String,
    /// The level that the person chose.
    pub level: Level,
    /// Whether it may manage pairing.
    #[serde(default)]
    pub pairing: bool,
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
}

impl ProgramToken {
    /// What it grants.
    #[must_use]
    pub fn granted(&self) -> ScopeSet {
        let pairing = self.pairing.then_some(tidegate_protocol::Scope::Pairing);
        ScopeSet::from(self.level).union(&pairing.into_iter().collect())
    }
}

/// The token that everyone on this computer may be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedToken {
    pub hash: TokenHash,
    /// How often it was replaced.
    pub generation: u64,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// Something that is refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub subject: Subject,
    /// The name it had, for people.
    pub name: String,
    pub at: UnixMillis,
}

impl Block {
    /// A short id that can be typed: the first 16 hexadecimal digits of the SHA-256 of the subject's
    /// key.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = Sha256::digest(self.subject.key());
        hex::encode(&hash[..8])
    }

    /// The id of the blocked device, when it is one.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        match &self.subject {
            Subject::Device(device) => Some(device.to_string()),
            Subject::Program(_) => None,
        }
    }
}

/// Someone who can ask for access, and be blocked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A device with its own key.
    Device(DeviceId),
    /// A program that uses the shared token.
    Program(ProgramIdentity),
}

impl Subject {
    /// A text that is unique for the subject.
    #[must_use]
    pub fn key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As clients and audit lines name it: a device's id, or what stands in for one where a program has none.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Device(device) => device.to_string(),
            Self::Program(program) => {
                let file = program.script.as_ref().unwrap_or(&program.executable);
                format!("program:{}", text::one_line(&file.display().to_string(), 200))
            }
        }
    }
}

/// What a person decided about a value of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingRecord {
    pub setting: Setting,
    /// The value that was confirmed last. It counts as far as the file still proposes it.
    #[serde(default)]
    pub confirmed: BTreeSet<ValuePart>,
    /// The digest of the value that was rejected last.
    pub rejected: Option<String>,
    /// When the newest decision was made.
    pub decided_at: UnixMillis,
}

/// Everything that is stored, as loaded at start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustRecords {
    pub devices: Vec<DeviceRecord>,
    pub programs: Vec<ProgramGrant>,
    pub tokens: Vec<ProgramToken>,
    pub shared_token: Option<SharedToken>,
    pub blocks: Vec<Block>,
    pub settings: Vec<SettingRecord>,
    pub permissions: Vec<Permission>,
    /// Whether a person is asked about everything, whatever is allowed.
    pub ask_everything: bool,
}

impl TrustRecords {
    /// Applies a change that counted in memory when it could not be saved, over what is stored.
    /// What replaces a record applies only where there is one to replace, so that nothing that is
    /// unknown here is let in by it. Whether it applies.
    pub fn apply_unsaved(&mut self, change: &Change) -> bool {
        match change {
            Change::PutDevice(record) => replace(&mut self.devices, record, |known| known.id == record.id),
            Change::RemoveDevice(id) => remove(&mut self.devices, |known| known.id == *id),
            Change::PutProgram(record) => replace(&mut self.programs, record, |known| known.id == record.id),
            Change::RemoveProgram(id) => remove(&mut self.programs, |known| known.id == *id),
            Change::PutToken(record) => replace(&mut self.tokens, record, |known| known.id == record.id),
            Change::RemoveToken(id) => remove(&mut self.tokens, |known| known.id == *id),
            Change::PutSharedToken(token) => {
                let is_newer =
                    self.shared_token.as_ref().is_some_and(|old| old.generation < token.generation);
                if is_newer {
                    self.shared_token = Some(token.clone());
                }
                is_newer
            }
            Change::PutBlock(block) => {
                self.blocks.retain(|known| known.subject != block.subject);
                self.blocks.push((**block).clone());
                true
            }
            Change::RemoveBlock(subject) => remove(&mut self.blocks, |known| known.subject == *subject),
            Change::PutSetting(record) => {
                let known = self.settings.iter_mut().find(|known| known.setting == record.setting);
                known.is_some_and(|known| {
                    let confirmed = known.confirmed.intersection(&record.confirmed).cloned().collect();
                    *known = SettingRecord { confirmed, ..(**record).clone() };
                    true
                })
            }
            Change::PutPermission(record) => {
                replace(&mut self.permissions, record, |known| known.id == record.id)
            }
            Change::RemovePermission(id) => remove(&mut self.permissions, |known| known.id == *id),
            Change::AskEverything(asks) => {
                self.ask_everything |= asks;
                *asks
            }
            Change::Audit(_) => false,
        }
    }
}

fn replace<T: Clone>(records: &mut [T], record: &T, is_it: impl Fn(&T) -> bool) -> bool {
    let known = records.iter_mut().find(|known| is_it(known));
    known.is_some_and(|known| {
        known.clone_from(record);
        true
    })
}

/// Applies also where nothing is removed: it may be there and not be readable.
fn remove<T>(records: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    records.retain(|known| !is_it(known));
    true
}

/// One change of what is stored. A list of changes is committed whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Add or replace a device.
    PutDevice(Box<DeviceRecord>),
    /// Forget a device.
    RemoveDevice(DeviceId),
    /// Add or replace a program's grant.
    PutProgram(Box<ProgramGrant>),
    /// Forget a program's grant, by id.
    RemoveProgram(String),
    /// Add or replace a program's token.
    PutToken(Box<ProgramToken>),
    /// Forget a program's token, by id.
    RemoveToken(String),
    /// Replace the shared token.
    PutSharedToken(SharedToken),
    PutBlock(Box<Block>),
    RemoveBlock(Subject),
    /// Keep what was decided about a value of the configuration file.
    PutSetting(Box<SettingRecord>),
    /// Add or replace what a person allowed.
    PutPermission(Box<Permission>),
    /// Forget what a person allowed, by id.
    RemovePermission(String),
    /// Whether a person is asked about everything.
    AskEverything(bool),
    /// Add to the audit log.
    Audit(Box<AuditEvent>),
}

impl From<&DeviceRecord> for Change {
    fn from(record: &DeviceRecord) -> Self {
        Self::PutDevice(Box::new(record.clone()))
    }
}

impl From<&ProgramGrant> for Change {
    fn from(record: &ProgramGrant) -> Self {
        Self::PutProgram(Box::new(record.clone()))
    }
}

impl From<&ProgramToken> for Change {
    fn from(record: &ProgramToken) -> Self {
        Self::PutToken(Box::new(record.clone()))
    }
}

impl Change {
    /// Whether it only takes away.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::RemoveDevice(_)
                | Self::RemoveProgram(_)
                | Self::RemoveToken(_)
                | Self::PutBlock(_)
                | Self::RemovePermission(_)
                | Self::AskEverything(true)
        )
    }

    /// Whether both are about the same record, so that the later one makes the earlier one
    /// meaningless.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let subject = |change: &Self| match change {
            Self::PutDevice(record) => Some((0, record.id.to_string())),
            Self::RemoveDevice(id) => Some((0, id.to_string())),
            Self::PutProgram(record) => Some((1, record.id.clone())),
            Self::RemoveProgram(id) => Some((1, id.clone())),
            Self::PutToken(record) => Some((2, record.id.clone())),
            Self::RemoveToken(id) => Some((2, id.clone())),
            Self::PutSharedToken(_) => Some((3, String::new())),
            Self::PutBlock(block) => Some((4, block.subject.key())),
            Self::RemoveBlock(subject) => Some((4, subject.key())),
            Self::PutSetting(record) => Some((5, record.setting.path().to_owned())),
            Self::PutPermission(record) => Some((6, record.id.clone())),
            Self::RemovePermission(id) => Some((6, id.clone())),
            Self::AskEverything(_) => Some((7, String::new())),
            Self::Audit(_) => None,
        };
        subject(self).is_some_and(|about| subject(other) == Some(about))
    }
}
