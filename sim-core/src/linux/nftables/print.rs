//! The text of rules, sets and tables, as `nft list` prints it (nftables 1.0.6).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::elements::{Data, Element};
use super::expr::{Cmp, Ct, Expr, Fib, FibResult, Op, SetRef, Test};
use super::listing::{bytes_text, hidden, per_line, prefix_of, priority_text, sorted};
use super::model::{
    Chain, Counter, Dynamic, Family, Limit, Log, Nat, NatTo, Object, ObjectKind, ObjectState, Quota, Reject,
    RejectKind, Rule, Set, SetData, Statement, Table, Verdict, hook_name,
};
use super::types::{Ty, ifname_text, time_text};
use crate::linux::conntrack::Direction;
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
pub(super) fn rule_text(rule: &Rule, family: Family, interfaces: &Interfaces) -> String {
    let style = Style { stateless: true, ..Style::default() };
    let mut printer = Printer::new(style, interfaces);
    printer.rule(rule, family);
    printer.out
}

/// An element of a map, as `10.0.0.1 . tcp . 80 : goto x`.
pub(super) fn element_text(set: &SetRef, table: &Table, element: &Element) -> String {
    let set = match set {
        SetRef::Named(name) => table.sets.get(name),
        SetRef::Anonymous(set) => Some(set),
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

    /// A set or map.
    pub(super) fn set(&mut self, set: &Set) {
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

    pub(super) fn element(&mut self, set: &Set, element: &Element) {
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

    fn prefix(&mut self, ty: Ty, value: u128, length: u8) {
        if ty == Ty::Ifname {
            let name = ifname_text(value);
            let _ = write!(self.out, "\"{name}*\"");
            return;
        }
        self.value(ty, value);
        let _ = write!(self.out, "/{length}");
    }

    fn value(&mut self, ty: Ty, value: u128) {
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

    fn values(&mut self, types: &[Ty], values: &[u128]) {
        for (i, (ty, value)) in types.iter().zip(values).enumerate() {
            if i > 0 {
                self.text(" . ");
            }
            self.value(*ty, *value);
        }
    }

    /// One rule.
    pub(super) fn rule(&mut self, rule: &Rule, family: Family) {
        let hidden = hidden(&rule.statements, family);
        let mut first = true;
        for (i, statement) in rule.statements.iter().enumerate() {
            if hidden.contains(&i) {
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                self.text(" ");
            }
            self.statement(statement);
        }
        if let Some(comment) = &rule.comment {
            let _ = write!(self.out, "{}comment \"{comment}\"", if first { "" } else { " " });
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Match(left, test) => self.test(left, test),
            Statement::Verdict(verdict) => self.verdict(verdict),
            Statement::Vmap(key, set) => {
                self.expr(key);
                self.text(" vmap ");
                self.set_ref(set);
            }
            Statement::Counter(counter) => self.counter(counter),
            Statement::Object(kind, name) => {
                let _ = write!(self.out, "{} name \"{name}\"", kind.name());
            }
            Statement::Limit(limit) => {
                self.text("limit ");
                self.limit_body(limit);
            }
            Statement::Quota(quota) => {
                self.text("quota ");
                self.quota_body(quota);
            }
            Statement::Log(log) => self.log(log),
            Statement::Reject(reject) => self.reject(reject),
            Statement::Nat(nat) => self.nat(nat),
            Statement::SetMark(value) => {
                self.text("meta mark set ");
                self.assigned(value);
            }
            Statement::SetCtMark(value) => {
                self.text("ct mark set ");
                self.assigned(value);
            }
            Statement::SetTrace(value) => {
                let _ = write!(self.out, "meta nftrace set {value}");
            }
            Statement::SetMss(mss) => {
                let _ = write!(self.out, "tcp option maxseg size set {mss}");
            }
            Statement::Notrack => self.text("notrack"),
            Statement::Dynamic(dynamic) => self.dynamic(dynamic),
        }
    }

    fn counter(&mut self, counter: &Counter) {
        self.text("counter");
        if !self.style.stateless {
            let _ = write!(self.out, " packets {} bytes {}", counter.packets, counter.bytes);
        }
    }

    fn limit_body(&mut self, limit: &Limit) {
        let over = if limit.over { "over " } else { "" };
        let unit = match limit.unit {
            1 => "second",
            60 => "minute",
            3600 => "hour",
            86_400 => "day",
            _ => "week",
        };
        if limit.bytes {
            let (rate, kind) = bytes_text(limit.rate);
            let _ = write!(self.out, "rate {over}{rate} {kind}/{unit}");
            if limit.burst > 0 {
                let (burst, kind) = bytes_text(limit.burst);
                let _ = write!(self.out, " burst {burst} {kind}");
            }
        } else {
            let _ = write!(self.out, "rate {over}{}/{unit}", limit.rate);
            if limit.burst != 5 {
                let _ = write!(self.out, " burst {} packets", limit.burst);
            }
        }
    }

    fn quota_body(&mut self, quota: &Quota) {
        let (bytes, kind) = bytes_text(quota.bytes);
        let _ = write!(self.out, "{}{bytes} {kind}", if quota.over { "over " } else { "" });
        if quota.used > 0 && !self.style.stateless {
            let (used, kind) = bytes_text(quota.used);
            let _ = write!(self.out, " used {used} {kind}");
        }
    }

    fn log(&mut self, log: &Log) {
        self.text("log");
        if let Some(prefix) = &log.prefix {
            let _ = write!(self.out, " prefix \"{prefix}\"");
        }
        if let Some(level) = log.level {
            let _ = write!(self.out, " level {level}");
        }
        if let Some(group) = log.group {
            let _ = write!(self.out, " group {group}");
        }
        if let Some(length) = log.snaplen {
            let _ = write!(self.out, " snaplen {length}");
        }
        if let Some(threshold) = log.threshold {
            let _ = write!(self.out, " queue-threshold {threshold}");
        }
        if log.flags == 47 {
            self.text(" flags all");
            return;
        }
        match log.flags & 3 {
            1 => self.text(" flags tcp sequence"),
            2 => self.text(" flags tcp options"),
            3 => self.text(" flags tcp sequence,options"),
            _ => {}
        }
        for (bit, name) in [(4, "ip options"), (8, "skuid"), (32, "ether")] {
            if log.flags & bit != 0 {
                let _ = write!(self.out, " flags {name}");
            }
        }
    }

    fn reject(&mut self, reject: &Reject) {
        self.text("reject");
        let (word, ty, plain) = match reject.kind {
            RejectKind::Reset => {
                self.text(" with tcp reset");
                return;
            }
            RejectKind::Icmp => ("icmp", Ty::IcmpCode, 3),
            RejectKind::Icmp6 => ("icmpv6", Ty::Icmp6Code, 4),
            RejectKind::Icmpx => ("icmpx", Ty::IcmpxCode, 1),
        };
        if reject.code == plain && !reject.verbose {
            return;
        }
        let _ = write!(self.out, " with {word} ");
        self.value(ty, u128::from(reject.code));
    }

    fn nat(&mut self, nat: &Nat) {
        self.text(nat.kind.name());
        if let Some(family) = nat.family {
            let _ = write!(self.out, " {}", family.name());
        }
        match &nat.to {
            NatTo::None if nat.ports.is_some() => self.text(" to "),
            NatTo::None => {}
            NatTo::Addresses(ty, low, high) => {
                self.text(" to ");
                let brackets = *ty == Ty::Ipv6 && nat.ports.is_some();
                for (i, addr) in [low, high].into_iter().take(if low == high { 1 } else { 2 }).enumerate() {
                    self.text(if i == 0 { "" } else { "-" });
                    self.text(if brackets { "[" } else { "" });
                    self.value(*ty, *addr);
                    self.text(if brackets { "]" } else { "" });
                }
            }
            NatTo::Map(map) | NatTo::MapWithPort(map) => {
                self.text(" to ");
                self.expr(map);
            }
        }
        if let Some((first, last)) = nat.ports {
            let _ = write!(self.out, ":{first}");
            if first != last {
                let _ = write!(self.out, "-{last}");
            }
        }
        let flags: Vec<&str> =
            [(nat.random, "random"), (nat.fully_random, "fully-random"), (nat.persistent, "persistent")]
                .into_iter()
                .filter_map(|(on, name)| on.then_some(name))
                .collect();
        if !flags.is_empty() {
            let _ = write!(self.out, " {}", flags.join(","));
        }
    }

    fn dynamic(&mut self, dynamic: &Dynamic) {
        let _ = write!(self.out, "{} @{} {{ ", dynamic.op.name(), dynamic.set);
        self.expr(&dynamic.key);
        if let Some(timeout) = dynamic.timeout {
            let _ = write!(self.out, " timeout {}", time_text(timeout));
        }
        for statement in &dynamic.statements {
            self.text(" ");
            match statement {
                Statement::Counter(c) if *c == Counter::default() => self.text("counter"),
                other => self.statement(other),
            }
        }
        if let Some(data) = &dynamic.data {
            self.text(" : ");
            self.expr(data);
        }
        self.text(" }");
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let _ = match verdict {
            Verdict::Accept => write!(self.out, "accept"),
            Verdict::Drop => write!(self.out, "drop"),
            Verdict::Continue => write!(self.out, "continue"),
            Verdict::Return => write!(self.out, "return"),
            Verdict::Jump(chain) => write!(self.out, "jump {chain}"),
            Verdict::Goto(chain) => write!(self.out, "goto {chain}"),
        };
    }

    fn test(&mut self, left: &Expr, test: &Test) {
        if self.flags_test(left, test) {
            return;
        }
        self.expr(left);
        self.text(" ");
        let not = |not: &bool| if *not { "!= " } else { "" };
        match test {
            Test::Value(Cmp::Implicit | Cmp::Eq, value) if matches!(left, Expr::Op(..)) => {
                self.text("== ");
                self.operand(left, *value);
            }
            Test::Value(cmp, value) => {
                let cmp = match cmp {
                    Cmp::Eq if !left.ty().is_bitmask() => Cmp::Implicit,
                    other => *other,
                };
                self.text(cmp.sign());
                self.operand(left, *value);
            }
            Test::Values(cmp, values) => {
                self.text(if *cmp == Cmp::Ne { "!= " } else { "" });
                self.values(&left.types(), values);
            }
            Test::Range(inverted, low, high) => {
                self.text(not(inverted));
                self.value(left.ty(), *low);
                self.text("-");
                self.value(left.ty(), *high);
            }
            Test::Prefix(inverted, value, length) => {
                self.text(not(inverted));
                self.prefix(left.ty(), *value, *length);
            }
            Test::Set(inverted, set) => {
                self.text(not(inverted));
                self.set_ref(set);
            }
        }
    }

    /// What an expression is compared with: `fib … oif` has words for "none" and "any".
    fn operand(&mut self, left: &Expr, value: u128) {
        match left {
            Expr::Op(inner, ..) if !inner.ty().is_bitmask() && inner.ty() != Ty::Mark => {
                // The width of a number is lost in arithmetic.
                match inner.ty() {
                    Ty::Int(_) => {
                        let _ = write!(self.out, "{value}");
                    }
                    ty => self.value(ty, value),
                }
            }
            _ => self.value(left.ty(), value),
        }
    }

    /// Tests of flags have a short form.
    fn flags_test(&mut self, left: &Expr, test: &Test) -> bool {
        let (Expr::Op(inner, Op::And, mask), Test::Value(cmp, value)) = (left, test) else { return false };
        let ty = inner.ty();
        if !ty.is_bitmask() {
            return false;
        }
        match cmp {
            Cmp::Ne if *value == 0 => {
                self.expr(inner);
                self.text(" ");
                self.value(ty, *mask);
            }
            Cmp::Eq | Cmp::Implicit if *value == 0 => {
                self.expr(inner);
                self.text(" ! ");
                self.value(ty, *mask);
            }
            Cmp::Eq | Cmp::Implicit if value == mask => {
                self.expr(inner);
                self.text(" & ");
                self.flags_list(ty, *mask);
                self.text(" == ");
                self.flags_list(ty, *value);
            }
            Cmp::Eq | Cmp::Implicit | Cmp::Ne => {
                self.expr(inner);
                self.text(if *cmp == Cmp::Ne { " != " } else { " " });
                self.value(ty, *value);
                self.text(" / ");
                self.value(ty, *mask);
            }
            _ => return false,
        }
        true
    }

    /// Flags as operands: in parentheses, with bars in between.
    fn flags_list(&mut self, ty: Ty, value: u128) {
        let mut text = String::new();
        ty.write(&mut text, value);
        if text.contains(',') {
            let _ = write!(self.out, "({})", text.replace(',', " | "));
        } else {
            self.text(&text);
        }
    }

    fn set_ref(&mut self, set: &SetRef) {
        match set {
            SetRef::Named(name) => {
                let _ = write!(self.out, "@{name}");
            }
            SetRef::Anonymous(set) => {
                self.text("{ ");
                let elements = sorted(set, self.style.now);
                for (i, element) in elements.into_iter().chain(set.elements.any.as_deref()).enumerate() {
                    if i > 0 {
                        self.text(", ");
                    }
                    self.element(set, element);
                }
                self.text(" }");
            }
        }
    }

    /// The right side of `set`.
    fn assigned(&mut self, expr: &Expr) {
        match expr {
            // The type is that of what is set.
            Expr::Value(_, value) => self.value(Ty::Mark, *value),
            other => self.expr(other),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Field(field) => {
                let _ = write!(self.out, "{} {}", field.proto.name(), field.name);
            }
            Expr::Meta(meta) => {
                let _ = write!(self.out, "{}{}", if meta.is_short() { "" } else { "meta " }, meta.name());
            }
            Expr::Ct(ct) => self.ct(*ct),
            Expr::Fib(fib) => self.fib(*fib),
            Expr::Numgen { random, modulus, offset, .. } => {
                let kind = if *random { "random" } else { "inc" };
                let _ = write!(self.out, "numgen {kind} mod {modulus}");
                if *offset > 0 {
                    let _ = write!(self.out, " offset {offset}");
                }
            }
            Expr::Jhash { of, modulus, seed, offset } => {
                self.text("jhash ");
                self.expr(of);
                let _ = write!(self.out, " mod {modulus}");
                if let Some(seed) = seed {
                    let _ = write!(self.out, " seed 0x{seed:x}");
                }
                if *offset > 0 {
                    let _ = write!(self.out, " offset {offset}");
                }
            }
            Expr::Op(left, op, right) => {
                self.expr(left);
                let _ = write!(self.out, " {} ", op.sign());
                match left.ty() {
                    Ty::Int(_) => {
                        let _ = write!(self.out, "{right}");
                    }
                    ty if ty.is_bitmask() => self.flags_list(ty, *right),
                    ty => self.value(ty, *right),
                }
            }
            Expr::Concat(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        self.text(" . ");
                    }
                    self.expr(part);
                }
            }
            Expr::Map(key, set) => {
                self.expr(key);
                self.text(" map ");
                self.set_ref(set);
            }
            Expr::Value(ty, value) => self.value(*ty, *value),
        }
    }

    fn ct(&mut self, ct: Ct) {
        self.text("ct ");
        match ct.dir {
            Some(Direction::Original) => self.text("original "),
            Some(Direction::Reply) => self.text("reply "),
            None => {}
        }
        self.text(ct.key.name());
    }

    fn fib(&mut self, fib: Fib) {
        self.text(if fib.source { "fib saddr" } else { "fib daddr" });
        for (on, name) in [(fib.mark, "mark"), (fib.iif, "iif"), (fib.oif, "oif")] {
            if on {
                let _ = write!(self.out, " . {name}");
            }
        }
        self.text(match fib.result {
            FibResult::Type => " type",
            FibResult::Oif | FibResult::Present => " oif",
            FibResult::Oifname => " oifname",
        });
    }
}
