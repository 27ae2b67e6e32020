//! What leads where in a table: the chains and sets that rules and elements name.
//!
//! [`Links`] keeps count of it, so that a change costs what has changed, however many chains there are.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::elements::{Data, Element};
use super::expr::{Expr, Meta, SetRef, Test};
use super::model::{Chain, NatTo, Rule, Set, SetData, Statement, Verdict};
use super::named::Named;
use super::run::asks_conntrack;
use super::validate::Reach;

/// What follows from the chains and sets of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// How many verdicts lead to a chain.
    chains: FxHashMap<Arc<str>, u32>,
    /// How many statements look into a set.
    sets: FxHashMap<Arc<str>, u32>,
    /// Statements that ask about flows.
    conntrack: u32,
    /// Slots of the base chains, in order of creation.
    pub(super) bases: Vec<usize>,
    /// What was found out when the table was last checked; none after changes that were taken back.
    pub(super) reach: Option<Reach>,
}

/// It says nothing that the chains and sets do not say.
impl PartialEq for Links {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Links {
    /// From nothing.
    pub(super) fn of(chains: &Named<Chain>, sets: &Named<Set>) -> Self {
        let mut links = Self::default();
        links.find_bases(chains);
        chains.values().flat_map(|c| &c.rules).for_each(|rule| links.rule(rule, true));
        sets.values().for_each(|set| links.elements(set, true));
        links
    }

    pub(super) fn find_bases(&mut self, chains: &Named<Chain>) {
        self.bases = chains.slots().filter(|(_, c)| c.base.is_some()).map(|(slot, _)| slot).collect();
    }

    /// A rule comes or goes.
    pub(super) fn rule(&mut self, rule: &Rule, comes: bool) {
        for statement in &rule.statements {
            targets(statement).for_each(|chain| count(&mut self.chains, chain, comes));
            named_sets(statement).for_each(|set| count(&mut self.sets, set, comes));
            if asks_conntrack(statement) {
                self.conntrack = if comes { self.conntrack + 1 } else { self.conntrack.saturating_sub(1) };
            }
        }
    }

    /// An element comes or goes.
    pub(super) fn element(&mut self, element: &Element, comes: bool) {
        if let Some(chain) = target(element) {
            count(&mut self.chains, chain, comes);
        }
    }

    /// A whole set comes or goes.
    pub(super) fn elements(&mut self, set: &Set, comes: bool) {
        set_targets(set).for_each(|chain| count(&mut self.chains, chain, comes));
    }

    /// Whether something but its own rules leads to a chain.
    pub(super) fn leads_to(&self, chain: &Chain) -> bool {
        let own = chain.rules.iter().flat_map(|r| &r.statements).flat_map(targets);
        let own = own.filter(|to| **to == chain.name).count() as u32;
        self.chains.get(&chain.name).is_some_and(|all| *all > own)
    }

