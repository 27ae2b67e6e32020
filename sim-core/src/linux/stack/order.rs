//! Who is called at which hook, and in which order.
//!
//! Hooks are ordered by priority; of two with the same priority the one that was registered later comes first
//! (`nf_hook_entries_grow`). Address translation is one hook with a fixed place, which asks its own chains in order of *their*
//! priorities until one sets up a translation (`nf_nat_inet_fn`).
//!
//! ```text
//! hook         raw -300  conntrack -200  mangle -150  nat -100 (destination)  filter 0  nat 100 (source)  confirm
//! PREROUTING   raw       track           mangle       nat
//! INPUT                                  mangle                               filter    nat               confirm
//! FORWARD                                mangle                               filter
//! OUTPUT       raw       track           mangle       nat                     filter
//! POSTROUTING                            mangle                                         nat               confirm
//! ```
//!
//! IPVS is called behind destination NAT in OUTPUT (-99, -98), before source NAT in INPUT (98, 99) and behind the filter in FORWARD (99, 100):
//! first for answers of real servers, then for packets to virtual ones.

use crate::linux::netfilter::Ruleset;
use crate::linux::nftables::{BaseChain, ChainAt, ChainType, Nftables};
use crate::trace::{Family, Hook, NatKind, TableId};

/// One thing that a hook calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) enum Call {
    /// The chain of an iptables table.
    Iptables(TableId),
    /// Connection tracking finds the packet's flow.
    Track,
    /// Address translation.
    Nat(NatKind),
    /// A base chain of nftables.
    Nft(ChainAt),
    /// One that has a packet routed again that it changes (`type route`).
    NftRoute(ChainAt),
    /// Connection tracking takes the new flow into its table.
    Confirm,
    /// IPVS looks for packets to virtual servers.
    IpvsIn,
    /// IPVS looks for answers of real servers.
    IpvsOut,
}

/// What can be registered; its place among its equals is the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Iptables(Family, TableId),
    Nat(Family),
    /// Handles of table and chain.
    Nft(u64, u64),
}

/// The hooks of a namespace.
#[derive(Clone, Debug, Default)]
pub(in crate::linux) struct Hooks {
    registered: Vec<(Key, u64)>,
    last: u64,
    calls: [[Vec<Call>; HOOKS.len()]; 2],
    nat: [[Vec<Call>; HOOKS.len()]; 2],
}

const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
const TRACK: i32 = -200;
const NAT_DST: i32 = -100;
const NAT_SRC: i32 = 100;

/// A call with what orders it: priority, then the time of registration, the latest first.
type Entry = (i32, std::cmp::Reverse<u64>, Call);

impl Hooks {
    /// The `n`th call at a hook.
    #[inline]
    pub(super) fn call(&self, family: Family, hook: Hook, n: usize) -> Option<Call> {
        self.calls[family as usize][hook as usize].get(n).copied()
    }

    /// The `n`th chain that address translation asks at a hook.
    #[inline]
    pub(super) fn nat(&self, family: Family, hook: Hook, n: usize) -> Option<Call> {
        self.nat[family as usize][hook as usize].get(n).copied()
    }

    /// Takes up what has changed in the rule sets.
    pub(in crate::linux) fn refresh(
        &mut self,
        v4: &Ruleset,
        v6: &Ruleset,
        nft: &Nftables,
        track: bool,
        ipvs: bool,
    ) {
        self.register(v4, v6, nft);
        for (family, rules) in [(Family::V4, v4), (Family::V6, v6)] {
            for hook in HOOKS {
                let mut nat = self.nat_chains(family, hook, rules, nft);
                nat.sort_by_key(|(priority, registered, _)| (*priority, *registered));
                self.nat[family as usize][hook as usize] = nat.into_iter().map(|e| e.2).collect();
                let mut calls = self.hook_calls(family, hook, rules, nft, track);
                if ipvs {
                    let first = std::cmp::Reverse(0);
                    calls.extend(ipvs_calls(hook).iter().map(|(priority, call)| (*priority, first, *call)));
                }
                calls.sort_by_key(|(priority, registered, _)| (*priority, *registered));
                self.calls[family as usize][hook as usize] = calls.into_iter().map(|e| e.2).collect();
            }
        }
    }

