//! Virtual addresses and node ports of Services.
//!
//! A range is divided so that addresses which people choose seldom meet those that the server draws: dynamic ones come from
//! the upper band, and from the lower one only when that is full
//! (<https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/>; for node ports the same since v1.28).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::chance::{Chance, Dice, Purpose};

/// First and last node port: `--service-node-port-range`.
const NODE_PORTS: (u16, u16) = (30_000, 32_767);

/// Why an address or port cannot be had, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AllocError {
    #[error("provided IP is already allocated")]
    IpTaken,
    #[error("provided port is already allocated")]
    PortTaken,
    #[error("the provided network does not match the current range")]
    OtherNetwork,
    #[error("the provided IP ({0}) is not in the valid range. The range of valid IPs is {1}")]
    IpOutside(IpAddr, IpNet),
    #[error("provided port is not in the valid range. The range of valid ports is {0}-{1}")]
    PortOutside(u16, u16),
    #[error("range is full")]
    Full,
}

/// Size of the lower band: a sixteenth of the range, at least 16 and at most 256; none in a tiny range.
fn lower_band(size: u128) -> u128 {
    const MIN: u128 = 16;
    const MAX: u128 = 256;
    if size <= MIN { 0 } else { (size / 16).clamp(MIN, MAX) }
}

/// Addresses of one family.
#[derive(Clone, Debug)]
pub(super) struct IpRange {
    net: IpNet,
    taken: BTreeSet<u128>,
}

impl IpRange {
    pub(super) fn new(net: IpNet) -> Self {
        Self { net: net.trunc(), taken: BTreeSet::new() }
    }

    pub(super) const fn is_v4(&self) -> bool {
        matches!(self.net, IpNet::V4(_))
    }

    /// First and last address that can be given away: neither the network's own nor, in IPv4, the broadcast address.
    fn bounds(&self) -> (u128, u128) {
        let first = number(self.net.network()).saturating_add(1);
        let last = number(self.net.broadcast());
        (first, if self.is_v4() { last.saturating_sub(1) } else { last })
    }

    fn address(&self, number: u128) -> IpAddr {
        if self.is_v4() {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(number))
        }
    }

    /// Takes a certain address.
    pub(super) fn take(&mut self, ip: IpAddr) -> Result<(), AllocError> {
        if !self.net.contains(&ip) {
            return Err(AllocError::OtherNetwork);
        }
        let (first, last) = self.bounds();
        let wanted = number(ip);
        if !(first..=last).contains(&wanted) {
            return Err(AllocError::IpOutside(ip, self.net));
        }
        if self.taken.insert(wanted) { Ok(()) } else { Err(AllocError::IpTaken) }
    }

    /// Takes any address that is neither taken nor reserved: from a random place in the upper band onwards.
    pub(super) fn take_any(
        &mut self,
        reserved: &BTreeSet<IpAddr>,
        dice: &mut Dice,
        place: u64,
    ) -> Result<IpAddr, AllocError> {
        let (first, last) = self.bounds();
        if first > last {
            return Err(AllocError::Full);
        }
        let size = number(self.net.broadcast()) - number(self.net.network()) + 1;
        let middle = first + lower_band(size);
        for (low, high) in [(middle, last), (first, middle.saturating_sub(1).min(last))] {
            if low > high {
                continue;
            }
            let span = u32::try_from(high - low + 1).unwrap_or(u32::MAX);
            let start = low + u128::from(dice.below(Purpose::Name, place, span));
            let free = |n: &u128| !self.taken.contains(n) && !reserved.contains(&self.address(*n));
            if let Some(found) = (start..=high).chain(low..start).find(free) {
                self.taken.insert(found);
                return Ok(self.address(found));
            }
        }
        Err(AllocError::Full)
    }

    pub(super) fn release(&mut self, ip: IpAddr) {
        self.taken.remove(&number(ip));
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// Node ports. The server gives each number away once, whatever the protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct PortRange {
    taken: BTreeSet<u16>,
}

