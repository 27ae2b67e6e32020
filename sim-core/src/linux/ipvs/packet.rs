//! What happens to one packet (`ip_vs_core.c`).

use std::net::{IpAddr, SocketAddr};

use super::admin::flow;
use super::conn::{Conn, ConnId};
use super::schedule::View;
use super::state::{State, Towards};
use super::{DestId, Ipvs, ServiceKey};
use crate::linux::conntrack::Tuple;
use crate::packet::{Icmp, IpPacket, SctpChunk, TcpFlags, Transport, proto};
use crate::time::SimTime;
use crate::trace::DropReason;

/// A packet that may be for a virtual server.
pub(in crate::linux) struct Arriving<'a> {
    pub(in crate::linux) packet: &'a IpPacket,
    /// It was made on this host.
    pub(in crate::linux) local: bool,
    /// Its flow is in the table of connection tracking.
    pub(in crate::linux) confirmed: bool,
    pub(in crate::linux) now: SimTime,
}

/// What a virtual server does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) enum Incoming {
    /// It is not for one.
    Pass,
    /// It goes to a real server.
    Send(Way),
    /// No real server takes it; the sender is told.
    Refuse(DropReason),
    Drop(DropReason),
}

/// What rules may ask of a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Known {
    /// Where the client connected to.
    pub(in crate::linux) virtual_server: SocketAddr,
    /// The virtual port of what the connection was made by: that of all that a client keeps.
    pub(in crate::linux) control: Option<u16>,
}

/// From virtual to real server, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Way {
    pub(in crate::linux) virtual_server: SocketAddr,
    pub(in crate::linux) real: SocketAddr,
    /// Connection tracking goes on following the flow.
    pub(in crate::linux) tracked: bool,
}

impl Conn {
    const fn way(&self) -> Way {
        Way { virtual_server: self.virtual_server, real: self.real, tracked: self.tracked }
    }
}

/// Protocol, source and destination of what IPVS knows.
fn ends(packet: &IpPacket) -> Option<(u8, SocketAddr, SocketAddr)> {
    let protocol = packet.protocol();
    matches!(protocol, proto::TCP | proto::UDP | proto::SCTP)
        .then(|| Tuple::of(packet))
        .flatten()
        .map(|t| (protocol, SocketAddr::new(t.src, t.sport), SocketAddr::new(t.dst, t.dport)))
}

/// The packet that an ICMP error is about.
pub(in crate::linux) const fn quote(packet: &IpPacket) -> Option<&IpPacket> {
    match &packet.body {
        Transport::Icmp(Icmp::Error { quote, .. }) => Some(quote),
        _ => None,
    }
}

/// Whether it opens a connection (`is_new_conn`).
fn opens(body: &Transport) -> bool {
    match body {
        Transport::Tcp(t) => t.flags.has(TcpFlags::SYN),
        Transport::Sctp(s) => s.chunk == SctpChunk::Init,
        _ => false,
    }
}

impl Ipvs {
    /// A packet in INPUT or OUTPUT (`ip_vs_in_hook`). Connections that end at once are returned beside it.
    pub(in crate::linux) fn incoming(&mut self, p: &Arriving<'_>) -> (Incoming, Option<Tuple>) {
        let Some((protocol, client, to)) = ends(p.packet) else { return (Incoming::Pass, None) };
        let mut found = self.conns.inward(protocol, client, to);
        let mut ended = None;
        if let Some(id) = found
            && opens(&p.packet.body)
            && let Some((old, over)) = self.is_over(id, p)
        {
            if over {
                ended = self.end(id);
            }
            if old {
                return (Incoming::Drop(DropReason::IpvsOldFlow), ended);
            }
            found = None;
        }
        if let Some(id) = found
            && !self.server_is_there(id)
        {
            if !self.settings.expire_nodest_conn {
                return (Incoming::Drop(DropReason::IpvsServerGone), ended);
            }
            let old = p.confirmed && self.conns.get(id).is_some_and(|c| c.tracked);
            ended = self.end(id);
            if old {
                return (Incoming::Drop(DropReason::IpvsOldFlow), ended);
            }
            found = None;
        }
        let id = match found {
            Some(id) => id,
            None => match self.schedule(protocol, client, to, p) {
                Ok(id) => id,
                Err(end) => return (end, ended),
            },
        };
        (self.follow(id, p.packet, Towards::Server, p.now).map_or(Incoming::Pass, Incoming::Send), ended)
    }

