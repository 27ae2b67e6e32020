//! The connections: which client goes to which real server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::state::State;
use super::{DestId, ServiceKey};
use crate::time::SimTime;

/// A connection, in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

/// One connection, or what a client keeps (a template, whose client port is 0).
#[derive(Clone, Debug)]
pub struct Conn {
    /// IANA protocol number.
    pub protocol: u8,
    /// The client.
    pub client: SocketAddr,
    /// Where it connected to.
    pub virtual_server: SocketAddr,
    /// Where its packets go.
    pub real: SocketAddr,
    /// How far it is.
    pub state: State,
    /// When it is forgotten unless another packet comes.
    pub expires: SimTime,
    pub(super) dest: DestId,
    /// Seconds that it lives after a packet.
    pub(super) seconds: u32,
    pub(super) active: bool,
    /// It keeps its entry of connection tracking (`IP_VS_CONN_F_NFCT`).
    pub(super) tracked: bool,
    /// The template that it was made by.
    pub(super) control: Option<ConnId>,
    /// Connections that were made by this template.
    pub(super) controls: u32,
}

impl Conn {
    /// Whether it is what a client keeps.
    #[must_use]
    pub const fn is_template(&self) -> bool {
        matches!(self.state, State::Template(_))
    }
}

/// Protocol, near end, far end.
type Ends = (u8, SocketAddr, SocketAddr);

/// All connections of a namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnTable {
    conns: BTreeMap<ConnId, Conn>,
    last: u64,
    /// By client and virtual server; for look-ups only.
    inward: FxHashMap<Ends, ConnId>,
    /// By real server and client, the newest last; for look-ups only.
    outward: FxHashMap<Ends, SmallVec<[ConnId; 1]>>,
    /// By protocol, masked client address and virtual server; for look-ups only.
    templates: FxHashMap<(u8, IpAddr, SocketAddr), ConnId>,
    timers: BTreeSet<(SimTime, ConnId)>,
}

impl ConnTable {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.conns.values()
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(&id)
    }

    pub(super) fn inward(&self, protocol: u8, client: SocketAddr, to: SocketAddr) -> Option<ConnId> {
        self.inward.get(&(protocol, client, to)).copied()
    }

    pub(super) fn outward(&self, protocol: u8, real: SocketAddr, client: SocketAddr) -> Option<ConnId> {
        self.outward.get(&(protocol, real, client))?.last().copied()
    }

    pub(super) fn template(&self, key: &ServiceKey, client: IpAddr) -> Option<ConnId> {
        self.templates.get(&(key.protocol, client, key.at)).copied()
    }

    /// Whether a connection to a real server is remembered.
    pub(super) fn uses(&self, dest: DestId) -> bool {
        self.conns.values().any(|c| c.dest == dest)
    }

    pub(super) fn insert(&mut self, conn: Conn) -> ConnId {
        self.last += 1;
        let id = ConnId(self.last);
        if conn.is_template() {
            self.templates.insert((conn.protocol, conn.client.ip(), conn.virtual_server), id);
        } else {
            self.inward.insert((conn.protocol, conn.client, conn.virtual_server), id);
            self.outward.entry((conn.protocol, conn.real, conn.client)).or_default().push(id);
        }
        self.timers.insert((conn.expires, id));
        self.conns.insert(id, conn);
        id
    }

    /// Lets a connection live on for its time from now (`ip_vs_conn_put`).
    pub(super) fn touch(&mut self, id: ConnId, now: SimTime) {
        if let Some(conn) = self.conns.get_mut(&id) {
            self.timers.remove(&(conn.expires, id));
            conn.expires = now + Duration::from_secs(conn.seconds.into());
            self.timers.insert((conn.expires, id));
        }
    }

    /// Ends what a client kept at its next look (`ip_vs_check_template`): it is found no more.
    pub(super) fn forget_template(&mut self, id: ConnId) {
        if let Some(c) = self.conns.get_mut(&id) {
            self.templates.remove(&(c.protocol, c.client.ip(), c.virtual_server));
            c.virtual_server.set_port(u16::MAX);
            c.real.set_port(u16::MAX);
        }
    }

    pub(super) fn next_expiry(&self) -> Option<SimTime> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let conn = self.conns.remove(&id)?;
        self.timers.remove(&(conn.expires, id));
        if conn.is_template() {
            let key = (conn.protocol, conn.client.ip(), conn.virtual_server);
            if self.templates.get(&key) == Some(&id) {
                self.templates.remove(&key);
            }
            return Some(conn);
        }
        let key = (conn.protocol, conn.client, conn.virtual_server);
        if self.inward.get(&key) == Some(&id) {
            self.inward.remove(&key);
        }
        let key = (conn.protocol, conn.real, conn.client);
        if let Some(ids) = self.outward.get_mut(&key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.outward.remove(&key);
            }
        }
        if let Some(control) = conn.control.and_then(|c| self.conns.get_mut(&c)) {
            control.controls = control.controls.saturating_sub(1);
        }
        Some(conn)
    }

    /// The next connection whose time is over. What a client keeps stays a minute longer while it has connections
    /// (`ip_vs_conn_expire`).
    pub(super) fn pop_expired(&mut self, now: SimTime) -> Option<(ConnId, Conn)> {
        loop {
            let (at, id) = *self.timers.first()?;
            if at > now {
                return None;
            }
            let busy = self.conns.get_mut(&id).filter(|c| c.controls > 0);
            let Some(template) = busy else { return self.remove(id).map(|c| (id, c)) };
            template.seconds = 60;
            template.expires = at + Duration::from_secs(60);
            let again = (template.expires, id);
            self.timers.remove(&(at, id));
            self.timers.insert(again);
        }
    }
}
