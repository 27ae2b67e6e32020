//! The walk of a packet through the chains of one table.
//!
//! Two engines find the next rule that matches. The plain one tries rule by rule, as the kernel's manual describes it; it is the
//! reference, and the one that can tell which rules were tried in vain and why. The compiled one ([`super::index`]) tries only
//! rules that can match. Verdict, counters, marks, draws and record are the same.

use std::net::IpAddr;
use std::sync::Arc;

use super::Ruleset;
use super::edit::Edit;
use super::env::{Env, NatTarget, WalkEnd};
use super::graph::MAX_DEPTH;
use super::matches::{Buckets, Cx};
use super::packet::Packet;
use super::recent::RecentLists;
use super::rule::RuleSpec;
use super::table::{ChainId, Policy, Rule, Table};
use super::targets::{Connmark, Ct, Effect, Net, Other, Target};
use crate::linux::conntrack::{CtState, NatRange};
use crate::linux::{Skb, SkbCt};
use crate::packet::FrameBody;
use crate::trace::{Family, Hook, RuleAction, RuleRef, Step, TableId};
use crate::trace::{Recorder, Tag};

/// How the next rule that matches is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Rule by rule.
    Plain,
    /// By the index of the chain.
    Compiled,
}

/// Leads a packet through the chain of `table` at `env.hook`. A recorder that wants to see the rules that did not match gets them
/// from the plain engine.
pub(super) fn walk<R: Recorder>(
    set: &mut Ruleset,
    engine: Engine,
    table: TableId,
    env: &mut Env<'_>,
    skb: &mut Skb,
    rec: &mut R,
) -> WalkEnd {
    let shows_skipped = R::ON && rec.shows_skipped();
    let Some(start) = set.table(table).and_then(|t| t.hook_chain(env.hook)) else { return WalkEnd::Accept };
    let mut place = Place { chain: start, at: 0, stack: ([(start, 0); MAX_DEPTH], 0) };
    loop {
        let Some(tables) = set.tables[table as usize].as_deref_mut() else { return WalkEnd::Accept };
        let FrameBody::Ip(ip) = &skb.frame.body else { return WalkEnd::Accept };
        let packet = Packet::new(ip, (skb.frame.dst, skb.frame.src));
        let mut walk = Walk {
            engine: if shows_skipped { Engine::Plain } else { engine },
            shows_skipped,
            family: set.family,
            table: tables,
            recent: &mut set.recent,
            buckets: &mut set.buckets,
            env,
            frame: &skb.frame,
            tag: &mut skb.tag,
            mark: &mut skb.mark,
            ct: &mut skb.ct,
            rec,
            length: ip.len() as u64,
        };
        let (edit, rule) = match walk.run(&packet, start, &mut place) {
            Leg::End(end) => return end,
            Leg::Edit(edit, rule) => (edit, rule),
        };
        if let Some(packet) = skb.ip_mut()
            && !edit.apply(packet, env)
        {
            return WalkEnd::Drop(rule);
        }
    }
}

/// Where to go on after a chain: the rule behind the one that jumped.
type Stack = ([(ChainId, u32); MAX_DEPTH], usize);

/// Where a walk is: the rule to try next, and the way back.
struct Place {
    chain: ChainId,
    at: u32,
    stack: Stack,
}

/// Why a walk stops: for good, or to change the packet before it goes on.
enum Leg {
    End(WalkEnd),
    Edit(Edit, RuleRef),
}

/// A walk under way.
struct Walk<'w, 'a, R> {
    engine: Engine,
    shows_skipped: bool,
    family: Family,
    table: &'w mut Table,
    recent: &'w mut RecentLists,
    buckets: &'w mut Buckets,
    env: &'w mut Env<'a>,
    frame: &'w crate::packet::Frame,
    tag: &'w mut Tag,
    mark: &'w mut u32,
    ct: &'w mut SkbCt,
    rec: &'w mut R,
    /// Length of the IP packet in bytes, for the counters.
    length: u64,
}

/// What comes after a rule that matched.
enum After {
    /// The next rule.
    Next,
    /// Back to where the chain was entered from.
    Return,
    /// The first rule of a chain; whether the walk comes back.
    Enter(ChainId, bool),
    /// A change of the packet, then the next rule.
    Edit(Edit, RuleRef),
    /// Nothing.
    End(WalkEnd),
}

