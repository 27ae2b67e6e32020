//! What `conntrack -E` hears: flows that come, change and go (`nf_conntrack_ecache.c`, `ctnetlink_conntrack_event`).
//!
//! Nothing is noted while nobody listens. A change is told when the packet that made it passes the end of POSTROUTING or INPUT, so that
//! one packet makes one event; the end of a flow is told at once. A listener that does not read loses what finds no room.

use std::collections::{BTreeSet, VecDeque};

use super::{Conn, ConnId, ProtoState, SctpState, Status, TcpState};
use crate::time::SimTime;

/// Events that wait for one listener at most.
const ROOM: usize = 4096;

/// What has become of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// It came into the table.
    New,
    /// Its state, status or mark changed.
    Update,
    /// It left the table.
    Destroy,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: EventKind,
    /// The flow as it was then.
    pub conn: Conn,
    /// Port of the netlink socket of the program that did it, if it was not a packet or a timer.
    pub port: Option<u32>,
}

/// Names a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u32);

/// What waits for a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// In order.
    pub events: Vec<Event>,
    /// There was no room for others (`ENOBUFS`).
    pub lost: bool,
}

#[derive(Clone, Debug)]
struct Listener {
    id: ListenerId,
    queue: VecDeque<Event>,
    lost: bool,
}

/// The listeners of one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    last: u32,
    open: Vec<Listener>,
    /// Flows that the packet on its way has changed.
    changed: BTreeSet<ConnId>,
    now: SimTime,
    port: Option<u32>,
}

/// What of a flow makes an event when it changes.
pub(super) type Face = (u32, Option<TcpState>, Option<SctpState>);

impl Conn {
    /// What is told when it changes.
    pub(super) const fn face(&self) -> Face {
        let bits = self.status.0 & (Status::SEEN_REPLY.0 | Status::ASSURED.0);
        match &self.proto {
            ProtoState::Tcp(t) => (bits, Some(t.state()), None),
            ProtoState::Sctp(s) => (bits, None, Some(*s)),
            _ => (bits, None, None),
        }
    }
}

impl Events {
    /// Whether anybody listens.
    #[inline]
    pub(super) const fn are_heard(&self) -> bool {
        !self.open.is_empty()
    }

    /// The instant of what happens from now on, and the program that does it.
    pub(super) const fn set(&mut self, now: SimTime, port: Option<u32>) {
        self.now = now;
        self.port = port;
    }

    /// Notes that a packet has changed a flow.
    pub(super) fn note_change(&mut self, id: ConnId) {
        if self.are_heard() {
            self.changed.insert(id);
        }
    }

    /// Whether there is a change of this flow to be told; it is no more.
    pub(super) fn take_change(&mut self, id: ConnId) -> bool {
        self.changed.remove(&id)
    }

    pub(super) fn tell(&mut self, kind: EventKind, conn: &Conn) {
        for listener in &mut self.open {
            if listener.queue.len() >= ROOM {
                listener.lost = true;
                continue;
            }
            let mut conn = conn.clone();
            if kind != EventKind::Destroy {
                conn.counters = None; // counted at the end only
            }
            listener.queue.push_back(Event { at: self.now, kind, conn, port: self.port });
        }
    }

    pub(super) fn open(&mut self) -> ListenerId {
        self.last += 1;
        let id = ListenerId(self.last);
        self.open.push(Listener { id, queue: VecDeque::new(), lost: false });
        id
    }

    pub(super) fn close(&mut self, id: ListenerId) {
        self.open.retain(|l| l.id != id);
        if self.open.is_empty() {
            self.changed.clear();
        }
    }

    pub(super) fn has_news(&self, id: ListenerId) -> bool {
        self.open.iter().any(|l| l.id == id && (l.lost || !l.queue.is_empty()))
    }

    pub(super) fn take(&mut self, id: ListenerId) -> Heard {
        let listener = self.open.iter_mut().find(|l| l.id == id);
        listener.map_or_else(Heard::default, |l| Heard {
            events: l.queue.drain(..).collect(),
            lost: std::mem::take(&mut l.lost),
        })
    }
}
