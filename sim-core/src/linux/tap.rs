//! Taps: copies of the frames that cross interfaces, as packet sockets get them (packet(7)).
//!
//! A frame that comes in is seen before the bridge and the hooks, one that goes out after them, on each interface that it crosses: a pod's
//! packet is seen on the veth, the bridge, the tunnel device and the network card. Nothing is copied while nobody looks.

use std::collections::VecDeque;

use crate::packet::{Frame, MacAddr};
use crate::time::SimTime;
use crate::trace::IfId;

/// Names a tap of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub u32);

/// A frame, as it crossed an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: SimTime,
    /// The interface.
    pub iface: IfId,
    /// Whether it came or went, and whom it was for (`sll_pkttype`).
    pub kind: SeenKind,
    /// The frame.
    pub frame: Frame,
    /// The checksum that is still to be computed by a network card ([`crate::linux::Skb::partial`]).
    pub partial: Option<u8>,
}

/// `sll_pkttype` of packet(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeenKind {
    /// For this interface.
    Host,
    /// For everybody.
    Broadcast,
    /// For a group.
    Multicast,
    /// For somebody else.
    OtherHost,
    /// Sent by this host.
    Outgoing,
}

impl SeenKind {
    /// What a frame that came in by an interface with address `own` is.
    #[must_use]
    pub fn incoming(dst: MacAddr, own: MacAddr) -> Self {
        if dst == own {
            Self::Host
        } else if dst == MacAddr::BROADCAST {
            Self::Broadcast
        } else if dst.is_group() {
            Self::Multicast
        } else {
            Self::OtherHost
        }
    }
}

/// The taps of one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps {
    last: u32,
    /// Something was seen.
    news: bool,
    open: Vec<Tap>,
}

#[derive(Clone, Debug)]
struct Tap {
    id: TapId,
    place: Place,
    queue: VecDeque<Seen>,
}

/// Where a tap looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At one interface, or all of them.
    Link(Option<IfId>),
    /// At the packets for this host that have passed INPUT (`raw_local_deliver`).
    Local,
}

impl Place {
    fn is_at(self, iface: IfId) -> bool {
        matches!(self, Self::Link(at) if at.is_none_or(|i| i == iface))
    }
}

impl Taps {
    /// Whether anybody looks at this interface.
    #[inline]
    pub(super) fn watches(&self, iface: IfId) -> bool {
        self.open.iter().any(|t| t.place.is_at(iface))
    }

    /// Hands out copies.
    pub(super) fn see(&mut self, seen: &Seen) {
        for tap in self.open.iter_mut().filter(|t| t.place.is_at(seen.iface)) {
            tap.queue.push_back(seen.clone());
            self.news = true;
        }
    }

    /// Whether anybody looks at the packets for this host.
    #[inline]
    pub(super) fn hears(&self) -> bool {
        self.open.iter().any(|t| t.place == Place::Local)
    }

    /// Hands out copies of a packet for this host.
    pub(super) fn hear(&mut self, seen: &Seen) {
        for tap in self.open.iter_mut().filter(|t| t.place == Place::Local) {
            tap.queue.push_back(seen.clone());
            self.news = true;
        }
    }

    pub(super) fn open(&mut self, iface: Option<IfId>) -> TapId {
        self.open_at(Place::Link(iface))
    }

    pub(super) fn open_local(&mut self) -> TapId {
        self.open_at(Place::Local)
    }

    fn open_at(&mut self, place: Place) -> TapId {
        self.last += 1;
        let id = TapId(self.last);
        self.open.push(Tap { id, place, queue: VecDeque::new() });
        id
    }

    pub(super) fn close(&mut self, id: TapId) {
        self.open.retain(|t| t.id != id);
    }

    pub(super) fn take(&mut self, id: TapId) -> Vec<Seen> {
        let tap = self.open.iter_mut().find(|t| t.id == id);
        tap.map_or(Vec::new(), |t| t.queue.drain(..).collect())
    }

    /// Whether a tap has seen something since the last question; what nobody takes is no news for ever.
    pub(super) const fn take_news(&mut self) -> bool {
        std::mem::replace(&mut self.news, false)
    }
}
