//! The iptables dump of a node with many Services, in the form in which `iptables-save` prints what kube-proxy wrote.
//!
//! Every Service has a TCP port and two endpoints; every tenth has a node port too, and every fiftieth has no endpoint, so that
//! the filter table has rules of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sim_core::kube::node::proxy::iptables::{Block, Changes, Settings, base_rules, block, sync};
use sim_core::kube::node::proxy::model::{Endpoint, PortKey, ServicePort};
use sim_core::kube::node::proxy::select::Selection;
use sim_core::kube::objects::Protocol;
use sim_core::linux::netfilter::{RestoreOptions, Ruleset};
use sim_core::trace::Family;

use crate::Failure;

/// Port of every Service.
pub const PORT: u16 = 80;

/// Cluster IP of Service number `i`.
#[must_use]
pub const fn cluster_ip(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a60_0100 + i)
}

/// What kube-proxy hands to `iptables-restore --noflush` for `count` Services when it has just started.
///
/// # Errors
/// The pod network cannot be read; it is a constant.
pub fn first_sync(count: u32) -> Result<String, Failure> {
    let settings = Settings::kubeadm("10.244.0.0/16".parse()?);
    let blocks: BTreeMap<PortKey, Arc<Block>> = (0..count).map(|i| service(&settings, i)).collect();
    Ok(base_rules(&settings, true) + &sync(&settings, &blocks, Changes::ALL))
}

/// The same after `iptables-restore` and `iptables-save`: the dump of a node.
///
/// # Errors
/// The rules are refused.
pub fn dump(count: u32) -> Result<String, Failure> {
    let mut rules = Ruleset::new(Family::V4);
    rules.restore(&first_sync(count)?, RestoreOptions { noflush: true, ..RestoreOptions::default() })?;
    Ok(rules.save(None, false))
}

fn service(settings: &Settings, i: u32) -> (PortKey, Arc<Block>) {
    let key = PortKey {
        namespace: format!("team-{:02}", i / 125),
        name: format!("service-{i:05}"),
        port: "http".to_owned(),
        protocol: Protocol::Tcp,
    };
    let mut port = ServicePort::internal(key.clone(), IpAddr::V4(cluster_ip(i)), PORT);
    if i % 10 == 9 {
        port.node_port = Some(30_000 + (i / 10) as u16);
    }
    let has_endpoints = i % 50 != 49;
    let at = |n: u32| SocketAddr::from((Ipv4Addr::from_bits(0x0af4_0100 + 2 * i + n), 8080));
    let endpoints: Vec<_> =
        (0..2).filter(|_| has_endpoints).map(|n| Endpoint::ready(at(n), Some("node1"))).collect();
    let selection = Selection { cluster: endpoints.iter().collect(), local: Vec::new(), any: has_endpoints };
    (key, Arc::new(block(settings, &port, &selection)))
}