    /// The connection of a packet on its way to the real server (`conn_out_get` of the packet turned round).
    pub(in crate::linux) fn of_packet(&self, packet: &IpPacket) -> Option<Known> {
        let (protocol, client, real) = ends(packet)?;
        let conn = self.conns.get(self.conns.outward(protocol, real, client)?)?;
        let control = conn.control.and_then(|c| self.conns.get(c));
        Some(Known { virtual_server: conn.virtual_server, control: control.map(|c| c.virtual_server.port()) })
    }

    /// The answer of a real server (`ip_vs_out_hook`).
    pub(in crate::linux) fn outgoing(&mut self, packet: &IpPacket, now: SimTime) -> Option<Way> {
        let (protocol, real, client) = ends(packet)?;
        let id = self.conns.outward(protocol, real, client)?;
        self.follow(id, packet, Towards::Client, now)
    }

    /// An ICMP error from a client's side about an answer that it got (`ip_vs_in_icmp`).
    pub(in crate::linux) fn incoming_error(&mut self, packet: &IpPacket, now: SimTime) -> Option<Way> {
        let (protocol, virtual_server, client) = ends(quote(packet)?)?;
        let id = self.conns.inward(protocol, client, virtual_server)?;
        self.count(id, Towards::Server, packet.len(), now);
        Some(self.conns.get(id)?.way())
    }

    /// An ICMP error about a packet that went to a real server (`ip_vs_out_icmp`).
    pub(in crate::linux) fn outgoing_error(&mut self, packet: &IpPacket, now: SimTime) -> Option<Way> {
        let (protocol, client, real) = ends(quote(packet)?)?;
        let id = self.conns.outward(protocol, real, client)?;
        self.count(id, Towards::Client, packet.len(), now);
        Some(self.conns.get(id)?.way())
    }

    /// A client begins anew from a port that a connection has. None if it goes on with that; else whether the packet's flow is the old one,
    /// and whether the old connection ends.
    fn is_over(&self, id: ConnId, p: &Arriving<'_>) -> Option<(bool, bool)> {
        let conn = self.conns.get(id)?;
        let drained = self.dests.get(&conn.dest).is_some_and(|d| d.weight == 0);
        let old = p.confirmed && conn.tracked;
        if self.settings.expire_nodest_conn && drained {
            return Some((old, conn.controls == 0));
        }
        let reuse = self.settings.conn_reuse_mode;
        let expected = conn.control.is_none() && conn.state.is_over();
        (reuse != 0 && expected).then_some((old, true))
    }

    fn server_is_there(&self, id: ConnId) -> bool {
        let dest = self.conns.get(id).and_then(|c| self.dests.get(&c.dest));
        dest.is_some_and(|d| d.available)
    }

    /// Ends a connection at once; returns its flow of connection tracking.
    fn end(&mut self, id: ConnId) -> Option<Tuple> {
        let conn = self.conns.remove(id)?;
        self.unbind(&conn);
        conn.tracked.then(|| flow(&conn))
    }

