//! A node that kube-proxy programs, and everything else behind its gateway.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::super::agent::NodeProxy;
use super::super::iptables::{self, base_rules};
use super::super::ipvs;
use super::super::mode::{Iptables, Ipvs, Mode, Nftables, Shared};
use super::super::model::PortKey;
use super::super::nftables;
use super::super::services::{Entry, ServiceMap};
use super::random::NODE;
use crate::kube::node::agents::restore;
use crate::linux::World;
use crate::linux::ipvs::Scheduler;
use crate::linux::route::Route;
use crate::packet::{FrameBody, IpPacket};
use crate::trace::{DropReason, Family, IfId, NsId, Step, Verdict};

/// The node's own address.
pub(super) const NODE_IP: &str = "192.168.0.2";
const GATEWAY: &str = "192.168.0.254";

/// Which mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Iptables,
    Nftables,
    Ipvs,
}

pub(super) struct Node {
    pub(super) world: World,
    pub(super) ns: NsId,
    outside: NsId,
    eth0: IfId,
    services: ServiceMap,
    proxy: NodeProxy,
    /// No two packets are of one flow, whatever they are translated to.
    sport: u16,
}

/// What kubeadm configures for this node.
pub(super) fn settings() -> iptables::Settings {
    let node_ip: Option<IpAddr> = NODE_IP.parse().ok();
    iptables::Settings { node_ip, ..iptables::Settings::kubeadm("10.244.0.0/16".parse().unwrap()) }
}

