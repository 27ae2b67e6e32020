//! The walk of a packet through one base chain.

use std::sync::Arc;

use super::elements::{Data, Element};
use super::env::Env;
use super::expr::{Cmp, Expr, Test};
use super::load::{Packet, look_up};
use super::model::{
    Chain, Counter, Dynamic, DynamicOp, Limit, Nat, NatKind, NatTo, ObjectState, Quota, Rule, Statement,
    Table, Verdict,
};
use super::print;
use super::types::{Ty, address};
use crate::linux::conntrack::{CtState, NatRange};
use crate::linux::netfilter::{NatTarget, WalkEnd};
use crate::linux::{Skb, SkbCt};
use crate::packet::{IpPacket, Transport};
use crate::time::SimTime;
use crate::trace::{Family, Recorder, RuleAction, RuleRef, RuleTable, Step};

/// Chains that a walk may have left behind to come back to (`NFT_JUMP_STACK_SIZE`).
pub(super) const MAX_DEPTH: usize = 16;

/// Leads a packet through the base chain `start` of a table.
pub(super) fn walk<R: Recorder>(
    table: &mut Table,
    start: usize,
    env: &mut Env<'_>,
    skb: &mut Skb,
    rec: &mut R,
) -> WalkEnd {
    let Some(ip) = skb.ip() else { return WalkEnd::Accept };
    let family = if ip.dst.is_ipv4() { Family::V4 } else { Family::V6 };
    let length = ip.len() as u64;
    let mut walk = Walk { table, env, skb, rec, family, length, element: None };
    walk.run(start)
}

struct Walk<'w, 'a, R> {
    table: &'w mut Table,
    env: &'w mut Env<'a>,
    skb: &'w mut Skb,
    rec: &'w mut R,
    family: Family,
    /// Length of the IP packet in bytes, for counters.
    length: u64,
    /// The element of a verdict map that decided, as it is listed; kept for the record only.
    element: Option<String>,
}

/// What a rule means for the walk.
enum After {
    /// The next rule.
    Next,
    /// A verdict.
    Verdict(Verdict),
    /// The end.
    End(WalkEnd),
}

impl<R: Recorder> Walk<'_, '_, R> {
    fn run(&mut self, start: usize) -> WalkEnd {
        let mut stack = [(0usize, 0usize); MAX_DEPTH];
        let mut depth = 0;
        let (mut chain, mut at) = (start, 0);
        loop {
            let after = self.rule(chain, at);
            at += 1;
            match after {
                Some(After::Next | After::Verdict(Verdict::Continue)) => {}
                Some(After::End(end)) => return end,
                Some(After::Verdict(Verdict::Accept)) => return WalkEnd::Accept,
                Some(After::Verdict(Verdict::Drop)) => {
                    return WalkEnd::Drop(self.reference(chain, at - 1));
                }
                Some(After::Verdict(Verdict::Jump(to))) => {
                    let Some(to) = self.table.chains.slot(&to) else { continue };
                    // `validate` lets no rule set pass that goes deeper.
                    if depth < MAX_DEPTH {
                        stack[depth] = (chain, at);
                        depth += 1;
                    }
                    (chain, at) = (to, 0);
                }
                Some(After::Verdict(Verdict::Goto(to))) => {
                    let Some(to) = self.table.chains.slot(&to) else { continue };
                    (chain, at) = (to, 0);
                }
                None | Some(After::Verdict(Verdict::Return)) => {
                    if depth == 0 {
                        return self.policy(start);
                    }
                    depth -= 1;
                    (chain, at) = stack[depth];
                }
            }
        }
    }

    fn chain_mut(&mut self, index: usize) -> Option<&mut Chain> {
        self.table.chains.at_mut(index)
    }

    /// Tries one rule; none behind the last.
    fn rule(&mut self, chain: usize, at: usize) -> Option<After> {
        // The rule is taken out while its sets are looked into, which are the same table's.
        let family = self.table.family;
        let slot = self.chain_mut(chain)?.rules.get_mut(at)?;
        if slot.text.0.is_none() {
            slot.text = print::late_text(slot, family);
        }
        let mut statements = std::mem::take(&mut slot.statements);
        let after = self.statements(&mut statements, chain, at);
        if let Some(rule) = self.chain_mut(chain).and_then(|c| c.rules.get_mut(at)) {
            rule.statements = statements;
        }
        let Some(after) = after else { return Some(After::Next) };
        if R::ON {
            let action = action(&after);
            let rule = self.reference(chain, at);
            let step = || Step::Rule { rule, action };
            self.rec.record(self.env.now, self.env.ns, &mut self.skb.tag, &self.skb.frame, step);
        }
        Some(after)
    }

