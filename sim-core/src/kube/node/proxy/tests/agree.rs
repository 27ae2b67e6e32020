//! The same packets meet the same fate in every mode, but for the known differences.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::select::{Viewpoint, select};
use super::super::services::Entry;
use super::node::{Kind, NODE_IP, Node, Outcome};
use super::random::{NODE, PORT, SERVICES, cluster_ip, entry, external_ip, key, load_balancer_ip, node_port};
use crate::kube::objects::Protocol;
use crate::packet::{IpPacket, Payload, Sctp, Tcp, TcpFlags, TcpOptions, Transport, Udp};

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    ClusterIp,
    ExternalIp,
    LoadBalancerIp,
    NodePort,
}

const TO: [To; 4] = [To::ClusterIp, To::ExternalIp, To::LoadBalancerIp, To::NodePort];
/// A pod, two pods that may be endpoints, addresses outside (one within a source range), the node itself.
const FROM: [&str; 6] = ["10.244.1.9", "10.244.1.5", "10.244.2.5", "198.51.100.7", "198.51.100.130", NODE_IP];

pub(super) fn packet(protocol: Protocol, src: IpAddr, dst: IpAddr, sport: u16, dport: u16) -> IpPacket {
    let transport = match protocol {
        Protocol::Udp => Transport::Udp(Udp { sport, dport, payload: Payload::Empty }),
        Protocol::Sctp => Transport::Sctp(Sctp::init(sport, dport)),
        Protocol::Tcp => Transport::Tcp(Tcp {
            sport,
            dport,
            seq: 1,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 64_240,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        }),
    };
    IpPacket::new(src, dst, transport)
}

fn target(to: To, i: u8) -> (IpAddr, u16) {
    match to {
        To::ClusterIp => (cluster_ip(i).into(), PORT),
        To::ExternalIp => (external_ip(i).into(), PORT),
        To::LoadBalancerIp => (load_balancer_ip(i).into(), PORT),
        To::NodePort => (NODE_IP.parse().unwrap(), node_port(i)),
    }
}

/// Whether iptables mode and nftables mode differ here in reality, and how.
fn differs(iptables: &[Outcome], nftables: &[Outcome], to: To, from: &str, known: bool) -> bool {
    match (iptables, nftables) {
        // A cluster IP that nobody has: not touched, or dropped. A source out of range: not looked at if nobody is there, or dropped.
        ([Outcome::None], [Outcome::Drop]) => {
            to == To::ClusterIp && !known || to == To::LoadBalancerIp && from == NODE_IP
        }
        ([Outcome::Reject], [Outcome::Drop]) => to == To::LoadBalancerIp,
        // Addresses outside without endpoints: iptables mode does not refuse what the node itself sends out.
        ([Outcome::None], [Outcome::Reject]) => {
            from == NODE_IP && matches!(to, To::ExternalIp | To::LoadBalancerIp)
        }
        _ => false,
    }
}

