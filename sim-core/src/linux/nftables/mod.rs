//! nftables: tables, chains, rules and sets as `nft` makes them.
//!
//! [`Nftables`] holds the tables of a namespace, next to those of iptables ([`super::netfilter`]), which are not shown here. It speaks
//! nft's language ([`Nftables::run`]): texts, listings and errors are those of nftables 1.0.6 and Linux 6.18. The stack leads packets
//! through its base chains ([`Nftables::walk`]).
//!
//! ```text
//! parse   words, commands, statements          apply     commands, all or none
//! model   tables, chains, rules, sets          edit      … in place, with a journal to take them back
//! links   what leads where among them          validate  what the kernel checks at the end
//! expr    what a rule asks a packet for        print     listings, with the order of things from listing
//! load    … and what the packet answers        walk      a packet's way through a base chain
//! ```
//!
//! Not modelled, and an error that says so: the families bridge, arp and netdev, flowtables, `queue`, `tproxy`, `synproxy`, `dup`, `fwd`,
//! raw payload expressions, `meta` keys of sockets, groups and the clock, to set anything but marks and the MSS, `monitor`, `reset`,
//! JSON.

mod apply;
mod edit;
mod elements;
mod env;
mod expr;
mod links;
mod listing;
mod load;
mod model;
mod named;
mod near;
mod parse;
mod print;
mod run;
#[cfg(test)]
mod tests;
mod types;
mod validate;
mod walk;

pub use elements::{Data, Element, Elements, Key};
pub use env::{Env, FibLookup, Flow};
pub use model::{
    BaseChain, Chain, ChainType, Counter, Family, Object, ObjectKind, ObjectState, Rule, Set, SetData,
    SetFlags, Table, Verdict,
};
pub use named::Named;
pub use print::{Interfaces, Style};
pub use run::{Answer, Input};
pub use types::Ty;

use std::sync::Arc;

use crate::linux::Skb;
use crate::linux::netfilter::WalkEnd;
use crate::trace::{Family as Ip, Recorder};

/// All tables of one namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nftables {
    /// In order of creation.
    tables: Vec<Arc<Table>>,
    last_handle: u64,
}

/// A base chain, found again until the rule set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainAt {
    /// Handle of the table.
    pub table: u64,
    /// Handle of the chain.
    pub chain: u64,
    family: Family,
    table_index: u32,
    chain_index: u32,
}

impl ChainAt {
    /// The packets that it sees.
    pub fn families(&self) -> impl Iterator<Item = Ip> {
        self.family.packets()
    }
}

impl Nftables {
    /// The tables in order of creation.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().map(|t| &**t)
    }

    /// The base chains of tables that are not dormant, in order of creation.
    pub fn base_chains(&self) -> impl Iterator<Item = (ChainAt, &BaseChain)> {
        self.tables.iter().enumerate().filter(|(_, t)| !t.dormant).flat_map(|(i, table)| {
            table.links.bases.iter().filter_map(move |slot| {
                let chain = table.chains.at(*slot)?;
                let at = ChainAt {
                    table: table.handle,
                    chain: chain.handle,
                    family: table.family,
                    table_index: i as u32,
                    chain_index: *slot as u32,
                };
                chain.base.as_ref().map(|base| (at, base))
            })
        })
    }

    /// Whether there is a base chain that packets meet.
    #[must_use]
    pub fn is_hooked(&self) -> bool {
        self.base_chains().next().is_some()
    }

    /// Whether connection tracking has to look at packets: there is a nat chain, or a rule asks about flows.
    #[must_use]
    pub fn needs_conntrack(&self) -> bool {
        let has_nat = |t: &Table| {
            let mut bases = t.links.bases.iter().filter_map(|slot| t.chains.at(*slot)?.base.as_ref());
            bases.any(|base| base.kind == ChainType::Nat)
        };
        self.tables().any(|t| t.links.asks_conntrack() || has_nat(t))
    }

    /// Leads a packet through a base chain.
    pub fn walk<R: Recorder>(
        &mut self,
        at: ChainAt,
        env: &mut Env<'_>,
        skb: &mut Skb,
        rec: &mut R,
    ) -> WalkEnd {
        match self.tables.get_mut(at.table_index as usize) {
            Some(table) => walk::walk(Arc::make_mut(table), at.chain_index as usize, env, skb, rec),
            None => WalkEnd::Accept,
        }
    }
}