impl<R: Recorder> Walk<'_, '_, R> {
    fn run(&mut self, packet: &Packet<'_>, start: ChainId, place: &mut Place) -> Leg {
        let Place { chain, at, stack } = place;
        loop {
            let after = match self.next_match(packet, *chain, at) {
                Some(i) => self.perform(packet, *chain, i),
                None => After::Return,
            };
            match after {
                After::Next => {}
                After::Enter(target, comes_back) => {
                    // `graph::check` lets no table pass that goes deeper.
                    if comes_back && stack.1 < MAX_DEPTH {
                        stack.0[stack.1] = (*chain, *at);
                        stack.1 += 1;
                    }
                    (*chain, *at) = (target, 0);
                }
                After::Return if stack.1 > 0 => {
                    stack.1 -= 1;
                    (*chain, *at) = stack.0[stack.1];
                }
                After::Return => return Leg::End(self.policy(start)),
                After::Edit(edit, rule) => return Leg::Edit(edit, rule),
                After::End(end) => return Leg::End(end),
            }
        }
    }

    /// The next rule of the chain that matches; `at` moves behind it.
    #[inline]
    fn next_match(&mut self, packet: &Packet<'_>, chain: ChainId, at: &mut u32) -> Option<usize> {
        let found = match self.engine {
            Engine::Compiled => self.next_candidate(packet, chain, *at),
            Engine::Plain => self.next_in_order(packet, chain, *at),
        };
        *at = found.map_or(u32::MAX, |i| i as u32 + 1);
        found
    }

    fn next_candidate(&mut self, packet: &Packet<'_>, chain: ChainId, from: u32) -> Option<usize> {
        let devs = (self.env.iif, self.env.oif);
        let (index, rules) = self.table.get_mut(chain)?.indexed();
        let mut hit = |rule: &mut Rule| {
            let (env, recent, buckets) = (&mut *self.env, &mut *self.recent, &mut *self.buckets);
            let mut cx = Cx { env, mark: *self.mark, recent, buckets, states: rule.states.iter_mut() };
            let hit = rule.spec.matches(packet, &mut cx);
            if hit {
                rule.packets += 1;
                rule.bytes += self.length;
            }
            hit
        };
        let Some(index) = index else {
            let found = rules.get_mut(from as usize..)?.iter_mut().position(hit);
            return found.map(|n| from as usize + n);
        };
        let mut candidates = index.candidates(packet, devs, from);
        while let Some(i) = candidates.next() {
            if hit(rules.get_mut(i)?) {
                return Some(i);
            }
        }
        None
    }

    fn next_in_order(&mut self, packet: &Packet<'_>, chain: ChainId, from: u32) -> Option<usize> {
        let (family, table) = (self.family, self.table.id);
        let chain = self.table.get_mut(chain)?;
        for (i, rule) in chain.rules.iter_mut().enumerate().skip(from as usize) {
            let (env, recent, buckets) = (&mut *self.env, &mut *self.recent, &mut *self.buckets);
            let mut cx = Cx { env, mark: *self.mark, recent, buckets, states: rule.states.iter_mut() };
            let Some(failed) = rule.spec.failed_question(packet, &mut cx) else {
                rule.packets += 1;
                rule.bytes += self.length;
                return Some(i);
            };
            if self.shows_skipped {
                let because = rule.spec.words(failed).into();
                let rule = reference(family, table, &chain.name, i, &rule.spec);
                let step = || Step::Skipped { rule, because };
                self.rec.record(self.env.now, self.env.ns, self.tag, self.frame, step);
            }
        }
        None
    }

    /// Does what a rule says.
    fn perform(&mut self, packet: &Packet<'_>, chain: ChainId, index: usize) -> After {
        let Some((name, rule)) = self.table.get(chain).and_then(|c| Some((&c.name, c.rules.get(index)?)))
        else {
            return After::Return;
        };
        let reference = || reference(self.family, self.table.id, name, index, &rule.spec);
        let after = match &rule.spec.target {
            Target::None | Target::Trace => After::Next,
            Target::Log(t) => {
                t.write(self.env, packet, *self.mark);
                After::Next
            }
            Target::Accept => After::End(WalkEnd::Accept),
            Target::Drop => After::End(WalkEnd::Drop(reference())),
            Target::Return => After::Return,
            Target::Chain { goto, .. } => rule.jump.map_or(After::Next, |id| After::Enter(id, !goto)),
            Target::Reject(t) => After::End(WalkEnd::Reject { rule: reference(), with: t.with() }),
            Target::Dnat(t) => nat(reference(), NatTarget::Dnat(t.0.clone())),
            Target::Snat(t) => nat(reference(), NatTarget::Snat(t.0.clone())),
            Target::Masquerade(t) => nat(reference(), NatTarget::Masquerade(t.0.clone())),
            Target::Redirect(t) => nat(reference(), NatTarget::Redirect(t.0.clone())),
            Target::Mark(t) => {
                *self.mark = t.0.apply(*self.mark);
                After::Next
            }
            Target::Connmark(t) => {
                connmark(t, self.env, self.mark);
                After::Next
            }
            Target::Other(t) => match t.effect() {
                Effect::Continue => After::Next,
                Effect::Sets => {
                    if let Other::Set(set) = &**t {
                        set.change(packet, self.env);
                    }
                    After::Next
                }
                Effect::Accept => After::End(WalkEnd::Accept),
                Effect::Drop => After::End(WalkEnd::Drop(reference())),
                Effect::Edit(edit) => After::Edit(edit, reference()),
                Effect::Netmap(net) => nat(reference(), netmap(net, packet, self.env.hook)),
            },
            Target::Ct(t) => {
                notrack(*t, self.env, self.ct);
                After::Next
            }
        };
        if R::ON {
            let step = Step::Rule { rule: reference(), action: action(rule, &after) };
            self.rec.record(self.env.now, self.env.ns, self.tag, self.frame, || step);
        }
        after
    }

