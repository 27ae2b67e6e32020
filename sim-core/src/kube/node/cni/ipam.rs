//! Pod addresses of one node, as the host-local plugin hands them out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// The addresses of one node's pod range. The first host address is the bridge's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLocal {
    range: IpNet,
    used: BTreeSet<IpAddr>,
    /// Addresses that only the pod they are promised to may have.
    promised: BTreeSet<IpAddr>,
    last: Option<IpAddr>,
}

/// All addresses of the range are taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to allocate for range 0: no IP addresses available in range set: {first}-{last}")]
pub struct RangeFull {
    first: IpAddr,
    last: IpAddr,
}

impl HostLocal {
    /// A range in which nothing is taken but what is promised.
    #[must_use]
    pub fn new(range: IpNet, promised: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            range,
            used: BTreeSet::new(),
            promised: promised.into_iter().filter(|ip| range.contains(ip)).collect(),
            last: None,
        }
    }

    /// The bridge's address: the range's first.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        number(self.range, 1)
    }

    /// The range.
    #[must_use]
    pub const fn range(&self) -> IpNet {
        self.range
    }

    /// Takes the address that is wanted, or else the one after the last that was given out, around the end of the range.
    ///
    /// # Errors
    /// The range is full, or the wanted address is taken.
    pub fn allocate(&mut self, wanted: Option<IpAddr>) -> Result<IpAddr, RangeFull> {
        let (first, last) = (2, offset(self.range, self.range.broadcast()) - 1);
        let full = || RangeFull { first: number(self.range, 1), last: number(self.range, last) };
        if let Some(ip) = wanted {
            return if self.used.insert(ip) { Ok(ip) } else { Err(full()) };
        }
        let start = self.last.map_or(first, |ip| offset(self.range, ip) + 1);
        let mut order = (start..=last).chain(first..start.min(last + 1)).map(|n| number(self.range, n));
        let ip = order.find(|ip| !self.used.contains(ip) && !self.promised.contains(ip)).ok_or_else(full)?;
        self.used.insert(ip);
        self.last = Some(ip);
        Ok(ip)
    }

    /// Gives an address back.
    pub fn release(&mut self, ip: IpAddr) {
        self.used.remove(&ip);
    }
}

/// Ranges are small: a node has at most a /64, and never more than 2^32 pods.
fn number(range: IpNet, n: u64) -> IpAddr {
    match range.network() {
        IpAddr::V4(a) => IpAddr::V4(a.to_bits().wrapping_add(n as u32).into()),
        IpAddr::V6(a) => IpAddr::V6(a.to_bits().wrapping_add(u128::from(n)).into()),
    }
}

fn offset(range: IpNet, ip: IpAddr) -> u64 {
    match (range.network(), ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => u64::from(ip.to_bits().wrapping_sub(net.to_bits())),
        (IpAddr::V6(net), IpAddr::V6(ip)) => (ip.to_bits().wrapping_sub(net.to_bits())) as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_given_out_from_two_upwards() {
        let mut ipam = HostLocal::new("10.244.1.0/24".parse().unwrap(), []);
        assert_eq!(ipam.gateway(), ip("10.244.1.1"));
        assert_eq!(ipam.allocate(None), Ok(ip("10.244.1.2")));
        assert_eq!(ipam.allocate(None), Ok(ip("10.244.1.3")));
        ipam.release(ip("10.244.1.2"));
        assert_eq!(
            ipam.allocate(None),
            Ok(ip("10.244.1.4")),
            "an address rests until the range has been gone through"
        );
    }

    #[test]
    fn the_range_is_gone_through_again_from_the_start() {
        let mut ipam = HostLocal::new("10.244.1.0/29".parse().unwrap(), []);
        let all: Vec<_> = std::iter::from_fn(|| ipam.allocate(None).ok()).map(|ip| ip.to_string()).collect();
        assert_eq!(all, ["10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6"]);
        ipam.release(ip("10.244.1.3"));
        assert_eq!(ipam.allocate(None), Ok(ip("10.244.1.3")));
        insta::assert_snapshot!(ipam.allocate(None).unwrap_err(), @"failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.6");
    }

    #[test]
    fn a_promised_address_waits_for_its_pod() {
        let mut ipam = HostLocal::new("10.244.1.0/24".parse().unwrap(), [ip("10.244.1.2"), ip("10.244.2.9")]);
        assert_eq!(ipam.allocate(None), Ok(ip("10.244.1.3")));
        assert_eq!(ipam.allocate(Some(ip("10.244.1.2"))), Ok(ip("10.244.1.2")));
        assert_eq!(ipam.allocate(None), Ok(ip("10.244.1.4")), "a pinned address does not move the counter");
    }
}
