//! Names of hosts that a command may be granted.

use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// Bytes of a DNS name, without the dot at its end.
const MAX_BYTES: usize = 253;
/// Bytes of one label of a DNS name.
const MAX_LABEL_BYTES: usize = 63;

/// Ends of names that never mean a host of the public internet: reserved (RFC 2606, 6761, 6762,
/// 7686, 8375, 9476), or in common use inside networks.
const LOCAL_SUFFIXES: [&[&str]; 13] = [
    &["localhost"],
    &["localdomain"],
    &["local"],
    &["internal"],
    &["home", "arpa"],
    &["home"],
    &["lan"],
    &["corp"],
    &["intranet"],
    &["private"],
    &["onion"],
    &["alt"],
    &["invalid"],
];

/// The DNS name of a host of the public internet: two labels or more, in lower case, international
/// names in their ASCII form, without a dot at the end. Never an address in any notation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// Why a text is no [`HostName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// Nothing is there.
    #[error("the host name is empty")]
    Empty,
    /// It is too long for DNS.
    #[error(
        "the host name is longer than {MAX_BYTES} characters, or a part of it longer than {MAX_LABEL_BYTES}"
    )]
    TooLong,
    /// It has a character or an empty part that no host name has.
    #[error(
        "it is not a host name; write the host alone, such as example.com, without scheme, user and path"
    )]
    NotAName,
    /// It is an IP address, however it is written.
    #[error("it is an IP address; hosts are named, not numbered")]
    Address,
    /// It means a computer or service nearby.
    #[error("it names this computer or the local network, which commands cannot reach")]
    Local,
}

impl HostName {
    /// Reads a name as a request carries it: ASCII, in any case, with or without the dot at its end.
    ///
    /// # Errors
    /// When it is not the name of a public host.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if text.contains([':', '[', ']']) {
            return Err(HostNameError::Address);
        }
        if text.len() > MAX_BYTES {
            return Err(HostNameError::TooLong);
        }
        let name = text.to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        for label in &labels {
            check_label(label)?;
        }
        // What ends in a number is read as an IPv4 address by resolvers and browsers: 127.1,
        // 2130706433, 0x7f.1. No top-level domain is one.
        if labels.last().is_some_and(|last| is_number(last)) {
            return Err(HostNameError::Address);
        }
        let is_local = LOCAL_SUFFIXES.iter().any(|suffix| labels.ends_with(suffix));
        if labels.len() < 2 || is_local {
            return Err(HostNameError::Local);
        }
        Ok(Self(name))
    }

    /// Reads a name as a person or a model writes it: as [`HostName::parse`], and international names
    /// too, which get their ASCII form (UTS 46).
    ///
    /// # Errors
    /// When it is not the name of a public host.
    pub fn parse_international(text: &str) -> Result<Self, HostNameError> {
        if text.len() > 4 * MAX_BYTES {
            return Err(HostNameError::TooLong);
        }
        if text.contains([':', '[', ']']) {
            return Err(HostNameError::Address);
        }
        let ascii = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Ignore)
            .map_err(|_| HostNameError::NotAName)?;
        Self::parse(&ascii)
    }

    /// The name in lower case, without a dot at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a name below `parent`, at any depth; not `parent` itself.
    #[must_use]
    pub fn is_below(&self, parent: &Self) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn check_label(label: &str) -> Result<(), HostNameError> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(HostNameError::TooLong);
    }
    // Underscores are in names that exist, such as those of storage buckets.
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = !label.is_empty() && label.bytes().all(is_part);
    if !is_name || label.starts_with('-') || label.ends_with('-') {
        return Err(HostNameError::NotAName);
    }
    Ok(())
}

