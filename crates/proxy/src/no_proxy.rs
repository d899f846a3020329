//! The hosts that this computer's programs reach without its proxy, as `NO_PROXY` names them.

use crate::request::Destination;

/// Entries that are read.
const MAX_ENTRIES: usize = 256;
/// Bytes that the text may have.
const MAX_BYTES: usize = 16 * 1024;

/// A list of hosts. Addresses in it play no part: hosts are granted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NoProxy {
    every: bool,
    entries: Vec<Entry>,
}

/// A name with all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    port: Option<u16>,
}

impl NoProxy {
    /// Reads names with commas or blanks between them: `example.com` and `.example.com` for it and all names
    /// below it, with `:PORT` for one port, `*` for every host. What is neither is left out, as other
    /// programs do.
    pub(crate) fn parse(text: &str) -> Self {
        let text = if text.len() > MAX_BYTES { "" } else { text };
        let parts = text.split([',', ' ', '\t']).filter(|part| !part.is_empty()).take(MAX_ENTRIES);
        let mut read = Self::default();
        for part in parts {
            if part == "*" {
                read.every = true;
            }
            read.entries.extend(entry(part));
        }
        read
    }

    /// Whether a host is reached without the proxy.
    pub(crate) fn names(&self, destination: &Destination) -> bool {
        let host = destination.host.as_str();
        let is_at = |entry: &Entry| {
            entry.port.is_none_or(|port| port == destination.port)
                && host
                    .strip_suffix(entry.name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.every || self.entries.iter().any(is_at)
    }
}

fn entry(part: &str) -> Option<Entry> {
    let (name, port) = match part.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (part, None),
    };
    let name = name.strip_prefix('*').unwrap_or(name);
    let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (!name.is_empty() && is_name).then_some(Entry { name, port })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host_name::HostName;

    fn names(list: &str, host: &str, port: u16) -> bool {
        NoProxy::parse(list).names(&Destination { host: HostName::parse(host).unwrap(), port })
    }

    #[test]
    fn names_are_read_as_other_programs_read_them() {
        for list in [
            "corp.example",
            ".corp.example",
            "*.corp.example",
            "x.org, Corp.Example.",
            "*",
            "corp.example:443",
        ] {
            assert!(names(list, "a.corp.example", 443), "{list}");
        }
        assert!(names("corp.example", "corp.example", 80));
        for list in [
            "",
            "corp",
            "orp.example",
            "b.corp.example",
            "corp.example:80",
            "10.0.0.0/8",
            ":",
            ".",
            "corp.example:x",
        ] {
            assert!(!names(list, "a.corp.example", 443), "{list}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_names_no_other_host(text in "[a-c.:*, 0-9]{0,40}") {
            if !text.contains("example") && !text.contains('*') {
                prop_assert!(!names(&text, "host.example", 443));
            }
        }
    }
}
