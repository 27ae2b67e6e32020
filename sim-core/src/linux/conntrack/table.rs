//! The table of flows.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::events::{EventKind, Events};
use super::{Conn, ConnId, Direction, Status, Tuple};
use crate::time::SimTime;

/// Source address, source port, protocol.
type Source = (IpAddr, u16, u8);

/// All flows of a namespace, found by either tuple, and kept in the order in which they were inserted.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Flow number `base + i` is at index `i`; flows that ended leave a hole, which the front closes.
    conns: VecDeque<Option<Box<Conn>>>,
    base: u32,
    live: usize,
    by_tuple: FxHashMap<Tuple, (ConnId, Direction)>,
    /// Flows with a translated source by their original source, so that a socket keeps its mapping (`nf_nat_bysource`).
    by_source: FxHashMap<Source, SmallVec<[ConnId; 1]>>,
    pub(super) events: Events,
}

impl Table {
    pub(super) const fn len(&self) -> usize {
        self.live
    }

    /// The flow with this tuple.
    #[inline]
    pub(super) fn lookup(&self, tuple: &Tuple) -> Option<(ConnId, Direction)> {
        self.by_tuple.get(tuple).copied()
    }

    #[inline]
    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(id.0.wrapping_sub(self.base) as usize)?.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id.0.wrapping_sub(self.base) as usize)?.as_deref_mut()
    }

    /// In order of insertion.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        (0u32..)
            .zip(&self.conns)
            .filter_map(|(i, c)| Some((ConnId(self.base.wrapping_add(i)), c.as_deref()?)))
    }

    /// Flows with a translated source that began at this source, the newest first.
    pub(super) fn of_source(&self, t: &Tuple) -> impl Iterator<Item = &Conn> {
        let ids = self.by_source.get(&(t.src, t.sport, t.protocol));
        ids.into_iter().flatten().rev().filter_map(|id| self.get(*id))
    }

    /// Adds a flow; one that clashes is found by its reply tuple only.
    pub(super) fn insert(&mut self, conn: Box<Conn>) -> ConnId {
        let id = ConnId(self.base.wrapping_add(self.conns.len() as u32));
        if !conn.status.has(Status::NAT_CLASH) {
            self.by_tuple.insert(conn.orig, (id, Direction::Original));
        }
        self.by_tuple.insert(conn.reply, (id, Direction::Reply));
        if conn.status.has(Status::SRC_NAT) {
            self.by_source.entry(source(&conn)).or_default().push(id);
        }
        self.conns.push_back(Some(conn));
        self.live += 1;
        id
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Box<Conn>> {
        let mut conn = self.conns.get_mut(id.0.wrapping_sub(self.base) as usize)?.take()?;
        self.live -= 1;
        while let Some(None) = self.conns.front() {
            self.conns.pop_front();
            self.base = self.base.wrapping_add(1);
        }
        for tuple in [&conn.orig, &conn.reply] {
            if self.by_tuple.get(tuple).is_some_and(|(found, _)| *found == id) {
                self.by_tuple.remove(tuple);
            }
        }
        if let Some(ids) = self.by_source.get_mut(&source(&conn)) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_source.remove(&source(&conn));
            }
        }
        conn.status |= Status::DYING;
        if self.events.are_heard() {
            self.events.take_change(id);
            self.events.tell(EventKind::Destroy, &conn);
        }
        Some(conn)
    }

    /// Removes the flows that `choose` wants gone and returns them in order of insertion.
    pub(super) fn remove_if(&mut self, mut choose: impl FnMut(&Conn) -> bool) -> Vec<Conn> {
        let ids: Vec<_> = self.iter().filter(|(_, c)| choose(c)).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).map(|conn| *conn).collect()
    }

    /// Looks up a tuple; an entry whose time is over is removed and counts as not there.
    #[inline]
    pub(super) fn find(&mut self, tuple: &Tuple, now: SimTime) -> Option<(ConnId, Direction)> {
        let (id, dir) = self.lookup(tuple)?;
        if self.get(id)?.is_expired(now) {
            self.remove(id);
            return None;
        }
        Some((id, dir))
    }
}

fn source(conn: &Conn) -> Source {
    (conn.orig.src, conn.orig.sport, conn.orig.protocol)
}
