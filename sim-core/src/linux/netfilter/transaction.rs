//! Changes to one table that happen together or not at all.
//!
//! The tool refuses some things at once (no such chain, no such rule) and the kernel refuses others when the changes are
//! handed over (wrong table for a target, loops): so does a [`Transaction`], in [`Transaction::apply`] and
//! [`Transaction::commit`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::arguments::{Arguments, Verb};
use super::build::{NAT_DROP, build};
use super::graph;
use super::matches::{Match, Place};
use super::problem::{Kind, Problem};
use super::rule::RuleSpec;
use super::set;
use super::table::{ChainId, Policy, Rule, Table};
use super::targets::{Target, check_chain_length, check_chain_name};
use crate::linux::ipset::Sets;
use crate::trace::{Family, Hook, TableId};

/// A table with changes that are not committed.
pub(super) struct Transaction {
    family: Family,
    table: Table,
    origin: Origin,
    log: Vec<Entry>,
    touched: bool,
    /// The first change that could not be made, and its line.
    failed: Option<(Problem, u32)>,
}

/// Where the table of a transaction came from, and so where it goes if nothing comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was taken out of the rule set.
    Taken,
    /// It is a new one; the rule set still has what it had.
    New,
}

/// One change, for errors that are found at the end.
struct Entry {
    /// Line of a restore.
    line: u32,
    what: Change,
    /// `rule in chain X` or `chain X`.
    chain: Arc<str>,
    id: ChainId,
}

enum Change {
    /// A rule was added: the kernel's name of the change, the rule, and the chain that it leads to.
    Rule(&'static str, Arc<RuleSpec>, Option<ChainId>),
    /// A chain that is in use was to be deleted.
    Busy,
}

/// The rules of one line, and the chain that they lead to.
type Specs = (Vec<Arc<RuleSpec>>, Option<ChainId>);

/// What the kernel says to a transaction, and the first line that it is about.
pub(super) struct Refusal {
    /// What is reported.
    pub(super) problem: Problem,
    /// The first line; none where only the end of the transaction is known.
    pub(super) line: Option<u32>,
}

const NO_CHAIN: &str = "No chain/target/match by that name";
const NO_POLICY: &str = "Bad built-in chain name";
const NO_RULE: &str = "Bad rule (does a matching rule exist in that chain?)";

impl Transaction {
    /// Changes to a table.
    pub(super) fn new(family: Family, mut table: Table, origin: Origin) -> Self {
        table.begin();
        Self { family, table, origin, log: Vec::new(), touched: false, failed: None }
    }

    /// The table with the changes so far.
    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    /// Whether no chain was declared and no rule was added.
    pub(super) const fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// Notes a change that cannot be made. The tool queues what it reads, so this is reported at the end, and only if
    /// nothing later cannot even be read.
    pub(super) fn fail(&mut self, problem: Problem, line: u32) {
        self.failed.get_or_insert((problem, line));
    }

    /// Declares a chain (`:CHAIN POLICY` of a restore): a user chain is created or emptied, a built-in chain gets a policy.
    pub(super) fn declare(
        &mut self,
        chain: &str,
        policy: &str,
        counters: impl FnOnce() -> Result<Option<(u64, u64)>, Problem>,
    ) -> Result<(), Problem> {
        self.touched = true;
        match self.table.find(chain) {
            Some(id) if self.table.get(id).is_some_and(|c| c.base.is_some()) => {
                if policy == "-" {
                    return Ok(());
                }
                let counters = counters()?;
                self.set_policy(id, policy, counters)
            }
            Some(id) => {
                self.table.flush(id);
                Ok(())
            }
            None => {
                self.table.add_chain(chain);
                Ok(())
            }
        }
    }

    /// Carries out one command.
    pub(super) fn apply(&mut self, args: &Arguments<'_>, line: u32, sets: &Sets) -> Result<(), Problem> {
        self.touched = true;
        if let Verb::Append(chain)
        | Verb::Insert(chain, _)
        | Verb::Replace(chain, _)
        | Verb::Delete(chain)
        | Verb::DeleteNumber(chain, _)
        | Verb::Check(chain)
        | Verb::NewChain(chain)
        | Verb::Rename(_, chain) = &args.verb
        {
            check_chain_length(chain)?;
        }
        match &args.verb {
            Verb::Append(_)
            | Verb::Insert(..)
            | Verb::Replace(..)
            | Verb::Delete(_)
            | Verb::DeleteNumber(..)
            | Verb::Check(_) => self.apply_rule(args, line, sets),
            Verb::Flush(chain) => self.each(chain.as_deref(), Table::flush),
            Verb::Zero(chain, number) => self.zero(chain.as_deref(), *number),
            Verb::NewChain(chain) => self.new_chain(chain),
            Verb::DeleteChain(chain) => self.delete_chains(chain.as_deref(), line),
            Verb::Rename(old, new) => self.rename(old, new),
            Verb::Policy(chain, policy) => {
                let id = self.table.find(chain).ok_or_else(|| Problem::failed(NO_POLICY))?;
                self.set_policy(id, policy, args.counters)
            }
            Verb::List(..) | Verb::ListRules(..) | Verb::Version => Ok(()),
        }
    }