fn is_number(label: &str) -> bool {
    let hexadecimal =
        label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_case_and_the_dot_at_the_end() {
        for text in ["example.com", "EXAMPLE.com", "example.com."] {
            assert_eq!(HostName::parse(text).unwrap().as_str(), "example.com");
        }
        assert_eq!(HostName::parse("example.com.."), Err(HostNameError::NotAName));
    }

    #[test]
    fn addresses_in_every_notation_are_rejected() {
        for text in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0x",
            "017700000001",
            "127.0.0.0x1",
            "1.2.3.4.",
            "example.1",
            "[::1]",
            "::1",
            "[::ffff:127.0.0.1]",
            "::ffff:127.0.0.1",
            "fe80::1%25eth0",
        ] {
            assert_eq!(HostName::parse(text), Err(HostNameError::Address), "{text}");
            assert!(HostName::parse_international(text).is_err(), "{text}");
        }
        // Full-width digits, circled digits and an ideographic full stop become an address.
        for text in ["１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1"] {
            assert_eq!(HostName::parse_international(text), Err(HostNameError::Address), "{text}");
        }
    }

    #[test]
    fn names_of_nearby_hosts_are_rejected() {
        for text in [
            "localhost",
            "LOCALHOST.",
            "router",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "x.home.arpa",
            "nas.lan",
            "git.corp",
            "abc.onion",
            "com",
        ] {
            assert_eq!(HostName::parse(text), Err(HostNameError::Local), "{text}");
        }
    }

    #[test]
    fn characters_that_no_name_has_are_rejected() {
        for text in [
            "a@example.com",
            "example.com/path",
            "a b.example.com",
            "exam%70le.com",
            "a..example.com",
            ".example.com",
            "-a.example.com",
            "example.com\r\n",
            "ex\0ample.com",
            "*.example.com",
            "müller.example",
        ] {
            assert_eq!(HostName::parse(text), Err(HostNameError::NotAName), "{text}");
        }
        assert_eq!(HostName::parse(""), Err(HostNameError::Empty));
        assert_eq!(HostName::parse("."), Err(HostNameError::Empty));
        assert_eq!(HostName::parse(&format!("{}.com", "a".repeat(64))), Err(HostNameError::TooLong));
        assert_eq!(HostName::parse(&"a.".repeat(200)), Err(HostNameError::TooLong));
    }

    #[test]
    fn international_names_get_their_ascii_form() {
        let name = HostName::parse_international("Bücher.example").unwrap();
        assert_eq!(name.as_str(), "xn--bcher-kva.example");
        assert_eq!(HostName::parse_international("xn--bcher-kva.example"), Ok(name));
        assert_eq!(HostName::parse_international("xn--a.example"), Err(HostNameError::NotAName));
    }

    #[test]
    fn only_names_with_a_dot_before_it_are_below_a_parent() {
        let name = |text| HostName::parse(text).unwrap();
        assert!(name("a.b.example.com").is_below(&name("example.com")));
        assert!(!name("example.com").is_below(&name("example.com")));
        assert!(!name("evilexample.com").is_below(&name("example.com")));
        assert!(!name("example.com.evil.net").is_below(&name("example.com")));
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_itself(text in "[a-zA-Z0-9_.\u{fc}-]{0,20}|.{0,12}") {
            if let Ok(name) = HostName::parse_international(&text) {
                prop_assert_eq!(HostName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(HostName::parse_international(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().parse::<std::net::IpAddr>().is_err());
            }
        }

        #[test]
        fn no_address_is_a_name(v4: [u8; 4], v6: [u8; 16], dot in "[.]?") {
            let v4 = Ipv4Addr::from(v4);
            let bits = u32::from(v4);
            let [a, b, c, d] = v4.octets();
            for text in [
                v4.to_string(),
                bits.to_string(),
                format!("0{bits:o}"),
                format!("0x{bits:x}"),
                format!("0X{bits:X}"),
                format!("{a}.{}", bits & 0xff_ffff),
                format!("0x{a:x}.0{b:o}.{c}.{d}"),
                format!("{a}.{b}.0x{:x}", u32::from(c) << 8 | u32::from(d)),
                Ipv6Addr::from(v6).to_string(),
                format!("[{}]", Ipv6Addr::from(v6)),
                format!("[::ffff:{v4}]"),
            ] {
                prop_assert_eq!(HostName::parse(&format!("{text}{dot}")), Err(HostNameError::Address));
            }
        }
    }
}
