//! `iptables -L` and `iptables -S`.

use std::fmt::Write as _;

use super::address::AddrMatch;
use super::arguments::Style;
use super::names::protocol_name;
use super::rule::{Head, IfaceMatch, RuleSpec};
use super::table::{Chain, Rule, Table};
use super::targets::Target;
use crate::trace::Family;

/// How rules are printed.
#[derive(Clone, Copy)]
pub(super) struct Listing {
    pub(super) family: Family,
    pub(super) style: Style,
    pub(super) verbose: bool,
}

impl Listing {
    /// `-L`: all chains, or one, or one rule of one chain without its heading.
    pub(super) fn list(&self, table: &Table, chain: Option<&Chain>, number: Option<u32>) -> String {
        let mut out = String::new();
        match (chain, number) {
            (Some(chain), Some(number)) => {
                if let Some(rule) = chain.rules.get(number as usize - 1) {
                    self.row(&mut out, rule, number as usize);
                }
            }
            (Some(chain), None) => self.chain(&mut out, chain),
            (None, _) => {
                for (n, chain) in table.chains().enumerate() {
                    if n > 0 {
                        out.push('\n');
                    }
                    self.chain(&mut out, chain);
                }
            }
        }
        out
    }

    fn chain(&self, out: &mut String, chain: &Chain) {
        self.heading(out, chain);
        self.columns(out);
        for (i, rule) in chain.rules.iter().enumerate() {
            self.row(out, rule, i + 1);
        }
    }

    fn heading(&self, out: &mut String, chain: &Chain) {
        let _ = write!(out, "Chain {} ", chain.name);
        let Some(base) = &chain.base else {
            let _ = writeln!(out, "({} references)", chain.references);
            return;
        };
        let _ = write!(out, "(policy {}", base.policy.name());
        if self.verbose {
            let (packets, bytes) = (self.count(base.packets, 0), self.count(base.bytes, 0));
            let _ = write!(out, " {packets} packets, {bytes} bytes");
        }
        out.push_str(")\n");
    }

    fn columns(&self, out: &mut String) {
        if self.style.line_numbers {
            out.push_str("num  ");
        }
        if self.verbose {
            out.push_str(if self.style.exact { "    pkts      bytes " } else { " pkts bytes " });
        }
        out.push_str("target     prot opt ");
        if self.verbose {
            out.push_str("in     out     ");
        }
        let _ = writeln!(out, "{:<19}  {:<19} ", "source", "destination");
    }

    fn row(&self, out: &mut String, rule: &Rule, number: usize) {
        let (spec, numeric) = (&*rule.spec, self.style.numeric);
        if self.style.line_numbers {
            let _ = write!(out, "{number:<4} ");
        }
        if self.verbose {
            let width = if self.style.exact { 8 } else { 5 };
            let _ = write!(out, "{} {} ", self.count(rule.packets, width), self.count(rule.bytes, width));
        }
        let head = &spec.head;
        let _ = write!(
            out,
            "{:<9} {}{:<4} ",
            spec.target.name(),
            not(head.protocol_inverted),
            protocol(head, numeric)
        );
        let _ = write!(out, "{} ", fragment(head));
        if self.verbose {
            let _ = write!(out, " {:<6} {:<6} ", iface(&head.iif, numeric), iface(&head.oif, numeric));
        }
        for addr in [&head.src, &head.dst] {
            let inverted = addr.as_ref().is_some_and(|a| a.inverted);
            let _ = write!(out, "{}{:<19} ", not(inverted), self.address(addr, numeric));
        }
        details(out, spec, numeric);
        out.push('\n');
    }

    fn address(&self, addr: &Option<AddrMatch>, numeric: bool) -> String {
        match (addr, numeric, self.family) {
            (Some(addr), ..) => addr.list(numeric),
            (None, false, _) => "anywhere".to_owned(),
            (None, true, Family::V4) => "0.0.0.0/0".to_owned(),
            (None, true, Family::V6) => "::/0".to_owned(),
        }
    }

