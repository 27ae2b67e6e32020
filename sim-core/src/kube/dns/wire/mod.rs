//! DNS messages (RFC 1035, EDNS RFC 6891) as values; the crate `simple-dns` writes and reads the bytes.

mod codec;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::name;

/// Length of a message header in bytes.
pub const HEADER_LEN: usize = 12;
/// The Internet class.
pub const CLASS_IN: u16 = 1;

/// A DNS message: a query or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Number that ties the response to its query.
    pub id: u16,
    /// QR: this is a response.
    pub response: bool,
    /// Kind of request; 0 is an ordinary query.
    pub opcode: u8,
    /// The other header bits.
    pub flags: Flags,
    /// Response code without EDNS' upper bits.
    pub rcode: Rcode,
    /// What is asked; none only in a reply to something unreadable.
    pub question: Option<Question>,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Authority section.
    pub authority: Vec<Record>,
    /// Additional section without OPT.
    pub additional: Vec<Record>,
    /// The OPT pseudo-record.
    pub edns: Option<Edns>,
}

/// Header bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Authoritative answer.
    pub aa: bool,
    /// Truncated.
    pub tc: bool,
    /// Recursion desired.
    pub rd: bool,
    /// Recursion available.
    pub ra: bool,
    /// Authentic data.
    pub ad: bool,
    /// Checking disabled.
    pub cd: bool,
}

/// The question of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Absolute name, letters as sent.
    pub name: String,
    /// Type asked for.
    pub rtype: RecordType,
    /// Class, usually [`CLASS_IN`].
    pub class: u16,
}

/// A resource record of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner, absolute.
    pub name: String,
    /// Time to live in seconds.
    pub ttl: u32,
    /// Type and data.
    pub data: RecordData,
}

/// The data of a record; names are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Canonical name.
    Cname(String),
    /// Name server.
    Ns(String),
    /// Name of an address.
    Ptr(String),
    /// Start of authority.
    Soa(Soa),
    /// Location of a service.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        target: String,
    },
    /// Text.
    Txt(Vec<Vec<u8>>),
    /// Mail exchanger.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Host.
        exchange: String,
    },
    /// Any other type, as bytes (without compressed names inside).
    Other {
        /// Its type.
        rtype: RecordType,
        /// Its data.
        data: Vec<u8>,
    },
}

/// Data of a SOA record; times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Primary name server.
    pub mname: String,
    /// Mailbox of the person in charge.
    pub rname: String,
    /// Version of the zone.
    pub serial: u32,
    /// Refresh interval.
    pub refresh: u32,
    /// Retry interval.
    pub retry: u32,
    /// Upper limit without refresh.
    pub expire: u32,
    /// TTL of negative answers.
    pub minimum: u32,
}

/// The OPT pseudo-record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Largest UDP message that the sender takes.
    pub udp_size: u16,
    /// DO: DNSSEC records wanted.
    pub dnssec_ok: bool,
    /// Option codes and data.
    pub options: Vec<(u16, Vec<u8>)>,
}

/// Type of a record or question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// Response code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u8);

/// Bytes that are no DNS message, or a value that does not fit into one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct WireError(String);

macro_rules! named_numbers {
    ($ty:ident, $($(#[$doc:meta])* $name:ident = $value:literal,)+) => {
        impl $ty {
            $($(#[$doc])* pub const $name: Self = Self($value);)+
            /// The mnemonic, where the number has one here.
            #[must_use]
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)+ _ => None }
            }
            /// The number of a mnemonic, letter case ignored.
            #[must_use]
            pub fn from_mnemonic(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case(stringify!($name)) { return Some(Self($value)); })+
                None
            }
        }
    };
}

named_numbers! { RecordType,
    /// IPv4 address.
    A = 1,
    /// Name server.
    NS = 2,
    /// Canonical name.
    CNAME = 5,
    /// Start of authority.
    SOA = 6,
    /// Pointer, the name of an address.
    PTR = 12,
    /// Host information.
    HINFO = 13,
    /// Mail exchanger.
    MX = 15,
    /// Text.
    TXT = 16,
    /// IPv6 address.
    AAAA = 28,
    /// Service location.
    SRV = 33,
    /// EDNS pseudo-record.
    OPT = 41,
    /// Incremental zone transfer.
    IXFR = 251,
    /// Zone transfer.
    AXFR = 252,
    /// All records.
    ANY = 255,
}

named_numbers! { Rcode,
    /// No error.
    NOERROR = 0,
    /// The query could not be read.
    FORMERR = 1,
    /// The server failed.
    SERVFAIL = 2,
    /// The name does not exist.
    NXDOMAIN = 3,
    /// This kind of request is not implemented.
    NOTIMP = 4,
    /// The server will not answer.
    REFUSED = 5,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(m) => f.write_str(m),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(m) => f.write_str(m),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

impl Message {
    /// An ordinary recursive query.
    #[must_use]
    pub fn query(id: u16, name: &str, rtype: RecordType) -> Self {
        let question = Question { name: name::absolute(name), rtype, class: CLASS_IN };
        Self {
            id,
            flags: Flags { rd: true, ..Flags::default() },
            question: Some(question),
            ..Self::default()
        }
    }

    /// An empty response to this query with `rcode`.
    #[must_use]
    pub fn reply(&self, rcode: Rcode) -> Self {
        Self {
            id: self.id,
            response: true,
            opcode: self.opcode,
            flags: Flags { rd: self.flags.rd, cd: self.flags.cd, ..Flags::default() },
            rcode,
            question: self.question.clone(),
            ..Self::default()
        }
    }

    /// Addresses in the answer section, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.answers.iter().filter_map(|r| r.data.address())
    }
}

impl RecordData {
    /// Its type.
    #[must_use]
    pub const fn rtype(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Cname(_) => RecordType::CNAME,
            Self::Ns(_) => RecordType::NS,
            Self::Ptr(_) => RecordType::PTR,
            Self::Soa(_) => RecordType::SOA,
            Self::Srv { .. } => RecordType::SRV,
            Self::Txt(_) => RecordType::TXT,
            Self::Mx { .. } => RecordType::MX,
            Self::Other { rtype, .. } => *rtype,
        }
    }

    /// The address of an A or AAAA record.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(a) => Some(IpAddr::V4(*a)),
            Self::Aaaa(a) => Some(IpAddr::V6(*a)),
            _ => None,
        }
    }

    /// An A or AAAA record's data.
    #[must_use]
    pub const fn of_address(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(a) => Self::A(a),
            IpAddr::V6(a) => Self::Aaaa(a),
        }
    }
}

impl Record {
    /// A record of class IN.
    #[must_use]
    pub fn new(name: impl Into<String>, ttl: u32, data: RecordData) -> Self {
        Self { name: name.into(), ttl, data }
    }
}
