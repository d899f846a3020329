//! What a client says of itself. All of it is a label: none of it proves anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The client ids that the protocol knows; another one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientId {
    WebchatUi,
    OpenclawControlUi,
    OpenclawTui,
    Webchat,
    Cli,
    GatewayClient,
    OpenclawMacos,
    OpenclawIos,
    OpenclawAndroid,
    OpenclawLinux,
    OpenclawWatchos,
    OpenclawBrowserCopilot,
    OpenclawWorker,
    NodeHost,
    Test,
    Fingerprint,
    OpenclawProbe,
}

/// The client modes that the protocol knows; another one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientMode {
    Webchat,
    Cli,
    Ui,
    Backend,
    Node,
    Probe,
    Test,
    Worker,
}

macro_rules! wire_name {
    ($type:ty) => {
        impl $type {
            /// The name on the wire.
            #[must_use]
            pub fn name(self) -> String {
                match serde_json::to_value(self) {
                    Ok(serde_json::Value::String(name)) => name,
                    _ => String::new(),
                }
            }
        }
    };
}
wire_name!(ClientId);
wire_name!(ClientMode);

/// What a client says of itself in `connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientInfo {
    /// Which program it says it is.
    pub id: ClientId,
    /// The name it wants to be called by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub version: String,
    /// Its platform; part of the v3 signature.
    pub platform: String,
    /// Its device family; part of the v3 signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    /// How it is used.
    pub mode: ClientMode,
    /// A key for its presence entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Its build (2026.9.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Its time zone (2026.9.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A platform or family as it is compared and signed: trimmed, ASCII letters in lower case.
#[must_use]
pub fn normalised(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

/// A platform without its version: `Linux 6.12.0` and `linux` are the same.
#[must_use]
pub fn platform_family(platform: &str) -> String {
    normalised(platform)
        .split(|character: char| character.is_whitespace() || character.is_ascii_digit())
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_protocols() {
        assert_eq!(ClientId::OpenclawControlUi.name(), "openclaw-control-ui");
        assert_eq!(ClientId::Cli.name(), "cli");
        assert_eq!(ClientMode::Webchat.name(), "webchat");
    }

    #[test]
    fn an_operating_systems_version_is_not_its_family() {
        assert_eq!(platform_family("Linux 6.12.0"), platform_family("linux 5.4"));
        assert_ne!(platform_family("darwin"), platform_family("win32"));
    }
}
