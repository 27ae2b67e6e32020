//! Carrying out commands: all of them or none.

use std::sync::Arc;

use super::Nftables;
use super::edit::{Edit, Journal};
use super::expr::{Expr, SetRef};
use super::links::{Links, set_refs};
use super::model::{
    BaseChain, Chain, ChainType, Family, NatTo, Object, ObjectKind, Rule, SetData, Statement, Table, Text,
};
use super::named::Named;
use super::parse::{Command, Located, Place, Problem, RuleSpec, Span, TableName, What};
use super::print::{self, Interfaces};
use super::types::Ty;
use crate::time::SimTime;
use crate::trace::Hook;

mod sets;

use sets::missing_set;

/// Why a command is refused.
pub(super) enum Failure {
    /// nft itself finds out, before anything is sent.
    Meaning(Problem),
    /// The kernel refuses it.
    Kernel(Problem),
}

type Done = Result<(), Failure>;

/// Words of the errors that the kernel answers.
pub(super) mod errno {
    pub(in super::super) const ENOENT: &str = "No such file or directory";
    pub(in super::super) const EEXIST: &str = "File exists";
    pub(in super::super) const EBUSY: &str = "Device or resource busy";
    pub(in super::super) const EINVAL: &str = "Invalid argument";
    pub(in super::super) const EOPNOTSUPP: &str = "Operation not supported";
    pub(in super::super) const ENFILE: &str = "Too many open files in system";
    pub(in super::super) const EMLINK: &str = "Too many links";
}
use errno::{EBUSY, EEXIST, ENOENT, EOPNOTSUPP};

/// The kernel's refusal.
pub(super) fn kernel(span: Span, error: &str) -> Failure {
    Failure::Kernel(Problem::new(span, format!("Could not process rule: {error}")))
}

fn meaning(span: Span, text: impl Into<String>) -> Failure {
    Failure::Meaning(Problem::new(span, text))
}

/// A rule set while commands change it.
pub(super) struct Change<'a> {
    pub(super) rules: &'a mut Nftables,
    pub(super) now: SimTime,
    pub(super) interfaces: &'a Interfaces,
    /// What was there before.
    pub(super) journal: Journal,
}