fn mode(kind: Kind, today: &iptables::Settings) -> Mode {
    let node_ip = today.node_ip;
    match kind {
        Kind::Iptables => Mode::Iptables(Box::new(Iptables::new(today.clone()))),
        Kind::Nftables => Mode::Nftables(Box::new(Nftables::new(nftables::Settings {
            family: today.family,
            detector: today.detector.clone(),
            masquerade_all: today.masquerade_all,
            mark: today.mark,
            node_port_addresses: today
                .node_port_addresses
                .clone()
                .unwrap_or_else(|| node_ip.into_iter().collect()),
            node_ip,
            service_subnets: vec!["10.96.0.0/12".parse().unwrap()],
        }))),
        Kind::Ipvs => Mode::Ipvs(Box::new(Ipvs::new(ipvs::Settings {
            family: today.family,
            detector: today.detector.clone(),
            masquerade_all: today.masquerade_all,
            random_fully: true,
            mark: today.mark,
            scheduler: Scheduler::Rr,
            layout: ipvs::Layout::OutFilter,
            node_port_addresses: None,
            node_ip,
        }))),
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Reject,
    Drop,
    /// Sent to an endpoint, from the node's address or not.
    Translated(SocketAddr, bool),
    /// Not touched.
    None,
}

impl Node {
    pub(super) fn new(kind: Kind) -> Self {
        Self::with(kind, &settings())
    }

    /// A node whose kube-proxy is configured in another way.
    pub(super) fn with(kind: Kind, settings: &iptables::Settings) -> Self {
        let mut world = World::new(7);
        let (ns, outside) = (world.add_netns("node"), world.add_netns("outside"));
        let (eth0, gateway) = world.add_veth((ns, "eth0"), (outside, "eth0")).unwrap();
        let (node_ip, gateway_ip): (IpAddr, IpAddr) = (NODE_IP.parse().unwrap(), GATEWAY.parse().unwrap());
        let mac = |world: &World, ns, dev| world.ns(ns).iface(dev).unwrap().mac;
        let (node_mac, gateway_mac) = (mac(&world, ns, eth0), mac(&world, outside, gateway));
        for (at, ip, peer, peer_mac, dev) in
            [(ns, node_ip, gateway_ip, gateway_mac, eth0), (outside, gateway_ip, node_ip, node_mac, gateway)]
        {
            let stack = world.ns_mut(at);
            stack.addr_add("eth0", IpNet::new(ip, 24).unwrap()).unwrap();
            stack.link_set("eth0", true).unwrap();
            stack.neigh_add("eth0", peer, peer_mac).unwrap();
            stack.route_add(Route::default_via(peer, dev)).unwrap();
        }
        for (name, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv4.conf.all.route_localnet", "1"),
            ("net.ipv4.conf.all.send_redirects", "0"),
            ("net.ipv4.conf.eth0.send_redirects", "0"),
        ] {
            world.ns_mut(ns).sysctl_set(name, value).unwrap();
        }
        restore(world.ns_mut(ns), Family::V4, &base_rules(settings, kind == Kind::Iptables)).unwrap();
        let proxy = NodeProxy::new(NODE, "", ns, mode(kind, settings));
        Self { world, ns, outside, eth0, services: ServiceMap::new(Family::V4), proxy, sport: 20_000 }
    }

    /// Changes Services, and brings the rules up to date.
    pub(super) fn change(&mut self, changes: impl IntoIterator<Item = (PortKey, Option<Entry>)>) {
        for (key, entry) in changes {
            if entry.is_some() || self.services.get(&key).is_some() {
                self.services.set(key, entry);
            }
        }
        let changed = self.services.take_changed();
        let now = self.world.now();
        let ns = self.world.ns_mut(self.ns);
        self.proxy.sync(&self.services, &changed, &mut Shared::default(), ns, now).unwrap();
    }

    /// The Services that it has.
    pub(super) fn services(&self) -> Vec<(PortKey, Option<Entry>)> {
        self.services.iter().map(|(key, entry)| (key.clone(), Some((**entry).clone()))).collect()
    }

    pub(super) fn move_to(&mut self, zone: &str) -> bool {
        self.proxy.set_zone(zone)
    }

    pub(super) fn has_more(&self) -> bool {
        self.proxy.has_more()
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.world.run(until) {}
    }

    /// Everything that can become of a packet, sent from many source ports.
    pub(super) fn outcomes(&mut self, packet: impl Fn(u16) -> IpPacket) -> BTreeSet<Outcome> {
        let mut met = BTreeSet::new();
        for _ in 0..50 {
            self.sport += 1;
            met.insert(self.send(packet(self.sport)));
            if !met.iter().all(|o| matches!(o, Outcome::Translated(..))) {
                break;
            }
        }
        met
    }

    fn send(&mut self, sent: IpPacket) -> Outcome {
        let is_own = |ip: IpAddr| ip.is_loopback() || ip.to_string() == NODE_IP;
        let from = if is_own(sent.src) { self.ns } else { self.outside };
        self.world.start_recording();
        // An error at once is in the trace, too.
        let _ = self.world.raw_send(from, sent.clone());
        self.wait(Duration::from_millis(20));
        let trace = self.world.take_trace();
        let ip = |frame: &crate::packet::Frame| match &frame.body {
            FrameBody::Ip(packet) => Some(packet.clone()),
            FrameBody::Arp(_) => None,
        };
        let same = |p: &IpPacket| (p.src, p.dst, p.ports()) == (sent.src, sent.dst, sent.ports());
        let journeys = trace.journeys();
        let journey = journeys.iter().find(|j| j.first().and_then(&ip).is_some_and(|p| same(&p)));
        match journey.expect("the packet left a trace").verdict() {
            Some(
                Verdict::Rejected { rule: Some(_), .. }
                | Verdict::Rejected { reason: Some(DropReason::IpvsNoServer { .. }), .. },
            ) => return Outcome::Reject,
            Some(Verdict::Dropped { reason: DropReason::Netfilter(_) }) => return Outcome::Drop,
            _ => {}
        }
        let port = |p: &IpPacket| p.ports().unwrap_or_default();
        let left = trace
            .events()
            .filter(|e| e.ns == self.ns && matches!(e.step, Step::Tx { iface } if *iface == self.eth0))
            .filter_map(|e| ip(trace.frame(&e)))
            .find(|p| p.protocol() == sent.protocol() && (p.dst, port(p).1) != (sent.dst, port(&sent).1));
        // An answer of the node itself goes back to the sender.
        let Some(left) = left.filter(|p| p.dst != sent.src || port(p).0 != port(&sent).1) else {
            return Outcome::None;
        };
        let masqueraded = trace.events().any(|e| {
            let masquerades =
                |text: &str| text.contains("MASQUERADE") || text.contains("masquerade fully-random");
            e.ns == self.ns && matches!(e.step, Step::Rule { rule, .. } if masquerades(&rule.text))
        });
        Outcome::Translated(SocketAddr::new(left.dst, port(&left).1), masqueraded)
    }
}
