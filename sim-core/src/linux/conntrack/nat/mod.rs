//! Address translation (`nf_nat_core.c`): what a flow's reply tuple becomes, and how its packets are rewritten.

mod masquerade;
mod rewrite;
mod unique;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Conntrack, Direction, Status};
use crate::chance::Dice;
use crate::linux::{Skb, SkbCt};
use crate::time::SimTime;
use crate::trace::{DropReason, Hook, NatKind};

/// What a NAT target asks for: `struct nf_nat_range2`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatRange {
    /// First and last address; none keeps the address.
    pub addrs: Option<(IpAddr, IpAddr)>,
    /// First and last port (or ICMP id); none lets the port be kept if it is free.
    pub ports: Option<(u16, u16)>,
    /// `--random`.
    pub random: bool,
    /// `--random-fully`.
    pub fully_random: bool,
    /// `--persistent`.
    pub persistent: bool,
}

impl Conntrack {
    /// Whether the nat table is still to be asked about one side of the packet's flow. True for the packets of a flow that
    /// has seen no reply, until [`nat_setup`](Self::nat_setup) is done. A flow that got into the table before there was a
    /// nat table stays pending, and its translation can not be set up any more, as in the kernel.
    #[must_use]
    pub fn nat_pending(&self, skb: &Skb, kind: NatKind) -> bool {
        match &skb.ct {
            SkbCt::New(flow) => !flow.nat_done(kind),
            SkbCt::Known { id, dir: Direction::Original, related: false, established: false } => {
                self.get(*id).is_some_and(|c| !c.nat_done(kind))
            }
            SkbCt::Known { .. } | SkbCt::Loose { .. } | SkbCt::None | SkbCt::NoTrack | SkbCt::Invalid => {
                false
            }
        }
    }

    /// Decides how one side of the packet's flow is translated (`nf_nat_setup_info`), for good. Without a range nothing
    /// is asked for, but a flow whose reply tuple is taken still gets another source port (a null binding).
    ///
    /// `place` is the place of random draws.
    ///
    /// # Errors
    /// [`DropReason::NatExhausted`] if the source side is settled and the reply tuple still belongs to another flow. (The
    /// kernel finds out a moment later, in `__nf_conntrack_confirm`.)
    pub fn nat_setup(
        &mut self,
        skb: &mut Skb,
        kind: NatKind,
        range: Option<&NatRange>,
        dice: &mut Dice,
        place: u64,
        now: SimTime,
    ) -> Result<(), DropReason> {
        let SkbCt::New(conn) = &mut skb.ct else { return Ok(()) };
        // What the flow looks like behind the translations that are settled already.
        let Some(current) = conn.reply.inverted().filter(|_| !conn.nat_done(kind)) else { return Ok(()) };
        let keep;
        let range = match range {
            Some(range) => range,
            None => {
                let addr = if kind == NatKind::Source { current.src } else { current.dst };
                keep = NatRange { addrs: Some((addr, addr)), ..NatRange::default() };
                &keep
            }
        };
        let mut search = unique::Search { ct: self, conn, kind, range, dice, place, now };
        let chosen = search.run(current);
        let exhausted = kind == NatKind::Source && search.is_taken(&chosen);
        if chosen != current
            && let Some(reply) = chosen.inverted()
        {
            conn.reply = reply;
            conn.status |= translated(kind);
        }
        conn.status |= match kind {
            NatKind::Source => Status::SRC_NAT_DONE,
            NatKind::Destination => Status::DST_NAT_DONE,
        };
        if exhausted {
            self.stats.insert_failed += 1;
            self.stats.drop += 1;
            return Err(DropReason::NatExhausted);
        }
        Ok(())
    }

    /// Rewrites a packet at a hook as its flow is translated (`nf_nat_packet`, and `nf_nat_icmp_reply_translation` for ICMP
    /// errors), and says which side has changed. The destination changes in PREROUTING and OUTPUT, the source in
    /// POSTROUTING and INPUT.
    ///
    /// # Errors
    /// [`DropReason::NatRedirect`] for an ICMP redirect about a translated flow.
    pub fn nat_apply(&mut self, skb: &mut Skb, hook: Hook) -> Result<Option<NatKind>, DropReason> {
        let kind = match hook {
            Hook::Prerouting | Hook::Output => NatKind::Destination,
            Hook::Postrouting | Hook::Input => NatKind::Source,
            Hook::Forward => return Ok(None),
        };
        let dir = match &skb.ct {
            SkbCt::New(_) => Direction::Original,
            SkbCt::Known { dir, .. } | SkbCt::Loose { dir, .. } => *dir,
            SkbCt::None | SkbCt::NoTrack | SkbCt::Invalid => return Ok(None),
        };
        let Some(packet) = skb.ip() else { return Ok(None) };
        let Some(conn) = self.of(skb) else { return Ok(None) };
        // While it is not settled whether the flow is translated, that is assumed (`nf_nat_icmp_reply_translation`).
        let settled = conn.nat_done(NatKind::Source) && conn.nat_done(NatKind::Destination);
        let translated = conn.status.any(Status::NAT);
        if (translated || !settled) && rewrite::is_redirect(packet) {
            return Err(DropReason::NatRedirect);
        }
        if !translated {
            return Ok(None);
        }
        if !conn.status.has(side(kind, dir)) {
            return Ok(None);
        }
        let Some(change) = rewrite::Change::of(conn, dir, kind, packet) else { return Ok(None) };
        let Some(packet) = skb.ip_mut() else { return Ok(None) };
        change.apply(packet);
        Ok(Some(kind))
    }
}

/// The bit that says that a side is translated.
const fn translated(kind: NatKind) -> Status {
    match kind {
        NatKind::Source => Status::SRC_NAT,
        NatKind::Destination => Status::DST_NAT,
    }
}

/// The bit that makes a packet of a direction change on a side: a reply's source is what was the destination.
const fn side(kind: NatKind, dir: Direction) -> Status {
    match (kind, dir) {
        (NatKind::Source, Direction::Original) | (NatKind::Destination, Direction::Reply) => Status::SRC_NAT,
        (NatKind::Destination, Direction::Original) | (NatKind::Source, Direction::Reply) => Status::DST_NAT,
    }
}
