//! Flows that MASQUERADE translated live and die with the interface that gave them its address (`nf_nat_masquerade.c`).

use std::net::IpAddr;

use super::super::{Conntrack, Direction};
use crate::linux::{Skb, SkbCt};
use crate::trace::{DropReason, IfId};

impl Conntrack {
    /// Notes that a new flow has an interface's address.
    pub fn note_masquerade(&mut self, skb: &mut Skb, dev: IfId) {
        if let SkbCt::New(flow) = &mut skb.ct {
            flow.masqueraded = Some(dev);
        }
    }

    /// A packet leaves by an interface. If its flow was given another one's address, the flow ends: its next packet starts a new one
    /// (`nf_nat_oif_changed`).
    ///
    /// # Errors
    /// [`DropReason::MasqueradeMoved`] for the packet that shows it.
    pub fn check_masquerade(&mut self, skb: &mut Skb, dev: Option<IfId>) -> Result<(), DropReason> {
        let SkbCt::Known { id, dir: Direction::Original, related: false, .. } = skb.ct else { return Ok(()) };
        let given = self.table.get(id).and_then(|c| c.masqueraded);
        if given.is_none_or(|given| Some(given) == dev) {
            return Ok(());
        }
        self.table.remove(id);
        skb.ct = SkbCt::None;
        Err(DropReason::MasqueradeMoved)
    }

    /// An interface went down, or lost an address: flows that have it are over.
    pub fn end_masquerade(&mut self, dev: IfId, addr: Option<IpAddr>) {
        self.table.remove_if(|c| c.masqueraded == Some(dev) && addr.is_none_or(|gone| c.reply.dst == gone));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::linux::World;
    use crate::linux::netfilter::RestoreOptions;
    use crate::linux::route::Route;
    use crate::packet::Payload;
    use crate::trace::{DropReason, Family, NsId, Step, Verdict};

    /// A client behind a router that masquerades towards two servers' networks, and the router.
    fn behind_a_router() -> (World, NsId, NsId) {
        let mut world = World::new(1);
        let [client, router, server] = ["client", "router", "server"].map(|n| world.add_netns(n));
        world.add_veth((client, "eth0"), (router, "in")).unwrap();
        for (out, dev) in [("eth0", "out"), ("eth1", "other")] {
            world.add_veth((router, dev), (server, out)).unwrap();
        }
        let net = |a: &str| a.parse().unwrap();
        let addresses = [
            (client, "eth0", "10.1.0.2/24"),
            (router, "in", "10.1.0.1/24"),
            (router, "out", "10.2.0.1/24"),
            (server, "eth0", "10.2.0.2/24"),
            (router, "other", "10.3.0.1/24"),
            (server, "eth1", "10.3.0.2/24"),
        ];
        for (ns, dev, address) in addresses {
            world.ns_mut(ns).addr_add(dev, net(address)).unwrap();
            world.ns_mut(ns).link_set(dev, true).unwrap();
        }
        let eth0 = world.ns(client).iface_id("eth0").unwrap();
        let default = Route::default_via("10.1.0.1".parse().unwrap(), eth0);
        world.ns_mut(client).route_add(default).unwrap();
        let r = world.ns_mut(router);
        r.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
        let rules = "*nat\n-A POSTROUTING -s 10.1.0.0/24 -j MASQUERADE\nCOMMIT\n";
        r.netfilter(Family::V4, |n| n.restore(rules, RestoreOptions::default())).unwrap();
        world.udp_bind(server, "0.0.0.0:53".parse().unwrap()).unwrap();
        (world, client, router)
    }

    fn send(world: &mut World, client: NsId) {
        let to: SocketAddr = "10.2.0.2:53".parse().unwrap();
        let sock = world.udp_bind(client, "0.0.0.0:4000".parse().unwrap()).unwrap();
        world.udp_send(client, sock, to, Payload::Empty).unwrap();
        let until = world.now() + std::time::Duration::from_millis(10);
        while world.run(until) {
            while world.pop_ready().is_some() {}
        }
        world.close(client, sock);
    }

    fn replies_go_to(world: &World, router: NsId) -> Vec<String> {
        world.ns(router).conntrack.iter().map(|(_, c)| c.reply.dst.to_string()).collect()
    }

    #[test]
    fn flows_end_with_the_interface_or_the_address_that_they_were_given() {
        let (mut world, client, router) = behind_a_router();
        send(&mut world, client);
        assert_eq!(replies_go_to(&world, router), ["10.2.0.1"]);
        let r = world.ns_mut(router);
        r.addr_add("out", "10.9.0.9/24".parse().unwrap()).unwrap();
        r.addr_del("out", "10.9.0.9/24".parse().unwrap()).unwrap();
        assert_eq!(replies_go_to(&world, router), ["10.2.0.1"], "the address of another");
        let mut other = world.clone();
        other.ns_mut(router).addr_del("out", "10.2.0.1/24".parse().unwrap()).unwrap();
        assert!(replies_go_to(&other, router).is_empty(), "its own address");
        world.ns_mut(router).link_set("other", false).unwrap();
        assert_eq!(replies_go_to(&world, router).len(), 1, "the link of another");
        world.ns_mut(router).link_set("out", false).unwrap();
        assert!(replies_go_to(&world, router).is_empty(), "its own link");
    }

    #[test]
    fn a_flow_that_leaves_by_another_interface_starts_anew() {
        let (mut world, client, router) = behind_a_router();
        send(&mut world, client);
        let r = world.ns_mut(router);
        let other = r.iface_id("other").unwrap();
        let host = "10.2.0.2/32".parse().unwrap();
        r.route_add(Route::via(host, "10.3.0.2".parse().unwrap(), other)).unwrap();
        world.start_recording();
        send(&mut world, client);
        let moved =
            |s: &Step| matches!(s, Step::End(Verdict::Dropped { reason: DropReason::MasqueradeMoved }));
        assert!(world.take_trace().events().any(|e| moved(e.step)));
        assert!(replies_go_to(&world, router).is_empty());
        send(&mut world, client);
        assert_eq!(replies_go_to(&world, router), ["10.3.0.1"]);
    }

    #[test]
    fn without_an_address_to_give_the_packet_is_dropped() {
        let (mut world, client, router) = behind_a_router();
        let r = world.ns_mut(router);
        for (dev, a) in [("out", "10.2.0.1/24"), ("other", "10.3.0.1/24")] {
            r.addr_del(dev, a.parse().unwrap()).unwrap();
        }
        let out = r.iface_id("out").unwrap();
        r.route_add(Route::link("10.2.0.0/24".parse().unwrap(), out)).unwrap();
        r.addr_del("in", "10.1.0.1/24".parse().unwrap()).unwrap();
        let inside = r.iface_id("in").unwrap();
        r.route_add(Route::link("10.1.0.0/24".parse().unwrap(), inside)).unwrap();
        let gateway = "10.1.0.1".parse().unwrap();
        let mac = r.by_name("in").unwrap().mac;
        world.ns_mut(client).neigh_add("eth0", gateway, mac).unwrap();
        world.start_recording();
        send(&mut world, client);
        let none = |s: &Step| matches!(s, Step::End(Verdict::Dropped { reason: DropReason::NatNoAddress }));
        assert!(world.take_trace().events().any(|e| none(e.step)));
    }
}