    fn register(&mut self, v4: &Ruleset, v6: &Ruleset, nft: &Nftables) {
        let mut keys = Vec::new();
        for (family, rules) in [(Family::V4, v4), (Family::V6, v6)] {
            let loaded = TableId::ALL.into_iter().filter(|t| rules.table(*t).is_some());
            keys.extend(loaded.map(|t| Key::Iptables(family, t)));
        }
        for (at, base) in nft.base_chains() {
            keys.push(Key::Nft(at.table, at.chain));
            if base.kind == ChainType::Nat {
                keys.extend(at.families().map(Key::Nat));
            }
        }
        for (family, rules) in [(Family::V4, v4), (Family::V6, v6)] {
            if rules.table(TableId::Nat).is_some() {
                keys.push(Key::Nat(family));
            }
        }
        self.registered.retain(|(key, _)| keys.contains(key));
        for key in keys {
            if !self.registered.iter().any(|(k, _)| *k == key) {
                self.last += 1;
                self.registered.push((key, self.last));
            }
        }
    }

    fn since(&self, key: Key) -> Option<std::cmp::Reverse<u64>> {
        self.registered.iter().find(|(k, _)| *k == key).map(|(_, at)| std::cmp::Reverse(*at))
    }

    fn hook_calls(
        &self,
        family: Family,
        hook: Hook,
        rules: &Ruleset,
        nft: &Nftables,
        track: bool,
    ) -> Vec<Entry> {
        let mut calls = Vec::new();
        for (table, priority) in [(TableId::Raw, -300), (TableId::Mangle, -150), (TableId::Filter, 0)] {
            if let Some(since) = self.since(Key::Iptables(family, table))
                && !rules.is_empty(table, hook)
            {
                calls.push((priority, since, Call::Iptables(table)));
            }
        }
        for (at, base) in chains(nft, family, hook).filter(|(_, b)| b.kind != ChainType::Nat) {
            if let Some(since) = self.since(Key::Nft(at.table, at.chain)) {
                let call = if base.kind == ChainType::Route { Call::NftRoute(at) } else { Call::Nft(at) };
                calls.push((base.priority, since, call));
            }
        }
        if let Some(since) = self.since(Key::Nat(family)) {
            match hook {
                Hook::Prerouting | Hook::Output => {
                    calls.push((NAT_DST, since, Call::Nat(NatKind::Destination)));
                }
                Hook::Input | Hook::Postrouting => calls.push((NAT_SRC, since, Call::Nat(NatKind::Source))),
                Hook::Forward => {}
            }
        }
        if track {
            let first = std::cmp::Reverse(0);
            match hook {
                Hook::Prerouting | Hook::Output => calls.push((TRACK, first, Call::Track)),
                Hook::Input | Hook::Postrouting => calls.push((i32::MAX, first, Call::Confirm)),
                Hook::Forward => {}
            }
        }
        calls
    }

    fn nat_chains(&self, family: Family, hook: Hook, rules: &Ruleset, nft: &Nftables) -> Vec<Entry> {
        let mut chains: Vec<Entry> = chains(nft, family, hook)
            .filter(|(_, base)| base.kind == ChainType::Nat)
            .filter_map(|(at, base)| {
                Some((base.priority, self.since(Key::Nft(at.table, at.chain))?, Call::Nft(at)))
            })
            .collect();
        if let Some(since) = self.since(Key::Iptables(family, TableId::Nat))
            && !rules.is_empty(TableId::Nat, hook)
        {
            let priority = if matches!(hook, Hook::Prerouting | Hook::Output) { NAT_DST } else { NAT_SRC };
            chains.push((priority, since, Call::Iptables(TableId::Nat)));
        }
        chains
    }
}

/// Where IPVS is called (`ip_vs_ops4`, `ip_vs_ops6`).
const fn ipvs_calls(hook: Hook) -> &'static [(i32, Call)] {
    match hook {
        Hook::Input => &[(NAT_SRC - 2, Call::IpvsOut), (NAT_SRC - 1, Call::IpvsIn)],
        Hook::Output => &[(NAT_DST + 1, Call::IpvsOut), (NAT_DST + 2, Call::IpvsIn)],
        Hook::Forward => &[(NAT_SRC - 1, Call::IpvsIn), (NAT_SRC, Call::IpvsOut)],
        Hook::Prerouting | Hook::Postrouting => &[],
    }
}

fn chains(nft: &Nftables, family: Family, hook: Hook) -> impl Iterator<Item = (ChainAt, &BaseChain)> {
    nft.base_chains().filter(move |(at, base)| base.hook == hook && at.families().any(|f| f == family))
}
