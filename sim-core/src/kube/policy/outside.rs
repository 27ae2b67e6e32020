//! The addresses outside the cluster, by how rules treat them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::model::{Atom, Direction, Model, in_block};
use crate::kube::objects::IpFamily;

/// The ranges of addresses within which the rules of a direction treat strangers alike: first and last address of each, in order.
pub(super) fn ranges(model: &Model, direction: Direction, family: IpFamily) -> Vec<(IpAddr, IpAddr)> {
    let v4 = family == IpFamily::V4;
    let limit = if v4 { u128::from(u32::MAX) } else { u128::MAX };
    let rules = model.policies.iter().filter_map(|p| p.rules(direction)).flatten();
    let atoms: BTreeSet<usize> = rules.filter_map(|rule| rule.peers.as_ref()).flatten().copied().collect();
    let blocks: Vec<(&IpNet, &[IpNet])> = atoms
        .iter()
        .filter_map(|atom| match &model.atoms[*atom] {
            Atom::Block { block, except } if block.network().is_ipv4() == v4 => Some((block, &except[..])),
            _ => None,
        })
        .collect();
    let mut starts: Vec<u128> = vec![0];
    for part in blocks.iter().flat_map(|(block, except)| [*block].into_iter().chain(*except)) {
        starts.push(number(part.network()));
        starts.extend(number(part.broadcast()).checked_add(1).filter(|n| *n <= limit));
    }
    starts.sort_unstable();
    starts.dedup();
    let treated = |start: &u128| -> Vec<bool> {
        blocks.iter().map(|(block, except)| in_block(block, except, address(*start, v4))).collect()
    };
    // Exceptions that touch leave no border behind.
    starts.dedup_by(|next, last| treated(next) == treated(last));
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([limit]);
    starts.iter().zip(ends).map(|(first, last)| (address(*first, v4), address(last, v4))).collect()
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(bits) if v4 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    }
}
