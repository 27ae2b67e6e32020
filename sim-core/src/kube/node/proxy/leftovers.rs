//! What a kube-proxy that starts finds of one before it that ran in another mode.
//!
//! As `platformCleanup` does: in nftables mode it takes away what iptables and IPVS mode have written, in those two it takes away the table of
//! nftables mode. Between iptables and IPVS mode nothing is taken away: chains of Services, virtual servers and the device with their
//! addresses stay until somebody removes them, as with the real one (`kube-proxy --cleanup`, `ipvsadm --clear`, or a reboot).

use std::fmt::Write;

use super::iptables::{self, Settings};
use super::ipvs::{self, DEVICE, Layout, SETS};
use super::names::is_service_chain;
use super::{jumps, mode};
use crate::kube::config::ProxyMode;
use crate::kube::node::agents::restore;
use crate::linux::{Netns, World};
use crate::time::SimTime;
use crate::trace::{Family, NsId, TableId};

/// The chains that iptables mode has in table nat besides those of Services.
const NAT: [&str; 5] =
    ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY"];
/// Its chains in table filter.
const FILTER: [&str; 6] = [
    "KUBE-SERVICES",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-FORWARD",
    "KUBE-NODEPORTS",
    "KUBE-PROXY-FIREWALL",
    "KUBE-PROXY-CANARY",
];

/// Takes away what is certainly not used in a mode. `families` are the settings of both families of addresses, `layout` that of IPVS mode.
pub fn clean_up<'s>(
    mode: ProxyMode,
    families: impl Iterator<Item = &'s Settings> + Clone,
    layout: Layout,
    world: &mut World,
    ns: NsId,
) {
    let now = world.now();
    if mode != ProxyMode::Nftables {
        delete_tables(world.ns_mut(ns), now);
        return;
    }
    for settings in families.clone() {
        of_iptables(world.ns_mut(ns), settings);
    }
    let of_families: Vec<Family> = families.map(|s| s.family).collect();
    of_ipvs(&of_families, layout, world, ns);
}

/// `iptables.CleanupLeftovers`: a table is left as it is if one of its chains is still used.
fn of_iptables(ns: &mut Netns, settings: &Settings) {
    let family = settings.family;
    jumps::remove(ns, family, &iptables::jumps(settings));
    for (table, chains) in [(TableId::Nat, &NAT[..]), (TableId::Filter, &FILTER)] {
        let ours =
            |chain: &str| chains.contains(&chain) || (table == TableId::Nat && is_service_chain(chain));
        let there: Vec<String> =
            chain_names(ns, family, table).filter(|c| ours(c)).map(str::to_owned).collect();
        let (mut declared, mut deleted) = (format!("*{table}\n"), String::new());
        for chain in there {
            let _ = writeln!(declared, ":{chain} - [0:0]");
            let _ = writeln!(deleted, "-X {chain}");
        }
        let _ = restore(ns, family, &(declared + &deleted + "COMMIT\n"));
    }
    delete_chain(ns, family, TableId::Mangle, "KUBE-PROXY-CANARY");
}

/// `ipvs.CleanupLeftovers`: virtual servers, whoever made them, the device, the chains, and the sets of IPv4, which alone go by the names
/// that it knows.
fn of_ipvs(families: &[Family], layout: Layout, world: &mut World, ns: NsId) {
    let now = world.now();
    let node = world.ns_mut(ns);
    if node.ipvs().is_loaded() {
        node.ipvs_mut(crate::linux::ipvs::Ipvs::flush);
    }
    // It may never have been there.
    let _ = world.link_del(ns, DEVICE);
    let node = world.ns_mut(ns);
    for family in families {
        jumps::remove(node, *family, &ipvs::jumps(layout));
        let chains = ipvs::chains_to_clean(layout);
        for (table, chain) in &chains {
            let words = ["-t", &table.to_string(), "-F", *chain].map(str::to_owned);
            let _ = node.netfilter(*family, |rules| rules.command(&words));
        }
        for (table, chain) in chains {
            delete_chain(node, *family, table, chain);
        }
    }
    for set in SETS {
        let words = ["destroy".to_owned(), set.name(Family::V4)];
        let _ = node.ipset(&words, "", now);
    }
}

/// `nftables.CleanupLeftovers`.
fn delete_tables(ns: &mut Netns, now: SimTime) {
    for ip in ["ip", "ip6"] {
        let there = ns.nft().tables().any(|t| &*t.name == "kube-proxy" && t.family.name() == ip);
        if there {
            // It is there.
            let _ = mode::run_nft(ns, &format!("delete table {ip} kube-proxy\n"), now);
        }
    }
}

fn chain_names(ns: &Netns, family: Family, table: TableId) -> impl Iterator<Item = &str> {
    let rules = match family {
        Family::V4 => ns.nf4(),
        Family::V6 => ns.nf6(),
    };
    rules.table(table).into_iter().flat_map(|t| t.chains()).map(|chain| &**chain.name())
}

fn delete_chain(ns: &mut Netns, family: Family, table: TableId, chain: &str) {
    let words = ["-t", &table.to_string(), "-X", chain].map(str::to_owned);
    let _ = ns.netfilter(family, |rules| rules.command(&words));
}
