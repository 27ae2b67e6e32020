//! What IPv6 addresses mean: scopes, groups, the order on an interface, and which one a packet gets as its source (RFC 6724).
//!
//! IPv6 goes through the same stack as IPv4; the differences are here, in [`super::neigh`] and in the stack's neighbour discovery.
//! Left out: router solicitations and advertisements and with them addresses that a host makes up itself (every address but the
//! link-local one is set by hand), temporary addresses, multicast listener discovery (bridges flood groups, so that no report is
//! missed; no report is ever sent), detection of duplicate addresses (an address can be used at once, as with `nodad` or
//! `net.ipv6.conf.*.accept_dad=0`; probes of others are answered), extension headers other than the fragment header.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::Iface;
use crate::packet::MacAddr;
use crate::trace::IfId;

/// The least MTU in bytes with which an interface has IPv6 (RFC 8200, 5).
pub const MIN_MTU: u32 = 1280;
/// All nodes of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The group in which the owner of an address is asked for its hardware address (RFC 4291, 2.7.1).
#[must_use]
pub const fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let low = addr.to_bits() & 0xff_ffff;
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | low)
}

/// Whether an address is of a link only.
#[must_use]
pub const fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(a) if a.is_unicast_link_local())
}

/// The link-local address of a hardware address (RFC 4291, appendix A).
#[must_use]
pub const fn link_local_of(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let mut o = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0).octets();
    (o[8], o[9], o[10], o[13], o[14], o[15]) = (a ^ 2, b, c, d, e, f);
    Ipv6Addr::from_octets(o)
}

/// Scope of an address, as groups number it (RFC 4291, 2.7): 1 host, 2 link, 14 global. Unique local addresses are global.
#[must_use]
pub const fn scope(addr: Ipv6Addr) -> u8 {
    let o = addr.octets();
    if addr.is_multicast() {
        o[1] & 0xf
    } else if addr.is_loopback() {
        1
    } else if addr.is_unicast_link_local() {
        2
    } else if o[0] == 0xfe && o[1] & 0xc0 == 0xc0 {
        5
    } else {
        14
    }
}

/// Puts an address where the kernel lists it: IPv6 addresses by falling scope, the newest of one scope first
/// (`ipv6_link_dev_addr`).
pub(super) fn place(addrs: &mut Vec<IpNet>, new: IpNet) {
    let at = match new {
        IpNet::V4(_) => None,
        IpNet::V6(n) => {
            let own = scope(n.addr());
            addrs.iter().position(|a| matches!(a, IpNet::V6(old) if scope(old.addr()) <= own))
        }
    };
    addrs.insert(at.unwrap_or(addrs.len()), new);
}

/// Label of an address in the kernel's policy table (`ip6addrlbl_init_table`).
fn label(addr: Ipv6Addr) -> u8 {
    let s = addr.segments();
    let high = addr.to_bits() >> 32;
    match s[0] {
        _ if addr.is_loopback() => 0,
        _ if high == 0xffff => 4,
        _ if high == 0 => 3,
        0x2001 if s[1] == 0 => 6,
        0x2001 if s[1] & 0xfff0 == 0x10 => 7,
        0x2002 => 2,
        a if a & 0xfe00 == 0xfc00 => 5,
        _ => 1,
    }
}

/// The source address for a packet to `dst` that leaves by `out` (`ipv6_dev_get_saddr`): an address of any interface, or of `out`
/// only if the destination is of a link.
pub(super) fn source<'a>(
    ifaces: impl Iterator<Item = &'a Iface>,
    out: IfId,
    dst: Ipv6Addr,
) -> Option<Ipv6Addr> {
    let to = scope(dst);
    let of_link = dst.is_multicast() || to <= 2;
    let candidates = ifaces
        .filter(|i| i.up && (!of_link || i.id == out))
        .flat_map(|i| i.addrs.iter().map(move |a| (i.id == out, a)))
        .filter_map(|(own, net)| match net {
            IpNet::V6(n) => Some((own, n)),
            IpNet::V4(_) => None,
        });
    // Rules 1, 2, 5, 6, 8; of equals the first.
    let rank = |(own, net): (bool, &ipnet::Ipv6Net)| {
        let addr = net.addr();
        let have = scope(addr);
        // The least scope that reaches far enough; else the widest.
        let fit = if have >= to { (true, Reverse(have)) } else { (false, Reverse(u8::MAX - have)) };
        let common = (addr.to_bits() ^ dst.to_bits()).leading_zeros().min(u32::from(net.prefix_len()));
        (addr == dst, fit, own, label(addr) == label(dst), common)
    };
    let mut best = None;
    for (own, net) in candidates {
        let r = rank((own, net));
        if best.as_ref().is_none_or(|(b, _)| r > *b) {
            best = Some((r, net.addr()));
        }
    }
    best.map(|(_, addr)| addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_an_address_has_its_last_three_bytes() {
        let group = solicited_node("fd00:10:244:1::12:3456".parse().unwrap());
        assert_eq!(group, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn addresses_stand_by_scope_and_the_newest_first() {
        let mut addrs: Vec<IpNet> = vec!["10.0.0.1/24".parse().unwrap()];
        for a in ["fe80::1/64", "fd00:1::2/64", "fd00:5::5/128", "fd00:1::3/64"] {
            place(&mut addrs, a.parse().unwrap());
        }
        let text: Vec<String> = addrs.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["10.0.0.1/24", "fd00:1::3/64", "fd00:5::5/128", "fd00:1::2/64", "fe80::1/64"]);
    }

    #[test]
    fn scopes_and_labels_follow_the_tables() {
        let a = |s: &str| s.parse::<Ipv6Addr>().unwrap();
        assert_eq!(
            [scope(a("::1")), scope(a("fe80::1")), scope(a("fd00::1")), scope(a("ff02::1"))],
            [1, 2, 14, 2]
        );
        assert_eq!(
            [label(a("::1")), label(a("fd00::1")), label(a("2001:db8::1")), label(a("2002::1"))],
            [0, 5, 1, 2]
        );
    }
}