    /// The line that `-v` prints when a rule is added, deleted or checked.
    pub(super) fn echo(&self, spec: &RuleSpec) -> String {
        let head = &spec.head;
        let mut out = format!("{} {}", spec.target.name(), not(head.protocol_inverted));
        // Names of protocols, but numbers elsewhere: the real tool does it so.
        let _ = write!(out, "{} opt {} ", protocol(head, false), fragment(head));
        let _ = write!(out, "in {} out {} ", iface(&head.iif, true), iface(&head.oif, true));
        for (addr, arrow) in [(&head.src, ""), (&head.dst, "-> ")] {
            let inverted = addr.as_ref().is_some_and(|a| a.inverted);
            let _ = write!(out, "{}{arrow}{} ", not(inverted), self.address(addr, true));
        }
        out.push(' ');
        details(&mut out, spec, true);
        out.push('\n');
        out
    }

    /// A counter, shortened as in `123K` unless `-x` is given.
    fn count(&self, n: u64, width: usize) -> String {
        if self.style.exact || n <= 99_999 {
            return format!("{n:>width$}");
        }
        let width = width.saturating_sub(1);
        let mut shown = (n + 500) / 1000;
        for unit in ['K', 'M', 'G'] {
            if shown <= 9_999 {
                return format!("{shown:>width$}{unit}");
            }
            shown = (shown + 500) / 1000;
        }
        format!("{shown:>width$}T")
    }
}

const fn not(inverted: bool) -> char {
    if inverted { '!' } else { ' ' }
}

fn protocol(head: &Head, numeric: bool) -> String {
    match (head.protocol, numeric) {
        (0, false) => "all".to_owned(),
        (n, false) => protocol_name(n).map_or_else(|| n.to_string(), str::to_owned),
        (n, true) => n.to_string(),
    }
}

const fn fragment(head: &Head) -> &'static str {
    match head.fragment {
        None => "--",
        Some(false) => "-f",
        Some(true) => "!f",
    }
}

fn iface(iface: &Option<IfaceMatch>, numeric: bool) -> String {
    match iface {
        None if numeric => "*".to_owned(),
        None => "any".to_owned(),
        Some(i) if i.inverted => format!("!{}", i.name()),
        Some(i) => i.name().to_owned(),
    }
}

fn details(out: &mut String, spec: &RuleSpec, numeric: bool) {
    if let Target::Chain { goto: true, .. } = spec.target {
        out.push_str("[goto] ");
    }
    for m in &spec.matches {
        m.list(out, numeric);
    }
    spec.target.list(out, numeric);
}

/// `-S`: all chains, or one, or one rule of one chain.
pub(super) fn list_rules(
    table: &Table,
    chain: Option<&Chain>,
    number: Option<u32>,
    counters: bool,
) -> String {
    let mut out = String::new();
    let chains: Vec<_> = chain.map_or_else(|| table.chains().collect(), |c| vec![c]);
    if number.is_none() {
        for chain in &chains {
            declaration(&mut out, chain, counters);
        }
    }
    for chain in chains {
        for (i, rule) in chain.rules.iter().enumerate() {
            if number.is_none_or(|n| n as usize == i + 1) {
                rule_line(&mut out, rule, counters);
            }
        }
    }
    out
}

fn declaration(out: &mut String, chain: &Chain, counters: bool) {
    match &chain.base {
        None => {
            let _ = write!(out, "-N {}", chain.name);
        }
        Some(base) => {
            out.push_str(&base.text);
            if counters {
                let _ = write!(out, " -c {} {}", base.packets, base.bytes);
            }
        }
    }
    out.push('\n');
}

/// The rule; with counters they stand in front of the target.
fn rule_line(out: &mut String, rule: &Rule, counters: bool) {
    let mut target = String::new();
    rule.spec.target.save(&mut target);
    let text = rule.spec.text.strip_suffix(target.as_str()).unwrap_or(&rule.spec.text);
    out.push_str(text);
    if counters {
        let _ = write!(out, " -c {} {}", rule.packets, rule.bytes);
    }
    out.push_str(&target);
    out.push('\n');
}