    /// Goes through a rule's statements; none if one of them does not hold.
    fn statements(&mut self, statements: &mut [Statement], chain: usize, at: usize) -> Option<After> {
        self.element = None;
        for statement in statements {
            match self.statement(statement, chain, at)? {
                After::Next => {}
                after => return Some(after),
            }
        }
        Some(After::Next)
    }

    fn statement(&mut self, statement: &mut Statement, chain: usize, at: usize) -> Option<After> {
        match statement {
            Statement::Match(left, test) => self.test(left, test)?,
            Statement::Verdict(verdict) => return Some(After::Verdict(verdict.clone())),
            Statement::Vmap(key, set) => {
                let packet = Packet::of(self.skb)?;
                let key = packet.parts(key, self.table, self.env)?;
                let element = look_up(set, self.table, key.as_slice(), self.env.now)?;
                let Data::Verdict(verdict) = &element.data else { return None };
                let verdict = verdict.clone();
                if R::ON {
                    self.element = Some(print::element_text(set, self.table, element));
                }
                return Some(After::Verdict(verdict));
            }
            Statement::Counter(counter) => count(counter, self.length),
            Statement::Object(kind, name) => {
                let (length, now) = (self.length, self.env.now);
                let object = self.table.objects.get_mut(&(*kind, name.clone()))?;
                match &mut object.state {
                    ObjectState::Counter(counter) => count(counter, length),
                    ObjectState::Quota(quota) => quota_holds(quota, length).then_some(())?,
                    ObjectState::Limit(limit) => limit_holds(limit, length, now).then_some(())?,
                }
            }
            Statement::Limit(limit) => limit_holds(limit, self.length, self.env.now).then_some(())?,
            Statement::Quota(quota) => quota_holds(quota, self.length).then_some(())?,
            Statement::Log(_) | Statement::SetTrace(_) => {}
            Statement::Reject(reject) => {
                let with = reject.with(self.family)?;
                let is_tcp = matches!(self.skb.ip()?.body, Transport::Tcp(_));
                if matches!(with, crate::trace::RejectWith::TcpReset) && !is_tcp {
                    return None;
                }
                return Some(After::End(WalkEnd::Reject { rule: self.reference(chain, at), with }));
            }
            Statement::Nat(nat) => return self.nat(nat, chain, at),
            Statement::SetMark(value) => {
                let value = self.value(value)?;
                self.skb.mark = value as u32;
            }
            Statement::SetCtMark(value) => {
                let value = self.value(value)? as u32;
                if self.env.ct.view.tuples.is_some() {
                    self.env.ct.view.mark = value;
                    self.env.set_ct_mark = Some(value);
                }
            }
            Statement::SetMss(mss) => self.set_mss(*mss),
            Statement::Notrack => {
                if matches!(self.skb.ct, SkbCt::None) {
                    self.skb.ct = SkbCt::NoTrack;
                    self.env.ct.view.state = CtState::Untracked;
                }
            }
            Statement::Dynamic(dynamic) => self.dynamic(dynamic)?,
        }
        Some(After::Next)
    }

    fn value(&mut self, expr: &mut Expr) -> Option<u128> {
        Packet::of(self.skb)?.value(expr, self.table, self.env)
    }

    fn test(&mut self, left: &mut Expr, test: &Test) -> Option<()> {
        let packet = Packet::of(self.skb)?;
        let holds = match test {
            Test::Value(cmp, right) => {
                let is_flags = left.ty().is_bitmask();
                compare(*cmp, packet.value(left, self.table, self.env)?, *right, is_flags)
            }
            Test::Values(cmp, right) => {
                let key = packet.parts(left, self.table, self.env)?;
                (key.as_slice() == right.as_slice()) == (*cmp != Cmp::Ne)
            }
            Test::Range(not, low, high) => {
                let value = packet.value(left, self.table, self.env)?;
                (*low <= value && value <= *high) != *not
            }
            Test::Prefix(not, value, length) => {
                let bits = left.ty().bits();
                let shift = u32::from(bits.saturating_sub(*length));
                let got = packet.value(left, self.table, self.env)?;
                let same = shift >= 128 || got >> shift == value >> shift;
                same != *not
            }
            Test::Set(not, set) => {
                let key = packet.parts(left, self.table, self.env)?;
                let found = match set {
                    // Elements of their own count what falls into them.
                    super::expr::SetRef::Named(name) => self.in_named(&name.clone(), key.as_slice()),
                    super::expr::SetRef::Anonymous(_) => {
                        look_up(set, self.table, key.as_slice(), self.env.now).is_some()
                    }
                };
                found != *not
            }
        };
        holds.then_some(())
    }

