//! Carrying out commands: all of them or none.

use std::sync::Arc;
use std::time::Duration;

use super::Nftables;
use super::edit::{Edit, Journal};
use super::elements::{Data, Element};
use super::expr::{Expr, SetRef};
use super::links::{Links, set_refs};
use super::model::{
    BaseChain, Chain, ChainType, Family, NatTo, Object, ObjectKind, Rule, Set, SetData, Statement, Table,
    Text,
};
use super::named::Named;
use super::parse::{
    Command, Located, Place, Problem, RawData, RawElement, RuleSpec, Span, TableName, What, merged, resolve,
};
use super::print::{self, Interfaces};
use super::types::Ty;
use crate::time::SimTime;
use crate::trace::Hook;

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
use errno::{EBUSY, EEXIST, EINVAL, ENFILE, ENOENT, EOPNOTSUPP};

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

    fn add_set(&mut self, create: bool, table: &TableName, name: &Located<Arc<str>>, set: &Set) -> Done {
        let mut table = self.open(table)?;
        if let Some((slot, old)) = table.table.sets.slot(&name.what).zip(table.table.sets.get(&name.what)) {
            let nature = |s: &Set| (s.key.clone(), s.data.clone(), s.flags, s.statements.len());
            if create || nature(old) != nature(set) {
                return Err(kernel(name.span, EEXIST));
            }
            // Times, and a size if there is one, are taken over (`nf_tables_newset`, 6.2 and later).
            let size = set.size.or(old.size);
            if (old.timeout, old.gc_interval, old.size) != (set.timeout, set.gc_interval, size)
                && let Some(old) = table.set(slot)
            {
                update_set(old, set);
            }
            return Ok(());
        }
        let handle = table.table.next_handle();
        table.add_set(Set { handle, ..set.clone() });
        Ok(())
    }

    fn add_elements(
        &mut self,
        create: bool,
        table_name: &TableName,
        name: &Located<Arc<str>>,
        raw: &[RawElement],
    ) -> Done {
        if raw.is_empty() {
            return Ok(());
        }
        let known = &self.rules.tables;
        let now = self.now;
        let table = self.look(table_name)?;
        let Some(set) = table.sets.get(&name.what) else {
            return Err(meaning(name.span, missing_set(known, &name.what)));
        };
        let elements = resolved(set, raw)?;
        let elements =
            if set.flags.interval && set.key.len() == 1 { intervals(set, elements)? } else { elements };
        for (element, _) in &elements {
            if let Data::Verdict(verdict) = &element.data
                && let Some(chain) = verdict.chain()
                && !table.chains.contains(chain)
            {
                let span = raw.iter().find(|r| matches!(&r.data, RawData::Verdict(v, _) if v == verdict));
                return Err(kernel(span.map_or(name.span, |r| r.key_span), ENOENT));
            }
        }
        let mut table = self.open(table_name)?;
        let Some(slot) = table.table.sets.slot(&name.what) else { return Ok(()) };
        for (element, span) in elements {
            add_element(&mut table, slot, element, span, create, now)?;
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

    fn delete_set(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Done {
        let mut table = self.open(table)?;
        if !table.table.sets.contains(&name.what) {
            return Err(kernel(name.span, ENOENT));
        }
        if table.table.links.uses_set(&name.what) {
            return Err(kernel(name.span, EBUSY));
        }
        table.remove_set(&name.what);
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

    fn delete_elements(&mut self, table: &TableName, name: &Located<Arc<str>>, raw: &[RawElement]) -> Done {
        let now = self.now;
        let Some(set) = self.look(table)?.sets.get(&name.what) else {
            return Err(meaning(name.span, missing_set(&self.rules.tables, &name.what)));
        };
        let ranges = set.flags.interval && set.key.len() == 1;
        let elements = resolved(set, raw)?;
        let mut table = self.open(table)?;
        let Some(slot) = table.table.sets.slot(&name.what) else { return Ok(()) };
        for (element, span) in elements {
            let high = element.high.as_deref();
            let old = table.table.sets.at(slot).and_then(|set| set.elements.get(&element.low, high));
            if !old.is_some_and(|e| e.is_live(now)) {
                return Err(if ranges && !element.low.is_empty() {
                    meaning(span, "element does not exist")
                } else {
                    kernel(span, ENOENT)
                });
            }
            table.remove_element(slot, &element.low, high);
        }
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

/// `ENOENT`, and a set with a name that is near.
fn missing_set(tables: &[Arc<Table>], name: &str) -> String {
    let mut best: Option<(usize, String)> = None;
    for table in tables {
        for set in table.sets.values() {
            let Some(distance) = super::near::distance(name, &set.name) else { continue };
            if best.as_ref().is_none_or(|(d, _)| distance <= *d) {
                let kind = if set.is_map() { "map" } else { "set" };
                let text = format!(
                    "{ENOENT}; did you mean {kind} ‘{}’ in table {} ‘{}’?",
                    set.name,
                    table.family.name(),
                    table.name
                );
                best = Some((distance, text));
            }
        }
    }
    best.map_or_else(|| ENOENT.to_owned(), |(_, text)| text)
}

/// Elements with values.
fn resolved(set: &Set, raw: &[RawElement]) -> Result<Vec<(Element, Span)>, Failure> {
    let mut elements = Vec::with_capacity(raw.len());
    for one in raw {
        if matches!(one.data, RawData::Verdict(..)) && !set.is_map() {
            let text = "netlink: Error: set is not a map";
            return Err(meaning(Span::default(), text));
        }
        elements.push((resolve(set, one).map_err(Failure::Meaning)?, one.key_span));
    }
    Ok(elements)
}

/// Ranges of one set may not overlap, unless they are to be merged.
fn intervals(set: &Set, elements: Vec<(Element, Span)>) -> Result<Vec<(Element, Span)>, Failure> {
    if set.auto_merge {
        let old = set.elements.iter().map(|e| (e.clone(), Span::default()));
        return Ok(merged(old.chain(elements).collect()));
    }
    for (i, (a, span)) in elements.iter().enumerate() {
        if a.low.is_empty() {
            continue;
        }
        let clash = |(b, _): &&(Element, Span)| {
            !b.low.is_empty()
                && a.low[0] <= b.end()[0]
                && b.low[0] <= a.end()[0]
                && (a.low != b.low || a.end() != b.end())
        };
        if let Some((_, other)) = elements[i + 1..].iter().find(clash) {
            let problem = Problem::new(*span, "conflicting intervals specified").and(*other);
            return Err(Failure::Meaning(problem));
        }
        if set.elements.overlap(&a.low, a.end()).is_some() {
            return Err(meaning(*span, "interval overlaps with an existing one"));
        }
    }
    Ok(elements)
}

fn add_element(
    table: &mut Edit<'_>,
    slot: usize,
    mut element: Element,
    span: Span,
    create: bool,
    now: SimTime,
) -> Done {
    let Some(set) = table.table.sets.at(slot) else { return Ok(()) };
    if element.timeout.is_some() && !set.flags.timeout {
        return Err(kernel(span, EINVAL));
    }
    if set.is_map() && element.data == Data::None {
        return Err(kernel(span, EINVAL));
    }
    if set.auto_merge && set.flags.interval && set.key.len() == 1 {
        // The merged ranges take the place of those that they were made of.
        let (low, end) = (element.low[0], element.end()[0]);
        let inside = set.elements.iter().filter(|e| (low..=end).contains(&e.low[0]));
        let inside: Vec<Element> = inside.cloned().collect();
        for old in inside {
            table.remove_element(slot, &old.low, old.high.as_deref());
        }
    }
    let Some(set) = table.table.sets.at(slot) else { return Ok(()) };
    let existing = set.elements.get(&element.low, element.high.as_deref());
    if let Some(old) = existing.filter(|e| e.is_live(now)) {
        let clash = create || old.data != element.data;
        return if clash { Err(kernel(span, EEXIST)) } else { Ok(()) };
    }
    if set.size.is_some_and(|size| set.elements.fill(size, now)) {
        return Err(kernel(span, ENFILE));
    }
    let timeout = element.timeout.or(set.timeout).filter(|ms| *ms > 0);
    element.expires = timeout.map(|ms| now + Duration::from_millis(ms));
    element.timeout = element.timeout.filter(|t| Some(*t) != set.timeout);
    if element.statements.is_empty() {
        element.statements = set.statements.clone();
    }
    table.add_element(slot, element);
    Ok(())
}

/// Takes over times, and a size if there is one.
fn update_set(old: &mut Set, new: &Set) {
    if old.timeout != new.timeout {
        // Elements keep the time that they were given.
        for e in old.elements.iter_mut().filter(|e| e.expires.is_some()) {
            e.timeout = e.timeout.or(old.timeout).filter(|t| Some(*t) != new.timeout);
        }
    }
    (old.timeout, old.gc_interval, old.size) = (new.timeout, new.gc_interval, new.size.or(old.size));
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
