//! `/etc/hosts` (hosts(5)), which C libraries read before they ask a name server.

use std::net::IpAddr;

/// The lines of the file: address, canonical name, aliases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Address and its names, in order of the file.
    pub entries: Vec<(IpAddr, Vec<String>)>,
}

impl Hosts {
    /// Reads the file; lines without a valid address or name are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let addr = words.next()?.parse().ok()?;
            let names: Vec<String> = words.map(str::to_owned).collect();
            (!names.is_empty()).then_some((addr, names))
        };
        Self { entries: text.lines().filter_map(entry).collect() }
    }

    /// The addresses of a name, in order of the file.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let name = super::name::relative(name);
        let has = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        self.entries.iter().filter(|(_, names)| has(names)).map(|(addr, _)| *addr).collect()
    }

    /// The canonical name of an address.
    #[must_use]
    pub fn name(&self, addr: IpAddr) -> Option<&str> {
        self.entries.iter().find(|(a, _)| *a == addr).and_then(|(_, names)| names.first()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_found() {
        let hosts = Hosts::parse(
            "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # v6\n10.244.1.5\tpod-a\nnonsense\n",
        );
        assert_eq!(hosts.addresses("LOCALHOST").len(), 2);
        assert_eq!(hosts.name("10.244.1.5".parse().unwrap()), Some("pod-a"));
        assert!(hosts.addresses("v6").is_empty());
    }
}