    /// Whether a key is in a named set; the element's own statements see the packet.
    fn in_named(&mut self, name: &Arc<str>, key: &[u128]) -> bool {
        let (now, length) = (self.env.now, self.length);
        match self.table.sets.get(name).and_then(|set| set.elements.find(key, now)) {
            None => false,
            Some(element) if element.statements.is_empty() => true,
            Some(_) => {
                let element = self.table.sets.get_mut(name).and_then(|set| set.elements.find_mut(key, now));
                element.is_some_and(|e| own_statements(&mut e.statements, length, now))
            }
        }
    }

    fn set_mss(&mut self, mss: u16) {
        let wants =
            |ip: &IpPacket| matches!(&ip.body, Transport::Tcp(t) if t.options.mss.is_some_and(|m| m > mss));
        if self.skb.ip().is_some_and(wants)
            && let Some(IpPacket { body: Transport::Tcp(tcp), .. }) = self.skb.ip_mut()
        {
            tcp.options.mss = Some(mss);
        }
    }

    /// `add @set`, `update @set`, `delete @set` (`nft_dynset_eval`); none ends the rule.
    fn dynamic(&mut self, dynamic: &mut Dynamic) -> Option<()> {
        let packet = Packet::of(self.skb)?;
        let key = packet.parts(&mut dynamic.key, self.table, self.env)?;
        let data = match &mut dynamic.data {
            Some(data) => Data::Values(packet.parts(data, self.table, self.env)?.as_slice().into()),
            None => Data::None,
        };
        let now = self.env.now;
        let set = self.table.sets.get_mut(&dynamic.set)?;
        if dynamic.op == DynamicOp::Delete {
            if let Some(gone) = set.elements.remove(key.as_slice(), None) {
                self.table.links.element(&gone, false);
            }
            return Some(());
        }
        let timeout = dynamic.timeout.or(set.timeout);
        let expires = timeout.filter(|ms| *ms > 0).map(|ms| now + std::time::Duration::from_millis(ms));
        if let Some(element) = set.elements.find_mut(key.as_slice(), now) {
            if dynamic.op == DynamicOp::Update && expires.is_some() {
                element.expires = expires;
            }
            return own_statements(&mut element.statements, self.length, now).then_some(());
        }
        if set.size.is_some_and(|size| set.elements.fill(size, now)) {
            return None;
        }
        let mut element = Element::new(key.as_slice().into(), None);
        element.data = data;
        element.timeout = dynamic.timeout.filter(|t| Some(*t) != set.timeout);
        element.expires = expires;
        element.statements =
            if dynamic.statements.is_empty() { set.statements.clone() } else { dynamic.statements.clone() };
        let holds = own_statements(&mut element.statements, self.length, now);
        set.elements.expire_one(key.as_slice());
        set.elements.insert(element);
        holds.then_some(())
    }

    fn nat(&mut self, nat: &mut Nat, chain: usize, at: usize) -> Option<After> {
        let mut range = NatRange {
            addrs: None,
            ports: nat.ports,
            random: nat.random,
            fully_random: nat.fully_random,
            persistent: nat.persistent,
        };
        let ty = if self.family == Family::V4 { Ty::Ipv4 } else { Ty::Ipv6 };
        match &mut nat.to {
            NatTo::None => {}
            NatTo::Addresses(of, low, high) => {
                (*of == ty).then_some(())?;
                range.addrs = Some((address(ty, *low), address(ty, *high)));
            }
            NatTo::Map(map) => {
                let found = address(ty, self.value(map)?);
                range.addrs = Some((found, found));
            }
            NatTo::MapWithPort(map) => {
                let parts = Packet::of(self.skb)?.parts(map, self.table, self.env)?;
                let [addr, port] = parts.as_slice() else { return None };
                range.addrs = Some((address(ty, *addr), address(ty, *addr)));
                range.ports = Some((*port as u16, *port as u16));
            }
        }
        let target = match nat.kind {
            NatKind::Dnat => NatTarget::Dnat(range),
            NatKind::Snat => NatTarget::Snat(range),
            NatKind::Masquerade => NatTarget::Masquerade(range),
            NatKind::Redirect => NatTarget::Redirect(range),
        };
        Some(After::End(WalkEnd::Nat { rule: self.reference(chain, at), target }))
    }