    /// Makes the connection of a first packet (`ip_vs_schedule`).
    fn schedule(
        &mut self,
        protocol: u8,
        client: SocketAddr,
        to: SocketAddr,
        p: &Arriving<'_>,
    ) -> Result<ConnId, Incoming> {
        let begins = match &p.packet.body {
            Transport::Tcp(t) => {
                !t.flags.has(TcpFlags::RST) && (self.settings.sloppy_tcp || t.flags.has(TcpFlags::SYN))
            }
            Transport::Sctp(s) => self.settings.sloppy_sctp || s.chunk == SctpChunk::Init,
            _ => true,
        };
        let key = self.find(protocol, to).filter(|_| begins).ok_or(Incoming::Pass)?;
        // The answer of a server on this host to one of its own clients.
        if p.local && self.conns.inward(protocol, to, client).is_some() {
            return Err(Incoming::Pass);
        }
        let none = Incoming::Refuse(DropReason::IpvsNoServer { virtual_server: key.at });
        let Some(service) = self.services.get(&key) else { return Err(Incoming::Pass) };
        let made = match service.persistence {
            Some(kept) => self.schedule_kept(&key, masked(client.ip(), kept.prefix), client, to, p.now),
            None if key.at.port() == 0 => None,
            None => self.choose(&key, client, to.ip(), p.now).map(|dest| (dest, None)),
        };
        let (dest, control) = made.ok_or(none)?;
        let Some(real) = self.dests.get(&dest).map(|d| d.at) else { return Err(Incoming::Pass) };
        let port = if real.port() == 0 || to.port() != key.at.port() { to.port() } else { real.port() };
        let conn = Conn {
            protocol,
            client,
            virtual_server: to,
            real: SocketAddr::new(real.ip(), port),
            state: State::new(protocol),
            expires: p.now,
            dest,
            seconds: 3,
            active: false,
            tracked: self.settings.conntrack,
            control,
            controls: 0,
        };
        let id = self.bind(conn);
        if let Some(service) = self.services.get_mut(&key) {
            service.stats.conn(p.now);
        }
        if let Some(dest) = self.dests.get_mut(&dest) {
            dest.stats.conn(p.now);
        }
        Ok(id)
    }

    /// The server that a client keeps, or a new one (`ip_vs_sched_persist`).
    fn schedule_kept(
        &mut self,
        key: &ServiceKey,
        kept_by: IpAddr,
        client: SocketAddr,
        to: SocketAddr,
        now: SimTime,
    ) -> Option<(DestId, Option<ConnId>)> {
        let virtual_server =
            ServiceKey { protocol: key.protocol, at: SocketAddr::new(to.ip(), key.at.port()) };
        let found = self.conns.template(&virtual_server, kept_by);
        if let Some(id) = found {
            let dest = self.conns.get(id)?.dest;
            let usable = self
                .dests
                .get(&dest)
                .is_some_and(|d| d.available && (d.weight > 0 || !self.settings.expire_quiescent_template));
            if usable {
                self.conns.touch(id, now);
                return Some((dest, Some(id)));
            }
            self.conns.forget_template(id);
        }
        let dest = self.choose(key, client, to.ip(), now)?;
        let seconds = self.services.get(key)?.persistence?.seconds;
        let port = if key.at.port() == 0 { 0 } else { self.dests.get(&dest)?.at.port() };
        let template = Conn {
            protocol: key.protocol,
            client: SocketAddr::new(kept_by, 0),
            virtual_server: virtual_server.at,
            real: SocketAddr::new(self.dests.get(&dest)?.at.ip(), port),
            state: State::Template(false),
            expires: now,
            dest,
            seconds,
            active: false,
            tracked: false,
            control: None,
            controls: 0,
        };
        let id = self.bind(template);
        self.conns.touch(id, now);
        Some((dest, Some(id)))
    }

    fn choose(&mut self, key: &ServiceKey, client: SocketAddr, to: IpAddr, now: SimTime) -> Option<DestId> {
        let service = self.services.get_mut(key)?;
        let view = View { list: &service.dests, dests: &self.dests, flags: service.flags, client, to, now };
        service.sched.choose(service.scheduler, &view)
    }