    pub(super) fn uses_set(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// All of it that changes count.
    #[cfg(test)]
    pub(super) fn counts(&self) -> impl PartialEq + std::fmt::Debug {
        (self.chains.clone(), self.sets.clone(), self.conntrack, self.bases.clone())
    }

    pub(super) const fn asks_conntrack(&self) -> bool {
        self.conntrack > 0
    }
}

fn count(counts: &mut FxHashMap<Arc<str>, u32>, name: &Arc<str>, comes: bool) {
    if comes {
        *counts.entry(name.clone()).or_default() += 1;
    } else if let Some(n) = counts.get_mut(name) {
        *n -= 1;
        if *n == 0 {
            counts.remove(name);
        }
    }
}

/// The sets that a statement looks into.
pub(super) fn set_refs(statement: &Statement) -> Vec<&SetRef> {
    let mut refs = Vec::new();
    match statement {
        Statement::Match(e, test) => {
            expr_sets(e, &mut refs);
            if let Test::Set(_, set) = test {
                refs.push(set);
            }
        }
        Statement::Vmap(e, set) => {
            expr_sets(e, &mut refs);
            refs.push(set);
        }
        Statement::SetMark(e) | Statement::SetCtMark(e) => expr_sets(e, &mut refs),
        Statement::Nat(nat) => {
            if let NatTo::Map(e) | NatTo::MapWithPort(e) = &nat.to {
                expr_sets(e, &mut refs);
            }
        }
        _ => {}
    }
    refs
}

fn expr_sets<'e>(expr: &'e Expr, refs: &mut Vec<&'e SetRef>) {
    match expr {
        Expr::Map(key, set) => {
            expr_sets(key, refs);
            refs.push(set);
        }
        Expr::Op(left, ..) | Expr::Jhash { of: left, .. } => expr_sets(left, refs),
        Expr::Concat(parts) => parts.iter().for_each(|p| expr_sets(p, refs)),
        _ => {}
    }
}

/// Whether a statement is about an interface by its number.
pub(super) fn names_interface(statement: &Statement) -> bool {
    match statement {
        Statement::Match(e, _) | Statement::Vmap(e, _) | Statement::SetMark(e) | Statement::SetCtMark(e) => {
            has_interface(e)
        }
        Statement::Nat(nat) => match &nat.to {
            NatTo::Map(e) | NatTo::MapWithPort(e) => has_interface(e),
            NatTo::None | NatTo::Addresses(..) => false,
        },
        Statement::Dynamic(d) => has_interface(&d.key) || d.data.as_ref().is_some_and(has_interface),
        _ => false,
    }
}

fn has_interface(expr: &Expr) -> bool {
    match expr {
        Expr::Meta(meta) => matches!(meta, Meta::Iif | Meta::Oif),
        Expr::Fib(_) => true,
        Expr::Map(left, _) | Expr::Op(left, ..) | Expr::Jhash { of: left, .. } => has_interface(left),
        Expr::Concat(parts) => parts.iter().any(has_interface),
        _ => false,
    }
}

/// The named ones among them, and the one that it changes.
fn named_sets(statement: &Statement) -> impl Iterator<Item = &Arc<str>> {
    let changed = match statement {
        Statement::Dynamic(d) => Some(&d.set),
        _ => None,
    };
    let looked_into = set_refs(statement).into_iter().filter_map(|set| match set {
        SetRef::Named(name) => Some(name),
        SetRef::Anonymous(_) => None,
    });
    changed.into_iter().chain(looked_into)
}

/// The chains that a statement leads to by itself or by a set that is written into it.
pub(super) fn targets(statement: &Statement) -> impl Iterator<Item = &Arc<str>> {
    let (own, set) = match statement {
        Statement::Verdict(verdict) => (verdict.chain(), None),
        Statement::Vmap(_, SetRef::Anonymous(set)) => (None, Some(&**set)),
        _ => (None, None),
    };
    own.into_iter().chain(set.into_iter().flat_map(set_targets))
}

/// The chains that a verdict map leads to.
pub(super) fn set_targets(set: &Set) -> impl Iterator<Item = &Arc<str>> {
    set.elements.iter().chain(set.elements.any.as_deref()).filter_map(target)
}

/// The chain that an element leads to.
pub(super) const fn target(element: &Element) -> Option<&Arc<str>> {
    match &element.data {
        Data::Verdict(verdict) => verdict.chain(),
        _ => None,
    }
}

pub(super) fn leads_to(statement: &Statement, chain: &str) -> bool {
    targets(statement).any(|t| **t == *chain)
}

pub(super) fn set_leads_to(set: &Set, chain: &str) -> bool {
    set.data == SetData::Verdict && set_targets(set).any(|t| **t == *chain)
}

/// Makes what leads to one chain lead to another.
pub(super) fn redirect(statement: &mut Statement, from: &str, to: &Arc<str>) {
    match statement {
        Statement::Verdict(verdict) => redirect_verdict(verdict, from, to),
        Statement::Vmap(_, SetRef::Anonymous(set)) => {
            Arc::make_mut(set).elements.iter_mut().for_each(|e| redirect_data(&mut e.data, from, to));
        }
        _ => {}
    }
}

pub(super) fn redirect_data(data: &mut Data, from: &str, to: &Arc<str>) {
    if let Data::Verdict(verdict) = data {
        redirect_verdict(verdict, from, to);
    }
}

fn redirect_verdict(verdict: &mut Verdict, from: &str, to: &Arc<str>) {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) if **chain == *from => *chain = to.clone(),
        _ => {}
    }
}
