//! DNS messages (RFC 1035, EDNS RFC 6891) as values; the crate `simple-dns` writes and reads the bytes.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{self, OPT, OPTCode, RData};
use simple_dns::{
    CLASS, CharacterString, Label, Name, OPCODE, Packet, PacketFlag, RCODE, ResourceRecord, TYPE,
};
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

    /// The bytes, each name in full.
    ///
    /// # Errors
    /// If a name or text is too long for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        self.build(false)
    }

    /// The bytes with compressed names.
    ///
    /// # Errors
    /// If a name or text is too long for the format.
    pub fn to_compressed_bytes(&self) -> Result<Vec<u8>, WireError> {
        self.build(true)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If the bytes are no message with at most one question.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let count = bytes.get(4..6).ok_or_else(|| WireError("short header".to_owned()))?;
        let mut copy = bytes.to_vec();
        copy[3] &= !RESERVED_BIT;
        let (rtype, class) = match count {
            [0, 0] => (RecordType::A, CLASS_IN),
            [0, 1] => mask_question(&mut copy)?,
            _ => return Err(WireError("more than one question".to_owned())),
        };
        let packet = Packet::parse(&copy)?;
        let mut message = Self {
            id: packet.id(),
            response: packet.has_flags(PacketFlag::RESPONSE),
            opcode: bytes[2] >> 3 & 15,
            flags: flags_of(&packet),
            rcode: Rcode(bytes[3] & 15),
            edns: packet.opt().map(Edns::of),
            ..Self::default()
        };
        message.question =
            packet.questions.first().map(|q| Question { name: text_of(&q.qname), rtype, class });
        message.answers = packet.answers.iter().map(Record::of).collect();
        message.authority = packet.name_servers.iter().map(Record::of).collect();
        message.additional = packet.additional_records.iter().map(Record::of).collect();
        Ok(message)
    }

    fn build(&self, compress: bool) -> Result<Vec<u8>, WireError> {
        let mut packet = if self.response { Packet::new_reply(self.id) } else { Packet::new_query(self.id) };
        *packet.opcode_mut() = OPCODE::from(u16::from(self.opcode));
        *packet.rcode_mut() = RCODE::from(u16::from(self.rcode.0));
        packet.set_flags(self.flags.bits());
        if let Some(q) = &self.question {
            let name = name_of(&q.name)?;
            packet.questions.push(simple_dns::Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
        }
        for (from, to) in [
            (&self.answers, &mut packet.answers),
            (&self.authority, &mut packet.name_servers),
            (&self.additional, &mut packet.additional_records),
        ] {
            *to = from.iter().map(Record::build).collect::<Result<_, _>>()?;
        }
        // As an ordinary record at the end, where CoreDNS puts it, and with the DO bit where RFC 6891 puts it.
        packet.additional_records.extend(self.edns.as_ref().map(Edns::build));
        let mut bytes =
            if compress { packet.build_bytes_vec_compressed()? } else { packet.build_bytes_vec()? };
        if let Some(q) = &self.question {
            let at = question_type_at(&bytes)?;
            bytes[at..at + 2].copy_from_slice(&q.rtype.0.to_be_bytes());
            bytes[at + 2..at + 4].copy_from_slice(&q.class.to_be_bytes());
        }
        Ok(bytes)
    }
}

/// The bit of the fourth header byte that must be zero; real servers ignore it.
const RESERVED_BIT: u8 = 0x40;

/// Takes type and class out of the question and puts A and IN there: `simple-dns` refuses types that it does not know.
fn mask_question(bytes: &mut [u8]) -> Result<(RecordType, u16), WireError> {
    let at = question_type_at(bytes)?;
    let number = |i| u16::from_be_bytes([bytes[i], bytes[i + 1]]);
    let (rtype, class) = (RecordType(number(at)), number(at + 2));
    bytes[at..at + 4].copy_from_slice(&[0, 1, 0, 1]);
    Ok((rtype, class))
}

fn question_type_at(bytes: &[u8]) -> Result<usize, WireError> {
    let mut at = HEADER_LEN;
    while let Some(&len @ 1..=63) = bytes.get(at) {
        at += 1 + usize::from(len);
    }
    match bytes.get(at) {
        Some(0) if at + 5 <= bytes.len() => Ok(at + 1),
        _ => Err(WireError("unreadable question".to_owned())),
    }
}

