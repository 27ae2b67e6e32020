//! Address families of a cluster block: what a block leaves open in IPv6 and dual-stack clusters, and what does not fit together.
//!
//! Default subnets are those of kind. An IPv6 address that nobody names follows from the IPv4 address: 192.168.100.101 is
//! fd00:192:168:100::101.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::check::Marks;
use super::reader::Reader;
use super::yaml::Position;
use super::{ClusterConfig, IpFamily, NodeConfig};

/// kind's pod and Service subnets.
const PODS_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 56);
const SERVICES_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 112);
/// The API server wants no more than 20 bits of host part.
const SERVICE_BITS: u8 = 20;

/// The IPv6 address that goes with an IPv4 address, written with the same digits.
pub(super) fn counterpart(ip: Ipv4Addr) -> Ipv6Addr {
    // A decimal octet read as hexadecimal digits.
    let group = |octet: u8| {
        let octet = u16::from(octet);
        ((octet / 100) << 8) | ((octet / 10 % 10) << 4) | (octet % 10)
    };
    let [a, b, c, d] = ip.octets().map(group);
    Ipv6Addr::new(0xfd00, a, b, c, 0, 0, 0, d)
}

fn second(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => Some(counterpart(ip).into()),
        IpAddr::V6(_) => None,
    }
}

/// Fills in what the block leaves open.
pub(super) fn fill_in(config: &mut ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let given = |at: Position| at != Position::default();
    let (pods, services) = (given(marks.pod_subnet), given(marks.service_subnet));
    let net = &mut config.networking;
    match net.ip_family {
        IpFamily::V4 => return,
        IpFamily::V6 => {
            if !pods {
                net.pod_subnet = PODS_V6.into();
            }
            if !services {
                net.service_subnet = SERVICES_V6.into();
            }
        }
        IpFamily::Dual => {
            if !pods {
                net.second_pod_subnet = Some(PODS_V6.into());
            }
            if !services {
                net.second_service_subnet = Some(SERVICES_V6.into());
            }
            // One of the two in an order of its own leads.
            let v6_first = |ours: bool, other: &IpNet| !ours && other.addr().is_ipv6();
            if v6_first(services, &net.pod_subnet) {
                net.service_subnet = SERVICES_V6.into();
                net.second_service_subnet = Some(super::net([10, 96, 0, 0], 12));
            }
            if v6_first(pods, &net.service_subnet) {
                net.pod_subnet = PODS_V6.into();
                net.second_pod_subnet = Some(super::net([10, 244, 0, 0], 16));
            }
        }
    }
    if marks.cluster_dns.is_none()
        && let Some(ip) = nth(&config.networking.service_subnet, 10)
    {
        config.networking.cluster_dns = ip;
    }
    machines(config, marks, r);
}

/// Addresses of nodes and hosts.
fn machines(config: &mut ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let (family, v4_first) = (config.networking.ip_family, config.networking.pod_subnet.addr().is_ipv4());
    let mut next_v4 = Ipv4Addr::new(192, 168, 100, 100);
    for (i, node) in config.nodes.iter_mut().enumerate() {
        let named = marks.nodes.get(i).is_some_and(|m| m.ip_given);
        if !named && (family == IpFamily::V6 || !v4_first) {
            node.ip = counterpart(next_v4).into();
            node.second_ip = Some(next_v4.into()).filter(|_| family == IpFamily::Dual);
        }
        next_v4 = Ipv4Addr::from_bits(next_v4.to_bits().wrapping_add(1));
        let at = marks.nodes.get(i).map(|m| m.ip).unwrap_or_default();
        if family == IpFamily::Dual {
            lead(&mut node.ip, &mut node.second_ip, v4_first);
            node.second_ip = node.second_ip.or_else(|| second(node.ip));
            if node.second_ip.is_none() {
                let help = Some("write both: `ip: 192.168.100.101,fd00:192:168:100::101`".to_owned());
                r.error(at, format!("`{}` has no IPv4 address, and ipFamily is dual", node.name), help);
            }
        }
        if marks.nodes.is_empty() {
            // The default nodes: parts of the subnets in their order.
            let part = |subnet: &IpNet, prefix| subnet.subnets(prefix).ok()?.nth(i);
            let pods = config.networking.pod_subnet;
            node.pod_cidr = part(&pods, part_length(&pods)).unwrap_or(node.pod_cidr);
        }
    }
    for host in &mut config.hosts {
        if family == IpFamily::Dual {
            lead(&mut host.ip, &mut host.second_ip, v4_first);
            host.second_ip = host.second_ip.or_else(|| second(host.ip));
        }
    }
}

/// Puts the address of the leading family first.
fn lead(ip: &mut IpAddr, other: &mut Option<IpAddr>, v4_first: bool) {
    if let Some(second) = other
        && ip.is_ipv4() != v4_first
        && second.is_ipv4() == v4_first
    {
        std::mem::swap(ip, second);
    }
}

/// Length of a node's part of a pod subnet.
pub(super) const fn part_length(pods: &IpNet) -> u8 {
    match pods {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 64,
    }
}

