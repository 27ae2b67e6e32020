//! Data types: how wide a value is, how it is read and how it is printed (`nft describe TYPE`).
//!
//! Every value is a number of at most 128 bits: addresses and ports as they stand in the packet, names of interfaces as their
//! sixteen bytes.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::MacAddr;

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

/// A name that stands for a number.
type Symbol = (&'static str, u128);

const CT_STATE: &[Symbol] =
    &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];
const CT_DIR: &[Symbol] = &[("original", 0), ("reply", 1)];
const CT_STATUS: &[Symbol] = &[
    ("expected", 1),
    ("seen-reply", 2),
    ("assured", 4),
    ("confirmed", 8),
    ("snat", 16),
    ("dnat", 32),
    ("dying", 512),
];
const TCP_FLAG: &[Symbol] =
    &[("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];
const ICMP_TYPE: &[Symbol] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];
const ICMP_CODE: &[Symbol] = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("frag-needed", 4),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];
const ICMP6_TYPE: &[Symbol] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];
const ICMP6_CODE: &[Symbol] = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];
const ICMPX_CODE: &[Symbol] =
    &[("no-route", 0), ("port-unreachable", 1), ("host-unreachable", 2), ("admin-prohibited", 3)];
const PROTO: &[Symbol] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6", 41),
    ("ospf", 89),
    ("pim", 103),
    ("ipcomp", 108),
    ("comp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];
const NF_PROTO: &[Symbol] = &[("ipv4", 2), ("ipv6", 10)];
const ETHER_TYPE: &[Symbol] =
    &[("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd), ("8021q", 0x8100), ("vlan", 0x8100)];
const PKT_TYPE: &[Symbol] = &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)];
const FIB_TYPE: &[Symbol] = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];
const DSCP: &[Symbol] = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("df", 0),
    ("be", 0),
    ("lephb", 1),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];
const ECN: &[Symbol] = &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];
const BOOL: &[Symbol] = &[("exists", 1), ("missing", 0)];
/// `/etc/services`, as far as rules name them.
const SERVICES: &[Symbol] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap2", 143),
    ("imap", 143),
    ("snmp", 161),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("nfs", 2049),
    ("mysql", 3306),
    ("postgresql", 5432),
    ("mdns", 5353),
    ("http-alt", 8080),
];

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

    const fn symbols(self) -> &'static [Symbol] {
        match self {
            Self::CtState => CT_STATE,
            Self::CtDir => CT_DIR,
            Self::CtStatus => CT_STATUS,
            Self::TcpFlag => TCP_FLAG,
            Self::IcmpType => ICMP_TYPE,
            Self::IcmpCode => ICMP_CODE,
            Self::Icmp6Type => ICMP6_TYPE,
            Self::Icmp6Code => ICMP6_CODE,
            Self::IcmpxCode => ICMPX_CODE,
            Self::Proto => PROTO,
            Self::NfProto => NF_PROTO,
            Self::EtherType => ETHER_TYPE,
            Self::PktType => PKT_TYPE,
            Self::FibType => FIB_TYPE,
            Self::Dscp => DSCP,
            Self::Ecn => ECN,
            Self::Bool => BOOL,
            Self::Ipv4
            | Self::Ipv6
            | Self::Ether
            | Self::Service
            | Self::Mark
            | Self::Ifname
            | Self::IfIndex
            | Self::Time
            | Self::Int(_) => &[],
        }
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

/// The bytes as one number.
pub(super) fn bits_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |all, b| all << 8 | u128::from(*b))
}

/// An address as a number.
pub(super) const fn address_bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => a.to_bits() as u128,
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// A number as an address.
pub(super) fn address(ty: Ty, bits: u128) -> IpAddr {
    if ty == Ty::Ipv4 { Ipv4Addr::from(bits as u32).into() } else { Ipv6Addr::from(bits).into() }
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

/// The sixteen bytes of an interface's name; without its `*` it stands for all names that begin so.
pub(super) fn ifname(name: &str) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    u128::from_be_bytes(bytes)
}

/// The name in sixteen bytes.
pub(super) fn ifname_text(value: u128) -> String {
    let bytes = value.to_be_bytes();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(16);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// `1d2h3m4s5ms` in milliseconds.
pub(super) fn parse_time(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let (unit, len) = if rest.starts_with("ms") {
            (1, 2)
        } else {
            match rest.bytes().next()? {
                b'd' => (86_400_000, 1),
                b'h' => (3_600_000, 1),
                b'm' => (60_000, 1),
                b's' => (1000, 1),
                _ => return None,
            }
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[len..];
        any = true;
    }
    any.then_some(total)
}

/// Milliseconds as `1d2h3m4s5ms`.
#[must_use]
pub(super) fn time_text(ms: u64) -> String {
    let mut out = String::new();
    let parts = [
        (ms / 86_400_000, "d"),
        (ms / 3_600_000 % 24, "h"),
        (ms / 60_000 % 60, "m"),
        (ms / 1000 % 60, "s"),
        (ms % 1000, "ms"),
    ];
    for (n, unit) in parts {
        if n > 0 {
            let _ = write!(out, "{n}{unit}");
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        assert_eq!(parse_time("1m30s"), Some(90_000));
        assert_eq!(parse_time("5"), None);
        assert_eq!(time_text(90_000), "1m30s");
        assert_eq!(time_text(9_944), "9s944ms");
    }

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
