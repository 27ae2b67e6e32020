//! The netfilter hooks: a packet meets iptables tables, nftables chains, connection tracking and address translation in the order
//! that [`super::order`] keeps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cx;
use super::order::Call;
use super::routing::{Opinion, Path};
use crate::linux::Errno;
use crate::linux::conntrack::{CtState, NatRange};
use crate::linux::ipv6::is_link_local;
use crate::linux::netfilter::{Env, NatTarget, WalkEnd};
use crate::linux::nftables::{self, ChainAt};
use crate::linux::policy::Routing;
use crate::linux::tunnel::is_tunnelled;
use crate::linux::{Iface, Netns, Skb, SkbCt};
use crate::packet::IcmpError;
use crate::trace::{
    CtSummary, DropReason, Family, Hook, IfId, NatKind, Recorder, RejectWith, RuleRef, Step, TableId, Verdict,
};

/// Where a packet is when a hook is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The hook.
    pub(super) hook: Hook,
    /// Interface it came in by.
    pub(super) iif: Option<IfId>,
    /// Interface it will leave by.
    pub(super) oif: Option<IfId>,
}

/// A hook ended a packet.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// Thrown away.
    Drop(DropReason),
    /// Thrown away, and the sender is told. `early` says that the packet had no route yet.
    Reject { rule: RuleRef, with: RejectWith, early: bool },
    /// Refused without a rule; the sender is told.
    Refuse(DropReason, IcmpError),
    /// IPVS takes it, to send it to a real server.
    Stolen(Path),
    /// Changed so that it needs another route, and there is none; the program is told.
    Unroutable(DropReason, Errno),
}

impl Stop {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::Drop(reason) | Self::Unroutable(reason, _) => Verdict::Dropped { reason },
            Self::Refuse(reason, error) => {
                Verdict::Rejected { rule: None, reason: Some(reason), with: RejectWith::Icmp(error) }
            }
            Self::Stolen(_) => Verdict::Consumed { what: "taken by IPVS" },
            Self::Reject { rule, with, .. } => Verdict::Rejected { rule: Some(rule), reason: None, with },
        }
    }
}

/// NAT takes a checksum that a network card is to fill in for that of the header it changes (`inet_proto_csum_replace4`), although it may
/// be that of a packet inside. The tunnel's own, which was complete, is wrong from then on.
fn spoil_checksum(skb: &mut Skb) {
    let inside = skb.partial.is_some_and(|depth| depth > 0);
    if let Some(p) = skb.ip_mut().filter(|p| inside && is_tunnelled(p)) {
        p.bad_checksum = true;
    }
}

/// What a route depends on.
fn route_key(skb: &Skb) -> Option<(IpAddr, IpAddr, u32)> {
    skb.ip().map(|p| (p.src, p.dst, skb.mark))
}

/// Who has a packet routed again that it has changed in OUTPUT: the table mangle, `route` chains, translation, IPVS. A mark that another
/// table sets comes too late (`ipt_mangle_out`, `nf_route_table_hook4`, `nf_nat_ipv4_local_fn`, `ip_vs_route_me_harder`).
const fn has_routed_again(call: Call) -> bool {
    match call {
        Call::Iptables(TableId::Mangle) | Call::NftRoute(_) | Call::Nat(_) | Call::IpvsOut => true,
        Call::Iptables(_) | Call::Nft(_) | Call::Track | Call::Confirm | Call::IpvsIn => false,
    }
}

/// What a walk means for the packet.
fn go_on(end: Option<WalkEnd>, hook: Hook) -> Result<(), Stop> {
    match end {
        None | Some(WalkEnd::Accept) => Ok(()),
        Some(WalkEnd::Drop(rule)) => Err(Stop::Drop(DropReason::Netfilter(rule))),
        Some(WalkEnd::Reject { rule, with }) => {
            Err(Stop::Reject { rule, with, early: hook == Hook::Prerouting })
        }
        // Only nat chains may say so, and they are asked elsewhere.
        Some(WalkEnd::Nat { .. }) => Ok(()),
    }
}

