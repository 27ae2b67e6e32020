//! Data types: how wide a value is, how it is read and how it is printed (`nft describe TYPE`).
//!
//! Every value is a number of at most 128 bits: addresses and ports as they stand in the packet, names of interfaces as their
//! sixteen bytes.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::MacAddr;

mod symbols;
mod values;

use symbols::SERVICES;
pub(super) use values::{address, address_bits, bits_of, ifname, ifname_text, parse_time, time_text};

/// A data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `ether_addr`.
    Ether,
    /// `inet_proto`.
    Proto,
    /// `inet_service`.
    Service,
    /// `mark`.
    Mark,
    /// `ifname`.
    Ifname,
    /// `iface_index`.
    IfIndex,
    /// `ct_state`.
    CtState,
    /// `ct_dir`.
    CtDir,
    /// `ct_status`.
    CtStatus,
    /// `icmp_type`.
    IcmpType,
    /// `icmp_code`.
    IcmpCode,
    /// `icmpv6_type`.
    Icmp6Type,
    /// `icmpv6_code`.
    Icmp6Code,
    /// `icmpx_code`.
    IcmpxCode,
    /// `tcp_flag`.
    TcpFlag,
    /// `nf_proto`.
    NfProto,
    /// `ether_type`.
    EtherType,
    /// `pkt_type`.
    PktType,
    /// `fib_addrtype`.
    FibType,
    /// `dscp`.
    Dscp,
    /// `ecn`.
    Ecn,
    /// `time`, in milliseconds.
    Time,
    /// `boolean`: `exists`, `missing`.
    Bool,
    /// `integer` of so many bits.
    Int(u8),
}

