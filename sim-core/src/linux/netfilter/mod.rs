//! Packet filter: hooks, tables, chains, rules.
//!
//! ```text
//!  hook         tables in the order they are met (conntrack runs between raw and mangle)
//!  PREROUTING   raw ─ [conntrack] ─ mangle ─ nat (DNAT)
//!  INPUT        mangle ─ filter ─ nat (SNAT)
//!  FORWARD      mangle ─ filter
//!  OUTPUT       raw ─ [conntrack] ─ mangle ─ nat (DNAT) ─ filter
//!  POSTROUTING  mangle ─ nat (SNAT)
//! ```
//!
//! A [`Ruleset`] holds the tables of one family. It speaks the text of `iptables-restore` and `iptables-save`
//! ([`Ruleset::restore`], [`Ruleset::save`]) and the command line of `iptables` ([`Ruleset::command`]), and it leads packets
//! through its chains ([`Ruleset::walk`]). The stack decides which table is met when; a walk is through one table at one hook.
//! Texts, errors and exit statuses are those of iptables 1.8.9 (nf_tables).

mod address;
mod arguments;
mod build;
mod command;
mod edit;
mod env;
mod graph;
mod index;
mod known;
mod list;
mod log_line;
mod matches;
pub(super) mod names;
mod options;
mod packet;
mod problem;
mod recent;
mod restore;
mod rule;
mod save;
mod set;
mod table;
mod targets;
mod transaction;
mod walk;
pub(super) mod words;

#[cfg(test)]
mod tests;

pub use env::{AddrType, AddrTypes, Env, NatTarget, WalkEnd};
pub use known::KnownRules;
pub use table::{Chain, Policy, Rule, Table};

use std::collections::BTreeMap;
use std::sync::Arc;

use self::matches::Buckets;
use self::recent::RecentLists;
use self::transaction::Origin;
use self::walk::Engine;
use crate::linux::Skb;
use crate::linux::ipset::Sets;
use crate::trace::{Family, Hook, Recorder, TableId};

/// All tables of one family in one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruleset {
    family: Family,
    tables: [Option<Box<Table>>; 4],
    recent: RecentLists,
    buckets: Buckets,
    /// The namespace's sets, lent while rules are changed: rules may only name sets that exist.
    pub(super) sets: Sets,
}

/// How `iptables-restore` is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `--noflush`: chains that are not declared stay as they are.
    pub noflush: bool,
    /// `--counters`: take over the `[packets:bytes]` of chains and rules.
    pub counters: bool,
    /// `--test`: change nothing.
    pub test: bool,
}

/// Why `iptables-restore` refused a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RestoreError {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters, of the word that is wrong; 1 if the whole line is.
    pub column: u32,
    /// What is wrong, in one line, without the tool's name.
    pub reason: String,
    /// Everything that the real tool writes to standard error, with its final newline.
    pub message: String,
    /// Exit status of the real tool.
    pub status: i32,
}

/// Why `iptables` refused a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Everything that the real tool writes to standard error, with its final newline.
    pub message: String,
    /// Exit status of the real tool.
    pub status: i32,
}

impl Ruleset {
    /// Becomes a copy of another namespace's rules. Its own are gone; the sets stay, which rules name.
    pub fn take_after(&mut self, other: &Self) {
        let sets = std::mem::take(&mut self.sets);
        self.clone_from(other);
        self.sets = sets;
    }