impl Change<'_> {
    /// Carries out one command that changes something.
    pub(super) fn apply(&mut self, command: &mut Command) -> Done {
        match &mut command.what {
            What::AddTable { create, table, dormant, comment } => {
                self.add_table(*create, table, *dormant, comment.as_ref())
            }
            What::AddChain { create, table, name, base, policy, comment } => {
                self.add_chain(*create, table, name, base.as_ref(), *policy, comment.as_ref(), command.span)
            }
            What::AddRule { insert, table, chain, place, rule } => {
                self.add_rule(*insert, table, chain, *place, rule)
            }
            What::ReplaceRule { table, chain, handle, rule } => self.replace(table, chain, handle, rule),
            What::AddSet { create, table, name, set, elements } => {
                self.add_set(*create, table, name, set)?;
                self.add_elements(false, table, name, elements)
            }
            What::AddElements { create, table, set, elements } => {
                self.add_elements(*create, table, set, elements)
            }
            What::AddObject { create, table, name, state, comment } => {
                let mut table = self.open(table)?;
                let key = (state.kind(), name.what.clone());
                if table.table.objects.contains_key(&key) {
                    return if *create { Err(kernel(name.span, EEXIST)) } else { Ok(()) };
                }
                let handle = table.table.next_handle();
                table.add_object(key, Object { handle, comment: comment.clone(), state: state.clone() });
                Ok(())
            }
            What::DeleteTable(name) => {
                self.look(name)?;
                self.journal.remove_tables(self.rules, |t| is(t, name));
                Ok(())
            }
            What::DeleteChain(table, name) => self.delete_chain(table, name),
            What::DeleteRule(table, chain, handle) => {
                let (mut table, slot) = self.chain(table, chain)?;
                let at = position(&table, slot, handle.what, handle.span)?;
                table.remove_rule(slot, at);
                Ok(())
            }
            What::DeleteSet(table, name) => self.delete_set(table, name),
            What::DeleteObject(table, kind, name) => self.delete_object(table, *kind, name),
            What::DeleteElements(table, set, elements) => self.delete_elements(table, set, elements),
            What::FlushRuleset(family) => {
                self.journal.remove_tables(self.rules, |t| family.is_none_or(|f| f == t.family));
                Ok(())
            }
            What::FlushTable(name) => {
                let mut table = self.open(name)?;
                let slots: Vec<usize> = table.table.chains.slots().map(|(slot, _)| slot).collect();
                slots.into_iter().for_each(|slot| table.flush_chain(slot));
                Ok(())
            }
            What::FlushChain(table, name) => {
                let (mut table, slot) = self.chain(table, name)?;
                table.flush_chain(slot);
                Ok(())
            }
            What::FlushSet(table, name, is_map) => {
                let mut table = self.open(table)?;
                let set = table.table.sets.get(&name.what).filter(|s| s.is_map() == *is_map);
                let slot = set.and_then(|_| table.table.sets.slot(&name.what));
                table.flush_set(slot.ok_or_else(|| meaning(name.span, ENOENT))?);
                Ok(())
            }
            What::RenameChain(table, name, to) => self.rename_chain(table, name, to, command.span),
            What::List(_) | What::GetElements(..) => Ok(()),
        }
    }

    /// A table that is only looked at.
    fn look(&self, name: &TableName) -> Result<&Table, Failure> {
        let found = self.rules.tables.iter().find(|t| is(t, name));
        found.map(|t| &**t).ok_or_else(|| kernel(name.name.span, ENOENT))
    }

    /// A table, to be changed.
    fn open(&mut self, name: &TableName) -> Result<Edit<'_>, Failure> {
        let at = self.rules.tables.iter().position(|t| is(t, name));
        at.and_then(|at| self.journal.open(self.rules, at)).ok_or_else(|| kernel(name.name.span, ENOENT))
    }

    /// A chain's table, to be changed, and its slot.
    fn chain(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Result<(Edit<'_>, usize), Failure> {
        let table = self.open(table)?;
        let slot = table.table.chains.slot(&name.what).ok_or_else(|| kernel(name.span, ENOENT))?;
        Ok((table, slot))
    }

    fn add_table(
        &mut self,
        create: bool,
        name: &TableName,
        dormant: bool,
        comment: Option<&Arc<str>>,
    ) -> Done {
        if self.rules.tables.iter().any(|t| is(t, name)) {
            if create {
                return Err(kernel(name.name.span, EEXIST));
            }
            self.open(name)?.set_dormant(dormant);
            return Ok(());
        }
        self.rules.last_handle += 1;
        let table = Table {
            family: name.family,
            name: name.name.what.clone(),
            title: format!("{} {}", name.family.name(), name.name.what).into(),
            handle: self.rules.last_handle,
            dormant,
            comment: comment.cloned(),
            last_handle: 0,
            chains: Named::default(),
            sets: Named::default(),
            objects: indexmap::IndexMap::default(),
            links: Links::default(),
        };
        self.journal.add_table(self.rules, table);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    fn add_chain(
        &mut self,
        create: bool,
        table: &TableName,
        name: &Located<Arc<str>>,
        base: Option<&BaseChain>,
        policy: Option<bool>,
        comment: Option<&Arc<str>>,
        span: Span,
    ) -> Done {
        if let Some(base) = base {
            let allowed = match base.kind {
                ChainType::Filter => true,
                ChainType::Nat => base.hook != Hook::Forward && base.priority > -200,
                ChainType::Route => base.hook == Hook::Output,
            };
            if !allowed {
                return Err(kernel(name.span, EOPNOTSUPP));
            }
        }
        let mut table = self.open(table)?;
        if let Some(slot) = table.table.chains.slot(&name.what) {
            if create {
                return Err(kernel(name.span, EEXIST));
            }
            match (table.table.chains.at(slot).and_then(|c| c.base.as_ref()), base) {
                (None, Some(_)) => return Err(kernel(span, EOPNOTSUPP)),
                (Some(old), Some(new))
                    if (old.kind, old.hook, old.priority) != (new.kind, new.hook, new.priority) =>
                {
                    return Err(kernel(span, if old.kind == new.kind { EEXIST } else { EOPNOTSUPP }));
                }
                (Some(old), _) if policy.is_some_and(|drop| drop != old.drop) => {
                    if let Some(old) = table.chain(slot).and_then(|c| c.base.as_mut()) {
                        old.drop = !old.drop;
                    }
                }
                (_, None) | (Some(_), Some(_)) => {}
            }
            return Ok(());
        }
        let handle = table.table.next_handle();
        let base = base.map(|b| BaseChain { drop: policy.unwrap_or(false), ..b.clone() });
        let name = name.what.clone();
        table.add_chain(Chain { name, handle, comment: comment.cloned(), base, rules: Vec::new() });
        Ok(())
    }

    fn add_rule(
        &mut self,
        insert: bool,
        table: &TableName,
        chain: &Located<Arc<str>>,
        place: Place,
        spec: &mut RuleSpec,
    ) -> Done {
        self.check_names(table, spec)?;
        let (now, interfaces) = (self.now, self.interfaces);
        let (mut table, slot) = self.chain(table, chain)?;
        let len = table.table.chains.at(slot).map_or(0, |c| c.rules.len());
        let after = usize::from(!insert);
        let at = match place {
            Place::Edge if insert => 0,
            Place::Edge => len,
            Place::Handle(handle, span) => position(&table, slot, handle, span)? + after,
            Place::Index(index, span) if index >= len => return Err(kernel(span, ENOENT)),
            Place::Index(index, _) => index + after,
        };
        let rule = rule(table.table, spec, now, interfaces);
        table.add_rule(slot, at, rule);
        Ok(())
    }

    fn replace(
        &mut self,
        table: &TableName,
        chain: &Located<Arc<str>>,
        handle: &Located<u64>,
        spec: &mut RuleSpec,
    ) -> Done {
        self.check_names(table, spec)?;
        let (now, interfaces) = (self.now, self.interfaces);
        let (mut table, slot) = self.chain(table, chain)?;
        let at = position(&table, slot, handle.what, handle.span)?;
        let rule = rule(table.table, spec, now, interfaces);
        table.remove_rule(slot, at);
        table.add_rule(slot, at, rule);
        Ok(())
    }

    /// The names in a rule must be those of something that fits.
    fn check_names(&self, name: &TableName, spec: &RuleSpec) -> Done {
        let known = &self.rules.tables;
        let table = self.look(name)?;
        for (set, key, data, left) in &spec.sets {
            let Some(found) = table.sets.get(&set.what) else {
                return Err(meaning(set_span(set), missing_set(known, &set.what)));
            };
            if *data != SetData::None && !found.is_map() {
                return Err(meaning(set_span(set), "Expression is not a map"));
            }
            if !key.is_empty() && !same_types(key, &found.key) {
                let text = format!(
                    "datatype mismatch, expected {}, expression has type {}",
                    types_title(key),
                    types_title(&found.key)
                );
                return Err(Failure::Meaning(Problem::new(set_span(set), text).and(*left)));
            }
        }
        for (set, key, key_span, span) in &spec.dynamics {
            let Some(found) = table.sets.get(&set.what) else {
                return Err(meaning(set_span(set), missing_set(known, &set.what)));
            };
            if !same_types(key, &found.key) {
                let text = format!(
                    "datatype mismatch: expected {}, expression has type {}",
                    types_title(&found.key),
                    types_title(key)
                );
                return Err(Failure::Meaning(Problem::new(*key_span, text).and(*span)));
            }
            if !found.flags.timeout && !found.flags.dynamic {
                return Err(kernel(*span, EOPNOTSUPP));
            }
        }
        for (chain, span) in &spec.chains {
            match table.chains.get(chain) {
                None => return Err(kernel(*span, ENOENT)),
                Some(c) if c.base.is_some() => return Err(kernel(*span, EOPNOTSUPP)),
                Some(_) => {}
            }
        }
        for (kind, object, span) in &spec.objects {
            if !table.objects.contains_key(&(*kind, object.clone())) {
                return Err(kernel(*span, ENOENT));
            }
        }
        Ok(())
    }

    fn delete_chain(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Done {
        let (mut table, slot) = self.chain(table, name)?;
        if table.table.chains.at(slot).is_some_and(|chain| table.table.links.leads_to(chain)) {
            return Err(kernel(name.span, EBUSY));
        }
        table.remove_chain(&name.what);
        Ok(())
    }

    fn delete_object(&mut self, table: &TableName, kind: ObjectKind, name: &Located<Arc<str>>) -> Done {
        let mut table = self.open(table)?;
        let key = (kind, name.what.clone());
        if !table.table.objects.contains_key(&key) {
            return Err(kernel(name.span, ENOENT));
        }
        let used = |s: &Statement| matches!(s, Statement::Object(k, n) if *k == kind && *n == name.what);
        if table.table.chains.values().flat_map(|c| &c.rules).any(|r| r.statements.iter().any(used)) {
            return Err(kernel(name.span, EBUSY));
        }
        table.remove_object(&key);
        Ok(())
    }

    fn rename_chain(
        &mut self,
        table: &TableName,
        name: &Located<Arc<str>>,
        to: &Arc<str>,
        span: Span,
    ) -> Done {
        let interfaces = self.interfaces;
        let mut table = self.open(table)?;
        let Some(slot) = table.table.chains.slot(&name.what) else { return Err(meaning(name.span, ENOENT)) };
        if table.table.chains.contains(to) {
            return Err(kernel(span, EEXIST));
        }
        table.rename_chain(slot, to, interfaces);
        Ok(())
    }
}

/// The place of the rule with this handle.
fn position(table: &Edit<'_>, slot: usize, handle: u64, span: Span) -> Result<usize, Failure> {
    let chain = table.table.chains.at(slot);
    let found = chain.and_then(|c| c.rules.iter().position(|r| r.handle == handle));
    found.ok_or_else(|| kernel(span, ENOENT))
}

/// The rule that is wanted, whose statements are taken.
fn rule(table: &mut Table, spec: &mut RuleSpec, now: SimTime, interfaces: &Interfaces) -> Rule {
    let mut statements = std::mem::take(&mut spec.statements);
    for statement in &mut statements {
        finish(statement, table, now);
        // A set that is written into a rule takes a handle.
        for _ in 0..anonymous_sets(statement) {
            table.next_handle();
        }
    }
    let handle = table.next_handle();
    let mut rule = Rule { handle, statements, comment: spec.comment.clone(), text: Text::default() };
    rule.text = print::new_text(&rule, table.family, interfaces);
    rule
}

pub(super) fn is(table: &Table, name: &TableName) -> bool {
    table.family == name.family && table.name == name.name.what
}

/// `@name` begins at the name's place for nft.
const fn set_span(name: &Located<Arc<str>>) -> Span {
    Span { line: name.span.line, from: name.span.from - 1, to: name.span.to }
}

fn same_types(a: &[Ty], b: &[Ty]) -> bool {
    let same = |a: &Ty, b: &Ty| {
        a == b || matches!((a, b), (Ty::Int(_), Ty::Mark | Ty::Int(_)) | (Ty::Mark, Ty::Int(_)))
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn types_title(types: &[Ty]) -> String {
    match types {
        [one] => one.title().to_owned(),
        many => {
            let titles: Vec<&str> = many.iter().map(|t| t.title()).collect();
            format!("concatenation of ({})", titles.join(", "))
        }
    }
}

/// What only the table knows about a statement.
fn finish(statement: &mut Statement, table: &Table, now: SimTime) {
    match statement {
        Statement::Limit(limit) => *limit = limit.clone().filled(now),
        Statement::Dynamic(dynamic) => dynamic.statements.iter_mut().for_each(|s| finish(s, table, now)),
        Statement::Nat(nat) => {
            let ports = |map: &Expr| match map {
                Expr::Map(_, SetRef::Named(name)) => table
                    .sets
                    .get(name)
                    .is_some_and(|s| matches!(&s.data, SetData::Values(types) if types.len() == 2)),
                _ => false,
            };
            match &nat.to {
                NatTo::Map(map) if ports(map) => {
                    nat.to = NatTo::MapWithPort(map.clone());
                    nat.family = nat.family.or(Some(if table.family == Family::Ip6 {
                        Family::Ip6
                    } else {
                        Family::Ip
                    }));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn anonymous_sets(statement: &Statement) -> usize {
    set_refs(statement).into_iter().filter(|s| matches!(s, SetRef::Anonymous(_))).count()
}