fn flags_of(packet: &Packet<'_>) -> Flags {
    Flags {
        aa: packet.has_flags(PacketFlag::AUTHORITATIVE_ANSWER),
        tc: packet.has_flags(PacketFlag::TRUNCATION),
        rd: packet.has_flags(PacketFlag::RECURSION_DESIRED),
        ra: packet.has_flags(PacketFlag::RECURSION_AVAILABLE),
        ad: packet.has_flags(PacketFlag::AUTHENTIC_DATA),
        cd: packet.has_flags(PacketFlag::CHECKING_DISABLED),
    }
}

impl Flags {
    fn bits(self) -> PacketFlag {
        let mut bits = PacketFlag::empty();
        for (on, flag) in [
            (self.aa, PacketFlag::AUTHORITATIVE_ANSWER),
            (self.tc, PacketFlag::TRUNCATION),
            (self.rd, PacketFlag::RECURSION_DESIRED),
            (self.ra, PacketFlag::RECURSION_AVAILABLE),
            (self.ad, PacketFlag::AUTHENTIC_DATA),
            (self.cd, PacketFlag::CHECKING_DISABLED),
        ] {
            bits.set(flag, on);
        }
        bits
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

    fn of(data: &RData<'_>) -> Self {
        match data {
            RData::A(a) => Self::A(Ipv4Addr::from(a.address)),
            RData::AAAA(a) => Self::Aaaa(Ipv6Addr::from(a.address)),
            RData::CNAME(n) => Self::Cname(text_of(n)),
            RData::NS(n) => Self::Ns(text_of(n)),
            RData::PTR(n) => Self::Ptr(text_of(n)),
            RData::SOA(s) => Self::Soa(Soa {
                mname: text_of(&s.mname),
                rname: text_of(&s.rname),
                serial: s.serial,
                refresh: s.refresh.cast_unsigned(),
                retry: s.retry.cast_unsigned(),
                expire: s.expire.cast_unsigned(),
                minimum: s.minimum,
            }),
            RData::SRV(s) => {
                Self::Srv { priority: s.priority, weight: s.weight, port: s.port, target: text_of(&s.target) }
            }
            RData::MX(m) => Self::Mx { preference: m.preference, exchange: text_of(&m.exchange) },
            RData::TXT(_) => Self::Txt(character_strings(&raw_of(data))),
            other => Self::Other { rtype: RecordType(other.type_code().into()), data: raw_of(other) },
        }
    }

    fn build(&self) -> Result<RData<'_>, WireError> {
        Ok(match self {
            Self::A(a) => RData::A((*a).into()),
            Self::Aaaa(a) => RData::AAAA((*a).into()),
            Self::Cname(n) => RData::CNAME(name_of(n)?.into()),
            Self::Ns(n) => RData::NS(name_of(n)?.into()),
            Self::Ptr(n) => RData::PTR(name_of(n)?.into()),
            Self::Soa(s) => RData::SOA(rdata::SOA {
                mname: name_of(&s.mname)?,
                rname: name_of(&s.rname)?,
                serial: s.serial,
                refresh: s.refresh.cast_signed(),
                retry: s.retry.cast_signed(),
                expire: s.expire.cast_signed(),
                minimum: s.minimum,
            }),
            Self::Srv { priority, weight, port, target } => RData::SRV(rdata::SRV {
                priority: *priority,
                weight: *weight,
                port: *port,
                target: name_of(target)?,
            }),
            Self::Mx { preference, exchange } => {
                RData::MX(rdata::MX { preference: *preference, exchange: name_of(exchange)? })
            }
            Self::Txt(strings) => {
                let mut txt = rdata::TXT::new();
                for s in strings {
                    txt.add_char_string(CharacterString::new(s)?);
                }
                RData::TXT(txt)
            }
            Self::Other { rtype, data } => RData::NULL(rtype.0, rdata::NULL::new(data)?),
        })
    }
}

impl Record {
    /// A record of class IN.
    #[must_use]
    pub fn new(name: impl Into<String>, ttl: u32, data: RecordData) -> Self {
        Self { name: name.into(), ttl, data }
    }

    fn of(record: &ResourceRecord<'_>) -> Self {
        Self { name: text_of(&record.name), ttl: record.ttl, data: RecordData::of(&record.rdata) }
    }

    fn build(&self) -> Result<ResourceRecord<'_>, WireError> {
        Ok(ResourceRecord::new(name_of(&self.name)?, CLASS::IN, self.ttl, self.data.build()?))
    }
}

/// The DO bit of the OPT record's TTL field.
const DNSSEC_OK: u32 = 0x8000;

