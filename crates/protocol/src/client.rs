//! What a client says of itself. All of it is a label: none of it proves anything.

words! {
    /// The client ids that the protocol knows; another one is refused.
    ClientId {
        WebchatUi = "webchat-ui",
        OpenclawControlUi = "openclaw-control-ui",
        OpenclawTui = "openclaw-tui",
        Webchat = "webchat",
        Cli = "cli",
        GatewayClient = "gateway-client",
        OpenclawMacos = "openclaw-macos",
        OpenclawIos = "openclaw-ios",
        OpenclawAndroid = "openclaw-android",
        OpenclawLinux = "openclaw-linux",
        OpenclawWatchos = "openclaw-watchos",
        OpenclawBrowserCopilot = "openclaw-browser-copilot",
        OpenclawWorker = "openclaw-worker",
        NodeHost = "node-host",
        Test = "test",
        Fingerprint = "fingerprint",
        OpenclawProbe = "openclaw-probe",
    }
    /// The client modes that the protocol knows; another one is refused.
    ClientMode {
        Webchat = "webchat",
        Cli = "cli",
        Ui = "ui",
        Backend = "backend",
        Node = "node",
        Probe = "probe",
        Test = "test",
        Worker = "worker",
    }
}

objects! {
    /// What a client says of itself in `connect`.
    #[derive(Eq)]
    ClientInfo {
        /// Which program it says it is.
        id: ClientId,
        /// The name it wants to be called by.
        display_name: Option<String>,
        version: String,
        /// Its platform; part of the v3 signature.
        platform: String,
        /// Its device family; part of the v3 signature.
        device_family: Option<String>,
        model_identifier: Option<String>,
        /// How it is used.
        mode: ClientMode,
        /// A key for its presence entry.
        instance_id: Option<String>,
        /// Its build (2026.9.6).
        build_id: Option<String>,
        /// Its time zone (2026.9.6).
        time_zone: Option<String>,
    }
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