/// Every address has the family that it should have; pairs have one of each.
pub(super) fn check(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let net = &config.networking;
    let dual = net.ip_family == IpFamily::Dual;
    let v4 = match net.ip_family {
        IpFamily::V4 => true,
        IpFamily::V6 => false,
        IpFamily::Dual => net.pod_subnet.addr().is_ipv4(),
    };
    let mut first = vec![
        (net.pod_subnet.addr(), marks.pod_subnet),
        (net.service_subnet.addr(), marks.service_subnet),
        (net.cluster_dns, marks.cluster_dns.unwrap_or_default()),
    ];
    let second = |net: Option<IpNet>| net.map(|n| n.addr());
    let mut pairs = vec![
        ("podSubnet", net.pod_subnet.addr(), second(net.second_pod_subnet), marks.pod_subnet),
        ("serviceSubnet", net.service_subnet.addr(), second(net.second_service_subnet), marks.service_subnet),
    ];
    for (i, node) in config.nodes.iter().enumerate() {
        let mark = marks.nodes.get(i).cloned().unwrap_or_default();
        let cidr = mark.pod_cidr.unwrap_or(mark.ip);
        pairs.push(("ip", node.ip, node.second_ip, mark.ip));
        first.push((node.ip, mark.ip));
        if mark.pod_cidr.is_some() || marks.nodes.is_empty() {
            first.push((node.pod_cidr.addr(), cidr));
        }
        if mark.pod_cidr.is_some() {
            pairs.push(("podCIDR", node.pod_cidr.addr(), second(node.second_pod_cidr), cidr));
        }
        let more = node.addresses.values().enumerate();
        let more = more.map(|(j, a)| (a.addr(), mark.addresses.get(j).copied().unwrap_or_default()));
        first.extend(more.filter(|_| !dual));
    }
    let hosts = config.hosts.iter().enumerate();
    first.extend(
        hosts.filter(|_| !dual).map(|(i, h)| (h.ip, marks.hosts.get(i).map(|m| m.ip).unwrap_or_default())),
    );
    for (ip, at) in first {
        if ip.is_ipv4() != v4 {
            let (wanted, family) = match (v4, dual) {
                (true, false) => ("IPv4", "is ipv4"),
                (false, false) => ("IPv6", "is ipv6"),
                (true, true) => ("IPv4", "is dual, with IPv4 first"),
                (false, true) => ("IPv6", "is dual, with IPv6 first"),
            };
            r.error(at, format!("{ip} is not an {wanted} address, and ipFamily {family}"), None);
        }
    }
    for (what, one, other, at) in pairs {
        match other {
            Some(other) if !dual => {
                let family = if v4 { "ipv4" } else { "ipv6" };
                r.error(at, format!("{what} has a second value, {other}, and ipFamily is {family}"), None);
            }
            Some(other) if one.is_ipv4() == other.is_ipv4() => {
                r.error(
                    at,
                    format!("{what} must have one value of each family: {one} and {other} are of one"),
                    None,
                );
            }
            // A machine without a second address was told so when it was to be derived.
            None if dual && what != "ip" => {
                let help = Some("write two, separated by a comma".to_owned());
                r.error(at, format!("{what} needs a value of each family, and ipFamily is dual"), help);
            }
            _ => {}
        }
    }
    let services = [Some(net.service_subnet), net.second_service_subnet];
    for net in services.into_iter().flatten().filter(|n| n.addr().is_ipv6()) {
        if net.prefix_len() < 128 - SERVICE_BITS {
            r.error(
                marks.service_subnet,
                format!("serviceSubnet {net} is too large: at least /108 in IPv6"),
                None,
            );
        }
    }
}

/// The `n`th address of a network, counted from the network's own.
#[must_use]
pub(super) fn nth(net: &IpNet, n: u32) -> Option<IpAddr> {
    let ip = match net.network() {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits().checked_add(n)?)),
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits().checked_add(n.into())?)),
    };
    net.contains(&ip).then_some(ip)
}

impl NodeConfig {
    /// Its addresses on the node network, of the leading family first.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + Clone {
        [Some(self.ip), self.second_ip].into_iter().flatten()
    }

    /// Its parts of the pod subnets.
    pub fn pod_cidrs(&self) -> impl Iterator<Item = IpNet> + Clone {
        [Some(self.pod_cidr), self.second_pod_cidr].into_iter().flatten()
    }
}

impl super::HostConfig {
    /// Its addresses.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + Clone {
        [Some(self.ip), self.second_ip].into_iter().flatten()
    }
}

impl super::Networking {
    /// The pod subnets, that of the leading family first.
    pub fn pod_subnets(&self) -> impl Iterator<Item = IpNet> + Clone {
        [Some(self.pod_subnet), self.second_pod_subnet].into_iter().flatten()
    }

    /// The Service subnets.
    pub fn service_subnets(&self) -> impl Iterator<Item = IpNet> + Clone {
        [Some(self.service_subnet), self.second_service_subnet].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_with_the_same_digits() {
        let ip = counterpart(Ipv4Addr::new(192, 168, 100, 9));
        assert_eq!(ip.to_string(), "fd00:192:168:100::9");
        assert_eq!(counterpart(Ipv4Addr::new(10, 0, 255, 101)).to_string(), "fd00:10:0:255::101");
    }
}