    fn chain(&self, name: &str) -> Result<ChainId, Problem> {
        // The rules of a chain mostly come one after the other.
        let last = self.log.last().map(|entry| entry.id);
        let same = last.filter(|id| self.table.get(*id).is_some_and(|chain| *chain.name == *name));
        same.or_else(|| self.table.find(name)).ok_or_else(|| Problem::failed(NO_CHAIN))
    }

    fn each(
        &mut self,
        chain: Option<&str>,
        mut change: impl FnMut(&mut Table, ChainId),
    ) -> Result<(), Problem> {
        match chain {
            Some(name) => {
                let id = self.chain(name)?;
                change(&mut self.table, id);
            }
            None => {
                let ids: Vec<_> = self.table.chain_ids().collect();
                ids.into_iter().for_each(|id| change(&mut self.table, id));
            }
        }
        Ok(())
    }

    fn apply_rule(&mut self, args: &Arguments<'_>, line: u32, sets: &Sets) -> Result<(), Problem> {
        let counters = args.counters.unwrap_or_default();
        match &args.verb {
            Verb::Append(chain) => {
                let specs = self.read(args, chain)?;
                self.append(chain, &specs, counters, line, sets)?;
            }
            Verb::Insert(chain, number) => {
                let (specs, jump) = self.specs(args, chain, sets)?;
                let at = self.position(chain, *number, 1, "Index of insertion too big")?;
                for spec in specs {
                    self.add(at.0, at.1, Rule::leading(spec, counters, jump), "RULE_INSERT", line);
                }
            }
            Verb::Replace(chain, number) => {
                let (specs, jump) = self.specs(args, chain, sets)?;
                let [spec] = specs.as_slice() else {
                    return Err(Problem::usage("Replacement rule does not specify a unique address"));
                };
                let at = self.position(chain, *number, 0, "Index of replacement too big")?;
                self.table.remove_rule(at.0, at.1);
                self.add(at.0, at.1, Rule::leading(spec.clone(), counters, jump), "RULE_REPLACE", line);
            }
            Verb::DeleteNumber(chain, number) => {
                let at = self.position(chain, *number, 0, "Index of deletion too big")?;
                self.table.remove_rule(at.0, at.1);
            }
            Verb::Delete(chain) => {
                for spec in self.specs(args, chain, sets)?.0 {
                    let at = self.find_rule(chain, &spec)?;
                    self.table.remove_rule(at.0, at.1);
                }
            }
            Verb::Check(chain) => {
                for spec in self.specs(args, chain, sets)?.0 {
                    self.find_rule(chain, &spec)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The rules that the arguments stand for. A chain that they name must exist by now.
    fn specs(&self, args: &Arguments<'_>, chain: &str, sets: &Sets) -> Result<Specs, Problem> {
        let specs = self.read(args, chain)?;
        let jump = self.check(&specs, sets)?;
        Ok((specs, jump))
    }

    /// The same, whatever chains there are.
    pub(super) fn read(&self, args: &Arguments<'_>, chain: &str) -> Result<Vec<Arc<RuleSpec>>, Problem> {
        check_chain_length(chain)?;
        build(&args.rule, self.family, self.table.id, chain)
    }

    /// Puts the rules of one line at the end of a chain. A chain that they name must exist by now.
    pub(super) fn append(
        &mut self,
        chain: &str,
        specs: &[Arc<RuleSpec>],
        counters: (u64, u64),
        line: u32,
        sets: &Sets,
    ) -> Result<(), Problem> {
        self.touched = true;
        let jump = self.check(specs, sets)?;
        let id = self.chain(chain)?;
        for spec in specs {
            let end = self.table.get(id).map_or(0, |c| c.rules.len());
            self.add(id, end, Rule::leading(spec.clone(), counters, jump), "RULE_APPEND", line);
        }
        Ok(())
    }

    /// Whether the sets and the chain that the rules of one line name are there; the chain.
    fn check(&self, specs: &[Arc<RuleSpec>], sets: &Sets) -> Result<Option<ChainId>, Problem> {
        if let Some(spec) = specs.first() {
            set::check(spec, self.family, sets)?;
        }
        let Some(Target::Chain { name, .. }) = specs.first().map(|s| &s.target) else { return Ok(None) };
        let missing = || {
            let text = format!("Chain '{name}' does not exist");
            Problem { kind: Kind::NoTarget, ..Problem::usage(text) }
        };
        self.table.find(name).map(Some).ok_or_else(missing)
    }

    /// The position (from 0) that a rule number means; `beyond` is 1 where the place behind the last rule counts too.
    fn position(
        &self,
        chain: &str,
        number: u32,
        beyond: usize,
        too_big: &str,
    ) -> Result<(ChainId, usize), Problem> {
        let id = self.chain(chain)?;
        let rules = self.table.get(id).map_or(0, |c| c.rules.len());
        let at = number as usize - 1;
        if at < rules + beyond { Ok((id, at)) } else { Err(Problem::failed(too_big)) }
    }

    fn find_rule(&self, chain: &str, spec: &RuleSpec) -> Result<(ChainId, usize), Problem> {
        let not_found = || Problem::failed(NO_RULE);
        let id = self.table.find(chain).ok_or_else(not_found)?;
        let rules = self.table.get(id).map_or(&[][..], |c| &c.rules);
        let at = rules.iter().position(|r| r.spec.text == spec.text).ok_or_else(not_found)?;
        Ok((id, at))
    }

    fn add(&mut self, chain: ChainId, at: usize, rule: Rule, change: &'static str, line: u32) {
        let Some(name) = self.table.get(chain).map(|c| c.name.clone()) else { return };
        let what = Change::Rule(change, rule.spec.clone(), rule.jump);
        self.table.insert_rule(chain, at, rule);
        self.log.push(Entry { line, what, chain: name, id: chain });
    }

    fn new_chain(&mut self, name: &str) -> Result<(), Problem> {
        check_chain_name(name)?;
        if self.table.find(name).is_some() {
            return Err(Problem::failed("Chain already exists"));
        }
        self.table.add_chain(name);
        Ok(())
    }

    fn delete_chains(&mut self, chain: Option<&str>, line: u32) -> Result<(), Problem> {
        let Some(name) = chain else {
            // In one transaction, so the order of deletion matters only for who is reported as busy.
            let ids: Vec<_> = self.table.chain_ids().skip(self.table.base_ids().count()).collect();
            for id in ids {
                self.delete_chain(id, line);
            }
            return Ok(());
        };
        let id = self.chain(name)?;
        self.delete_chain(id, line);
        Ok(())
    }

    fn delete_chain(&mut self, id: ChainId, line: u32) {
        let Some(chain) = self.table.get(id) else { return };
        let is_base = chain.base.is_some();
        if chain.references > 0 || !chain.rules.is_empty() {
            let chain = chain.name.clone();
            self.log.push(Entry { line, what: Change::Busy, chain, id });
        } else if !is_base {
            self.table.remove_chain(id);
        }
    }

    fn rename(&mut self, old: &str, new: &str) -> Result<(), Problem> {
        check_chain_name(new)?;
        if self.table.find(new).is_some() {
            return Err(Problem::failed("File exists"));
        }
        let id = self.chain(old)?;
        if self.table.get(id).is_some_and(|c| c.base.is_some()) {
            return Err(Problem::not_modelled("renaming a built-in chain"));
        }
        self.table.rename_chain(id, new);
        Ok(())
    }

    fn set_policy(&mut self, id: ChainId, policy: &str, counters: Option<(u64, u64)>) -> Result<(), Problem> {
        let is_nat = self.table.id == TableId::Nat;
        self.table.save(id);
        let Some(base) = self.table.get_mut(id).and_then(|c| c.base.as_mut()) else {
            return Err(Problem::failed(NO_POLICY));
        };
        let policy = Policy::parse(policy).ok_or_else(|| Problem::failed("Bad policy name"))?;
        if is_nat && policy == Policy::Drop {
            return Err(Problem::usage(NAT_DROP));
        }
        base.set_policy(policy);
        (base.packets, base.bytes) = counters.unwrap_or_default();
        Ok(())
    }

    fn zero(&mut self, chain: Option<&str>, number: Option<u32>) -> Result<(), Problem> {
        self.each(chain, |table, id| table.zero(id, number))
    }

    /// Hands the changes over, or says what is wrong with them; then the table is as it was before.
    pub(super) fn commit(mut self) -> (Table, Result<(), Refusal>) {
        let verdict = self.verdict();
        match verdict {
            Ok(()) => self.table.keep(),
            Err(_) => self.table.take_back(),
        }
        (self.table, verdict)
    }

    /// What handing the changes over would come to; the table as it was before.
    pub(super) fn try_out(mut self) -> (Table, Result<(), Refusal>) {
        let verdict = self.verdict();
        (self.cancel(), verdict)
    }

    /// Gives up; the table as it was before.
    pub(super) fn cancel(mut self) -> Table {
        self.table.take_back();
        self.table
    }

    /// Where the table came from.
    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    fn verdict(&mut self) -> Result<(), Refusal> {
        if let Some((problem, line)) = self.failed.take() {
            let line = Some(line).filter(|_| problem.kind != Kind::NoTarget);
            return Err(Refusal { problem, line });
        }
        let refused: Vec<_> =
            self.log.iter().filter_map(|entry| Some((entry, self.refusal(entry)?))).collect();
        if !refused.is_empty() {
            return Err(refuse(&refused));
        }
        let mut ids: Vec<ChainId> = self.log.iter().map(|entry| entry.id).collect();
        ids.dedup();
        let changed = BTreeSet::from_iter(ids);
        let mut reach = std::mem::take(&mut self.table.reach);
        let found = graph::check(&self.table, &mut reach, &changed);
        self.table.reach = reach;
        if let Err((rules, errno)) = found {
            let is_last = |e: &&Entry| match &e.what {
                Change::Rule(_, spec, _) => rules.iter().any(|r| Arc::ptr_eq(r, spec)),
                Change::Busy => false,
            };
            if let Some(entry) = self.log.iter().rev().find(is_last) {
                return Err(refuse(&[(entry, errno)]));
            }
        }
        Ok(())
    }

    /// What the kernel says to one change by itself.
    fn refusal(&self, entry: &Entry) -> Option<&'static str> {
        let Change::Rule(_, spec, jump) = &entry.what else { return Some("Device or resource busy") };
        let hook = self.base_hook(entry.id);
        if let Some(jump) = jump
            && self.base_hook(*jump).is_some()
        {
            let own = *jump == entry.id;
            return Some(if own { "Operation not supported" } else { "No such file or directory" });
        }
        let (protocol, protocol_inverted) = (spec.head.protocol, spec.head.protocol_inverted);
        let place = Place { table: self.table.id, hook, protocol, protocol_inverted };
        (!spec.allowed(&place)).then_some("Invalid argument")
    }

    /// The hook of a built-in chain. Their places in the table are theirs for good.
    fn base_hook(&self, chain: ChainId) -> Option<Hook> {
        self.table.get(chain)?.base.as_ref().map(|b| b.hook)
    }

    /// The lists of `recent` that the new rules use, and how many hits they count.
    pub(super) fn recent_lists(&self) -> Vec<(Arc<str>, u32)> {
        let mut lists = Vec::new();
        for entry in &self.log {
            let Change::Rule(_, spec, _) = &entry.what else { continue };
            lists.extend(spec.matches.iter().filter_map(|m| match m {
                Match::Recent(r) => Some((r.list_name().clone(), r.hits())),
                _ => None,
            }));
        }
        lists
    }
}

/// The report on refused changes: one line for each.
fn refuse(refused: &[(&Entry, &str)]) -> Refusal {
    let lines: Vec<_> = refused
        .iter()
        .map(|(entry, errno)| {
            let (change, chain) = match &entry.what {
                Change::Rule(change, ..) => (*change, format!("rule in chain {}", entry.chain)),
                Change::Busy => ("CHAIN_DEL", format!("chain {}", entry.chain)),
            };
            let place = if entry.line == 0 { String::new() } else { format!("line {}:", entry.line) };
            format!("{place} {change} failed ({errno}): {chain}")
        })
        .collect();
    let text = lines.join("\n");
    let first = refused.first().map(|(entry, _)| entry);
    let problem = Problem { kind: Kind::Kernel, ..Problem::usage(text) };
    Refusal { problem, line: first.map(|e| e.line).filter(|n| *n > 0) }
}
