//! The addresses of a node's blocks, as calico's IPAM hands them out. Which blocks a node has is decided in [`crate::kube::config::blocks`].

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;

/// The addresses of one node's blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    blocks: Vec<Block>,
    promised: BTreeSet<IpAddr>,
}

/// One block: addresses that are given back wait behind those that were never used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    net: IpNet,
    free: VecDeque<IpAddr>,
}

/// The first host number of a block that a pod gets; the tunnel has the first address, and the lab format begins with the third.
const FIRST: usize = 2;

impl Blocks {
    /// Blocks in which nothing is taken but what is promised.
    #[must_use]
    pub fn new(blocks: &[IpNet], promised: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut all = Self { blocks: Vec::new(), promised: promised.into_iter().collect() };
        blocks.iter().for_each(|block| all.claim(*block));
        all
    }

    /// Adds a block.
    pub fn claim(&mut self, net: IpNet) {
        let first = match net.network() {
            IpAddr::V4(first) => first.to_bits(),
            IpAddr::V6(_) => return,
        };
        let count = 1_u32 << (32 - net.prefix_len());
        let free = (FIRST as u32..count).map(|n| IpAddr::V4((first + n).into())).collect();
        self.blocks.push(Block { net, free });
    }

    /// Takes the address that is wanted, or else the one that has rested longest; none if all are taken.
    pub fn allocate(&mut self, wanted: Option<IpAddr>) -> Option<IpAddr> {
        let promised = &self.promised;
        for block in &mut self.blocks {
            let fits = |ip: &IpAddr| wanted.map_or_else(|| !promised.contains(ip), |wanted| *ip == wanted);
            if let Some(at) = block.free.iter().position(fits) {
                return block.free.remove(at);
            }
        }
        None
    }

    /// Whether one of the blocks has the address.
    #[must_use]
    pub fn contain(&self, ip: IpAddr) -> bool {
        self.blocks.iter().any(|b| b.net.contains(&ip))
    }

    /// Gives an address back.
    pub fn release(&mut self, ip: IpAddr) {
        if let Some(block) = self.blocks.iter_mut().find(|b| b.net.contains(&ip)) {
            block.free.push_back(ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_rests_until_all_others_were_used() {
        let mut blocks = Blocks::new(&["10.244.1.0/29".parse().unwrap()], [ip("10.244.1.3")]);
        assert_eq!(blocks.allocate(None), Some(ip("10.244.1.2")));
        blocks.release(ip("10.244.1.2"));
        let rest: Vec<String> =
            std::iter::from_fn(|| blocks.allocate(None)).map(|ip| ip.to_string()).collect();
        assert_eq!(rest, ["10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.7", "10.244.1.2"]);
        assert_eq!(blocks.allocate(Some(ip("10.244.1.3"))), Some(ip("10.244.1.3")));
        assert_eq!(blocks.allocate(Some(ip("10.244.1.3"))), None);
    }
}
