//! What the kernel checks of a whole rule set (`nft_table_validate`): how deep jumps go, and whether statements are where they may be.
//!
//! What was reached, and how deep, is remembered ([`Reach`]): after a change only what is new is followed. What is gone stays remembered, so
//! that a mistake found this way is looked for once more from the beginning.

use std::sync::Arc;

use super::apply::errno;
use super::edit::Changed;
use super::expr::SetRef;
use super::links::{set_targets, targets};
use super::model::{BaseChain, ChainType, NatKind, Statement, Table};
use super::walk::MAX_DEPTH;
use crate::trace::Hook;

/// The chain in which something is wrong, and what.
pub(super) type Wrong = (Arc<str>, &'static str);

/// What can be reached from each base chain, by its slot.
pub(super) type Reach = Vec<(usize, Deepest)>;

/// The depth at which things are met, at most, and one more; 0 for what is not. Less deep need not be looked at again.
#[derive(Clone, Debug, Default)]
pub(super) struct Deepest {
    /// By slot.
    chains: Vec<u8>,
    /// Verdict maps that are looked into, by slot.
    maps: Vec<u8>,
}

fn depth(of: &[u8], slot: Option<usize>) -> Option<usize> {
    of.get(slot?).filter(|d| **d > 0).map(|d| usize::from(d - 1))
}

/// Notes a depth; whether it is more than before.
fn deeper(of: &mut Vec<u8>, slot: usize, depth: usize) -> bool {
    if of.len() <= slot {
        of.resize(slot + 1, 0);
    }
    let more = usize::from(of[slot]) <= depth;
    if more {
        of[slot] = depth as u8 + 1;
    }
    more
}

/// Checks what can be reached from a table's base chains. `known` is what the last check found, if it and the changes since are known.
pub(super) fn validate(table: &Table, known: Option<(Reach, &Changed)>) -> Result<Reach, Wrong> {
    if let Some((mut reach, changed)) = known
        && !changed.all
        && reach.iter_mut().all(|(slot, deepest)| follow(table, *slot, deepest, changed).is_ok())
    {
        return Ok(reach);
    }
    let mut reach = Reach::new();
    for slot in &table.links.bases {
        let mut deepest = Deepest::default();
        if let Some((chain, base)) = table.chains.at(*slot).and_then(|c| Some((c, c.base.as_ref()?))) {
            Visit { table, base, deepest: &mut deepest }.chain(&chain.name, 0)?;
        }
        reach.push((*slot, deepest));
    }
    Ok(reach)
}

/// Goes from what is new.
fn follow(table: &Table, slot: usize, deepest: &mut Deepest, changed: &Changed) -> Result<(), Wrong> {
    let Some(base) = table.chains.at(slot).and_then(|c| c.base.as_ref()) else { return Ok(()) };
    let mut visit = Visit { table, base, deepest };
    for chain in &changed.chains {
        let slot = table.chains.slot(chain);
        if let Some((slot, depth)) = slot.zip(depth(&visit.deepest.chains, slot)) {
            visit.rules(slot, depth)?;
        }
    }
    for (map, chain) in &changed.elements {
        if let Some(depth) = depth(&visit.deepest.maps, table.sets.slot(map)) {
            visit.chain(chain, depth + 1)?;
        }
    }
    Ok(())
}

struct Visit<'t> {
    table: &'t Table,
    base: &'t BaseChain,
    deepest: &'t mut Deepest,
}

impl Visit<'_> {
    fn chain(&mut self, name: &Arc<str>, depth: usize) -> Result<(), Wrong> {
        if depth >= MAX_DEPTH {
            return Err((name.clone(), errno::EMLINK));
        }
        match self.table.chains.slot(name) {
            Some(slot) if deeper(&mut self.deepest.chains, slot, depth) => self.rules(slot, depth),
            _ => Ok(()),
        }
    }

    fn rules(&mut self, slot: usize, depth: usize) -> Result<(), Wrong> {
        let Some(chain) = self.table.chains.at(slot) else { return Ok(()) };
        for statement in chain.rules.iter().flat_map(|r| &r.statements) {
            if !allowed(statement, self.base) {
                return Err((chain.name.clone(), errno::EOPNOTSUPP));
            }
            for target in targets(statement) {
                self.chain(target, depth + 1)?;
            }
            if let Statement::Vmap(_, SetRef::Named(map)) = statement {
                self.map(map, depth)?;
            }
        }
        Ok(())
    }

    /// A verdict map that a rule of this depth looks into.
    fn map(&mut self, name: &Arc<str>, depth: usize) -> Result<(), Wrong> {
        let Some(slot) = self.table.sets.slot(name) else { return Ok(()) };
        if deeper(&mut self.deepest.maps, slot, depth) {
            for target in self.table.sets.at(slot).into_iter().flat_map(set_targets) {
                self.chain(target, depth + 1)?;
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
