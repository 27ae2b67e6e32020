//! Changes of a table that can be taken back.
//!
//! A transaction changes the tables where they are. A [`Journal`] keeps what was there before, chain by chain and element by element, so
//! that a transaction that fails costs no more than one that does not, and neither costs a copy of the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Nftables;
use super::elements::{Element, Key};
use super::links::{Links, leads_to, redirect, redirect_data, set_leads_to, target};
use super::model::{Chain, Object, ObjectKind, Rule, Set, Table};
use super::print::{self, Interfaces};

/// What was there before.
#[derive(Debug, Default)]
pub(super) struct Journal {
    undo: Vec<Undo>,
    /// Chains and sets whose earlier shape is kept as a whole, or that are new: by handle of the table and slot.
    kept: FxHashSet<(u64, What, usize)>,
    /// The tables that were changed, by handle: the last handle that they had given.
    opened: BTreeMap<u64, u64>,
    /// What has to be checked, by handle of the table.
    changed: BTreeMap<u64, Changed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Chain,
    Set,
}

/// One change, as it is taken back. Tables are named by their place at that time.
#[derive(Debug)]
enum Undo {
    AddedTable,
    RemovedTable(usize, Arc<Table>),
    Dormant(usize, bool),
    AddedChain(usize, Arc<str>),
    Chain(usize, usize, Arc<Chain>),
    RenamedChain(usize, Arc<str>, Arc<str>),
    AddedSet(usize, Arc<str>),
    Set(usize, usize, Arc<Set>),
    AddedElement(usize, usize, Key, Option<Key>),
    RemovedElement(usize, usize, Box<Element>),
    AddedObject(usize, (ObjectKind, Arc<str>)),
    RemovedObject(usize, usize, (ObjectKind, Arc<str>), Box<Object>),
}

/// What a transaction made of a table that could be wrong.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Base chains came or chains got other names: everything is looked at.
    pub(super) all: bool,
    /// Chains with new rules.
    pub(super) chains: Vec<Arc<str>>,
    /// New elements of verdict maps: the map, and the chain they lead to.
    pub(super) elements: Vec<(Arc<str>, Arc<str>)>,
}

impl Journal {
    /// Adds a table.
    pub(super) fn add_table(&mut self, rules: &mut Nftables, table: Table) {
        self.opened.insert(table.handle, 0);
        rules.tables.push(Arc::new(table));
        self.undo.push(Undo::AddedTable);
    }

    /// Removes the tables that are to go.
    pub(super) fn remove_tables(&mut self, rules: &mut Nftables, goes: impl Fn(&Table) -> bool) {
        for at in (0..rules.tables.len()).rev() {
            if goes(&rules.tables[at]) {
                self.undo.push(Undo::RemovedTable(at, rules.tables.remove(at)));
            }
        }
    }

    /// A table, to be changed.
    pub(super) fn open<'e>(&'e mut self, rules: &'e mut Nftables, at: usize) -> Option<Edit<'e>> {
        let table = Arc::make_mut(rules.tables.get_mut(at)?);
        self.opened.entry(table.handle).or_insert(table.last_handle);
        let changed = self.changed.entry(table.handle).or_default();
        Some(Edit { table, at, undo: &mut self.undo, kept: &mut self.kept, changed })
    }

    /// What has to be checked of a table; none if nothing has.
    pub(super) fn changed(&self, table: &Table) -> Option<&Changed> {
        self.changed.get(&table.handle)
    }

    /// The transaction stands.
    pub(super) fn commit(self, rules: &mut Nftables) {
        for table in rules.tables.iter_mut().filter(|t| self.opened.contains_key(&t.handle)) {
            let table = Arc::make_mut(table);
            if table.chains.compact() {
                table.links.find_bases(&table.chains);
                table.links.reach = None;
            }
            if table.sets.compact() {
                table.links.reach = None;
            }
        }
    }

    /// The transaction comes to nothing.
    pub(super) fn roll_back(self, rules: &mut Nftables) {
        for undo in self.undo.into_iter().rev() {
            undo.take_back(rules);
        }
        for table in &mut rules.tables {
            if let Some(last) = self.opened.get(&table.handle) {
                let table = Arc::make_mut(table);
                table.last_handle = *last;
                table.links = Links::of(&table.chains, &table.sets);
            }
        }
    }
}

