//! The text of rules, sets and tables, as `nft list` prints it (nftables 1.0.6).

mod expression;
mod set;
mod statement;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::linux::nftables::elements::Element;
use crate::linux::nftables::expr::{Expr, SetRef};
use crate::linux::nftables::links::names_interface;
use crate::linux::nftables::listing::priority_text;
use crate::linux::nftables::model::{
    Chain, Family, Object, ObjectKind, ObjectState, Rule, Table, Text, hook_name,
};
use crate::time::SimTime;

/// How a listing looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `-a`: handles.
    pub handles: bool,
    /// `-s`: no counters, no time that is left.
    pub stateless: bool,
    /// `-t`: sets without their elements.
    pub terse: bool,
    /// `-y`: priorities as numbers.
    pub numeric_priority: bool,
    /// `-p`: protocols as numbers.
    pub numeric_protocol: bool,
    /// `-n`: everything as numbers.
    pub numeric: bool,
    /// Now, for the time that elements have left.
    pub now: SimTime,
}

/// Interfaces by name and by index, for `iif` and `oif`.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    names: BTreeMap<u32, Arc<str>>,
    indexes: BTreeMap<Arc<str>, u32>,
}

impl Interfaces {
    /// No interface.
    #[must_use]
    pub const fn none() -> Self {
        Self { names: BTreeMap::new(), indexes: BTreeMap::new() }
    }

    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.indexes.get(name).copied()
    }
}

impl FromIterator<(u32, Arc<str>)> for Interfaces {
    fn from_iter<I: IntoIterator<Item = (u32, Arc<str>)>>(all: I) -> Self {
        let names: BTreeMap<u32, Arc<str>> = all.into_iter().collect();
        let indexes = names.iter().map(|(index, name)| (name.clone(), *index)).collect();
        Self { names, indexes }
    }
}

static NO_INTERFACES: Interfaces = Interfaces::none();

/// Writes one listing.
pub(super) struct Printer<'a> {
    style: Style,
    interfaces: &'a Interfaces,
    /// The text.
    pub(super) out: String,
}

/// The rule's text without counters, for the record.
fn rule_text(rule: &Rule, family: Family, interfaces: &Interfaces) -> String {
    let style = Style { stateless: true, ..Style::default() };
    let mut printer = Printer::new(style, interfaces);
    printer.rule(rule, family);
    printer.out
}

/// The text of a new rule, if it has to be written now.
pub(super) fn new_text(rule: &Rule, family: Family, interfaces: &Interfaces) -> Text {
    let now = rule.statements.iter().any(names_interface);
    Text(now.then(|| rule_text(rule, family, interfaces).into()))
}

/// The text of a rule that names no interface.
pub(super) fn late_text(rule: &Rule, family: Family) -> Text {
    Text(Some(rule_text(rule, family, &NO_INTERFACES).into()))
}

/// An element of a map, as `10.0.0.1 . tcp . 80 : goto x`.
pub(super) fn element_text(set: &SetRef, table: &Table, element: &Element) -> String {
    let set = match set {
        SetRef::Named(name) => table.sets.get(name),
        SetRef::Anonymous(set) => Some(&**set),
    };
    let mut printer = Printer::new(Style { stateless: true, ..Style::default() }, &NO_INTERFACES);
    if let Some(set) = set {
        printer.element(set, element);
    }
    printer.out
}

/// An expression, for `typeof`.
pub(super) fn expr_text(expr: &Expr) -> String {
    let mut printer = Printer::new(Style::default(), &NO_INTERFACES);
    printer.expr(expr);
    printer.out
}

impl<'a> Printer<'a> {
    /// An empty listing.
    #[must_use]
    pub(super) const fn new(style: Style, interfaces: &'a Interfaces) -> Self {
        Self { style, interfaces, out: String::new() }
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn handle(&mut self, handle: u64) {
        if self.style.handles {
            let _ = write!(self.out, " # handle {handle}");
        }
    }

    /// `table ip name {`.
    pub(super) fn table_head(&mut self, table: &Table) {
        let _ = write!(self.out, "table {} {} {{", table.family.name(), table.name);
        self.handle(table.handle);
        self.text("\n");
    }

    /// A whole table.
    pub(super) fn table(&mut self, table: &Table) {
        self.table_head(table);
        if table.dormant {
            self.text("\tflags dormant\n");
        }
        if let Some(comment) = &table.comment {
            let _ = writeln!(self.out, "\tcomment \"{comment}\"");
        }
        let mut blank = false;
        let mut gap = |p: &mut Self| {
            if std::mem::replace(&mut blank, true) {
                p.text("\n");
            }
        };
        for kind in [ObjectKind::Counter, ObjectKind::Quota, ObjectKind::Limit] {
            for ((_, name), object) in table.objects.iter().filter(|((k, _), _)| *k == kind) {
                gap(self);
                self.object(name, object);
            }
        }
        for set in table.sets.values() {
            gap(self);
            self.set(set);
        }
        for chain in table.chains.values() {
            gap(self);
            self.chain(chain, table.family, true);
        }
        self.text("}\n");
    }

    /// A counter, quota or limit.
    pub(super) fn object(&mut self, name: &str, object: &Object) {
        let _ = write!(self.out, "\t{} {name} {{", object.state.kind().name());
        self.handle(object.handle);
        self.text("\n");
        if let Some(comment) = &object.comment {
            let _ = writeln!(self.out, "\t\tcomment \"{comment}\"");
        }
        self.text("\t\t");
        match &object.state {
            ObjectState::Counter(c) if self.style.stateless => {
                let _ = c;
                self.text("packets 0 bytes 0");
            }
            ObjectState::Counter(c) => {
                let _ = write!(self.out, "packets {} bytes {}", c.packets, c.bytes);
            }
            ObjectState::Quota(q) => self.quota_body(q),
            ObjectState::Limit(l) => self.limit_body(l),
        }
        self.text("\n\t}\n");
    }

    /// A chain; its rules, too.
    pub(super) fn chain(&mut self, chain: &Chain, family: Family, rules: bool) {
        let _ = write!(self.out, "\tchain {} {{", chain.name);
        self.handle(chain.handle);
        self.text("\n");
        if let Some(comment) = chain.comment.as_ref().filter(|_| rules) {
            let _ = writeln!(self.out, "\t\tcomment \"{comment}\"");
        }
        if let Some(base) = &chain.base {
            let _ = writeln!(
                self.out,
                "\t\ttype {} hook {} priority {}; policy {};",
                base.kind.name(),
                hook_name(base.hook),
                priority_text(base, self.style.numeric_priority),
                if base.drop { "drop" } else { "accept" }
            );
        }
        for rule in chain.rules.iter().filter(|_| rules) {
            self.text("\t\t");
            self.rule(rule, family);
            self.handle(rule.handle);
            self.text("\n");
        }
        self.text("\t}\n");
    }
}