    /// Puts a connection into the table and on its server's account (`ip_vs_bind_dest`).
    fn bind(&mut self, conn: Conn) -> ConnId {
        if let Some(dest) = self.dests.get_mut(&conn.dest) {
            if conn.is_template() {
                dest.persistent += 1;
            } else {
                dest.inactive += 1;
            }
            dest.weigh_limits(true);
        }
        if let Some(control) = conn.control.and_then(|c| self.conns.get_mut(c)) {
            control.controls += 1;
        }
        self.conns.insert(conn)
    }

    /// Counts a packet of a connection and takes it to its next state.
    fn follow(&mut self, id: ConnId, packet: &IpPacket, towards: Towards, now: SimTime) -> Option<Way> {
        self.count(id, towards, packet.len(), now);
        let timeouts = self.settings.timeouts;
        let conn = self.conns.get_mut(id)?;
        let next = conn.state.after(&packet.body, towards);
        let (way, dest, control) = (conn.way(), conn.dest, conn.control);
        let changed = conn.active != next.is_active();
        conn.active = next.is_active();
        let stands = next.is_established() && (next != conn.state || next == State::Udp);
        conn.state = next;
        conn.seconds = next.seconds(&timeouts);
        self.conns.touch(id, now);
        if changed && let Some(dest) = self.dests.get_mut(&dest) {
            if next.is_active() {
                dest.active += 1;
                dest.inactive = dest.inactive.saturating_sub(1);
            } else {
                dest.active = dest.active.saturating_sub(1);
                dest.inactive += 1;
            }
        }
        if stands && let Some(template) = control.and_then(|c| self.conns.get_mut(c)) {
            template.state = State::Template(true);
        }
        Some(way)
    }

    fn count(&mut self, id: ConnId, towards: Towards, bytes: usize, now: SimTime) {
        let Some(dest) = self.conns.get(id).and_then(|c| self.dests.get_mut(&c.dest)) else { return };
        let service = self.services.get_mut(&dest.service).map(|s| &mut s.stats);
        for stats in [Some(&mut dest.stats), service].into_iter().flatten() {
            match towards {
                Towards::Server => stats.incoming(bytes, now),
                Towards::Client => stats.outgoing(bytes, now),
            }
        }
    }
}

impl Way {
    /// Turns a packet to the virtual server into one to the real server.
    pub(in crate::linux) fn to_real(self, packet: &mut IpPacket) {
        if let Transport::Icmp(Icmp::Error { quote, .. }) = &mut packet.body {
            packet.dst = self.real.ip();
            quote.src = self.real.ip();
            set_port(&mut quote.body, true, self.real.port());
            return;
        }
        packet.dst = self.real.ip();
        set_port(&mut packet.body, false, self.real.port());
    }

    /// Turns a real server's packet into one of the virtual server.
    pub(in crate::linux) fn to_virtual(self, packet: &mut IpPacket) {
        if let Transport::Icmp(Icmp::Error { quote, .. }) = &mut packet.body {
            packet.src = self.virtual_server.ip();
            quote.dst = self.virtual_server.ip();
            set_port(&mut quote.body, false, self.virtual_server.port());
            return;
        }
        packet.src = self.virtual_server.ip();
        set_port(&mut packet.body, true, self.virtual_server.port());
    }
}

fn set_port(body: &mut Transport, source: bool, port: u16) {
    let (sport, dport) = match body {
        Transport::Tcp(t) => (&mut t.sport, &mut t.dport),
        Transport::Udp(u) => (&mut u.sport, &mut u.dport),
        Transport::Sctp(s) => (&mut s.sport, &mut s.dport),
        Transport::Icmp(_) | Transport::Piece { .. } | Transport::Other { .. } => return,
    };
    *(if source { sport } else { dport }) = port;
}

/// The network of a client.
fn masked(addr: IpAddr, prefix: u8) -> IpAddr {
    ipnet::IpNet::new(addr, prefix).map_or(addr, |net| net.network())
}
