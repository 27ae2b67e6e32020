//! Where jumps lead: what the kernel checks before it takes a table.

use std::sync::Arc;

use super::matches::Place;
use super::rule::RuleSpec;
use super::table::{ChainId, Rule, Table};
use crate::trace::Hook;

/// `NFT_JUMP_STACK_SIZE`: chains that can be entered one from the other, the built-in chain included. A loop would need more.
pub(super) const MAX_DEPTH: usize = 16;

/// The rules on the way to what is wrong, and the kernel's word for it.
type Wrong = (Vec<Arc<RuleSpec>>, &'static str);

/// Follows every jump from every built-in chain: no loop, no chain of jumps that is too long, no rule at a hook that does not
/// know its target. Chains that cannot be reached are not looked at.
pub(super) fn check(table: &Table) -> Result<(), Wrong> {
    for id in table.base_ids() {
        let Some(hook) = table.get(id).and_then(|c| c.base.as_ref()).map(|b| b.hook) else { continue };
        let mut search = Search { table, hook, seen: vec![0; table.slots()], path: Vec::new() };
        search.visit(id)?;
    }
    Ok(())
}

struct Search<'t> {
    table: &'t Table,
    hook: Hook,
    /// The depth at which each chain was visited, 0 for not yet: visited again only if it is met deeper down.
    seen: Vec<u8>,
    path: Vec<&'t Rule>,
}

impl<'t> Search<'t> {
    fn visit(&mut self, id: ChainId) -> Result<(), Wrong> {
        let depth = self.path.len() as u8 + 1;
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
