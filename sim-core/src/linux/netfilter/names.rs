//! Names of protocols, services and networks: what `/etc/protocols`, `/etc/services` and `/etc/networks` of a Debian node say.

use crate::packet::proto;

/// Protocols by number; the first name is the one that is printed.
const PROTOCOLS: &[(u8, &[&str])] = &[
    (0, &["ip", "hopopt", "all"]),
    (1, &["icmp"]),
    (2, &["igmp"]),
    (3, &["ggp"]),
    (4, &["ipencap"]),
    (5, &["st"]),
    (6, &["tcp"]),
    (8, &["egp"]),
    (9, &["igp"]),
    (12, &["pup"]),
    (17, &["udp"]),
    (20, &["hmp"]),
    (22, &["xns-idp"]),
    (27, &["rdp"]),
    (29, &["iso-tp4"]),
    (33, &["dccp"]),
    (36, &["xtp"]),
    (37, &["ddp"]),
    (38, &["idpr-cmtp"]),
    (41, &["ipv6"]),
    (43, &["ipv6-route"]),
    (44, &["ipv6-frag"]),
    (45, &["idrp"]),
    (46, &["rsvp"]),
    (47, &["gre"]),
    (50, &["esp"]),
    (51, &["ah"]),
    (57, &["skip"]),
    (58, &["ipv6-icmp", "icmpv6", "icmp6"]),
    (59, &["ipv6-nonxt"]),
    (60, &["ipv6-opts"]),
    (73, &["rspf"]),
    (81, &["vmtp"]),
    (88, &["eigrp"]),
    (89, &["ospf"]),
    (93, &["ax.25"]),
    (94, &["ipip"]),
    (97, &["etherip"]),
    (98, &["encap"]),
    (103, &["pim"]),
    (108, &["ipcomp"]),
    (112, &["vrrp"]),
    (115, &["l2tp"]),
    (124, &["isis"]),
    (132, &["sctp"]),
    (133, &["fc"]),
    (135, &["mobility-header", "ipv6-mh", "mh"]),
    (136, &["udplite"]),
    (137, &["mpls-in-ip"]),
    (138, &["manet"]),
];

/// Services, one to a line: port, name, protocols; the main name of a port comes before its other names.
const SERVICES: &str = include_str!("services.txt");

/// Number of a protocol: a name in any case, or a number.
pub(in crate::linux) fn protocol_number(text: &str) -> Option<u8> {
    if let Some(n) = super::options::number(text) {
        return u8::try_from(n).ok();
    }
    PROTOCOLS.iter().find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(text))).map(|(n, _)| *n)
}

/// Name of a protocol, if it has one.
pub(in crate::linux) fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.binary_search_by_key(&number, |(n, _)| *n).ok().map(|i| PROTOCOLS[i].1[0])
}

/// Port of a service.
pub(in crate::linux) fn service_port(name: &str, protocol: u8) -> Option<u16> {
    services(protocol).find(|s| s.1 == name).map(|s| s.0)
}

/// Name of a service.
pub(super) fn service_name(port: u16, protocol: u8) -> Option<&'static str> {
    services(protocol).find(|s| s.0 == port).map(|s| s.1)
}

/// The services that a protocol knows; all for protocol 0.
fn services(protocol: u8) -> impl Iterator<Item = (u16, &'static str)> {
    let wanted = move |name: &str| match protocol {
        proto::TCP => name == "tcp",
        proto::UDP => name == "udp",
        proto::SCTP => name == "sctp",
        0 => true,
        _ => false,
    };
    SERVICES.lines().filter_map(move |line| {
        let mut words = line.split(' ');
        let (port, name) = (words.next()?.parse().ok()?, words.next()?);
        words.any(wanted).then_some((port, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_names_are_found() {
        assert!(PROTOCOLS.is_sorted_by_key(|(n, _)| *n));
        assert_eq!(protocol_name(58), Some("ipv6-icmp"));
        assert_eq!(protocol_number("TCP"), Some(6));
        assert_eq!(protocol_number("256"), None);
    }

    #[test]
    fn a_service_has_a_name_and_a_port_in_its_protocols() {
        assert_eq!(service_port("http", proto::TCP), Some(80));
        assert_eq!(service_port("http", proto::UDP), None);
        assert_eq!(service_port("www", 0), Some(80));
        assert_eq!(service_name(53, proto::UDP), Some("domain"));
        assert_eq!(service_name(9000, proto::TCP), None);
    }
}
