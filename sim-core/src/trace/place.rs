//! Where something happens: namespaces, interfaces, hooks, tables, rules.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A network namespace: an index into the world's arena, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NsId(pub u32);

/// An interface of one namespace: its index in that namespace, never reused. The kernel's ifindex is this plus one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IfId(pub u32);

/// A socket of one namespace, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SockId(pub u32);

/// Address family of a rule set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// iptables.
    V4,
    /// ip6tables.
    V6,
}

/// A netfilter hook.
///
/// ```text
///              ┌─► INPUT ─► socket ─► OUTPUT ─┐
///  PREROUTING ─┤ route                  route ├─► POSTROUTING
///              └─► FORWARD ───────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hook {
    /// Every packet that came in, before routing.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets routed through this host.
    Forward,
    /// Packets made by this host.
    Output,
    /// Every packet about to leave.
    Postrouting,
}

impl Hook {
    /// Name of the built-in chain at this hook.
    #[must_use]
    pub const fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }
}

/// An iptables table, in the order in which one hook meets them (raw -300, mangle -150, nat -100 or 100, filter 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TableId {
    /// Before connection tracking.
    Raw,
    /// Header changes.
    Mangle,
    /// Address translation, consulted for the first packet of a flow.
    Nat,
    /// Decisions.
    Filter,
}

impl TableId {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Mangle, Self::Nat, Self::Filter];

    /// Name as iptables writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
        }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TableId {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|t| t.name() == s).ok_or(())
    }
}

/// The table of a rule: one of the fixed tables of iptables, or one that `nft` made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum RuleTable {
    /// iptables, ip6tables.
    Iptables(TableId),
    /// nftables: family and name, as in `inet filter`.
    Nft(Arc<str>),
}

impl fmt::Display for RuleTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iptables(table) => table.fmt(f),
            Self::Nft(table) => f.write_str(table),
        }
    }
}

impl From<TableId> for RuleTable {
    fn from(table: TableId) -> Self {
        Self::Iptables(table)
    }
}

/// One rule, as a person finds it again: table, chain, number, text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// Of the packet: iptables or ip6tables.
    pub family: Family,
    /// The table.
    pub table: RuleTable,
    /// The chain.
    pub chain: Arc<str>,
    /// Position in the chain from 1, as `iptables -L --line-numbers` counts; in nftables the rule's handle. 0 for the chain's
    /// policy.
    pub number: u32,
    /// The rule as `iptables-save` prints it (`-A CHAIN …`), or `-P CHAIN POLICY`; as `nft list` prints it, with the map's
    /// element if one decided, or `policy drop`.
    pub text: Arc<str>,
}

impl Hash for RuleRef {
    /// The texts only by their lengths: a recorder hashes every rule that matches, and place and number tell rules apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let table = match &self.table {
            RuleTable::Iptables(table) => *table as u64,
            RuleTable::Nft(name) => 8 | name.len() as u64,
        };
        let place = u64::from(self.number) << 8 | (table & 0xf) << 4 | self.family as u64;
        state.write_u64(place ^ (self.text.len() as u64) << 40 ^ (self.chain.len() as u64) << 56);
    }
}