impl PortRange {
    pub(super) fn take(&mut self, port: u16) -> Result<(), AllocError> {
        let (first, last) = NODE_PORTS;
        if !(first..=last).contains(&port) {
            return Err(AllocError::PortOutside(first, last));
        }
        if self.taken.insert(port) { Ok(()) } else { Err(AllocError::PortTaken) }
    }

    /// Takes a certain port; one that is pinned to another Service is as good as taken.
    pub(super) fn take_unless(&mut self, port: u16, pinned: &BTreeSet<u16>) -> Result<(), AllocError> {
        if pinned.contains(&port) { Err(AllocError::PortTaken) } else { self.take(port) }
    }

    pub(super) fn take_any(
        &mut self,
        reserved: &BTreeSet<u16>,
        dice: &mut Dice,
        place: u64,
    ) -> Result<u16, AllocError> {
        let (first, last) = NODE_PORTS;
        // A port range's lower band is a 32nd of it, 16 to 128 ports.
        let middle = first + ((last - first + 1) / 32).clamp(16, 128);
        for (low, high) in [(middle, last), (first, middle - 1)] {
            let span = u32::from(high - low) + 1;
            let start = low + u16::try_from(dice.below(Purpose::Name, place, span)).unwrap_or(0);
            let free = |p: &u16| !self.taken.contains(p) && !reserved.contains(p);
            if let Some(found) = (start..=high).chain(low..start).find(free) {
                self.taken.insert(found);
                return Ok(found);
            }
        }
        Err(AllocError::Full)
    }

    pub(super) fn release(&mut self, port: u16) {
        self.taken.remove(&port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(net: &str) -> IpRange {
        IpRange::new(net.parse().unwrap())
    }

    #[test]
    fn the_lower_band_is_a_sixteenth_within_bounds() {
        assert_eq!(lower_band(1 << 20), 256);
        assert_eq!(lower_band(1 << 10), 64);
        assert_eq!(lower_band(1 << 5), 16);
        assert_eq!(lower_band(1 << 4), 0);
    }

    #[test]
    fn dynamic_addresses_come_from_the_upper_band() {
        let mut dice = Dice::seeded(1);
        let mut ips = range("10.96.0.0/24");
        for _ in 0..100 {
            let ip = ips.take_any(&BTreeSet::new(), &mut dice, 7).unwrap();
            assert!(ip >= "10.96.0.17".parse::<IpAddr>().unwrap(), "{ip}");
        }
    }

    #[test]
    fn a_full_upper_band_falls_back_to_the_lower_one() {
        let mut dice = Dice::scripted(vec![]);
        let mut ips = range("10.96.0.0/27");
        let all: Vec<_> = std::iter::from_fn(|| ips.take_any(&BTreeSet::new(), &mut dice, 0).ok()).collect();
        assert_eq!(all.len(), 30);
        assert_eq!(all[0], "10.96.0.17".parse::<IpAddr>().unwrap());
        assert_eq!(all[29], "10.96.0.16".parse::<IpAddr>().unwrap());
        assert_eq!(ips.take_any(&BTreeSet::new(), &mut dice, 0), Err(AllocError::Full));
    }

    #[test]
    fn chosen_addresses_are_checked() {
        let mut ips = range("10.96.0.0/12");
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert_eq!(ips.take(ip("10.96.0.10")), Ok(()));
        assert_eq!(ips.take(ip("10.96.0.10")), Err(AllocError::IpTaken));
        assert_eq!(ips.take(ip("10.0.0.1")), Err(AllocError::OtherNetwork));
        let outside = ips.take(ip("10.96.0.0")).unwrap_err().to_string();
        assert_eq!(
            outside,
            "the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
        );
    }

    #[test]
    fn node_ports_are_given_once() {
        let mut ports = PortRange::default();
        assert_eq!(ports.take(30_080), Ok(()));
        assert_eq!(ports.take(30_080), Err(AllocError::PortTaken));
        assert_eq!(
            ports.take(80).unwrap_err().to_string(),
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        );
    }
}
