//! Which addresses a name may resolve to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Why no connection is made to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AddressClass {
    Loopback,
    /// No address: `0.0.0.0/8` and `::`, which mean this computer when they are connected to.
    Unspecified,
    /// A private network (RFC 1918), unique local (RFC 4193) or site-local addresses.
    Private,
    /// The link alone (RFC 3927, 4291), where clouds also have their metadata services.
    LinkLocal,
    /// Shared by customers of a provider (RFC 6598), and by overlay networks of a person's devices.
    CarrierGrade,
    /// Many receivers, or all on a network.
    Multicast,
    /// Set aside for protocols or the future.
    Reserved,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Loopback | Self::Unspecified => "this computer",
            Self::Private => "a private network",
            Self::LinkLocal => "the local link",
            Self::CarrierGrade => "a provider's or an overlay's private network",
            Self::Multicast => "a multicast group",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Why no connection may be made to `address`; `None` for one of the public internet.
///
/// Addresses for benchmarks (198.18/15) and documentation are public here: VPN programs answer every
/// name with one of them and route it.
#[must_use]
pub fn refused(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<AddressClass> {
    use AddressClass::{CarrierGrade, LinkLocal, Loopback, Multicast, Private, Reserved, Unspecified};
    match address.octets() {
        [0, ..] => Some(Unspecified),
        [127, ..] => Some(Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Private),
        // The second is the fixed address of a cloud's services for its own machines.
        [169, 254, ..] | [168, 63, 129, 16] => Some(LinkLocal),
        [100, 64..=127, ..] => Some(CarrierGrade),
        [224..=239, ..] | [255, 255, 255, 255] => Some(Multicast),
        [192, 0, 0, _] | [240..=255, ..] => Some(Reserved),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<AddressClass> {
    use AddressClass::{LinkLocal, Loopback, Multicast, Private, Reserved, Unspecified};
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => return Some(Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => return Some(Loopback),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => return Some(Private),
        [0xfe80..=0xfebf, ..] => return Some(LinkLocal),
        [0xff00..=0xffff, ..] => return Some(Multicast),
        // Translated to IPv4 by a network that has none (RFC 6052), and what sockets call IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0, 0xffff, _, _] => {
            return refused_v4(embedded(segments[6], segments[7]));
        }
        // Nothing outside of 2000::/3 is given to anybody (RFC 4291, 8215 and later registrations).
        [0x2000..=0x3fff, ..] => {}
        _ => return Some(Reserved),
    }
    let tunnelled = match segments {
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => refused_v4(embedded(high, low)),
        // Teredo (RFC 4380): the server, and the client with every bit flipped.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            refused_v4(embedded(!high, !low)).or_else(|| refused_v4(embedded(server_high, server_low)))
        }
        _ => None,
    };
    // ISATAP (RFC 5214), below any prefix.
    let isatap = match segments {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => refused_v4(embedded(high, low)),
        _ => None,
    };
    tunnelled.or(isatap)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> Option<AddressClass> {
        refused(text.parse().unwrap())
    }

    #[test]
    fn addresses_near_this_computer_are_refused() {
        use AddressClass::{CarrierGrade, LinkLocal, Loopback, Multicast, Private, Reserved, Unspecified};
        for (text, expected) in [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("169.254.169.254", LinkLocal),
            ("168.63.129.16", LinkLocal),
            ("100.64.0.1", CarrierGrade),
            ("100.100.100.200", CarrierGrade),
            ("100.127.255.255", CarrierGrade),
            ("192.0.0.192", Reserved),
            ("224.0.0.251", Multicast),
            ("255.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::127.0.0.1", Reserved),
            ("fd00:ec2::254", Private),
            ("fc00::1", Private),
            ("fec0::1", Private),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("ff02::fb", Multicast),
            ("100::1", Reserved),
            ("5f00::1", Reserved),
            ("64:ff9b:1::7f00:1", Reserved),
            ("4000::1", Reserved),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn public_addresses_and_those_of_vpn_programs_are_used() {
        for text in [
            "1.1.1.1",
            "93.184.215.14",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.18.0.5",
            "198.19.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "2606:4700::1111",
            "2001:db8::1",
            "3fff::1",
            "64:ff9b::1.1.1.1",
            "2002:0101:0101::1",
        ] {
            assert_eq!(class(text), None, "{text}");
        }
    }

    /// All ways to carry an IPv4 address in an IPv6 address.
    fn carriers(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
        let bits = v4.to_bits();
        let (high, low) = ((bits >> 16) as u16, bits as u16);
        vec![
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x0101, 0x0101, 0, 0, !high, !low),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !0x0101, !0x0101),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0x200, 0x5efe, high, low),
        ]
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_refused_like_the_address_itself(
            address in prop_oneof![
                any::<u32>(),
                (0_u32..=0xff_ffff).prop_map(|rest| 127 << 24 | rest),
                (0_u32..=0xff_ffff).prop_map(|rest| 10 << 24 | rest),
                (0_u32..=0xffff).prop_map(|rest| 0xc0a8_0000 | rest),
                (0_u32..=0xffff).prop_map(|rest| 0xa9fe_0000 | rest),
                (0_u32..=0x3f_ffff).prop_map(|rest| 0x6440_0000 | rest),
            ]
        ) {
            let address = Ipv4Addr::from_bits(address);
            for carrier in carriers(address) {
                prop_assert_eq!(refused(carrier.into()), refused(address.into()), "{}", carrier);
            }
        }

        /// The standard library's own classes as a second opinion.
        #[test]
        fn what_the_standard_library_calls_local_is_refused(v4: [u8; 4], v6: [u8; 16]) {
            let v4 = Ipv4Addr::from(v4);
            if v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
                || v4.is_broadcast() || v4.is_multicast()
            {
                prop_assert!(refused(v4.into()).is_some());
            }
            let v6 = Ipv6Addr::from(v6);
            if v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local()
                || v6.is_unicast_link_local()
            {
                prop_assert!(refused(v6.into()).is_some());
            }
        }
    }
}
