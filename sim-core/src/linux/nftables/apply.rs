//! Carrying out commands: all of them or none.

use std::sync::Arc;
use std::time::Duration;

use super::Nftables;
use super::elements::{Data, Element};
use super::expr::{Expr, SetRef};
use super::model::{
    BaseChain, Chain, ChainType, Family, NatTo, Object, ObjectKind, Rule, Set, SetData, Statement, Table,
};
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
    pub(super) rules: Nftables,
    pub(super) now: SimTime,
    pub(super) interfaces: &'a Interfaces,
}

impl Change<'_> {
    /// Carries out one command that changes something.
    pub(super) fn apply(&mut self, command: &Command) -> Done {
        match &command.what {
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
                let table = self.table(table)?;
                let key = (state.kind(), name.what.clone());
                if table.objects.contains_key(&key) {
                    return if *create { Err(kernel(name.span, EEXIST)) } else { Ok(()) };
                }
                let object =
                    Object { handle: table.next_handle(), comment: comment.clone(), state: state.clone() };
                table.objects.insert(key, object);
                Ok(())
            }
            What::DeleteTable(name) => {
                self.table(name)?;
                self.rules.tables.retain(|t| !is(t, name));
                Ok(())
            }
            What::DeleteChain(table, name) => self.delete_chain(table, name),
            What::DeleteRule(table, chain, handle) => {
                let chain = self.chain(table, chain)?;
                let at = chain.rules.iter().position(|r| r.handle == handle.what);
                chain.rules.remove(at.ok_or_else(|| kernel(handle.span, ENOENT))?);
                Ok(())
            }
            What::DeleteSet(table, name) => self.delete_set(table, name),
            What::DeleteObject(table, kind, name) => self.delete_object(table, *kind, name),
            What::DeleteElements(table, set, elements) => self.delete_elements(table, set, elements),
            What::FlushRuleset(family) => {
                self.rules.tables.retain(|t| family.is_some_and(|f| f != t.family));
                Ok(())
            }
            What::FlushTable(name) => {
                for chain in self.table(name)?.chains.values_mut() {
                    Arc::make_mut(chain).rules.clear();
                }
                Ok(())
            }
            What::FlushChain(table, name) => {
                self.chain(table, name)?.rules.clear();
                Ok(())
            }
            What::FlushSet(table, name, is_map) => {
                let set = self.table(table)?.sets.get_mut(&name.what).filter(|s| s.is_map() == *is_map);
                let set = set.ok_or_else(|| meaning(name.span, ENOENT))?;
                Arc::make_mut(set).elements.clear();
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

    fn table(&mut self, name: &TableName) -> Result<&mut Table, Failure> {
        let found = self.rules.tables.iter_mut().find(|t| is(t, name));
        found.map(Arc::make_mut).ok_or_else(|| kernel(name.name.span, ENOENT))
    }

    fn chain(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Result<&mut Chain, Failure> {
        let chain = self.table(table)?.chains.get_mut(&name.what);
        chain.map(Arc::make_mut).ok_or_else(|| kernel(name.span, ENOENT))
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
            self.table(name)?.dormant = dormant;
            return Ok(());
        }
        self.rules.last_handle += 1;
        self.rules.tables.push(Arc::new(Table {
            family: name.family,
            name: name.name.what.clone(),
            title: format!("{} {}", name.family.name(), name.name.what).into(),
            handle: self.rules.last_handle,
            dormant,
            comment: comment.cloned(),
            last_handle: 0,
            chains: indexmap::IndexMap::default(),
            sets: indexmap::IndexMap::default(),
            objects: indexmap::IndexMap::default(),
        }));
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
        let table = self.table(table)?;
        if let Some(chain) = table.chains.get_mut(&name.what) {
            if create {
                return Err(kernel(name.span, EEXIST));
            }
            let chain = Arc::make_mut(chain);
            match (&mut chain.base, base) {
                (None, Some(_)) => return Err(kernel(span, EOPNOTSUPP)),
                (Some(old), Some(new))
                    if (old.kind, old.hook, old.priority) != (new.kind, new.hook, new.priority) =>
                {
                    return Err(kernel(span, if old.kind == new.kind { EEXIST } else { EOPNOTSUPP }));
                }
                (Some(old), _) => old.drop = policy.unwrap_or(old.drop),
                (None, None) => {}
            }
            return Ok(());
        }
        let handle = table.next_handle();
        let base = base.map(|b| BaseChain { drop: policy.unwrap_or(false), ..b.clone() });
        let chain =
            Chain { name: name.what.clone(), handle, comment: comment.cloned(), base, rules: Vec::new() };
        table.chains.insert(name.what.clone(), Arc::new(chain));
        Ok(())
    }

    fn add_rule(
        &mut self,
        insert: bool,
        table: &TableName,
        chain: &Located<Arc<str>>,
        place: Place,
        spec: &RuleSpec,
    ) -> Done {
        self.check_names(table, spec)?;
        let len = self.chain(table, chain)?.rules.len();
        let after = usize::from(!insert);
        let at = match place {
            Place::Edge if insert => 0,
            Place::Edge => len,
            Place::Handle(handle, span) => {
                let found = self.chain(table, chain)?.rules.iter().position(|r| r.handle == handle);
                found.ok_or_else(|| kernel(span, ENOENT))? + after
            }
            Place::Index(index, span) if index >= len => return Err(kernel(span, ENOENT)),
            Place::Index(index, _) => index + after,
        };
        let rule = self.rule(table, spec)?;
        self.chain(table, chain)?.rules.insert(at, rule);
        Ok(())
    }

    fn replace(
        &mut self,
        table: &TableName,
        chain: &Located<Arc<str>>,
        handle: &Located<u64>,
        spec: &RuleSpec,
    ) -> Done {
        self.check_names(table, spec)?;
        let found = self.chain(table, chain)?.rules.iter().position(|r| r.handle == handle.what);
        let at = found.ok_or_else(|| kernel(handle.span, ENOENT))?;
        let rule = self.rule(table, spec)?;
        self.chain(table, chain)?.rules[at] = rule;
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

    fn rule(&mut self, name: &TableName, spec: &RuleSpec) -> Result<Rule, Failure> {
        let (now, interfaces) = (self.now, self.interfaces);
        let table = self.table(name)?;
        let mut statements = spec.statements.clone();
        for statement in &mut statements {
            finish(statement, table, now);
            // A set that is written into a rule takes a handle.
            for _ in 0..anonymous_sets(statement) {
                table.next_handle();
            }
        }
        let handle = table.next_handle();
        let mut rule = Rule { handle, statements, comment: spec.comment.clone(), text: "".into() };
        rule.text = print::rule_text(&rule, name.family, interfaces).into();
        Ok(rule)
    }

    fn add_set(&mut self, create: bool, table: &TableName, name: &Located<Arc<str>>, set: &Set) -> Done {
        let table = self.table(table)?;
        if let Some(old) = table.sets.get_mut(&name.what) {
            let nature = |s: &Set| (s.key.clone(), s.data.clone(), s.flags, s.statements.len());
            if create || nature(old) != nature(set) {
                return Err(kernel(name.span, EEXIST));
            }
            update_set(old, set);
            return Ok(());
        }
        let mut set = set.clone();
        set.handle = table.next_handle();
        table.sets.insert(name.what.clone(), Arc::new(set));
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
                && !table.chains.contains_key(chain)
            {
                let span = raw.iter().find(|r| matches!(&r.data, RawData::Verdict(v, _) if v == verdict));
                return Err(kernel(span.map_or(name.span, |r| r.key_span), ENOENT));
            }
        }
        let table = self.table(table_name)?;
        let Some(set) = table.sets.get_mut(&name.what).map(Arc::make_mut) else { return Ok(()) };
        for (element, span) in elements {
            add_element(set, element, span, create, now)?;
        }
        Ok(())
    }

    fn delete_chain(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Done {
        self.chain(table, name)?;
        let table = self.table(table)?;
        let used = table
            .chains
            .values()
            .filter(|c| c.name != name.what)
            .flat_map(|c| &c.rules)
            .any(|r| r.statements.iter().any(|s| leads_to(s, &name.what)))
            || table.sets.values().any(|s| set_leads_to(s, &name.what));
        if used {
            return Err(kernel(name.span, EBUSY));
        }
        table.chains.shift_remove(&name.what);
        Ok(())
    }

    fn delete_set(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Done {
        let table = self.table(table)?;
        if !table.sets.contains_key(&name.what) {
            return Err(kernel(name.span, ENOENT));
        }
        let mut rules = table.chains.values().flat_map(|c| &c.rules);
        if rules.any(|r| r.statements.iter().any(|s| uses_set(s, &name.what))) {
            return Err(kernel(name.span, EBUSY));
        }
        table.sets.shift_remove(&name.what);
        Ok(())
    }

    fn delete_object(&mut self, table: &TableName, kind: ObjectKind, name: &Located<Arc<str>>) -> Done {
        let table = self.table(table)?;
        let key = (kind, name.what.clone());
        if !table.objects.contains_key(&key) {
            return Err(kernel(name.span, ENOENT));
        }
        let used = |s: &Statement| matches!(s, Statement::Object(k, n) if *k == kind && *n == name.what);
        if table.chains.values().flat_map(|c| &c.rules).any(|r| r.statements.iter().any(used)) {
            return Err(kernel(name.span, EBUSY));
        }
        table.objects.shift_remove(&key);
        Ok(())
    }

    fn delete_elements(&mut self, table: &TableName, name: &Located<Arc<str>>, raw: &[RawElement]) -> Done {
        let known = self.rules.tables.clone();
        let now = self.now;
        let table = self.table(table)?;
        let Some(set) = table.sets.get_mut(&name.what).map(Arc::make_mut) else {
            return Err(meaning(name.span, missing_set(&known, &name.what)));
        };
        for (element, span) in resolved(set, raw)? {
            if element.low.is_empty() {
                if set.elements.any.take().is_none() {
                    return Err(kernel(span, ENOENT));
                }
                continue;
            }
            let high = element.high.as_deref();
            let live = set.elements.get(&element.low, high).is_some_and(|e| e.is_live(now));
            if !live {
                return Err(if set.flags.interval && set.key.len() == 1 {
                    meaning(span, "element does not exist")
                } else {
                    kernel(span, ENOENT)
                });
            }
            set.elements.remove(&element.low, high);
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
        let table = self.table(table)?;
        let Some(at) = table.chains.get_index_of(&name.what) else { return Err(meaning(name.span, ENOENT)) };
        if table.chains.contains_key(to) {
            return Err(kernel(span, EEXIST));
        }
        let Some((_, mut chain)) = table.chains.shift_remove_index(at) else { return Ok(()) };
        Arc::make_mut(&mut chain).name = to.clone();
        table.chains.shift_insert(at, to.clone(), chain);
        let family = table.family;
        for chain in table.chains.values_mut() {
            let uses = chain.rules.iter().any(|r| r.statements.iter().any(|s| leads_to(s, &name.what)));
            if !uses {
                continue;
            }
            for rule in &mut Arc::make_mut(chain).rules {
                rule.statements.iter_mut().for_each(|s| redirect(s, &name.what, to));
                rule.text = print::rule_text(rule, family, interfaces).into();
            }
        }
        for set in table.sets.values_mut().filter(|s| set_leads_to(s, &name.what)) {
            Arc::make_mut(set).elements.iter_mut().for_each(|e| redirect_data(&mut e.data, &name.what, to));
        }
        Ok(())
    }
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

fn add_element(set: &mut Set, mut element: Element, span: Span, create: bool, now: SimTime) -> Done {
    if element.timeout.is_some() && !set.flags.timeout {
        return Err(kernel(span, EINVAL));
    }
    if set.is_map() && element.data == Data::None {
        return Err(kernel(span, EINVAL));
    }
    if set.auto_merge && set.flags.interval && set.key.len() == 1 {
        // The merged ranges take the place of those that they were made of.
        let (low, end) = (element.low[0], element.end()[0]);
        let inside: Vec<u128> =
            set.elements.iter().map(|e| e.low[0]).filter(|l| (low..=end).contains(l)).collect();
        for old in inside {
            set.elements.remove(&[old], Some(&[old]));
        }
    }
    let existing = if element.low.is_empty() {
        set.elements.any.as_deref()
    } else {
        set.elements.get(&element.low, element.high.as_deref())
    };
    if let Some(old) = existing.filter(|e| e.is_live(now)) {
        let clash = create || old.data != element.data;
        return if clash { Err(kernel(span, EEXIST)) } else { Ok(()) };
    }
    if set.size.is_some_and(|size| set.elements.len(now) >= size as usize) {
        return Err(kernel(span, ENFILE));
    }
    let timeout = element.timeout.or(set.timeout).filter(|ms| *ms > 0);
    element.expires = timeout.map(|ms| now + Duration::from_millis(ms));
    element.timeout = element.timeout.filter(|t| Some(*t) != set.timeout);
    if element.statements.is_empty() {
        element.statements = set.statements.clone();
    }
    if element.low.is_empty() {
        set.elements.any = Some(Box::new(element));
    } else {
        set.elements.insert(element);
    }
    Ok(())
}

/// What a set takes over when it is added once more (`nf_tables_newset`, 6.2 and later): times, and a size if there is one.
fn update_set(old: &mut Arc<Set>, new: &Set) {
    let size = new.size.or(old.size);
    if (old.timeout, old.gc_interval, old.size) == (new.timeout, new.gc_interval, size) {
        return;
    }
    let old = Arc::make_mut(old);
    if old.timeout != new.timeout {
        // Elements keep the time that they were given.
        for e in old.elements.iter_mut().filter(|e| e.expires.is_some()) {
            e.timeout = e.timeout.or(old.timeout).filter(|t| Some(*t) != new.timeout);
        }
    }
    (old.timeout, old.gc_interval, old.size) = (new.timeout, new.gc_interval, size);
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

/// The sets that a statement looks into.
fn set_refs(statement: &Statement) -> Vec<&SetRef> {
    let mut refs = Vec::new();
    match statement {
        Statement::Match(e, test) => {
            expr_sets(e, &mut refs);
            if let super::expr::Test::Set(_, set) = test {
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

fn anonymous_sets(statement: &Statement) -> usize {
    set_refs(statement).into_iter().filter(|s| matches!(s, SetRef::Anonymous(_))).count()
}

fn uses_set(statement: &Statement, name: &str) -> bool {
    matches!(statement, Statement::Dynamic(d) if *d.set == *name)
        || set_refs(statement).into_iter().any(|s| matches!(s, SetRef::Named(n) if **n == *name))
}

/// The chains that a statement leads to by itself or by a set that is written into it.
pub(super) fn targets(statement: &Statement) -> Vec<&Arc<str>> {
    match statement {
        Statement::Verdict(verdict) => verdict.chain().into_iter().collect(),
        Statement::Vmap(_, SetRef::Anonymous(set)) => set_targets(set).collect(),
        _ => Vec::new(),
    }
}

/// The chains that a verdict map leads to.
pub(super) fn set_targets(set: &Set) -> impl Iterator<Item = &Arc<str>> {
    set.elements.iter().chain(set.elements.any.as_deref()).filter_map(|e| match &e.data {
        Data::Verdict(verdict) => verdict.chain(),
        _ => None,
    })
}

fn leads_to(statement: &Statement, chain: &str) -> bool {
    targets(statement).into_iter().any(|t| **t == *chain)
}

fn set_leads_to(set: &Set, chain: &str) -> bool {
    set.data == SetData::Verdict && set_targets(set).any(|t| **t == *chain)
}

fn redirect(statement: &mut Statement, from: &str, to: &Arc<str>) {
    match statement {
        Statement::Verdict(verdict) => redirect_verdict(verdict, from, to),
        Statement::Vmap(_, SetRef::Anonymous(set)) => {
            Arc::make_mut(set).elements.iter_mut().for_each(|e| redirect_data(&mut e.data, from, to));
        }
        _ => {}
    }
}

fn redirect_data(data: &mut Data, from: &str, to: &Arc<str>) {
    if let Data::Verdict(verdict) = data {
        redirect_verdict(verdict, from, to);
    }
}

fn redirect_verdict(verdict: &mut super::model::Verdict, from: &str, to: &Arc<str>) {
    use super::model::Verdict;
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) if **chain == *from => *chain = to.clone(),
        _ => {}
    }
}