/// Where IPVS mode does something else than iptables mode in reality, what it does there; none where the two do the same.
fn ipvs_instead(entry: &Entry, to: To, from: &str) -> Option<BTreeSet<Outcome>> {
    let service = &entry.service;
    let chosen = select(service, &entry.endpoints, Viewpoint { node: NODE, zone: "" });
    let has = match to {
        To::ClusterIp => true,
        To::ExternalIp => !service.external_ips.is_empty(),
        To::LoadBalancerIp => !service.load_balancer_ips.is_empty(),
        To::NodePort => service.node_port.is_some(),
    };
    let local = if to == To::ClusterIp { service.internal_local } else { service.external_policy_local() };
    let real = if local && !chosen.local.is_empty() { &chosen.local } else { &chosen.cluster };
    let src: IpAddr = from.parse().unwrap();
    let is_pod = from.starts_with("10.244.");
    let ranges = &service.source_ranges;
    let guarded = to == To::LoadBalancerIp && !ranges.is_empty();
    let out_of_range = guarded && !ranges.iter().any(|net| net.contains(&src));
    let itself = |e: &&&super::super::model::Endpoint| e.at.ip() == src && e.node.as_deref() != Some(NODE);
    let differs = // Policy Local falls back to all endpoints, and holds for pods and the node, too.
        local
        // What the node sends to a load balancer has that address as its source as a rule, and only then it is asked for.
        || guarded && from == NODE_IP
        // Ranges are looked at before anything else …
        || out_of_range && real.is_empty()
        // … and what the node itself sends out is refused, too.
        || from == NODE_IP && real.is_empty() && matches!(to, To::ExternalIp | To::LoadBalancerIp)
        // A remote endpoint that comes back to itself by this node keeps its address.
        || real.iter().any(|e| itself(&e));
    if !has || !differs {
        return None;
    }
    if out_of_range && from != NODE_IP {
        return Some([Outcome::Drop].into());
    }
    if real.is_empty() {
        return Some([Outcome::Reject].into());
    }
    let masqueraded = if to == To::ClusterIp { !is_pod } else { !local };
    let hairpin = |e: &super::super::model::Endpoint| e.at.ip() == src && e.node.as_deref() == Some(NODE);
    Some(real.iter().map(|e| Outcome::Translated(e.at, masqueraded || hairpin(e))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_modes_agree(
        entries in (entry(0, false), entry(1, false), entry(2, false), entry(3, false)),
        flows in prop::collection::vec((0..SERVICES, prop::sample::select(TO.to_vec()), prop::sample::select(FROM.to_vec())), 12),
    ) {
        let entries = [entries.0, entries.1, entries.2, entries.3];
        let mut nodes = [Kind::Iptables, Kind::Nftables, Kind::Ipvs].map(Node::new);
        for node in &mut nodes {
            node.change((0..SERVICES).map(|i| (key(i), entries[usize::from(i)].clone())));
        }
        for (i, to, from) in flows {
            let (dst, dport) = target(to, i);
            let src: IpAddr = from.parse().unwrap();
            let make = |sport| packet(key(i).protocol, src, dst, sport, dport);
            let [iptables, nftables, ipvs] = nodes.each_mut().map(|n| n.outcomes(make).into_iter().collect::<Vec<_>>());
            let entry = &entries[usize::from(i)];
            let instead = entry.as_ref().and_then(|entry| ipvs_instead(entry, to, from));
            let wanted = instead.map_or_else(|| iptables.clone(), |all| all.into_iter().collect());
            prop_assert_eq!(&ipvs, &wanted, "{} to {:?} of {:#?}: iptables {:?}", from, to, entry, iptables);
            prop_assert!(
                iptables == nftables || differs(&iptables, &nftables, to, from, entry.is_some()),
                "{from} to {to:?} of {entry:#?}: {iptables:?} and {nftables:?}"
            );
        }
    }
}

/// The differences are there.
#[test]
fn where_the_modes_differ() {
    let endpoint = super::super::model::Endpoint::ready("10.244.2.5:8080".parse().unwrap(), None);
    let service = super::super::model::ServicePort {
        node_port: Some(node_port(0)),
        load_balancer_ips: [load_balancer_ip(0).into()].into_iter().collect(),
        source_ranges: ["198.51.100.0/25".parse().unwrap()].into_iter().collect(),
        ..super::super::model::ServicePort::internal(key(0), cluster_ip(0).into(), PORT)
    };
    let outcomes = |endpoints: Vec<_>, src: &str, dst: &str, dport: u16| {
        [Kind::Iptables, Kind::Nftables, Kind::Ipvs].map(|kind| {
            let mut node = Node::new(kind);
            let entry = Entry { service: service.clone(), endpoints: endpoints.clone() };
            node.change([(key(0), Some(entry))]);
            let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
            node.outcomes(|sport| packet(Protocol::Tcp, src, dst, sport, dport)).into_iter().next().unwrap()
        })
    };
    let there = || vec![endpoint.clone()];
    let (none, reject, drop) = (Outcome::None, Outcome::Reject, Outcome::Drop);
    let sent = Outcome::Translated(endpoint.at, true);
    let (cluster, balanced) = (cluster_ip(0).to_string(), load_balancer_ip(0).to_string());
    assert_eq!(
        outcomes(there(), "10.244.1.9", &cluster, 81),
        [none, reject, reject],
        "a port that the Service does not have"
    );
    assert_eq!(
        outcomes(there(), "10.244.1.9", "10.96.7.7", 80),
        [none, drop, none],
        "a cluster IP that nobody has"
    );
    assert_eq!(
        outcomes(vec![], "198.51.100.200", &balanced, PORT),
        [reject, drop, drop],
        "a source out of range, nobody there"
    );
    assert_eq!(
        outcomes(there(), "198.51.100.200", &balanced, PORT),
        [drop, drop, drop],
        "a source out of range"
    );
    assert_eq!(
        outcomes(there(), "127.0.0.1", "127.0.0.1", node_port(0)),
        [sent, none, none],
        "a node port on loopback"
    );
    assert_eq!(
        outcomes(there(), NODE_IP, NODE_IP, node_port(0)),
        [sent, sent, sent],
        "a node port on the node's address"
    );
}