impl Netns {
    /// Leads a packet through one hook. Nothing happens in a namespace without rules.
    #[inline]
    pub(super) fn hook<R: Recorder>(
        &mut self,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Stop> {
        if self.netfilter_on { self.run_hook(at, skb, cx) } else { Ok(()) }
    }

    fn run_hook<R: Recorder>(&mut self, at: At, skb: &mut Skb, cx: &mut Cx<'_, R>) -> Result<(), Stop> {
        let bridged = skb.bridge_nf.is_some_and(|b| b.physout.is_some() || at.hook == Hook::Prerouting);
        self.note(cx, skb, || Step::Hook { hook: at.hook, bridged });
        let Some(packet) = skb.ip() else { return Ok(()) };
        let family = if packet.dst.is_ipv4() { Family::V4 } else { Family::V6 };
        let mut n = 0;
        while let Some(call) = self.hooks.call(family, at.hook, n) {
            n += 1;
            let before = route_key(skb);
            match call {
                Call::Iptables(_) | Call::Nft(_) | Call::NftRoute(_) => {
                    go_on(self.walk(call, at, skb, cx), at.hook)?;
                }
                Call::Track => self.track(skb, cx)?,
                Call::Nat(kind) => self.translate(kind, family, at, skb, cx)?,
                Call::Confirm => self.confirm(skb, cx)?,
                Call::IpvsIn => self.ipvs_in(at, skb, cx)?,
                Call::IpvsOut => self.ipvs_out(skb, cx),
            }
            if at.hook == Hook::Output && route_key(skb) != before && has_routed_again(call) {
                // Where it leads is seen behind the last chain; that it leads nowhere ends it before the next.
                skb.reroute = Some(skb.mark);
                self.routed_again(skb, at.oif).map_err(|(why, errno)| Stop::Unroutable(why, errno))?;
            }
        }
        Ok(())
    }

    fn track<R: Recorder>(&mut self, skb: &mut Skb, cx: &mut Cx<'_, R>) -> Result<(), Stop> {
        // A packet that comes back over `lo`, or that already belongs to a flow, is not looked at again.
        if !self.track || skb.ct != SkbCt::None {
            return Ok(());
        }
        self.conntrack.track(skb, cx.now).map_err(Stop::Drop)?;
        if R::ON {
            let view = self.conntrack.view(skb);
            let state = match view.state {
                CtState::Invalid => "INVALID",
                CtState::New => "NEW",
                CtState::Established => "ESTABLISHED",
                CtState::Related => "RELATED",
                CtState::Untracked => "UNTRACKED",
            };
            self.note(cx, skb, || Step::Conntrack(CtSummary { state, reply: view.reply }));
        }
        Ok(())
    }

    fn confirm<R: Recorder>(&mut self, skb: &mut Skb, cx: &Cx<'_, R>) -> Result<(), Stop> {
        if matches!(skb.ct, SkbCt::New(_)) || self.conntrack.is_heard() {
            self.conntrack.confirm(skb, cx.now).map_err(Stop::Drop)?;
        }
        Ok(())
    }

    /// Leads a packet through one chain; none if there was nothing to be led through.
    fn walk<R: Recorder>(
        &mut self,
        call: Call,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Option<WalkEnd> {
        match call {
            Call::Iptables(table) => self.walk_table(table, at, skb, cx),
            Call::Nft(chain) | Call::NftRoute(chain) => self.walk_nft(chain, at, skb, cx),
            Call::Track | Call::Nat(_) | Call::Confirm | Call::IpvsIn | Call::IpvsOut => None,
        }
    }

    fn walk_nft<R: Recorder>(
        &mut self,
        chain: ChainAt,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Option<WalkEnd> {
        let ifaces = &self.ifaces;
        let iface = |id: Option<IfId>| ifaces.get(id?.0 as usize)?.as_ref();
        let mut env = nftables::Env {
            now: cx.now,
            ns: self.id,
            hook: at.hook,
            iif: iface(at.iif),
            oif: iface(at.oif),
            ct: nftables::Flow::of(&self.conntrack, skb, cx.now),
            set_ct_mark: None,
            dice: cx.dice,
            fib: &Opinion(Routing { policy: &self.policy, local: &self.local, main: &self.main, ifaces }),
        };
        let end = self.nft.walk(chain, &mut env, skb, cx.rec);
        if let Some(mark) = env.set_ct_mark {
            self.conntrack.set_mark(skb, mark);
        }
        Some(end)
    }

    fn walk_table<R: Recorder>(
        &mut self,
        table: TableId,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Option<WalkEnd> {
        let packet = skb.ip()?;
        let rules = if packet.dst.is_ipv4() { &mut self.nf4 } else { &mut self.nf6 };
        // What nothing is done with is worth neither a walk nor a line in a trace.
        if rules.pass_empty(table, at.hook, packet.len()) {
            return None;
        }
        let ifaces = &self.ifaces;
        let name = |id: Option<IfId>| Some(&*ifaces.get(id?.0 as usize)?.as_ref()?.name);
        let bridge = skb.bridge_nf;
        let mut env = Env {
            now: cx.now,
            ns: self.id,
            hook: at.hook,
            bridged: bridge.is_some(),
            iif: name(at.iif),
            oif: name(at.oif),
            physin: name(bridge.map(|b| b.physin)),
            physout: name(bridge.and_then(|b| b.physout)),
            ct: self.conntrack.view(skb),
            set_ct_mark: None,
            ipvs: skb.ipvs.then_some(&self.ipvs),
            sets: &mut self.sets,
            log: &mut self.log,
            dice: cx.dice,
            addrs: &Opinion(Routing { policy: &self.policy, local: &self.local, main: &self.main, ifaces }),
        };
        let end = rules.walk(table, &mut env, skb, cx.rec);
        if let Some(mark) = env.set_ct_mark {
            self.conntrack.set_mark(skb, mark);
        }
        Some(end)
    }

    /// The nat table for a flow's first packet, then the flow's translation for every packet.
    fn translate<R: Recorder>(
        &mut self,
        kind: NatKind,
        family: Family,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Stop> {
        if at.hook == Hook::Postrouting {
            self.conntrack.check_masquerade(skb, at.oif).map_err(Stop::Drop)?;
        }
        if self.conntrack.nat_pending(skb, kind) {
            let (range, masquerade) = self.ask_nat(family, at, skb, cx)?.unzip();
            self.conntrack
                .nat_setup(skb, kind, range.as_ref(), cx.dice, u64::from(self.id.0), cx.now)
                .map_err(Stop::Drop)?;
            if let Some(dev) = masquerade.flatten() {
                self.conntrack.note_masquerade(skb, dev);
            }
        }
        if let Some(kind) = self.conntrack.nat_apply(skb, at.hook).map_err(Stop::Drop)? {
            self.note(cx, skb, || Step::Nat { kind });
            spoil_checksum(skb);
        }
        Ok(())
    }

    /// Asks the nat chains in their order until one knows a translation; with it the interface whose address it takes, if it does.
    fn ask_nat<R: Recorder>(
        &mut self,
        family: Family,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Result<Option<(NatRange, Option<IfId>)>, Stop> {
        let mut n = 0;
        while let Some(call) = self.hooks.nat(family, at.hook, n) {
            n += 1;
            match self.walk(call, at, skb, cx) {
                Some(WalkEnd::Nat { target, .. }) => {
                    let masquerade = at.oif.filter(|_| matches!(target, NatTarget::Masquerade(_)));
                    let range =
                        self.nat_range(target, at, skb).ok_or(Stop::Drop(DropReason::NatNoAddress))?;
                    return Ok(Some((range, masquerade)));
                }
                end => go_on(end, at.hook)?,
            }
        }
        Ok(None)
    }

    /// Fills in the address that MASQUERADE and REDIRECT leave open; none if the interface has no address to give.
    fn nat_range(&self, target: NatTarget, at: At, skb: &Skb) -> Option<NatRange> {
        let with =
            |range: NatRange, addr: Option<IpAddr>| Some(NatRange { addrs: Some((addr?, addr?)), ..range });
        match target {
            NatTarget::Dnat(r) | NatTarget::Snat(r) => Some(r),
            NatTarget::Masquerade(r) => {
                // The address towards the next hop on the outgoing interface (`inet_select_addr`).
                let dst = skb.ip().map(|p| p.dst);
                if let (Some(IpAddr::V6(dst)), Some(oif)) = (dst, at.oif) {
                    return with(r, crate::linux::ipv6::source(self.ifaces(), oif, dst).map(IpAddr::V6));
                }
                // A bridge passes on what no route leads to.
                let next_hop = dst.map(|d| self.path_to(d).map_or(d, |p| p.next_hop));
                let addr =
                    at.oif.and_then(|o| self.iface(o)).zip(next_hop).and_then(|(i, n)| i.source_for(n));
                // An address of host scope is not for others: that of another interface stands in.
                let wider = |a: &IpAddr| a.is_ipv4() && !a.is_loopback();
                let others = || self.ifaces().flat_map(|i| &i.addrs).map(ipnet::IpNet::addr).find(wider);
                with(r, addr.filter(wider).or_else(others))
            }
            NatTarget::Redirect(r) => {
                let v4 = skb.ip().is_none_or(|p| p.dst.is_ipv4());
                let lo =
                    if v4 { IpAddr::from(Ipv4Addr::LOCALHOST) } else { IpAddr::from(Ipv6Addr::LOCALHOST) };
                // Of IPv6 addresses one that reaches as far as the one addressed (`nf_nat_redirect_ipv6`).
                let link = skb.ip().is_some_and(|p| is_link_local(p.dst));
                let fits = |a: &IpAddr| a.is_ipv4() == v4 && is_link_local(*a) == link;
                let first = |i: &Iface| i.addrs.iter().map(ipnet::IpNet::addr).find(fits);
                let addr = match at.iif {
                    Some(iif) => self.iface(iif).and_then(first),
                    None => Some(lo),
                };
                with(r, addr)
            }
        }
    }
}
