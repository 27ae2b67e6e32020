//! Jumps from the built-in chains into kube-proxy's own, as `EnsureRule` and `DeleteRule` of `pkg/util/iptables` write them.

use std::fmt;

use crate::linux::Netns;
use crate::trace::{Family, TableId};

/// A jump. Each is put in front of what its chain has, so the one put last is met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The table.
    pub table: TableId,
    /// The built-in chain.
    pub from: &'static str,
    /// Only for a flow's first packet (`ctstate NEW`).
    pub new: bool,
    /// Its comment.
    pub comment: &'static str,
    /// Where it leads.
    pub to: &'static str,
}

impl Jump {
    /// A jump for every packet.
    #[must_use]
    pub const fn new(table: TableId, from: &'static str, to: &'static str, comment: &'static str) -> Self {
        Self { table, from, new: false, comment, to }
    }

    /// A jump for the first packets of flows.
    #[must_use]
    pub const fn of_new(table: TableId, from: &'static str, to: &'static str, comment: &'static str) -> Self {
        Self { new: true, ..Self::new(table, from, to, comment) }
    }

    /// The words of `iptables -t TABLE VERB FROM …`.
    fn command(&self, verb: &str) -> Vec<String> {
        let table = self.table.to_string();
        let mut words = vec!["-t", &table, verb, self.from];
        if self.new {
            words.extend(["-m", "conntrack", "--ctstate", "NEW"]);
        }
        words.extend(["-m", "comment", "--comment", self.comment, "-j", self.to]);
        words.into_iter().map(str::to_owned).collect()
    }
}

impl fmt::Display for Jump {
    /// As a line of `iptables-restore` names it, without the command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let new = if self.new { "-m conntrack --ctstate NEW " } else { "" };
        write!(f, "{} {new}-m comment --comment \"{}\" -j {}", self.from, self.comment, self.to)
    }
}

/// Puts those that are missing in front, in their order.
///
/// # Errors
/// What `iptables` says.
pub fn ensure(ns: &mut Netns, family: Family, jumps: &[Jump]) -> Result<(), String> {
    for jump in jumps {
        let there = ns.netfilter(family, |rules| rules.command(&jump.command("-C")).is_ok());
        if !there {
            ns.netfilter(family, |rules| rules.command(&jump.command("-I"))).map_err(|e| e.message)?;
        }
    }
    Ok(())
}

/// Takes them away, as far as they are there.
pub fn remove(ns: &mut Netns, family: Family, jumps: &[Jump]) {
    for jump in jumps {
        let _ = ns.netfilter(family, |rules| rules.command(&jump.command("-D")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_put_last_comes_first_and_none_comes_twice() {
        let mut world = crate::linux::World::new(1);
        let id = world.add_netns("node");
        let mut ns = world.ns(id).clone();
        let text = "*filter\n:A - [0:0]\n:B - [0:0]\n-A INPUT -j DROP\nCOMMIT\n";
        crate::kube::node::agents::restore(&mut ns, Family::V4, text).unwrap();
        let jumps = [
            Jump::new(TableId::Filter, "INPUT", "A", "the first"),
            Jump::of_new(TableId::Filter, "INPUT", "B", "the second"),
        ];
        let rules = |ns: &Netns| {
            let saved = ns.nf4().save(Some(TableId::Filter), false);
            saved.lines().filter(|l| l.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>()
        };
        ensure(&mut ns, Family::V4, &jumps).unwrap();
        let there = rules(&ns);
        assert_eq!(there[0], format!("-A {}", jumps[1]));
        assert_eq!(there[1], format!("-A {}", jumps[0]));
        ensure(&mut ns, Family::V4, &jumps).unwrap();
        assert_eq!(rules(&ns), there);
        remove(&mut ns, Family::V4, &jumps);
        assert_eq!(rules(&ns), ["-A INPUT -j DROP"]);
    }
}
