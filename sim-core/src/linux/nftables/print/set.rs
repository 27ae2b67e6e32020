//! Sets, maps and their elements.

use std::fmt::Write as _;

use super::Printer;
use crate::linux::nftables::elements::{Data, Element};
use crate::linux::nftables::listing::{per_line, prefix_of, sorted};
use crate::linux::nftables::model::{Set, SetData, Statement};
use crate::linux::nftables::types::{Ty, ifname_text, time_text};

impl Printer<'_> {
    /// A set or map.
    pub(in crate::linux::nftables) fn set(&mut self, set: &Set) {
        let _ = write!(self.out, "\t{} {} {{", if set.is_map() { "map" } else { "set" }, set.name);
        self.handle(set.handle);
        self.text("\n\t\t");
        self.set_type(set);
        self.text("\n");
        if set.policy_memory {
            self.text("\t\tpolicy memory\n");
        }
        if let Some(size) = set.size {
            let _ = writeln!(self.out, "\t\tsize {size}");
        }
        self.set_flags(set);
        if let Some(timeout) = set.timeout {
            let _ = writeln!(self.out, "\t\ttimeout {}", time_text(timeout));
        }
        if let Some(interval) = set.gc_interval {
            let _ = writeln!(self.out, "\t\tgc-interval {}", time_text(interval));
        }
        if set.auto_merge {
            self.text("\t\tauto-merge\n");
        }
        if let Some(comment) = &set.comment {
            let _ = writeln!(self.out, "\t\tcomment \"{comment}\"");
        }
        for statement in &set.statements {
            self.text("\t\t");
            match statement {
                Statement::Counter(_) => self.text("counter"),
                other => self.statement(other),
            }
            self.text("\n");
        }
        if !self.style.terse {
            self.elements(set);
        }
        self.text("\t}\n");
    }

    fn set_type(&mut self, set: &Set) {
        if let Some((key, data)) = &set.typeof_text {
            let _ = write!(self.out, "typeof {key}");
            match (&set.data, data) {
                (SetData::Verdict, _) => self.text(" : verdict"),
                (SetData::Values(_), Some(data)) => {
                    let _ = write!(self.out, " : {data}");
                }
                _ => {}
            }
            return;
        }
        self.text("type ");
        self.types(&set.key);
        match &set.data {
            SetData::None => {}
            SetData::Verdict => self.text(" : verdict"),
            SetData::Values(types) => {
                self.text(" : ");
                self.types(types);
            }
        }
    }

    fn types(&mut self, types: &[Ty]) {
        for (i, ty) in types.iter().enumerate() {
            if i > 0 {
                self.text(" . ");
            }
            self.text(ty.name());
        }
    }

    fn set_flags(&mut self, set: &Set) {
        let flags = &set.flags;
        // A timeout says that there is the flag.
        let timeout = flags.timeout && (set.timeout.is_none() || flags.dynamic);
        let names: Vec<&str> = [
            (flags.constant, "constant"),
            (flags.interval, "interval"),
            (flags.dynamic, "dynamic"),
            (timeout, "timeout"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect();
        if !names.is_empty() {
            let _ = writeln!(self.out, "\t\tflags {}", names.join(","));
        }
    }

    fn elements(&mut self, set: &Set) {
        let elements = sorted(set, self.style.now);
        let any = set.elements.any.as_deref();
        if elements.is_empty() && any.is_none() {
            return;
        }
        self.text("\t\telements = { ");
        let per_line = per_line(&set.key);
        let mut on_line = 0;
        for (i, element) in elements.into_iter().chain(any).enumerate() {
            if i > 0 {
                if on_line < per_line {
                    self.text(", ");
                } else {
                    self.text(",\n\t\t\t     ");
                    on_line = 0;
                }
            }
            on_line += 1;
            self.element(set, element);
        }
        self.text(" }\n");
    }

    pub(in crate::linux::nftables) fn element(&mut self, set: &Set, element: &Element) {
        if element.low.is_empty() {
            self.text("*");
        }
        for (i, ty) in set.key.iter().enumerate() {
            let (Some(low), Some(high)) = (element.low.get(i), element.end().get(i)) else { break };
            if i > 0 {
                self.text(" . ");
            }
            self.range(*ty, *low, *high);
        }
        for statement in &element.statements {
            self.text(" ");
            self.statement(statement);
        }
        if let Some(timeout) = element.timeout {
            let _ = write!(self.out, " timeout {}", time_text(timeout));
        }
        if let Some(at) = element.expires.filter(|_| !self.style.stateless) {
            let left = at.since(self.style.now).as_millis() as u64;
            let _ = write!(self.out, " expires {}", time_text(left));
        }
        if let Some(comment) = &element.comment {
            let _ = write!(self.out, " comment \"{comment}\"");
        }
        match (&element.data, &set.data) {
            (Data::None, _) => {}
            (Data::Verdict(verdict), _) => {
                self.text(" : ");
                self.verdict(verdict);
            }
            (Data::Values(values), SetData::Values(types)) => {
                for (i, (ty, value)) in types.iter().zip(values).enumerate() {
                    self.text(if i == 0 { " : " } else { " . " });
                    self.value(*ty, *value);
                }
            }
            (Data::Values(_), _) => {}
        }
    }

    /// A value, a prefix, or a range.
    fn range(&mut self, ty: Ty, low: u128, high: u128) {
        if low == high {
            self.value(ty, low);
        } else if let Some(length) = prefix_of(ty, low, high) {
            self.prefix(ty, low, length);
        } else {
            self.value(ty, low);
            self.text("-");
            self.value(ty, high);
        }
    }

    pub(super) fn prefix(&mut self, ty: Ty, value: u128, length: u8) {
        if ty == Ty::Ifname {
            let name = ifname_text(value);
            let _ = write!(self.out, "\"{name}*\"");
            return;
        }
        self.value(ty, value);
        let _ = write!(self.out, "/{length}");
    }

    pub(super) fn value(&mut self, ty: Ty, value: u128) {
        match ty {
            Ty::IfIndex => match self.interfaces.names.get(&(value as u32)).filter(|_| value > 0) {
                Some(name) => {
                    let _ = write!(self.out, "\"{name}\"");
                }
                None => {
                    let _ = write!(self.out, "{value}");
                }
            },
            Ty::Proto if self.style.numeric_protocol || self.style.numeric => {
                let _ = write!(self.out, "{value}");
            }
            _ => ty.write(&mut self.out, value),
        }
    }

    pub(super) fn values(&mut self, types: &[Ty], values: &[u128]) {
        for (i, (ty, value)) in types.iter().zip(values).enumerate() {
            if i > 0 {
                self.text(" . ");
            }
            self.value(*ty, *value);
        }
    }
}