    /// The policy of the built-in chain where the walk began.
    fn policy(&mut self, start: ChainId) -> WalkEnd {
        let (family, table) = (self.family, self.table.id);
        let Some(chain) = self.table.get_mut(start) else { return WalkEnd::Accept };
        let Some(base) = chain.base.as_mut() else { return WalkEnd::Accept };
        base.packets += 1;
        base.bytes += self.length;
        let policy = base.policy;
        let text = &base.text;
        let reference = || RuleRef {
            family,
            table: table.into(),
            chain: chain.name.clone(),
            number: 0,
            text: text.clone(),
        };
        if R::ON {
            let action = if policy == Policy::Accept { RuleAction::Accept } else { RuleAction::Drop };
            let step = || Step::Rule { rule: reference(), action };
            self.rec.record(self.env.now, self.env.ns, self.tag, self.frame, step);
        }
        match policy {
            Policy::Accept => WalkEnd::Accept,
            Policy::Drop => WalkEnd::Drop(reference()),
        }
    }
}

fn reference(family: Family, table: TableId, chain: &Arc<str>, index: usize, spec: &RuleSpec) -> RuleRef {
    RuleRef {
        family,
        table: table.into(),
        chain: chain.clone(),
        number: index as u32 + 1,
        text: spec.text.clone(),
    }
}

const fn nat(rule: RuleRef, target: NatTarget) -> After {
    After::End(WalkEnd::Nat { rule, target })
}

/// `netmap_tg4`: the destination on the way in and out of this host's processes, the source on the way to the wire.
fn netmap(net: Net, packet: &Packet<'_>, hook: Hook) -> NatTarget {
    let range = |addr: IpAddr| {
        let addr = net.moved(addr);
        NatRange { addrs: Some((addr, addr)), ..NatRange::default() }
    };
    match hook {
        Hook::Prerouting | Hook::Output => NatTarget::Dnat(range(packet.ip.dst)),
        _ => NatTarget::Snat(range(packet.ip.src)),
    }
}

/// `connmark_tg`: nothing without a flow.
const fn connmark(target: &Connmark, env: &mut Env<'_>, mark: &mut u32) {
    if env.ct.tuples.is_none() {
        return;
    }
    let new = match target {
        Connmark::Set(xmark) => xmark.apply(env.ct.mark),
        Connmark::Save(masks) => masks.saved(*mark, env.ct.mark),
        Connmark::Restore(masks) => {
            *mark = masks.restored(*mark, env.ct.mark);
            return;
        }
    };
    env.ct.mark = new;
    env.set_ct_mark = Some(new);
}

/// `notrack_tg`: only a packet that connection tracking has not seen.
fn notrack(target: Ct, env: &mut Env<'_>, ct: &mut SkbCt) {
    if target != Ct::Plain && matches!(ct, SkbCt::None) {
        *ct = SkbCt::NoTrack;
        env.ct.state = CtState::Untracked;
    }
}

fn action(rule: &Rule, after: &After) -> RuleAction {
    match &rule.spec.target {
        Target::Accept => RuleAction::Accept,
        Target::Drop => RuleAction::Drop,
        Target::Return => RuleAction::Return,
        Target::Chain { goto: false, .. } => RuleAction::Jump,
        Target::Chain { goto: true, .. } => RuleAction::Goto,
        Target::Reject(_) => RuleAction::Reject,
        Target::Dnat(_) | Target::Redirect(_) => RuleAction::Dnat,
        Target::Snat(_) | Target::Masquerade(_) => RuleAction::Snat,
        Target::Other(_) => match after {
            After::End(WalkEnd::Accept) => RuleAction::Accept,
            After::End(WalkEnd::Drop(_)) => RuleAction::Drop,
            After::End(WalkEnd::Nat { target: NatTarget::Dnat(_), .. }) => RuleAction::Dnat,
            After::End(_) => RuleAction::Snat,
            _ => RuleAction::Continue,
        },
        Target::None
        | Target::Mark(_)
        | Target::Connmark(_)
        | Target::Ct(_)
        | Target::Log(_)
        | Target::Trace => RuleAction::Continue,
    }
}