impl Undo {
    fn take_back(self, rules: &mut Nftables) {
        match self {
            Self::AddedTable => {
                rules.tables.pop();
                rules.last_handle -= 1;
            }
            Self::RemovedTable(at, table) => rules.tables.insert(at, table),
            Self::Dormant(at, _)
            | Self::AddedChain(at, _)
            | Self::Chain(at, ..)
            | Self::RenamedChain(at, ..)
            | Self::AddedSet(at, _)
            | Self::Set(at, ..)
            | Self::AddedElement(at, ..)
            | Self::RemovedElement(at, ..)
            | Self::AddedObject(at, _)
            | Self::RemovedObject(at, ..) => {
                if let Some(table) = rules.tables.get_mut(at) {
                    self.take_back_in(Arc::make_mut(table));
                }
            }
        }
    }

    fn take_back_in(self, table: &mut Table) {
        match self {
            Self::AddedTable | Self::RemovedTable(..) => {}
            Self::Dormant(_, dormant) => table.dormant = dormant,
            Self::AddedChain(_, name) => {
                table.chains.take(&name);
            }
            Self::Chain(_, slot, chain) => table.chains.put(slot, chain.name.clone(), chain),
            Self::RenamedChain(_, from, to) => table.chains.rename(&to, from),
            Self::AddedSet(_, name) => {
                table.sets.take(&name);
            }
            Self::Set(_, slot, set) => table.sets.put(slot, set.name.clone(), set),
            Self::AddedElement(_, slot, low, high) => {
                if let Some(set) = table.sets.at_mut(slot) {
                    set.elements.remove(&low, high.as_deref());
                }
            }
            Self::RemovedElement(_, slot, element) => {
                if let Some(set) = table.sets.at_mut(slot) {
                    set.elements.insert(*element);
                }
            }
            Self::AddedObject(_, key) => {
                table.objects.shift_remove(&key);
            }
            Self::RemovedObject(_, at, key, object) => {
                table.objects.shift_insert(at, key, *object);
            }
        }
    }
}

/// A table while it is changed.
pub(super) struct Edit<'e> {
    pub(super) table: &'e mut Table,
    at: usize,
    undo: &'e mut Vec<Undo>,
    kept: &'e mut FxHashSet<(u64, What, usize)>,
    changed: &'e mut Changed,
}

