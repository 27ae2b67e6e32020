//! Conntrack clean-up: UDP flows that still go where a Service has no endpoint any more.
//!
//! Only UDP: a TCP flow to a removed endpoint ends by itself. An entry belongs to a service port by its original destination; it is
//! removed if its replies do not come from a serving endpoint. So entries that were never translated go too. A service port without any
//! serving endpoint is passed over.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::model::{Endpoint, ServicePort};
use crate::kube::objects::Protocol;
use crate::linux::conntrack::{Conntrack, Filter};
use crate::packet::proto;

/// Removes the stale entries of UDP service ports; how many there were.
pub fn clean_up<'a>(
    conntrack: &mut Conntrack,
    ports: impl Iterator<Item = (&'a ServicePort, &'a [Endpoint])>,
) -> usize {
    let ports: Vec<_> =
        ports.filter(|(s, e)| s.key.protocol == Protocol::Udp && e.iter().any(|e| e.serving)).collect();
    if ports.is_empty() {
        return 0;
    }
    let stale: Vec<Filter> = conntrack
        .iter()
        .filter(|(_, c)| c.orig.protocol == proto::UDP)
        .filter(|(_, c)| {
            let to = SocketAddr::new(c.orig.dst, c.orig.dport);
            let from = SocketAddr::new(c.reply.src, c.reply.sport);
            ports.iter().any(|(s, e)| owns(s, to) && !e.iter().any(|e| e.serving && e.at == from))
        })
        .map(|(_, c)| Filter {
            protocol: Some(proto::UDP),
            orig_src: Some(IpNet::from(c.orig.src)),
            orig_dst: Some(IpNet::from(c.orig.dst)),
            orig_sport: Some(c.orig.sport),
            orig_dport: Some(c.orig.dport),
            ..Filter::default()
        })
        .collect();
    stale.iter().map(|f| conntrack.delete(f).len()).sum()
}

fn owns(service: &ServicePort, to: SocketAddr) -> bool {
    let mut virtual_ips = [service.cluster_ip].into_iter().chain(service.external_ips.iter().copied());
    let vip = virtual_ips.any(|ip| ip == to.ip()) || service.load_balancer_ips.contains(&to.ip());
    (vip && service.port == to.port()) || service.node_port == Some(to.port())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::kube::node::proxy::model::PortKey;
    use crate::linux::{Skb, SkbCt};
    use crate::packet::{IpPacket, Payload, Transport, Udp};
    use crate::time::SimTime;
    use crate::trace::Tag;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A table with one untranslated UDP flow to a cluster IP.
    fn table(dport: u16) -> Conntrack {
        let mut conntrack = Conntrack::default();
        let datagram = Udp { sport: 1000, dport, payload: Payload::Empty };
        let packet = IpPacket::new(ip("10.244.1.5"), ip("10.96.0.10"), Transport::Udp(datagram));
        let mut skb = Skb::made(packet, Tag::default());
        conntrack.track(&mut skb, SimTime::ZERO).unwrap();
        conntrack.confirm(&mut skb, SimTime::ZERO).unwrap();
        assert!(matches!(skb.ct, SkbCt::Known { .. }));
        conntrack
    }

    fn service() -> ServicePort {
        let key = PortKey {
            namespace: "ns".into(),
            name: "dns".into(),
            port: String::new(),
            protocol: Protocol::Udp,
        };
        ServicePort::internal(key, ip("10.96.0.10"), 53)
    }

    #[test]
    fn a_flow_that_was_never_translated_goes() {
        let endpoints = [Endpoint::ready("10.244.0.2:53".parse().unwrap(), None)];
        let service = service();
        let mut conntrack = table(53);
        assert_eq!(clean_up(&mut conntrack, [(&service, &endpoints[..])].into_iter()), 1);
        assert_eq!(clean_up(&mut table(54), [(&service, &endpoints[..])].into_iter()), 0, "another port");
    }

    #[test]
    fn a_service_without_serving_endpoints_is_passed_over() {
        let service = service();
        assert_eq!(clean_up(&mut table(53), [(&service, &[][..])].into_iter()), 0);
        let serving = [Endpoint::ready("10.96.0.10:53".parse().unwrap(), None)];
        assert_eq!(
            clean_up(&mut table(53), [(&service, &serving[..])].into_iter()),
            0,
            "replies come from there"
        );
    }
}
