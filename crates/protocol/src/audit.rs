//! What the audit log records: one table of kinds, each with how much it matters and a sentence for the
//! person.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::text;

words! {
    /// How much an entry of the audit log matters.
    Severity {
        /// What should happen.
        Info = "info",
        /// What a person may want to look at.
        Warn = "warn",
        /// What a person must look at.
        Alarm = "alarm",
    }
}

/// Characters of a kind that another version wrote, as shown.
const MAX_KIND: usize = 60;

macro_rules! audit_kinds {
    ($($kind:ident = $name:literal, $severity:ident, $sentence:literal;)*) => {
        /// A kind of entry in the audit log.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum AuditKind {
            $($kind,)*
            /// One that another version of Tidegate wrote.
            Other(String),
        }

        impl AuditKind {
            /// All kinds that are written.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name in the log and on the wire, `subject.verb`.
            #[must_use]
            pub fn name(&self) -> &str {
                match self { $(Self::$kind => $name,)* Self::Other(name) => name }
            }

            /// How much it matters, unless the case says otherwise.
            #[must_use]
            pub fn severity(&self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)* Self::Other(_) => Severity::Info }
            }

            /// What happened, for the person.
            #[must_use]
            pub fn sentence(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$kind => Cow::Borrowed($sentence),)*
                    Self::Other(name) => Cow::Owned(words_of(name)),
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

audit_kinds! {
    OwnClientAdmitted = "own-client.admitted", Info, "Tidegate's own client connected";
    OwnKeyElsewhere = "own-key.elsewhere", Alarm, "Somebody else used the key of Tidegate's own client: refused";
    PairingRequested = "pairing.requested", Warn, "Access requested";
    PairingApproved = "pairing.approved", Info, "Access approved";
    PairingRejected = "pairing.rejected", Info, "Access rejected";
    PairingLater = "pairing.later", Info, "Decision postponed";
    PairingBlocked = "pairing.blocked", Info, "Blocked";
    PairingOvertaken = "pairing.overtaken", Warn, "Approval dropped: access was revoked or blocked meanwhile";
    DeviceRefreshed = "device.refreshed", Info, "Device connected with new details";
    DeviceRemoved = "device.removed", Info, "Device's access revoked";
    DeviceRenamed = "device.renamed", Info, "Device renamed";
    DeviceBlocked = "device.blocked", Info, "Device blocked";
    TokenRotated = "token.rotated", Info, "Device token replaced";
    TokenRevoked = "token.revoked", Info, "Device token revoked";
    ProgramBlocked = "program.blocked", Info, "Program blocked";
    ProgramRemoved = "program.removed", Info, "Program's access revoked";
    Unblocked = "unblocked", Info, "Unblocked";
    SharedTokenRotated = "shared-token.rotated", Info, "Shared token replaced";
    ProgramTokenMade = "program-token.made", Info, "Token for a program created";
    ProgramTokenRevoked = "program-token.revoked", Info, "Token of a program revoked";
    ProgramTokenUnidentified = "program-token.unidentified", Warn,
        "A program that could not be identified used a token, and could only read";
    ToolRefused = "tool.refused", Warn, "A command of an agent tried to connect: refused";
    ControlRefused = "control.refused", Warn, "A program that is not the command line used its socket: refused";
    SettingConfirmed = "setting.confirmed", Info, "Setting confirmed";
    SettingRejected = "setting.rejected", Info, "Setting rejected";
    ModelServerTaken = "model-server.taken", Info, "Model server taken into use";
    CommandAllowed = "command.allowed", Info, "Command allowed once";
    CommandDenied = "command.denied", Info, "Command denied";
    CommandUndecided = "command.undecided", Info, "Command not decided in time";
    CommandUnasked = "command.unasked", Info, "Command ran by a permission";
    FileAllowed = "file.allowed", Info, "File allowed once";
    FileDenied = "file.denied", Info, "File denied";
    FileUndecided = "file.undecided", Info, "File not decided in time";
    FileUnasked = "file.unasked", Info, "File read by a permission";
    FileSetAside = "file.set-aside", Warn, "A file that a command wrote was set aside";
    FileKept = "file.kept", Info, "A file that was set aside was kept";
    FileDiscarded = "file.discarded", Info, "A file that was set aside was discarded";
    FilesUnshared = "files.unshared", Info, "Files of a folder were given copies of their own";
    PermissionGiven = "permission.given", Info, "Permission given";
    PermissionRevoked = "permission.revoked", Info, "Permission revoked";
    AskEverythingOn = "ask-everything.on", Info, "Asking about everything";
    AskEverythingOff = "ask-everything.off", Info, "Permissions are used again";
    WorkspaceChosen = "workspace.chosen", Info, "The workspace of a session was chosen";
    DialogPressedByProgram = "dialog.pressed-by-program", Info, "A program pressed an approving button";
    DialogPressRefused = "dialog.press-refused", Warn, "A program pressed an approving button: refused";
    EntryDamaged = "audit.damaged", Warn, "An entry of the audit log is damaged and cannot be shown";
    OrphansEnded = "orphans.ended", Warn, "Commands that outlived Tidegate were ended";
    OrphansLeft = "orphans.left", Warn, "Commands that outlived Tidegate could not be ended";
}

/// A kind that this version does not know, readable: `pairing.expired` becomes "Pairing expired".
fn words_of(name: &str) -> String {
    let words = text::one_line(&name.replace(['.', '-'], " "), MAX_KIND);
    let mut characters = words.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

impl From<String> for AuditKind {
    fn from(name: String) -> Self {
        Self::known(&name).unwrap_or(Self::Other(name))
    }
}

impl FromStr for AuditKind {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.to_owned().into())
    }
}

impl From<AuditKind> for String {
    fn from(kind: AuditKind) -> Self {
        match kind {
            AuditKind::Other(name) => name,
            known => known.name().to_owned(),
        }
    }
}

impl fmt::Display for AuditKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl JsonSchema for AuditKind {
    fn schema_name() -> Cow<'static, str> {
        "AuditKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The kind of an entry in the audit log, `subject.verb`.",
            "type": "string",
            "examples": Self::ALL.iter().map(Self::name).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_back_from_its_name() {
        for kind in AuditKind::ALL {
            assert_eq!(&AuditKind::from(kind.name().to_owned()), kind);
        }
    }

    #[test]
    fn a_kind_of_another_version_stays_and_is_readable() {
        let kind: AuditKind = serde_json::from_str("\"pairing.super-seded\\n\"").unwrap();

        assert_eq!(kind.name(), "pairing.super-seded\n");
        assert!(kind.sentence().starts_with("Pairing super seded"), "{}", kind.sentence());
        assert!(!kind.sentence().contains('\n'));
        assert_eq!(serde_json::to_string(&kind).unwrap(), "\"pairing.super-seded\\n\"");
    }

    #[test]
    fn use_of_our_own_key_elsewhere_is_an_alarm() {
        assert_eq!(AuditKind::OwnKeyElsewhere.severity(), Severity::Alarm);
    }
}
