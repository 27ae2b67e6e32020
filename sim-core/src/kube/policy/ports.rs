//! Sets of ports and of connections, and the algebra over them.

use std::fmt;

use crate::kube::objects::Protocol;

/// The last port.
const LAST: u16 = u16::MAX;

/// The protocols of connections, in the order in which they are printed.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Sctp, Protocol::Tcp, Protocol::Udp];

/// Ports 1 to 65535 of one protocol: ranges in order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRanges(Vec<(u16, u16)>);

impl PortRanges {
    /// Every port.
    #[must_use]
    pub fn all() -> Self {
        Self::range(1, LAST)
    }

    /// Ports from the first to the last; none if the last comes before the first.
    #[must_use]
    pub fn range(first: u16, last: u16) -> Self {
        let first = first.max(1);
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// The ranges, first and last port of each.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is every port.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == [(1, LAST)]
    }

    /// Whether a port is among them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Those of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<(u16, u16)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Those of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut common, mut i, mut j) = (Vec::new(), 0, 0);
        while let (Some(a), Some(b)) = (self.0.get(i), other.0.get(j)) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                common.push((first, last));
            }
            if a.1 < b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        Self(common)
    }

    /// Those that are not here.
    #[must_use]
    pub fn complement(&self) -> Self {
        let (mut gaps, mut next) = (Vec::with_capacity(self.0.len() + 1), Some(1_u16));
        for (first, last) in &self.0 {
            if let Some(from) = next.filter(|from| from < first) {
                gaps.push((from, first - 1));
            }
            next = last.checked_add(1);
        }
        gaps.extend(next.map(|from| (from, LAST)));
        Self(gaps)
    }
}

impl fmt::Display for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}") } else { write!(f, "{comma}{first}-{last}") }?;
        }
        Ok(())
    }
}

/// Ports of every protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionSet([PortRanges; 3]);

impl ConnectionSet {
    /// Every port of every protocol.
    #[must_use]
    pub fn all() -> Self {
        Self([PortRanges::all(), PortRanges::all(), PortRanges::all()])
    }

    /// No port.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Ports of one protocol.
    #[must_use]
    pub fn of(protocol: Protocol, ports: PortRanges) -> Self {
        let mut set = Self::default();
        set.0[slot(protocol)] = ports;
        set
    }

    /// Its ports of a protocol.
    #[must_use]
    pub fn ports(&self, protocol: Protocol) -> &PortRanges {
        &self.0[slot(protocol)]
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.iter().all(PortRanges::is_empty)
    }

    /// Whether it is every connection.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().all(PortRanges::is_all)
    }

    /// Whether a port of a protocol is in it.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.ports(protocol).contains(port)
    }

    /// Those of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.each(other, PortRanges::union)
    }

    /// Those of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.each(other, PortRanges::intersection)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.each(other, |a, b| a.intersection(&b.complement()))
    }

    fn each(&self, other: &Self, with: impl Fn(&PortRanges, &PortRanges) -> PortRanges) -> Self {
        Self([0, 1, 2].map(|i| with(&self.0[i], &other.0[i])))
    }
}

const fn slot(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Sctp => 0,
        Protocol::Tcp => 1,
        Protocol::Udp => 2,
    }
}

/// As reachability reports write it: `TCP 80,443,UDP 53`, `All Connections`, `No Connections`.
impl fmt::Display for ConnectionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("All Connections");
        }
        if self.is_none() {
            return f.write_str("No Connections");
        }
        let mut comma = "";
        for protocol in PROTOCOLS {
            let ports = self.ports(protocol);
            if !ports.is_empty() {
                write!(f, "{comma}{protocol} {ports}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Ports near both ends.
    fn port() -> impl Strategy<Value = u16> {
        prop_oneof![1_u16..20, (u16::MAX - 20)..=u16::MAX]
    }

    fn ranges() -> impl Strategy<Value = PortRanges> {
        prop::collection::vec((port(), port()), 0..5).prop_map(|all| {
            all.iter().fold(PortRanges::default(), |sum, (a, b)| sum.union(&PortRanges::range(*a, *b)))
        })
    }

    fn members(ports: &PortRanges) -> BTreeSet<u16> {
        (1..=u16::MAX).filter(|p| ports.contains(*p)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ranges_are_sets(a in ranges(), b in ranges()) {
            let (x, y) = (members(&a), members(&b));
            prop_assert_eq!(members(&a.union(&b)), &x | &y);
            prop_assert_eq!(members(&a.intersection(&b)), &x & &y);
            prop_assert_eq!(members(&a.intersection(&b.complement())), &x - &y);
            prop_assert_eq!(a.complement().complement(), a);
        }
    }

    #[test]
    fn connections_are_printed_as_in_reports() {
        let tcp = |first, last| ConnectionSet::of(Protocol::Tcp, PortRanges::range(first, last));
        let mixed = tcp(80, 80)
            .union(&tcp(443, 445))
            .union(&ConnectionSet::of(Protocol::Udp, PortRanges::range(53, 53)));
        assert_eq!(mixed.to_string(), "TCP 80,443-445,UDP 53");
        assert_eq!(ConnectionSet::all().to_string(), "All Connections");
        assert_eq!(
            ConnectionSet::all().difference(&tcp(1, 80)).to_string(),
            "SCTP 1-65535,TCP 81-65535,UDP 1-65535"
        );
        assert_eq!(tcp(2, 1).to_string(), "No Connections");
    }
}
