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
