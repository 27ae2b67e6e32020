//! `iptables-save`, without the comment lines that carry the date.

use std::fmt::Write as _;

use super::Ruleset;
use super::table::Table;
use crate::trace::TableId;

/// The order in which iptables-nft prints tables.
const ORDER: [TableId; 4] = [TableId::Mangle, TableId::Raw, TableId::Filter, TableId::Nat];

/// Prints one table, or all that are loaded.
pub(super) fn save(set: &Ruleset, table: Option<TableId>, counters: bool) -> String {
    let mut out = String::new();
    for id in ORDER.into_iter().filter(|id| table.is_none_or(|t| t == *id)) {
        if let Some(table) = set.table(id) {
            save_table(&mut out, table, counters);
        }
    }
    out
}

fn save_table(out: &mut String, table: &Table, counters: bool) {
    let _ = writeln!(out, "*{}", table.id);
    for chain in table.chains() {
        let _ = match &chain.base {
            Some(base) => {
                writeln!(out, ":{} {} [{}:{}]", chain.name, base.policy.name(), base.packets, base.bytes)
            }
            None => writeln!(out, ":{} - [0:0]", chain.name),
        };
    }
    for rule in table.chains().flat_map(|c| &c.rules) {
        if counters {
            let _ = write!(out, "[{}:{}] ", rule.packets, rule.bytes);
        }
        out.push_str(&rule.spec.text);
        out.push('\n');
    }
    out.push_str("COMMIT\n");
}
