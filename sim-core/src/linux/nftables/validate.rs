//! What the kernel checks of a whole rule set (`nft_table_validate`): how deep jumps go, and whether statements are where they may be.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::{errno, set_targets, targets};
use super::expr::SetRef;
use super::model::{BaseChain, ChainType, NatKind, Statement, Table};
use super::walk::MAX_DEPTH;
use crate::trace::Hook;

/// The chain in which something is wrong, and what.
pub(super) type Wrong = (Arc<str>, &'static str);

/// Checks everything that can be reached from a table's base chains.
pub(super) fn validate(table: &Table) -> Result<(), Wrong> {
    for chain in table.chains.values() {
        if let Some(base) = &chain.base {
            let mut visit = Visit { table, base, deepest: BTreeMap::new() };
            visit.chain(&chain.name, 0)?;
        }
    }
    Ok(())
}

struct Visit<'t> {
    table: &'t Table,
    base: &'t BaseChain,
    /// The depth at which a chain was entered, at most: less deep need not be looked at again.
    deepest: BTreeMap<Arc<str>, usize>,
}

impl Visit<'_> {
    fn chain(&mut self, name: &Arc<str>, depth: usize) -> Result<(), Wrong> {
        if depth >= MAX_DEPTH {
            return Err((name.clone(), errno::EMLINK));
        }
        if self.deepest.get(name).is_some_and(|d| *d >= depth) {
            return Ok(());
        }
        self.deepest.insert(name.clone(), depth);
        let Some(chain) = self.table.chains.get(name) else { return Ok(()) };
        for statement in chain.rules.iter().flat_map(|r| &r.statements) {
            if !allowed(statement, self.base) {
                return Err((name.clone(), errno::EOPNOTSUPP));
            }
            for target in targets(statement) {
                self.chain(target, depth + 1)?;
            }
            if let Statement::Vmap(_, SetRef::Named(map)) = statement
                && let Some(map) = self.table.sets.get(map)
            {
                for target in set_targets(map) {
                    self.chain(target, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a statement may be met at a hook (`nft_nat_validate`, `nft_reject_validate`, …).
fn allowed(statement: &Statement, base: &BaseChain) -> bool {
    match statement {
        Statement::Nat(nat) => {
            base.kind == ChainType::Nat
                && match nat.kind {
                    NatKind::Dnat | NatKind::Redirect => {
                        matches!(base.hook, Hook::Prerouting | Hook::Output)
                    }
                    NatKind::Snat => matches!(base.hook, Hook::Postrouting | Hook::Input),
                    NatKind::Masquerade => base.hook == Hook::Postrouting,
                }
        }
        Statement::Reject(_) => base.hook != Hook::Postrouting,
        _ => true,
    }
}
