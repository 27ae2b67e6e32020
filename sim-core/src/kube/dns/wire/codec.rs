//! Messages to bytes and back, by the crate `simple-dns`.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{self, OPT, OPTCode, RData};
use simple_dns::{
    CLASS, CharacterString, Label, Name, OPCODE, Packet, PacketFlag, RCODE, ResourceRecord, TYPE,
};

use super::{
    CLASS_IN, Edns, Flags, HEADER_LEN, Message, Question, Rcode, Record, RecordData, RecordType, Soa,
    WireError,
};

impl Message {
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
