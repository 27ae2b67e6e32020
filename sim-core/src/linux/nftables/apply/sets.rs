//! Commands about sets and their elements.

use std::sync::Arc;
use std::time::Duration;

use super::errno::{EBUSY, EEXIST, EINVAL, ENFILE, ENOENT};
use super::{Change, Done, Failure, kernel, meaning};
use crate::linux::nftables::edit::Edit;
use crate::linux::nftables::elements::{Data, Element};
use crate::linux::nftables::model::{Set, Table};
use crate::linux::nftables::near;
use crate::linux::nftables::parse::{
    Located, Problem, RawData, RawElement, Span, TableName, merged, resolve,
};
use crate::time::SimTime;

impl Change<'_> {
    pub(super) fn add_set(
        &mut self,
        create: bool,
        table: &TableName,
        name: &Located<Arc<str>>,
        set: &Set,
    ) -> Done {
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

    pub(super) fn add_elements(
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

    pub(super) fn delete_set(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Done {
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

    pub(super) fn delete_elements(
        &mut self,
        table: &TableName,
        name: &Located<Arc<str>>,
        raw: &[RawElement],
    ) -> Done {
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
}

/// `ENOENT`, and a set with a name that is near.
pub(super) fn missing_set(tables: &[Arc<Table>], name: &str) -> String {
    let mut best: Option<(usize, String)> = None;
    for table in tables {
        for set in table.sets.values() {
            let Some(distance) = near::distance(name, &set.name) else { continue };
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
