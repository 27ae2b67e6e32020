//! Where jumps lead: what the kernel checks before it takes a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::matches::Place;
use super::rule::RuleSpec;
use super::table::{ChainId, Rule, Table};
use crate::trace::Hook;

/// `NFT_JUMP_STACK_SIZE`: chains that can be entered one from the other, the built-in chain included. A loop would need more.
pub(super) const MAX_DEPTH: usize = 16;

/// The rules on the way to what is wrong, and the kernel's word for it.
type Wrong = (Vec<Arc<RuleSpec>>, &'static str);

/// How deep down from each hook every chain was met, at most: what a check of a few changes starts from. It says nothing that the rules
/// do not say, so all are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// By hook, then by [`ChainId`]; 0 for never.
    depths: [Vec<u8>; 5],
    /// Whether the depths are those of this table.
    known: bool,
}

impl PartialEq for Reach {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Reach {
    /// A chain that nothing leads to takes the place of another.
    pub(super) fn forget(&mut self, id: ChainId) {
        for depths in &mut self.depths {
            if let Some(depth) = depths.get_mut(id.0 as usize) {
                *depth = 0;
            }
        }
    }

    /// The table is another one.
    pub(super) const fn forget_all(&mut self) {
        self.known = false;
    }
}

/// Follows the jumps from every built-in chain: no loop, no chain of jumps that is too long, no rule at a hook that does not know its
/// target. Chains that cannot be reached are not looked at. Only the `changed` chains and what they lead to are, if the rest is known.
pub(super) fn check(table: &Table, reach: &mut Reach, changed: &BTreeSet<ChainId>) -> Result<(), Wrong> {
    // Depths are never taken back, so what looks too deep may only have been so.
    let few = changed.len() <= 1 + table.slots() / 4;
    if reach.known && few && recheck(table, reach, changed) {
        return Ok(());
    }
    *reach = Reach::default();
    for (hook, id) in base_chains(table) {
        let mut search = Search { table, hook, above: 0, seen: vec![0; table.slots()], path: Vec::new() };
        search.visit(id)?;
        reach.depths[hook as usize] = search.seen;
    }
    reach.known = true;
    Ok(())
}

fn recheck(table: &Table, reach: &mut Reach, changed: &BTreeSet<ChainId>) -> bool {
    for (hook, _) in base_chains(table) {
        let mut seen = std::mem::take(&mut reach.depths[hook as usize]);
        seen.resize(table.slots(), 0);
        let mut search = Search { table, hook, above: 0, seen, path: Vec::new() };
        for id in changed {
            let Some(depth) = search.seen.get_mut(id.0 as usize) else { continue };
            let Some(above) = std::mem::take(depth).checked_sub(1) else { continue };
            search.above = above;
            if search.visit(*id).is_err() {
                return false;
            }
        }
        reach.depths[hook as usize] = search.seen;
    }
    true
}

fn base_chains(table: &Table) -> impl Iterator<Item = (Hook, ChainId)> {
    table.base_ids().filter_map(|id| Some((table.get(id)?.base.as_ref()?.hook, id)))
}

struct Search<'t> {
    table: &'t Table,
    hook: Hook,
    /// Chains above the one where the search begins.
    above: u8,
    /// The depth at which each chain was visited, 0 for not yet: visited again only if it is met deeper down.
    seen: Vec<u8>,
    path: Vec<&'t Rule>,
}

impl<'t> Search<'t> {
    fn visit(&mut self, id: ChainId) -> Result<(), Wrong> {
        let depth = self.above + self.path.len() as u8 + 1;
        let Some(seen) = self.seen.get_mut(id.0 as usize) else { return Ok(()) };
        if *seen >= depth {
            return Ok(());
        }
        if usize::from(depth) > MAX_DEPTH {
            return Err(self.wrong("Too many links"));
        }
        *seen = depth;
        let table = self.table;
        let Some(chain) = table.get(id) else { return Ok(()) };
        for rule in &chain.rules {
            self.path.push(rule);
            if !self.is_allowed(rule) {
                return Err(self.wrong("Invalid argument"));
            }
            if let Some(target) = rule.jump {
                self.visit(target)?;
            }
            self.path.pop();
        }
        Ok(())
    }

    fn is_allowed(&self, rule: &Rule) -> bool {
        let head = &rule.spec.head;
        rule.spec.allowed(&Place {
            table: self.table.id,
            hook: Some(self.hook),
            protocol: head.protocol,
            protocol_inverted: head.protocol_inverted,
        })
    }

    fn wrong(&self, errno: &'static str) -> Wrong {
        (self.path.iter().map(|r| r.spec.clone()).collect(), errno)
    }
}
