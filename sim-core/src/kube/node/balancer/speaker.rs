//! One node answers ARP and neighbour solicitations for the addresses of a Service, as MetalLB's speakers do in layer-2 mode.
//!
//! Every speaker knows which of them are alive, puts the nodes into an order that depends on the first address, and answers if its own node
//! is the first (`speaker/layer2_controller.go`). A speaker counts as dead when its node's card is down. Left out: pools and
//! advertisements as objects, and that it takes the speakers some seconds to miss one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use super::{Balancer, Front};
use crate::kube::controllers::reference;
use crate::kube::node::agents::Hands;
use crate::kube::objects::{EndpointSlice, Service};
use crate::kube::store::{EventType, Store};
use crate::linux::World;
use crate::packet::{Arp, ArpOp, Frame, FrameBody, Icmp, IpPacket, MacAddr, Transport};
use crate::trace::NsId;

/// Every host of a link, and the hardware address of that group.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
/// The interface on which nodes answer.
const DEV: &str = "eth0";

impl Balancer {
    /// Brings the answers of all nodes in step.
    pub(super) fn speak(&mut self, hands: &mut Hands<'_>) {
        let mut wanted: BTreeMap<IpAddr, (usize, Front)> = BTreeMap::new();
        for front in &self.fronts {
            if let Some(node) = self.first(front, hands) {
                wanted.insert(front.vip, (node, front.clone()));
            }
        }
        for (ip, node) in std::mem::take(&mut self.held) {
            if let Some(node) = node.filter(|n| wanted.get(&ip).is_none_or(|(first, _)| first != n)) {
                self.answer(node, ip, false, hands.world);
            } else {
                self.held.insert(ip, node);
            }
        }
        for (ip, (node, front)) in wanted {
            if self.held.insert(ip, Some(node)) != Some(Some(node)) {
                self.answer(node, ip, true, hands.world);
                announce(hands.world, self.targets[node].ns, ip);
                if front.vip == front.lead {
                    self.tell(&front, node, hands);
                }
            }
        }
    }

    /// The node that is to answer: of those that can, the first in the order of hashes of its name and the address.
    fn first(&self, front: &Front, hands: &Hands<'_>) -> Option<usize> {
        let serving = serving_nodes(front, hands.store);
        if serving.is_empty() {
            return None;
        }
        let alive = |node: &usize| hands.world.bare(self.targets[*node].ns).by_name(DEV).is_ok_and(|i| i.up);
        let can = |node: &usize| alive(node) && (!front.local || serving.contains(&self.targets[*node].name));
        let able = self.eligible.iter().copied().filter(can);
        able.min_by_key(|node| Sha256::digest(format!("{}#{}", self.targets[*node].name, front.lead)))
    }

    fn answer(&mut self, node: usize, ip: IpAddr, on: bool, world: &mut World) {
        let target = &self.targets[node];
        if let Err(e) = world.bare_mut(target.ns).answer_for(DEV, ip, on) {
            self.problems.push(format!("{}: {e}", target.name));
        }
    }

    fn tell(&self, front: &Front, node: usize, hands: &mut Hands<'_>) {
        let Some(service) = hands.store.read::<Service>(&front.name.0, &front.name.1) else { return };
        let message = format!("announcing from node {:?} with protocol \"layer2\"", self.targets[node].name);
        let (about, now) = (reference(service), hands.now());
        hands.store.event(&about, EventType::Normal, "nodeAssigned", "metallb-speaker", &message, now);
    }
}

/// Nodes with endpoints that serve; an endpoint on no node counts for the Service as a whole.
fn serving_nodes(front: &Front, store: &Store) -> BTreeSet<String> {
    let (namespace, name) = (&front.name.0, front.name.1.as_str());
    let slices = store.all::<EndpointSlice>(Some(namespace)).filter(|s| s.service_name() == Some(name));
    let endpoints = slices.flat_map(|s| &s.endpoints).filter(|e| e.conditions.is_serving());
    endpoints.map(|e| e.node_name.clone().unwrap_or_default()).collect()
}

/// Tells the neighbours whose address it is now: a gratuitous ARP request, or an advertisement to all that nobody asked for.
fn announce(world: &mut World, ns: NsId, ip: IpAddr) {
    let Ok((dev, mac, link_local)) = world.bare(ns).by_name(DEV).map(|i| (i.id, i.mac, i.own_link_local()))
    else {
        return;
    };
    let frame = match (ip, link_local) {
        (IpAddr::V4(ip), _) => {
            let (op, target_mac) = (ArpOp::Request, MacAddr::ZERO);
            let arp = Arp { op, sender_mac: mac, sender_ip: ip, target_mac, target_ip: ip };
            Frame { dst: MacAddr::BROADCAST, src: mac, body: FrameBody::Arp(arp) }
        }
        (IpAddr::V6(target), Some(from)) => {
            let (target_mac, solicited) = (Some(mac), false);
            let advert =
                Icmp::NeighbourAdvert { target, target_mac, router: false, solicited, replaces: true };
            let packet =
                IpPacket { ttl: 255, ..IpPacket::new(from, ALL_NODES.into(), Transport::Icmp(advert)) };
            Frame { dst: ALL_NODES_MAC, src: mac, body: FrameBody::Ip(packet) }
        }
        (IpAddr::V6(_), None) => return,
    };
    // A card that is down tells nobody.
    let _ = world.frame_send(ns, dev, frame);
}