impl Edns {
    fn of(opt: &OPT<'_>) -> Self {
        Self {
            udp_size: opt.udp_packet_size,
            // simple-dns 0.13 reads the second-lowest byte of the TTL field as the version; its top bit is DO.
            dnssec_ok: opt.version & 0x80 != 0,
            options: opt.opt_codes.iter().map(|o| (o.code, o.data.to_vec())).collect(),
        }
    }

    fn build(&self) -> ResourceRecord<'_> {
        let codes =
            self.options.iter().map(|(code, data)| OPTCode { code: *code, data: Cow::Borrowed(&data[..]) });
        let opt = OPT { opt_codes: codes.collect(), udp_packet_size: self.udp_size, version: 0 };
        let ttl = if self.dnssec_ok { DNSSEC_OK } else { 0 };
        ResourceRecord::new(Name::new_with_labels(&[]), CLASS::IN, ttl, RData::OPT(opt))
    }
}

impl From<simple_dns::SimpleDnsError> for WireError {
    fn from(e: simple_dns::SimpleDnsError) -> Self {
        Self(e.to_string())
    }
}

/// Text to labels: `\.` and `\DDD` are undone.
fn name_of(text: &str) -> Result<Name<'_>, WireError> {
    Ok(Name::new(text)?)
}

/// Labels to text with a final dot; what is not printable becomes `\DDD` (RFC 4343).
fn text_of(name: &Name<'_>) -> String {
    let mut text = String::new();
    for label in name.get_labels() {
        push_label(&mut text, label);
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

fn push_label(text: &mut String, label: &Label<'_>) {
    for &b in label.as_ref() {
        match b {
            b'.' | b'\\' => text.extend(['\\', char::from(b)]),
            b'!'..=b'~' => text.push(char::from(b)),
            _ => text.push_str(&format!("\\{b:03}")),
        }
    }
}

fn raw_of(data: &RData<'_>) -> Vec<u8> {
    // The crate offers the bytes of one record's data only as part of a message.
    let mut packet = Packet::new_reply(0);
    packet.answers.push(ResourceRecord::new(Name::new_with_labels(&[]), CLASS::IN, 0, data.clone()));
    let bytes = packet.build_bytes_vec().unwrap_or_default();
    bytes.get(HEADER_LEN + 11..).unwrap_or_default().to_vec()
}

fn character_strings(mut raw: &[u8]) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    while let Some((&len, rest)) = raw.split_first() {
        let (string, rest) = rest.split_at(usize::from(len).min(rest.len()));
        strings.push(string.to_vec());
        raw = rest;
    }
    strings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_keeps_unknown_types_and_letter_case() {
        let mut query = Message::query(7, "Web.App.svc.cluster.local", RecordType(52));
        query.edns = Some(Edns { udp_size: 1232, dnssec_ok: true, options: vec![(10, vec![1; 8])] });
        let bytes = query.to_bytes().unwrap();
        assert_eq!(Message::parse(&bytes).unwrap(), query);
    }

    #[test]
    fn a_reply_survives_with_all_its_records() {
        let mut reply = Message::query(1, "a.", RecordType::ANY).reply(Rcode::NOERROR);
        reply.flags.aa = true;
        reply.answers = vec![
            Record::new("a.", 5, RecordData::A([10, 0, 0, 1].into())),
            Record::new("a.", 5, RecordData::Aaaa("fd00::1".parse().unwrap())),
            Record::new("a.", 5, RecordData::Cname(r"b\.c.".to_owned())),
            Record::new("a.", 5, RecordData::Txt(vec![b"1.1.0".to_vec()])),
            Record::new("a.", 5, RecordData::Mx { preference: 10, exchange: "m.".to_owned() }),
            Record::new("a.", 5, RecordData::Other { rtype: RecordType(99), data: vec![1, 2] }),
        ];
        reply.additional = vec![Record::new(
            "s.a.",
            5,
            RecordData::Srv { priority: 0, weight: 100, port: 80, target: "t.a.".to_owned() },
        )];
        for bytes in [reply.to_bytes().unwrap(), reply.to_compressed_bytes().unwrap()] {
            assert_eq!(Message::parse(&bytes).unwrap(), reply);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = Message::parse(&bytes) {
                let _ = message.to_compressed_bytes();
            }
        }

        #[test]
        fn no_bytes_after_a_good_header_panic(mut bytes in proptest::collection::vec(any::<u8>(), 12..200)) {
            bytes[4..12].copy_from_slice(&[0, 1, 0, 2, 0, 1, 0, 1]);
            if let Ok(message) = Message::parse(&bytes) {
                let _ = message.to_bytes();
            }
        }
    }
}
