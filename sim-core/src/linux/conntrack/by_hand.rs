//! What a person does to the table: listening, creating and changing entries (`ctnetlink`).

use std::time::Duration;

use super::events::{EventKind, Heard, ListenerId};
use super::{Conn, Conntrack, Counter, Filter, ProtoState, Status, TcpState, TcpTrack, Tuple};
use crate::packet::proto;
use crate::time::SimTime;

/// An entry to be made (`conntrack -I`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Tuple of the first packet.
    pub orig: Tuple,
    /// Tuple expected of replies.
    pub reply: Tuple,
    /// Status bits to be set besides [`Status::CONFIRMED`].
    pub status: Status,
    /// `connmark`.
    pub mark: u32,
    /// How long it lives.
    pub timeout: Duration,
    /// State, for TCP.
    pub state: Option<TcpState>,
}

/// What is to be changed of an entry (`conntrack -U`); what is not given stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// `connmark`, and the mask of the bits that are changed.
    pub mark: Option<(u32, u32)>,
    /// How long it lives from now on.
    pub timeout: Option<Duration>,
    /// Status bits to be set.
    pub status: Status,
    /// State, for TCP.
    pub state: Option<TcpState>,
}

/// An entry has one of the tuples already (`EEXIST`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("File exists")]
pub struct EntryExists;

impl Conntrack {
    /// Begins to listen to events.
    pub fn listen(&mut self) -> ListenerId {
        self.table.events.open()
    }

    /// Ends listening.
    pub fn hang_up(&mut self, id: ListenerId) {
        self.table.events.close(id);
    }

    /// What a listener has not taken yet.
    pub fn hear(&mut self, id: ListenerId) -> Heard {
        self.table.events.take(id)
    }

    /// Whether something waits for a listener.
    #[must_use]
    pub fn has_news(&self, id: ListenerId) -> bool {
        self.table.events.has_news(id)
    }

    /// From now on until [`Conntrack::left_by`], the program with this netlink port is at work.
    pub const fn touched_by(&mut self, port: u32, now: SimTime) {
        self.table.events.set(now, Some(port));
    }

    /// The program is done.
    pub const fn left_by(&mut self, now: SimTime) {
        self.table.events.set(now, None);
    }

    /// Makes an entry (`conntrack -I`).
    ///
    /// # Errors
    /// One of its tuples is taken.
    pub fn create(&mut self, entry: &Entry, now: SimTime) -> Result<&Conn, EntryExists> {
        let taken = [&entry.orig, &entry.reply].into_iter().any(|t| self.table.find(t, now).is_some());
        if taken {
            return Err(EntryExists);
        }
        let proto = match entry.orig.protocol {
            proto::TCP => ProtoState::Tcp(TcpTrack::in_state(entry.state.unwrap_or_default())),
            proto::UDP => ProtoState::Udp { stream_from: now + super::track::UDP_STREAM_AFTER },
            proto::ICMP | proto::ICMPV6 => ProtoState::Icmp,
            _ => ProtoState::Generic,
        };
        let mut status = entry.status | Status::CONFIRMED | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        if entry.orig.src != entry.reply.dst
            || (!entry.orig.is_icmp() && entry.orig.sport != entry.reply.dport)
        {
            status |= Status::SRC_NAT;
        }
        if entry.orig.dst != entry.reply.src
            || (!entry.orig.is_icmp() && entry.orig.dport != entry.reply.sport)
        {
            status |= Status::DST_NAT;
        }
        let conn = Conn {
            orig: entry.orig,
            reply: entry.reply,
            status,
            mark: entry.mark,
            expires: now + entry.timeout,
            proto,
            masqueraded: None,
            counters: self.settings.acct.then(|| [Counter::default(); 2]),
        };
        self.table.events.tell(EventKind::New, &conn);
        let id = self.insert(Box::new(conn), now);
        self.stats.insert += 1;
        self.table.get(id).ok_or(EntryExists)
    }

    /// Changes the entries that match and returns them as they are then (`conntrack -U`).
    pub fn update(&mut self, filter: &Filter, change: &Change, now: SimTime) -> Vec<Conn> {
        let ids: Vec<_> = self.iter().filter(|(_, c)| filter.matches(c)).map(|(id, _)| id).collect();
        let mut changed = Vec::new();
        for id in ids {
            let Some(conn) = self.table.get_mut(id) else { continue };
            if let Some((mark, mask)) = change.mark {
                conn.mark = (conn.mark & !mask) | mark;
            }
            if let Some(timeout) = change.timeout {
                conn.expires = now + timeout;
            }
            conn.status |= change.status;
            if let (Some(state), ProtoState::Tcp(track)) = (change.state, &mut conn.proto) {
                track.set_state(state);
            }
            let conn = conn.clone();
            self.table.events.tell(EventKind::Update, &conn);
            changed.push(conn);
        }
        changed
    }
}
