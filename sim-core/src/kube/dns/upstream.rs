//! The resolver outside the cluster: what the gateway answers to CoreDNS and to the machines of the node network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::name;
use super::wire::{Message, Rcode, Record, RecordData, RecordType};

/// TTL of its records in seconds.
pub const TTL: u32 = 300;

/// A recursive resolver that knows a fixed set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Lower-case absolute names.
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl Upstream {
    /// Knows these names and addresses; a name given twice has all its addresses.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = (&'a str, Vec<IpAddr>)>) -> Self {
        let mut upstream = Self::default();
        for (name, addresses) in names {
            upstream.names.entry(name::absolute(name).to_ascii_lowercase()).or_default().extend(addresses);
        }
        upstream
    }

    /// The reply to a query; none for bytes that are no query. It answers recursively (RA), knows NXDOMAIN without a SOA, and
    /// has a pointer for every address it knows.
    #[must_use]
    pub fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let query = Message::parse(query).ok().filter(|q| !q.response && q.opcode == 0)?;
        let question = query.question.as_ref()?;
        let known = self.lookup(&question.name, question.rtype);
        let mut reply = query.reply(if known.is_some() { Rcode::NOERROR } else { Rcode::NXDOMAIN });
        reply.flags.ra = true;
        reply.answers = known.unwrap_or_default();
        reply.edns.clone_from(&query.edns);
        reply.to_compressed_bytes().ok()
    }

    fn lookup(&self, asked: &str, rtype: RecordType) -> Option<Vec<Record>> {
        if let Some(addr) = name::address_of_reverse(asked) {
            let names = self.names.iter().filter(|(_, addresses)| addresses.contains(&addr));
            let records: Vec<Record> = names
                .filter(|_| rtype == RecordType::PTR)
                .map(|(n, _)| Record::new(asked, TTL, RecordData::Ptr(n.clone())))
                .collect();
            return (!records.is_empty()).then_some(records);
        }
        let addresses = self.names.get(&asked.to_ascii_lowercase())?;
        let of_type = addresses.iter().map(|a| RecordData::of_address(*a)).filter(|d| d.rtype() == rtype);
        Some(of_type.map(|data| Record::new(asked, TTL, data)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, rtype: RecordType) -> Message {
        let upstream = Upstream::new([("www.example.com", vec!["93.184.216.34".parse().unwrap()])]);
        let query = Message::query(9, name, rtype).to_bytes().unwrap();
        Message::parse(&upstream.answer(&query).unwrap()).unwrap()
    }

    #[test]
    fn known_names_have_addresses_and_pointers() {
        let reply = ask("WWW.example.com", RecordType::A);
        assert_eq!((reply.id, reply.flags.ra, reply.flags.aa), (9, true, false));
        assert_eq!(reply.answers[0].name, "WWW.example.com.");
        assert!(ask("www.example.com", RecordType::AAAA).answers.is_empty());
        assert_eq!(ask("34.216.184.93.in-addr.arpa", RecordType::PTR).answers.len(), 1);
    }

    #[test]
    fn other_names_do_not_exist() {
        assert_eq!(ask("example.com", RecordType::A).rcode, Rcode::NXDOMAIN);
        assert_eq!(ask("1.1.1.1.in-addr.arpa", RecordType::PTR).rcode, Rcode::NXDOMAIN);
    }
}