    /// The rule, as a person finds it again.
    fn reference(&self, chain: usize, at: usize) -> RuleRef {
        let (name, rule): (Arc<str>, Option<&Rule>) = match self.table.chains.at(chain) {
            Some(chain) => (chain.name.clone(), chain.rules.get(at)),
            None => ("".into(), None),
        };
        let text = match (rule.and_then(|r| r.text.0.as_ref()), &self.element) {
            (Some(text), Some(element)) => format!("{text} → {element}").into(),
            (Some(text), None) => text.clone(),
            (None, _) => "".into(),
        };
        RuleRef {
            family: self.family,
            table: RuleTable::Nft(self.table.title.clone()),
            chain: name,
            number: rule.map_or(0, |r| r.handle as u32),
            text,
        }
    }

    fn policy(&mut self, start: usize) -> WalkEnd {
        let Some(chain) = self.table.chains.at(start) else { return WalkEnd::Accept };
        let name = &chain.name;
        let drop = chain.base.as_ref().is_some_and(|b| b.drop);
        let rule = || RuleRef {
            family: self.family,
            table: RuleTable::Nft(self.table.title.clone()),
            chain: name.clone(),
            number: 0,
            text: if drop { "policy drop".into() } else { "policy accept".into() },
        };
        if R::ON {
            let action = if drop { RuleAction::Drop } else { RuleAction::Accept };
            let step = || Step::Rule { rule: rule(), action };
            self.rec.record(self.env.now, self.env.ns, &mut self.skb.tag, &self.skb.frame, step);
        }
        if drop { WalkEnd::Drop(rule()) } else { WalkEnd::Accept }
    }
}

const fn action(after: &After) -> RuleAction {
    match after {
        After::Next | After::Verdict(Verdict::Continue) => RuleAction::Continue,
        After::Verdict(Verdict::Accept) | After::End(WalkEnd::Accept) => RuleAction::Accept,
        After::Verdict(Verdict::Drop) | After::End(WalkEnd::Drop(_)) => RuleAction::Drop,
        After::Verdict(Verdict::Return) => RuleAction::Return,
        After::Verdict(Verdict::Jump(_)) => RuleAction::Jump,
        After::Verdict(Verdict::Goto(_)) => RuleAction::Goto,
        After::End(WalkEnd::Reject { .. }) => RuleAction::Reject,
        After::End(WalkEnd::Nat { target: NatTarget::Dnat(_) | NatTarget::Redirect(_), .. }) => {
            RuleAction::Dnat
        }
        After::End(WalkEnd::Nat { .. }) => RuleAction::Snat,
    }
}

const fn compare(cmp: Cmp, left: u128, right: u128, flags: bool) -> bool {
    match cmp {
        Cmp::Implicit if flags => left & right != 0,
        Cmp::Implicit | Cmp::Eq => left == right,
        Cmp::Ne => left != right,
        Cmp::Lt => left < right,
        Cmp::Le => left <= right,
        Cmp::Gt => left > right,
        Cmp::Ge => left >= right,
        Cmp::Not => left & right == 0,
    }
}

const fn count(counter: &mut Counter, length: u64) {
    counter.packets += 1;
    counter.bytes += length;
}

/// The statements that an element of a set has of its own: counts, and tells whether the rule goes on.
fn own_statements(statements: &mut [Statement], length: u64, now: SimTime) -> bool {
    statements.iter_mut().all(|s| match s {
        Statement::Counter(counter) => {
            count(counter, length);
            true
        }
        Statement::Limit(limit) => limit_holds(limit, length, now),
        Statement::Quota(quota) => quota_holds(quota, length),
        _ => true,
    })
}

/// `nft_quota_do_eval`: counts, and holds until (or `over`: once) the quota is used up.
const fn quota_holds(quota: &mut Quota, length: u64) -> bool {
    quota.used += length;
    (quota.used > quota.bytes) == quota.over
}

/// `nft_limit_eval`: a bucket of nanoseconds that fills with time.
fn limit_holds(limit: &mut Limit, length: u64, now: SimTime) -> bool {
    const SECOND: u64 = 1_000_000_000;
    let unit = limit.unit.saturating_mul(SECOND);
    let rate = limit.rate.max(1);
    let cost = if limit.bytes { unit.saturating_mul(length) / rate } else { unit / rate };
    let full = if limit.bytes {
        (u128::from(unit) * u128::from(limit.rate + limit.burst) / u128::from(rate)) as u64
    } else {
        (u128::from(unit) * u128::from(limit.burst) / u128::from(rate)) as u64
    };
    let elapsed = now.since(limit.last).as_nanos() as u64;
    let tokens = limit.tokens.saturating_add(elapsed).min(full);
    limit.last = now;
    let enough = tokens >= cost;
    limit.tokens = if enough { tokens - cost } else { tokens };
    enough != limit.over
}

impl Limit {
    /// A limit with a full bucket.
    pub(super) fn filled(mut self, now: SimTime) -> Self {
        self.tokens = u64::MAX;
        self.last = now;
        self
    }
}