impl Ty {
    /// The types that a set may have by name.
    const NAMED: &'static [Self] = &[
        Self::Ipv4,
        Self::Ipv6,
        Self::Ether,
        Self::Proto,
        Self::Service,
        Self::Mark,
        Self::Ifname,
        Self::IfIndex,
        Self::CtState,
        Self::CtDir,
        Self::CtStatus,
        Self::IcmpType,
        Self::IcmpCode,
        Self::Icmp6Type,
        Self::Icmp6Code,
        Self::IcmpxCode,
        Self::TcpFlag,
        Self::NfProto,
        Self::EtherType,
        Self::PktType,
        Self::FibType,
        Self::Dscp,
        Self::Ecn,
        Self::Time,
        Self::Bool,
    ];

    /// The type of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().copied().find(|t| t.name() == name)
    }

    /// Name as in `type ipv4_addr`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4_addr",
            Self::Ipv6 => "ipv6_addr",
            Self::Ether => "ether_addr",
            Self::Proto => "inet_proto",
            Self::Service => "inet_service",
            Self::Mark => "mark",
            Self::Ifname => "ifname",
            Self::IfIndex => "iface_index",
            Self::CtState => "ct_state",
            Self::CtDir => "ct_dir",
            Self::CtStatus => "ct_status",
            Self::IcmpType => "icmp_type",
            Self::IcmpCode => "icmp_code",
            Self::Icmp6Type => "icmpv6_type",
            Self::Icmp6Code => "icmpv6_code",
            Self::IcmpxCode => "icmpx_code",
            Self::TcpFlag => "tcp_flag",
            Self::NfProto => "nf_proto",
            Self::EtherType => "ether_type",
            Self::PktType => "pkt_type",
            Self::FibType => "fib_addrtype",
            Self::Dscp => "dscp",
            Self::Ecn => "ecn",
            Self::Time => "time",
            Self::Bool => "boolean",
            Self::Int(_) => "integer",
        }
    }

    /// What messages call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4 address",
            Self::Ipv6 => "IPv6 address",
            Self::Ether => "Ethernet address",
            Self::Proto => "Internet protocol",
            Self::Service => "internet network service",
            Self::Mark => "packet mark",
            Self::Ifname => "network interface name",
            Self::IfIndex => "network interface index",
            Self::CtState => "conntrack state",
            Self::CtDir => "conntrack direction",
            Self::CtStatus => "conntrack status",
            Self::IcmpType => "ICMP type",
            Self::IcmpCode => "icmp code",
            Self::Icmp6Type => "ICMPv6 type",
            Self::Icmp6Code => "icmpv6 code",
            Self::IcmpxCode => "icmpx code",
            Self::TcpFlag => "TCP flag",
            Self::NfProto => "netfilter protocol",
            Self::EtherType => "Ethernet protocol",
            Self::PktType => "packet type",
            Self::FibType => "fib address type",
            Self::Dscp => "Differentiated Services Code Point",
            Self::Ecn => "Explicit Congestion Notification",
            Self::Time => "relative time",
            Self::Bool => "boolean type",
            Self::Int(_) => "integer",
        }
    }

    /// Width in bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv6 | Self::Ifname => 128,
            Self::Ether => 48,
            Self::Time => 64,
            Self::Ipv4 | Self::Mark | Self::IfIndex | Self::CtState | Self::CtStatus | Self::FibType => 32,
            Self::Service | Self::EtherType => 16,
            Self::Dscp => 6,
            Self::Ecn => 2,
            Self::Bool => 1,
            Self::Proto
            | Self::CtDir
            | Self::IcmpType
            | Self::IcmpCode
            | Self::Icmp6Type
            | Self::Icmp6Code
            | Self::IcmpxCode
            | Self::TcpFlag
            | Self::NfProto
            | Self::PktType => 8,
            Self::Int(bits) => bits,
        }
    }

    /// The greatest value.
    #[must_use]
    pub const fn max(self) -> u128 {
        match self.bits() {
            128 => u128::MAX,
            bits => (1 << bits) - 1,
        }
    }

    /// Kept in the machine's byte order, not in that of the network.
    #[must_use]
    pub const fn is_host_endian(self) -> bool {
        matches!(
            self,
            Self::Mark
                | Self::Ifname
                | Self::IfIndex
                | Self::CtState
                | Self::CtStatus
                | Self::FibType
                | Self::Time
        )
    }

    /// Flags, of which a plain comparison tests whether any is set.
    #[must_use]
    pub const fn is_bitmask(self) -> bool {
        matches!(self, Self::CtState | Self::CtStatus | Self::TcpFlag)
    }

    /// Whether ranges that are a prefix are written as one.
    #[must_use]
    pub const fn has_prefix(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    /// The value of a word that is no number.
    ///
    /// # Errors
    /// What nft says about a word that it does not know.
    pub fn parse_word(self, word: &str) -> Result<u128, String> {
        if let Some((_, value)) = self.symbols().iter().find(|(name, _)| *name == word) {
            return Ok(*value);
        }
        match self {
            Self::Ipv4 | Self::Ipv6 => parse_address(self, word),
            Self::Ether => {
                word.parse::<MacAddr>().map(|m| bits_of(&m.0)).map_err(|_| "Invalid LL address".to_owned())
            }
            Self::Service => {
                SERVICES.iter().find(|(name, _)| *name == word).map(|(_, port)| *port).ok_or_else(|| {
                    "Could not resolve service: Servname not supported for ai_socktype".to_owned()
                })
            }
            Self::Proto => Err("Could not resolve protocol name".to_owned()),
            Self::Ifname => Ok(ifname(word)),
            Self::IfIndex => Err("Interface does not exist".to_owned()),
            Self::Time => parse_time(word).map(u128::from).ok_or_else(|| "Could not parse time".to_owned()),
            Self::Int(_) => Err(format!("Could not parse {}", self.title())),
            _ => Err(format!("Could not parse {}", self.title())),
        }
    }

    /// The value of a number.
    ///
    /// # Errors
    /// It is too large.
    pub fn parse_number(self, number: u128) -> Result<u128, String> {
        if self == Self::Ipv6 || self == Self::Ether {
            return Err("Could not resolve hostname: Name or service not known".to_owned());
        }
        if self == Self::Time {
            return Ok(number.saturating_mul(1000));
        }
        if number <= self.max() {
            return Ok(number);
        }
        Err(match self {
            Self::Service => "Service out of range".to_owned(),
            Self::Proto => "Protocol out of range".to_owned(),
            _ => format!("Value {number} exceeds valid range 0-{}", self.max()),
        })
    }

    /// Writes a value as a rule lists it.
    pub fn write(self, out: &mut String, value: u128) {
        let _ = match self {
            Self::Ipv4 => write!(out, "{}", Ipv4Addr::from(value as u32)),
            Self::Ipv6 => write!(out, "{}", Ipv6Addr::from(value)),
            Self::Ether => {
                let b = value.to_be_bytes();
                write!(
                    out,
                    "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                    b[10], b[11], b[12], b[13], b[14], b[15]
                )
            }
            Self::Mark => write!(out, "0x{value:08x}"),
            Self::Ifname => {
                out.push('"');
                let name = ifname_text(value);
                match name.strip_suffix('*') {
                    Some(name) => _ = write!(out, "{name}\\*"),
                    None => out.push_str(&name),
                }
                out.push('"');
                Ok(())
            }
            Self::Time => {
                out.push_str(&time_text(value as u64));
                Ok(())
            }
            _ if self.is_bitmask() => {
                self.write_flags(out, value);
                Ok(())
            }
            Self::Dscp => match symbol(self, value) {
                Some(name) => write!(out, "{name}"),
                None => write!(out, "0x{value:02x}"),
            },
            Self::EtherType => match symbol(self, value) {
                Some(name) => write!(out, "{name}"),
                None => write!(out, "{value}"),
            },
            _ => match symbol(self, value) {
                Some(name) => write!(out, "{name}"),
                None => write!(out, "{value}"),
            },
        };
    }

    /// Writes flags with commas in between.
    fn write_flags(self, out: &mut String, value: u128) {
        if value == 0 {
            out.push_str("0x0");
            return;
        }
        let mut rest = value;
        let mut first = true;
        for (name, bit) in self.symbols() {
            if rest & bit != 0 {
                if !first {
                    out.push(',');
                }
                out.push_str(name);
                first = false;
                rest &= !bit;
            }
        }
        if rest != 0 {
            let _ = write!(out, "{}0x{rest:x}", if first { "" } else { "," });
        }
    }
}

fn symbol(ty: Ty, value: u128) -> Option<&'static str> {
    ty.symbols().iter().find(|(_, v)| *v == value).map(|(name, _)| *name)
}

fn parse_address(ty: Ty, word: &str) -> Result<u128, String> {
    if word == "localhost" {
        return Ok(if ty == Ty::Ipv4 { u128::from(Ipv4Addr::LOCALHOST.to_bits()) } else { 1 });
    }
    match word.parse::<IpAddr>() {
        Ok(addr) if addr.is_ipv4() == (ty == Ty::Ipv4) => Ok(address_bits(addr)),
        Ok(_) => Err("Could not resolve hostname: Address family for hostname not supported".to_owned()),
        Err(_) => Err("Could not resolve hostname: Temporary failure in name resolution".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_from_the_lowest_bit() {
        let mut out = String::new();
        Ty::CtState.write(&mut out, 8 | 2);
        assert_eq!(out, "established,new");
    }

    #[test]
    fn a_number_may_stand_for_a_name() {
        let mut out = String::new();
        Ty::Proto.write(&mut out, 58);
        assert_eq!(out, "ipv6-icmp");
        assert_eq!(Ty::Service.parse_number(99_999), Err("Service out of range".to_owned()));
    }
}