    /// A rule set without any table, as in a new namespace.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self {
            family,
            tables: [const { None }; 4],
            recent: RecentLists::default(),
            buckets: Buckets::default(),
            sets: Sets::default(),
        }
    }

    /// iptables or ip6tables.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// A table, if it is loaded.
    #[must_use]
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables[id as usize].as_deref()
    }

    /// A table; loaded with its empty built-in chains and policy ACCEPT if it was not there.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        self.tables[id as usize].get_or_insert_with(|| Box::new(Table::new(id)))
    }

    /// Whether there is nothing to walk: the table is not loaded or has no chain at this hook.
    #[must_use]
    pub fn is_empty(&self, table: TableId, hook: Hook) -> bool {
        self.table(table).is_none_or(|t| t.hook_chain(hook).is_none())
    }

    /// The walk through a chain that has no rules, if its policy is ACCEPT: counts a packet of `length` bytes and tells that
    /// there is no more to do. Nothing is recorded.
    pub fn pass_empty(&mut self, table: TableId, hook: Hook, length: usize) -> bool {
        let Some(table) = self.tables[table as usize].as_deref_mut() else { return true };
        let Some(id) = table.hook_chain(hook) else { return true };
        table.get_mut(id).is_some_and(|chain| chain.pass_empty(length as u64))
    }

    /// Whether connection tracking has to look at packets: the nat table is loaded, or a rule asks about flows.
    #[must_use]
    pub fn needs_conntrack(&self) -> bool {
        self.table(TableId::Nat).is_some() || self.tables.iter().flatten().any(|t| t.needs_conntrack())
    }

    /// `iptables-restore < text`. A table's block is applied as a whole at its COMMIT or not at all.
    ///
    /// # Errors
    /// The first line that the real tool refuses.
    pub fn restore(&mut self, text: &str, opt: RestoreOptions) -> Result<(), RestoreError> {
        restore::restore(self, text, opt, None)
    }

    /// The same, with the rules of lines that were read before; those that are new are added to them.
    ///
    /// # Errors
    /// The first line that the real tool refuses.
    pub fn restore_known(
        &mut self,
        text: &str,
        opt: RestoreOptions,
        known: &mut KnownRules,
    ) -> Result<(), RestoreError> {
        restore::restore(self, text, opt, Some(known))
    }

    /// `iptables-save [-t table] [-c]`, without the comment lines that carry the date.
    #[must_use]
    pub fn save(&self, table: Option<TableId>, counters: bool) -> String {
        save::save(self, table, counters)
    }

    /// `iptables args…` (without the program's name). Yields what goes to standard output.
    ///
    /// # Errors
    /// The real tool's error text and exit status.
    pub fn command(&mut self, args: &[String]) -> Result<String, CommandError> {
        command::command(self, args)
    }

    /// Counts the rules that name each IP set.
    pub fn count_set_references(&self, count: &mut BTreeMap<Arc<str>, u32>) {
        let rules = self.tables.iter().flatten().flat_map(|t| t.chains()).flat_map(|c| &c.rules);
        for name in rules.flat_map(|r| set::names(&r.spec)) {
            *count.entry(name.clone()).or_default() += 1;
        }
    }

    /// Leads a packet through the chain of `table` at `env.hook`.
    pub fn walk<R: Recorder>(
        &mut self,
        table: TableId,
        env: &mut Env<'_>,
        skb: &mut Skb,
        rec: &mut R,
    ) -> WalkEnd {
        walk::walk(self, Engine::Compiled, table, env, skb, rec)
    }

    /// The same, trying rule by rule: the slow twin of [`Self::walk`], for comparison.
    pub fn walk_plain<R: Recorder>(
        &mut self,
        table: TableId,
        env: &mut Env<'_>,
        skb: &mut Skb,
        rec: &mut R,
    ) -> WalkEnd {
        walk::walk(self, Engine::Plain, table, env, skb, rec)
    }

    /// Takes a table out to change it; a new one if it is not loaded.
    fn take(&mut self, id: TableId) -> (Table, Origin) {
        match self.tables[id as usize].take() {
            Some(table) => (*table, Origin::Taken),
            None => (Table::new(id), Origin::New),
        }
    }

    /// A new table to take the place of the one that is there.
    fn renew(&self, id: TableId) -> (Table, Origin) {
        let mut table = Table::new(id);
        if let Some(old) = self.table(id) {
            table.follow(old);
        }
        (table, Origin::New)
    }

    /// Puts a table back that was taken out and not changed.
    fn put_back(&mut self, origin: Origin, table: Table) {
        if origin == Origin::Taken {
            let slot = &mut self.tables[table.id as usize];
            *slot = Some(Box::new(table));
        }
    }

    /// Puts a changed table in place of the old one, or unloads it.
    fn replace_table(&mut self, id: TableId, table: Option<Table>, lists: Vec<(Arc<str>, u32)>) {
        self.tables[id as usize] = table.map(Box::new);
        for (name, hits) in lists {
            self.recent.ensure(&name, hits);
        }
        let tables = &self.tables;
        self.recent.retain(|name| tables.iter().flatten().any(|t| t.uses_recent(name)));
        if !self.buckets.is_empty() {
            self.buckets.retain(|name| tables.iter().flatten().any(|t| t.uses_buckets(name)));
        }
    }
}
