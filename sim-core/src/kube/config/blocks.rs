//! calico's blocks of 64 addresses, each of which belongs to one node.
//!
//! Real calico lets a hash of the node's name choose a node's first block. Here a node's blocks are those of the addresses that are
//! pinned to it, else the first of its podCIDR, so that addresses tell the node as with other plugins; a podCIDR that is a block or
//! shorter is taken as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{ClusterConfig, Cni, NodeConfig};

/// Prefix length of a block (`blockSize` of the address pool).
pub const BLOCK: u8 = 26;

/// The block that an address lies in.
#[must_use]
pub fn block_of(ip: IpAddr) -> IpNet {
    IpNet::new(ip, BLOCK).map_or_else(|_| IpNet::from(ip), |net| net.trunc())
}

/// [`of_nodes`] if the plugin has blocks at all, else none.
#[must_use]
pub fn of_config(config: &ClusterConfig) -> Vec<Vec<IpNet>> {
    match config.networking.cni {
        Cni::Calico | Cni::CalicoBgp => of_nodes(config),
        Cni::Bridge | Cni::Flannel | Cni::FlannelHostGw | Cni::None => Vec::new(),
    }
}

/// The blocks that nodes have from the start, in the order of the nodes.
#[must_use]
pub fn of_nodes(config: &ClusterConfig) -> Vec<Vec<IpNet>> {
    let mut pinned: BTreeMap<&str, Vec<IpNet>> = BTreeMap::new();
    let mut taken: BTreeSet<IpNet> = BTreeSet::new();
    let owned = config.pins.owners.values().flatten();
    for pin in config.pins.pods.values().chain(owned) {
        let (Some(node), Some(ip)) = (config.pinned_node(pin), pin.ip) else { continue };
        let block =
            config.nodes.iter().filter_map(whole).find(|b| b.contains(&ip)).unwrap_or_else(|| block_of(ip));
        if taken.insert(block) {
            pinned.entry(node).or_default().push(block);
        }
    }
    let mut all = Vec::new();
    for node in &config.nodes {
        let mut blocks = pinned.remove(node.name.as_str()).unwrap_or_default();
        if blocks.is_empty() {
            blocks.extend(candidates(node, config.networking.pod_subnet).find(|b| !taken.contains(b)));
            taken.extend(&blocks);
        }
        all.push(blocks);
    }
    all
}

/// A podCIDR that is a block by itself.
fn whole(node: &NodeConfig) -> Option<IpNet> {
    Some(node.pod_cidr).filter(|cidr| cidr.prefix_len() >= BLOCK)
}

/// Blocks in the order in which a node claims them: those of its podCIDR, then all of the pool.
pub fn candidates(node: &NodeConfig, pool: IpNet) -> impl Iterator<Item = IpNet> {
    let parts = |net: IpNet| net.subnets(BLOCK).ok().into_iter().flatten();
    let own = whole(node).into_iter().chain(parts(node.pod_cidr));
    own.chain(parts(pool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::config;

    #[test]
    fn pinned_addresses_decide_on_blocks() {
        let text = "networking: {cni: calico}\npins:\n  default/a: {node: node1, ip: 10.244.196.136}\n  default/b: {node: node1, ip: 10.244.2.9}\n";
        let config = config::parse(text, "x", 1).unwrap();
        let blocks: Vec<String> = of_nodes(&config).iter().map(|b| format!("{b:?}")).collect();
        assert_eq!(blocks, ["[10.244.0.0/26]", "[10.244.196.128/26, 10.244.2.0/26]", "[10.244.2.64/26]"]);
    }
}
