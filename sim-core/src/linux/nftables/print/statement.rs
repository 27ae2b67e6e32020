//! Rules and statements.

use std::fmt::Write as _;

use super::Printer;
use crate::linux::nftables::listing::{bytes_text, hidden};
use crate::linux::nftables::model::{
    Counter, Dynamic, Family, Limit, Log, Nat, NatTo, Quota, Reject, RejectKind, Rule, Statement, Verdict,
};
use crate::linux::nftables::types::{Ty, time_text};

impl Printer<'_> {
    /// One rule.
    pub(in crate::linux::nftables) fn rule(&mut self, rule: &Rule, family: Family) {
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

    pub(super) fn statement(&mut self, statement: &Statement) {
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

    pub(super) fn limit_body(&mut self, limit: &Limit) {
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

    pub(super) fn quota_body(&mut self, quota: &Quota) {
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

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        let _ = match verdict {
            Verdict::Accept => write!(self.out, "accept"),
            Verdict::Drop => write!(self.out, "drop"),
            Verdict::Continue => write!(self.out, "continue"),
            Verdict::Return => write!(self.out, "return"),
            Verdict::Jump(chain) => write!(self.out, "jump {chain}"),
            Verdict::Goto(chain) => write!(self.out, "goto {chain}"),
        };
    }
}
