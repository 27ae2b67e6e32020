//! A flow and what is known of it.

use std::ops::{BitOr, BitOrAssign};

use serde::{Deserialize, Serialize};

use super::{Direction, SctpState, TcpTrack, Tuple};
use crate::time::SimTime;
use crate::trace::{IfId, NatKind};

/// IANA protocol number of GRE, of which only the plain form without keys is tracked.
pub(super) const GRE: u8 = 47;

/// A flow in the table, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId(pub u32);

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conn {
    /// Tuple of the first packet.
    pub orig: Tuple,
    /// Tuple expected of replies.
    pub reply: Tuple,
    /// What has happened to it.
    pub status: Status,
    /// `connmark`.
    pub mark: u32,
    /// When the entry ends unless another packet comes.
    pub expires: SimTime,
    /// What its protocol needs to remember.
    pub proto: ProtoState,
    /// The interface whose address MASQUERADE gave it (`nf_conn_nat.masq_index`).
    pub masqueraded: Option<IfId>,
    /// Packets and bytes in the original and the reply direction, if `nf_conntrack_acct` was on when the flow began.
    pub counters: Option<[Counter; 2]>,
}

/// Traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, IP headers included.
    pub bytes: u64,
}

/// What a protocol tracker remembers of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtoState {
    /// UDP.
    Udp {
        /// From this instant on, traffic in both directions makes it a stream: 2 s after its start.
        stream_from: SimTime,
    },
    /// TCP.
    Tcp(TcpTrack),
    /// SCTP.
    Sctp(SctpState),
    /// ICMP and ICMPv6 echo.
    Icmp,
    /// GRE.
    Gre,
    /// Any other protocol.
    Generic,
}

/// Status bits of a flow: `IPS_*` of `linux/netfilter/nf_conntrack_common.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status(pub u32);

impl Status {
    /// Packets were seen in both directions.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// Not to be dropped early when the table is full.
    pub const ASSURED: Self = Self(1 << 2);
    /// In the table.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// The source is translated.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// The destination is translated.
    pub const DST_NAT: Self = Self(1 << 5);
    /// It is decided whether and how the source is translated.
    pub const SRC_NAT_DONE: Self = Self(1 << 7);
    /// It is decided whether and how the destination is translated.
    pub const DST_NAT_DONE: Self = Self(1 << 8);
    /// Taken out of the table.
    pub const DYING: Self = Self(1 << 9);
    /// The timeout is not renewed.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// Inserted for its replies only, because another flow has its original tuple.
    pub const NAT_CLASH: Self = Self(1 << 12);
    /// Either side is translated.
    pub const NAT: Self = Self(Self::SRC_NAT.0 | Self::DST_NAT.0);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a bit of `other` is set.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Status {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Status {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Conn {
    /// The tuple of one direction.
    #[must_use]
    pub const fn tuple(&self, dir: Direction) -> &Tuple {
        match dir {
            Direction::Original => &self.orig,
            Direction::Reply => &self.reply,
        }
    }

    /// Whether one side's translation is decided.
    #[must_use]
    pub const fn nat_done(&self, kind: NatKind) -> bool {
        self.status.has(match kind {
            NatKind::Source => Status::SRC_NAT_DONE,
            NatKind::Destination => Status::DST_NAT_DONE,
        })
    }

    /// Whether the time of the entry is over.
    #[must_use]
    pub fn is_expired(&self, now: SimTime) -> bool {
        self.expires <= now
    }

    /// Renews the timeout and counts the packet (`nf_ct_refresh_acct`).
    pub(super) fn refresh(&mut self, now: SimTime, seconds: u32, dir: Direction, bytes: usize) {
        if !self.status.has(Status::FIXED_TIMEOUT) {
            self.expires = now + std::time::Duration::from_secs(seconds.into());
        }
        self.count(dir, bytes);
    }

    /// Counts a packet if the flow is accounted.
    pub(super) fn count(&mut self, dir: Direction, bytes: usize) {
        if let Some(counters) = &mut self.counters {
            let c = &mut counters[dir as usize];
            c.packets += 1;
            c.bytes += bytes as u64;
        }
    }
}