impl Edit<'_> {
    /// `flags dormant`, or none.
    pub(super) fn set_dormant(&mut self, dormant: bool) {
        if self.table.dormant != dormant {
            self.undo.push(Undo::Dormant(self.at, self.table.dormant));
            self.table.dormant = dormant;
        }
    }

    pub(super) fn add_chain(&mut self, chain: Chain) {
        let (name, is_base) = (chain.name.clone(), chain.base.is_some());
        let slot = self.table.chains.push(name.clone(), chain);
        self.kept.insert((self.table.handle, What::Chain, slot));
        self.undo.push(Undo::AddedChain(self.at, name));
        if is_base {
            self.table.links.bases.push(slot);
            self.changed.all = true;
        }
    }

    pub(super) fn remove_chain(&mut self, name: &str) {
        let Some((slot, chain)) = self.table.chains.take(name) else { return };
        chain.rules.iter().for_each(|rule| self.table.links.rule(rule, false));
        if chain.base.is_some() {
            self.table.links.bases.retain(|base| *base != slot);
            self.changed.all = true;
        }
        self.undo.push(Undo::Chain(self.at, slot, chain));
    }

    /// A chain to be changed, by its slot. Rules come and go by methods of their own.
    pub(super) fn chain(&mut self, slot: usize) -> Option<&mut Chain> {
        if self.kept.insert((self.table.handle, What::Chain, slot)) {
            self.undo.push(Undo::Chain(self.at, slot, self.table.chains.share(slot)?));
        }
        self.table.chains.at_mut(slot)
    }

    pub(super) fn add_rule(&mut self, slot: usize, at: usize, rule: Rule) {
        self.table.links.rule(&rule, true);
        let Some(chain) = self.chain(slot) else { return };
        chain.rules.insert(at, rule);
        let name = chain.name.clone();
        if self.changed.chains.last() != Some(&name) {
            self.changed.chains.push(name);
        }
    }

    pub(super) fn remove_rule(&mut self, slot: usize, at: usize) {
        let Some(chain) = self.chain(slot) else { return };
        let rule = chain.rules.remove(at);
        self.table.links.rule(&rule, false);
    }

    /// Takes all rules out of a chain.
    pub(super) fn flush_chain(&mut self, slot: usize) {
        if self.table.chains.at(slot).is_none_or(|c| c.rules.is_empty()) {
            return;
        }
        let Some(chain) = self.chain(slot) else { return };
        let rules = std::mem::take(&mut chain.rules);
        rules.iter().for_each(|rule| self.table.links.rule(rule, false));
    }

    /// Gives a chain another name, here and wherever something leads to it.
    pub(super) fn rename_chain(&mut self, slot: usize, to: &Arc<str>, interfaces: &Interfaces) {
        self.changed.all = true;
        let Some(chain) = self.chain(slot) else { return };
        let from = std::mem::replace(&mut chain.name, to.clone());
        self.table.chains.rename(&from, to.clone());
        self.undo.push(Undo::RenamedChain(self.at, from.clone(), to.clone()));
        let family = self.table.family;
        let leads = |c: &Chain| c.rules.iter().any(|r| r.statements.iter().any(|s| leads_to(s, &from)));
        let chains: Vec<usize> =
            self.table.chains.slots().filter(|(_, c)| leads(c)).map(|(i, _)| i).collect();
        for slot in chains {
            for rule in self.chain(slot).into_iter().flat_map(|c| &mut c.rules) {
                rule.statements.iter_mut().for_each(|s| redirect(s, &from, to));
                rule.text = print::new_text(rule, family, interfaces);
            }
        }
        let sets: Vec<usize> =
            self.table.sets.slots().filter(|(_, s)| set_leads_to(s, &from)).map(|(i, _)| i).collect();
        for slot in sets {
            if let Some(set) = self.set(slot) {
                set.elements.iter_mut().for_each(|e| redirect_data(&mut e.data, &from, to));
            }
        }
        self.table.links = Links::of(&self.table.chains, &self.table.sets);
    }

    pub(super) fn add_set(&mut self, set: Set) {
        let name = set.name.clone();
        let slot = self.table.sets.push(name.clone(), set);
        self.kept.insert((self.table.handle, What::Set, slot));
        self.undo.push(Undo::AddedSet(self.at, name));
    }

    pub(super) fn remove_set(&mut self, name: &str) {
        if let Some((slot, set)) = self.table.sets.take(name) {
            self.table.links.elements(&set, false);
            self.undo.push(Undo::Set(self.at, slot, set));
        }
    }

    /// A set to be changed as a whole, by its slot. Elements come and go by methods of their own.
    pub(super) fn set(&mut self, slot: usize) -> Option<&mut Set> {
        if self.kept.insert((self.table.handle, What::Set, slot)) {
            self.undo.push(Undo::Set(self.at, slot, self.table.sets.share(slot)?));
        }
        self.table.sets.at_mut(slot)
    }

    /// Takes all elements out of a set.
    pub(super) fn flush_set(&mut self, slot: usize) {
        let Some(set) = self.table.sets.at(slot) else { return };
        self.table.links.elements(set, false);
        if let Some(set) = self.set(slot) {
            set.elements.clear();
        }
    }

    /// Adds an element, or puts it in the place of one that is over.
    pub(super) fn add_element(&mut self, slot: usize, element: Element) {
        self.remove_element(slot, &element.low, element.high.as_deref());
        if let Some(to) = target(&element)
            && let Some(set) = self.table.sets.at(slot)
        {
            self.changed.elements.push((set.name.clone(), to.clone()));
        }
        self.table.links.element(&element, true);
        if self.is_kept(slot) {
            if let Some(set) = self.set(slot) {
                set.elements.insert(element);
            }
            return;
        }
        self.undo.push(Undo::AddedElement(self.at, slot, element.low.clone(), element.high.clone()));
        if let Some(set) = self.table.sets.at_mut(slot) {
            set.elements.insert(element);
        }
    }

    /// Takes the element of exactly this range out, if there is one.
    pub(super) fn remove_element(&mut self, slot: usize, low: &[u128], high: Option<&[u128]>) {
        if self.table.sets.at(slot).is_none_or(|set| set.elements.get(low, high).is_none()) {
            return;
        }
        let by_element = !self.is_kept(slot);
        let set = if by_element { self.table.sets.at_mut(slot) } else { self.set(slot) };
        let Some(old) = set.and_then(|set| set.elements.remove(low, high)) else { return };
        self.table.links.element(&old, false);
        if by_element {
            self.undo.push(Undo::RemovedElement(self.at, slot, Box::new(old)));
        }
    }

    /// Whether a set is kept as a whole: it was changed otherwise, or it has ranges, of which order and merging tell more than one element.
    fn is_kept(&self, slot: usize) -> bool {
        self.kept.contains(&(self.table.handle, What::Set, slot))
            || self.table.sets.at(slot).is_some_and(|set| set.flags.interval)
    }

    pub(super) fn add_object(&mut self, key: (ObjectKind, Arc<str>), object: Object) {
        self.undo.push(Undo::AddedObject(self.at, key.clone()));
        self.table.objects.insert(key, object);
    }

    pub(super) fn remove_object(&mut self, key: &(ObjectKind, Arc<str>)) {
        if let Some((at, key, object)) = self.table.objects.shift_remove_full(key) {
            self.undo.push(Undo::RemovedObject(self.at, at, key, Box::new(object)));
        }
    }
}
